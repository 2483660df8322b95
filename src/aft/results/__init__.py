"""The result of a comparison: one typed schema, written by ``aft compare`` and read by ``aft report``.

`ComparisonResult` is the content of ``comparison.json``, and `Comparison` is a finished comparison on disk, which
``print`` shows as a table. The package needs only pydantic, so that results can be read where torch is not installed.
"""

from aft.results._comparison import Comparison as Comparison
from aft.results._document import FORMAT as FORMAT
from aft.results._files import COMPARISON_FILE as COMPARISON_FILE
from aft.results._files import read_all as read_all
from aft.results._method_result import Curve as Curve
from aft.results._method_result import Difference as Difference
from aft.results._method_result import Gates as Gates
from aft.results._method_result import MethodResult as MethodResult
from aft.results._method_result import Trial as Trial
from aft.results._pareto import Candidate as Candidate
from aft.results._pareto import Pareto as Pareto
from aft.results._pareto import make_pareto as make_pareto
from aft.results._pareto import pareto as pareto
from aft.results._pareto import same_task as same_task
from aft.results._pareto import short_name as short_name
from aft.results._schema import Baseline as Baseline
from aft.results._schema import ComparisonResult as ComparisonResult
from aft.results._schema import Cost as Cost
from aft.results._schema import Environment as Environment
from aft.results._schema import Reference as Reference
from aft.results._schema import Student as Student
from aft.results._schema import Task as Task
from aft.results._schema import Teacher as Teacher
from aft.results._seeds import seeds_phrase as seeds_phrase
