"""The targets that need a GPU: the objective beside the plain formula, and a step of ViT-S/16 with AFT beside one without.

Needs PyTorch, NumPy and pydantic, and nothing else: ``PYTHONPATH=src python benchmarks/gpu.py``. A machine without a network gets
pydantic from a folder that ``pip install --target DIR pydantic`` has made elsewhere. It takes minutes; ``--small`` runs all of it on a
CPU, with small sizes, to see that it works. The last line is one JSON object.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from aft.objectives import AFT, Weighting
from objective import passes

#: Batch, student's width, teachers' width.
SIZES = ((128, 384, 2560), (1024, 384, 2560), (8192, 384, 2560))
SMALL = ((32, 24, 64), (256, 8, 16))


class ViT(nn.Module):
    """A vision transformer; by default ViT-S/16 at 224 pixels, 22 M parameters."""

    def __init__(self, size: int = 224, patch: int = 16, width: int = 384, depth: int = 12, heads: int = 6) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.positions = nn.Parameter(0.02 * torch.randn(1, (size // patch) ** 2 + 1, width))
        self.first = nn.Parameter(torch.zeros(1, 1, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, depth, norm=nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, 100)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(B, 100)`` and features ``(B, width)``."""
        patches = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.first.expand(len(images), -1, -1), patches], dim=1)
        features = self.layers(tokens + self.positions)[:, 0]
        return self.head(features), features


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="small sizes, on a CPU if there is no GPU")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    if not torch.cuda.is_available() and not arguments.small:
        parser.error("this measures a GPU; there is none; add --small to try it on the CPU")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    rows = [objective(size, device, arguments.rounds) for size in (SMALL if arguments.small else SIZES)]
    result = {
        "benchmark": "gpu", "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu", "small": arguments.small,
        "torch": torch.__version__, "objective": rows, "step": step(device, arguments.small, arguments.rounds),
    }  # fmt: skip
    print(json.dumps(result))


def objective(size: tuple[int, int, int], device: torch.device, rounds: int) -> dict[str, Any]:
    """Milliseconds and peak memory of a forward and backward pass, of `AFT` and of the plain formula."""
    batch, width, teacher = size
    forms = passes(*size, device.type)
    values = {name: float(run()) for name, run in forms.items()}
    seconds = in_turn(forms, device, rounds)
    peak = {name: megabytes(run, device) for name, run in forms.items()}
    row = {
        "batch": batch, "student": width, "teacher": teacher, "ms": {name: round(1e3 * statistics.median(found), 3) for name, found in seconds.items()},
        "times_as_fast": round(statistics.median(p / a for p, a in zip(seconds["plain"], seconds["aft"], strict=True)), 2),
        "mb": peak, "relative_difference": abs(values["aft"] / values["plain"] - 1),
    }  # fmt: skip
    print(row, file=sys.stderr, flush=True)
    return row


def step(device: torch.device, small: bool, rounds: int) -> dict[str, Any]:
    """Milliseconds of a training step in bfloat16 without and with AFT, and whether AFT makes the host wait for the device."""
    batch, teacher = (8, 64) if small else (128, 2560)
    student = (ViT(32, 16, 48, 2, 2) if small else ViT()).to(device)
    images = torch.randn(batch, 3, 32 if small else 224, 32 if small else 224, device=device)
    labels, psi = torch.randint(100, (batch,), device=device), torch.randn(batch, teacher, device=device)
    module = AFT({"t": teacher}, student.head.in_features).to(device)
    weighting = Weighting("balanced", beta=1.0).to(device)
    groups = [{"params": list(student.parameters())}, *module.parameter_groups()]
    optimiser = torch.optim.AdamW(groups, lr=1e-4, fused=True)

    def trained(*, with_aft: bool) -> None:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits, features = student(images)
            loss = nn.functional.cross_entropy(logits.float(), labels)
        if with_aft:
            combined = weighting.combine(loss, features, lambda own, _: module(own, {"t": psi}), module.parameters())
            loss = combined.loss
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    ways = {"finetune": lambda: trained(with_aft=False), "aft": lambda: trained(with_aft=True)}
    seconds = in_turn(ways, device, rounds)
    return {
        "batch": batch, "parameters": sum(p.numel() for p in student.parameters()),
        "ms": {name: round(1e3 * statistics.median(found), 2) for name, found in seconds.items()},
        "of_finetune": round(statistics.median(a / b for b, a in zip(seconds["finetune"], seconds["aft"], strict=True)), 4),
        "host_waits": waits(lambda: trained(with_aft=True)) if device.type == "cuda" else None,
    }  # fmt: skip


def in_turn(ways: dict[str, Callable[[], Any]], device: torch.device, rounds: int) -> dict[str, list[float]]:
    """Seconds of each way, in turn; each time is the mean of as many calls as take about a tenth of a second."""
    several = {}
    for name, run in ways.items():
        for _ in range(3):
            run()
        several[name] = max(1, round(0.1 / duration(run, device, 1)))
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            seconds[name].append(duration(run, device, several[name]))
    return seconds


def duration(run: Callable[[], Any], device: torch.device, times: int) -> float:
    """Mean seconds of a call."""
    synchronise(device)
    start = time.perf_counter()
    for _ in range(times):
        run()
    synchronise(device)
    return (time.perf_counter() - start) / times


def synchronise(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def megabytes(run: Callable[[], Any], device: torch.device) -> float | None:
    """Peak memory of a call beyond what is there already; None on a CPU."""
    if device.type != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    return round((torch.cuda.max_memory_allocated() - before) / 2**20, 1)


def waits(run: Callable[[], Any]) -> bool:
    """Whether a call waits for the GPU."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        run()
    except RuntimeError as error:
        if "synchroniz" not in str(error):
            raise
        return True
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return False


if __name__ == "__main__":
    main()
