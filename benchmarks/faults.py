"""Break things on purpose, and count what is lost: processes killed, bits flipped, files cut off, disks full, two writers at once.

After each fault nothing that was committed may be missing or different, nothing wrong may be read without an error that names a file, and the same command, run
again, must end with what it would have ended with. Prints the counts; exits with 1 where any byte was lost or any wrong read was silent.
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
    """A python: factory: letters counted, slowly, so that there is a moment to be killed at."""

    class Slow(nn.Module):
        def forward(self, counts: torch.Tensor) -> torch.Tensor:
            time.sleep(0.05)
            return counts

    def letters(text: str) -> torch.Tensor:
        return torch.tensor([text.count(chr(97 + n)) for n in range(26)], dtype=torch.float32)

    return Slow(), letters


def other_teacher() -> tuple[nn.Module, Any]:
    """Another one, of the same width."""
    module, letters = slow_teacher()
    return nn.Sequential(module, nn.Linear(26, 26)), letters


class Suite:
    """Counts, and a folder to break things in.

    Args:
        folder: An empty folder.
        kills: Processes to kill.
        seed: Of the moments and places.
    """

    def __init__(self, folder: Path, kills: int, seed: int) -> None:
        self.folder, self.kills = folder, kills
        self.chance = random.Random(seed)
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
        """Everything, in turn."""
        store = self.extraction()
        self.damage(store)
        self.full_disk(store)
        self.writers(store)
        self.training(store)
        self.comparison(store)
        faults = sum(self.counts.values())
        kills = sum(count for kind, count in self.counts.items() if kind.startswith("kill"))
        return {
            "benchmark": "faults", "faults": faults, "kills": kills, "by_kind": dict(self.counts), "checks": self.checks,
            "failed_checks": self.failed, "survived": faults - min(faults, self.failed), "bytes_lost": self.bytes_lost,
            "wrong_reads": self.wrong_reads,
        }  # fmt: skip

    # ---- processes that are killed -------------------------------------------------------------------------------

    def extraction(self) -> Path:
        """Kill extractions at random moments; returns the store of one that was not."""
        whole = self.folder / "whole"
        start = time.monotonic()
        self._aft(*self._extract(whole), check=True)
        usual = time.monotonic() - start
        expected = contents(whole / "t")
        attempt = 0
        while self.counts["kill of an extraction"] < self.kills - 2 * (self.kills // 4):
            out = self.folder / f"killed-{attempt}"
            attempt += 1
            before: Contents = {}
            while not (out / "t" / "manifest.json").exists() and self.counts["kill of an extraction"] < self.kills:
                if self._kill(self._extract(out), self.chance.uniform(0.4, 0.95) * usual):
                    self.counts["kill of an extraction"] += 1
                now = committed(out / "t")
                self.bytes_lost += sum(len(content) for name, content in before.items() if now.get(name) != content)
                before = now
            self._aft(*self._extract(out), check=True)
            self._same(contents(out / "t"), expected)
        return whole / "t"

    def training(self, store: Path) -> None:
        """Kill trainings, which write checkpoints all the time; the weights must be those of one that was not killed."""
        start = time.monotonic()
        self._aft(*self._train(store, self.folder / "run"), check=True, checkpoints=True)
        usual = time.monotonic() - start
        expected = _weights(self.folder / "run")
        attempt = resumed = 0
        # One at least must die after its first checkpoint, or nothing is shown of those.
        while self.counts["kill of a training"] < self.kills // 4 or not resumed:
            out = self.folder / f"run-{attempt}"
            attempt += 1
            if self._kill(self._train(store, out), self.chance.uniform(0.5, 0.95) * usual, checkpoints=True):
                self.counts["kill of a training"] += 1
                resumed += self._damaged_checkpoint(store, out)
            self._aft(*self._train(store, out), check=True)
            self._judge(_weights(out) == expected)
        self.counts["damaged checkpoint"] = resumed
        for name in ("model.safetensors", "objective.safetensors"):
            path = self.folder / "run" / name
            hurt = bytearray(good := path.read_bytes())
            hurt[self.chance.randrange(len(hurt))] ^= 1 << self.chance.randrange(8)
            path.write_bytes(hurt)
            code, said = self._aft(
                "predict", str(self.folder / "run"), str(self.table), "--out", str(self.folder / f"{name}.csv")
            )
            self.counts["flipped bit of a run"] += 1
            self._judge(name != "model.safetensors" or (code == 2 and name in said))
            path.write_bytes(good)

    def _damaged_checkpoint(self, store: Path, out: Path) -> bool:
        """Flip a bit of the checkpoint that a killed training left, and see it refused; tells whether there was one."""
        found = list((out / "checkpoints").glob("step-*.ckpt"))
        if not found:
            return False
        good = found[0].read_bytes()
        hurt = bytearray(good)
        hurt[self.chance.randrange(len(hurt))] ^= 1 << self.chance.randrange(8)
        found[0].write_bytes(hurt)
        code, said = self._aft(*self._train(store, out))
        self._judge(code == 2 and found[0].name in said)
        found[0].write_bytes(good)
        return True

    def comparison(self, store: Path) -> None:
        """Kill comparisons again and again; no row may go, and none be made twice."""
        folder, rows = 0, 0
        command = ["compare", *self._data(), "--student", "aft:static,width=8", "--features", str(store), "--methods", "finetune,aft",
                   "--seeds", "2", "--steps", "60", "--out"]  # fmt: skip
        while self.counts["kill of a comparison"] < self.kills // 4:
            out = self.folder / f"compared-{folder}"
            killed = self._kill([*command, str(out)], self.chance.uniform(5, 12))
            now = len(read_jsonl(out / "trainings.jsonl"))
            self.counts["kill of a comparison"] += killed
            self.bytes_lost += max(0, rows - now)
            rows = now
            if not killed:  # it is finished: the next one
                self._whole_comparison(out)
                folder, rows = folder + 1, 0
        out = self.folder / f"compared-{folder}"
        self._aft(*command, str(out), check=True)
        self._whole_comparison(out)

    def _whole_comparison(self, out: Path) -> None:
        keys = [row["key"] for row in read_jsonl(out / "trainings.jsonl")]
        self._judge(len(keys) == len(set(keys)))

    # ---- bytes that are not what was written ---------------------------------------------------------------------

    def damage(self, store: Path) -> None:
        """Flip a bit in every range of every file, cut every file off, swap, remove and link files."""
        expected = contents(store)
        features = FeatureStore.open(store)[[f"id{n}" for n in range(160)]]
        for name, content in expected.items():
            ranges = np.linspace(0, len(content), 9).astype(int)
            for low, high in pairwise(ranges.tolist()):
                if high > low:
                    hurt = bytearray(content)
                    hurt[self.chance.randrange(low, high)] ^= 1 << self.chance.randrange(8)
                    self._damaged(store, {name: bytes(hurt)}, features, "flipped bit")
            for length in sorted({0, 1, len(content) // 2, len(content) - 1}):
                self._damaged(store, {name: content[:length]}, features, "cut-off file")
        arrays = [name for name in expected if name.startswith("shard-") and name.endswith(".npy")]
        self._damaged(
            store, {arrays[0]: expected[arrays[1]], arrays[1]: expected[arrays[0]]}, features, "swapped shards"
        )
        self._changed(store)
        future = expected["manifest.json"].replace(b'"format": 1', b'"format": 9')
        self._damaged(store, {"manifest.json": future}, features, "manifest of the future")

    def _changed(self, store: Path) -> None:
        """Change the dataset under a store, and the teacher of its name: both must be refused, and the store stay as it is."""
        before, table = contents(store), self.table.read_text(encoding="utf-8")
        out = store.parent
        self.table.write_text(table.replace("film number 7 ", "film number 8 "), encoding="utf-8")
        for command in (self._extract(out), self._train(store, self.folder / "changed")):
            code, said = self._aft(*command)
            self._judge(code == 2 and "changed" in said)
        self.counts["changed dataset"] += 1
        self.table.write_text(table, encoding="utf-8")
        other = [part.replace("slow_teacher", "other_teacher") for part in self._extract(out)]
        code, said = self._aft(*other)
        self._judge(code == 2 and "weights" in said)
        self.counts["changed teacher"] += 1
        self._same(contents(store), before)

    def _damaged(self, store: Path, hurt: Contents, features: Any, kind: str) -> None:
        """Read a damaged copy, and repair and extract it again."""
        copy = self.folder / "damaged" / "t"
        shutil.rmtree(copy.parent, ignore_errors=True)
        shutil.copytree(store, copy)
        for name, content in hurt.items():
            (copy / name).write_bytes(content)
        self.counts[kind] += 1
        try:
            opened = FeatureStore.open(copy)
            received = opened[[f"id{n}" for n in range(160)]]
            opened.verify()
            self._judge(np.array_equal(received, features))
        except AftError as error:
            self._judge(any(path.name in str(error) for path in [*copy.iterdir(), copy]))
        repair(copy)
        left, touched = committed(copy), {name[:12] for name in hurt}
        self.bytes_lost += sum(
            len(content)
            for name, content in committed(store).items()
            if name[:12] not in touched and left.get(name) != content
        )

    # ---- a machine that refuses ----------------------------------------------------------------------------------

    def full_disk(self, store: Path) -> None:
        """Let the disk be full at files of every size."""
        expected = contents(store)
        for number, size in enumerate(sorted({len(content) for content in expected.values()})):
            out = self.folder / f"full-{number}"
            code, said = self._aft(*self._extract(out), limit=max(1, size - 1))
            self.counts["full disk"] += 1
            if code != 2 or said.count("aft: ") != 1:
                raise SystemExit(f"a full disk must be one sentence and exit status 2; it was {code}: {said}")
            self._aft(*self._extract(out), check=True)
            self._same(contents(out / "t"), expected)

    def writers(self, store: Path) -> None:
        """Let two extractions write one store at once."""
        out = self.folder / "two"
        processes = [self._start(self._extract(out)) for _ in range(2)]
        for process in processes:
            process.communicate()
        self.counts["second writer"] += 1
        self._aft(*self._extract(out), check=True)
        self._same(contents(out / "t"), contents(store))

    # ---- commands ------------------------------------------------------------------------------------------------

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
        said = process.communicate()[1]
        if check and process.returncode:
            raise SystemExit(f"{' '.join(command)} did not finish: {said}")
        return process.returncode, said

    def _kill(self, command: list[str], after: float, checkpoints: bool = False) -> bool:
        """Start a command and kill its whole group; tells whether it was still at work."""
        process = self._start(command, checkpoints=checkpoints)
        try:
            process.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return process.returncode == -signal.SIGKILL
        return False

    def _judge(self, right: bool) -> None:
        """A check: what was read is right, or was refused as it should be."""
        self.checks += 1
        self.failed += not right
        self.wrong_reads += not right

    def _same(self, received: Contents, expected: Contents) -> None:
        self.checks += 1
        self.failed += any(received.get(name) != content for name, content in expected.items())
        self.bytes_lost += sum(len(content) for name, content in expected.items() if received.get(name) != content)


def contents(folder: Path) -> Contents:
    """All files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def committed(folder: Path) -> Contents:
    """The files of the shards that have a record."""
    files = contents(folder)
    done = {name[:12] for name in files if name.startswith("shard-") and name.endswith(".json")}
    return {name: content for name, content in files.items() if name[:12] in done}


def _weights(run: Path) -> str:
    """Digest of a run's weights."""
    return str(json.loads((run / "result.json").read_text(encoding="utf-8"))["weights_sha256"])


def main() -> None:
    """Run the suite."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=36, help="processes to kill; half of them extractions")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = Suite(Path(folder), arguments.kills, arguments.seed).run()
    print(json.dumps(result))
    sys.exit(bool(result["bytes_lost"] or result["wrong_reads"] or result["kills"] < arguments.kills))


if __name__ == "__main__":
    main()
