"""Training a student with an objective, by Lightning, into a run folder."""

from aft.training._claim import claim as claim
from aft.training._claim import differences as differences
from aft.training._config import TrainConfig as TrainConfig
from aft.training._rank import TeacherRank as TeacherRank
from aft.training._rank import rank as rank
from aft.training._run import Run as Run
from aft.training._run import RunLayout as RunLayout
from aft.training._run import gate_weights as gate_weights
from aft.training._run import load_student as load_student
from aft.training._run import read_json as read_json
from aft.training._run import write_json as write_json
from aft.training._select import Selection as Selection
from aft.training._select import Trial as Trial
from aft.training._train import open_stores as open_stores
from aft.training._train import train as train
from aft.training._training import Training as Training
