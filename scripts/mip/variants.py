"""Variants of the solver study: one change at a time against `default`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sparsectl.mip.backends.highs import HiGHSOptions
from sparsectl.mip.backends.scip import SCIPOptions

_SCIP: dict[str, Any] = {
    "display/verblevel": 0,
    "timing/clocktype": 2,
    "numerics/feastol": 1e-8,
    "numerics/dualfeastol": 1e-8,
    "separating/maxrounds": 0,
    "separating/maxroundsroot": 0,
    "misc/allowstrongdualreds": True,
    "randomization/randomseedshift": 0,
}
BASE: dict[str, dict[str, Any]] = {"scip": _SCIP, "highs": {}}
"""What `default` means for a backend, whatever the package's settings are by now."""


_BARE: dict[str, Any] = {"heuristics": "default", "cut_rounds": 0, "rollout_every": 0}
"""Nothing beyond SCIP itself."""


@dataclass(frozen=True)
class Variant:
    """One way to run a solver.

    Attributes:
        settings: changes of the base settings, by the solver's names.
        options: cuts and plugins.
        shipped: use the package's own settings and options instead.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    options: SCIPOptions | HiGHSOptions = field(default_factory=lambda: SCIPOptions(**_BARE))
    shipped: bool = False


def _one(name: str, value: Any) -> Variant:
    return Variant({name: value})


def _order(name: str) -> Variant:
    return Variant({f"nodeselection/{name}/stdpriority": 1_000_000})


def _rule(name: str) -> Variant:
    return Variant({f"branching/{name}/priority": 1_000_000})


SCIP: dict[str, Variant] = {
    "default": Variant(),
    "shipped": Variant(shipped=True),
    "heuristics off": Variant({"emphasis/heuristics": "off"}),
    "heuristics fast": Variant({"emphasis/heuristics": "fast"}),
    "presolve off": Variant({"presolving/maxrounds": 0}),
    "presolve fast": Variant({"emphasis/presolving": "fast"}),
    "no restarts": Variant({"presolving/maxrestarts": 0, "estimation/restarts/restartpolicy": "n"}),
    "no multi-aggregation": _one("presolving/donotmultaggr", True),
    "no symmetry": _one("misc/usesymmetry", 0),
    "no probing": _one("propagating/probing/maxprerounds", 0),
    "propagation 1 round": Variant({"propagating/maxrounds": 1}),
    "propagation 10 rounds": Variant(
        {"propagating/maxrounds": 10, "propagating/maxroundsroot": 50}
    ),
    "no conflicts": _one("conflict/enable", False),
    "conflicts by propagation only": Variant(
        {"conflict/useinflp": "o", "conflict/useboundlp": "o"}
    ),
    "conflicts by dual rays": Variant({"conflict/useinflp": "d", "conflict/useboundlp": "d"}),
    "best-first": _order("bfs"),
    "hybrid estimate": _order("hybridestim"),
    "restart depth-first": _order("restartdfs"),
    "depth-first": _order("dfs"),
    "pseudo-costs": _rule("pscost"),
    "full strong branching": _rule("fullstrong"),
    "look-ahead branching": _rule("lookahead"),
    "most infeasible": _rule("mostinf"),
    "inference branching": _rule("inference"),
    "reliable after 1": _one("branching/relpscost/maxreliable", 1.0),
    "reliable after 8": _one("branching/relpscost/maxreliable", 8.0),
    "strong branching by budget": Variant(
        {"branching/relpscost/sbiterofs": 1000, "branching/relpscost/sbiterquot": 0.1}
    ),
    "strong branching 4 candidates ahead": _one("branching/relpscost/maxlookahead", 4),
    "strong branching 10 iterations": _one("branching/relpscost/inititer", 10),
    "pricing devex": _one("lp/pricing", "d"),
    "pricing steepest": _one("lp/pricing", "s"),
    "pricing quick steepest": _one("lp/pricing", "q"),
    "no LP presolve": _one("lp/presolving", False),
    "LP scaling 0": _one("lp/scaling", 0),
    "LP ages 30": Variant({"lp/colagelimit": -1, "lp/rowagelimit": -1}),
    "LP solve limit": _one("lp/resolveiterfac", 0.5),
    "loose tolerances": Variant({"numerics/feastol": 1e-7, "numerics/dualfeastol": 1e-7}),
    "child by inference": _one("nodeselection/childsel", "i"),
    "child down": _one("nodeselection/childsel", "d"),
    "child up": _one("nodeselection/childsel", "u"),
    "child by LP value": _one("nodeselection/childsel", "v"),
    "cuts: 3 root rounds": _one("separating/maxroundsroot", 3),
    "random seed 1": _one("randomization/randomseedshift", 1),
    "random seed 2": _one("randomization/randomseedshift", 2),
}
"""Changes of SCIP's settings. Two random seeds show what a ratio means."""

