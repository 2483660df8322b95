"""From a run to files that other programs read, checked against the trained student before they count as done."""

from aft.exporting._export import FORMATS as FORMATS
from aft.exporting._export import export as export
from aft.exporting._exported import Exported as Exported
