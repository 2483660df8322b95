"""Train a small model to keep what large frozen models know about your data.

``import aft`` loads nothing heavy: every name loads what it needs when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from aft.core import __version__ as __version__

if TYPE_CHECKING:
    from aft.comparison import compare as compare
    from aft.comparison import compare_students as compare_students
    from aft.data import Dataset as Dataset
    from aft.evaluation import Metrics as Metrics
    from aft.exporting import export as export
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
    from aft.probing import rank as rank
    from aft.publishing import push as push
    from aft.reporting import report as report
    from aft.results import Comparison as Comparison
    from aft.results import Pareto as Pareto
    from aft.results import pareto as pareto
    from aft.runs import Model as Model
    from aft.runs import Run as Run
    from aft.runs import TrainConfig as TrainConfig
    from aft.runs import evaluate as evaluate
    from aft.runs import load as load
    from aft.runtime import ExportedModel as ExportedModel
    from aft.runtime import Prediction as Prediction
    from aft.training import train as train

#: The package that each public name comes from.
_PACKAGES = {
    "AFT": "objectives",
    "BTuning": "objectives",
    "CKA": "objectives",
    "Comparison": "results",
    "Dataset": "data",
    "ExportedModel": "runtime",
    "FactorTransfer": "objectives",
    "FeatureStore": "features",
    "KD": "objectives",
    "Metrics": "evaluation",
    "Model": "runs",
    "Prediction": "runtime",
    "Pareto": "results",
    "ProbeKD": "objectives",
    "RKD": "objectives",
    "Run": "runs",
    "SP": "objectives",
    "TrainConfig": "runs",
    "Weighting": "objectives",
    "capture": "models",
    "compare": "comparison",
    "compare_students": "comparison",
    "evaluate": "runs",
    "export": "exporting",
    "extract": "extraction",
    "import_features": "features",
    "load": "runs",
    "pareto": "results",
    "push": "publishing",
    "rank": "probing",
    "report": "reporting",
    "train": "training",
}

__all__ = ["__version__", *_PACKAGES]  # noqa: PLE0604 - the keys are strings


def __getattr__(name: str) -> Any:
    if name not in _PACKAGES:
        raise AttributeError(f"module 'aft' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f"aft.{_PACKAGES[name]}"), name)
    except ModuleNotFoundError as error:
        from aft.core import missing_extra

        raise missing_extra(error, f"aft.{name}") from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
