"""Checkpoints: a training that resumes from one ends exactly as if it had not been interrupted."""

import errno
import random
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from aft.core import all_gather_object, broadcast_object, file_sha256, rank, rename_durably, world_size
from aft.errors import RunError

#: Seconds between two checkpoints.
EVERY = 30.0
#: With several processes: steps between two looks at the clock, each of which costs a message.
CLOCK_EVERY = 50


class Checkpoints(Callback):
    """Writes a checkpoint at regular intervals, including the random state of every process.

    The file's name contains its step and its digest, since torch reads a file with a flipped bit without complaint. Only the latest
    checkpoint is kept.

    Args:
        directory: Where to write it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._last = time.monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Write a checkpoint if it is time."""
        step = trainer.global_step
        if step >= trainer.max_steps or (world_size() > 1 and step % CLOCK_EVERY):
            return
        if broadcast_object(time.monotonic() - self._last >= EVERY):
            self._write(trainer, step)
            self._last = time.monotonic()

    def _write(self, trainer: L.Trainer, step: int) -> None:
        temporary = self._directory / ".writing-checkpoint"
        self._directory.mkdir(exist_ok=True)
        module: Any = trainer.lightning_module
        module.check_finite()  # training could never recover from a checkpoint that contains NaN
        try:
            trainer.save_checkpoint(temporary)  # a collective operation
        except RuntimeError as error:  # torch's writer hides the operating system's error
            temporary.unlink(missing_ok=True)
            raise OSError(
                errno.EIO, f"the checkpoint could not be written: {str(error).splitlines()[0]}", str(temporary)
            ) from error
        if rank() > 0:
            return
        final = self._directory / f"step-{step:09d}-{_digest(temporary)}.ckpt"
        rename_durably(temporary, final)
        for older in self._directory.glob("step-*.ckpt"):
            if older != final:
                older.unlink()

    def state_dict(self) -> dict[str, Any]:
        """The random state of every process."""
        drawn: Any = np.random.get_state()  # noqa: NPY002 - a module may use it
        _, keys, *rest = drawn
        state: dict[str, Any] = {
            "cpu": torch.get_rng_state(), "python": random.getstate(), "numpy": [torch.from_numpy(keys.astype(np.int64)), *rest],
        }  # fmt: skip
        if torch.cuda.is_available():
            state["cuda"] = torch.cuda.get_rng_state_all()
        return {"ranks": all_gather_object(state)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the random state of this process."""
        if rank() >= len(state_dict["ranks"]):
            return  # there are more processes than before: this one starts with its own seed
        state = state_dict["ranks"][rank()]
        torch.set_rng_state(state["cpu"].cpu())
        random.setstate(state["python"])
        keys, *rest = state["numpy"]
        np.random.set_state(("MT19937", keys.cpu().numpy().astype(np.uint32), *rest))  # noqa: NPY002
        if "cuda" in state and torch.cuda.is_available():
            # A machine with fewer devices than before has no use for the other states.
            torch.cuda.set_rng_state_all([value.cpu() for value in state["cuda"][: torch.cuda.device_count()]])


def latest_checkpoint(directory: Path) -> Path | None:
    """The checkpoint to resume from.

    Args:
        directory: Where `Checkpoints` wrote.

    Returns:
        Its path; None if there is none.

    Raises:
        RunError: The checkpoint is corrupt.
    """
    found = sorted(directory.glob("step-*.ckpt"))
    if not found:
        return None
    if _digest(found[-1]) != found[-1].stem.rpartition("-")[2]:
        raise _corrupt(found[-1])
    return found[-1]


def step_of(checkpoint: Path) -> int:
    """The step after which a checkpoint was written.

    Raises:
        RunError: The file is not a checkpoint.
    """
    try:
        return int(torch.load(checkpoint, map_location="cpu", weights_only=True)["global_step"])
    except Exception as error:  # torch, zip and pickle each raise errors of their own
        raise _corrupt(checkpoint) from error


def _corrupt(checkpoint: Path) -> RunError:
    return RunError(
        f"a training resumes from an intact checkpoint; {str(checkpoint)!r} is not what was written; "
        "remove it to train from the start"
    )


def _digest(path: Path) -> str:
    return file_sha256(path)[:32]
