"""Remedies: transformed teacher features and the queue, around any objective."""

import numpy as np
import pytest
import torch

from aft.errors import UsageError
from aft.objectives import AFT, KD, SP, Remedied, check_options, objective_class, make_objective, objectives_of
from aft.objectives._transforms import QUEUE, separability, whitening

DIMS = {"one.with.dots": 7, "b": 4}
#: Every objective with every remedy that it can take.
TAKES = [
    *(f"{name}@{remedy}" for name in ("aft", "kd", "rkd", "sp", "cka", "ft", "b-tuning") for remedy in ("whiten", "separate")),
    *(f"{name}@queue" for name in ("aft", "rkd", "sp", "cka")),
    "aft@whiten@separate@queue",
]  # fmt: skip


def features(n, width, seed=0):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def samples(n, seed=0):
    return features(n, 5, seed), {"one.with.dots": features(n, 7, seed + 1) + 1, "b": features(n, 4, seed + 2)}


def labels(n):
    return torch.arange(n) % 3


def prepared(method):
    torch.manual_seed(0)
    objective = make_objective(method, DIMS, 5, {"task": "classification", "outputs": 3})
    phi, psi = samples(60)
    if objective.needs_preparation:
        objective.prepare(psi, phi, labels(60))
    return objective


def shrunk_covariance(x):
    """The oracle-approximating estimate, from its formula."""
    n, p = x.shape
    s = np.cov(x.T, bias=True)
    top = (1 - 2 / p) * np.trace(s @ s) + np.trace(s) ** 2
    bottom = (n + 1 - 2 / p) * (np.trace(s @ s) - np.trace(s) ** 2 / p)
    rho = min(top / bottom, 1)
    return (1 - rho) * s + rho * np.trace(s) / p * np.eye(p)


@pytest.mark.parametrize(("n", "d"), [(200, 6), (9, 30)])
def test_whitening_is_the_inverse_root_of_the_shrunk_covariance(n, d):
    x = (features(n, d) * torch.linspace(0.1, 5, d)).double() @ features(d, d, 1).double()
    root = whitening(x).double().numpy()
    assert np.allclose(root @ shrunk_covariance(x.numpy()) @ root, np.eye(d), atol=1e-4)
    assert np.allclose(root, root.T, atol=1e-6)


def test_whitening_of_many_samples_gives_unit_variance_in_every_direction():
    x = features(20_000, 4) @ torch.tensor([[3.0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 2]])
    assert np.allclose(np.cov((x @ whitening(x)).numpy().T), np.eye(4), atol=0.02)
    assert torch.isfinite(whitening(torch.ones(5, 3))).all()


def test_separability_of_classes_agrees_with_the_formula():
    x, y = features(90, 4).double(), labels(90)
    x[:, 1] = y
    x[:, 2] = 1.0
    total = x.numpy().var(axis=0)
    means = np.stack([x.numpy()[y.numpy() == c].mean(axis=0) for c in range(3)])
    between = ((means - x.numpy().mean(axis=0)) ** 2).mean(axis=0)
    expected = np.sqrt(np.divide(between, total, out=np.zeros(4), where=total > 0))
    received = separability(x, y, "classification").numpy()
    assert np.allclose(received, expected, atol=1e-6)
    assert received[1] == pytest.approx(1)
    assert received[2] == 0


def test_separability_of_values_is_the_absolute_correlation():
    x, y = features(80, 3), features(80, 1, 5)[:, 0]
    expected = [abs(np.corrcoef(x[:, j].numpy(), y.numpy())[0, 1]) for j in range(3)]
    assert np.allclose(separability(x, y, "regression").numpy(), expected, atol=1e-6)
    several = (features(80, 2, 6) > 0).float()
    each = [[np.corrcoef(x[:, j].numpy(), several[:, k].numpy())[0, 1] ** 2 for k in range(2)] for j in range(3)]
    assert np.allclose(separability(x, several, "multilabel").numpy(), np.sqrt(np.mean(each, axis=1)), atol=1e-6)
    assert separability(x, torch.ones(80, 1), "multilabel").tolist() == [0, 0, 0]


def test_each_teacher_is_transformed_by_itself_in_the_order_of_the_name():
    phi, psi = samples(60)
    objective = prepared("aft@whiten@separate")
    seen = {}
    for name, own in psi.items():
        white = own @ whitening(own)
        seen[name] = white * separability(white, labels(60), "classification")
    assert torch.allclose(objective(phi, psi), AFT(DIMS, 5)(phi, seen), atol=1e-6)
    swapped = prepared("aft@separate@whiten")
    assert not torch.allclose(objective(phi, psi), swapped(phi, psi), atol=1e-5)


