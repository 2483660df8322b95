"""A teacher over a dataset into a feature store, shard by shard."""

from aft.extraction._extract import Estimate as Estimate
from aft.extraction._extract import estimate as estimate
from aft.extraction._extract import extract as extract
from aft.extraction._extract import extract_all as extract_all
from aft.extraction._teacher import default_name as default_name
