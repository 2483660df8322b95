"""``aft serve``."""

from pathlib import Path
from typing import Annotated

import typer

from aft.cli import _options as o


def serve(
    run: Annotated[Path, typer.Argument(metavar="RUN|EXPORTED", help="A run directory, or a folder of aft export.")],
    host: Annotated[
        str, typer.Option(help="Address to listen at; by default that of this machine alone.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.")] = 8000,
    max_batch: Annotated[int, typer.Option(help="Most inputs that are computed together.")] = 64,
    max_wait: Annotated[
        float, typer.Option(help="Milliseconds that an input waits for others where the model is free.")
    ] = 0.0,
    max_queue: Annotated[
        int, typer.Option(help="Most inputs that wait; further ones get 503 with Retry-After.")
    ] = 1024,
    max_inputs: Annotated[int, typer.Option(help="Most inputs of a request.")] = 256,
    max_bytes: Annotated[int, typer.Option(help="Largest request, in bytes.")] = 16_000_000,
    max_seconds: Annotated[float, typer.Option(help="Longest time for a request.")] = 30.0,
    precision: Annotated[str, typer.Option(help="fp32; int8 of an exported model; bf16 or fp16 of a run.")] = "fp32",
    threads: Annotated[int | None, typer.Option(help="Threads of an exported model.")] = None,
    student: o.TrainedStudent = None,
    config: o.Config = None,
    set_: o.Set = None,
) -> None:
    """Serve a run or an exported model over HTTP: /predict, /health, /metrics, and a page to try it.

    It listens on this machine alone unless --host says otherwise, and has no authentication: put it behind something that does.
    """
    from aft.serving import Limits, serve

    limits = Limits(max_batch, max_wait, max_queue, max_inputs, max_bytes, max_seconds)
    serve(run, host=host, port=port, limits=limits, precision=precision, threads=threads, student=student)
