"""Run ``aft compare`` on the movie sentences as a user would, with all methods and five seeds, kill it half-way and run it again.

Afterwards the browser tests check its report. It uses the features of mpnet that ``make claims`` keeps in the cache, or computes
them.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from aft.demo import movie_sentences

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(Path(__file__).parent / "claims"))

import features  # noqa: E402 - the directory of the claims is on the path now


def main() -> None:
    """Run the comparison, kill it, resume it and check its report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "demo" / "compare", help="directory of the comparison")
    parser.add_argument("--steps", type=int, help="fixed number of steps, for a shorter run; searched by default")
    arguments = parser.parse_args()
    (teacher,) = features.stores("movie", "mpnet")
    executable = Path(sys.executable).parent / "aft"
    command = [
        str(executable), "compare", str(movie_sentences()), "--text", "sentence", "--id", "id", "--label", "polarity",
        "--student", "aft:static", "--features", str(teacher.path), "--seeds", "5", "--out", str(arguments.out),
        *(["--steps", str(arguments.steps)] if arguments.steps else []),
    ]  # fmt: skip
    journal, start = arguments.out / "trainings.jsonl", time.monotonic()
    first = subprocess.Popen(command, start_new_session=True)
    kill_after = 45  # of at most 99 trainings
    while first.poll() is None and _rows(journal) < kill_after:
        time.sleep(0.5)
    killed = first.poll() is None
    if killed:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    before = _rows(journal)
    subprocess.run(command, check=True)
    seconds = time.monotonic() - start
    subprocess.run([str(executable), "report", str(arguments.out)], check=True)
    keys = Counter(json.loads(line)["key"] for line in journal.read_text(encoding="utf-8").splitlines())
    environment = {**os.environ, "AFT_COMPARISON": str(arguments.out.resolve())}
    browser = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/browser", "-k", "given"], cwd=ROOT, env=environment, check=False
    )
    content = json.loads((arguments.out / "comparison.json").read_text(encoding="utf-8"))
    print(json.dumps({
        "benchmark": "compare_movie", "killed": killed, "trainings_before": before, "trainings": len(keys), "repeated": sum(keys.values()) - len(keys),
        "seconds": round(seconds), "browser_tests_passed": browser.returncode == 0,
        "errors": {row["method"]: row["mean"] for row in content["methods"]}, "conclusions": content["conclusions"],
    }))  # fmt: skip


def _rows(journal: Path) -> int:
    return len(journal.read_bytes().splitlines()) if journal.exists() else 0


if __name__ == "__main__":
    main()
