"""Exports to the formats of other libraries give the outputs of their students when these libraries alone load them."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import aft
from aft.data import Dataset
from aft.errors import ModelError, RunError, UsageError
from tests.conftest import bag_of_letters, sentences
from tests.exporting.test_export import TEXTS, pictures, texts, trained
from tests.models.conftest import folders, towers  # noqa: F401 - fixtures

#: Of the features of `bag_of_letters`.
WIDTH = 26


def close(received, expected):
    """Whether outputs are the same up to rounding."""
    return np.allclose(np.asarray(received), np.asarray(expected), atol=1e-4)


def test_torch_export_needs_only_torch(tmp_path):
    dataset = texts()
    run = trained(dataset, TEXTS["joined"], tmp_path / "run")
    result = aft.export(run, tmp_path / "out", data=dataset, to="torch-export")
    assert result.checks["model.pt2"].agreement == 1.0
    program, model = torch.export.load(tmp_path / "out" / "model.pt2").module(), aft.load(run, device="cpu")
    backbone = model.student.backbone
    for count in (1, 7):
        inputs = ["ünbekannt 🙂 " * count, *[text for _, text, _ in sentences(count - 1)]]
        batch = backbone.graph_batch(backbone.encode(inputs))
        with torch.inference_mode():
            assert close(program(*batch.values()), model.logits(inputs))
    described = json.loads((tmp_path / "out" / "export.json").read_text())
    assert described["to"] == "torch-export"
    assert [one["kind"] for one in described["encodings"]] == ["ngrams", "tokens"]
    with pytest.raises(
        RunError, match="predictions without PyTorch are those of ONNX; .* was exported to torch-export; export the run"
    ):
        aft.ExportedModel(tmp_path / "out")


def test_torch_export_of_images(tmp_path):
    inputs, labels = pictures()
    dataset = Dataset.from_arrays(inputs, labels)
    run = trained(dataset, "timm:resnet10t,image_size=32,weights=random", tmp_path / "run")
    aft.load(run).export("torch-export", tmp_path / "out", data=dataset)
    program = torch.export.load(tmp_path / "out" / "model.pt2").module()
    assert program(torch.zeros(3, 3, 32, 32)).shape == (3, 2)


@pytest.mark.parametrize("head", [True, False])
def test_safetensors_of_a_module_load_into_it(tmp_path, head):
    dataset = texts()
    module, preprocess = bag_of_letters()
    if head:
        module = nn.Sequential(module, nn.Linear(WIDTH, 2))
    run = trained(dataset, module, tmp_path / "run", preprocess=preprocess)
    model = aft.load(run, student=module, preprocess=preprocess, device="cpu")
    result = model.export("safetensors", tmp_path / "out", data=dataset)
    assert result.checks["model.safetensors"].largest_difference == 0.0
    fresh = bag_of_letters()[0]
    if head:
        fresh = nn.Sequential(fresh, nn.Linear(WIDTH, 2))
    fresh.load_state_dict(load_file(tmp_path / "out" / "model.safetensors"))
    inputs = [text for _, text, _ in sentences(5)]
    with torch.inference_mode():
        outputs = fresh(torch.stack([preprocess(text) for text in inputs]))
        if (tmp_path / "out" / "head.safetensors").exists():
            own = load_file(tmp_path / "out" / "head.safetensors")
            outputs = outputs @ own["weight"].T + own["bias"]
    assert close(outputs, model.logits(inputs))


@pytest.mark.parametrize("name", ["ngrams", "static", "joined", "bert"])
def test_safetensors_of_texts(tmp_path, folders, name):  # noqa: F811
    dataset = texts()
    run = trained(dataset, TEXTS[name].format(folders=folders), tmp_path / "run")
    result = aft.export(run, tmp_path / "out", data=dataset, to="safetensors")
    assert result.checks["model.safetensors"].largest_difference == 0.0
    assert (tmp_path / "out" / "head.safetensors").exists()


@pytest.mark.parametrize("name", ["resnet10t", "mobilenetv3_small_050", "vit_tiny_patch16_224", "mixer_s32_224"])
def test_timm_alone_loads_a_student(tmp_path, name):
    import timm

    inputs, labels = pictures()
    dataset = Dataset.from_arrays(inputs, labels)
    run = trained(dataset, f"timm:{name},image_size=32,weights=random", tmp_path / "run", steps=1)
    result = aft.export(run, tmp_path / "out", data=dataset, to="timm")
    assert result.checks["timm's resizing"].agreement > 0.8
    loaded = timm.create_model(f"local-dir:{tmp_path / 'out'}", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(loaded), is_training=False)
    square = [image.resize((40, 40)) for image in inputs]  # of which nothing has to be rounded
    with torch.inference_mode():
        outputs = loaded(torch.stack([transform(image) for image in square]))
    assert close(outputs, aft.load(run, device="cpu").logits(square))
    assert loaded.pretrained_cfg["label_names"] == ["bright", "dark"]


def test_a_regression_gives_labels_in_their_unit(tmp_path):
    import timm

    inputs, _ = pictures()
    dataset = Dataset.from_arrays(inputs, [100.0 + 7.5 * n for n in range(40)])
    run = trained(dataset, "timm:resnet10t,image_size=32,weights=random", tmp_path / "run")
    aft.export(run, tmp_path / "out", data=dataset, to="timm")
    loaded = timm.create_model(f"local-dir:{tmp_path / 'out'}", pretrained=True).eval()
    model = aft.load(run, device="cpu")
    with torch.inference_mode():
        values = loaded(torch.stack(model.student.backbone.encode(inputs)))[:, 0].tolist()
    assert values == pytest.approx([one.label for one in model.predict(inputs)], rel=1e-4)


@pytest.mark.parametrize(
    "name",
    [
        "bert",
        "gpt2",
        "t5",
        "transformer",
        "hf:{folders}/bert,pooling=cls",
        "hf:{folders}/bert,pooling=max,prompt=about ",
    ],
)
def test_transformers_and_sentence_transformers_load_a_student_of_texts(tmp_path, folders, name):  # noqa: F811
    from sentence_transformers import SentenceTransformer

    dataset = texts()
    run = trained(dataset, TEXTS.get(name, name).format(folders=folders), tmp_path / "run")
    result = aft.export(run, tmp_path / "out", data=dataset, to="transformers")
    assert result.checks["model.safetensors"].agreement == 1.0
    inputs = ["a lovely film", "dull " * 60, "ünbekannt"]
    model = aft.load(run, device="cpu")
    loaded = SentenceTransformer(str(tmp_path / "out"), device="cpu")
    assert close(loaded.encode(inputs), model.logits(inputs))


def test_transformers_reads_pairs(tmp_path, folders):  # noqa: F811
    rows = sentences(60)
    pairs = [(text, rows[-n][1]) for n, (_, text, _) in enumerate(rows)]
    dataset = Dataset.from_arrays(pairs, [label for *_, label in rows])
    run = trained(dataset, TEXTS["bert"].format(folders=folders), tmp_path / "run")
    result = aft.export(run, tmp_path / "out", data=dataset, to="transformers")
    assert result.checks["model.safetensors"].agreement == 1.0


@pytest.mark.parametrize("kind", ["vit", "dinov2"])
def test_transformers_alone_loads_a_classifier_of_images(tmp_path, folders, kind):  # noqa: F811
    import transformers

    if kind == "dinov2":
        config = transformers.Dinov2Config(
            hidden_size=8, num_hidden_layers=2, num_attention_heads=2, image_size=16, patch_size=8
        )
        transformers.Dinov2Model(config).save_pretrained(folders / "dinov2")
    inputs, labels = pictures()
    dataset = Dataset.from_arrays(inputs, labels)
    run = trained(dataset, f"hf:{folders}/{kind}", tmp_path / "run")
    result = aft.export(run, tmp_path / "out", data=dataset, to="transformers")
    assert result.checks["its processor"].agreement > 0.8
    classify = transformers.pipeline("image-classification", str(tmp_path / "out"), device="cpu")
    square = inputs[0].resize((40, 40))
    (best, *_), expected = classify(square), aft.load(run, device="cpu")(square)
    assert best["label"] == expected.label
    assert best["score"] == pytest.approx(max(expected.probabilities.values()), abs=0.05)


@pytest.mark.parametrize("student", ["static", "aft:static,init={folders}/bert,width=8,hidden=8"])
def test_model2vec_alone_embeds_texts(tmp_path, folders, student):  # noqa: F811
    from model2vec import StaticModel

    dataset = texts()
    run = trained(dataset, TEXTS.get(student, student).format(folders=folders), tmp_path / "run")
    result = aft.export(run, tmp_path / "out", data=dataset, to="model2vec")
    assert result.checks["model.safetensors"].agreement == 1.0
    loaded, backbone = StaticModel.from_pretrained(tmp_path / "out"), aft.load(run, device="cpu").student.backbone
    inputs = ["a lovely film", "ünbekannt", "dull " * 30, ""]
    batch = backbone.collate(backbone.encode(inputs))
    rows = batch["input_ids"] if backbone.rows is None else backbone.rows[batch["input_ids"]]
    mask = (batch["attention_mask"] * backbone.counted[batch["input_ids"]]).unsqueeze(-1)
    with torch.inference_mode():
        means = (backbone.table(rows) * mask).sum(1) / mask.sum(1).clamp(min=1)
    assert close(loaded.encode(inputs), means)


@pytest.mark.parametrize(
    ("student", "to", "message"),
    [
        (
            "ngrams",
            "timm",
            "a whole model of timm is exported to timm; received aft:ngrams.*; export it to onnx or safetensors",
        ),
        ("joined", "transformers", "a whole model of transformers is exported to it; received aft:ngrams"),
        (
            "ngrams",
            "model2vec",
            "a token table over single texts, without a prompt, is exported to model2vec; received aft:ngrams",
        ),
        ("aft:static,vocabulary=200,prompt=about ", "model2vec", "a token table over single texts, without a prompt"),
    ],
)
def test_a_student_that_a_format_cannot_express_is_refused(tmp_path, student, to, message):
    dataset = texts()
    run = trained(dataset, TEXTS.get(student, student), tmp_path / "run", steps=1)
    with pytest.raises(ModelError, match=message):
        aft.export(run, tmp_path / "out", data=dataset, to=to)
    assert not [path.name for path in tmp_path.iterdir() if "out" in path.name]


def test_images_that_no_classifier_of_transformers_reads_alike_are_refused(tmp_path, folders):  # noqa: F811
    inputs, labels = pictures()
    dataset = Dataset.from_arrays(inputs, labels)
    run = trained(dataset, f"hf:{folders}/vit,pooling=mean", tmp_path / "run", steps=1)
    with pytest.raises(ModelError, match="that of vit with pooling=mean is not; export it to onnx or safetensors"):
        aft.export(run, tmp_path / "out", data=dataset, to="transformers")


def test_unknown_formats_and_options_that_do_not_go_together(tmp_path):
    with pytest.raises(UsageError, match="unknown format to='timn'; did you mean 'timm'"):
        aft.export(tmp_path / "run", tmp_path / "out", to="timn")
    with pytest.raises(UsageError, match="weights of 8 bits are written as ONNX; received int8 with to='timm'"):
        aft.export(tmp_path / "run", tmp_path / "out", to="timm", int8=True)
