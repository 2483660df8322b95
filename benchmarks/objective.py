"""AFT's forward and backward pass beside the plain formula through autograd, in turn, and the memory of each.

Time is the median of several repetitions, each the mean of a few passes. Memory is the peak beyond the inputs, each in a process of its
own. The last line is one JSON object.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

#: Batch, student's width, teachers' width.
SIZES = [(128, 384, 2560), (256, 384, 768), (2048, 384, 1024), (8192, 384, 2560)]


def passes(batch: int, width: int, teacher: int, device: str = "cpu") -> dict[str, Callable[[], Any]]:
    """A forward and backward pass of each form over the same features. Each returns the detached value."""
    import torch
    from torch import nn

    from aft.objectives import AFT

    torch.manual_seed(0)
    phi = torch.randn(batch, width, device=device, requires_grad=True)
    psi = torch.randn(batch, teacher, device=device)
    objective, gates = AFT({"t": teacher}, width).to(device), nn.Parameter(torch.zeros(teacher, device=device))

    def plain() -> Any:
        gated = psi * torch.sigmoid(gates)
        z, t = phi - phi.mean(0), gated - gated.mean(0)
        z = z / (z.norm(dim=1, keepdim=True) + 1e-8)
        t = t / (t.norm(dim=1, keepdim=True) + 1e-8)
        value = torch.sqrt((z @ z.T - t @ t.T).square().mean() + 1e-8)
        value.backward()
        return value.detach()

    def ours() -> Any:
        value = objective(phi, {"t": psi})
        value.backward()
        return value.detach()

    return {"plain": plain, "aft": ours}


def timed(size: tuple[int, int, int], repetitions: int) -> dict[str, Any]:
    """Milliseconds of each form."""
    forms = passes(*size)
    values = {name: float(run()) for name, run in forms.items()}
    start = time.perf_counter()
    forms["plain"]()
    several = max(1, round(0.1 / (time.perf_counter() - start)))
    measured: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(repetitions):
        for name, run in forms.items():
            start = time.perf_counter()
            for _ in range(several):
                run()
            measured[name].append((time.perf_counter() - start) / several * 1e3)
    median = {name: statistics.median(found) for name, found in measured.items()}
    return {
        "ms": {name: round(value, 2) for name, value in median.items()},
        "times_as_fast": round(statistics.median(p / a for p, a in zip(*measured.values(), strict=True)), 2),
        "relative_difference": abs(values["aft"] / values["plain"] - 1),
    }


def memory(size: tuple[int, int, int], form: str) -> float:
    """Megabytes of a pass beyond the inputs, in this process."""
    run = passes(*size)[form]
    passes(8, size[1], size[2])[form]()  # what is loaded once
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--memory", nargs=2, metavar=("SIZE", "FORM"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        print(memory(SIZES[int(arguments.memory[0])], arguments.memory[1]))
        return
    rows = []
    for number, size in enumerate(SIZES):
        megabytes = {
            form: round(
                float(
                    subprocess.run(
                        [sys.executable, __file__, "--memory", str(number), form],
                        check=True,
                        capture_output=True,
                        text=True,
                    ).stdout
                ),
                1,
            )
            for form in ("plain", "aft")
        }
        rows.append({"batch": size[0], "student": size[1], "teacher": size[2]})
        rows[-1] |= timed(size, arguments.repetitions if size[0] < 8192 else 5) | {"mb": megabytes}
        print(rows[-1], file=sys.stderr)
    print(json.dumps({"benchmark": "objective", "rows": rows}))


if __name__ == "__main__":
    main()
