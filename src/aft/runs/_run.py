"""A finished run."""

from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from aft.runs._layout import RunLayout
from aft.runs._schema import RunResult
from aft.runs._weights import gate_weights


@dataclass(frozen=True, repr=False)
class Run:
    """A finished run.

    Attributes:
        path: The run directory.
        result: Everything in ``result.json``.
    """

    path: Path
    result: RunResult = field(repr=False)

    def __fspath__(self) -> str:
        """The run directory, so that a run can be passed where its path can."""
        return str(self.path)

    @classmethod
    def open(cls, directory: str | Path) -> "Run":
        """Read a finished run.

        Raises:
            RunError: There is none in that directory.
        """
        path = Path(directory)
        return cls(path, RunResult.read(RunLayout(path).result))

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.result.method

    @property
    def beta(self) -> float:
        """Weight of the objective."""
        return self.result.hparams.beta

    @property
    def weighting(self) -> str | None:
        """How beta multiplied the objective; None where beta is 0."""
        return self.result.hparams.weighting

    @property
    def steps(self) -> int:
        """Number of optimiser steps."""
        return self.result.hparams.steps

    @property
    def error(self) -> float | None:
        """Error on the test split; None without one."""
        return None if self.result.test is None else self.result.test.error

    @property
    def metrics(self) -> dict[str, float]:
        """All metrics on the test split, by name."""
        return {} if self.result.test is None else dict(self.result.test.values)

    @property
    def parameters(self) -> int:
        """Number of parameters of the student."""
        return self.result.parameters

    @property
    def seconds(self) -> float:
        """Duration of the final training."""
        return self.result.seconds

    def gate_weights(self) -> dict[str, Tensor] | None:
        """The learned gates.

        Returns:
            For each teacher by name the weights ``(D_m,)`` of its dimensions, in (0, 1); None for a method without gates.

        Raises:
            RunError: The file of the gates is damaged.
        """
        return gate_weights(self.path)

    def __repr__(self) -> str:
        """Path, method and error."""
        error = "no test split" if self.error is None else f"error {self.error:.4f}"
        return f"Run({str(self.path)!r}, {self.method}, beta {self.beta:g}, {error}, {self.parameters:,} parameters)"
