"""Picture of a finished comparison: two figures of its report, and the MIP's filmstrip below.

python -m scripts.closed_loop.picture --folder runs/demo/compare --out scripts/results/demo.png
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from scripts import study
from scripts.study import RESULTS, RUNS
from sparsectl.evaluate import plots, results
from sparsectl.files import write_atomic

WIDTH = 1600


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "demo.png"
    folder: Path = RUNS / "demo" / "compare"


def main(argv: list[str] | None = None) -> int:
    """Draw."""
    options = study.parse(Options, __doc__, argv)
    found = results.read(options.folder)
    figures = [plots.error_over_time(found), plots.error_against_time(found)]
    row = [_raster(f) for f in figures if f is not None]
    height = min(image.height for image in row)
    top = _stacked([ImageOps.contain(image, (10 * WIDTH, height)) for image in row], beside=True)
    strips = sorted((options.folder / "clips").glob("*/mip-0/filmstrip.webp"))
    images = [top, *(Image.open(path).convert("RGB") for path in strips[:1])]
    whole = _stacked([ImageOps.contain(i, (WIDTH, 10 * WIDTH)) for i in images], beside=False)
    content = io.BytesIO()
    whole.save(content, format="PNG", optimize=True)
    print(write_atomic(options.out, content.getvalue()))
    return 0


def _stacked(images: list[Image.Image], beside: bool) -> Image.Image:
    widths, heights = zip(*(image.size for image in images), strict=True)
    size = (sum(widths), max(heights)) if beside else (max(widths), sum(heights))
    whole, at = Image.new("RGB", size, "white"), 0
    for image in images:
        whole.paste(image, (at, 0) if beside else (0, at))
        at += image.width if beside else image.height
    return whole


def _raster(figure: object) -> Image.Image:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=200, facecolor="white", bbox_inches="tight")  # type: ignore[attr-defined]
    return Image.open(content).convert("RGB")


if __name__ == "__main__":
    sys.exit(main())
