"""Plan one decision from the start of an episode: cost, proven bound, and how they came about.

Prints one line a controller and writes plan.json (actions, states, traces) and plan.png (incumbent
and bound over time) into `<runs>/<name>/plans/episode-<k>`, or where --out says.

Example: sparsectl plan --config rope_small --only mip relaxation --seconds 2
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from sparsectl import control, dynamics, environment, seeding
from sparsectl.cli import locate, options, stages
from sparsectl.cli.options import Chosen, Parsed
from sparsectl.cli.tables import number, show
from sparsectl.config import to_dict
from sparsectl.errors import ConfigError
from sparsectl.evaluate.log import plain
from sparsectl.evaluate.player import Setting, further_digests, load_model
from sparsectl.evaluate.regret import Regret
from sparsectl.experiment import Experiment, check
from sparsectl.files import fresh_folder, write_atomic, write_json
from sparsectl.runs import held
from sparsectl.task.margins import nothing_left, told
from sparsectl.types import Plan


@dataclass(frozen=True, kw_only=True)
class PlanOptions(Chosen):
    """What `plan` takes besides the experiment."""

    checkpoint: Annotated[str | None, tyro.conf.arg(name="model")] = None
    """Model to plan with: a member such as `sparse/24`, a name of `evaluate.models`, or any
    checkpoint's folder; none: the run's own."""
    episode: int = 0
    """Episode whose start is planned from, numbered as in `compare`."""
    seconds: float | None = None
    """Time per decision [s]; None: each controller's own limits."""
    out: Path | None = None
    """Folder of the results; None: `plans/episode-<k>` in the run's folder, and with --model
    `plans/<model>/episode-<k>`."""


def main(argv: list[str]) -> int:
    """Parse, plan, print and write."""
    parsed = options.parse(argv, "plan", __doc__, own=PlanOptions)
    own = parsed.options
    options.chosen(parsed)
    if own.episode < 0:
        raise ConfigError(f"--episode is {own.episode}, expected at least 0")
    if own.seconds is not None and not 0 < own.seconds < float("inf"):
        raise ConfigError(f"--seconds is {own.seconds}, expected a number above 0")
    model = stages.asked_model(parsed)
    plans = parsed.folder / "plans" / re.sub(r"\W+", "-", own.checkpoint or "").strip("-")
    out = own.out or plans / f"episode-{own.episode}"
    controllers = _controllers(parsed, model)
    with held(out):
        fresh_folder(out, parsed.force)
        found, start = _plan(parsed, controllers)
        _print(found, _regret(parsed.experiment))
        _print_margins(controllers, start)
        _write(out, parsed, found, start)
    stages.say(f"plan: {out / 'plan.png'} and plan.json")
    return 0


def _controllers(parsed: Parsed, checkpoint: Path) -> dict[str, Any]:
    """The chosen controllers, with all models that they need."""
    from sparsectl.dynamics.lower import programs

    experiment, own = parsed.experiment, parsed.options
    task, device = check(experiment), experiment.evaluate.device
    setting = Setting(
        experiment.env.id, experiment.env.kwargs, experiment.task, experiment.horizon, None,
        own.seconds, experiment.seed, device, data=experiment.data,
    )  # fmt: skip
    model, content = load_model(setting, task, checkpoint)
    program = programs(model)
    entries = locate.controllers(options.chosen(parsed), parsed.folder)
    for name, entry in entries.items():
        further_digests(setting, task, name, entry)  # refuses models of other environments
    built = {}
    for name, entry in entries.items():
        horizon = control.check(name, entry, experiment.horizon)[1]
        drawn_in = dynamics.calibrate(
            task, model, checkpoint, content, horizon, setting.rollouts, experiment.evaluate.workers
        )
        built[name] = control.build(name, entry, drawn_in, model, program, horizon, device)
    return built


