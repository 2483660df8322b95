"""Methods x strengths x seeds, on one split and one budget."""

from aft.comparison._problem_spec import Cell as Cell
from aft.comparison._compare import Comparison as Comparison
from aft.comparison._compare import compare as compare
from aft.comparison._training_spec import Choice as Choice
from aft.comparison._training_spec import Job as Job
from aft.comparison._journal import Journal as Journal
from aft.comparison._journal import Row as Row
from aft.comparison._journal import key_of as key_of
from aft.comparison._predictions import decode as decode
from aft.comparison._predictions import losses as losses
from aft.comparison._references import majority_losses as majority_losses
from aft.comparison._references import probe_losses as probe_losses
from aft.comparison._scheduler import Scheduler as Scheduler
from aft.comparison._study import Study as Study
from aft.comparison._summary import losses_of as losses_of
from aft.comparison._summary import summarise as summarise
from aft.comparison._worker import Worker as Worker
