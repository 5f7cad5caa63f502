"""Picture and clip of a finished comparison: errors of all planners, and one episode side by side.

python -m scripts.closed_loop.picture --folder runs/demo/compare --out scripts/results/demo.png

The clip goes beside the picture (`demo.webp`). Unless `--episode` names one, the episode is that
with the median difference between the reference and the best of the others, of those that have
clips.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from scripts import study
from scripts.study import RESULTS, RUNS
from sparsectl.evaluate import results
from sparsectl.evaluate.results import Results
from sparsectl.evaluate.summary import summarise
from sparsectl.evaluate.verdict import compared_by
from sparsectl.files import write_atomic
from sparsectl.report.figure import canvas

WIDTH, CAPTION = 1600, 40
Player = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "demo.png"
    folder: Path = RUNS / "demo" / "compare"
    episode: int | None = None
    """Of the frames and the clip."""


def main(argv: list[str] | None = None) -> int:
    """Draw."""
    options = study.parse(Options, __doc__, argv)
    found = results.read(options.folder)
    episode = _median(found, options.folder) if options.episode is None else options.episode
    frames = {p: _frames(options.folder, p, episode) for p in _players(found)}
    frames = {p: images for p, images in frames.items() if images}
    if not frames:
        print(f"no clips of episode {episode} in {options.folder}", file=sys.stderr)
        return 1
    captions = {p: _caption(found, p, episode) for p in frames}
    last = [
        _captioned(images[-1], captions[p], WIDTH // len(frames)) for p, images in frames.items()
    ]
    whole = _below([_returns(found), _beside(last)])
    content = io.BytesIO()
    whole.save(content, format="PNG", optimize=True)
    print(write_atomic(options.out, content.getvalue()))
    print(write_atomic(options.out.with_suffix(".webp"), _clip(frames, captions)))
    return 0


def _lines(found: Results) -> list[dict]:
    """The table's lines, the reference first."""
    reference = found.settings["reference"]
    return sorted(summarise(found), key=lambda line: line["controller"] != reference)


def _players(found: Results) -> list[Player]:
    return [(line["model"], line["controller"]) for line in _lines(found)]


def _frames(folder: Path, player: Player, episode: int) -> list[Image.Image]:
    path = folder / "clips" / player[0] / f"{player[1]}-{episode}" / "clip.webp"
    if not path.is_file():
        return []
    images, clip = [], Image.open(path)
    for k in range(getattr(clip, "n_frames", 1)):
        clip.seek(k)
        images.append(clip.convert("RGB"))
    return images


def _median(found: Results, folder: Path) -> int:
    """The episode whose difference between the reference and the best other is the median."""
    episodes = range(found.settings["episodes"])
    players = _players(found)
    with_clips = [e for e in episodes if all(_frames(folder, p, e) for p in players)]
    name, _, factor = _measure(found)
    costs = {p: {r["episode"]: factor * r[name] for r in found.of(*p)} for p in players}
    ours = [p for p in players if p[1] == found.settings["reference"]]
    others = [p for p in players if p not in ours]

    def difference(e: int) -> float:
        return min(costs[p][e] for p in ours) - min(costs[p][e] for p in others)

    ranked = sorted(with_clips, key=difference)
    return ranked[len(ranked) // 2] if ranked else 0


def _name(found: Results, player: Player) -> str:
    many = len({model for model, _ in _players(found)}) > 1
    return f"{player[1]} ({player[0]})" if many else player[1]


def _measure(found: Results) -> tuple[str, str, float]:
    """What episodes are compared by, smaller being better: column, label, factor."""
    evaluate = found.settings["evaluate"]
    if compared_by(found) == "return":
        return "return", "cost of an episode", -1.0
    return "final_error", evaluate["error_label"], float(evaluate["error_scale"])


def _caption(found: Results, player: Player, episode: int) -> str:
    name, label, factor = _measure(found)
    row = next(r for r in found.of(*player) if r["episode"] == episode)
    return f"{_name(found, player)}: {label} {factor * row[name]:.3g}, {row['steps']} steps"


def _returns(found: Results) -> Image.Image:
    """All episodes: one dot each, interquartile mean and its interval."""
    players, lines = _players(found), _lines(found)
    name, label, factor = _measure(found)
    # The table's lines are in the table's unit already.
    sign = -1.0 if name == "return" else 1.0
    with canvas(11, 0.55 * len(players) + 0.9) as figure:
        axes = figure.add_subplot(1, 1, 1)
        for k, (player, line) in enumerate(zip(players, lines, strict=True)):
            costs = factor * np.array([r[name] for r in found.of(*player)])
            color = "C1" if player[1] == found.settings["reference"] else "C0"
            axes.plot(costs, np.full(len(costs), k), "o", color=color, alpha=0.25, markersize=5)
            middle, *ends = (sign * line[f"{name}{end}"] for end in ("", "_low", "_high"))
            wide = [[max(middle - min(ends), 0)], [max(max(ends) - middle, 0)]]
            axes.errorbar(middle, k, xerr=wide, fmt="D", color=color, capsize=4, linewidth=2)
        names = [f"{_name(found, p)}\n{_success(s)}" for p, s in zip(players, lines, strict=True)]
        axes.set_yticks(range(len(players)), names)
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        axes.set_xlabel(f"{label}: every episode, interquartile mean and 95 % interval")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=200, facecolor="white", bbox_inches="tight")
    image = Image.open(content).convert("RGB")
    return ImageOps.contain(image, (WIDTH, 10 * WIDTH))


def _success(line: dict) -> str:
    if line["successes"] is None:
        return ""
    return f"{line['successes']} of {line['episodes']} reach the goal"


def _captioned(image: Image.Image, caption: str, width: int) -> Image.Image:
    image = ImageOps.contain(image, (width, 10 * width), Image.Resampling.LANCZOS)
    whole = Image.new("RGB", (width, image.height + CAPTION), "white")
    whole.paste(image, ((width - image.width) // 2, CAPTION))
    font = ImageFont.load_default(size=min(CAPTION // 2, 1.7 * width / len(caption)))
    ImageDraw.Draw(whole).text((width // 2, CAPTION // 2), caption, "black", font, anchor="mm")
    return whole


def _beside(images: list[Image.Image]) -> Image.Image:
    whole = Image.new("RGB", (sum(i.width for i in images), max(i.height for i in images)), "white")
    left = 0
    for image in images:
        whole.paste(image, (left, 0))
        left += image.width
    return whole


def _below(images: list[Image.Image]) -> Image.Image:
    whole = Image.new("RGB", (max(i.width for i in images), sum(i.height for i in images)), "white")
    top = 0
    for image in images:
        whole.paste(image, ((whole.width - image.width) // 2, top))
        top += image.height
    return whole


def _clip(frames: dict[Player, list[Image.Image]], captions: dict[Player, str]) -> bytes:
    """All players at once; those that are done wait."""
    length = max(len(images) for images in frames.values())
    made = [
        _beside(
            [
                _captioned(images[min(k, len(images) - 1)], captions[p], 400)
                for p, images in frames.items()
            ]
        )
        for k in range(length)
    ]
    content = io.BytesIO()
    made[0].save(
        content, format="WEBP", save_all=True, append_images=[*made[1:], *made[-1:] * 10],
        duration=120, loop=0, quality=60, method=4,
    )  # fmt: skip
    return content.getvalue()


if __name__ == "__main__":
    sys.exit(main())