def _plan(parsed: Parsed, controllers: dict[str, Any]) -> tuple[dict[str, Plan], Any]:
    """Plan of every controller, and the observation that they plan from."""
    experiment, own = parsed.experiment, parsed.options
    with environment.make(experiment.env.id, experiment.env.kwargs) as env:
        observation, _ = env.reset(seed=seeding.EVALUATION_SEED + own.episode)
    memory = control.ControllerState(
        seed=seeding.integer(experiment.seed, "controller", own.episode)
    )
    plans = {}
    for name, controller in controllers.items():
        # What a first call loads and compiles is no part of a decision.
        controller.plan(observation, memory, deadline=time.perf_counter())
        follows = isinstance(controller, control.PolicyController)
        horizon = experiment.horizon if follows else controller.horizon
        stages.say(f"plan: {name}, horizon {horizon}")
        end = None if own.seconds is None else time.perf_counter() + own.seconds
        plans[name] = controller.plan(observation, memory, deadline=end)
        if follows and plans[name].status.has_plan:
            ahead = control.followed(controller, observation, horizon)
            plans[name] = replace(ahead, seconds=plans[name].seconds)
    return plans, observation


def _regret(experiment: Experiment) -> Regret:
    evaluate, weight = to_dict(experiment.evaluate), experiment.task.distance_weight
    return Regret.of({"evaluate": evaluate, "distance_weight": weight})


def _print(plans: dict[str, Plan], regret: Regret) -> None:
    left, right = ("<controller", "cost", "bound", "gap [%]"), ("violation", "time [s]")
    rows = []
    for name, plan in plans.items():
        cost = f"{plan.cost:.6g}" if plan.status.has_plan else "-"
        bound = "-" if plan.bound is None else f"{plan.bound:.6g}"
        gap = "-" if plan.gap is None else f"{100 * plan.gap:.3f}"
        violation = number(plan.info.get("violation"))
        status, source = str(plan.status), plan.source or "-"
        whose, seconds = plan.certificate or "-", f"{plan.seconds:.3f}"
        rows.append((name, cost, bound, gap, whose, status, source, violation, seconds))
    show((*left, "<by", "<status", "<source", *right), rows)
    for name, plan in plans.items():
        if plan.info.get("priced_violation"):
            paid = number(plan.info["priced_violation"])
            print(f"{name}: violates constraints at their price by {paid} in all")
        why = plan.info.get("softened") or plan.info.get("message")
        if why and (not plan.status.has_plan or "softened" in plan.info):
            print(f"{name}: {why} ({plan.status.advice})")
        told = [w for w in (plan.claim, regret.words(plan.cost, plan.bound)) if w]
        if told and plan.status.has_plan:
            print(f"{name}: {'; '.join(told)} (under the model, by {plan.certificate})")
        if "violated" in plan.info:
            most = "{constraint} at step {step} by {by:.3g}".format(**plan.info["violated"])
            only = ", of its margin only: the task's own constraints hold"
            kept = plan.info["violated"].get("margins_only", False)
            print(f"{name}: violates most the {most}{only if kept else ''}")


def _print_margins(controllers: dict[str, Any], start: Any) -> None:
    lines = {}
    for controller in controllers.values():
        task, horizon = controller.task, controller.horizon
        if task.margins is not None:
            drawn = task.problem(start, horizon)
            lines[horizon] = told(task.margins.by_name(drawn.own)) if drawn.own else "nothing"
            empty = nothing_left(drawn.constraints, horizon)
            lines[horizon] += f"; nothing is left within the {empty}" if empty else ""
    for horizon, line in lines.items():
        print(f"margins over {horizon} steps: {line}")


def _write(out: Path, parsed: Parsed, plans: dict[str, Plan], observation: Any) -> None:
    from sparsectl.evaluate import trace
    from sparsectl.report.figure import png

    experiment = parsed.experiment
    content = {
        "name": experiment.name,
        "env": to_dict(experiment.env),
        "episode": parsed.options.episode,
        "model": parsed.options.checkpoint,
        "observation": observation,
        "controllers": {n: to_dict(experiment.controllers[n]) for n in plans},
        "plans": {name: _facts(plan) for name, plan in plans.items()},
    }
    write_json(out / "plan.json", plain(content))
    kinds = {n: str(experiment.controllers[n].get("kind", n)) for n in plans}
    picture = png(trace.figure(plans, kinds), facecolor="white")
    write_atomic(out / "plan.png", picture)


def _facts(plan: Plan) -> dict[str, Any]:
    return {
        "status": str(plan.status), "cost": plan.cost, "bound": plan.bound, "gap": plan.gap,
        "certificate": plan.certificate, "claim": plan.claim, "regret": plan.regret,
        "seconds": plan.seconds, "source": plan.source, "fallback": plan.fallback,
        "actions": plan.actions, "states": plan.states, "trace": plan.trace,
        "info": dict(plan.info),
    }  # fmt: skip
