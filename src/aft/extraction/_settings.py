"""How to run a teacher."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from aft.errors import UsageError, did_you_mean

Precision = Literal["fp32", "bf16", "fp16"]
Dtype = Literal["float16", "float32"]


@dataclass(frozen=True)
class Settings:
    """How to run a teacher; `aft.extraction.extract` documents each field.

    Raises:
        UsageError: The precision or type is unknown, or the batch is empty.
    """

    layer: str | None = None
    pooling: str | None = None
    weights: str | None = None
    prompt: str | None = None
    preprocess: Any = None
    device: str = "auto"
    precision: Precision = "fp32"
    dtype: Dtype = "float16"
    batch_size: int = 32
    bad_inputs: Literal["error", "skip"] | None = None
    views: int = 1
    view_seed: int = 0

    def __post_init__(self) -> None:
        for option, value, known in (("precision", self.precision, Precision), ("dtype", self.dtype, Dtype)):
            if value not in get_args(known):
                raise UsageError(f"unknown {option} {value!r}{did_you_mean(str(value), get_args(known))}")
        if self.batch_size < 1:
            raise UsageError(f"batch_size= must be at least 1; received {self.batch_size}; the default is 32")
