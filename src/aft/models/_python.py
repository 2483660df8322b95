"""Modules that a user's factory creates, ``python:package.module:factory``."""

import copy
import importlib
import inspect
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from aft.data import IMAGE, TEXT, modality_of
from aft.errors import AftError, ModelError, UsageError, describe_exception
from aft.models._backbone import Role, load_weights
from aft.models._module import ModuleBackbone
from aft.models._spec import ModelSpec

#: The modules that factories have returned.
_RETURNED: weakref.WeakSet[nn.Module] = weakref.WeakSet()


def load_python(spec: ModelSpec, example: Any, *, role: Role) -> ModuleBackbone:
    """Load ``python:package.module:factory``.

    The factory is called with ``weights=`` if it has such a parameter and else without arguments. It returns
    a module, ``(module, preprocess)`` or ``(module, preprocess, train_preprocess)``.

    Args:
        spec: The name with its options ``weights``, ``layer``, ``pooling`` and ``reads``: ``"image"`` or ``"text"`` for a model that
            reads this part of an image with a text.
        example: A raw input, to determine the width of the features.
        role: ``"teacher"`` or ``"student"``, for messages.

    Returns:
        The backbone.

    Raises:
        ModelError: The module cannot be imported, or the factory does not exist or does not return a module.
        UsageError: The name has no factory, or random weights are requested from a factory without
            ``weights=``.
    """
    path, colon, attribute = spec.name.partition(":")
    if not colon:
        raise UsageError(
            f"the name of a python: model is package.module:factory; received {spec.name!r}; add the name of the "
            "factory"
        )
    try:
        module = importlib.import_module(path)
    except ImportError as error:
        raise ModelError(
            f"python: needs an importable module; {path!r} could not be imported ({error}); install it, or set "
            "PYTHONPATH"
        ) from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        raise ModelError(f"python: needs a factory; {path!r} has no callable {attribute!r}; check the name")
    weights = spec.options.get("weights", "pretrained")
    takes_weights = "weights" in _parameters(factory)
    if weights == "random" and not takes_weights:
        raise UsageError(
            f"weights='random' needs a factory with a parameter named weights; {spec.name!r} has none; add the "
            "parameter to it"
        )
    try:
        made = factory(weights=weights) if takes_weights and weights in ("pretrained", "random") else factory()
    except AftError:
        raise
    except Exception as error:  # it is the user's code
        raise ModelError(
            f"a factory is called without arguments, or with weights=; {spec.name!r} failed ({describe_exception(error)}); correct it"
        ) from error
    network, preprocess, train_preprocess = (*made, None, None)[:3] if isinstance(made, tuple) else (made, None, None)
    if not isinstance(network, nn.Module):
        raise ModelError(
            f"the factory of a {role} must return an nn.Module, (module, preprocess) or (module, preprocess, "
            f"train_preprocess); {spec.name!r} returned {type(network).__name__}"
        )
    if network in _RETURNED:
        network = copy.deepcopy(network)  # the factory returns one module again and again, which others train
    _RETURNED.add(network)
    if weights not in ("pretrained", "random"):
        load_weights(network, weights)
    reads = spec.options.get("reads")
    if reads is not None and (reads,) not in (IMAGE, TEXT):
        raise UsageError(f"reads= is image or text; received {reads!r}; correct it, or leave it out for whole inputs")
    if reads is not None and example is not None and len(modality := modality_of(example)) > 1 and reads in modality:
        example = example[modality.index(reads)]
    backbone = ModuleBackbone(
        network,
        preprocess,
        train_preprocess=train_preprocess,
        layer=spec.options.get("layer"),
        pooling=spec.options.get("pooling"),
        example=example,
        name=spec.name,
    )
    if reads is not None:
        backbone.accepts = ((reads,),)
    return backbone


def _parameters(factory: Callable[..., Any]) -> Sequence[str]:
    """Names of a function's parameters; none where they are not known."""
    try:
        return list(inspect.signature(factory).parameters)
    except (TypeError, ValueError):
        return []
