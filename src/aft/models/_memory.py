"""What to lower where a batch does not fit into memory."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from aft.errors import OutOfMemoryError


@contextmanager
def explain_out_of_memory(batch_size: int) -> Iterator[None]:
    """Turn an allocator's failure, of an accelerator or of the machine, into a sentence.

    Args:
        batch_size: Samples of the batch that is computed inside.

    Raises:
        OutOfMemoryError: It does not fit.
    """
    try:
        yield
    except Exception as error:
        # The allocator of the CPU has no exception of its own.
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error):
            raise OutOfMemoryError(
                f"a batch must fit in memory; {batch_size} samples do not; lower --batch-size, or use --precision bf16 on an accelerator"
            ) from error
        raise
