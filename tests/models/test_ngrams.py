import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import aft
from aft.data import Dataset
from aft.errors import ModelError, UsageError
from aft.models import Student, load_backbone
from aft.preprocessing._hashing import _WORD, BASE, CHARACTERS, GROUP_BITS, LONGEST_WORD, SPREAD, hash_ngrams
from aft.preprocessing._key_index import KeyIndex
from tests.conftest import sentences
from tests.models.conftest import TEXTS

MASK = (1 << 64) - 1


def spread(value):
    value = ((value ^ (value >> 29)) * int(SPREAD)) & MASK
    return value ^ (value >> 32)


def polynomial(letters):
    return sum(ord(letter) * int(BASE) ** n for n, letter in enumerate(letters)) & MASK


def reference(text, group=0):
    """Keys with their counts, one n-gram after the other."""
    found = Counter()

    def add(value, group):
        found[(value & 0xFFFFFFFF & ~((1 << GROUP_BITS) - 1)) | group] += 1

    words = [f" {word[:LONGEST_WORD]} " for word in _WORD.findall(text.lower())]
    whole = [spread(polynomial(word)) for word in words]
    for value in whole:
        add(value, group)
    for one, other in itertools.pairwise(whole):
        add(spread((one * int(BASE) + other) & MASK), group)
    for word in words:
        for length in CHARACTERS:
            for start in range(len(word) - length + 1):
                add(spread((polynomial(word[start : start + length]) + length) & MASK), group + 1)
    return found


def by_text(hashed, count):
    found = [Counter() for _ in range(count)]
    for text, key, times in zip(hashed.texts.tolist(), hashed.keys.tolist(), hashed.counts.tolist(), strict=True):
        found[text][key] = times
    return found


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=30), min_size=1, max_size=5))
def test_hashes_equal_those_of_one_ngram_after_the_other(texts):
    assert by_text(hash_ngrams([texts]), len(texts)) == [reference(text) for text in texts]


@given(st.sets(st.integers(0, 2**32 - 1), min_size=1), st.lists(st.integers(0, 2**32 - 1)), st.integers(0, 31))
def test_keys_are_found_where_a_binary_search_finds_them(keys, wanted, shift):
    keys = np.array(sorted({key >> shift for key in keys}), dtype=np.uint32)  # dense ones too
    wanted = np.array([*wanted, *(key >> shift for key in wanted), *keys.tolist()], dtype=np.uint32)
    expected = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    assert np.array_equal(KeyIndex(keys).places(wanted), expected)


def test_long_words_and_languages_without_spaces():
    for text in ("a" * 100 + " b", "これは映画です", "I don't like café-bars!!", "", " \t\n", "😀😀 x"):
        assert by_text(hash_ngrams([[text, "end"]]), 2)[0] == reference(text)
    assert len(hash_ngrams([[""]]).keys) == 0


def test_the_texts_of_a_pair_have_ngrams_of_their_own():
    one, other = hash_ngrams([["a film"], ["bad"]]), hash_ngrams([["bad"], ["a film"]])
    assert by_text(one, 1)[0] == reference("a film") + reference("bad", 2)
    assert not set(one.keys.tolist()) & set(other.keys.tolist())
    assert set(one.groups.tolist()) == {0, 1, 2, 3}


def test_weights_are_those_of_scikit_learn():
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [text for _, text, _ in sentences(40)]
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=_WORD.pattern)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=2)
    backbone = load_backbone("aft:ngrams", role="student", texts=lambda: texts)
    assert backbone.linear_start is backbone
    ours = backbone.linear_inputs(backbone.encode(texts)).toarray()
    expected = [vectorizer.fit_transform(texts).toarray() for vectorizer in (words, characters)]
    np.testing.assert_allclose(ours @ ours.T, sum(part @ part.T for part in expected), atol=1e-5)


def test_only_the_most_frequent_ngrams_are_kept():
    texts = ["good film", "good book", "bad film", "rare"]
    few = load_backbone("aft:ngrams,vocabulary=3", role="student", texts=lambda: texts)
    assert few.table.num_embeddings == 3
    every = load_backbone("aft:ngrams", role="student", texts=lambda: texts)
    assert every.encode(["rare word"])[0].rows.size < every.encode(["good word"])[0].rows.size
    assert every.encode(["rare"])[0].rows.size == 1  # the word, and none of its characters
    wide = load_backbone("aft:ngrams", role="student", texts=lambda: texts, outputs=20)
    assert (every.table.embedding_dim, wide.table.embedding_dim) == (8, 20)
    for empty in (list, lambda: [" ", "\t"]):
        with pytest.raises(UsageError, match="n-grams are those of the training texts"):
            load_backbone("aft:ngrams", role="student", texts=empty)


