"""What a server accepts."""

from dataclasses import dataclass

from aft.errors import UsageError


@dataclass(frozen=True)
class Limits:
    """What a server accepts, and how long it waits.

    Attributes:
        batch: Most inputs that are computed together.
        wait_ms: How long an input waits for others to share its batch, where the model is free. Batches grow with the load without it.
        queue: Most inputs that wait; further ones are refused, with the advice to come again.
        inputs: Most inputs of a request.
        bytes: Largest request.
        seconds: Longest time for a request.
    """

    batch: int = 64
    wait_ms: float = 0.0
    queue: int = 1024
    inputs: int = 256
    bytes: int = 16_000_000
    seconds: float = 30.0

    def __post_init__(self) -> None:
        """Check that every limit lets something through."""
        for name, value in vars(self).items():
            if not value > 0 and not (name == "wait_ms" and value == 0):
                raise UsageError(f"a limit of a server is a positive number; received {value!r} for {name}; raise it")


DEFAULTS = Limits()
