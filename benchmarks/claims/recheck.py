"""After a change of code that is meant to change no number: one training of every kind again, bit for bit.

A row of ``results/trainings.jsonl`` is stale once the code that it came from has changed. Where the change was to leave the
numbers alone, this trains one row of each task, student, method and use of unlabelled samples again, and compares losses,
metrics and predictions exactly. Only if every one is the same are the stale rows kept under the hash of the new code.
"""

import json
import sys
import time
from concurrent.futures import Future
from functools import partial
from typing import Any

import better_teachers_better_students
import better_than_alternatives
import fifty_times_smaller
import harness
import remedies
import scarce_labels
import teachers_complement

from aft.comparison import Choice, Job, Journal, Row, Worker, key_of
from aft.core import process_pool


def main() -> None:
    """Run it."""
    arguments = harness.parse(__doc__)
    start = time.monotonic()
    studies = [
        *better_than_alternatives.studies(), *scarce_labels.studies().values(), *fifty_times_smaller.studies(),
        *better_teachers_better_students.studies(), *teachers_complement.studies(), *remedies.studies(),
    ]  # fmt: skip
    cells = {study.cell.name: study.cell for study in studies}
    journal = Journal(harness.RESULTS / "trainings.jsonl")
    stale = [row for row in journal.stale() if row["cell"] in cells]
    kinds: dict[tuple[str, ...], Row] = {}
    for row in stale:
        task, student, *rest = row["cell"].split("/")
        kind = (task, student, row["method"], str("unlabelled" in rest))
        # Tested rows say most: they carry a prediction for each test sample.
        if kind not in kinds or (row["part"] == "final") > (kinds[kind]["part"] == "final"):
            kinds[kind] = row
    wanted = sorted(kinds.values(), key=lambda row: str(row["cell"]))
    digests = {name: cells[name].digest() for name in {row["cell"] for row in wanted}}
    different = []
    with process_pool(partial(Worker, cells), arguments.processes, 1) as call:
        running: list[tuple[Row, Future[Row]]] = [(row, call("work", job_of(row))) for row in wanted]
        for number, (row, future) in enumerate(running, 1):
            again = future.result()
            belongs = key_of(job_of(row), digests[row["cell"]]) == row["key"]
            # As the file has it: a row that was read back.
            again = json.loads(json.dumps(again, default=float))
            if not belongs or any(again[name] != row[name] for name in again if name != "seconds"):
                different.append([row["cell"], row["method"]])
            print(f"{number} of {len(running)}: {row['cell']} {row['method']}", file=sys.stderr)
    if wanted and not different:
        journal.renew(stale)
        journal.prune()
    result: dict[str, Any] = {
        "stale": len(stale), "trained_again": len(wanted), "different": different, "renewed": 0 if different else len(stale),
        "seconds": round(time.monotonic() - start, 1),
    }  # fmt: skip
    print(json.dumps(result))


def job_of(row: Row) -> Job:
    """What a row came from."""
    return Job(row["cell"], row["method"], Choice(**row["choice"]), row["seed"], row["part"], row["options"])


if __name__ == "__main__":
    main()
