"""Products of the features of teachers that read different parts of a sample."""

import numpy as np
import pytest
import torch

from aft.data import Targets
from aft.errors import UsageError
from aft.features import Sample, StoreWriter, factors_of
from aft.objectives import ProbeKD
from aft.probing import FOLDS, Interactions, fit_logme, fit_teacher_probe, logme, probe_error, sample_keys

FACTORS = (("image",), ("text",))


def pairs(count=400, seed=0):
    """Features of images and texts, and whether the signs of their first components agree."""
    generator = torch.Generator().manual_seed(seed)
    # The first component has the largest variance, so that it is the first principal one.
    image, text = (torch.randn(count, width, generator=generator) for width in (6, 4))
    image[:, 0] = 3 * image[:, 0].sign()
    text[:, 0] = 3 * text[:, 0].sign()
    return {"image": image, "text": text}, ((image[:, 0] > 0) == (text[:, 0] > 0)).long()


def test_products_are_those_of_the_scaled_principal_components():
    features, _ = pairs()
    table = torch.cat(list(features.values()), dim=1)
    found = Interactions(features, FACTORS)(table)
    assert found.shape == (400, 10 + 6 * 4)
    assert torch.equal(found[:, :10], table)
    components = []
    for part in features.values():
        centred = part.double() - part.double().mean(dim=0)
        left, _, _ = torch.linalg.svd(centred, full_matrices=False)
        components.append(left * len(part) ** 0.5)
    expected = (components[0][:, :, None] * components[1][:, None, :]).flatten(1)
    # Signs of components are arbitrary, and so are those of products.
    assert torch.allclose(found[:, 10:].double().abs(), expected.abs(), atol=1e-3)


def test_without_factors_features_stay_as_they_are():
    features, _ = pairs()
    table = torch.cat(list(features.values()), dim=1)
    plain = Interactions(features)
    assert plain(table) is table
    assert torch.equal(plain.keys(table), sample_keys(table))


@pytest.mark.parametrize("change", ["constant", "few", "wide"])
def test_components_that_do_not_exist_are_left_out(change):
    features, _ = pairs()
    if change == "constant":
        features["image"] = torch.full((400, 6), 0.3)
    elif change == "few":
        features = {name: part[:3] for name, part in features.items()}
    else:
        features["text"] = torch.randn(400, 300, generator=torch.Generator().manual_seed(3))
    table = torch.cat(list(features.values()), dim=1)
    products = Interactions(features, FACTORS)(table)[:, table.shape[1] :]
    assert products.isfinite().all()
    assert products.shape[1] == {"constant": 1 * 4, "few": 2 * 2, "wide": 6 * 48}[change]


def test_a_probe_reads_how_parts_go_together():
    features, labels = pairs()
    train, test = ({name: part[some] for name, part in features.items()} for some in (slice(300), slice(300, None)))
    errors = {}
    for factors in ((), FACTORS):
        probe = fit_teacher_probe(train, labels[:300], "classification", factors=factors, outputs=2)
        errors[factors] = float((probe(test).argmax(dim=1) != labels[300:]).float().mean())
    assert errors[FACTORS] < 0.05
    assert errors[()] > 0.35


def test_pairs_of_one_image_are_in_one_fold_of_probe_kd():
    features, labels = pairs(60)
    images = features["image"][:20].repeat_interleave(3, dim=0)
    features = {"image": images, "text": features["text"]}
    table = torch.cat(list(features.values()), dim=1)
    objective = ProbeKD({"image": 6, "text": 4}, 5, outputs=2, factors=FACTORS)
    objective.prepare(features, targets=labels)
    assert objective.interactions is not None
    folds = objective.interactions.keys(table) % FOLDS
    assert (folds.view(20, 3) == folds.view(20, 3)[:, :1]).all()
    # A pair's prediction is that of the probe that saw no pair of its image.
    read, predicted = objective.interactions(table), objective.predictions(table)
    for place in range(60):
        own = objective.weight[folds[place]] @ read[place] + objective.bias[folds[place]]
        assert torch.allclose(predicted[place], own, atol=1e-5)
    # So is that of a known image with a new text, and any other is that of the probe of all.
    new = torch.cat([images[:1], torch.ones(1, 4)], dim=1)
    own = objective.weight[folds[0]] @ objective.interactions(new)[0] + objective.bias[folds[0]]
    assert torch.allclose(objective.predictions(new)[0], own, atol=1e-5)
    unknown = torch.ones(1, 10)
    of_all = objective.weight[FOLDS] @ objective.interactions(unknown)[0] + objective.bias[FOLDS]
    assert torch.allclose(objective.predictions(unknown)[0], of_all, atol=1e-5)


def test_what_probe_kd_fitted_to_factors_can_be_loaded():
    features, labels = pairs(100)
    first, second = (ProbeKD({"image": 6, "text": 4}, 5, outputs=2, factors=FACTORS) for _ in range(2))
    first.prepare(features, targets=labels)
    second.load_fitted_state(first.fitted_state())
    table = torch.cat(list(features.values()), dim=1)
    assert torch.equal(first.predictions(table), second.predictions(table))
    assert not first.state_dict()  # a resumed training fits it again


@pytest.mark.parametrize(
    "factors", [[["image"]], [["image"], ["text", "image"]], [["image"], ["caption"]], [["image"], []]]
)
def test_factors_are_groups_of_different_teachers(factors):
    with pytest.raises(UsageError, match="factors are two or more groups of different teachers"):
        ProbeKD({"image": 6, "text": 4}, 5, factors=factors)


def write_store(folder, name, values, **fingerprint):
    """A store of these features."""
    samples = [Sample(f"id{i}", "") for i in range(len(values))]
    writer = StoreWriter.plan(
        folder / name,
        name=name,
        fingerprint=fingerprint,
        dim=values.shape[1],
        dtype="float32",
        samples=samples,
        shard_rows=512,
    )
    for shard in writer.pending():
        writer.commit(shard, values)
    return writer.finish()


def test_stores_that_read_different_parts_are_multiplied(tmp_path):
    features, labels = pairs()
    image, text = (write_store(tmp_path, name, part.numpy(), reads=name) for name, part in features.items())
    joint = write_store(tmp_path, "joint", np.ones((400, 2), dtype=np.float32))
    more = write_store(tmp_path, "more", features["image"].numpy(), reads="image")
    assert factors_of([image, text]) == FACTORS
    assert factors_of([more, joint, text, image]) == (("more", "image"), ("text",))
    assert factors_of([text, image]) == FACTORS, "folds are by image, whatever the order of the stores"
    assert factors_of([image, more, joint]) == ()
    ids, targets = [f"id{i}" for i in range(400)], Targets("classification", ("no", "yes"))
    train, test = (ids[:300], labels[:300].numpy()), (ids[300:], labels[300:].numpy())
    assert probe_error([image, text, joint], targets, train, test).error < 0.05
    assert probe_error([image, joint], targets, train, test).error > 0.35
    known = {name: part[:300] for name, part in features.items()}
    read = Interactions(known, FACTORS)(torch.cat(list(known.values()), dim=1))
    assert logme([image, text], targets, train) == pytest.approx(
        fit_logme(read, labels[:300], "classification").evidence
    )
