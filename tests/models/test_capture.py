import copy

import pytest
import torch
from torch import nn

import aft
from aft.errors import ModelError, UsageError
from aft.models._capture import attach


def test_capture_gives_features_and_leaves_the_model_unchanged():
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 2))
    x = torch.randn(4, 3, 8, 8)
    with aft.capture(model, "2") as captured:
        logits = model(x)
        phi = captured.features
    assert phi.shape == (4, 5)
    assert phi.requires_grad
    assert torch.equal(logits, model[4](phi))
    assert not any(module._forward_hooks for module in model.modules())
    with aft.capture(model, "1", pool="mean") as captured:
        model(x)
    assert torch.allclose(captured.features, phi)
    with pytest.raises(UsageError, match="unknown layer '9'"), aft.capture(model, "9"):
        pass
    with pytest.raises(ModelError, match="has not run"), aft.capture(model, "2") as captured:
        _ = captured.features


def test_the_input_of_a_layer_can_be_captured():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    with aft.capture(model, "2", side="input") as captured:
        logits = model(torch.randn(5, 3))
    assert torch.equal(logits, model[2](captured.features))
    assert not any(module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("side", ["output", "input"])
def test_a_deep_copy_captures_its_own_features(side):
    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2))
            self.captured = attach(self.model, "1", side=side)[0]

    original = Holder()
    x = torch.randn(5, 3)
    original.model(x)  # the copy must not need the graph of this batch
    before = original.captured.features
    duplicate = copy.deepcopy(original)
    assert duplicate.captured is not original.captured
    with pytest.raises(ModelError, match="has not run"):
        _ = duplicate.captured.features
    with torch.no_grad():
        for parameter in duplicate.parameters():
            parameter.mul_(2)
    duplicate.model(x)
    layer = duplicate.model[0](x)
    assert torch.equal(duplicate.captured.features, duplicate.model[1](layer) if side == "output" else layer)
    assert torch.equal(original.captured.features, before)
    original.model(x)
    assert torch.equal(original.captured.features, before)
