"""Checkpoints: what an interrupted training goes on from, to the bit."""

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import Callback

from aft.errors import RunError
from aft.core import all_gather_object, broadcast_object, rank, world_size

#: Seconds between two checkpoints.
EVERY = 30.0
#: Steps between two questions, among several processes, whether it is time: each costs a message.
ASK_EVERY = 50


class Checkpoints(Callback):
    """A checkpoint now and then, with the state of the random numbers, renamed into place whole.

    Its name holds its step and its digest: torch reads a file with a flipped bit without a word.

    Args:
        folder: Where the newest one is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last = time.monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Write one where it is time."""
        step = trainer.global_step
        if step >= trainer.max_steps or (world_size() > 1 and step % ASK_EVERY):
            return
        if broadcast_object(time.monotonic() - self._last >= EVERY):
            temporary = self._folder / ".writing-checkpoint"
            self._folder.mkdir(exist_ok=True)
            module: Any = trainer.lightning_module
            module.check()  # one after a NaN would be gone on from for ever
            trainer.save_checkpoint(temporary)  # by all processes together
            if rank() == 0:
                with temporary.open("rb") as file:
                    os.fsync(file.fileno())
                final = self._folder / f"step-{step:09d}-{_digest(temporary)}.ckpt"
                temporary.replace(final)
                for older in self._folder.glob("step-*.ckpt"):
                    if older != final:
                        older.unlink()
            self._last = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """The random numbers of every process."""
        state: dict[str, Any] = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            state["cuda"] = torch.cuda.get_rng_state_all()
        return {"ranks": all_gather_object(state)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with them."""
        if rank() >= len(state_dict["ranks"]):
            return  # more processes than were interrupted: this one draws anew
        state = state_dict["ranks"][rank()]
        torch.set_rng_state(state["cpu"].cpu())
        if "cuda" in state and torch.cuda.is_available():
            # On a machine with fewer devices the rest has nowhere to go.
            torch.cuda.set_rng_state_all([value.cpu() for value in state["cuda"][: torch.cuda.device_count()]])


def newest(folder: Path) -> Path | None:
    """The checkpoint to go on from.

    Args:
        folder: Where `Checkpoints` wrote.

    Returns:
        Its path; None where there is none.

    Raises:
        RunError: It is not what was written.
    """
    found = sorted(folder.glob("step-*.ckpt"))
    if not found:
        return None
    if _digest(found[-1]) != found[-1].stem.rpartition("-")[2]:
        raise _broken(found[-1])
    return found[-1]


def step_of(checkpoint: Path) -> int:
    """How many steps had been made.

    Raises:
        RunError: The file is no checkpoint.
    """
    try:
        return int(torch.load(checkpoint, map_location="cpu", weights_only=True)["global_step"])
    except Exception as error:  # torch, zip and pickle each raise their own
        raise _broken(checkpoint) from error


def _broken(checkpoint: Path) -> RunError:
    return RunError(
        f"a training goes on from the checkpoint that it wrote; {str(checkpoint)!r} is not what was written; "
        "remove it to train from the start"
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]
