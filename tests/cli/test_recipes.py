"""Dry runs, recipes, and the teachers of ``aft train`` and ``aft compare``."""

import re
from pathlib import Path

import pytest
import yaml

from aft.data import CATALOGUE
from aft.models import model_facts
from tests.cli.test_cli import STUDENT, TEACHER, aft_command  # noqa: F401 - the fixture

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_every_recipe_runs_dry(aft_command, tmp_path, monkeypatch, recipe):  # noqa: F811
    monkeypatch.delenv("AFT_DATA", raising=False)  # as where nothing has been downloaded
    monkeypatch.chdir(tmp_path)
    status, out, err = aft_command("compare", "--config", recipe, "--dry-run")
    assert status == 0, err
    content = yaml.safe_load(recipe.read_text())
    assert out.count("student   ") == len(content["student"])
    for line in ("data      ", "step      ", "plan      ", "device    "):
        assert out.count(line) == len(content["student"])
    assert out.count("teacher   ") == len(content["teacher"]) * len(content["student"])
    assert not list(tmp_path.iterdir())
    # Its own comment names the commands, and other data that it is for.
    comment = recipe.read_text()
    assert f"--config recipes/{recipe.name} --dry-run" in comment
    others = re.search(r"with one of (.*)\.", comment)[1].split(", ")
    assert set(others) <= set(CATALOGUE)


def test_a_dry_run_says_what_it_takes(aft_command, monkeypatch):  # noqa: F811
    monkeypatch.delenv("AFT_DATA", raising=False)
    command = ["train", "cifar100", "--student", "vit-s16", "--teacher", "dinov2-giant", "--out", "run", "--dry-run"]
    status, out, err = aft_command(*command, "--lr", "1e-4", "--beta", "1", "--epochs", "2")
    assert status == 0, err
    lines = out.splitlines()
    assert (
        lines[0] == "data      cifar100: 50,000 training and 10,000 test samples; photographs of 32 pixels, 100 classes"
    )
    assert lines[1].startswith(
        "teacher   dinov2-giant: 1.1 B parameters, 1,536 features; 60,000 x 1,536 float16 are 184.3 MB, about"
    )
    assert lines[2] == "student   vit-s16: 22 M parameters, 384 features"
    assert (
        lines[3] == "step      64 inputs -> student's features (64, 384); teachers' features: dinov2-giant (64, 1536)"
    )
    assert lines[4].startswith("plan      aft+probe-kd: 1 final training of about 1,562 steps, about")


def test_a_dry_run_reads_data_that_is_there(aft_command, reviews, tmp_path):  # noqa: F811
    status, out, err = aft_command(
        "train",
        reviews,
        "--text",
        "sentence",
        "--label",
        "label",
        "--student",
        STUDENT,
        "--out",
        tmp_path / "run",
        "--dry-run",
    )
    assert status == 0, err
    assert "102 training and 18 test samples; 120 samples" in out
    assert "parameters are counted once it is loaded" in out
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cifra10", "--student", "vit-s16"), "received 'cifra10'; did you mean 'cifar10'"),
        (("cifar10", "--student", "vit-s17"), "received 'vit-s17'; did you mean 'vit-s16'"),
        (
            ("cifar10", "--student", "vit-s16", "--teacher", "dinov2-base", "--teacher", "dinov2-base"),
            "teachers need different names",
        ),
    ],
)
def test_a_dry_run_says_what_is_wrong(aft_command, monkeypatch, arguments, message):  # noqa: F811
    monkeypatch.delenv("AFT_DATA", raising=False)
    status, _, err = aft_command("train", *arguments, "--out", "run", "--dry-run")
    assert status == 2
    assert message in err


def test_train_computes_the_features_of_its_teachers(aft_command, reviews, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    command = [
        "train", reviews, "--text", "sentence", "--label", "label", "--id", "id", "--student", STUDENT, "--teacher", TEACHER,
        "--steps", "20", "--beta", "1", "--lr", "1e-3",
    ]  # fmt: skip
    status, _, err = aft_command(*command, "--out", "one")
    assert status == 0, err
    store = tmp_path / "features" / reviews.stem / "letters"
    written = (store / "manifest.json").stat().st_mtime_ns
    assert "120 samples x 26" in err
    status, _, err = aft_command(*command, "--out", "two", "--seed", "1")
    assert status == 0, err
    assert (store / "manifest.json").stat().st_mtime_ns == written, "features are computed once"
    status, out, err = aft_command(
        "compare", reviews, "--text", "sentence", "--label", "label", "--id", "id", "--student", STUDENT, "--teacher", TEACHER,
        "--stores", "other", "--methods", "aft", "--steps", "5", "--beta", "1", "--lr", "1e-3", "--seeds", "1", "--processes", "1",
        "--out", "comparison",
    )  # fmt: skip
    assert status == 0, err
    assert (tmp_path / "other" / "letters" / "manifest.json").exists()
    assert "aft" in out


def test_models_and_students_are_listed(aft_command):  # noqa: F811
    status, out, _ = aft_command("models", "--inputs", "image", "--use", "teacher")
    assert status == 0
    assert "dinov2-giant" in out
    assert "clip-vit-l14" in out
    assert "mpnet" not in out
    assert "resnet50" not in out
    status, out, _ = aft_command("students", "--budget", "2M", "--inputs", "text")
    assert status == 0
    assert "aft:ngrams" in out
    assert "distilbert" not in out
    status, out, _ = aft_command("students", "--budget", "0.001ms")
    assert status == 0
    assert "no measured student is within 0.001ms" in out
    for command in (("students", "--budget", "much"), ("models", "--inputs", "sound"), ("models", "--use", "pupil")):
        status, _, err = aft_command(*command)
        assert status == 2
        assert len(err.strip().splitlines()) == 1


def test_a_model_that_embeds_images_and_texts_has_more_features_of_both():
    assert (model_facts("clip-vit-l14", "image+text").width, model_facts("clip-vit-l14", "image").width) == (2304, 768)
    assert model_facts("clip-vit-l14,reads=text", "image+text").parameters is None


def test_nothing_is_written_without_a_directory(aft_command, reviews):  # noqa: F811
    columns = ("--text", "sentence", "--label", "label")
    for command in (("train", reviews, *columns), ("compare", reviews, *columns, "--teacher", TEACHER)):
        status, _, err = aft_command(*command, "--student", STUDENT)
        assert status == 2
        assert "received no --out; name one, or add --dry-run" in err


def test_facts_of_students_of_several_parts():
    pair = model_facts("mobilenetv2*bert-small")
    assert (pair.parameters, pair.width) == (2_223_872 + 28_500_000, 256)
    joined = model_facts("mobilenetv2+bert-small")
    assert joined.width == 1280 + 512
    assert joined.recipe.lr == 1e-4
    assert model_facts("minilm,keep_layers=2").parameters is None
    assert str(model_facts("hf:someone/something")) == "hf:someone/something: parameters are counted once it is loaded"
