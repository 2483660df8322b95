"""Objectives by name: parsing of methods, classes, and keyword options."""

import pytest

from aft.errors import UsageError
from aft.objectives import (
    AFT,
    KD,
    METHODS,
    OBJECTIVE_OPTIONS,
    Transformed,
    check_options,
    make_objective,
    objective_class,
    objectives_of,
)

DIMS = {"one.with.dots": 7, "b": 4}


def test_objectives_are_made_by_name():
    assert objectives_of("finetune") == ()
    assert {name for name, chosen in METHODS.items() if chosen is not None} == {
        "aft",
        "kd",
        "rkd",
        "sp",
        "cka",
        "probe-kd",
        "ft",
        "b-tuning",
    }
    with pytest.raises(UsageError, match="did you mean 'probe-kd'"):
        make_objective("probekd", {"t": 3}, 2)
    with pytest.raises(UsageError, match="takes options of its own; .* it takes none"):
        make_objective("kd", {"t": 3}, 2, {"gates": "fixed"})


def test_objective_options_follow_the_name():
    assert OBJECTIVE_OPTIONS == ("whiten", "separability", "queue")
    assert objectives_of("aft@whiten@queue+probe-kd") == ("aft@whiten@queue", "probe-kd")
    assert objective_class("aft@whiten") is Transformed
    assert objective_class("aft") is AFT
    made = make_objective("kd@whiten", DIMS, 5, {"task": "classification", "outputs": 3})
    assert isinstance(made.objective, KD)
    assert made.gate_parameters() == []
    assert len(make_objective("aft@separability", DIMS, 5).gate_weights()["b"]) == 4


def test_keyword_options_of_joined_methods_are_grouped_by_objective():
    check_options("aft", {"gates": "fixed"})
    check_options("aft+probe-kd", {"aft": {"gates": "fixed"}, "probe-kd": {"temperature": 1.0}})
    for options in ({"gates": "fixed"}, {"kd": {}}, {"aft": "fixed"}):
        with pytest.raises(UsageError, match="grouped by objective"):
            check_options("aft+probe-kd", options)
