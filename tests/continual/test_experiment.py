"""Experiments of continual learners: what is asked for, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparsectl.config import from_dict, load_yaml, put, to_dict
from sparsectl.continual.experiment import ContinualExperiment, units
from sparsectl.errors import ConfigError
from sparsectl.runs import changes

SMALL = {
    "name": "small",
    "stream": {"kind": "permuted_digits", "tasks": 2},
    "learners": {"real": {"kind": "finetune"}, "binary": {"kind": "straight_through"}},
    "network": {"hidden": [8]},
    "seeds": [0, 1],
}


def experiment(**changes):
    return from_dict(ContinualExperiment, {**SMALL, **changes}, "test")


def test_units_come_seed_by_seed_with_what_each_learner_has_of_its_own():
    own = {"binary": {"network": {"hidden": [16]}, "epochs": 5, "protocols": ["joint"]}}
    found = units(experiment(own=own, epochs=2))
    assert [u.name for u in found] == [
        "real/sequential/0",
        "binary/joint/0",
        "real/sequential/1",
        "binary/joint/1",
    ]
    assert [(u.network.hidden, u.epochs, u.batch_size) for u in found[:2]] == [
        ((8,), 2, 64),
        ((16,), 5, 64),
    ]
    assert [u.stream_seed for u in found] == [0, 0, 1, 1]
    assert [u.stream_seed for u in units(experiment(stream_seed=7))] == [7] * 4


def test_some_learners_and_other_seeds():
    found = units(experiment(), ["binary"], [4])
    assert [u.name for u in found] == ["binary/sequential/4"]
    with pytest.raises(ConfigError, match=r"no learner 'binry'.*did you mean 'binary'"):
        units(experiment(), ["binry"])
    with pytest.raises(ConfigError, match="seeds is \\[3, 3\\]"):
        units(experiment(), None, [3, 3])


def test_learners_of_one_seed_share_order_and_stream_but_single_networks_do_not_share_weights():
    unit = units(experiment())[0]
    assert unit.learner_seed() == units(experiment())[1].learner_seed()
    assert len({unit.learner_seed(), unit.learner_seed(0), unit.learner_seed(1)}) == 3


def test_the_plain_form_is_the_same_experiment():
    first = experiment(own={"real": {"noise": 0.5, "network": {"hidden": [3], "constant": 1}}})
    assert from_dict(ContinualExperiment, to_dict(first, kinds=True), "again") == first
    assert to_dict(first, kinds=True)["learners"]["binary"]["kind"] == "straight_through"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": "../x"}, "name is '../x'"),
        ({"learners": {}}, "give at least one"),
        ({"learners": {"a/b": {"kind": "finetune"}}}, "'a/b' is not a label"),
        ({"learners": {"a": {"kind": "finetun"}}}, "did you mean 'finetune'"),
        ({"stream": {"kind": "permuted_digit"}}, "did you mean 'permuted_digits'"),
        ({"protocols": []}, "protocols is \\[\\]"),
        ({"protocols": ["joint", "joint"]}, "expected different ones"),
        ({"protocols": ["jont"]}, "did you mean 'joint'"),
        ({"epochs": 0}, "epochs is 0, expected a whole number of at least 1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"noise": 0.0}, "noise is 0.0, expected a number above 0"),
        ({"seeds": []}, "seeds is \\[\\]"),
        ({"seeds": [-1]}, "seeds is \\[-1\\]"),
        ({"stream_seed": -1}, "stream_seed is -1"),
        ({"evaluate_every": 0}, "evaluate_every is 0"),
        ({"draws": -1}, "draws is -1"),
        ({"own": {"rael": {}}}, "own: no learner 'rael' \\(did you mean 'real'"),
        ({"own": {"real": {"epochs": 0}}}, "own.real: epochs is 0"),
        ({"own": {"real": {"epoch": 1}}}, "did you mean 'epochs'"),
    ],
)
def test_mistakes_are_named(changes, text):
    with pytest.raises(ConfigError, match=text):
        experiment(**changes)


def test_differences_name_what_changed():
    a, b = (to_dict(units(experiment(epochs=n))[0]) for n in (1, 3))
    assert changes(a, b) == ["epochs (1 -> 3)"]
    assert changes(a, a) == []
    assert changes({}, {"x": {"y": 1}}) == ["x.y (None -> 1)"]
    assert changes(None, {}) == []


def test_values_are_put_by_dotted_name():
    values = {"learners": {"field": {"gamma": 1.0}}, "seeds": [0, 1]}
    put(values, "learners.field.gamma", 0.1)
    put(values, "network.hidden", [4])
    put(values, "seeds.1", 5)
    assert values == {
        "learners": {"field": {"gamma": 0.1}},
        "seeds": [0, 5],
        "network": {"hidden": [4]},
    }
    with pytest.raises(ConfigError, match="no entry '7'"):
        put(values, "seeds.7", 1)


COMMITTED = sorted((Path(__file__).parents[2] / "configs").glob("continual_*.yaml"))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda p: p.stem)
def test_a_committed_config_loads_and_survives_a_round_trip(path):
    found = from_dict(ContinualExperiment, load_yaml(path), str(path))
    assert found.name == path.stem
    assert units(found)
    assert from_dict(ContinualExperiment, to_dict(found, kinds=True), "again") == found
