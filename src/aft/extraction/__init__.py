"""Extraction: run teachers over a dataset and keep their features in feature stores.

`extract` runs one teacher, and `extract_all` runs several in one pass. Both resume after an interruption, and
use one process, several, the ranks of a launcher, or a Ray cluster. `estimate` predicts the time and disk
space.
"""

from aft.extraction._estimate import Estimate as Estimate
from aft.extraction._estimate import estimate as estimate
from aft.extraction._extract import extract as extract
from aft.extraction._extract import extract_all as extract_all
from aft.extraction._teacher import default_name as default_name
