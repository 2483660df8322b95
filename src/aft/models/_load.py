"""Load a backbone by its name, or from the config of a run."""

import copy
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from aft.core import hub_access
from aft.data import TEXT_PAIR, Modality, modality_of
from aft.errors import ModelError, UsageError, did_you_mean
from aft.models._backbone import Backbone, Role
from aft.models._joined import JoinedBackbone
from aft.models._module import ModuleBackbone
from aft.models._parts import PartsBackbone, assets_of
from aft.models._product import ProductBackbone
from aft.models._python import load_python
from aft.models._spec import KIND_OPTIONS, OPTIONS, ModelSpec, join_sign, parse_parts, part_names

#: Students that aft provides itself, ``aft:NAME``.
BUILT_IN = ("ngrams", "static", "cnn", "transformer")
#: Students of several parts by what stands between their names.
JOINED: dict[str, Callable[[Sequence[Backbone]], PartsBackbone]] = {"+": JoinedBackbone, "*": ProductBackbone}
#: Kinds whose names may be those of models on the hub.
HUB_KINDS = ("timm", "hf", "st", "open_clip")


def load_backbone(
    name: str | nn.Module,
    *,
    role: Role = "teacher",
    texts: Callable[[], Sequence[str]] | None = None,
    example: Any = None,
    outputs: int | None = None,
    preprocess: Callable[[Any], Any] | None = None,
    train_preprocess: Callable[[Any], Any] | None = None,
    **options: Any,
) -> Backbone:
    """Load a teacher or a student.

    Args:
        name: ``timm:NAME``, ``hf:NAME-or-FOLDER``, ``st:NAME-or-FOLDER``, ``open_clip:NAME-or-FOLDER``,
            ``python:package.module:factory``, ``aft:ngrams``, ``aft:static``, ``aft:cnn`` or ``aft:transformer``, each optionally followed by
            ``,option=value``; or any ``nn.Module``. A student may be several names joined by ``+`` or ``*``, see `JoinedBackbone` and `ProductBackbone`.
        role: ``"teacher"`` or ``"student"``.
        texts: Returns the training texts, for students that learn their vocabulary from them.
        example: A raw input, to determine the width of a module's features.
        outputs: Number of outputs of the task, for students that have a size according to it.
        preprocess: For a module: maps one raw input to a tensor, always to the same one.
        train_preprocess: For a module: the same for training, where it may be random.
        **options: Options of the model, such as ``layer``, ``pooling``, ``weights`` or ``prompt``; None means
            not given. Options in the name take precedence.

    Returns:
        The backbone, in evaluation mode.

    Raises:
        UsageError: The name or an option is unknown or does not fit.
        ModelError: The model cannot be loaded.
        MissingExtraError: An optional dependency is not installed.

    Example:
        >>> load_backbone("timm:resnet18,weights=random", role="student").dim
        512
    """
    given = {key: value for key, value in options.items() if value is not None}
    for key in given:
        if key not in OPTIONS:
            raise UsageError(f"unknown option {key!r} of a model{did_you_mean(key, OPTIONS)}")
    if isinstance(name, nn.Module):
        backbone: Backbone = ModuleBackbone(
            name,
            preprocess,
            train_preprocess=train_preprocess,
            layer=given.get("layer"),
            pooling=given.get("pooling"),
            example=example,
            name=type(name).__name__,
        )
        backbone.spec = f"module:{type(name).__name__}"
        return backbone.eval()
    if not isinstance(name, str):
        raise UsageError(
            f"a {role} is a name, or a module; received {name!r:.60}; pass a string such as 'timm:resnet18', or an instance of "
            "nn.Module"
        )
    for argument, function in (("preprocess", preprocess), ("train_preprocess", train_preprocess)):
        if function is not None:
            raise UsageError(
                f"{argument}= belongs to a module that is passed itself; received it with {name!r}, which has its own; leave "
                "it out"
            )
    task = _Task(texts, example, outputs)
    specs = parse_parts(name) if role == "student" else [ModelSpec.parse(name)]
    for key in given:
        if len(specs) > 1 and not any(key in _allowed(spec) for spec in specs):
            raise UsageError(f"no part of {name} has an option {key!r}; leave it out")
    parts = []
    for spec in specs:
        own = {key: value for key, value in given.items() if len(specs) == 1 or key in _allowed(spec)}
        parts.append(_load_part(ModelSpec(spec.kind, spec.name, {**own, **spec.options}), role, task))
    return (parts[0] if len(parts) == 1 else JOINED[join_sign(name)](parts)).eval()


def _allowed(spec: ModelSpec) -> tuple[str, ...]:
    """The options of a kind of model."""
    return KIND_OPTIONS.get(f"{spec.kind}:{spec.name}", KIND_OPTIONS.get(spec.kind, ()))


def _load_part(spec: ModelSpec, role: Role, task: "_Task") -> Backbone:
    """Load a model whose name has no parts."""
    allowed = _allowed(spec)
    for key in spec.options:
        if key not in allowed:
            raise UsageError(f"{spec.kind}:{spec.name} has no option {key!r}{did_you_mean(key, allowed)}")
    with hub_access(spec.name) if spec.kind in HUB_KINDS else nullcontext():
        backbone = _load(spec, role, task)
    backbone.spec = str(spec)
    return backbone


