"""Models that are known by name: what they are, under which licence, and what a student of each needs. It does without torch."""

from aft.catalogue._budget import MeasuredStudent as MeasuredStudent
from aft.catalogue._budget import measured_students as measured_students
from aft.catalogue._budget import within_budget as within_budget
from aft.catalogue._known import KNOWN_MODELS as KNOWN_MODELS
from aft.catalogue._known import KnownModel as KnownModel
from aft.catalogue._licences import Licence as Licence
from aft.catalogue._licences import licence_of as licence_of
