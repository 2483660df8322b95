"""Arrays that are computed once on a machine, because several processes or later runs need them."""

import hashlib
import io
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.core import scratch_dir, write_atomic

log = logging.getLogger("aft")


def kept_array(kind: str, facts: tuple[Any, ...], compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """Return an array from the cache directory, or compute it and keep it there.

    The name of its file contains the digest of its content, so that a damaged file is never used.

    Args:
        kind: What it is; a folder in the cache directory.
        facts: All that it depends on; equal facts have equal `repr`.
        compute: Computes it.
    """
    scratch = scratch_dir()
    if scratch is None:
        return compute()
    folder, key = scratch / kind, hashlib.sha256(repr(facts).encode()).hexdigest()[:32]
    for path in folder.glob(f"{key}-*.npy"):
        with suppress(OSError):
            content = path.read_bytes()
            if path == _path(folder, key, content):
                return np.load(io.BytesIO(content), allow_pickle=False)  # type: ignore[no-any-return]
            path.unlink()
    array, file = compute(), io.BytesIO()
    np.save(file, array, allow_pickle=False)
    content = file.getvalue()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(_path(folder, key, content), [content])
    except OSError as error:
        log.info("the %s could not be kept in %s: %s", kind.replace("-", " "), folder, error.strerror)
    return array


def _path(folder: Path, key: str, content: bytes) -> Path:
    return folder / f"{key}-{hashlib.sha256(content).hexdigest()[:32]}.npy"
