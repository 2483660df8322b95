"""The objectives of the literature against slow references: KD, probe-KD, RKD, SP and CKA."""

import numpy as np
import pytest
import torch

from aft.errors import UsageError
from aft.objectives import CKA, KD, RKD, SP, ProbeKD
from aft.probing import fit_linear_probe
from tests.objectives import references


def features(n, width, seed=0):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def test_kd_matches_the_reference():
    objective = KD({"a": 5, "b": 3}, 4).double()
    phi, a, b = features(9, 4).double(), features(9, 5, 1).double(), features(9, 3, 2).double()
    w, bias = objective.projection.weight.detach().numpy(), objective.projection.bias.detach().numpy()
    expected = references.kd(phi.numpy(), torch.cat([a, b], 1).numpy(), w, bias)
    assert float(objective(phi, {"a": a, "b": b}).detach()) == pytest.approx(expected, rel=1e-9)
    phi.requires_grad_()
    assert torch.autograd.gradcheck(lambda phi: objective(phi, {"a": a, "b": b}), (phi,))


def labelled(n=300, width=12):
    x = features(n, width)
    y = (x[:, :3] + 0.1 * features(n, 3, 5)).argmax(1)
    return x, y


def test_probe_kd_matches_the_reference():
    x, y = labelled()
    objective = ProbeKD({"t": 12}, 4)
    objective.prepare({"t": x}, targets=y)
    logits = features(20, 3, 7).requires_grad_()
    fresh = features(20, 12, 8)
    received = objective(features(20, 4), {"t": fresh}, logits=logits)
    probe = fit_linear_probe(x, y, "classification")(fresh)
    expected = references.probe_kd(probe.double().numpy(), logits.detach().double().numpy(), 2.0)
    assert float(received.detach()) == pytest.approx(expected, rel=1e-5)


def test_probe_predictions_for_training_samples_are_out_of_fold():
    torch.manual_seed(0)
    x, y = features(120, 60), torch.randint(0, 2, (120,))  # random labels: only a probe fitted on them can predict them
    objective = ProbeKD({"t": 60}, 4)
    objective.prepare({"t": x}, targets=y)
    own = (objective.predictions(x).argmax(1) == y).float().mean()
    all_samples = fit_linear_probe(x, y, "classification")
    assert float(own) < 0.65
    shifted = objective.predictions(x + 1e-3)  # unknown samples: predicted by the probe fitted on all
    assert torch.allclose(shifted, all_samples(x + 1e-3).float(), atol=1e-4)


@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_probe_kd_is_zero_when_the_logits_equal_the_probe(task):
    x, _ = labelled()
    y = x[:, 0] * 2 if task == "regression" else (x[:, :2] > 0).float()
    objective = ProbeKD({"t": 12}, 4, task=task)
    objective.prepare({"t": x}, targets=y)
    fresh = features(20, 12, 8)
    value = objective(features(20, 4), {"t": fresh}, logits=objective.predictions(fresh))
    assert float(value) == pytest.approx(0, abs=1e-6)


def test_probe_kd_rejects_missing_inputs():
    objective = ProbeKD({"t": 3}, 2)
    with pytest.raises(UsageError, match="acts on the student's logits"):
        objective(torch.zeros(2, 2), {"t": torch.zeros(2, 3)})
    with pytest.raises(UsageError, match="prepare"):
        objective(torch.zeros(2, 2), {"t": torch.zeros(2, 3)}, logits=torch.zeros(2, 2))
    with pytest.raises(UsageError, match="fitted on labels"):
        objective.prepare({"t": torch.zeros(2, 3)})
    with pytest.raises(UsageError, match="temperature must be positive"):
        ProbeKD({"t": 3}, 2, temperature=0)


def test_projections_use_the_default_learning_rate():
    (group,) = KD({"t": 3}, 2).parameter_groups(lr=9.0)
    assert "lr" not in group
    assert np.sum([p.numel() for p in group["params"]]) == 2 * 3 + 3


RELATIONAL = {RKD: references.rkd, SP: references.sp, CKA: references.cka}