def test_the_queue_enlarges_the_batch_by_what_came_before():
    objective, plain = Remedied(AFT(DIMS, 5), ["queue"]), AFT(DIMS, 5)
    batches = [samples(40, seed) for seed in range(0, 80, 10)]
    for at, (phi, psi) in enumerate(batches):
        received = objective(phi, psi)
        before = batches[max(0, at - 6) : at]  # 6.4 batches fit
        if at <= 6:
            together = [torch.cat([phi, *(one for one, _ in before)])]
            teachers = {name: torch.cat([psi[name], *(two[name] for _, two in before)]) for name in DIMS}
            assert torch.allclose(received, plain(together[0], teachers), atol=1e-6)
    assert len(objective.queued_student) == QUEUE
    newest = torch.cat([phi for phi, _ in batches])[-QUEUE:]
    assert {tuple(row) for row in objective.queued_student.tolist()} == {tuple(row) for row in newest.tolist()}


def test_the_queue_takes_no_gradient_and_is_not_used_in_evaluation():
    objective = Remedied(SP(DIMS, 5), ["queue"])
    first, psi = samples(8)
    first.requires_grad_()
    objective(first, psi)
    second = features(8, 5, 9).requires_grad_()
    objective(second, psi).backward()
    assert first.grad is None
    assert second.grad.abs().sum() > 0
    objective.eval()
    assert torch.equal(objective(second, psi), SP(DIMS, 5)(second, psi))
    assert int(objective.queued) == 16


def test_a_queue_larger_than_a_batch_allows_keeps_the_newest():
    objective = Remedied(AFT({"t": 3}, 2), ["queue"])
    phi = features(QUEUE + 50, 2)
    objective(phi, {"t": features(QUEUE + 50, 3, 1)})
    assert {tuple(row) for row in objective.queued_student.tolist()} == {tuple(row) for row in phi[50:].tolist()}


def test_a_queue_goes_on_from_a_checkpoint():
    one, two = (Remedied(AFT(DIMS, 5), ["queue"]) for _ in range(2))
    for seed in (0, 10):
        one(*samples(30, seed))
    two.load_state_dict(one.state_dict())
    assert torch.equal(one(*samples(30, 20)), two(*samples(30, 20)))
    assert torch.equal(one.queued_teacher, two.queued_teacher)


@pytest.mark.parametrize("method", TAKES)
def test_remedied_objectives_pass_gradcheck_and_pass_nan_on(method):
    objective = prepared(method).double().eval()
    phi, psi = features(8, 5, 7).double().requires_grad_(), {k: v.double() for k, v in samples(8, 3)[1].items()}
    own = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    assert torch.autograd.gradcheck(lambda phi, *_: objective(phi, psi), (phi, *own), atol=1e-6)
    psi["b"][0, 0] = float("nan")
    assert torch.isnan(objective(phi, psi))


@pytest.mark.parametrize("method", ["aft@whiten", "b-tuning@separate", "ft@whiten"])
def test_what_was_fitted_serves_another_one(method):
    one = prepared(method)
    torch.manual_seed(1)
    two = make_objective(method, DIMS, 5, {"task": "classification", "outputs": 3})
    two.adopt_fitted(one.fitted_state())
    if two.needs_student_features:
        two.prepare(samples(60)[1], samples(60)[0], labels(60))
    two.load_state_dict(one.state_dict())
    assert torch.equal(one(*samples(20, 5)), two(*samples(20, 5)))
    with pytest.raises(UsageError, match="what its own kind fitted"):
        two.adopt_fitted({})


def test_remedies_by_name():
    assert objectives_of("aft@whiten@queue+probe-kd") == ("aft@whiten@queue", "probe-kd")
    assert objective_class("aft@whiten") is Remedied
    assert objective_class("aft") is AFT
    made = make_objective("kd@whiten", DIMS, 5, {"task": "classification", "outputs": 3})
    assert isinstance(made.objective, KD)
    assert made.gate_parameters() == []
    assert len(make_objective("aft@separate", DIMS, 5).gate_weights()["b"]) == 4


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("aft@whitn", "did you mean 'whiten'"),
        ("aft@whiten@whiten", "applied once"),
        ("kd@queue", "compare samples"),
        ("probe-kd@whiten", "scales its inputs itself"),
        ("aft+aft@whiten", "different objectives"),
        ("finetune@whiten", "different objectives"),
    ],
)
def test_remedies_that_do_not_fit_are_refused(method, message):
    with pytest.raises(UsageError, match=message):
        make_objective(method, DIMS, 5)


def test_remedies_that_are_fitted_say_so():
    objective = make_objective("aft@separate", DIMS, 5)
    phi, psi = samples(8)
    with pytest.raises(UsageError, match="call prepare"):
        objective(phi, psi)
    with pytest.raises(UsageError, match="call prepare"):
        objective.fitted_state()
    with pytest.raises(UsageError, match="received none"):
        objective.prepare(psi)


def test_options_of_joined_methods_go_by_their_objectives():
    check_options("aft", {"gates": "fixed"})
    check_options("aft+probe-kd", {"aft": {"gates": "fixed"}, "probe-kd": {"temperature": 1.0}})
    for options in ({"gates": "fixed"}, {"kd": {}}, {"aft": "fixed"}):
        with pytest.raises(UsageError, match="go by its objectives"):
            check_options("aft+probe-kd", options)
