"""AFT against a slow reference, its variants, and its behaviour on degenerate inputs."""

import numpy as np
import pytest
import torch

from aft.errors import UsageError
from aft.objectives import AFT
from tests.objectives import references

DIMS = {"one.with.dots": 7, "text-embedding-3": 5}


def make(batch, seed=0, dtype=torch.float64, d=4):
    generator = torch.Generator().manual_seed(seed)
    phi = torch.randn(batch, d, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
    psi = {
        name: torch.randn(batch, width, generator=generator, dtype=torch.float64).to(dtype)
        for name, width in DIMS.items()
    }
    return phi, psi


def with_gates(objective, seed=3):
    with torch.no_grad():
        objective.gate_logits.copy_(torch.randn(12, generator=torch.Generator().manual_seed(seed)))
    return objective


def relative(received, expected):
    received, expected = received.detach().double(), expected.detach().double()
    return float((received - expected).norm() / expected.norm())


@pytest.mark.parametrize("space", ["sample", "feature"])
@pytest.mark.parametrize("batch", [3, 4, 17, 128, 512])
def test_value_and_gradients_match_the_reference(space, batch):
    phi, psi = make(batch)
    objective = with_gates(AFT(DIMS, 4, space=space).double())
    value = objective(phi, psi)
    value.backward()
    other = phi.detach().clone().requires_grad_()
    s = objective.gate_logits.detach().clone().requires_grad_()
    expected = references.aft(other, torch.cat(list(psi.values()), 1), s)
    expected.backward()
    assert relative(value, expected) < 1e-6
    assert relative(phi.grad, other.grad) < 1e-6
    assert relative(objective.gate_logits.grad, s.grad) < 1e-6


@pytest.mark.parametrize("space", ["sample", "feature"])
def test_value_for_two_samples_matches_the_reference(space):
    phi, psi = make(2)
    value = AFT(DIMS, 4, space=space).double()(phi, psi)
    assert relative(value, references.aft(phi, torch.cat(list(psi.values()), 1), torch.zeros(12))) < 1e-6


@pytest.mark.parametrize("space", ["sample", "feature"])
@pytest.mark.parametrize("noise", [0.03, 0.2, 5.0])
def test_float32_matches_the_reference_when_the_kernels_differ(space, noise):
    generator = torch.Generator().manual_seed(1)
    phi = torch.randn(64, 12, generator=generator, dtype=torch.float64) + 3.0
    psi = (phi + noise * torch.randn(64, 12, generator=generator, dtype=torch.float64)).float()
    phi = phi.float().requires_grad_()
    value = AFT({"t": 12}, 12, space=space)(phi, {"t": psi})
    value.backward()
    other = phi.detach().double().requires_grad_()
    expected = references.aft(other, psi.double(), torch.zeros(12))
    expected.backward()
    assert float(expected.detach()) >= 0.01
    assert relative(value, expected) < 1e-4
    assert relative(phi.grad, other.grad) < 1e-4


@pytest.mark.parametrize("space", ["sample", "feature"])
@pytest.mark.parametrize("gates", ["diagonal", "dense"])
def test_gradients_of_all_arguments_match_the_reference_across_chunks(space, gates, monkeypatch):
    monkeypatch.setattr("aft.objectives._kernel_distance.CHUNK", 5)
    phi, psi = make(17)
    psi = {name: features.requires_grad_() for name, features in psi.items()}
    objective = AFT(DIMS, 4, space=space, gates=gates).double()
    if gates == "diagonal":
        with_gates(objective)
    arguments = [phi, *objective.parameters(), *psi.values()]
    teacher = torch.cat(list(psi.values()), 1)
    if gates == "diagonal":
        expected = references.aft(phi, teacher, objective.gate_logits)
    else:
        expected = references.dense_aft(phi, teacher, objective.dense)
    value = objective(phi, psi)
    assert relative(value, expected) < 1e-9
    found, wanted = torch.autograd.grad(value, arguments), torch.autograd.grad(expected, arguments)
    for received, other in zip(found, wanted, strict=True):
        assert relative(received, other) < 1e-9


@pytest.mark.parametrize("space", ["sample", "feature"])
def test_second_derivatives_match_the_reference(space):
    phi, psi = make(9)
    objective = with_gates(AFT(DIMS, 4, space=space).double())
    expected = references.aft(phi, torch.cat(list(psi.values()), 1), objective.gate_logits)
    found = []
    for value in (objective(phi, psi), expected):
        gradient = torch.autograd.grad(value, phi, create_graph=True)[0]
        found.append(torch.autograd.grad(gradient.square().sum(), [phi, objective.gate_logits]))
    for received, wanted in zip(*found, strict=True):
        assert relative(received, wanted) < 1e-9


def test_rbf_kernel_matches_the_reference():
    phi, psi = make(17)
    objective = with_gates(AFT(DIMS, 4, kernel="rbf").double())
    value = objective(phi, psi)
    value.backward()
    other = phi.detach().clone().requires_grad_()
    s = objective.gate_logits.detach().clone().requires_grad_()
    expected = references.aft(other, torch.cat(list(psi.values()), 1), s, kernel="rbf")
    expected.backward()
    assert relative(value, expected) < 1e-6
    assert relative(phi.grad, other.grad) < 1e-6
    assert relative(objective.gate_logits.grad, s.grad) < 1e-6


def test_dense_gates_match_the_reference():
    phi, psi = make(17)
    objective = AFT(DIMS, 4, gates="dense").double()
    expected = references.dense_aft(phi, torch.cat(list(psi.values()), 1), objective.dense)
    assert relative(objective(phi, psi), expected) < 1e-6


def test_dense_gates_are_initialised_with_variance_one_over_d():
    torch.manual_seed(0)
    objective = AFT({"t": 400}, 4, gates="dense")
    assert float(objective.dense.detach().var()) == pytest.approx(1 / 400, rel=0.02)


def kept_bytes(compute):
    """The value that a function computes, and the bytes that autograd keeps for its gradient."""
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        return compute(), sum(kept.values())


@pytest.mark.parametrize(("batch", "widths"), [(3, (7, 5)), (17, (7, 5)), (64, (90, 70))])
def test_product_kernel_matches_the_explicit_outer_product(batch, widths):
    generator = torch.Generator().manual_seed(1)
    first, second = (
        (torch.randn(batch, width, generator=generator, dtype=torch.float64) + 2).requires_grad_() for width in widths
    )
    phi, _ = make(batch)
    objective = AFT({"a": widths[0], "b": widths[1]}, 4, kernel="product").double()
    with torch.no_grad():
        objective.gate_logits.copy_(torch.randn(sum(widths), generator=generator, dtype=torch.float64))
    value = objective(phi, {"a": first, "b": second})
    own = torch.autograd.grad(value, [phi, objective.gate_logits, first, second])
    expected = references.product_aft(phi, first, second, objective.gate_logits)
    other = torch.autograd.grad(expected, [phi, objective.gate_logits, first, second])
    assert relative(value, expected) < 1e-9
    for received, wanted in zip(own, other, strict=True):
        assert relative(received, wanted) < 1e-9


def test_product_kernel_concatenates_the_teachers_of_a_factor():
    generator = torch.Generator().manual_seed(4)
    widths = {"a": 3, "b": 2, "c": 4}
    features = {name: torch.randn(9, width, generator=generator, dtype=torch.float64) for name, width in widths.items()}
    phi, _ = make(9)
    objective = AFT(widths, 4, kernel="product", factors=[["c", "a"], ["b"]]).double()
    with torch.no_grad():
        objective.gate_logits.copy_(torch.randn(9, generator=generator, dtype=torch.float64))
    gates = dict(zip(widths, objective.gate_logits.split(list(widths.values())), strict=True))
    first = torch.cat([features["c"], features["a"]], dim=1)
    expected = references.product_aft(phi, first, features["b"], torch.cat([gates["c"], gates["a"], gates["b"]]))
    assert relative(objective(phi, features), expected) < 1e-9
    with pytest.raises(UsageError, match="every teacher is in one; received"):
        AFT(widths, 4, kernel="product", factors=[["c"], ["b"]])


def test_product_kernel_needs_less_than_a_hundredth_of_the_memory_of_the_outer_product():
    batch, width = 128, 1024
    generator = torch.Generator().manual_seed(2)
    features = {name: torch.randn(batch, width, generator=generator) for name in ("a", "b")}
    phi = torch.randn(batch, 4, generator=generator).requires_grad_()
    objective = AFT({"a": width, "b": width}, 4, kernel="product")
    _, kept = kept_bytes(lambda: objective(phi, features))
    assert kept < 0.01 * batch * width * width * 4
    small = {name: values[:, :64].double() for name, values in features.items()}
    explicit = references.product_aft(phi.double(), small["a"], small["b"], torch.zeros(128, dtype=torch.float64))
    value = AFT({"a": 64, "b": 64}, 4, kernel="product")(
        phi, {name: values[:, :64] for name, values in features.items()}
    )
    assert relative(value, explicit) < 1e-6


def test_product_kernel_of_constant_features_is_zero_and_has_finite_gradients():
    for dtype in (torch.float32, torch.float64):
        phi = torch.randn(5, 4, dtype=dtype).requires_grad_()
        objective = AFT({"a": 3, "b": 2}, 4, kernel="product").to(dtype)
        constant = {"a": torch.full((5, 3), 7.1, dtype=dtype), "b": torch.full((5, 2), -0.3, dtype=dtype)}
        value = objective(phi, constant)
        expected = torch.nn.functional.normalize(phi - phi.mean(0), dim=1)
        assert relative(value, (expected @ expected.T).square().mean().sqrt()) < 1e-5
        value.backward()
        assert torch.isfinite(phi.grad).all()
        assert torch.isfinite(objective.gate_logits.grad).all()


def test_kernel_none_matches_the_reference():
    phi, psi = make(17)
    objective = AFT(DIMS, 4, kernel="none").double()
    expected = references.mapped(phi, torch.cat(list(psi.values()), 1), objective.map.weight)
    assert relative(objective(phi, psi), expected) < 1e-6


@pytest.mark.parametrize(
    "options",
    [{}, {"space": "feature"}, {"kernel": "rbf"}, {"kernel": "product"}, {"kernel": "none"}, {"gates": "dense"}],
)
def test_gradients_pass_gradcheck(options):
    phi, psi = make(6)
    objective = AFT(DIMS, 4, **options).double()
    own = [p for p in objective.parameters() if p.requires_grad]
    assert torch.autograd.gradcheck(lambda phi, *_: objective(phi, psi), (phi, *own), atol=1e-6)


def test_fixed_gates_are_not_trained_and_equal_one_half():
    objective = AFT(DIMS, 4, gates="fixed")
    assert objective.parameter_groups() == []
    assert all(torch.equal(w, torch.full_like(w, 0.5)) for w in objective.gate_weights().values())


def test_the_order_of_the_teacher_features_does_not_matter():
    phi, psi = make(9)
    objective = with_gates(AFT(DIMS, 4).double())
    assert torch.equal(objective(phi, psi), objective(phi, dict(reversed(psi.items()))))


def test_gate_weights_are_split_by_teacher():
    objective = with_gates(AFT(DIMS, 4))
    weights = objective.gate_weights()
    assert {name: tuple(w.shape) for name, w in weights.items()} == {"one.with.dots": (7,), "text-embedding-3": (5,)}
    assert torch.allclose(torch.cat(list(weights.values())), torch.sigmoid(objective.gate_logits))


@pytest.mark.parametrize("options", [{"gates": "dense"}, {"kernel": "none"}])
def test_gate_weights_error_names_the_option(options):
    with pytest.raises(UsageError, match="=".join(f"{k}='{v}'" for k, v in options.items())):
        AFT(DIMS, 4, **options).gate_weights()


def test_gates_have_a_separate_parameter_group():
    (group,) = AFT(DIMS, 4).parameter_groups(lr=0.5)
    assert group["lr"] == 0.5
    assert group["weight_decay"] == 0.0
    (projection,) = AFT(DIMS, 4, kernel="none").parameter_groups(lr=0.5)
    assert "lr" not in projection


@pytest.mark.parametrize("space", ["sample", "feature"])
@pytest.mark.parametrize("case", ["one", "constant", "zero rows", "constant teacher", "same"])
def test_degenerate_batches_give_finite_values_and_gradients(space, case):
    batch = 1 if case == "one" else 6
    phi, psi = make(batch, dtype=torch.float32)
    phi = phi.detach()
    if case == "constant":
        phi = phi[:1].expand(batch, -1).clone() * 0 + 0.1
    if case == "zero rows":
        phi[:3] = 0
    if case == "constant teacher":
        psi = {name: values[:1].expand(batch, -1) for name, values in psi.items()}
    objective = AFT(DIMS if case != "same" else {"t": 4}, 4, space=space)
    phi.requires_grad_()
    value = objective(phi, psi if case != "same" else {"t": phi.detach()})
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(phi.grad).all()
    assert torch.isfinite(objective.gate_logits.grad).all()
    if case in ("one", "same"):
        # Equal kernels may differ by rounding errors in float32.
        assert float(value.detach()) == pytest.approx(1e-4, rel=1e-2)


def test_a_constant_batch_has_a_zero_kernel_in_float32():
    values = torch.full((3, 5), 0.1)
    other = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    phi = values.clone().requires_grad_()
    value = AFT({"t": 4}, 5)(phi, {"t": other})
    expected = references.aft(torch.zeros(3, 5, dtype=torch.float64), other.double(), torch.zeros(4))
    assert float(value.detach()) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("options", [{}, {"space": "feature"}, {"kernel": "rbf"}, {"kernel": "none"}])
@pytest.mark.parametrize("side", ["student", "teacher"])
def test_nan_features_give_a_nan_value(options, side):
    phi, psi = make(6)
    phi = phi.detach()
    (phi if side == "student" else psi["one.with.dots"])[2, 1] = float("nan")
    assert torch.isnan(AFT(DIMS, 4, **options).double()(phi, psi))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_kernels_stay_in_float32_under_autocast(dtype):
    phi, psi = make(32, dtype=torch.float32)
    objective = AFT(DIMS, 4)
    expected = objective(phi, psi)
    with torch.autocast("cpu", dtype=dtype):
        received = objective(phi, psi)
    assert received.dtype == torch.float32
    assert torch.equal(received, expected)


def test_half_precision_features_are_processed_in_float32():
    phi, psi = make(32, dtype=torch.float16)
    objective = AFT(DIMS, 4)
    wide = objective(phi.float(), {name: values.float() for name, values in psi.items()})
    assert torch.equal(objective(phi, psi), wide)


def test_auto_chooses_the_cheaper_space():
    small, large = AFT({"t": 512}, 64), AFT({"t": 16}, 8)
    assert small._space_for(torch.zeros(128, 64), torch.zeros(128, 512)) == "sample"
    assert large._space_for(torch.zeros(512, 8), torch.zeros(512, 16)) == "feature"


def test_gates_learn_to_drop_noise_dimensions():
    torch.manual_seed(0)
    objective = AFT({"t": 12}, 6)
    optimiser = torch.optim.Adam(objective.parameter_groups(lr=5e-2))
    for _ in range(300):
        phi = torch.randn(64, 6)
        optimiser.zero_grad()
        objective(phi, {"t": torch.cat([phi, torch.randn(64, 6)], 1)}).backward()
        optimiser.step()
    weights = objective.gate_weights()["t"]
    assert float(weights[:6].min()) > 2 * float(weights[6:].max())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: AFT({}, 4), "at least one teacher"),
        (lambda: AFT({"t": 0}, 4), "positive integer; received 0 for 't'"),
        (lambda: AFT({"t": 3}, 4, gates="diagnal"), "did you mean 'diagonal'"),
        (lambda: AFT({"t": 3}, 4, kernel="rbf", space="feature"), "only the linear kernel"),
        (
            lambda: AFT({"t": 3}, 4, kernel="product"),
            "product kernel multiplies .* two or more teachers.*received one, 't'",
        ),
        (lambda: AFT({"t": 3, "u": 2}, 4, kernel="product", gates="dense"), "received gates='dense'"),
        (lambda: AFT({"t": 3}, 4)(torch.zeros(2, 4), {"u": torch.zeros(2, 3)}), "received 'u'; pass 't'"),
        (lambda: AFT({"t": 3}, 4)(torch.zeros(2, 4), torch.zeros(2, 3)), "mapping of name to tensor"),
        (lambda: AFT({"t": 3}, 4)(torch.zeros(2, 4), {"t": torch.zeros(3, 3)}), r"received \(3, 3\)"),
        (lambda: AFT({"t": 3}, 4)(torch.zeros(2, 4, 1), {"t": torch.zeros(2, 3)}), "flatten or pool"),
        (lambda: AFT({"t": 3}, 4)(torch.zeros(0, 4), {"t": torch.zeros(0, 3)}), "at least one sample"),
    ],
)
def test_invalid_arguments_are_rejected(call, message):
    with pytest.raises(UsageError, match=message):
        call()


def test_features_that_are_not_tensors_say_how_to_convert_them():
    objective = AFT({"t": 4}, student_dim=3)
    with pytest.raises(UsageError, match=r"received ndarray for 't'.*store\.tensor\(ids\)"):
        objective(torch.randn(5, 3), {"t": np.zeros((5, 4))})
    with pytest.raises(UsageError, match="received list for 'student_features'"):
        objective([[1.0, 2.0, 3.0]], {"t": torch.randn(1, 4)})
