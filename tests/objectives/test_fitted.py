"""The objectives that are fitted to training samples first: factor transfer and B-tuning, and LogME."""

import copy

import numpy as np
import pytest
import torch

from aft.errors import UsageError
from aft.objectives import KD, BTuning, FactorTransfer, ProbeKD, fit_logme
from aft.objectives._factor_transfer import _fit_autoencoder, _run, _shapes
from tests.objectives import references

DIMS = {"one.with.dots": 7, "b": 4}


def features(n, width, seed=0):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def samples(n, seed=0):
    return features(n, 5, seed), {"one.with.dots": features(n, 7, seed + 1) + 1, "b": features(n, 4, seed + 2)}


def labels(n, classes=3):
    return torch.arange(n) % classes


def prepared(chosen, n=60, **options):
    torch.manual_seed(0)
    phi, psi = samples(n)
    objective = chosen(DIMS, 5, **({"max_epochs": 3} if chosen is FactorTransfer else {}), **options)
    objective.prepare(psi, phi, labels(n))
    return objective


@pytest.mark.parametrize(("n", "d"), [(40, 9), (9, 40), (12, 12)])
@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_logme_agrees_with_the_reference(n, d, task):
    # (12, 12) and (9, 40): the features may explain everything, and the log-determinant needs all D dimensions.
    x = features(n, d).double() + 0.5
    y = {"classification": labels(n), "multilabel": (features(n, 3, 4) > 0).float(), "regression": features(n, 2, 4)}[
        task
    ]
    columns = np.eye(3)[y.numpy()] if task == "classification" else y.double().numpy()
    received = fit_logme(x, y, task)
    expected = [references.logme(x.numpy(), column) for column in columns.T]
    assert received.evidence == pytest.approx(np.mean([score for score, _ in expected]), rel=1e-8)
    assert received.means.dtype == torch.float64
    assert np.allclose(received.means.numpy(), [mean for _, mean in expected], rtol=1e-7, atol=1e-10)


def test_logme_of_features_of_low_rank_and_of_one_column():
    x = (features(50, 3).double() @ features(3, 8, 1).double()).double()
    score, mean = references.logme(x.numpy(), x[:, 0].numpy() + features(50, 1, 2)[:, 0].double().numpy())
    received = fit_logme(x, x[:, 0] + features(50, 1, 2)[:, 0].double(), "regression")
    assert received.evidence == pytest.approx(score, rel=1e-8)
    assert np.allclose(received.means[0].numpy(), mean, atol=1e-8)
    assert np.isfinite(fit_logme(torch.zeros(6, 4), labels(6), "classification").evidence)


def test_logme_prefers_features_that_tell_the_classes():
    y = labels(200)
    good = torch.nn.functional.one_hot(y).float() @ features(3, 16, 1) + 0.1 * features(200, 16, 2)
    assert (
        fit_logme(good, y, "classification").evidence > fit_logme(features(200, 16), y, "classification").evidence + 0.5
    )


def test_a_class_without_a_sample_says_nothing():
    x, y = features(40, 6), labels(40, 2) * 2  # of classes 0 to 3 only 0 and 2 are there
    some, none = fit_logme(x, y, "classification", outputs=4), fit_logme(x, labels(40, 2), "classification")
    assert some.evidence == pytest.approx(none.evidence)
    assert some.means.shape == (4, 6)
    assert torch.equal(some.means[[1, 3]], torch.zeros(2, 6, dtype=torch.float64))


def test_b_tuning_agrees_with_the_reference():
    phi, psi = samples(60)
    objective = prepared(BTuning)
    fresh, teachers = samples(11, seed=9)
    y = np.eye(3)[labels(60).numpy()]
    fits = [[references.logme(x.double().numpy(), c) for c in y.T] for x in (*psi.values(), phi)]
    means = [np.array([mean for _, mean in fit]) for fit in fits]
    scores = [np.mean([score for score, _ in fit]) for fit in fits[:-1]]
    expected = references.b_tuning(fresh.numpy(), [t.numpy() for t in teachers.values()], means[-1], means[:-1], scores)
    assert float(objective(fresh, teachers)) == pytest.approx(expected, rel=1e-5)
    assert float(objective.mixture.sum()) == pytest.approx(1)


def layers(parameters):
    parameters = [p.detach().double().numpy() for p in parameters]
    return list(zip(parameters[::2], parameters[1::2], strict=True))


def test_factor_transfer_agrees_with_the_reference():
    objective = prepared(FactorTransfer)
    with torch.no_grad():
        objective.translator[4].weight.copy_(features(5, 5, 3))
    phi, psi = samples(11, seed=9)
    flat, paraphrasers = objective.paraphrasers, []
    for d, half in ((7, 3), (4, 2)):
        pieces = []
        for shape in ((d, d), (d,), (half, d), (half,), (half, half), (half,)):
            pieces.append(flat[: int(np.prod(shape))].view(shape))
            flat = flat[int(np.prod(shape)) :]
        paraphrasers.append(layers(pieces))
    assert not len(flat)
    expected = references.ft(
        phi.double().numpy(),
        [t.double().numpy() for t in psi.values()],
        paraphrasers,
        layers(objective.translator.parameters()),
    )
    assert float(objective(phi, psi).detach()) == pytest.approx(expected, rel=1e-5)
    wide = {name: t.double() for name, t in psi.items()}
    assert float(objective.double()(phi.double(), wide).detach()) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("chosen", [FactorTransfer, BTuning])
