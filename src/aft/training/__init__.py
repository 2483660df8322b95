"""Training a student with an objective, by Lightning, into a run folder."""

from aft.runs._directory import claim as claim
from aft.runs._directory import differences as differences
from aft.runs._train_config import TrainConfig as TrainConfig
from aft.probing._rank import TeacherRank as TeacherRank
from aft.probing._rank import rank as rank
from aft.runs._run import Run as Run
from aft.runs._run import RunLayout as RunLayout
from aft.runs._run import gate_weights as gate_weights
from aft.runs._run import load_student as load_student
from aft.runs._run import read_json as read_json
from aft.runs._run import write_json as write_json
from aft.training._search import Selection as Selection
from aft.training._search import Trial as Trial
from aft.training._train import open_stores as open_stores
from aft.training._train import train as train
from aft.training._problem import Training as Training
