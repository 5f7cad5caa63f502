"""Picture of a finished comparison: error over time, decision times, one filmstrip.

python -m scripts.closed_loop.picture runs/demo/compare scripts/results/demo.png
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from sparsectl.evaluate import plots, results
from sparsectl.files import write_atomic

WIDTH = 1600


def picture(folder: Path) -> Image.Image:
    """Two figures of the report side by side, the MIP's filmstrip below."""
    found = results.read(folder)
    figures = [plots.error_over_time(found), plots.error_against_time(found)]
    row = [_raster(f) for f in figures if f is not None]
    height = min(image.height for image in row)
    parts = [_scaled(image, round(image.width * height / image.height)) for image in row]
    top = Image.new("RGB", (sum(p.width for p in parts), height), "white")
    left = 0
    for part in parts:
        top.paste(part, (left, 0))
        left += part.width
    images = [_scaled(top, WIDTH)]
    strips = sorted((folder / "clips").glob("*/mip-0/filmstrip.webp"))
    if strips:
        images.append(_scaled(Image.open(strips[0]).convert("RGB"), WIDTH))
    whole = Image.new("RGB", (WIDTH, sum(i.height for i in images)), "white")
    y = 0
    for image in images:
        whole.paste(image, (0, y))
        y += image.height
    return whole


def _raster(figure: plt.Figure) -> Image.Image:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=200, facecolor="white", bbox_inches="tight")
    buffer.seek(0)
    return Image.open(buffer).convert("RGB")


def _scaled(image: Image.Image, width: int) -> Image.Image:
    return image.resize(
        (width, round(image.height * width / image.width)), Image.Resampling.LANCZOS
    )


def main() -> None:
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    image = picture(source)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(target, buffer.getvalue())
    print(f"wrote {target} ({np.round(len(buffer.getvalue()) / 1024)} KiB)")


if __name__ == "__main__":
    main()
