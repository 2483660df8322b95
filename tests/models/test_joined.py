"""Students of several parts."""

import pytest
import torch
from safetensors.torch import load_file

import aft
from aft.errors import UsageError
from aft.models import Student, load_backbone
from aft.models._joined import JoinedBackbone
from aft.models._ngrams import NgramText
from aft.runs import RunLayout
from tests.conftest import sentences

NAME = "aft:ngrams+aft:transformer,width=16,vocabulary=100"


def texts():
    return [text for _, text, _ in sentences(60)]


def student(outputs=2):
    torch.manual_seed(0)
    return Student(load_backbone(NAME, role="student", texts=texts, outputs=outputs), outputs)


def batch(joined, count=6):
    return joined.backbone.collate(joined.backbone.encode(texts()[:count]))


def test_the_features_are_those_of_all_parts():
    joined = student().eval()
    ngrams, transformer = joined.backbone.parts
    found = joined(batch(joined)).features
    assert found.shape == (6, ngrams.dim + transformer.dim)
    for part, columns in ((ngrams, found[:, : ngrams.dim]), (transformer, found[:, ngrams.dim :])):
        assert torch.allclose(columns, part(part.collate(part.encode(texts()[:6]))), atol=1e-6)


def test_each_step_trains_one_part_and_the_whole_gives_the_mean_of_the_outputs():
    joined = student().train()
    for module in joined.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    outputs = []
    for active, idle in ((0, 1), (1, 0)):
        joined.zero_grad()
        output = joined(batch(joined)).logits
        output.sum().backward()
        outputs.append(output)
        used, unused = joined.backbone.parts[active], joined.backbone.parts[idle]
        assert any(parameter.grad is not None for parameter in used.parameters())
        assert all(parameter.grad is None for parameter in unused.parameters())
    assert torch.allclose(joined.eval()(batch(joined)).logits, (outputs[0] + outputs[1]) / 2, atol=1e-5)


def test_the_part_with_a_linear_start_takes_it_over_and_the_others_keep_their_random_head():
    joined = student(outputs=3).train()
    encoded = joined.backbone.encode(texts()[:6])
    inputs = joined.backbone.linear_start.linear_inputs(encoded)
    weight, bias = torch.randn(3, inputs.shape[1]), torch.randn(3)
    before = joined.head.weight.detach().clone()
    joined.start_from(weight, bias)
    ngrams = joined.backbone.parts[0]
    assert torch.equal(joined.head.weight[:, ngrams.dim :], before[:, ngrams.dim :])
    ngrams.eval()  # without dropout, which the hidden layer alone has; its columns of the head are zero
    logits = joined(joined.backbone.collate(encoded)).logits
    expected = torch.from_numpy(inputs @ weight.numpy().T) + bias
    assert torch.allclose(logits, expected.float(), atol=1e-4)


def test_a_run_is_loaded_with_all_its_parts(dataset, store, tmp_path):
    settings = {"method": "aft", "beta": 1.0, "steps": 7, "test_fraction": 0.2, "progress": False}
    run = aft.train(dataset, NAME, store, out=tmp_path / "run", **settings)
    layout = RunLayout(run.path)
    assert int(load_file(layout.weights)["backbone._extra_state"]) == 7
    files = sorted(str(file.relative_to(layout.assets)) for file in layout.assets.rglob("*.*") if file.is_file())
    assert files[0] == "part-0/ngrams.npz"
    assert "part-1/config.json" in files
    assert (
        layout.deployed_bytes()
        == sum((layout.assets / file).stat().st_size for file in files) + layout.weights.stat().st_size
    )
    model = aft.load(run)
    assert isinstance(model.student.backbone, JoinedBackbone)
    shown = [model.predict([text])[0] for text in texts()[:4]]
    assert [one.label for one in shown] == [one.label for one in model.predict(texts()[:4])]


def test_options_go_to_the_parts_that_have_them():
    name = "aft:static+aft:transformer,width=16"
    joined = load_backbone(name, role="student", texts=texts, prompt="query: ")
    assert [part.prompt for part in joined.parts] == ["query: ", "query: "]
    pooled = load_backbone(name, role="student", texts=texts, pooling="cls")
    assert pooled.parts[1].pooling == "cls"
    assert pooled.spec == "aft:static+aft:transformer,pooling=cls,width=16"
    with pytest.raises(UsageError, match="no part of aft:ngrams.aft:static has an option 'pooling'; leave it out"):
        load_backbone("aft:ngrams+aft:static", role="student", texts=texts, pooling="cls")


def test_a_teacher_is_one_model():
    with pytest.raises(UsageError, match="a teacher is one model.*received 'hf:a.hf:b'; name each"):
        load_backbone("hf:a+hf:b")


@pytest.mark.parametrize("name", ["aft:static+aft:ngrams", "aft:ngrams+aft:static"])
def test_the_linear_model_with_the_most_inputs_is_taken_over(name):
    joined = load_backbone(name, role="student", texts=texts)
    ngrams = next(part for part in joined.each() if isinstance(part, NgramText))
    assert joined.linear_start.start is ngrams
    assert joined.linear_start.linear_width == len(ngrams.ngrams)
    assert joined.linear_start.linear_inputs(joined.encode(texts())).shape == (60, len(ngrams.ngrams))
