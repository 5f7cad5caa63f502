"""What `verify` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparsectl.verify.result import Result


def show_all(result: Result) -> None:
    """Print what was found, and how worst starts fared in the environment."""
    from sparsectl.cli.tables import number, show
    from sparsectl.verify.bounds import TOLERANCE

    if result.map is not None:
        shares = ", ".join(f"{k} {100 * v:.1f} %" for k, v in result.map.shares.items())
        print(f"volume of starts: {shares} ({result.map.boxes} boxes)")
    rows = []
    for what in ("cost", "violation", "regret"):
        worst = getattr(result, what)
        if worst is None:
            continue
        told = f"{worst.bound:.6g}" if worst.bound < float("inf") else "-"
        none = worst.value < 1e-9 and worst.bound <= TOLERANCE  # a gap of what is tolerated
        gap = "-" if worst.gap is None or none else f"{100 * worst.gap:.2f}"
        start = ", ".join(f"{x:.4g}" for x in worst.start)
        check: Any = next((c for c in result.checks if c["what"] == what), {})
        seen = check.get("environment")
        real = "-" if seen is None else _told(what, seen)
        rows.append((what, f"{worst.value:.6g}", told, gap, start, real))
    left = ("<worst", "at least", "at most", "gap [%]", "<start", "<in the environment")
    show(left, rows)
    for kind in ("safe", "violates"):
        those = [c for c in result.checks if c["what"] == kind and c.get("environment")]
        if those:
            alike = sum(
                (c["environment"]["violated"] is not None or c["environment"]["ended"])
                == (kind == "violates")
                for c in those
            )
            words = "keep all constraints" if kind == "safe" else "violate one"
            print(f"of {len(those)} starts proved '{kind}', {alike} {words} in the environment")
    for note in result.notes:
        print(note)
    seconds = f"{number(result.seconds)} s, {number(result.cpu_seconds)} s of processor time"
    print(f"{result.verdict}: {result.verdict.advice} ({seconds})")


def _told(what: str, seen: dict[str, Any]) -> str:
    off = seen["start_off_by"]
    away = f" (from {off:.2g} away)" if off > 1e-6 else ""
    if what == "violation":
        broken = seen["violated"]
        if broken is None:
            return ("ends early" if seen["ended"] else "none") + away
        return f"{broken['constraint']} by {broken['by']:.3g} at step {broken['step']}{away}"
    ends = f" until the episode ends at step {seen['steps']}" if seen["ended"] else ""
    return f"cost {seen['cost']:.6g}{ends}{away}"
