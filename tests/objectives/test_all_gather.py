"""An objective over the batch of two processes, in a loop of one's own: the gradients of one process on the whole batch."""

import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import aft
from aft.objectives import Weighting, all_gather, make_objective

METHODS = ["aft", "kd", "rkd", "sp", "cka"]
FORMS = ["raw", "balanced"]


class Both(nn.Module):
    """A student and its objective, whose parameters data parallel training keeps alike."""

    def __init__(self, method):
        super().__init__()
        torch.manual_seed(0)
        self.student, self.head = nn.Linear(6, 5), nn.Linear(5, 3)
        self.objective = make_objective(method, {"a": 7, "b": 4}, 5)

    def forward(self, x, y, psi, strength):
        phi = torch.tanh(self.student(x))
        logits = self.head(phi)
        psi = {name: gather(part) for name, part in psi.items()}

        def objective(features, _):
            return self.objective(gather(features), psi)

        return strength.combine(F.cross_entropy(logits, y), phi, objective, self.objective.parameters()).loss


def train(method, form, rank=0, world=1):
    """Twenty steps on the rank's part of each batch, in double precision; the parameters in the end."""
    both = Both(method).double()
    trained = DistributedDataParallel(both) if world > 1 else both
    strength = Weighting(form, 2.0).double()
    optimiser = torch.optim.SGD(both.parameters(), lr=0.05)
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        x = torch.randn(12, 6, generator=generator, dtype=torch.float64)
        y = torch.randint(3, (12,), generator=generator)
        psi = {name: torch.randn(12, d, generator=generator, dtype=torch.float64) for name, d in (("a", 7), ("b", 4))}
        mine = slice(rank, None, world)
        optimiser.zero_grad()
        trained(x[mine], y[mine], {name: part[mine] for name, part in psi.items()}, strength).backward()
        optimiser.step()
    return [parameter.detach() for parameter in both.parameters()]


def main(folder):
    """What each of two processes does."""
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    uneven = gather(torch.full((1 + rank, 2), float(rank)))
    ended = {f"{method} {form}": train(method, form, rank, 2) for method in METHODS for form in FORMS}
    torch.save({"uneven": uneven, **ended}, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gather")
    code = f"from tests.objectives.test_gather import main; main({str(folder)!r})"
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python", sys.executable, "-c", code,
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(command, env=environment, check=True, timeout=240)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", METHODS)
def test_two_processes_learn_what_one_does(ended, method, form):
    alone = train(method, form)
    for parameters in ended:
        for one, two in zip(alone, parameters[f"{method} {form}"], strict=True):
            # The strength's running norms are kept in float32.
            torch.testing.assert_close(two, one, rtol=1e-6 if form == "balanced" else 1e-9, atol=1e-9)


def test_parts_of_different_lengths_are_put_under_one_another(ended):
    for state in ended:
        assert state["uneven"].tolist() == [[0, 0], [1, 1], [1, 1]]


def test_one_process_gets_its_own_rows_back():
    rows = torch.ones(3, 2)
    assert aft.objectives.gather(rows) is rows
