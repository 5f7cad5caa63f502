"""Animated clips and filmstrips of recorded frames."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from sparsectl import environment, parallel, rendering

_refusals: dict[str, str | None] = {}


def refusal(env_id: str, env_kwargs: Mapping[str, Any] | None = None) -> str | None:
    """Why pictures of an environment cannot be made here, or None; asked once.

    It is tried twice in a process of its own: OpenGL without a screen may abort its process, and
    MuJoCo's renderer does so the second time.
    """
    key = repr((env_id, sorted((env_kwargs or {}).items())))
    if key not in _refusals:
        _refusals[key] = _refusal(env_id, dict(env_kwargs or {}))
    return _refusals[key]


def _refusal(env_id: str, env_kwargs: dict[str, Any]) -> str | None:
    env = environment.make(env_id, env_kwargs)
    modes = env.metadata.get("render_modes") or ()
    env.close()
    if "rgb_array" not in modes:
        return f"the environment's metadata['render_modes'] has no 'rgb_array', only {[*modes]}"
    (outcome,) = parallel.run(
        _draw_twice, [(env_id, env_kwargs)], workers=1, retries=0, timeout=120
    )
    if outcome.error is None or "apt-get" in outcome.error:
        return outcome.error
    return f"{outcome.error}; {rendering.ADVICE}"


def _draw_twice(item: tuple[str, dict[str, Any]]) -> None:
    env_id, env_kwargs = item
    for _ in range(2):
        with environment.make(env_id, env_kwargs, render_mode="rgb_array") as env:
            env.reset(seed=0)
            if env.render() is None:
                raise RuntimeError("the environment has no render_mode 'rgb_array'")


def encode_clip(frames: list[np.ndarray], *, fps: float = 10.0) -> bytes:
    """Animated WebP, at most 320 pixels wide, that repeats; the last frame stays for a second.

    Args:
        frames: Shape (height, width, 3), uint8 each.
    """
    images = [_scaled(f, 320) for f in frames]
    durations = [round(1000 / fps)] * (len(images) - 1) + [1000]
    return _encode(images[0], save_all=True, append_images=images[1:], duration=durations, loop=0)


def encode_filmstrip(frames: list[np.ndarray]) -> bytes:
    """WebP of five frames side by side, evenly spaced, first and last included."""
    picks = np.unique(np.linspace(0, len(frames) - 1, 5).round().astype(int))
    images = [_scaled(frames[i], 200) for i in picks]
    gap = 4
    strip = Image.new(
        "RGB",
        (sum(i.width for i in images) + gap * (len(images) - 1), images[0].height),
        (255, 255, 255),
    )
    x = 0
    for image in images:
        strip.paste(image, (x, 0))
        x += image.width + gap
    return _encode(strip)


def _scaled(frame: np.ndarray, width: int) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(frame[..., :3]))
    if image.width <= width:
        return image
    height = round(image.height * width / image.width)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _encode(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=80, method=4, **options)
    return buffer.getvalue()
