"""A linear model on TF-IDF features of words and pairs of words, by scikit-learn."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.baselines._linear import PENALTIES, fit_linear
from aft.data import Targets
from aft.errors import MissingExtraError
from aft.evaluation import calibrated_loss, measure
from aft.preprocessing import WORD

#: The most words and pairs of words.
FEATURES = 200_000


class TfidfModel:
    """A fitted model; `fit_tfidf` makes one.

    Args:
        targets: The task.
        vectorizers: scikit-learn's vectorizers, one for each text of an input.
        weight: ``(C, F)``.
        bias: ``(C,)``.
    """

    def __init__(
        self, targets: Targets, vectorizers: Sequence[Any], weight: NDArray[np.float32], bias: NDArray[np.float32]
    ) -> None:
        self.targets = targets
        self._vectorizers = list(vectorizers)
        self.weight, self.bias = weight, bias

    def __call__(self, inputs: Sequence[Any]) -> NDArray[np.float32]:
        """Compute logits, or standardised values for regression.

        Args:
            inputs: Texts, or pairs of texts.

        Returns:
            ``(N, C)``.
        """
        features = transform(self._vectorizers, inputs)
        logits: NDArray[np.float32] = np.asarray(features @ self.weight.T + self.bias, dtype=np.float32)
        return logits

    @property
    def bytes(self) -> int:
        """Size of the vocabulary and the weights in bytes."""
        words = sum(len(word.encode()) + 8 for vectorizer in self._vectorizers for word in vectorizer.vocabulary_)
        return words + self.weight.nbytes + self.bias.nbytes


def fit_tfidf(targets: Targets, inputs: Sequence[Any], outputs: NDArray[Any], penalty: float) -> TfidfModel:
    """Fit the model.

    Args:
        targets: The task.
        inputs: N texts, or pairs of texts.
        outputs: Encoded labels, ``(N,)`` or for multi-label tasks ``(N, C)``; or for a classification a teacher's
            probabilities ``(N, C)``.
        penalty: Inverse of the penalty on the weights.

    Returns:
        The model.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    vectorizers = _make_vectorizers(inputs)
    weight, bias = fit_linear(targets, transform(vectorizers, inputs), outputs, penalty)
    return TfidfModel(targets, vectorizers, weight, bias)


def choose_tfidf(
    targets: Targets,
    train: tuple[Sequence[Any], NDArray[Any]],
    validation: tuple[Sequence[Any], NDArray[Any]],
) -> tuple[float, TfidfModel]:
    """Choose the penalty by the loss on validation samples.

    Args:
        targets: The task.
        train: Inputs and outputs to fit on, as for `fit_tfidf`.
        validation: Inputs and encoded labels to choose by.

    Returns:
        The inverse penalty, and the model that was fitted with it on `train`.
    """
    vectorizers = _make_vectorizers(train[0])
    features, held_out = transform(vectorizers, train[0]), transform(vectorizers, validation[0])
    best: tuple[float, float, TfidfModel] | None = None
    for penalty in PENALTIES:
        weight, bias = fit_linear(targets, features, train[1], penalty)
        logits = np.asarray(held_out @ weight.T + bias)
        loss = calibrated_loss(targets, logits, validation[1])
        if best is None or loss < best[0]:
            best = loss, penalty, TfidfModel(targets, vectorizers, weight, bias)
    assert best is not None
    return best[1], best[2]


def tfidf_error(
    targets: Targets,
    train: tuple[Sequence[Any], NDArray[Any]],
    validation: tuple[Sequence[Any], NDArray[Any]],
) -> float:
    """The validation error of the model, for the arguments of `choose_tfidf`."""
    _, model = choose_tfidf(targets, train, validation)
    return measure(targets, model(validation[0]), validation[1]).error


def transform(vectorizers: Sequence[Any], inputs: Sequence[Any]) -> Any:
    """TF-IDF features of texts or pairs of texts, a sparse matrix ``(N, F)``."""
    from scipy import sparse

    return sparse.hstack(
        [v.transform(column) for v, column in zip(vectorizers, _columns(inputs), strict=True)], format="csr"
    )


def _columns(inputs: Sequence[Any]) -> list[list[str]]:
    """The first texts of all inputs, and the second ones if they are pairs."""
    if len(inputs) and isinstance(inputs[0], str):
        return [list(inputs)]
    return [[pair[0] for pair in inputs], [pair[1] for pair in inputs]]


def _make_vectorizers(inputs: Sequence[Any]) -> list[Any]:
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError as error:
        raise MissingExtraError(
            "the TF-IDF baseline needs scikit-learn, which is not installed; run pip install "
            "'adaptive-feature-transfer[train]'"
        ) from error
    return [
        TfidfVectorizer(
            ngram_range=(1, 2), sublinear_tf=True, max_features=FEATURES, dtype=np.float32,
            token_pattern=WORD,
        ).fit(column)
        for column in _columns(inputs)
    ]  # fmt: skip
