"""What is added to the task loss: AFT and its alternatives, behind one small interface.

This room knows torch and nothing of files. Every objective is an ``nn.Module`` made from
``(teacher_dims, student_dim, **options)`` and called as
``objective(student_features, {teacher: features}, logits=..., targets=...)``; it returns a scalar.
"""

from aft.objectives._aft import AFT as AFT
from aft.objectives._b_tuning import BTuning as BTuning
from aft.objectives._base import Objective as Objective
from aft.objectives._cka import CKA as CKA
from aft.objectives._factor_transfer import FactorTransfer as FactorTransfer
from aft.objectives._all_gather import all_gather as all_gather
from aft.objectives._kd import KD as KD
from aft.objectives._probe_kd import ProbeKD as ProbeKD
from aft.objectives._registry import DEFAULT_METHOD as DEFAULT_METHOD
from aft.objectives._registry import METHODS as METHODS
from aft.objectives._registry import check_options as check_options
from aft.objectives._registry import objective_class as objective_class
from aft.objectives._registry import make_objective as make_objective
from aft.objectives._registry import objectives_of as objectives_of
from aft.objectives._transforms import REMEDIES as REMEDIES
from aft.objectives._transforms import Remedied as Remedied
from aft.objectives._rkd import RKD as RKD
from aft.objectives._sp import SP as SP
from aft.objectives._weighting import Weighting as Weighting
