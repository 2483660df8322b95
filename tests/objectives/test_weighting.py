"""The gradients that `Weighting` gives to the student and to the objective, for both kinds."""

import pytest
import torch
from torch import nn

from aft.errors import UsageError
from aft.objectives import AFT, KD, ProbeKD, Weighting


def problem(scale=1.0, seed=0):
    """A student (body and head), its features and logits, the task loss and teacher features."""
    torch.manual_seed(seed)
    body, head = nn.Linear(6, 5).double(), nn.Linear(5, 3).double()
    x, y = torch.randn(32, 6).double(), torch.randint(0, 3, (32,))
    psi = {"t": torch.randn(32, 8).double()}
    phi = scale * body(x)
    logits = head(phi / scale)
    return body, head, phi, logits, nn.functional.cross_entropy(logits, y), psi


def gradients(module):
    return torch.cat([p.grad.flatten() for p in module.parameters()])


@pytest.mark.parametrize("objective_class", [AFT, KD])
def test_fixed_trains_the_student_on_the_weighted_sum_and_the_objective_on_r(objective_class):
    torch.manual_seed(1)
    objective = objective_class({"t": 8}, 5).double()
    body, head, phi, logits, task, psi = problem()
    (task + 7.0 * objective(phi, psi)).backward()
    expected_student, expected_head = gradients(body), gradients(head)
    expected_own = torch.cat([p.grad.flatten() for p in objective.parameters()]) / 7.0
    objective.zero_grad()
    body, head, phi, logits, task, psi = problem()
    combined = Weighting("fixed", 7.0).combine(task, phi, lambda f, _: objective(f, psi), objective.parameters())
    combined.loss.backward()
    assert torch.allclose(gradients(body), expected_student, rtol=1e-5, atol=1e-9)
    assert torch.allclose(gradients(head), expected_head)
    assert torch.allclose(torch.cat([p.grad.flatten() for p in objective.parameters()]), expected_own)
    assert float(combined.objective) == pytest.approx(float(objective(phi, psi).detach()))


def test_fixed_reaches_the_head_through_the_logits():
    x, y = torch.randn(64, 8).double(), torch.randint(0, 3, (64,))
    objective = ProbeKD({"t": 8}, 5)
    objective.prepare({"t": x}, targets=y)
    body, head, phi, logits, task, psi = problem()
    (task + 2.0 * objective(phi, psi, logits=logits)).backward()
    expected = gradients(body), gradients(head)
    body, head, phi, logits, task, psi = problem()
    weighting = Weighting("fixed", 2.0)
    weighting.combine(task, phi, lambda f, z: objective(f, psi, logits=z), [], logits).loss.backward()
    assert torch.allclose(gradients(body), expected[0], rtol=1e-4, atol=1e-7)
    assert torch.allclose(gradients(head), expected[1], rtol=1e-4, atol=1e-7)


def test_balanced_scales_the_objectives_gradient_to_beta_times_the_tasks():
    objective = AFT({"t": 8}, 5).double()
    body, head, phi, logits, task, psi = problem()
    (at_task,) = torch.autograd.grad(task, phi, retain_graph=True)
    combined = Weighting("balanced", 0.5).combine(task, phi, lambda f, _: objective(f, psi), objective.parameters())
    (total,) = torch.autograd.grad(combined.loss, phi)
    assert float((total - at_task).norm()) == pytest.approx(0.5 * float(at_task.norm()), rel=1e-4)


def test_the_objectives_share_is_independent_of_the_feature_scale_for_balanced_only():
    share = {}
    for kind in ("fixed", "balanced"):
        for scale in (1.0, 100.0):
            body, head, phi, logits, task, psi = problem(scale)
            task = nn.functional.cross_entropy(1e-2 * head(phi), torch.zeros(32, dtype=torch.long))
            objective = AFT({"t": 8}, 5).double()
            (at_task,) = torch.autograd.grad(task, phi, retain_graph=True)
            combined = Weighting(kind, 1.0).combine(task, phi, lambda f, _, o=objective, p=psi: o(f, p), [])
            (total,) = torch.autograd.grad(combined.loss, phi)
            share[kind, scale] = float((total - at_task).norm() / at_task.norm())
    assert share["balanced", 1.0] == pytest.approx(share["balanced", 100.0], rel=1e-4)
    assert share["fixed", 1.0] > 10 * share["fixed", 100.0]


def test_the_ratio_is_capped_when_r_vanishes():
    weighting = Weighting("balanced", 1.0)
    phi = torch.randn(8, 3, requires_grad=True)
    combined = weighting.combine(phi.square().sum(), phi, lambda f, _: 1e-12 * f.sum(), [])
    assert float(combined.coefficient) == 100.0
    assert torch.isfinite(combined.loss)


def test_running_norms_are_in_checkpoints_and_ignore_batches_without_labels():
    weighting = Weighting("balanced", 1.0)
    phi = torch.randn(8, 3, requires_grad=True)
    unlabelled = weighting.combine(0 * phi.sum(), phi, lambda f, _: f.square().mean(), [], task_active=False)
    assert float(unlabelled.coefficient) == 0.0
    weighting.combine(phi.sum(), phi, lambda f, _: f.square().mean(), [])
    restored = Weighting("balanced", 1.0)
    restored.load_state_dict(weighting.state_dict())
    assert float(restored.updates) == 1.0
    assert float(restored.task_norm) == float(weighting.task_norm) > 0


def test_balanced_includes_the_gradient_that_reaches_the_features_through_the_logits():
    x, y = torch.randn(64, 8).double(), torch.randint(0, 3, (64,))
    objective = ProbeKD({"t": 8}, 5)
    objective.prepare({"t": x}, targets=y)
    body, head, phi, logits, task, psi = problem()
    (at_task,) = torch.autograd.grad(task, phi, retain_graph=True)
    combined = Weighting("balanced", 1.0).combine(task, phi, lambda f, z: objective(f, psi, logits=z), [], logits)
    (total,) = torch.autograd.grad(combined.loss, phi)
    assert float((total - at_task).norm()) == pytest.approx(float(at_task.norm()), rel=1e-4)


def test_invalid_kinds_and_betas_are_rejected():
    with pytest.raises(UsageError, match="unknown weighting 'balance'; did you mean 'balanced'"):
        Weighting("balance", 1.0)
    with pytest.raises(UsageError, match="0 or a positive number"):
        Weighting("fixed", -1.0)
