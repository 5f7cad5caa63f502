"""A clip of each body, and the wiring of the circuit that moves it, from the results of the study.

python -m scripts.swim.clips
"""

from __future__ import annotations

import sys

import torch

from scripts.study import RESULTS
from scripts.swim.variants import VARIANTS, trained
from sparsectl.circuits.draw import drawing
from sparsectl.circuits.rollout.filming import film
from sparsectl.circuits.rollout.trials import Trial
from sparsectl.files import read_json_lines, write_atomic

BODIES = {
    "swim4": ("posture_cma", {"links": 4}),
    "swim6": ("posture_cma", {}),
    "swim14": ("posture_cma", {"links": 14}),
    "swimmer": ("swimmer_stretch_cma", {}),
}


def main() -> int:
    """Write them next to the results."""
    torch.set_num_threads(1)
    runs = {r["variant"]: r for r in reversed(read_json_lines(RESULTS / "swim.jsonl"))}
    for name, (variant, kwargs) in BODIES.items():
        circuit = trained(runs[variant])
        clip = film(circuit, VARIANTS[variant].env, Trial(name, kwargs))
        print(write_atomic(RESULTS / f"clip_{name}.webp", clip))
        if not kwargs:
            print(drawing.save(drawing.draw(circuit), RESULTS / f"wiring_{name}.png", force=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