@pytest.mark.parametrize("chosen", RELATIONAL)
@pytest.mark.parametrize("n", [5, 9, 17])
def test_relational_objectives_match_their_references(chosen, n):
    phi, a, b = features(n, 4).double() + 2, features(n, 5, 1).double(), features(n, 3, 2).double()
    expected = RELATIONAL[chosen](phi.numpy(), torch.cat([a, b], 1).numpy())
    assert float(chosen({"a": 5, "b": 3}, 4)(phi, {"a": a, "b": b})) == pytest.approx(expected, rel=1e-9)
    received = chosen({"a": 5, "b": 3}, 4)(phi.float(), {"a": a.float(), "b": b.float()})
    assert float(received) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("chosen", RELATIONAL)
def test_relational_objectives_pass_gradcheck_and_propagate_nan(chosen):
    phi, psi = features(6, 4).double().requires_grad_(), {"t": features(6, 5, 1).double()}
    objective = chosen({"t": 5}, 4)
    assert torch.autograd.gradcheck(lambda phi: objective(phi, psi), (phi,))
    psi["t"][2, 1] = float("nan")
    assert torch.isnan(objective(phi, psi))


@pytest.mark.parametrize("chosen", RELATIONAL)
@pytest.mark.parametrize("case", ["constant", "repeated", "zero rows"])
def test_relational_objectives_are_finite_on_degenerate_batches(chosen, case):
    phi = features(8, 4)
    if case == "constant":
        phi = torch.full((8, 4), 0.1)
    if case == "repeated":
        phi[4:] = phi[:4]
    if case == "zero rows":
        phi[:3] = 0
    phi.requires_grad_()
    value = chosen({"t": 5}, 4)(phi, {"t": features(8, 5, 1)})
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(phi.grad).all()


def test_rkd_with_repeated_samples_matches_the_reference():
    phi, psi = features(6, 4).double(), features(6, 5, 1).double()
    phi[3] = phi[0]
    psi[3] = psi[0]
    expected = references.rkd(phi.numpy(), psi.numpy())
    assert float(RKD({"t": 5}, 4)(phi, {"t": psi})) == pytest.approx(expected, rel=1e-9)


def test_rkd_does_not_depend_on_the_block_size(monkeypatch):
    phi, psi = features(20, 4).double().requires_grad_(), {"t": features(20, 5, 1).double()}
    whole = RKD({"t": 5}, 4)(phi, psi)
    (expected,) = torch.autograd.grad(whole, phi)
    monkeypatch.setattr("aft.objectives._rkd.CPU_BLOCK", 1200)
    in_blocks = RKD({"t": 5}, 4)(phi, psi)
    (received,) = torch.autograd.grad(in_blocks, phi)
    assert float(in_blocks.detach()) == pytest.approx(float(whole.detach()))
    assert torch.allclose(received, expected)


def test_rkd_passes_gradcheck_with_repeated_samples_and_with_a_teacher_that_learns():
    phi, psi = features(6, 4).double(), features(6, 5, 1).double()
    phi[3], psi[2] = phi[0], psi[1]
    student, teacher = phi.requires_grad_(), psi.requires_grad_()
    objective = RKD({"t": 5}, 4)
    value = objective(student, {"t": teacher})
    for of, other in ((student, teacher), (teacher, student)):
        (received,) = torch.autograd.grad(value, of, retain_graph=True)
        for row, column in ((4, 1), (5, 3)):  # samples that are not repeated: at the others the value has a kink
            ends = []
            for step in (1e-6, -1e-6):
                moved = of.detach().clone()
                moved[row, column] += step
                pair = (moved, other.detach()) if of is student else (other.detach(), moved)
                ends.append(float(objective(pair[0], {"t": pair[1]})))
            assert float(received[row, column]) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5)
    assert torch.autograd.gradcheck(
        lambda student, teacher: objective(student, {"t": teacher}),
        (features(5, 4).double().requires_grad_(), features(5, 5, 1).double().requires_grad_()),
    )


def test_the_gradient_of_rkd_is_not_differentiated_silently():
    phi = features(6, 4).double().requires_grad_()
    value = RKD({"t": 5}, 4)(phi, {"t": features(6, 5, 1).double()})
    with pytest.raises(UsageError, match="cannot be differentiated again; received create_graph=True"):
        torch.autograd.grad(value, phi, create_graph=True)


def test_rkd_of_one_sample_is_zero_and_cka_rejects_small_batches():
    assert float(RKD({"t": 5}, 4)(features(1, 4), {"t": features(1, 5)})) == 0
    with pytest.raises(UsageError, match="batch of 4 samples or more; received 3"):
        CKA({"t": 5}, 4)(features(3, 4), {"t": features(3, 5)})
