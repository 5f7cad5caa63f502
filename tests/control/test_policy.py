"""Controllers and Stable-Baselines3 policies run in each other's loops."""

import numpy as np
import pytest

from sparsectl.control import MPPI, MPPIConfig, PolicyController, Random, Supervised
from sparsectl.errors import NonFiniteError, ShapeError


class RecurrentPolicy:
    """`predict` as SB3's BasePolicy: arrays in and out, hidden state a tuple of arrays."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        observation = np.asarray(observation)
        single = observation.ndim == 1
        batch = observation[None] if single else observation
        if state is None:
            state = (np.zeros((len(batch), 1)),)
        keep = 1.0 - np.asarray(episode_start, dtype=float).reshape(-1, 1)
        count = state[0] * keep + 1
        action = (-0.1 * count).astype(np.float32)
        if not deterministic:
            action = action + 0.05
        return (action[0] if single else action), (count,)


class VectorToy:
    """Two double integrators behind SB3's VecEnv calls; episode i lasts 3 + i steps."""

    num_envs = 2

    def __init__(self, toy):
        self.toy = toy

    def reset(self):
        self.x, self.t = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.zeros(2, int)
        return self.x.copy()

    def step(self, actions):
        assert actions.shape == (2, 1)
        self.x = self.toy.program(np.concatenate([self.x, actions], axis=1))
        self.t += 1
        rewards, dones = -abs(self.x[:, 0]), self.t == np.array([3, 4])
        self.x[dones], self.t[dones] = [1.0, 0.0], 0
        return self.x.copy(), rewards, dones, [{}, {}]


def evaluate_policy(model, env, steps):
    """The loop of SB3's evaluate_policy, cut down; also records the states it was given."""
    observations, states = env.reset(), None
    starts = np.ones((env.num_envs,), dtype=bool)
    seen, total = [], np.zeros(env.num_envs)
    for _ in range(steps):
        actions, states = model.predict(
            observations, state=states, episode_start=starts, deterministic=True
        )
        observations, rewards, dones, _ = env.step(actions)
        total += rewards
        starts = dones
        seen.append(states)
    return total, seen


def test_planner_runs_in_the_loop_of_sb3(toy):
    config = MPPIConfig(samples=64, iterations=2)
    mppi = MPPI(toy.setup("mppi"), config)
    total, seen = evaluate_policy(mppi, VectorToy(toy), 6)
    assert [[s.step for s in states] for states in seen] == [
        [1, 1],
        [2, 2],
        [3, 3],
        [1, 4],
        [2, 1],
        [3, 2],
    ]
    random, _ = evaluate_policy(Random(toy.setup("r")), VectorToy(toy), 6)
    assert total.mean() > random.mean()


def test_supervised_planner_runs_in_the_loop_of_sb3(toy):
    inner = Random(toy.setup("r"))
    plain, _ = evaluate_policy(inner, VectorToy(toy), 6)
    wrapped, _ = evaluate_policy(Supervised(inner, toy.program), VectorToy(toy), 6)
    np.testing.assert_array_equal(plain, wrapped)


def test_policy_runs_as_a_controller_with_its_hidden_state(toy):
    controller = PolicyController("sb3", toy.task, RecurrentPolicy(), toy.program)
    observation, state = np.array([1.0, 0.0]), None
    actions = []
    for start in (True, False, False, True):
        action, state = controller.predict(observation, state, np.array([start]))
        actions.append(action[0])
    np.testing.assert_allclose(actions, [-0.1, -0.2, -0.3, -0.1], rtol=1e-6)


def test_policy_plan_has_the_cost_of_the_program(toy):
    plan = PolicyController("p", toy.task, RecurrentPolicy(), toy.program).plan(np.ones(2))
    problem = toy.task.problem(np.ones(2), 1)
    states = toy.program.rollout(problem.x0, plan.actions)
    assert plan.cost == pytest.approx(problem.cost(states, plan.actions))
    bare = PolicyController("p", toy.task, RecurrentPolicy()).plan(np.ones(2))
    np.testing.assert_array_equal(bare.actions, plan.actions)
    assert np.isnan(bare.cost)


@pytest.mark.parametrize(
    ("action", "error"), [([np.nan], NonFiniteError), ([0.0, 0.0], ShapeError), (1, ShapeError)]
)
def test_bad_actions_of_a_policy_are_refused(toy, action, error):
    class Broken:
        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            return np.array(action), None

    controller = PolicyController("bad", toy.task, Broken(), toy.program)
    with pytest.raises(error, match="'bad'"):
        controller.plan(np.ones(2))
    plan = Supervised(controller, toy.program).plan(np.ones(2))
    assert plan.fallback == f"exception:{error.__name__}"
    np.testing.assert_array_equal(plan.actions[0], [0.0])
