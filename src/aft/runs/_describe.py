"""A description of a run, for ``aft inspect``."""

from pathlib import Path

from aft.core import file_sha256, format_size
from aft.runs._layout import RunLayout
from aft.runs._run import Run
from aft.runs._schema import RunConfig
from aft.runs._weights import gate_weights


def describe_run(directory: str | Path, *, verify: bool = False) -> tuple[list[tuple[str, str]], list[str]]:
    """Describe a run.

    Args:
        directory: The run directory.
        verify: Check the weights against their digest.

    Returns:
        Names and values of what the run contains, and a sentence for each thing that is wrong with it.

    Raises:
        RunError: There is no finished run, or it cannot be read.
    """
    layout = RunLayout(Path(directory))
    run, config = Run.open(directory), RunConfig.read(layout.config)
    result, test = run.result, run.result.test
    rows = [
        ("run", str(directory)),
        (
            "student",
            f"{config.student.name}, {run.parameters:,} parameters, {format_size(layout.weights.stat().st_size)}",
        ),
        ("task", f"{config.targets.name}: {', '.join(config.targets.classes[:12]) or 'a number'}"),
        ("samples", ", ".join(f"{count:,} {name}" for name, count in result.samples)),
        ("method", f"{run.method}, {result.hparams}, batches of {result.batch_size}, seed {result.seed}"),
        (
            "search",
            result.search.summary
            if result.search
            else "none, since beta was given; what was not given is usual for the student",
        ),
        ("time", f"{run.seconds:.1f} s, {result.waiting_for_data:.0%} of it waiting for data"),
        ("test", f"{test.error_name} {test.error:.4f} on {test.samples:,} samples" if test else "no test split"),
    ]
    if result.best_step is not None:
        rows.append(("best step", f"{result.best_step} of at most {result.hparams.steps}, by the validation loss"))
    for name, weights in (gate_weights(directory) or {}).items():
        strongest = ", ".join(f"{int(i)} ({float(weights[i]):.2f})" for i in weights.argsort(descending=True)[:5])
        half = float((weights > 0.5).float().mean())
        rows.append((f"gates {name}", f"mean {float(weights.mean()):.3f}, {half:.0%} above 0.5, largest {strongest}"))
    findings = []
    if verify:
        if file_sha256(layout.weights) != result.weights_sha256:
            findings.append(
                f"{str(layout.weights)!r} is not what was written to it; restore it from a copy or train again"
            )
        rows.append(("intact", "no" if findings else "yes: the weights are as written"))
    return rows, findings