_FAST = {"emphasis/heuristics": "fast"}
_DUAL_RAYS = {"conflict/useinflp": "d", "conflict/useboundlp": "d"}


def _cuts(settings: Mapping[str, Any], rounds: int = 10) -> Variant:
    return Variant(settings, SCIPOptions(**{**_BARE, "cut_rounds": rounds}))


SCIP |= {
    "heuristics fast + cuts": _cuts(_FAST),
    "heuristics fast + 2 rounds of cuts": _cuts(_FAST, 2),
    "heuristics off + cuts": _cuts({"emphasis/heuristics": "off"}),
    "heuristics fast + rollout every 10": Variant(
        _FAST, SCIPOptions(**{**_BARE, "rollout_every": 10})
    ),
    "heuristics fast + cuts + presolve fast": _cuts({**_FAST, "emphasis/presolving": "fast"}),
    "heuristics fast + cuts + conflicts by dual rays": _cuts({**_FAST, **_DUAL_RAYS}),
}
"""Cuts, and what was tried together; to be read against `heuristics fast`."""

_LEAN = {
    "mip_heuristic_run_rins": False,
    "mip_heuristic_run_rens": False,
    "mip_heuristic_run_feasibility_jump": False,
}
_NO_CUTS = HiGHSOptions(tuned=False)
HIGHS: dict[str, Variant] = {
    "default": Variant(),
    "cuts": Variant(options=HiGHSOptions(tuned=False, cut_rounds=10)),
    "shipped": Variant(shipped=True),
    "heuristic effort 0": _one("mip_heuristic_effort", 0.0),
    "heuristic effort 0.2": _one("mip_heuristic_effort", 0.2),
    "no symmetry": _one("mip_detect_symmetry", False),
    "presolve off": _one("presolve", "off"),
    "no jump": _one("mip_heuristic_run_feasibility_jump", False),
    "no RINS, no RENS": Variant({"mip_heuristic_run_rins": False, "mip_heuristic_run_rens": False}),
    "reliable after 1": _one("mip_pscost_minreliable", 1),
    "no RINS, RENS, jump": Variant(_LEAN),
    "no RINS, RENS, jump + presolve off": Variant({**_LEAN, "presolve": "off"}),
    "no RINS, RENS, jump + cuts": Variant(_LEAN, HiGHSOptions(tuned=False, cut_rounds=10)),
    "no RINS, RENS, jump + presolve off + cuts": Variant(
        {**_LEAN, "presolve": "off"}, HiGHSOptions(tuned=False, cut_rounds=10)
    ),
    "reliable after 4": _one("mip_pscost_minreliable", 4),
    "reliable after 16": _one("mip_pscost_minreliable", 16),
    "pool age 5": _one("mip_pool_age_limit", 5),
    "pool of 100 cuts": Variant({"mip_pool_soft_limit": 100, "mip_pool_age_limit": 5}),
    "LP age 3": _one("mip_lp_age_limit", 3),
    "LP scaling off": _one("simplex_scale_strategy", 0),
    "dual devex": _one("simplex_dual_edge_weight_strategy", 1),
    "random seed 1": _one("random_seed", 1),
    "random seed 2": _one("random_seed", 2),
}
"""Changes of HiGHS' options."""
HIGHS = {
    name: replace(v, options=_NO_CUTS) if isinstance(v.options, SCIPOptions) else v
    for name, v in HIGHS.items()
}
ALL: dict[str, dict[str, Variant]] = {"scip": SCIP, "highs": HIGHS}
"""Variants by backend and name."""
