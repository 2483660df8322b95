"""`Transformed`: every objective with transformed teacher features or a memory queue."""

import pytest
import torch

from aft.errors import UsageError
from aft.objectives import AFT, SP, Transformed, make_objective
from aft.objectives._memory_queue import QUEUE_SIZE
from aft.objectives._transforms import separability, whitening

DIMS = {"one.with.dots": 7, "b": 4}
#: Every objective with each option that applies to it.
APPLICABLE = [
    *(f"{name}@{option}" for name in ("aft", "kd", "rkd", "sp", "cka", "ft", "b-tuning") for option in ("whiten", "separability")),
    *(f"{name}@queue" for name in ("aft", "rkd", "sp", "cka")),
    "aft@whiten@separability@queue",
]  # fmt: skip


def features(n, width, seed=0):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def samples(n, seed=0):
    return features(n, 5, seed), {"one.with.dots": features(n, 7, seed + 1) + 1, "b": features(n, 4, seed + 2)}


def labels(n):
    return torch.arange(n) % 3


def prepared(name):
    torch.manual_seed(0)
    objective = make_objective(name, DIMS, 5, {"task": "classification", "outputs": 3})
    phi, psi = samples(60)
    if objective.needs_preparation:
        objective.prepare(psi, phi, labels(60))
    return objective


def test_each_teacher_is_transformed_separately_and_in_the_given_order():
    phi, psi = samples(60)
    objective = prepared("aft@whiten@separability")
    transformed = {}
    for name, own in psi.items():
        white = own @ whitening(own)
        transformed[name] = white * separability(white, labels(60), "classification")
    assert torch.allclose(objective(phi, psi), AFT(DIMS, 5)(phi, transformed), atol=1e-6)
    swapped = prepared("aft@separability@whiten")
    assert not torch.allclose(objective(phi, psi), swapped(phi, psi), atol=1e-5)


def test_the_queue_enlarges_the_batch_with_past_samples():
    objective, plain = Transformed(AFT(DIMS, 5), ["queue"]), AFT(DIMS, 5)
    batches = [samples(40, seed) for seed in range(0, 80, 10)]
    for at, (phi, psi) in enumerate(batches):
        received = objective(phi, psi)
        before = batches[max(0, at - 6) : at]  # the queue holds 6.4 batches
        if at <= 6:
            students = torch.cat([phi, *(one for one, _ in before)])
            teachers = {name: torch.cat([psi[name], *(two[name] for _, two in before)]) for name in DIMS}
            assert torch.allclose(received, plain(students, teachers), atol=1e-6)
    assert len(objective.queue.student) == QUEUE_SIZE
    newest = torch.cat([phi for phi, _ in batches])[-QUEUE_SIZE:]
    assert {tuple(row) for row in objective.queue.student.tolist()} == {tuple(row) for row in newest.tolist()}


def test_the_queue_has_no_gradient_and_is_not_used_in_evaluation_mode():
    objective = Transformed(SP(DIMS, 5), ["queue"])
    first, psi = samples(8)
    first.requires_grad_()
    objective(first, psi)
    second = features(8, 5, 9).requires_grad_()
    objective(second, psi).backward()
    assert first.grad is None
    assert second.grad.abs().sum() > 0
    objective.eval()
    assert torch.equal(objective(second, psi), SP(DIMS, 5)(second, psi))
    assert int(objective.queue.count) == 16


def test_a_batch_larger_than_the_queue_leaves_its_last_rows():
    objective = Transformed(AFT({"t": 3}, 2), ["queue"])
    phi = features(QUEUE_SIZE + 50, 2)
    objective(phi, {"t": features(QUEUE_SIZE + 50, 3, 1)})
    assert {tuple(row) for row in objective.queue.student.tolist()} == {tuple(row) for row in phi[50:].tolist()}


def test_the_queue_is_restored_from_a_checkpoint():
    one, two = (Transformed(AFT(DIMS, 5), ["queue"]) for _ in range(2))
    for seed in (0, 10):
        one(*samples(30, seed))
    two.load_state_dict(one.state_dict())
    assert torch.equal(one(*samples(30, 20)), two(*samples(30, 20)))
    assert torch.equal(one.queue.teacher, two.queue.teacher)


@pytest.mark.parametrize("name", APPLICABLE)
def test_transformed_objectives_pass_gradcheck_and_propagate_nan(name):
    objective = prepared(name).double().eval()
    phi, psi = features(8, 5, 7).double().requires_grad_(), {k: v.double() for k, v in samples(8, 3)[1].items()}
    own = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    assert torch.autograd.gradcheck(lambda phi, *_: objective(phi, psi), (phi, *own), atol=1e-6)
    psi["b"][0, 0] = float("nan")
    assert torch.isnan(objective(phi, psi))


@pytest.mark.parametrize("name", ["aft@whiten", "b-tuning@separability", "ft@whiten"])
def test_fitted_state_can_be_loaded_by_an_equal_objective(name):
    one = prepared(name)
    torch.manual_seed(1)
    two = make_objective(name, DIMS, 5, {"task": "classification", "outputs": 3})
    two.load_fitted_state(one.fitted_state())
    if two.needs_student_features:
        two.prepare(samples(60)[1], samples(60)[0], labels(60))
    two.load_state_dict(one.state_dict())
    assert torch.equal(one(*samples(20, 5)), two(*samples(20, 5)))
    with pytest.raises(UsageError, match="the fitted state of its own class"):
        two.load_fitted_state({})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("aft@whitn", "did you mean 'whiten'"),
        ("aft@whiten@whiten", "given only once"),
        ("kd@queue", "compares samples, one of 'AFT', 'RKD', 'SP', 'CKA'; received KD"),
        ("probe-kd@whiten", "standardises the teachers' features itself"),
        ("aft+aft@whiten", "different objectives"),
        ("finetune@whiten", "different objectives"),
    ],
)
def test_inapplicable_options_are_rejected(name, message):
    with pytest.raises(UsageError, match=message):
        make_objective(name, DIMS, 5)


def test_an_unknown_option_is_rejected():
    with pytest.raises(UsageError, match="did you mean 'separability'"):
        Transformed(AFT(DIMS, 5), ["separabilty"])


def test_transforms_must_be_fitted_before_use():
    objective = make_objective("aft@separability", DIMS, 5)
    phi, psi = samples(8)
    with pytest.raises(UsageError, match="call prepare"):
        objective(phi, psi)
    with pytest.raises(UsageError, match="call prepare"):
        objective.fitted_state()
    with pytest.raises(UsageError, match="received none"):
        objective.prepare(psi)
    with pytest.raises(UsageError, match="call prepare"):
        objective(phi, psi)
