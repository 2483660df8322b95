"""Measure time and memory of AFT's forward and backward pass, in sample space and in feature space."""

import json
import resource
import statistics
import subprocess
import sys
import time

SIZES = [(128, 256, 768), (512, 256, 768), (128, 384, 2560), (4096, 128, 512)]


def measure(batch: int, width: int, teacher: int, form: str) -> None:
    """Measure one size in this process; print milliseconds, and megabytes beyond the inputs."""
    import torch

    from aft.objectives import AFT

    torch.manual_seed(0)
    objective = AFT({"t": teacher}, width, space=form)
    phi, psi = torch.randn(batch, width, requires_grad=True), torch.randn(batch, teacher)
    objective(phi[:8], {"t": psi[:8]}).backward()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(7):
        start = time.perf_counter()
        objective(phi, {"t": psi}).backward()
        seconds.append(time.perf_counter() - start)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"ms": round(statistics.median(seconds) * 1e3, 2), "mb": round((after - before) / 1024, 1)}))


def main() -> None:
    """Measure each size and form in a separate process, because peak memory is that of a process."""
    if len(sys.argv) > 1:
        measure(*map(int, sys.argv[1:4]), sys.argv[4])
        return
    rows = []
    for size in SIZES:
        for form in ("sample", "feature"):
            command = [sys.executable, __file__, *map(str, size), form]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            rows.append({"batch": size[0], "student": size[1], "teacher": size[2], "form": form, **json.loads(out)})
            print(rows[-1], file=sys.stderr)
    print(json.dumps({"benchmark": "objective", "rows": rows}))


if __name__ == "__main__":
    main()
