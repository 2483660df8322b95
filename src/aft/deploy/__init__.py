"""A finished run at work: load it, predict, measure."""

from aft.deploy._evaluate import evaluate as evaluate
from aft.deploy._model import Model as Model
from aft.deploy._model import Prediction as Prediction
from aft.deploy._model import load as load
from aft.deploy._write import check_target as check_target
from aft.deploy._write import columns_of as columns_of
from aft.deploy._write import write_predictions as write_predictions
