"""Variants of the solver study: one change at a time against `default`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparsectl.mip.backends.highs import HiGHSOptions
from sparsectl.mip.backends.scip import SCIPOptions

Settings = Mapping[str, Any]
"""Changes of the base settings by the solver's names, and of what our backend does beyond it."""
CUTS, ROLLOUTS = "cut_rounds", "rollout_every"
BASE: dict[str, dict[str, Any]] = {
    "scip": {
        "display/verblevel": 0,
        "timing/clocktype": 2,
        "numerics/feastol": 1e-8,
        "numerics/dualfeastol": 1e-8,
        "separating/maxrounds": 0,
        "separating/maxroundsroot": 0,
        "misc/allowstrongdualreds": True,
        "randomization/randomseedshift": 0,
    },
    "highs": {},
}
"""What `default` means for a backend, whatever the package's settings are by now."""
FIRST = 1_000_000
_FAST = {"emphasis/heuristics": "fast"}
_DUAL_RAYS = {"conflict/useinflp": "d", "conflict/useboundlp": "d"}

SCIP: dict[str, Settings | None] = {
    "default": {},
    "shipped": None,
    "heuristics off": {"emphasis/heuristics": "off"},
    "heuristics fast": _FAST,
    "presolve off": {"presolving/maxrounds": 0},
    "presolve fast": {"emphasis/presolving": "fast"},
    "no restarts": {"presolving/maxrestarts": 0, "estimation/restarts/restartpolicy": "n"},
    "no multi-aggregation": {"presolving/donotmultaggr": True},
    "no symmetry": {"misc/usesymmetry": 0},
    "no probing": {"propagating/probing/maxprerounds": 0},
    "propagation 1 round": {"propagating/maxrounds": 1},
    "propagation 10 rounds": {"propagating/maxrounds": 10, "propagating/maxroundsroot": 50},
    "no conflicts": {"conflict/enable": False},
    "conflicts by propagation only": {"conflict/useinflp": "o", "conflict/useboundlp": "o"},
    "conflicts by dual rays": _DUAL_RAYS,
    "best-first": {"nodeselection/bfs/stdpriority": FIRST},
    "hybrid estimate": {"nodeselection/hybridestim/stdpriority": FIRST},
    "restart depth-first": {"nodeselection/restartdfs/stdpriority": FIRST},
    "depth-first": {"nodeselection/dfs/stdpriority": FIRST},
    "pseudo-costs": {"branching/pscost/priority": FIRST},
    "full strong branching": {"branching/fullstrong/priority": FIRST},
    "look-ahead branching": {"branching/lookahead/priority": FIRST},
    "most infeasible": {"branching/mostinf/priority": FIRST},
    "inference branching": {"branching/inference/priority": FIRST},
    "reliable after 1": {"branching/relpscost/maxreliable": 1.0},
    "reliable after 8": {"branching/relpscost/maxreliable": 8.0},
    "strong branching by budget": {
        "branching/relpscost/sbiterofs": 1000,
        "branching/relpscost/sbiterquot": 0.1,
    },
    "strong branching 4 candidates ahead": {"branching/relpscost/maxlookahead": 4},
    "strong branching 10 iterations": {"branching/relpscost/inititer": 10},
    "pricing devex": {"lp/pricing": "d"},
    "pricing steepest": {"lp/pricing": "s"},
    "pricing quick steepest": {"lp/pricing": "q"},
    "no LP presolve": {"lp/presolving": False},
    "LP scaling 0": {"lp/scaling": 0},
    "LP ages 30": {"lp/colagelimit": -1, "lp/rowagelimit": -1},
    "LP solve limit": {"lp/resolveiterfac": 0.5},
    "loose tolerances": {"numerics/feastol": 1e-7, "numerics/dualfeastol": 1e-7},
    "child by inference": {"nodeselection/childsel": "i"},
    "child down": {"nodeselection/childsel": "d"},
    "child up": {"nodeselection/childsel": "u"},
    "child by LP value": {"nodeselection/childsel": "v"},
    "cuts: 3 root rounds": {"separating/maxroundsroot": 3},
    "random seed 1": {"randomization/randomseedshift": 1},
    "random seed 2": {"randomization/randomseedshift": 2},
    "heuristics fast + cuts": {**_FAST, CUTS: 10},
    "heuristics fast + 2 rounds of cuts": {**_FAST, CUTS: 2},
    "heuristics off + cuts": {"emphasis/heuristics": "off", CUTS: 10},
    "heuristics fast + rollout every 10": {**_FAST, ROLLOUTS: 10},
    "heuristics fast + cuts + presolve fast": {**_FAST, "emphasis/presolving": "fast", CUTS: 10},
    "heuristics fast + cuts + conflicts by dual rays": {**_FAST, **_DUAL_RAYS, CUTS: 10},
}
"""None: the package's own. Two random seeds show what a ratio means; what has cuts or rollouts is
to be read against `heuristics fast`."""
_LEAN = {
    "mip_heuristic_run_rins": False,
    "mip_heuristic_run_rens": False,
    "mip_heuristic_run_feasibility_jump": False,
}
HIGHS: dict[str, Settings | None] = {
    "default": {},
    "shipped": None,
    "heuristic effort 0": {"mip_heuristic_effort": 0.0},
    "heuristic effort 0.2": {"mip_heuristic_effort": 0.2},
    "no symmetry": {"mip_detect_symmetry": False},
    "presolve off": {"presolve": "off"},
    "no jump": {"mip_heuristic_run_feasibility_jump": False},
    "no RINS, no RENS": {"mip_heuristic_run_rins": False, "mip_heuristic_run_rens": False},
    "reliable after 1": {"mip_pscost_minreliable": 1},
    "no RINS, RENS, jump": _LEAN,
    "no RINS, RENS, jump + presolve off": {**_LEAN, "presolve": "off"},
    "reliable after 4": {"mip_pscost_minreliable": 4},
    "reliable after 16": {"mip_pscost_minreliable": 16},
    "pool age 5": {"mip_pool_age_limit": 5},
    "pool of 100 cuts": {"mip_pool_soft_limit": 100, "mip_pool_age_limit": 5},
    "LP age 3": {"mip_lp_age_limit": 3},
    "LP scaling off": {"simplex_scale_strategy": 0},
    "dual devex": {"simplex_dual_edge_weight_strategy": 1},
    "random seed 1": {"random_seed": 1},
    "random seed 2": {"random_seed": 2},
}
ALL: dict[str, dict[str, Settings | None]] = {"scip": SCIP, "highs": HIGHS}
"""Variants by backend and name."""


def split(backend: str, changes: Settings) -> tuple[dict[str, Any], SCIPOptions | HiGHSOptions]:
    """The solver's settings, and the options of our backend."""
    own = {k: changes.get(k, 0) for k in (CUTS, ROLLOUTS)}
    settings = BASE[backend] | {k: v for k, v in changes.items() if k not in own}
    if backend == "highs":
        return settings, HiGHSOptions(tuned=False)
    return settings, SCIPOptions(heuristics="default", **own)
