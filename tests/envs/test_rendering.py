"""Pictures, and what happens where none can be made. Each in a process of its own: the OpenGL
platform is chosen when MuJoCo is imported."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

PROBE = """
import mujoco
with mujoco.Renderer(mujoco.MjModel.from_xml_string("<mujoco/>"), 16, 16) as renderer:
    renderer.render()
"""


def run(code: str, platform: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "MUJOCO_GL": platform},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def _egl():
    if run(PROBE, "egl").returncode:
        pytest.skip("no EGL on this machine")


@pytest.mark.usefixtures("_egl")
def test_every_task_draws_itself_and_its_goal():
    code = """
    import warnings
    warnings.simplefilter("error")
    import gymnasium, numpy as np, sparsectl
    from gymnasium.utils.env_checker import check_env
    for name, arguments in (
        ("Rope", {"pole": True}),
        ("PushT", {"obstacle": True}),
        ("PushBox", {"width": 320, "height": 240}),
        ("CartPole", {}),
        ("WallPole", {}),
        ("PushGate", {}),
        ("PiecewiseAffine", {}),
        ("Flyer", {"width": 480}),
        ("Slalom", {"width": 480}),
    ):
        env = gymnasium.make(f"sparsectl/{name}-v0", render_mode="rgb_array", **arguments)
        env.reset(seed=0)
        before = env.unwrapped.get_state()
        first = env.render()
        assert first.shape == (arguments.get("height", 480), arguments.get("width", 480), 3)
        assert first.dtype == np.uint8
        assert np.array_equal(env.unwrapped.get_state(), before), "drawing changed the state"
        assert np.array_equal(env.render(), first)
        colours = {tuple(c) for c in first.reshape(-1, 3)[::7]}
        assert len(colours) > 5
        green = (first[..., 1] > first[..., 0] + 40) & (first[..., 1] > first[..., 2] + 20)
        orange = (first[..., 0] > first[..., 2] + 100)
        assert green.sum() > 50, f"{name}: no goal to be seen"
        assert orange.sum() > 20, f"{name}: no pusher to be seen"
        for _ in range(5):
            env.step(np.ones(env.action_space.shape, env.action_space.dtype))
        assert not np.array_equal(env.render(), first)
        env.close()
        env.close()
    check_env(gymnasium.make("sparsectl/Rope-v0", render_mode="rgb_array").unwrapped)
    """
    done = run(code, "egl")
    assert done.returncode == 0, done.stderr
    assert not done.stderr


@pytest.mark.usefixtures("_egl")
def test_sorting_shows_both_colours_their_regions_and_the_plate():
    code = """
    import gymnasium, numpy as np, sparsectl
    env = gymnasium.make("sparsectl/Sort-v0", discs=6, render_mode="rgb_array")
    env.reset(seed=0)
    env.unwrapped._data.qpos[3:] = [-.15,.15, 0,.15, .15,.15, -.15,-.15, 0,-.15, .15,-.15]
    picture = env.render().astype(int)
    def at(x, y):
        return picture[round(240 - 960 * y), round(240 + 960 * x)]
    table = at(0, 0)
    for x in (-.15, 0, .15):
        assert at(x, .15)[2] > at(x, .15)[0] + 50, "no blue disc"
        assert at(x, -.15)[0] > at(x, -.15)[2] + 100, "no amber disc"
    assert 20 < at(-.1, 0)[2] - at(-.1, 0)[0] < 100, "no pale blue region"
    assert 20 < at(.1, 0)[0] - at(.1, 0)[2] < 150, "no pale amber region"
    assert np.abs(at(-.1, .074) - at(-.1, 0)).max() < 12
    assert np.abs(at(-.1, .077) - table).max() < 12
    assert at(0, -.23).max() < 110, "no parked plate"
    env.step(np.array([0, 0, 0.5, 0], np.float32))
    picture = env.render().astype(int)
    assert at(.035, .02).max() < 110, "the plate is not where its stroke ended"
    assert at(0, -.23).min() > 150
    env.close()
    """
    done = run(code, "egl")
    assert done.returncode == 0, done.stderr
    assert not done.stderr


def test_without_opengl_everything_but_pictures_works_and_the_error_says_what_to_install():
    code = """
    import gymnasium, numpy as np, sparsectl
    from sparsectl.envs.errors import RenderError
    env = gymnasium.make("sparsectl/PushT-v0", render_mode="rgb_array")
    env.reset(seed=0)
    env.step(np.zeros(2, np.float32))
    env.unwrapped.collect_episodes(2, 2, 0)
    try:
        env.render()
    except RenderError as error:
        assert "MUJOCO_GL=egl" in str(error) and "libegl1" in str(error), error
    else:
        raise AssertionError("rendered without OpenGL")
    env.close()
    flat = gymnasium.make("sparsectl/PiecewiseAffine-v0", render_mode="rgb_array")
    flat.reset(seed=0)
    assert flat.render().shape == (480, 480, 3)
    """
    done = run(code, "disable")
    assert done.returncode == 0, done.stderr
