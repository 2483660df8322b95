"""Comparisons: methods and seeds on one split and one budget.

A `Study` is the plan: the search, then the final trainings. A `Scheduler` runs the trainings of studies side by side and keeps
each in a `Journal`.
"""

from aft.comparison._baselines import FittedBaseline as FittedBaseline
from aft.comparison._baselines import fit_baselines as fit_baselines
from aft.comparison._compare import compare as compare
from aft.comparison._compare_students import compare_students as compare_students
from aft.comparison._journal import FinishedTraining as FinishedTraining
from aft.comparison._journal import Journal as Journal
from aft.comparison._journal import training_key as training_key
from aft.comparison._predictions import sample_losses as sample_losses
from aft.comparison._predictions import unpack_predictions as unpack_predictions
from aft.comparison._references import majority_losses as majority_losses
from aft.comparison._references import probe_losses as probe_losses
from aft.comparison._scheduler import Scheduler as Scheduler
from aft.comparison._study import Study as Study
from aft.comparison._summary import losses_of as losses_of
from aft.comparison._summary import summarise as summarise
from aft.comparison._training_spec import TrainingSpec as TrainingSpec
from aft.comparison._worker import Worker as Worker
