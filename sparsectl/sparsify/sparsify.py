"""A dense model in, a family of models with fewer and fewer ReLUs out."""

from __future__ import annotations

import copy
import dataclasses
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sparsectl import checkpoint, dynamics, runs, seeding
from sparsectl.bar import Bar
from sparsectl.data import Episodes, split
from sparsectl.dynamics import TrainConfig, Trajectories
from sparsectl.dynamics.fit import Batches, trajectories
from sparsectl.dynamics.kinds import IDENTITY, RELU, count_relus
from sparsectl.dynamics.loss import validation_error
from sparsectl.dynamics.models import Network
from sparsectl.dynamics.normalise import fit_normalizer
from sparsectl.errors import ConfigError, TrainingDiverged
from sparsectl.sparsify import family as files
from sparsectl.sparsify.channels import with_channels
from sparsectl.sparsify.config import LAYERS, SparsifyConfig
from sparsectl.sparsify.family import DIVERGED, DONE, RETRIED, UNCHANGED, Family, Member
from sparsectl.sparsify.losses import Objective
from sparsectl.sparsify.resume import INITIAL, TRUNK, found_members, made_with
from sparsectl.sparsify.rounds import (
    Trainer,
    choose,
    drop_weights,
    finetune,
    finetune_steps,
    steps_of,
)
from sparsectl.task import StateMap

Measure = Callable[[Network], Mapping[str, Any]]


def sparsify(
    model: dynamics.Model,
    episodes: Episodes,
    state_map: StateMap,
    config: SparsifyConfig,
    train: TrainConfig,
    *,
    run_dir: str | Path | None = None,
    test: Episodes | None = None,
    measure: Measure | None = None,
    meta: Mapping[str, Any] | None = None,
    repeats: Sequence[int] | None = None,
    force: bool = False,
    progress: bool | None = None,
) -> Family:
    """Walk down a list of ReLU counts; every round starts from the weights of the one before.

    A run that was killed goes on after its last whole round and gives the models of one that was
    not. The given model is left as it is.

    Args:
        model: trained model with ReLUs; with `config.hidden`, its structure and the teacher only.
        episodes: data, split for validation as `train` says.
        train: batches, loss, schedule and clipping; its number of steps and rate do not count.
        run_dir: folder of the family: `<count>/` per member, family.csv and family.json; None:
            nothing is written, and only the table is returned.
        test: episodes of the reported errors; None: those of validation.
        measure: further facts of a member's model, for example its modes.
        meta: provenance for the checkpoints.
        repeats: see `dynamics.fit.trajectories`.
        force: drop a family of another configuration instead of refusing.
        progress: show a bar on stderr; None: when stderr is a terminal.

    Raises:
        ConfigError: an ensemble, or a folder with a family of another configuration.
        DataError: too few episodes.
    """
    if isinstance(model, dynamics.EnsembleDynamics):
        raise ConfigError("an ensemble cannot be sparsified: train one with `members: 1`")
    if config.hidden is None:
        hidden = LAYERS if isinstance(model, dynamics.MLPDynamics) else ()
        config = dataclasses.replace(config, hidden=hidden)
    if config.hidden and not isinstance(model, dynamics.MLPDynamics):
        raise ConfigError("sparsify hidden: only for MLP models; leave it empty for a graph model")
    if config.relaxation_penalty and not isinstance(model, dynamics.MLPDynamics):
        raise ConfigError("sparsify relaxation_penalty: only for MLP models; use mode_penalty")
    data = trajectories(episodes, state_map, train, repeats)
    test = test or split(episodes, train.validation_fraction, train.seed)[1]
    made = made_with(model, config, train, data[0])
    with runs.held(run_dir):
        members = [] if run_dir is None else found_members(Path(run_dir), made, force)
        walk = _Walk(model, data, config, train, run_dir, made, members)
        walk.report = lambda m: _report(m, walk, test, state_map, measure)
        walk.meta = dict(meta or {})
        total = sum(steps_of(config, b, a) for b, a in walk.plan())
        with Bar(shown=progress, total=total, desc="sparsify") as bar:
            walk.go(bar)
    return Family(None if run_dir is None else Path(run_dir), tuple(walk.members))


