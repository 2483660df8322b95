import numpy as np
import pytest
import torch

from aft.errors import UsageError
from aft.objectives import KD, METHODS, ProbeKD, make_objective
from aft.objectives._probe import fit_linear_probe, sample_keys
from tests.objectives import references


def features(n, width, seed=0):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def test_kd_agrees_with_the_reference():
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


def test_probe_kd_agrees_with_the_reference():
    x, y = labelled()
    objective = ProbeKD({"t": 12}, 4)
    objective.prepare({"t": x}, targets=y)
    logits = features(20, 3, 7).requires_grad_()
    fresh = features(20, 12, 8)
    received = objective(features(20, 4), {"t": fresh}, logits=logits)
    probe = fit_linear_probe(x, y, "classification")(fresh)
    expected = references.probe_kd(probe.double().numpy(), logits.detach().double().numpy(), 2.0)
    assert float(received.detach()) == pytest.approx(expected, rel=1e-5)


def test_probe_predictions_on_its_own_samples_are_out_of_fold():
    torch.manual_seed(0)
    x, y = features(120, 60), torch.randint(0, 2, (120,))  # labels are noise: only a probe that saw them knows them
    objective = ProbeKD({"t": 60}, 4)
    objective.prepare({"t": x}, targets=y)
    own = (objective.predictions(x).argmax(1) == y).float().mean()
    all_samples = fit_linear_probe(x, y, "classification")
    assert float(own) < 0.65
    shifted = objective.predictions(x + 1e-3)  # not the samples themselves: from the probe fitted on all
    assert torch.allclose(shifted, all_samples(x + 1e-3).float(), atol=1e-4)


def test_probe_keys_do_not_depend_on_batch_or_precision():
    x = features(50, 33).half()
    keys = sample_keys(x)
    assert torch.equal(keys[10:20], sample_keys(x[10:20].float()))
    assert len(keys.unique()) == 50
    assert torch.equal(sample_keys(x[[3, 3]]), keys[[3, 3]])
    folds = torch.bincount(sample_keys(features(5000, 8)) % 5)
    assert folds.min() > 900


def test_probe_reads_a_linear_task_and_regularises_noise():
    x, y = labelled(600)
    probe = fit_linear_probe(x[:400], y[:400], "classification")
    assert float((probe(x[400:]).argmax(1) == y[400:]).float().mean()) > 0.85
    noise = fit_linear_probe(features(60, 200), torch.randint(0, 2, (60,)), "classification")
    assert noise.penalty >= 0.1
    values = x @ features(12, 1, 9)
    regression = fit_linear_probe(x[:400], values[:400, 0], "regression")
    assert float((regression(x[400:]) - values[400:]).square().mean()) < 1e-3
    multi = fit_linear_probe(x[:400], (x[:400, :3] > 0).float(), "multilabel")
    assert float(((multi(x[400:]) > 0) == (x[400:, :3] > 0)).float().mean()) > 0.9


def test_a_constant_dimension_is_ignored_by_the_probe():
    x, y = labelled()
    with_constant = torch.cat([x, torch.full((len(x), 1), 3.0)], 1)
    probe = fit_linear_probe(with_constant, y, "classification")
    assert torch.isfinite(probe.weight).all()
    assert float(probe.weight[:, -1].abs().max()) == 0


@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_probe_kd_of_other_tasks_vanishes_at_the_probe(task):
    x, _ = labelled()
    y = x[:, 0] * 2 if task == "regression" else (x[:, :2] > 0).float()
    objective = ProbeKD({"t": 12}, 4, task=task)
    objective.prepare({"t": x}, targets=y)
    fresh = features(20, 12, 8)
    value = objective(features(20, 4), {"t": fresh}, logits=objective.predictions(fresh))
    assert float(value) == pytest.approx(0, abs=1e-6)


def test_probe_kd_says_what_it_needs():
    objective = ProbeKD({"t": 3}, 2)
    with pytest.raises(UsageError, match="acts on the student's logits"):
        objective(torch.zeros(2, 2), {"t": torch.zeros(2, 3)})
    with pytest.raises(UsageError, match="prepare"):
        objective(torch.zeros(2, 2), {"t": torch.zeros(2, 3)}, logits=torch.zeros(2, 2))
    with pytest.raises(UsageError, match="fitted on labels"):
        objective.prepare({"t": torch.zeros(2, 3)})
    with pytest.raises(UsageError, match="temperature is positive"):
        ProbeKD({"t": 3}, 2, temperature=0)


def test_methods_are_made_by_name():
    assert make_objective("finetune", {"t": 3}, 2) is None
    assert {name for name, chosen in METHODS.items() if chosen is not None} == {"aft", "kd", "probe-kd"}
    with pytest.raises(UsageError, match="did you mean 'probe-kd'"):
        make_objective("probekd", {"t": 3}, 2)
    with pytest.raises(UsageError, match="does not take these options"):
        make_objective("kd", {"t": 3}, 2, {"gates": "fixed"})


def test_projections_train_at_the_students_rate():
    (group,) = KD({"t": 3}, 2).parameter_groups(lr=9.0)
    assert "lr" not in group
    assert np.sum([p.numel() for p in group["params"]]) == 2 * 3 + 3
