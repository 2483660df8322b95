"""Training: a `Problem` is built once, a search chooses `HParams`, and `fit` trains a fresh student.

`train` does all of it. Below it, `search` and `run_search` choose the hyperparameters of methods by trials, each a `run_trial`,
and `run_training` fits with chosen ones into a run directory. Lightning is imported in this package alone.
"""

from aft.runs import HParams as HParams
from aft.runs import TrainConfig as TrainConfig
from aft.runs import Trial as Trial
from aft.training._estimate import time_training as time_training
from aft.training._fit import EarlyCheck as EarlyCheck
from aft.training._fit import FitResult as FitResult
from aft.training._fit import fit as fit
from aft.training._forecast import at_hand as at_hand
from aft.training._forecast import data_facts as data_facts
from aft.training._forecast import forecast as forecast
from aft.training._overview import overview as overview
from aft.training._problem import Problem as Problem
from aft.training._run_search import expected_trials as expected_trials
from aft.training._run_search import run_search as run_search
from aft.training._run_training import run_training as run_training
from aft.training._sampler import batch_positions as batch_positions
from aft.training._schedule import cosine_schedule as cosine_schedule
from aft.training._search import BETAS as BETAS
from aft.training._search import SEARCH_SEED as SEARCH_SEED
from aft.training._search import TRIALS as TRIALS
from aft.training._search import Search as Search
from aft.training._search import SearchResult as SearchResult
from aft.training._search import SearchSpace as SearchSpace
from aft.training._search import TrialRequest as TrialRequest
from aft.training._search import search as search
from aft.training._train import train as train
from aft.training._trial import run_trial as run_trial
