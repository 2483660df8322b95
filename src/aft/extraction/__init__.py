"""A teacher over a dataset into a feature store, shard by shard."""

from aft.extraction._extract import Estimate as Estimate
from aft.extraction._extract import estimate as estimate
from aft.extraction._extract import extract as extract
