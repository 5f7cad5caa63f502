"""Pictures of swimmers, in a process of its own: the OpenGL platform is chosen at import."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from sparsectl.envs.swim import kinematics
from sparsectl.envs.swim.picture import backbone, thickness

CODE = """
import warnings
warnings.simplefilter("error")
import gymnasium, mujoco, numpy as np, sparsectl
try:
    with mujoco.Renderer(mujoco.MjModel.from_xml_string("<mujoco/>"), 16, 16) as renderer:
        renderer.render()
except Exception:
    raise SystemExit(77)
for name, arguments in (("Swim", {"links": 9, "width": 320, "height": 240}), ("SwimTarget", {})):
    env = gymnasium.make(f"sparsectl/{name}-v0", render_mode="rgb_array", **arguments)
    env.reset(seed=0)
    state = env.unwrapped.get_state()
    if name == "SwimTarget":
        state[16:18] = 0.3
        env.unwrapped.set_state(state)
    first = env.render()
    assert first.shape == (arguments.get("height", 480), arguments.get("width", 480), 3)
    assert first.dtype == np.uint8
    assert np.array_equal(env.unwrapped.get_state(), state), "drawing changed the state"
    assert np.array_equal(env.render(), first)
    red, green, blue = first.astype(int).transpose(2, 0, 1)
    body = (red > blue + 60) & (red > green + 30)
    assert body.sum() > 200, "no body to be seen"
    target = (green > red + 40) & (green > blue + 20)
    assert (target.sum() > 500) == (name == "SwimTarget")
    # the camera goes with the head: far away the head is where it was in the picture
    state[:2] += 0.8 # two pairs of the floor's squares
    state[16:18] += 0.8
    env.unwrapped.set_state(state)
    moved = np.abs(env.render().astype(int) - first).max(-1) > 40
    assert moved.mean() < 0.002
    for _ in range(5):
        env.step(np.ones(env.action_space.shape, np.float32))
    assert not np.array_equal(env.render(), first)
    env.close()
    env.close()
"""


def test_swimmers_draw_their_body_and_target_and_the_camera_goes_along():
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, "MUJOCO_GL": "egl"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("no EGL on this machine")
    assert done.returncode == 0, done.stderr
    assert not done.stderr


def test_the_drawn_body_is_smooth_and_on_the_chain():
    qpos = np.array([0.3, -0.2, 0.5, 1.0, -1.0, 0.8, 0.9, -0.3])
    line = backbone(qpos)
    np.testing.assert_allclose(line[0], kinematics.nose(qpos))
    ends = kinematics.joints(qpos)
    np.testing.assert_allclose(line[-1], ends[-1])
    for centre in 0.5 * (ends[1:] + ends[:-1]):
        assert np.linalg.norm(line - centre, axis=-1).min() < 1e-12
    step = np.diff(line, axis=0)
    step = step[np.linalg.norm(step, axis=-1) > 1e-9]
    turn = np.abs(np.diff(np.unwrap(np.arctan2(step[:, 1], step[:, 0]))))
    assert turn.max() < 0.35
    radius = thickness(np.linspace(0, 1, 50))
    assert (radius > 0).all()
    assert radius[-1] < 0.3 * radius.max()
