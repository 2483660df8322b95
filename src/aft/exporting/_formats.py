"""The formats that a run is exported to."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aft.exporting._samples import Samples
from aft.runs import Model

#: Computes outputs ``(N, C)``, on the scale of the student's, from raw inputs.
Outputs = Callable[[Sequence[Any]], NDArray[np.float32]]


class Written(NamedTuple):
    """A way to use what was written.

    Attributes:
        file: The file that counts for its size, relative to the folder.
        outputs: Computes outputs from the written files alone.
    """

    file: str
    outputs: Outputs


class Format(NamedTuple):
    """A format.

    Attributes:
        write: Writes a model into a folder, with what the samples say about its inputs. Returns ways to use it, by name: the first must
            give the outputs of the student, and others are measured beside it.
        describes_inputs: Whether ``export.json`` says how inputs are read, since the graph takes them encoded.
        library: What loads it, by the hub's name.
        usage: Lines of Python for the model card that predict, by what inputs are; ``{folder}`` stands for the place of the model.
    """

    write: Callable[[Model, Path, Samples], Mapping[str, Written]]
    describes_inputs: bool
    library: str
    usage: Mapping[str, str]

    def usage_for(self, kind: str) -> str:
        """The lines for a kind of inputs."""
        return self.usage.get(kind, self.usage["any"])
