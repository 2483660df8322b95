"""Measure how long ``aft --help`` and ``import aft`` take, and list the heavy packages that the latter loads."""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

REPEATS = 7


def main() -> None:
    """Time the installed command and a bare interpreter."""
    command = str(Path(sys.executable).parent / "aft")

    def timed(arguments: list[str]) -> float:
        subprocess.run(arguments, check=True, capture_output=True)
        seconds = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            subprocess.run(arguments, check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds)

    code = "import sys, aft; print([m for m in ('torch', 'lightning', 'timm', 'transformers') if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    result = {
        "benchmark": "startup",
        "repeats": REPEATS,
        "help_seconds": round(timed([command, "--help"]), 3),
        "train_help_seconds": round(timed([command, "train", "--help"]), 3),
        "python_seconds": round(bare := timed([sys.executable, "-c", "pass"]), 3),
        "import_aft_seconds": round(timed([sys.executable, "-c", "import aft"]) - bare, 3),
        "import_aft_loads": loaded,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