def test_fitted_objectives_pass_gradcheck_and_pass_nan_on(chosen):
    objective = prepared(chosen).double()
    phi, psi = samples(6, seed=9)
    phi, psi = phi.double().requires_grad_(), {name: t.double() for name, t in psi.items()}
    if chosen is FactorTransfer:
        with torch.no_grad():
            objective.translator[4].weight.copy_(features(5, 5, 3))
    own = list(objective.parameters())
    assert torch.autograd.gradcheck(lambda phi, *_: objective(phi, psi), (phi, *own))
    assert torch.isnan(objective(phi.detach() * float("nan"), psi))
    psi["b"][2, 1] = float("nan")
    assert torch.isnan(objective(phi, psi))


@pytest.mark.parametrize("chosen", [FactorTransfer, BTuning])
def test_a_batch_of_one_and_a_batch_of_zeros_are_finite(chosen):
    objective = prepared(chosen)
    for scale in (1, 0):
        phi, psi = samples(1, seed=9)
        phi = (scale * phi).requires_grad_()
        value = objective(phi, {name: scale * t for name, t in psi.items()})
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(phi.grad).all()


@pytest.mark.parametrize("chosen", [FactorTransfer, BTuning])
def test_preparing_is_deterministic_and_leaves_the_callers_random_numbers(chosen):
    one = prepared(chosen)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    two = chosen(DIMS, 5, **({"max_epochs": 3} if chosen is FactorTransfer else {}))
    torch.set_rng_state(before)
    phi, psi = samples(60)
    two.prepare(psi, phi, labels(60))
    assert torch.equal(torch.get_rng_state(), before)
    for name in one.fitted:
        assert torch.equal(getattr(one, name), getattr(two, name))


def test_what_is_fitted_is_frozen_and_moves_along():
    for chosen in (FactorTransfer, BTuning):
        objective = prepared(chosen)
        trained = {id(p) for group in objective.parameter_groups() for p in group["params"]}
        assert all(id(getattr(objective, name)) not in trained for name in objective.fitted)
        assert len(trained) == (6 if chosen is FactorTransfer else 0)
        assert all(name.startswith("translator") for name, _ in objective.named_parameters())
        assert all(
            getattr(copy.deepcopy(objective).to("meta"), name).device.type == "meta" for name in objective.fitted
        )


def test_the_translator_starts_without_moving_the_student():
    objective = prepared(FactorTransfer)
    phi, psi = samples(8, seed=9)
    phi.requires_grad_()
    objective(phi, psi).backward()
    assert float(phi.grad.abs().max()) == 0
    assert float(objective.translator[4].bias.detach().abs().max()) > 0
    assert float(objective.translator[4].weight.grad.abs().max()) > 0


def test_the_paraphraser_learns_and_stops_on_what_it_is_not_trained_on():
    x = features(300, 4) @ features(4, 12, 1)
    errors = []
    for epochs in (1, 300):
        fitted = _fit_autoencoder(x, _shapes(12), epochs)
        errors.append(float((_run(_run(x, fitted[:6]), fitted[6:]) - x).square().mean()))
    assert errors[1] < 0.3 * errors[0]
    noise = features(40, 30)
    short, long = (_fit_autoencoder(noise, _shapes(30), epochs) for epochs in (2000, 4000))
    assert all(torch.equal(one, two) for one, two in zip(short, long, strict=True))


@pytest.mark.parametrize(("width", "n"), [(1, 1), (3, 2), (5, 12)])
def test_factor_transfer_of_odd_widths_and_few_samples(width, n):
    objective = FactorTransfer({"t": width}, 3, max_epochs=2)
    objective.prepare({"t": features(n, width)})
    assert torch.isfinite(objective(features(4, 3), {"t": features(4, width, 1)}))


def test_fitted_state_is_adopted_in_place_of_fitting():
    phi, psi = samples(60)
    fresh, teachers = samples(6, seed=9)
    logits = features(6, 3)
    for chosen in (ProbeKD, FactorTransfer, BTuning):
        objective = prepared(chosen)
        again = chosen(DIMS, 5)
        again.adopt_fitted(objective.fitted_state())
        if again.needs_student_features:
            with pytest.raises(UsageError, match="prepare"):
                again(fresh, teachers)
            again.prepare({name: 0 * t for name, t in psi.items()}, phi, labels(60))
        if chosen is FactorTransfer:
            again.translator.load_state_dict(objective.translator.state_dict())
        assert torch.equal(again(fresh, teachers, logits=logits), objective(fresh, teachers, logits=logits))
    assert KD(DIMS, 5).fitted_state() == {}
    with pytest.raises(UsageError, match="nothing fitted"):
        ProbeKD(DIMS, 5).fitted_state()
    with pytest.raises(UsageError, match="adopts what its own kind fitted"):
        FactorTransfer(DIMS, 5).adopt_fitted(prepared(BTuning).fitted_state())


def test_fitted_objectives_say_what_they_need():
    phi, psi = samples(6)
    for chosen in (FactorTransfer, BTuning):
        with pytest.raises(UsageError, match="prepare"):
            chosen(DIMS, 5)(phi, psi)
    with pytest.raises(UsageError, match="received no student features"):
        BTuning(DIMS, 5).prepare(psi, targets=labels(6))
    with pytest.raises(UsageError, match="received no targets"):
        BTuning(DIMS, 5).prepare(psi, phi)
    with pytest.raises(UsageError, match="did you mean 'regression'"):
        BTuning(DIMS, 5, task="regresion")
    with pytest.raises(UsageError, match="max_epochs is 1 or more"):
        FactorTransfer(DIMS, 5, max_epochs=0)
    with pytest.raises(UsageError, match="0 samples"):
        FactorTransfer({"t": 3}, 5).prepare({"t": torch.zeros(0, 3)})
    with pytest.raises(UsageError, match="finite features"):
        fit_logme(torch.full((3, 2), torch.nan), labels(3), "classification")
    with pytest.raises(UsageError, match="a target for each"):
        fit_logme(torch.zeros(3, 2), labels(4), "classification")
