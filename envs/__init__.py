"""Bundled tasks, made by id: `gymnasium.make("sparsectl/Rope-v0")`.

| id                 | task                                           | module               |
|--------------------|------------------------------------------------|----------------------|
| Rope-v0            | drag a rope into a shape, with or without pole | rope.env             |
| PushT-v0           | push a T to a pose, with or without obstacle   | push.env             |
| PushBox-v0         | push a box to a pose, with or without obstacle | push.env             |
| Sort-v0            | sort discs by colour with strokes of a plate   | sort.env             |
| CartPole-v0        | swing a pole up on a cart, continuous force    | cartpole.env         |
| Flyer-v0           | fly a disc with on/off jets, boxes and a door  | flyer.env            |
| Slalom-v0          | fly a disc through the gaps of three walls     | slalom.env           |
| WallPole-v0        | keep a pole upright by leaning on soft walls   | wallpole.env         |
| PushGate-v0        | push a gate open and slip through              | gate.env             |
| Swim-v0            | swim forward with a chain of links             | swim.env             |
| SwimTarget-v0      | swim to a target with a chain of links         | swim.target          |
| HalfCheetah-v0     | run on two legs, with bodies that differ       | cheetah.env          |
| PiecewiseAffine-v0 | steer a known ReLU system to the origin        | piecewise_affine.env |

Beyond gymnasium's interface, every task has `get_state()` and `set_state(state)`, which continue an
episode exactly, and `collect_episodes(episodes, steps, seed, workers=1)`, which collects many
episodes at once. This package knows gymnasium, mujoco and numpy only.
"""
