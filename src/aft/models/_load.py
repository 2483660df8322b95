"""A backbone by its name, or from a run's config."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from aft.errors import ModelError, UsageError, did_you_mean
from aft.models._backbone import Backbone
from aft.models._module import ModuleBackbone, load_python
from aft.models._spec import KIND_OPTIONS, OPTIONS, ModelSpec

SMALL = ("static", "transformer")


def load_backbone(
    name: str | nn.Module,
    *,
    role: str = "teacher",
    texts: Callable[[], Sequence[str]] | None = None,
    example: Any = None,
    preprocess: Callable[[Any], Any] | None = None,
    **options: Any,
) -> Backbone:
    """Load a teacher or a student.

    Args:
        name: ``timm:NAME``, ``hf:NAME-or-FOLDER``, ``st:NAME-or-FOLDER``, ``python:package.module:factory``,
            ``aft:static`` or ``aft:transformer``, each with ``,option=value``; or any ``nn.Module``.
        role: ``"teacher"`` or ``"student"``.
        texts: Gives the training texts, for students that learn their vocabulary from them.
        example: A raw input, to find the width of a module's features with.
        preprocess: For a module: maps one raw input to a tensor.
        **options: As in the name, which wins: ``layer``, ``pooling``, ``weights``, ``prompt``, ...; None means not given.

    Returns:
        The backbone, in evaluation mode.

    Raises:
        UsageError: A name or option that does not fit.
        ModelError: A model that cannot be loaded.
        MissingExtraError: An optional dependency that is not installed.
    """
    given = {key: value for key, value in options.items() if value is not None}
    for key in given:
        if key not in OPTIONS:
            raise UsageError(f"unknown option {key!r} of a model{did_you_mean(key, OPTIONS)}")
    if isinstance(name, nn.Module):
        backbone: Backbone = ModuleBackbone(
            name,
            preprocess,
            layer=given.get("layer"),
            pooling=given.get("pooling"),
            example=example,
            name=type(name).__name__,
        )
        backbone.spec = f"module:{type(name).__name__}"
        return backbone.eval()
    parsed = ModelSpec.parse(name)
    spec = ModelSpec(parsed.kind, parsed.name, {**given, **parsed.options})
    allowed = KIND_OPTIONS.get(str(spec).partition(",")[0], KIND_OPTIONS.get(spec.kind, ()))
    for key in spec.options:
        if key not in allowed:
            raise UsageError(f"{spec.kind}:{spec.name} has no option {key!r}{did_you_mean(key, allowed)}")
    if spec.kind == "timm":
        from aft.models._timm import load_timm

        backbone = load_timm(spec)
    elif spec.kind == "hf":
        from aft.models._hf import load_hf

        learns = "vocabulary" in spec.options or spec.options.get("weights") == "random"
        backbone = load_hf(spec, texts() if texts is not None and learns else None)
    elif spec.kind == "st" and role == "student":
        raise UsageError(f"st: names teachers; received {str(spec)!r} as a student; load the same folder with hf:")
    elif spec.kind == "st":
        from aft.models._st import load_st

        backbone = load_st(spec)
    elif spec.kind == "python":
        backbone = load_python(spec, example, role=role)
    else:
        backbone = _load_small(spec, role, texts)
    backbone.spec = str(spec)
    return backbone.eval()


def _load_small(spec: ModelSpec, role: str, texts: Callable[[], Sequence[str]] | None) -> Backbone:
    if spec.name not in SMALL:
        raise UsageError(f"unknown model aft:{spec.name}{did_you_mean(spec.name, SMALL)}")
    if role == "teacher":
        raise UsageError(
            f"aft:{spec.name} is a student with random weights; received as a teacher; name a model that knows something"
        )
    listed = texts() if texts is not None else None
    if spec.name == "static":
        from aft.models._static import make_static

        return make_static(spec, listed)
    from aft.models._hf import make_transformer

    return make_transformer(spec, listed)


def restore_backbone(
    config: dict[str, Any], assets: Path, module: nn.Module | str | None = None, preprocess: Any = None
) -> Backbone:
    """Make a run's backbone again, with weights still to be loaded.

    Args:
        config: What `Backbone.config` gave.
        assets: Folder that `Backbone.save_assets` wrote to.
        module: The module, for a run that trained one handed in; or the ``python:`` name of what makes it.
        preprocess: Its preprocessing.

    Returns:
        The backbone.

    Raises:
        ModelError: A run whose module was not handed in, or of an unknown kind. What a run names is never imported or called.
    """
    kind = config.get("class")
    if kind in ("hf-text", "hf-image"):
        from aft.models._hf_image import HFImage
        from aft.models._hf_text import HFText

        return HFText.restore(config, assets) if kind == "hf-text" else HFImage.restore(config, assets)
    if kind == "static":
        from aft.models._static import StaticText

        return StaticText.restore(config, assets)
    if kind == "timm":
        from aft.models._timm import TimmImage

        return TimmImage.restore(config)
    if kind == "module":
        if isinstance(module, nn.Module):
            backbone = ModuleBackbone(
                module, preprocess, layer=config["layer"], pooling=config["pooling"], name=config["name"]
            )
        elif module is not None:
            options = {key: config[key] for key in ("layer", "pooling") if config[key]}
            backbone = load_python(ModelSpec("python", ModelSpec.parse(module).name, options), None, role="student")
        elif ":" in config["name"]:
            name = f"python:{config['name']}"
            raise ModelError(
                f"a run is data, and code that it names is not run unasked; this one's student is made by {name!r}; "
                f"pass student={name!r}, or --student {name}, if you trust it"
            )
        else:
            raise ModelError(
                f"this run trained a module handed in, {config['name']}; loading needs it again; pass student=your_module"
            )
        backbone.dim = int(config["dim"])
        return backbone
    raise ModelError(f"a run's student is of a known class; received {kind!r}; was it written by a newer aft?")
