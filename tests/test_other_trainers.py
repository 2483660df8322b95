"""Loops of other projects give the student that `aft.train` gives."""

import csv

import pytest
import torch
from torch import nn

import aft
from aft.models._text import train_tokenizer
from tests.conftest import bag_of_letters, sentences
from tests.test_docs import DOCS, blocks

PAGE = DOCS / "how-to" / "other-trainers.md"
#: Blocks of the page in their order, after the first.
LOOPS = ("with_accelerate", "with_trainer", "with_lightning", "with_sentence_transformers")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A table, a store of its features, and a tiny model with random weights and without dropout."""
    import transformers

    directory = tmp_path_factory.mktemp("trainers")
    rows = sentences(60)
    with (directory / "reviews.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "sentence", "label"), *rows])
    dataset = aft.Dataset.from_table(directory / "reviews.csv", text="sentence", label="label", id="id")
    module, preprocess = bag_of_letters()
    aft.extract(dataset, module, preprocess=preprocess, name="mpnet", out=directory / "features", progress=False)
    tokenizer = train_tokenizer([text for _, text, _ in rows], 200)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(directory / "tiny")
    tokenizer.save_pretrained(directory / "tiny")
    return directory


@pytest.fixture(scope="module")
def namespace(workspace):
    """What the first block of the page defines."""
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workspace)
        exec(program(0), names)
    return names


def program(number):
    """A block of the page, with the tiny model."""
    text = blocks(PAGE, "python")[number]
    return compile(text.replace("sentence-transformers/all-MiniLM-L6-v2", "tiny"), str(PAGE), "exec")


def reference(workspace, names, module, preprocess):
    """The weights that `aft.train` finds for a module."""
    run = aft.train(
        names["dataset"], module, names["store"], method="aft", beta=names["BETA"], weighting="fixed", steps=names["STEPS"],
        batch_size=names["BATCH"], lr=5e-4, weight_decay=0.0, test_fraction=0, preprocess=preprocess, seed=0,
        out=workspace / f"reference-{type(module).__name__}", progress=False,
    )  # fmt: skip
    model = aft.load(run, student=module, preprocess=preprocess)
    return {name.removeprefix("backbone.module."): value for name, value in model.student.state_dict().items()}


def check_equal(trained, expected, initial):
    """Check that weights are those of a reference, up to rounding, and not those before training."""
    assert set(trained) == set(expected)
    moved = max(float((trained[name] - initial[name]).abs().max()) for name in trained)
    assert moved > 5e-3
    for name, value in trained.items():
        # Softmax ignores the bias of keys. Its gradient is nothing but rounding errors, which Adam scales to full steps.
        if not name.endswith("key.bias"):
            assert float((value - expected[name]).abs().max()) < 0.1 * moved, name


@pytest.mark.parametrize("number", range(1, 4), ids=LOOPS[:3])
def test_a_loop_gives_the_student_of_aft_train(workspace, namespace, monkeypatch, number):
    monkeypatch.chdir(workspace)
    names = dict(namespace)
    exec(program(number), names)
    expected = reference(workspace, names, names["start"], names["tokenize"])
    check_equal(names[LOOPS[number - 1]].state_dict(), expected, names["start"].state_dict())


class Embedder(nn.Module):
    """The student of the last block as one module."""

    def __init__(self, model, head):
        super().__init__()
        self.model, self.head = model, head

    def forward(self, **tokens):
        return self.head(self.model(dict(tokens))["sentence_embedding"])


def test_a_loss_of_sentence_transformers_gives_the_student_of_aft_train(workspace, namespace, monkeypatch):
    pytest.importorskip("sentence_transformers")
    monkeypatch.chdir(workspace)
    names = dict(namespace)
    exec(program(4), names)
    before = Embedder(*names["before"])
    expected = reference(workspace, names, before, names["tokenize"])
    check_equal(Embedder(*names["with_sentence_transformers"]).state_dict(), expected, before.state_dict())
