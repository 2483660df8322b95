"""Metrics, bootstrap confidence intervals, the similarity of features (CKA), throughput and latency."""

from aft.evaluation._bootstrap import Difference as Difference
from aft.evaluation._bootstrap import Interval as Interval
from aft.evaluation._bootstrap import balanced_error_of as balanced_error_of
from aft.evaluation._bootstrap import draw as draw
from aft.evaluation._bootstrap import error_of as error_of
from aft.evaluation._bootstrap import gap_closed as gap_closed
from aft.evaluation._bootstrap import normalised_error as normalised_error
from aft.evaluation._bootstrap import paired_difference as paired_difference
from aft.evaluation._cka import cka as cka
from aft.evaluation._latency import latency as latency
from aft.evaluation._latency import throughput as throughput
from aft.evaluation._metrics import Metrics as Metrics
from aft.evaluation._metrics import calibrated_loss as calibrated_loss
from aft.evaluation._metrics import confusion as confusion
from aft.evaluation._metrics import mean_loss as mean_loss
from aft.evaluation._metrics import measure as measure
from aft.evaluation._metrics import soft_labels as soft_labels
from aft.evaluation._metrics import softmax as softmax
