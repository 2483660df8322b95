"""Shared utilities: atomic files, JSON lines, distributed ranks, a process pool, progress, the cache.

Nothing here depends on samples or models, and importing it loads no heavy dependency.
"""

from aft.core._cache import cache_dir as cache_dir
from aft.core._cache import scratch_dir as scratch_dir
from aft.core._cores import cores as cores
from aft.core._distributed import TIMEOUT as TIMEOUT
from aft.core._distributed import all_gather_object as all_gather_object
from aft.core._distributed import barrier as barrier
from aft.core._distributed import broadcast_object as broadcast_object
from aft.core._distributed import init_process_group as init_process_group
from aft.core._distributed import local_rank as local_rank
from aft.core._distributed import rank as rank
from aft.core._distributed import rank_zero_first as rank_zero_first
from aft.core._distributed import world_size as world_size
from aft.core._extras import missing_extra as missing_extra
from aft.core._files import TEMPORARY as TEMPORARY
from aft.core._files import atomic_path as atomic_path
from aft.core._files import file_sha256 as file_sha256
from aft.core._files import remove_temporary_files as remove_temporary_files
from aft.core._files import rename_durably as rename_durably
from aft.core._files import write_atomic as write_atomic
from aft.core._files import write_json as write_json
from aft.core._files import write_text as write_text
from aft.core._hub import downloaded as downloaded
from aft.core._hub import first_sentence as first_sentence
from aft.core._hub import hub_access as hub_access
from aft.core._hub import hub_is_reachable as hub_is_reachable
from aft.core._jsonl import append_jsonl as append_jsonl
from aft.core._jsonl import read_jsonl as read_jsonl
from aft.core._once_per_machine import once_per_machine as once_per_machine
from aft.core._pool import process_pool as process_pool
from aft.core._progress import LogHandler as LogHandler
from aft.core._progress import Progress as Progress
from aft.core._progress import format_duration as format_duration
from aft.core._progress import format_size as format_size
from aft.core._remote import file_system as file_system
from aft.core._remote import is_url as is_url
from aft.core._shared_pickle import is_picklable as is_picklable
from aft.core._threads import one_ahead as one_ahead
from aft.core._threads import side_by_side as side_by_side
from aft.core._version import __version__ as __version__
