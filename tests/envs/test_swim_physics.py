"""The swimmer's model has the published values, and its closed-form kinematics are MuJoCo's."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from sparsectl.envs.swim import kinematics
from sparsectl.envs.swim.env import SwimEnv
from sparsectl.envs.swim.scene import build
from sparsectl.envs.swim.task import LINKS


def moving(links: int) -> tuple[mujoco.MjModel, mujoco.MjData]:
    model = build(links, 3000.0, 0.0, 1.0)
    data, rng = mujoco.MjData(model), np.random.default_rng(links)
    data.qpos[:], data.qvel[:] = rng.normal(size=(2, model.nq))
    mujoco.mj_forward(model, data)
    return model, data


@pytest.mark.parametrize("links", [3, 6, 32])
def test_kinematics_are_mujocos(links):
    model, data = moving(links)
    found = kinematics.velocities(data.qpos, data.qvel)
    joints = kinematics.joints(data.qpos)
    for i in range(links):
        expected = np.empty(6)
        kind = mujoco.mjtObj.mjOBJ_XBODY
        mujoco.mj_objectVelocity(model, data, kind, data.body(f"link_{i}").id, expected, 1)
        np.testing.assert_allclose(found[i], expected[[3, 4, 2]], atol=1e-12)
        if i:
            np.testing.assert_allclose(joints[i], data.joint(f"joint_{i - 1}").xanchor[:2])
        centre = data.body(f"link_{i}").xpos[:2]
        np.testing.assert_allclose(0.5 * (joints[i] + joints[i + 1]), centre, atol=1e-12)
    head = data.body("link_0")
    frame = head.xmat.reshape(3, 3)
    nose = head.xpos + frame @ [0, -0.06, 0]
    np.testing.assert_allclose(kinematics.head(data.qpos), head.xpos[:2], atol=1e-12)
    np.testing.assert_allclose(kinematics.nose(data.qpos), nose[:2], atol=1e-12)
    point = np.array([0.4, -1.1, nose[2]])
    seen = kinematics.from_nose(data.qpos, point[:2])
    np.testing.assert_allclose(seen, ((point - nose) @ frame)[:2], atol=1e-12)


def test_kinematics_work_on_any_leading_axes():
    rng = np.random.default_rng(0)
    qpos, qvel = rng.normal(size=(2, 4, 3, 8))
    for function, arguments in (
        (kinematics.velocities, (qpos, qvel)),
        (kinematics.joints, (qpos,)),
        (kinematics.head, (qpos,)),
        (kinematics.from_nose, (qpos, qpos[..., :2])),
    ):
        whole = function(*arguments)
        for i in np.ndindex(4, 3):
            np.testing.assert_allclose(whole[i], function(*(a[i] for a in arguments)), atol=1e-14)


@pytest.mark.parametrize("links", [3, 6, 14, 32])
def test_the_model_has_the_published_values(links):
    model = build(links, 3000.0, 0.0, 1.0)
    assert (model.nq, model.nv, model.nu, model.njnt) == (
        links + 2,
        links + 2,
        links - 1,
        links + 2,
    )
    assert model.opt.timestep == 0.002
    assert model.opt.integrator == mujoco.mjtIntegrator.mjINT_EULER
    assert (model.opt.density, model.opt.viscosity) == (3000, 0)
    assert model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_CONTACT
    assert model.body_mass[1:] == pytest.approx(0.01)
    thin, long, high = 0.002**2, 0.1**2, 0.02**2
    plate = 0.01 / 12 * np.array([long + high, thin + high, thin + long])
    np.testing.assert_allclose(model.body_inertia[1:], np.tile(plate, (links, 1)), rtol=1e-9)
    np.testing.assert_allclose(model.body_ipos[1:], 0.0, atol=1e-15)
    np.testing.assert_allclose(model.body_pos[2:], np.tile([0, 0.1, 0], (links - 1, 1)))
    np.testing.assert_allclose(model.jnt_pos, np.tile([0, -0.05, 0], (links + 2, 1)))
    limit = np.radians(360 / links)
    np.testing.assert_allclose(model.jnt_range[3:], np.tile([-limit, limit], (links - 1, 1)))
    assert model.jnt_limited.tolist() == [0] * 3 + [1] * (links - 1)
    np.testing.assert_allclose(model.jnt_solref[3:], np.tile([0.05, 1], (links - 1, 1)))
    np.testing.assert_allclose(model.jnt_solimp[3:], np.tile([0, 0.8, 0.1, 0.5, 2], (links - 1, 1)))
    np.testing.assert_allclose(model.dof_armature, [0] * 3 + [1e-6] * (links - 1))
    assert not model.dof_damping.any()
    assert not model.jnt_stiffness.any()
    np.testing.assert_allclose(model.actuator_gear[:, 0], 5e-4)
    np.testing.assert_allclose(model.actuator_ctrlrange, np.tile([-1, 1], (links - 1, 1)))


def test_a_control_step_is_fifteen_steps_of_the_simulation():
    env = SwimEnv()
    env.reset(seed=0)
    data = mujoco.MjData(env.task.model)
    data.qpos[:] = env.get_state()[:8]
    data.ctrl[:] = action = np.array([1.0, -0.5, 0.2, 0.0, 0.7])
    for _ in range(15):
        mujoco.mj_step(env.task.model, data)
    env.step(action)
    np.testing.assert_allclose(env.get_state()[:16], [*data.qpos, *data.qvel], atol=1e-12)


def test_nothing_diverges_at_the_ends_of_the_arguments_ranges():
    wild = np.random.default_rng(0).choice([-1.0, 1.0], (50, 4, LINKS[1]))
    for links in LINKS:
        for density, viscosity in ((0.0, 0.0), (1e4, 0.0), (1e4, 10.0)):
            with SwimEnv(links, density, viscosity).batch(4) as batch:
                batch.reset(range(4))
                for action in wild:
                    observation, _ = batch.step(action[:, : links - 1])
                assert not batch.diverged.any()
                assert np.abs(observation).max() < 200
