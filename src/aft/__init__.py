"""Train a small model to keep what large frozen models know about your data.

``import aft`` loads nothing heavy: each name brings what it needs when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from aft.comparison import Comparison as Comparison
    from aft.comparison import compare as compare
    from aft.data import Dataset as Dataset
    from aft.runs import Model as Model
    from aft.runs import Prediction as Prediction
    from aft.runs import evaluate as evaluate
    from aft.runs import load as load
    from aft.evaluation import Metrics as Metrics
    from aft.extraction import extract as extract
    from aft.features import FeatureStore as FeatureStore
    from aft.features import import_features as import_features
    from aft.models import capture as capture
    from aft.objectives import AFT as AFT
    from aft.objectives import CKA as CKA
    from aft.objectives import KD as KD
    from aft.objectives import RKD as RKD
    from aft.objectives import SP as SP
    from aft.objectives import BTuning as BTuning
    from aft.objectives import FactorTransfer as FactorTransfer
    from aft.objectives import ProbeKD as ProbeKD
    from aft.objectives import Weighting as Weighting
    from aft.reporting import report as report
    from aft.training import Run as Run
    from aft.training import rank as rank
    from aft.training import train as train

#: Public name to the room that it lives in.
_ROOMS = {
    "AFT": "objectives",
    "CKA": "objectives",
    "KD": "objectives",
    "RKD": "objectives",
    "SP": "objectives",
    "ProbeKD": "objectives",
    "FactorTransfer": "objectives",
    "BTuning": "objectives",
    "Weighting": "objectives",
    "Dataset": "data",
    "FeatureStore": "features",
    "import_features": "features",
    "capture": "models",
    "extract": "extraction",
    "train": "training",
    "rank": "training",
    "Run": "training",
    "Metrics": "evaluation",
    "evaluate": "deploy",
    "load": "deploy",
    "Model": "deploy",
    "Prediction": "deploy",
    "Comparison": "comparison",
    "compare": "comparison",
    "report": "reporting",
}

__all__ = [
    "AFT",
    "CKA",
    "KD",
    "RKD",
    "SP",
    "BTuning",
    "Comparison",
    "Dataset",
    "FactorTransfer",
    "FeatureStore",
    "Metrics",
    "Model",
    "Prediction",
    "ProbeKD",
    "Run",
    "Weighting",
    "__version__",
    "capture",
    "compare",
    "evaluate",
    "extract",
    "import_features",
    "load",
    "rank",
    "report",
    "train",
]

#: Package that a room cannot do without, and the extra that brings it.
_EXTRAS = {
    "torch": "torch",
    "safetensors": "torch",
    "lightning": "train",
    "sklearn": "train",
    "tensorboard": "train",
    "jinja2": "report",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'aft' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f"aft.{_ROOMS[name]}"), name)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        from aft.errors import MissingExtraError

        raise MissingExtraError(
            f"aft.{name} needs {package}, which is not installed; run pip install 'adaptive-feature-transfer[{_EXTRAS[package]}]'"
        ) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
