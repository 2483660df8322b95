"""What a linear model can read from features: linear probes, LogME, and the ranking of teachers by both.

`fit_linear_probe` and `fit_logme` work on tensors. `probe_outputs`, `probe_error`, `logme` and `rank` work on
feature stores.
"""

from aft.probing._interactions import Interactions as Interactions
from aft.probing._linear_probe import FOLDS as FOLDS
from aft.probing._linear_probe import FoldedProbes as FoldedProbes
from aft.probing._linear_probe import LinearProbe as LinearProbe
from aft.probing._linear_probe import fit_folded_probes as fit_folded_probes
from aft.probing._linear_probe import fit_linear_probe as fit_linear_probe
from aft.probing._logme import LogME as LogME
from aft.probing._logme import fit_logme as fit_logme
from aft.probing._rank import TeacherRank as TeacherRank
from aft.probing._rank import rank as rank
from aft.probing._sample_keys import sample_keys as sample_keys
from aft.probing._teacher_probe import TeacherProbe as TeacherProbe
from aft.probing._teacher_probe import fit_teacher_probe as fit_teacher_probe
from aft.probing._teachers import logme as logme
from aft.probing._teachers import probe_error as probe_error
from aft.probing._teachers import probe_outputs as probe_outputs