@pytest.mark.parametrize(("classes", "width"), [(2, 1), (5, 8), (5, 5), (1, 1)])
def test_a_student_takes_over_a_linear_model(classes, width):
    backbone = load_backbone(f"aft:ngrams,width={width},hidden=3", role="student", texts=lambda: TEXTS)
    student = Student(backbone, classes).eval()
    weight, bias = torch.randn(classes, backbone.table.num_embeddings), torch.randn(classes)
    if classes == 2:
        weight[1] = -weight[0]  # as of a logistic regression: one column is enough
    student.start_from(weight, bias)
    encoded = backbone.encode([*TEXTS, "zzzzqqq"])
    expected = backbone.linear_inputs(encoded) @ weight.numpy().T + bias.numpy()
    logits = student(backbone.collate(encoded)).logits.detach().numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    np.testing.assert_allclose(logits[-1], bias.numpy(), atol=1e-6)  # nothing is known of it


def test_the_best_directions_are_kept_where_the_table_is_narrow():
    backbone = load_backbone("aft:ngrams,width=2", role="student", texts=lambda: TEXTS)
    student = Student(backbone, 4).eval()
    directions = torch.linalg.qr(torch.randn(4, 4))[0] * torch.tensor([100.0, 50.0, 0.1, 0.1])
    weight = directions @ torch.randn(4, backbone.table.num_embeddings)
    student.start_from(weight, torch.zeros(4))
    encoded = backbone.encode(TEXTS)
    expected = backbone.linear_inputs(encoded) @ weight.numpy().T
    logits = student(backbone.collate(encoded)).logits.detach().numpy()
    assert np.abs(logits - expected).max() < 0.02 * np.abs(expected).max()


@pytest.mark.parametrize("student", ["aft:ngrams,dropout=0", "aft:static,dropout=0"])
@pytest.mark.parametrize("method", ["finetune", "aft+probe-kd"])
def test_training_starts_from_a_linear_model(dataset, store, tmp_path, method, student):
    given = {"method": method, "beta": 0.0 if method == "finetune" else 1.0, "progress": False}
    run = aft.train(dataset, student, store, out=tmp_path / "run", steps=1, lr=1e-9, **given)
    assert run.error < 0.2  # after a step that changes nothing
    model = aft.load(run.path)
    assert model("a lovely warm bright clever film").label == "pos"


def test_a_trial_starts_without_the_validation_labels(store, tmp_path):
    rows = sentences(120)
    parts = ["train" if n < 80 else "validation" if n < 100 else "test" for n in range(120)]
    losses = []
    for flipped in (False, True):
        labels = [
            {"pos": "neg", "neg": "pos"}[label] if flipped and part == "validation" else label
            for (_, _, label), part in zip(rows, parts, strict=True)
        ]
        data = Dataset.from_arrays([text for _, text, _ in rows], labels, splits=parts)
        run = aft.train(data, "aft:ngrams", out=tmp_path / str(flipped), method="finetune", steps=1, lr=1e-9, weight_decay=0.0, beta="auto", progress=False)  # fmt: skip
        losses.append(run.error)
    assert losses[0] == losses[1]


@pytest.mark.parametrize("damage", ["flipped", "cut", "missing", "nonsense"])
def test_damaged_ngrams_are_noticed(dataset, tmp_path, damage):
    run = aft.train(dataset, "aft:ngrams", out=tmp_path / "r", method="finetune", beta=0.0, steps=1, progress=False)
    (file,) = (run.path / "student").iterdir()
    content = bytearray(file.read_bytes())
    if damage == "flipped":
        content[len(content) // 3] ^= 4
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes({"cut": content[:100], "nonsense": b"x" * 50}.get(damage, content))
    with pytest.raises(ModelError, match=r"the n-grams in .* are not what was written to it; restore them"):
        aft.load(run.path)


@pytest.mark.parametrize("task", ["pairs", "regression", "multilabel", "bf16"])
def test_any_task_on_texts(tmp_path, task):
    rows = sentences(120)
    texts, labels = [text for _, text, _ in rows], [label for _, _, label in rows]
    settings = {"precision": "bf16"} if task == "bf16" else {}
    if task == "pairs":
        texts = [(text, text[::-1]) for text in texts]
    if task == "regression":
        labels = [len(text) + 0.5 for text in texts]
    if task == "multilabel":
        labels = [(label, "long") if n % 2 else (label,) for n, label in enumerate(labels)]
    data = Dataset.from_arrays(texts, labels)
    run = aft.train(
        data, "aft:ngrams", out=tmp_path / "r", method="finetune", beta=0.0, steps=5, progress=False, **settings
    )
    model = aft.load(run.path)
    assert len(model.predict(texts)) == 120
    assert run.error < (10 if task == "regression" else 0.4)
