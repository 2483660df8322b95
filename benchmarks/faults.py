"""Inject faults and count what is lost: killed processes, flipped bits, truncated files, full disks, concurrent writers.

After each fault, everything that was committed must be intact, wrong data must not be read without an error that names a file, and
the same command, run again, must end with the result of an undisturbed one. The script prints the counts. It exits with 1 if any
byte was lost or any wrong data was read silently.
"""

import argparse
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from aft.core import read_jsonl
from aft.errors import AftError
from aft.features import FeatureStore, repair

Contents = dict[str, bytes]


def slow_teacher() -> tuple[nn.Module, Any]:
    """A ``python:`` factory that counts letters slowly, so that there is time for a kill."""

    class Slow(nn.Module):
        def forward(self, counts: torch.Tensor) -> torch.Tensor:
            time.sleep(0.05)
            return counts

    def letters(text: str) -> torch.Tensor:
        return torch.tensor([text.count(chr(97 + n)) for n in range(26)], dtype=torch.float32)

    return Slow(), letters


def other_teacher() -> tuple[nn.Module, Any]:
    """A different teacher with the same width."""
    module, letters = slow_teacher()
    return nn.Sequential(module, nn.Linear(26, 26)), letters


class Suite:
    """The faults, and the counts of their consequences.

    Args:
        folder: An empty directory to work in.
        kills: Number of processes to kill.
        seed: Random seed of the moments and places of faults.
    """

    def __init__(self, folder: Path, kills: int, seed: int) -> None:
        self.folder, self.kills = folder, kills
        self.rng = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.bytes_lost = self.wrong_reads = self.checks = self.failed = 0
        self.table = folder / "reviews.csv"
        with self.table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("id", "text", "label"))
            for n in range(160):
                word = ("lovely", "dull")[n % 2]
                writer.writerow((f"id{n}", f"a {word} film number {n} {'x' * (n % 5)}", "ab"[n % 2]))

    def run(self) -> dict[str, Any]:
        """Inject all faults, one kind after the other."""
        store = self.extraction()
        self.damage(store)
        self.full_disk(store)
        self.writers(store)
        self.training(store)
        self.comparison(store)
        faults = sum(self.counts.values())
        kills = sum(count for kind, count in self.counts.items() if kind.startswith("killed"))
        return {
            "benchmark": "faults", "faults": faults, "kills": kills, "by_kind": dict(self.counts), "checks": self.checks,
            "failed_checks": self.failed, "survived": faults - min(faults, self.failed), "bytes_lost": self.bytes_lost,
            "wrong_reads": self.wrong_reads,
        }  # fmt: skip

    # ---- killed processes --------------------------------------------------------------------------------------------

    def extraction(self) -> Path:
        """Kill extractions at random moments. Returns the store of an undisturbed one."""
        whole = self.folder / "whole"
        start = time.monotonic()
        self._aft(*self._extract(whole), check=True)
        duration = time.monotonic() - start
        expected = contents(whole / "t")
        attempt = 0
        while self.counts["killed extraction"] < self.kills - 2 * (self.kills // 4):
            out = self.folder / f"killed-{attempt}"
            attempt += 1
            before: Contents = {}
            while not (out / "t" / "manifest.json").exists() and self.counts["killed extraction"] < self.kills:
                if self._kill(self._extract(out), self.rng.uniform(0.4, 0.95) * duration):
                    self.counts["killed extraction"] += 1
                now = committed(out / "t")
                self.bytes_lost += sum(len(content) for name, content in before.items() if now.get(name) != content)
                before = now
            self._aft(*self._extract(out), check=True)
            self._same(contents(out / "t"), expected)
        return whole / "t"

    def training(self, store: Path) -> None:
        """Kill trainings, which write checkpoints frequently. Resumed ones must reach the weights of an undisturbed one."""
        start = time.monotonic()
        self._aft(*self._train(store, self.folder / "run"), check=True, checkpoints=True)
        duration = time.monotonic() - start
        expected = _weights(self.folder / "run")
        attempt = resumed = 0
        # At least one training must be killed after its first checkpoint; otherwise resuming is not tested.
        while self.counts["killed training"] < self.kills // 4 or not resumed:
            out = self.folder / f"run-{attempt}"
            attempt += 1
            if self._kill(self._train(store, out), self.rng.uniform(0.5, 0.95) * duration, checkpoints=True):
                self.counts["killed training"] += 1
                resumed += self._damaged_checkpoint(store, out)
            self._aft(*self._train(store, out), check=True)
            self._check(_weights(out) == expected)
        self.counts["damaged checkpoint"] = resumed
        for name in ("model.safetensors", "objective.safetensors"):
            path = self.folder / "run" / name
            damaged = bytearray(original := path.read_bytes())
            damaged[self.rng.randrange(len(damaged))] ^= 1 << self.rng.randrange(8)
            path.write_bytes(damaged)
            status, message = self._aft(
                "predict", str(self.folder / "run"), str(self.table), "--out", str(self.folder / f"{name}.csv")
            )
            self.counts["flipped bit of a run"] += 1
            self._check(name != "model.safetensors" or (status == 2 and name in message))
            path.write_bytes(original)

    def _damaged_checkpoint(self, store: Path, out: Path) -> bool:
        """Flip a bit of the checkpoint of a killed training; it must be rejected. Returns whether there was one."""
        found = list((out / "checkpoints").glob("step-*.ckpt"))
        if not found:
            return False
        original = found[0].read_bytes()
        damaged = bytearray(original)
        damaged[self.rng.randrange(len(damaged))] ^= 1 << self.rng.randrange(8)
        found[0].write_bytes(damaged)
        status, message = self._aft(*self._train(store, out))
        self._check(status == 2 and found[0].name in message)
        found[0].write_bytes(original)
        return True

    def comparison(self, store: Path) -> None:
        """Kill comparisons repeatedly. No row of the journal may be lost, and no training may be repeated."""
        folder, rows = 0, 0
        command = ["compare", *self._data(), "--student", "aft:static,width=8", "--features", str(store), "--methods", "finetune,aft",
                   "--seeds", "2", "--steps", "60", "--out"]  # fmt: skip
        while self.counts["killed comparison"] < self.kills // 4:
            out = self.folder / f"compared-{folder}"
            killed = self._kill([*command, str(out)], self.rng.uniform(5, 12))
            now = len(read_jsonl(out / "trainings.jsonl"))
            self.counts["killed comparison"] += killed
            self.bytes_lost += max(0, rows - now)
            rows = now
            if not killed:  # it has finished: start the next one
                self._check_comparison(out)
                folder, rows = folder + 1, 0
        out = self.folder / f"compared-{folder}"
        self._aft(*command, str(out), check=True)
        self._check_comparison(out)

    def _check_comparison(self, out: Path) -> None:
        keys = [row["key"] for row in read_jsonl(out / "trainings.jsonl")]
        self._check(len(keys) == len(set(keys)))

    # ---- damaged files -----------------------------------------------------------------------------------------------

    def damage(self, store: Path) -> None:
        """Flip a bit in every eighth of every file, truncate every file, and swap two shards."""
        expected = contents(store)
        features = FeatureStore.open(store)[[f"id{n}" for n in range(160)]]
        for name, content in expected.items():
            ranges = np.linspace(0, len(content), 9).astype(int)
            for low, high in pairwise(ranges.tolist()):
                if high > low:
                    damaged = bytearray(content)
                    damaged[self.rng.randrange(low, high)] ^= 1 << self.rng.randrange(8)
                    self._damaged(store, {name: bytes(damaged)}, features, "flipped bit")
            for length in sorted({0, 1, len(content) // 2, len(content) - 1}):
                self._damaged(store, {name: content[:length]}, features, "truncated file")
        arrays = [name for name in expected if name.startswith("shard-") and name.endswith(".npy")]
        self._damaged(
            store, {arrays[0]: expected[arrays[1]], arrays[1]: expected[arrays[0]]}, features, "swapped shards"
        )
        self._changed(store)
        future = expected["manifest.json"].replace(b'"format": 1', b'"format": 9')
        self._damaged(store, {"manifest.json": future}, features, "newer manifest")

    def _changed(self, store: Path) -> None:
        """Change the dataset under a store, and the teacher of its name. Both must be rejected without changing the store."""
        before, table = contents(store), self.table.read_text(encoding="utf-8")
        out = store.parent
        self.table.write_text(table.replace("film number 7 ", "film number 8 "), encoding="utf-8")
        for command in (self._extract(out), self._train(store, self.folder / "changed")):
            status, message = self._aft(*command)
            self._check(status == 2 and "changed" in message)
        self.counts["changed dataset"] += 1
        self.table.write_text(table, encoding="utf-8")
        other = [part.replace("slow_teacher", "other_teacher") for part in self._extract(out)]
        status, message = self._aft(*other)
        self._check(status == 2 and "weights" in message)
        self.counts["changed teacher"] += 1
        self._same(contents(store), before)

    def _damaged(self, store: Path, damaged: Contents, features: Any, kind: str) -> None:
        """Read a damaged copy of a store, then repair it."""
        copy = self.folder / "damaged" / "t"
        shutil.rmtree(copy.parent, ignore_errors=True)
        shutil.copytree(store, copy)
        for name, content in damaged.items():
            (copy / name).write_bytes(content)
        self.counts[kind] += 1
        try:
            opened = FeatureStore.open(copy)
            received = opened[[f"id{n}" for n in range(160)]]
            opened.verify()
            self._check(np.array_equal(received, features))
        except AftError as error:
            self._check(any(path.name in str(error) for path in [*copy.iterdir(), copy]))
        repair(copy)
        remaining, affected = committed(copy), {name[:12] for name in damaged}
        self.bytes_lost += sum(
            len(content)
            for name, content in committed(store).items()
            if name[:12] not in affected and remaining.get(name) != content
        )

    # ---- full disks and concurrent writers ---------------------------------------------------------------------------

    def full_disk(self, store: Path) -> None:
        """Fill the disk at files of every size."""
        expected = contents(store)
        for number, size in enumerate(sorted({len(content) for content in expected.values()})):
            out = self.folder / f"full-{number}"
            status, message = self._aft(*self._extract(out), limit=max(1, size - 1))
            self.counts["full disk"] += 1
            if status != 2 or message.count("aft: ") != 1:
                raise SystemExit(
                    f"a full disk must give one sentence and exit status 2; received status {status}: {message}"
                )
            self._aft(*self._extract(out), check=True)
            self._same(contents(out / "t"), expected)

    def writers(self, store: Path) -> None:
        """Run two extractions into one store at the same time."""
        out = self.folder / "two"
        processes = [self._start(self._extract(out)) for _ in range(2)]
        for process in processes:
            process.communicate()
        self.counts["concurrent writer"] += 1
        self._aft(*self._extract(out), check=True)
        self._same(contents(out / "t"), contents(store))

    # ---- commands ----------------------------------------------------------------------------------------------------

    def _data(self) -> list[str]:
        return [str(self.table), "--text", "text", "--id", "id", "--label", "label"]

    def _extract(self, out: Path) -> list[str]:
        return [
            "extract", *self._data()[:5], "--teacher", "t=python:faults:slow_teacher", "--out", str(out), "--shard-rows", "8", "--batch-size", "4",
        ]  # fmt: skip

    def _train(self, store: Path, out: Path) -> list[str]:
        return ["train", *self._data(), "--student", "aft:static,width=8", "--features", str(store), "--beta", "1", "--steps", "600",
                "--out", str(out)]  # fmt: skip

    def _start(self, command: list[str], limit: int = 0, checkpoints: bool = False) -> "subprocess.Popen[str]":
        code = "import sys, runpy; sys.argv = ['aft', *sys.argv[2:]]; "
        if checkpoints:
            code += "import aft.training._checkpoint as c; c.EVERY = 0.1; "
        if limit:
            code += f"import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); "
        code += "runpy.run_module('aft', run_name='__main__')"
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-c", code, "-", *command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip

    def _aft(self, *command: str, check: bool = False, limit: int = 0, checkpoints: bool = False) -> tuple[int, str]:
        process = self._start(list(command), limit, checkpoints)
        message = process.communicate()[1]
        if check and process.returncode:
            raise SystemExit(f"{' '.join(command)} failed: {message}")
        return process.returncode, message

    def _kill(self, command: list[str], after: float, checkpoints: bool = False) -> bool:
        """Start a command and kill its process group. Returns whether it was still running."""
        process = self._start(command, checkpoints=checkpoints)
        try:
            process.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return process.returncode == -signal.SIGKILL
        return False

    def _check(self, correct: bool) -> None:
        """Count a check: data was read correctly, or rejected as it should be."""
        self.checks += 1
        self.failed += not correct
        self.wrong_reads += not correct

    def _same(self, received: Contents, expected: Contents) -> None:
        self.checks += 1
        self.failed += any(received.get(name) != content for name, content in expected.items())
        self.bytes_lost += sum(len(content) for name, content in expected.items() if received.get(name) != content)


def contents(folder: Path) -> Contents:
    """Return the files of a directory by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def committed(folder: Path) -> Contents:
    """Return the files of all committed shards by name."""
    files = contents(folder)
    done = {name[:12] for name in files if name.startswith("shard-") and name.endswith(".json")}
    return {name: content for name, content in files.items() if name[:12] in done}


def _weights(run: Path) -> str:
    """Return the digest of a run's weights."""
    return str(json.loads((run / "result.json").read_text(encoding="utf-8"))["weights_sha256"])


def main() -> None:
    """Run the suite."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--kills", type=int, default=36, help="number of processes to kill; half of them are extractions"
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed of the faults")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = Suite(Path(folder), arguments.kills, arguments.seed).run()
    print(json.dumps(result))
    sys.exit(bool(result["bytes_lost"] or result["wrong_reads"] or result["kills"] < arguments.kills))


if __name__ == "__main__":
    main()