class _Task(NamedTuple):
    """What students learn about their task before they are trained: the arguments of `load_backbone`."""

    texts: Callable[[], Sequence[str]] | None
    example: Any
    outputs: int | None

    def modality(self) -> Modality | None:
        """That of the inputs, if one is given."""
        return None if self.example is None else modality_of(self.example)

    def all_texts(self) -> Sequence[str] | None:
        """The training texts, if there are any."""
        return self.texts() if self.texts is not None else None

    def inputs(self) -> Sequence[Any] | None:
        """The training texts, two by two where inputs are pairs."""
        listed = self.all_texts()
        if listed is None or not isinstance(self.example, tuple) or modality_of(self.example) != TEXT_PAIR:
            return listed
        return list(zip(listed[::2], listed[1::2], strict=True))


def _load(spec: ModelSpec, role: Role, task: _Task) -> Backbone:
    """Load a model by its kind."""
    if spec.kind == "timm":
        from aft.models._timm import load_timm

        return load_timm(spec, role)
    if spec.kind == "hf":
        from aft.models._hf import load_hf

        learns = "vocabulary" in spec.options or spec.options.get("weights") == "random"
        return load_hf(spec, task.all_texts() if learns else None, task.modality(), role)
    if spec.kind in ("st", "open_clip") and role != "teacher":
        other = "load the same folder with hf:" if spec.kind == "st" else "choose a model of timm: or hf:"
        raise UsageError(f"{spec.kind}: models are teachers; received {str(spec)!r} as a student; {other}")
    if spec.kind == "st":
        from aft.models._st import load_st

        return load_st(spec)
    if spec.kind == "open_clip":
        from aft.models._open_clip import load_open_clip

        return load_open_clip(spec, task.modality())
    if spec.kind == "python":
        return load_python(spec, task.example, role=role)
    return _make_built_in(spec, role, task)


def _make_built_in(spec: ModelSpec, role: Role, task: _Task) -> Backbone:
    if spec.name not in BUILT_IN:
        raise UsageError(
            f"unknown model aft:{spec.name}{did_you_mean(f'aft:{spec.name}', [f'aft:{name}' for name in BUILT_IN])}"
        )
    if role == "teacher":
        raise UsageError(
            f"aft:{spec.name} is a student with random weights; received it as a teacher; name a pretrained model"
        )
    if spec.name == "ngrams":
        from aft.models._ngrams import make_ngrams

        return make_ngrams(spec, task.inputs(), task.outputs)
    if spec.name == "static":
        from aft.models._static import make_static

        return make_static(spec, task.all_texts(), task.outputs)
    if spec.name == "cnn":
        from aft.models._cnn import make_cnn

        return make_cnn(spec, task.all_texts())
    from aft.models._hf import make_transformer

    return make_transformer(spec, task.all_texts())


def restore_backbone(
    config: dict[str, Any], assets: Path, module: nn.Module | str | None = None, preprocess: Any = None
) -> Backbone:
    """Recreate the backbone of a run; its weights are loaded afterwards.

    Code that a run names is never imported or called: the caller has to pass it.

    Args:
        config: The result of `Backbone.config`.
        assets: Directory that `Backbone.save_assets` wrote to.
        module: For a run that trained a module: that module, which is copied, or its ``python:`` name.
        preprocess: The preprocessing of the module.

    Returns:
        The backbone.

    Raises:
        ModelError: The run trained a module that was not passed, or its kind of backbone is unknown.
    """
    kind = config.get("class")
    if kind in JOINED:
        names = part_names(module) if isinstance(module, str) else []
        given = names if len(names) == len(config["parts"]) else [module] * len(config["parts"])
        parts = [
            restore_backbone(part, assets_of(assets, number), own, preprocess)
            for number, (part, own) in enumerate(zip(config["parts"], given, strict=True))
        ]
        for part, reads in zip(parts, config["reads"], strict=True):
            part.reads = reads
        return JOINED[kind](parts)
    if kind in ("hf-text", "hf-image"):
        from aft.models._hf_image import HFImage
        from aft.models._hf_text import HFText

        return HFText.restore(config, assets) if kind == "hf-text" else HFImage.restore(config, assets)
    if kind in ("hf-text-tower", "hf-image-tower"):
        from aft.models._hf_towers import HFImageTower, HFTextTower

        tower: type[HFTextTower | HFImageTower] = HFTextTower if kind == "hf-text-tower" else HFImageTower
        return tower.restore(config, assets)
    if kind == "ngrams":
        from aft.models._ngrams import NgramText

        return NgramText.restore(config, assets)
    if kind == "static":
        from aft.models._static import StaticText

        return StaticText.restore(config, assets)
    if kind == "cnn":
        from aft.models._cnn import ConvText

        return ConvText.restore(config, assets)
    if kind == "timm":
        from aft.models._timm import TimmImage

        return TimmImage.restore(config)
    if kind == "module":
        if isinstance(module, nn.Module):
            backbone = ModuleBackbone(
                copy.deepcopy(module), preprocess, layer=config["layer"], pooling=config["pooling"], name=config["name"]
            )
        elif module is not None:
            options = {key: config[key] for key in ("layer", "pooling") if config[key]}
            backbone = load_python(ModelSpec("python", ModelSpec.parse(module).name, options), None, role="student")
        elif ":" in config["name"]:
            name = f"python:{config['name']}"
            raise ModelError(
                f"loading a run never executes the code that it names; this run's student is made by {name!r}; pass "
                f"student={name!r} if you trust that code"
            )
        else:
            raise ModelError(
                f"loading a run that trained a module needs the module; this run trained a {config['name']}; pass "
                "it as student="
            )
        backbone.dim, backbone.head, backbone.shape = int(config["dim"]), config["head"], config.get("shape")
        return backbone
    raise ModelError(
        f"the class of a run's student must be known; received {kind!r}; load the run with the version of aft that "
        "wrote it"
    )