class _Walk:
    """One call of `sparsify`."""

    report: Callable[[Any], dict[str, Any]]
    meta: dict[str, Any]

    def __init__(
        self,
        model: Network,
        data: tuple[Trajectories, ...],
        config: SparsifyConfig,
        train: TrainConfig,
        run_dir: str | Path | None,
        made_with: dict[str, Any],
        members: list[Member],
    ) -> None:
        self.given, self.data, self.config, self.train = model, data, config, train
        self.folder = None if run_dir is None else Path(run_dir)
        self.made_with, self.members, self.steps = made_with, members, 0
        self.behind = 0
        """Gradient steps behind the model that the next round starts from."""
        augmented = getattr(model, "augmented", lambda d: d)(data[0])
        self.batches = Batches.of((augmented, data[1]), train, model)
        teacher = copy.deepcopy(model).eval().requires_grad_(False) if config.teacher else None
        self.objective = Objective(
            train.loss, teacher, config.teacher, config.teacher_noise, config.mode_penalty
        )

    def plan(self) -> list[tuple[int, int]]:
        """(ReLUs before, target) of the rounds to come; the first may be the new network."""
        counts = self.config.counts[len(self.members) :]
        if self.members:
            present = self.members[-1].relus
        else:
            present = sum(self.config.hidden or ()) or count_relus(self.given)
        found = []
        for target in counts:
            if target < present:
                found.append((present, target))
                present = target
        return found

    def go(self, bar: Bar) -> None:
        """All rounds that are not done yet."""
        left = self.config.counts[len(self.members) :]
        trunk = (self._last() or self._start(bar)) if left else None
        for target in left:
            bar.set_description(f"sparsify to {target} ReLUs")
            started = time.process_time()
            before = self.steps
            trunk, model, fields = self._round(trunk, target, bar)
            if fields["status"] != DIVERGED:
                fields |= self.report(model)
                if self.folder is not None:
                    own = self.config
                    kept = {"modes": own.mode_penalty, "relaxation": own.relaxation_penalty}
                    facts = {"target": target, "penalties": kept, **fields}
                    meta = {**self.meta, "sparsify": facts}
                    dynamics.save(model, self.folder / str(target), meta)
                    fields["path"] = str(target)
            seconds = round(time.process_time() - started, 1)
            member = Member(target, **fields, steps=self.steps - before, cpu_seconds=seconds)
            self._keep(trunk, member)

    def _keep(self, trunk: Any, member: Member) -> None:
        """Write a member down; from here on the next round can begin without this one."""
        old = [TRUNK.format(target=m.target) for m in self.members]
        self.members.append(member)
        if self.folder is None:
            return
        last = len(self.members) == len(self.config.counts)
        if self.config.branch and not last:
            facts = {"behind": self.behind}
            dynamics.save(trunk, self.folder / TRUNK.format(target=member.target), facts)
        files.write(self.folder, self.made_with, self.members)
        for name in old:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _last(self) -> Any:
        """The model that the next round starts from, if a round was done."""
        if self.folder is None or not self.members:
            return None
        if self.config.branch:
            name = TRUNK.format(target=self.members[-1].target)
            model, meta = dynamics.load(self.folder / name)
            self.behind = int(meta["behind"])
            return model
        for member in reversed(self.members):
            if member.path is not None:
                return dynamics.load(self.folder / member.path)[0]
        return None

    def _start(self, bar: Bar) -> Any:
        """The given model, or the trained network of `config.hidden`."""
        if not self.config.hidden:
            return self._prepared(copy.deepcopy(self.given).to("cpu").eval().requires_grad_(False))
        where = None if self.folder is None else self.folder / INITIAL
        self.behind = self.config.initial_steps
        if where is not None and checkpoint.exists(where):
            found, meta = dynamics.load(where)
            if not runs.changes(meta.get("made_with"), self.made_with):
                return found
        bar.set_description("sparsify: initial network")
        given: Any = self.given
        steps = self.config.initial_steps
        hidden = dataclasses.replace(given.config, hidden=self.config.hidden)
        seed = seeding.integer(self.config.seed, "sparsify initial")
        model: Any = dynamics.build(hidden, given.names, given.nx, given.nu, seed=seed)
        fit_normalizer(model, self.data[0])
        model = self._prepared(model)
        bar.reset(total=(bar.total or 0) + steps)
        error = finetune(model, self._trainer(bar), self.config.learning_rate, steps, INITIAL)
        if where is not None:
            facts = {"metrics": {"validation": error}, "made_with": self.made_with}
            dynamics.save(model, where, {**self.meta, **facts})
        return model

    def _prepared(self, model: Any) -> Any:
        """The model with identity channels, where they are asked for and known."""
        wanted = self.config.lanes and isinstance(model, dynamics.MLPDynamics)
        return with_channels(model) if wanted else model

    def _trainer(self, bar: Bar) -> Trainer:
        def tick(_: str) -> None:
            self.steps += 1
            bar.update()

        return Trainer(self.batches, self.train, self.config, self.objective, tick)

    def _round(self, before: Any, target: int, bar: Bar) -> tuple[Any, Any, dict[str, Any]]:
        """What the next round starts from, the member, and its status.

        The model before is given back if all attempts diverged, or if there is nothing to remove.
        """
        config, rate = self.config, self.config.learning_rate
        present = count_relus(before)
        if target >= present:
            error = validation_error(before, self.batches.held)
            return before, before, {"status": UNCHANGED, "validation": error}
        for attempt in range(config.retries + 1):
            model = copy.deepcopy(before)
            purpose = f"{target} ReLUs" + (f", attempt {attempt + 1}" if attempt else "")
            try:
                trainer, started = self._trainer(bar), self.steps
                choose(model, target, trainer, rate, purpose)
                trainer = trainer.bounded()
                behind = self.behind + self.steps - started
                trunk = copy.deepcopy(model) if config.branch else model
                steps = finetune_steps(config, target, behind)
                error = finetune(model, trainer, rate, steps, purpose)
                if config.weight_sparsity:
                    clear = drop_weights(model, config.weight_sparsity)
                    error = finetune(
                        model, trainer, rate, steps, f"{purpose}, fewer weights", clear
                    )
            except TrainingDiverged:
                rate /= 3
                continue
            status = RETRIED if attempt else DONE
            self.behind = behind if config.branch else behind + steps
            return trunk, model, {"status": status, "validation": error, "learning_rate": rate}
        return before, before, {"status": DIVERGED, "relus": present, "learning_rate": rate * 3}


def _report(
    model: Any, walk: _Walk, test: Episodes, state_map: StateMap, measure: Measure | None
) -> dict[str, Any]:
    """Counts, errors and further facts of a model."""
    errors = dynamics.evaluate_model(model, test, state_map)
    return {
        "relus": count_relus(model),
        "by_layer": [int((kind == RELU).sum()) for kind in model.kinds],
        "identities": sum(int((kind == IDENTITY).sum()) for kind in model.kinds),
        "errors": errors.to_dict(),
        "facts": dict(measure(model)) if measure else {},
    }
