"""Samples: ids, inputs, labels, splits, from tables, image folders, arrays and map-style datasets."""

from aft.data._dataset import Dataset as Dataset
from aft.data._dataset import Skipped as Skipped
from aft.data._inputs import Inputs as Inputs
from aft.data._leakage import check_leakage as check_leakage
from aft.data._open import open_dataset as open_dataset
from aft.data._holdout import SPLITS as SPLITS
from aft.data._holdout import assign_splits as assign_splits
from aft.data._holdout import hold_out as hold_out
from aft.data._splits import Splits as Splits
from aft.data._splits import make_splits as make_splits
from aft.data._targets import Targets as Targets
from aft.data._targets import TaskKind as TaskKind
