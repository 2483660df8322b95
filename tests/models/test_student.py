import copy

import numpy as np
import pytest
import torch
from torch import nn

from aft.errors import UsageError
from aft.models import Student, load_backbone
from tests.models.conftest import TEXTS


def test_a_module_with_a_classifier_keeps_it_as_its_head():
    module = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    student = Student(load_backbone(module, role="student", example=np.zeros(4, np.float32)), 3)
    x = torch.randn(5, 4)
    output = student({"input": x})
    assert student.dim == 6
    assert torch.equal(output.logits, module(x))
    assert torch.equal(output.features, module[1](module[0](x)))


def test_logits_of_another_task_are_not_taken_for_features():
    module, example = classifier(), np.zeros(4, np.float32)
    with pytest.raises(UsageError, match=r"layer '2' with 3 outputs, and the task has 7; .* with layer="):
        Student(load_backbone(module, role="student", example=example), 7)
    assert Student(load_backbone(module, role="student", example=example, layer="0"), 7).dim == 6
    assert Student(load_backbone(module, role="student", example=example, layer="2"), 7).dim == 3
    features = nn.Sequential(*module, nn.Tanh())  # ends in something else, so its output is features
    assert Student(load_backbone(features, role="student", example=example), 7).dim == 3


def classifier():
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))


@pytest.mark.parametrize(
    "name",
    [
        "hf:BERT,layer=encoder.layer.0",
        "hf:VIT,layer=layers.0",
        "timm:resnet10t,weights=random,image_size=32,layer=layer2",
        "layer of a module",
        "head of a module",
    ],
)
def test_a_deep_copy_of_a_student_has_features_of_its_own(folders, name):
    from PIL import Image

    if name.endswith("of a module"):
        inputs, layer = list(np.eye(4, dtype=np.float32)), "0" if name.startswith("layer") else None
        backbone = load_backbone(classifier(), role="student", layer=layer, example=inputs[0])
    else:
        name = name.replace("BERT", str(folders / "bert")).replace("VIT", str(folders / "vit"))
        inputs = TEXTS[:4] if "bert" in name else [Image.new("RGB", (20, 30), (n * 60, 9, 9)) for n in range(4)]
        backbone = load_backbone(name, role="student")
    original = Student(backbone, 3).eval()
    batch = backbone.collate(backbone.encode(inputs))
    before = original(batch)
    captured = original._captured or backbone._captured
    raw = captured.raw

    duplicate = copy.deepcopy(original)
    with torch.no_grad():
        for parameter in duplicate.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    other = duplicate(batch)
    assert not torch.allclose(other.features, before.features)
    assert captured.raw is raw  # the copy did not write to the original

    # With the weights of the copy, the original computes what the copy computes.
    assert (duplicate._captured or duplicate.backbone._captured) is not captured
    original.load_state_dict(duplicate.state_dict())
    again = original(batch)
    assert torch.equal(again.features, other.features)
    assert torch.equal(again.logits, other.logits)
