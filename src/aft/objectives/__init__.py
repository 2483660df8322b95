"""The objectives that training adds to the task loss: AFT and its alternatives, behind one interface.

Every objective is an ``nn.Module``. It is constructed as ``Class(teacher_dims, student_dim, **options)`` and
called as ``objective(student_features, {teacher: features}, logits=..., targets=...)``; the call returns a
scalar tensor. `Weighting` combines that scalar with the task loss, and `all_gather` extends the batch to all
processes.

The package depends on PyTorch only. It reads no files and works in any training loop.
"""

from aft.objectives._aft import AFT as AFT
from aft.objectives._all_gather import all_gather as all_gather
from aft.objectives._b_tuning import BTuning as BTuning
from aft.objectives._base import Objective as Objective
from aft.objectives._cka import CKA as CKA
from aft.objectives._factor_transfer import FactorTransfer as FactorTransfer
from aft.objectives._kd import KD as KD
from aft.objectives._probe_kd import ProbeKD as ProbeKD
from aft.objectives._registry import DEFAULT_METHOD as DEFAULT_METHOD
from aft.objectives._registry import METHODS as METHODS
from aft.objectives._registry import check_options as check_options
from aft.objectives._registry import make_objective as make_objective
from aft.objectives._registry import objective_class as objective_class
from aft.objectives._registry import objectives_of as objectives_of
from aft.objectives._rkd import RKD as RKD
from aft.objectives._sp import SP as SP
from aft.objectives._transformed import OBJECTIVE_OPTIONS as OBJECTIVE_OPTIONS
from aft.objectives._transformed import Transformed as Transformed
from aft.objectives._weighting import Weighting as Weighting
from aft.objectives._weighting import WeightingKind as WeightingKind
