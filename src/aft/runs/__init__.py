"""A finished run at work: load it, predict, measure."""

from aft.runs._evaluate import evaluate as evaluate
from aft.runs._model import Model as Model
from aft.runs._model import Prediction as Prediction
from aft.runs._model import load as load
from aft.runs._predictions import check_target as check_target
from aft.runs._predictions import columns_of as columns_of
from aft.runs._predictions import write_predictions as write_predictions
