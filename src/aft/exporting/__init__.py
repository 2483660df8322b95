"""From a run to files that others read: ONNX, checked against the trained student before it counts as done."""

from aft.exporting._export import Exported as Exported
from aft.exporting._export import export as export
