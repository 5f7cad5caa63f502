"""Numbers as people read them; a missing one is a dash."""

from __future__ import annotations

DASH = "–"


def number(value: float | None, digits: int = 3) -> str:
    """`digits` significant digits, without an exponent where that stays readable."""
    if value is None:
        return DASH
    if value == 0:
        return "0"
    size = abs(value)
    if 1e-3 <= size < 1e5:
        text = f"{value:#.{digits}g}".rstrip(".")
        return f"{float(text):,.0f}" if size >= 10**digits or "e" in text else text
    return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")


def percent(value: float | None) -> str:
    """`63 %`; shares near 0 and 1 keep digits."""
    if value is None:
        return DASH
    share = 100 * value
    near = min(abs(share), abs(100 - share))
    digits = 0 if near >= 1 or near == 0 else 1 if near > 0.09 else 2
    return f"{share:.{digits}f} %"


def milliseconds(seconds: float | None) -> str:
    """`152` for 0.152 s; below 10 ms with a digit."""
    if seconds is None:
        return DASH
    value = 1000 * seconds
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def reasons(counts: dict[str, int]) -> str:
    """`deadline 3, infeasible 1`, most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count}" for name, count in ordered)
