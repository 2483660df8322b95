"""Objectives that are fitted on training samples before training: factor transfer and B-tuning."""

import copy

import numpy as np
import pytest
import torch

from aft.errors import UsageError
from aft.objectives import KD, BTuning, FactorTransfer, ProbeKD
from aft.objectives._factor_transfer import _fit_autoencoder, _layer_shapes, _mlp
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


def test_b_tuning_matches_the_reference():
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


def test_factor_transfer_matches_the_reference():
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
def test_fitted_objectives_pass_gradcheck_and_propagate_nan(chosen):
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
def test_a_single_sample_and_a_zero_batch_give_finite_values(chosen):
    objective = prepared(chosen)
    for scale in (1, 0):
        phi, psi = samples(1, seed=9)
        phi = (scale * phi).requires_grad_()
        value = objective(phi, {name: scale * t for name, t in psi.items()})
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(phi.grad).all()


@pytest.mark.parametrize("chosen", [FactorTransfer, BTuning])
def test_prepare_is_deterministic_and_keeps_the_global_random_state(chosen):
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


def test_fitted_statistics_are_not_trained_and_move_with_the_module():
    for chosen in (FactorTransfer, BTuning):
        objective = prepared(chosen)
        trained = {id(p) for group in objective.parameter_groups() for p in group["params"]}
        assert all(id(getattr(objective, name)) not in trained for name in objective.fitted)
        assert len(trained) == (6 if chosen is FactorTransfer else 0)
        assert all(name.startswith("translator") for name, _ in objective.named_parameters())
        assert all(
            getattr(copy.deepcopy(objective).to("meta"), name).device.type == "meta" for name in objective.fitted
        )


def test_the_translator_initially_has_no_gradient_to_the_student():
    objective = prepared(FactorTransfer)
    phi, psi = samples(8, seed=9)
    phi.requires_grad_()
    objective(phi, psi).backward()
    assert float(phi.grad.abs().max()) == 0
    assert float(objective.translator[4].bias.detach().abs().max()) > 0
    assert float(objective.translator[4].weight.grad.abs().max()) > 0


def test_the_paraphraser_learns_and_stops_early_on_held_out_samples():
    x = features(300, 4) @ features(4, 12, 1)
    errors = []
    for epochs in (1, 300):
        fitted = _fit_autoencoder(x, _layer_shapes(12), epochs)
        errors.append(float((_mlp(_mlp(x, fitted[:6]), fitted[6:]) - x).square().mean()))
    assert errors[1] < 0.3 * errors[0]
    noise = features(40, 30)
    short, long = (_fit_autoencoder(noise, _layer_shapes(30), epochs) for epochs in (2000, 4000))
    assert all(torch.equal(one, two) for one, two in zip(short, long, strict=True))


@pytest.mark.parametrize(("width", "n"), [(1, 1), (3, 2), (5, 12)])
def test_factor_transfer_accepts_odd_widths_and_few_samples(width, n):
    objective = FactorTransfer({"t": width}, 3, max_epochs=2)
    objective.prepare({"t": features(n, width)})
    assert torch.isfinite(objective(features(4, 3), {"t": features(4, width, 1)}))


def test_fitted_state_can_be_loaded_instead_of_fitting():
    phi, psi = samples(60)
    fresh, teachers = samples(6, seed=9)
    logits = features(6, 3)
    for chosen in (ProbeKD, FactorTransfer, BTuning):
        objective = prepared(chosen)
        again = chosen(DIMS, 5)
        again.load_fitted_state(objective.fitted_state())
        if again.needs_student_features:
            with pytest.raises(UsageError, match="prepare"):
                again(fresh, teachers)
            again.prepare({name: 0 * t for name, t in psi.items()}, phi, labels(60))
        if chosen is FactorTransfer:
            again.translator.load_state_dict(objective.translator.state_dict())
        assert torch.equal(again(fresh, teachers, logits=logits), objective(fresh, teachers, logits=logits))
    assert KD(DIMS, 5).fitted_state() == {}
    with pytest.raises(UsageError, match="no fitted state"):
        ProbeKD(DIMS, 5).fitted_state()
    with pytest.raises(UsageError, match="the fitted state of its own class"):
        FactorTransfer(DIMS, 5).load_fitted_state(prepared(BTuning).fitted_state())


def test_fitted_objectives_reject_missing_or_invalid_inputs():
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
    with pytest.raises(UsageError, match="max_epochs must be 1 or more"):
        FactorTransfer(DIMS, 5, max_epochs=0)
    with pytest.raises(UsageError, match="0 samples"):
        FactorTransfer({"t": 3}, 5).prepare({"t": torch.zeros(0, 3)})


def test_a_probe_knows_classes_that_its_samples_lack():
    objective = ProbeKD({"t": 4}, 2, outputs=3)
    objective.prepare({"t": torch.randn(30, 4)}, targets=torch.randint(0, 2, (30,)))
    assert objective.predictions(torch.randn(5, 4)).shape == (5, 3)
