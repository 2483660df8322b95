"""Build a clean environment with the extra ``runtime`` alone, predict a table in it, and say how large it is.

It needs an exported model and a table of its inputs. The last line is one JSON object.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Install the built package, predict, and count what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("exported", type=Path, help="folder that aft export wrote")
    parser.add_argument("table", type=Path, help="table of inputs, a .csv file")
    arguments = parser.parse_args()
    uv = str(Path(sys.executable).parent / "uv")
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT], check=True)
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True)
        (wheel,) = folder.glob("*.whl")
        python = folder / "venv" / "bin" / "python"
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, f"{wheel}[runtime]"], check=True)
        installed = json.loads(
            subprocess.run(
                [uv, "pip", "list", "--quiet", "--format", "json", "--python", python], check=True, capture_output=True
            ).stdout
        )
        out = folder / "answers.csv"
        command = [
            python.parent / "aft",
            "predict",
            arguments.exported.absolute(),
            arguments.table.absolute(),
            "--out",
            out,
        ]
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
        seconds = time.perf_counter() - start
        with out.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        files = [path for path in (folder / "venv").rglob("*") if path.is_file() and not path.is_symlink()]
        names = {package["name"] for package in installed}
        result = {
            "benchmark": "runtime_environment", "megabytes": round(sum(path.stat().st_size for path in files) / 1e6),
            "packages": len(names), "torch": "torch" in names, "rows": len(rows),
            "predicted": sum(not row["error"] for row in rows), "seconds_with_start": round(seconds, 2),
        }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
