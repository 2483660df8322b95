"""Out-of-memory errors that say what to change."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from aft.errors import OutOfMemoryError


@contextmanager
def explain_out_of_memory(batch_size: int) -> Iterator[None]:
    """Translate the allocation errors of accelerators and of main memory into one that says what to change.

    Args:
        batch_size: Number of samples in the batch that the block computes.

    Raises:
        OutOfMemoryError: The batch does not fit into memory.
    """
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise OutOfMemoryError(
                f"a batch must fit in memory; {batch_size} samples do not; lower batch_size=, or use "
                "precision='bf16' on an accelerator"
            ) from error
        raise


def is_out_of_memory(error: Exception) -> bool:
    """Whether an exception says that an accelerator, or main memory, is full."""
    # Torch's CPU allocator raises a plain RuntimeError.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
