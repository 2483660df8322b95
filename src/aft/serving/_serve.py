"""``aft serve``: a run or an exported model over HTTP."""

import contextlib
import logging
import socket
from pathlib import Path
from typing import Any

from aft.core import downloaded
from aft.errors import UsageError
from aft.runtime import ExportedModel, is_exported
from aft.serving._app import make_app
from aft.serving._limits import DEFAULTS, Limits

log = logging.getLogger("aft")
#: Seconds that requests in progress have when the server stops.
GRACE = 30


def serve(
    model: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: Limits = DEFAULTS,
    precision: str = "fp32",
    threads: int | None = None,
    student: Any = None,
) -> None:
    """Serve a model until the process is told to stop. What has been accepted is answered first.

    Args:
        model: A run directory, or a folder that ``aft export`` wrote; or ``"hf:OWNER/NAME"``, one of them on the Hugging Face Hub.
        host: The address to listen at; by default that of this machine alone.
        port: The port.
        limits: What the server accepts.
        precision: ``"fp32"``; for an exported model also ``"int8"``, for a run ``"bf16"`` or ``"fp16"``.
        threads: Threads of onnxruntime, for an exported model.
        student: For a run that trained a module: as for `aft.load`.

    Raises:
        UsageError: The model takes arrays, or the port cannot be used.
        MissingExtraError: FastAPI or uvicorn is not installed.
    """
    loaded = _load(downloaded(model), precision, threads, student)
    if "array" in loaded.modality:
        raise UsageError("a server takes texts and images; this model takes arrays; call it in Python")
    app = make_app(loaded, Path(model).resolve().name, limits)
    import uvicorn  # make_app says what to install where the extra is missing

    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE)
    with _listening(host, port) as listening, contextlib.suppress(KeyboardInterrupt):
        log.info("http://%s:%d   (Ctrl-C stops)", f"[{host}]" if ":" in host else host, port)
        server = uvicorn.Server(config)
        server.run(sockets=[listening])
        if not server.started:
            raise SystemExit(3)  # as uvicorn.run does; it has logged why


def _listening(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"a server needs an address of this machine and a free port; received {host}:{port} ({reason}); choose another port= or "
            "host="
        ) from error


def _load(folder: Path, precision: str, threads: int | None, student: Any) -> Any:
    if is_exported(folder):
        return ExportedModel(folder, precision=precision, threads=threads)  # type: ignore[arg-type]
    from aft.runs import load

    return load(folder, student=student, precision=precision)  # type: ignore[arg-type]
