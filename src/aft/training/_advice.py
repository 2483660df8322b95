"""Whether a student is worth training: models that need none, on the same validation samples."""

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.baselines import tfidf_error
from aft.data import Dataset, Splits, Targets, is_text, labelled_samples
from aft.errors import UnknownIdError
from aft.features import FeatureStore
from aft.probing import probe_error

#: The most training samples that a baseline is fitted to for this advice.
SAMPLES = 10_000
TFIDF = "TF-IDF with a linear model"


def validation_errors(
    dataset: Dataset, splits: Splits, targets: Targets, stores: tuple[FeatureStore, ...]
) -> dict[str, float]:
    """Errors on the validation split of what a user would try first.

    Args:
        dataset: The samples.
        splits: Their splits; baselines are fitted to the samples that the search trains on.
        targets: The task.
        stores: The teachers' feature stores.

    Returns:
        Errors by name: for texts of TF-IDF, and of a linear probe on the teachers' features.
    """

    def labelled(positions: NDArray[np.int64]) -> tuple[list[int], NDArray[Any]]:
        known, encoded = labelled_samples(dataset, targets, positions.tolist())
        if len(known) <= SAMPLES:
            return known, encoded
        chosen = np.sort(np.random.default_rng(0).choice(len(known), SAMPLES, replace=False))
        return [known[i] for i in chosen.tolist()], encoded[chosen]

    train, validation = labelled(splits.search_train), labelled(splits.validation)
    errors = {}
    if is_text(dataset.modality):
        texts = [([dataset.inputs[i] for i in known], encoded) for known, encoded in (train, validation)]
        errors[TFIDF] = tfidf_error(targets, *texts)
    if stores:
        ids = [([dataset.ids[i] for i in known], encoded) for known, encoded in (train, validation)]
        with suppress(UnknownIdError):  # a store needs no samples of the data's own validation split
            errors[probe_name(stores)] = probe_error(stores, targets, *ids).error
    return errors


def probe_name(stores: tuple[FeatureStore, ...]) -> str:
    """What the probe is called in messages."""
    return f"a linear probe on {' + '.join(store.name for store in stores)}"


def advice(errors: dict[str, float], student: float, samples: int, stores: tuple[FeatureStore, ...]) -> list[str]:
    """Say where no student, or no such student, is needed.

    Args:
        errors: From `validation_errors`.
        student: The student's error on the same samples.
        samples: Number of them.
        stores: The teachers' feature stores.

    Returns:
        Sentences; none where the student is better than everything else.
    """
    found = []
    tfidf, probe = errors.get(TFIDF), errors.get(probe_name(stores))
    if tfidf is not None and tfidf <= student:
        # The standard error of the difference of two shares, as if they were independent.
        noise = (tfidf * (1 - tfidf) / samples + student * (1 - student) / samples) ** 0.5 if student < 1 else 0.0
        verdict = "use it instead, or train a stronger student"
        if student - tfidf <= noise:
            verdict = "it is about as good, and needs no student"
        found.append(
            f"{TFIDF} has an error of {tfidf:.4f} on the {samples} validation samples, and this student {student:.4f}: {verdict}"
        )
    if probe is not None and probe <= student:
        found.append(
            f"{probe_name(stores)} has an error of {probe:.4f} on the {samples} validation samples, and this student "
            f"{student:.4f}: where the teacher is fast enough for you, deploy it with the probe and train no student"
        )
    return found
