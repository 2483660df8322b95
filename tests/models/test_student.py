import copy

import numpy as np
import pytest
import torch
from torch import nn

from aft.errors import ModelError, UsageError
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


class Ending(nn.Module):
    """A classifier whose logits a function changes."""

    def __init__(self, function, outputs=3):
        super().__init__()
        self.net, self.function = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, outputs)), function

    def forward(self, x):
        return self.function(self.net(x))


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda logits: logits.softmax(1), "softmax"),
        (lambda logits: logits.log_softmax(1), "log-softmax"),
        (torch.sigmoid, "sigmoid"),
    ],
)
def test_probabilities_are_neither_logits_nor_features(function, name):
    example = np.zeros(4, np.float32)
    with pytest.raises(UsageError, match=rf"returns the {name} of the linear layer 'net.2'; remove it"):
        Student(load_backbone(Ending(function), role="student", example=example), 3)
    with pytest.raises(UsageError, match="layer 'net.2' with 3 outputs, and the task has 7"):
        Student(load_backbone(Ending(function), role="student", example=example), 7)


def test_logits_of_every_token_are_rejected():
    backbone = load_backbone(classifier(), role="student", example=np.zeros((9, 4), np.float32))
    with pytest.raises(UsageError, match=r"logits \(B, C\) of one .* layer '2', with 3 axes; pool before it"):
        Student(backbone, 3)


def test_a_linear_layer_is_its_own_classifier():
    example, x = np.zeros(4, np.float32), torch.randn(5, 4)
    module = nn.Linear(4, 3)
    student = Student(load_backbone(module, role="student", example=example), 3)
    output = student({"input": x})
    assert torch.equal(output.logits, module(x))
    assert torch.equal(output.features, x)
    assert list(student.feature_parameters()) == []
    assert student.size() == 15
    with pytest.raises(UsageError, match="ends in one linear layer with 3 outputs, and the task has 7"):
        Student(load_backbone(nn.Linear(4, 3), role="student", example=example), 7)


def test_parameters_of_features_are_all_but_the_classifiers():
    module, example = classifier(), np.zeros(4, np.float32)
    student = Student(load_backbone(module, role="student", example=example), 3)
    assert [p.shape for p in student.feature_parameters()] == [(6, 4), (6,)]
    student = Student(load_backbone(module, role="student", example=example, layer="0"), 3)
    assert len(list(student.feature_parameters())) == 4


@pytest.mark.parametrize(
    ("example", "received"),
    [
        (np.zeros(4, np.int64), r"\(1, 4\) int64"),
        (np.zeros(5, np.float32), r"\(1, 5\) float32"),
    ],
)
def test_a_module_that_fails_is_named_with_what_it_received(example, received):
    with pytest.raises(
        ModelError, match=rf"Sequential failed on {received} \(RuntimeError: .*convert its inputs in pre"
    ):
        load_backbone(classifier(), role="student", example=example)


def test_a_users_line_that_fails_is_named():
    def failing(logits):
        raise KeyError("colour")

    with pytest.raises(ModelError, match=r"\(KeyError: 'colour', in test_student.py, line \d+\); correct the module"):
        load_backbone(Ending(failing), role="student", example=np.zeros(4, np.float32))


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
