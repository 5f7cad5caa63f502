"""Families: exact counts, what is written, and resumption."""

from __future__ import annotations

import csv
import dataclasses
import shutil

import pytest
import torch
from toys import PUSHER_MAP as MAP

from sparsectl import dynamics
from sparsectl.dynamics import MLPConfig, StructureConfig, TrainConfig
from sparsectl.dynamics.kinds import count_relus
from sparsectl.dynamics.lower import lower
from sparsectl.sparsify import SparsifyConfig, sparsify
from sparsectl.sparsify.family import read

TRAIN = TrainConfig(steps=150, batch_size=64, rollout_steps=3, check_every=50)
QUICK = SparsifyConfig(
    counts=(9, 3), hidden=(), removal_steps=8, gate_steps=24, finetune_steps=30, stride=0.4
)


@pytest.fixture(scope="module")
def dense(episodes):
    config = MLPConfig((8, 8), structure=StructureConfig({"point": "hand"}, {"hand": 0.1}))
    model = dynamics.build(config, MAP.names, 4, 2, seed=1)
    return dynamics.train(model, episodes, MAP, TRAIN, progress=False).dynamics


def family(dense, episodes, config=QUICK, **more):
    return sparsify(dense, episodes, MAP, config, TRAIN, progress=False, **more)


@pytest.mark.parametrize("selection", ["sensitivity", "gates"])
def test_every_member_has_its_count_and_can_be_loaded_and_lowered(
    dense, episodes, tmp_path, selection
):
    config = dataclasses.replace(QUICK, counts=(9, 3, 0), selection=selection)
    before = {k: v.clone() for k, v in dense.state_dict().items()}
    found = family(dense, episodes, config, run_dir=tmp_path, measure=lambda m: {"seen": 7})
    assert all(torch.equal(v, before[k]) for k, v in dense.state_dict().items())
    for member, count in zip(found.members, (9, 3, 0), strict=True):
        assert (member.target, member.relus, member.status) == (count, count, "done")
        assert sum(member.by_layer) == count
        model, meta = dynamics.load(tmp_path / member.path)
        assert count_relus(model) == lower(model).m == count
        assert meta["sparsify"]["target"] == count
    rows = list(csv.DictReader((tmp_path / "family.csv").open()))
    assert [row["relus"] for row in rows] == ["9", "3", "0"]
    assert {row["seen"] for row in rows} == {"7"}
    assert read(tmp_path)[0] == found
    assert found.member(3).error(1) < found.member(0).error(1)


@pytest.mark.parametrize("branch", [True, False])
def test_a_run_that_was_cut_off_after_a_round_ends_as_one_that_was_not(
    dense, episodes, tmp_path, branch
):
    config = dataclasses.replace(QUICK, branch=branch)
    whole = family(dense, episodes, config, run_dir=tmp_path / "whole")
    first = family(dense, episodes, config, run_dir=tmp_path / "whole")
    assert first == whole, "what is done is not done again"

    def die(model):
        if count_relus(model) == 3:
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        family(dense, episodes, config, run_dir=tmp_path / "cut", measure=die)
    assert [m.target for m in read(tmp_path / "cut")[0].members] == [9]
    assert (tmp_path / "cut" / "trunk-9").exists() == branch
    family(dense, episodes, config, run_dir=tmp_path / "cut")
    assert not list((tmp_path / "cut").glob("trunk-*")), "of use between rounds only"
    for count in ("9", "3"):
        a, b = (dynamics.load(tmp_path / d / count)[0].state_dict() for d in ("whole", "cut"))
        assert all(torch.equal(a[k], b[k]) for k in a)


def test_a_new_network_is_trained_first_and_kept_for_resumption(dense, episodes, tmp_path):
    config = SparsifyConfig(
        counts=(6,), hidden=(5, 5, 5), initial_steps=20, removal_steps=4, finetune_steps=16,
        stride=0.5, teacher=0.2, mode_penalty=0.1, weight_sparsity=0.3,
    )  # fmt: skip
    (member,) = family(dense, episodes, config, run_dir=tmp_path).members
    model, _ = dynamics.load(tmp_path / "6")
    assert model.config.hidden == (5 + 4,) * 3, "with channels for the input"
    assert (member.relus, member.steps) == (6, 16 * 2 + 2 * 4)
    weights = torch.cat([p.flatten() for p in model.parameters() if p.dim() == 2])
    assert float((weights == 0).float().mean()) >= 0.29
    kept = dynamics.load(tmp_path / "initial")[0].state_dict()
    for steps, same in ((20, True), (21, False)):  # one that is left of other settings is no start
        shutil.rmtree(tmp_path / "6")
        (tmp_path / "family.json").unlink()
        changed = dataclasses.replace(config, initial_steps=steps)
        family(dense, episodes, changed, run_dir=tmp_path)
        again = dynamics.load(tmp_path / "initial")[0].state_dict()
        assert all(torch.equal(kept[k], again[k]) for k in kept) == same


def test_members_on_branches_have_equal_budgets_behind_them(dense, episodes, tmp_path):
    """7 of 16 go in two stages (of at most 0.4 of what is there), 6 of 9 in three."""
    config = dataclasses.replace(QUICK, total_steps=(50, 100))
    found = family(dense, episodes, config, run_dir=tmp_path)
    assert [m.steps for m in found.members] == [50, 100 - 8 * 2]
    path = family(dense, episodes, dataclasses.replace(QUICK, branch=False))
    assert [m.steps for m in path.members] == [8 + 30, 2 * 8 + 30]


def test_nothing_is_written_without_a_folder(dense, episodes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = family(dense, episodes, dataclasses.replace(QUICK, counts=(12,)))
    assert (found.folder, found.members[0].path) == (None, None)
    assert list(tmp_path.iterdir()) == []
