"""One self-contained HTML page for the results of a comparison, and its figures as SVG.

`report` is ``aft report``. The drawing functions are public, so that other pages can have the same figures.
"""

from aft.reporting._dots import Dot as Dot
from aft.reporting._dots import Guide as Guide
from aft.reporting._dots import Heading as Heading
from aft.reporting._dots import draw_dots as draw_dots
from aft.reporting._figure import Figure as Figure
from aft.reporting._figure import Style as Style
from aft.reporting._figure import styles as styles
from aft.reporting._numbers import Unit as Unit
from aft.reporting._report import report as report
from aft.reporting._scatter import Column as Column
from aft.reporting._scatter import draw_scatter as draw_scatter
from aft.reporting._svg import svg as svg
