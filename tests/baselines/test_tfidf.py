"""TF-IDF with a linear model: what a user would try first."""

import numpy as np
import pytest

from aft.baselines import choose_tfidf, fit_tfidf
from aft.data import Targets
from aft.evaluation import measure
from tests.conftest import sentences

TEXTS = [text for _, text, _ in sentences(400)]
LABELS = [label for _, _, label in sentences(400)]


def encoded(targets, labels):
    return targets.encode(labels, [""] * len(labels))[0]


def test_it_learns_two_classes_as_scikit_learn_does():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    targets = Targets.infer(LABELS)
    y = encoded(targets, LABELS)
    model = fit_tfidf(targets, TEXTS[:300], y[:300], 3.0)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\w+|[^\w\s]")
    reference = LogisticRegression(C=3.0, max_iter=100).fit(vectorizer.fit_transform(TEXTS[:300]), y[:300])
    logits = model(TEXTS[300:])
    margin = reference.decision_function(vectorizer.transform(TEXTS[300:]))
    assert logits[:, 1] - logits[:, 0] == pytest.approx(margin, abs=1e-3)
    assert measure(targets, logits, y[300:]).error < 0.05
    assert model.bytes > model.weight.nbytes


def test_soft_labels_are_weights():
    targets = Targets("classification", ("a", "b", "c"))
    hard = np.array([n % 3 for n in range(90)])
    texts = [f"{'xyz'[n % 3]} word{n % 7}" for n in range(90)]
    one_hot = np.eye(3)[hard]
    assert fit_tfidf(targets, texts, one_hot, 1.0)(texts) == pytest.approx(fit_tfidf(targets, texts, hard, 1.0)(texts))
    soft = 0.6 * one_hot + 0.4 / 3
    confidence = [
        np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).max(axis=1).mean()
        for logits in (fit_tfidf(targets, texts, outputs, 100.0)(texts) for outputs in (soft, one_hot))
    ]
    assert confidence[0] == pytest.approx(0.6 + 0.4 / 3, abs=0.05)
    assert confidence[1] > 0.95


def test_a_class_without_samples_is_never_predicted():
    targets = Targets("classification", ("a", "b", "c"))
    model = fit_tfidf(targets, TEXTS[:50], np.array([n % 2 * 2 for n in range(50)]), 1.0)
    assert set(model(TEXTS).argmax(axis=1)) <= {0, 2}


@pytest.mark.parametrize("kind", ["multilabel", "regression"])
def test_other_tasks(kind):
    if kind == "regression":
        labels = [float(label == "pos") + 0.01 * (n % 10) for n, label in enumerate(LABELS)]
    else:
        labels = [(label, "film") if n % 2 else (label,) for n, label in enumerate(LABELS)]
    targets = Targets.infer(labels, kind)
    y = encoded(targets, labels)
    penalty, model = choose_tfidf(targets, (TEXTS[:300], y[:300]), (TEXTS[300:], y[300:]))
    logits = model(TEXTS[300:])
    assert logits.shape == (100, targets.outputs)
    if kind == "regression":
        assert np.mean((logits[:, 0] - y[300:]) ** 2) < 0.5 * np.mean((y[:300].mean() - y[300:]) ** 2)
    else:
        assert np.mean((logits > 0) != (y[300:] > 0.5)) < 0.25


def test_pairs_have_a_vocabulary_for_each_text():
    pairs = [("same", "same") if n % 2 else ("same", "other") for n in range(60)]
    targets = Targets.infer(["yes" if n % 2 else "no" for n in range(60)])
    model = fit_tfidf(targets, pairs, np.arange(60) % 2, 10.0)
    assert model([("same", "other"), ("same", "same")]).argmax(axis=1).tolist() == [0, 1]


def test_scripts_without_spaces_have_words_of_characters():
    good, bad = "这部电影很好看真的喜欢", "这部电影很难看真的讨厌"
    generator = np.random.default_rng(0)
    noise = ["".join(map(chr, generator.integers(0x4E00, 0x9000, 5))) for _ in range(100)]
    texts = [(good if n % 2 else bad) + noise[n] for n in range(100)]
    y = np.arange(100) % 2
    targets = Targets("classification", ("bad", "good"))
    assert measure(targets, fit_tfidf(targets, texts[:60], y[:60], 3.0)(texts[60:]), y[60:]).error == 0.0


def test_words_that_never_repeat_do_no_harm():
    texts = [f"unique{n}" for n in range(6000)]
    targets = Targets("classification", ("a", "b"))
    assert fit_tfidf(targets, texts, np.arange(6000) % 2, 1.0)(["other"]).shape == (1, 2)
