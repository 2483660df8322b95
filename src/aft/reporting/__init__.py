"""A comparison's results as one HTML page that needs nothing else."""

from aft.reporting._report import report as report
