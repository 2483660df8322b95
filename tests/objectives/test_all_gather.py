"""Two processes with `all_gather` in a custom training loop learn what one process learns on the global batch."""

import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from aft.objectives import Weighting, all_gather, make_objective

METHODS = ["aft", "kd", "rkd", "sp", "cka"]
KINDS = ["fixed", "balanced"]


class StudentWithObjective(nn.Module):
    """A student and an objective in one module, so that DDP synchronises the parameters of both."""

    def __init__(self, method):
        super().__init__()
        torch.manual_seed(0)
        self.student, self.head = nn.Linear(6, 5), nn.Linear(5, 3)
        self.objective = make_objective(method, {"a": 7, "b": 4}, 5)

    def forward(self, x, y, psi, weighting):
        phi = torch.tanh(self.student(x))
        logits = self.head(phi)
        psi = {name: all_gather(features) for name, features in psi.items()}

        def objective(features, _):
            return self.objective(all_gather(features), psi)

        return weighting.combine(F.cross_entropy(logits, y), phi, objective, self.objective.parameters()).loss


def train(method, kind, rank=0, world_size=1):
    """Take twenty steps on this rank's share of each batch, in float64; return the final parameters."""
    module = StudentWithObjective(method).double()
    trained = DistributedDataParallel(module) if world_size > 1 else module
    weighting = Weighting(kind, 2.0).double()
    optimiser = torch.optim.SGD(module.parameters(), lr=0.05)
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        x = torch.randn(12, 6, generator=generator, dtype=torch.float64)
        y = torch.randint(3, (12,), generator=generator)
        psi = {name: torch.randn(12, d, generator=generator, dtype=torch.float64) for name, d in (("a", 7), ("b", 4))}
        share = slice(rank, None, world_size)
        optimiser.zero_grad()
        trained(x[share], y[share], {name: features[share] for name, features in psi.items()}, weighting).backward()
        optimiser.step()
    return [parameter.detach() for parameter in module.parameters()]


def main(folder):
    """The program that each of the two processes runs."""
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    uneven = all_gather(torch.full((1 + rank, 2), float(rank)))
    final = {f"{method} {kind}": train(method, kind, rank, 2) for method in METHODS for kind in KINDS}
    torch.save({"uneven": uneven, **final}, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What each of two processes saved."""
    folder = tmp_path_factory.mktemp("all_gather")
    code = f"from tests.objectives.test_all_gather import main; main({str(folder)!r})"
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python", sys.executable, "-c", code,
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(command, env=environment, check=True, timeout=240)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", METHODS)
def test_two_processes_reach_the_parameters_of_one(results, method, kind):
    alone = train(method, kind)
    for result in results:
        for expected, received in zip(alone, result[f"{method} {kind}"], strict=True):
            # The running norms of "balanced" are kept in float32.
            torch.testing.assert_close(received, expected, rtol=1e-6 if kind == "balanced" else 1e-9, atol=1e-9)


def test_shares_of_different_lengths_are_concatenated(results):
    for result in results:
        assert result["uneven"].tolist() == [[0, 0], [1, 1], [1, 1]]


def test_a_single_process_gets_its_own_rows_back():
    rows = torch.ones(3, 2)
    assert all_gather(rows) is rows
