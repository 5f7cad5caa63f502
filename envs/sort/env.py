"""Sort: bring discs of two colours to their regions, one stroke of a plate at a time.

Observation, Box(4n,), float64, metres, of n = `discs`:

| entries | meaning                                                              |
|---------|----------------------------------------------------------------------|
| 0:2n    | x, y of every disc; the first half belongs to the left region        |
| 2n:4n   | for every disc, the centre of its region: (-0.1, 0) or (0.1, 0)      |

Action, Box(-1, 1, (4,), float32): one stroke.

| entries | meaning                                                              |
|---------|----------------------------------------------------------------------|
| 0:2     | start of the plate's centre, 0.19 m per unit                         |
| 2:4     | displacement, 0.07 m per unit (0.099 m at most)                      |

The plate (0.09 x 0.008 m) is put down at the start, across the displacement, moves in 0.5 s,
rests for 0.1 s and is gone. What becomes of a stroke that cannot be executed as it is:

- Displacements under 5 mm have no direction: nothing happens, so the zero action is "wait".
- The start is moved inwards, axis by axis, until the whole plate is inside the walls; a stroke
  ends at the latest where the plate reaches a wall.
- Where the plate would be put down on a disc, the start is moved back along the stroke until it
  is free, by at most 60 mm; the end stays where it is (the plate then goes up to 0.159 m in the
  same 0.5 s). `info["retractions"]` counts these.
- A start that cannot be freed so is rejected and nothing happens: `info["rejections"]`.

Reward: minus the error. An episode never terminates; it is truncated after 20 strokes (give
`max_episode_steps=25` for 8 discs). In `info`:

| key           | meaning                                                                |
|---------------|------------------------------------------------------------------------|
| `error`       | mean over discs of max(distance to the region's centre - 0.04 m, 0)    |
| `is_success`  | every disc's centre is within 0.06 m of its region's                   |
| `sorted`      | number of discs for which this holds                                   |
| `retractions` | strokes of this episode whose start was moved back                     |
| `rejections`  | strokes of this episode that were not executed                         |

Why this action. Both halves are affine in metres: a network that is given the discs relative to
the start (`disc - 0.19 u[0:2]`) and the displacement sees every quantity that decides the outcome
as a linear function of its input (also discs relative to the end), no matter where on the table
the stroke is. A box of displacements, rather than a disc or a length and an angle, keeps out
clipping, wrapping and sines. Since the end stays when a start is moved back, a disc ahead of the
plate's line obeys `along' = max(along, end + 0.019 m)` without a jump at contact. What remains
non-linear is the frame of the stroke: `along` is a scalar product of displacement direction and
disc, which ReLUs have to approximate over directions.

Model: discs slide with damping that stands for table friction; contacts have no friction, as
discs turn freely. Every stroke begins at rest: the discs' positions are the whole state.
"""

from __future__ import annotations

from typing import Any, Unpack

import mujoco
import numpy as np

from ..base import Picture
from ..check import checked_choice, checked_count
from ..collection import Explorer
from ..planar import PlanarTask
from ..rendering import ghost_disc
from .exploration import StrokeSeeker
from .scene import COLOURS, RADIUS, build
from .starts import DISCS, FREE, REGIONS, SUCCESS, colours, draw_start
from .stroke import PARKED, StrokeSimulator


class SortEnv(PlanarTask):
    """Sort discs by colour with strokes of a plate; see the module's text.

    Args:
        discs: number of discs, 4, 6 or 8.

    Attributes:
        targets: centre of every disc's region. Shape (discs, 2) [m].
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 2}  # noqa: RUF012
    simulator: StrokeSimulator

    def __init__(
        self,
        discs: int = 4,
        **picture: Unpack[Picture],
    ) -> None:
        checked_choice("discs", discs, DISCS)
        self.discs = checked_count("discs", discs)
        self.targets = REGIONS[colours(self.discs)]
        simulator = StrokeSimulator(build(colours(self.discs)))
        # an episode's "goal" is the targets and the two counts of `info`
        super().__init__(simulator, 4 * self.discs, 2 * self.discs + 2, **picture)

    def _advance(self, action: np.ndarray) -> None:
        stroke = self.simulator.strokes(self._data.qpos[None], action[None])
        self._goal[-2] += stroke.moves[0] and stroke.retraction[0] > 0.0
        self._goal[-1] += stroke.rejected[0]
        super()._advance(action)

    def draw_episode(self, rng: np.random.Generator) -> np.ndarray:
        return draw_start(rng, self.discs)

    def begin(self, drawn: np.ndarray, workers: int = 1) -> tuple[np.ndarray, np.ndarray]:
        count = len(drawn)
        goal = np.concatenate([self.targets.ravel(), np.zeros(2)])
        return np.hstack([np.tile(PARKED, (count, 1)), drawn]), np.tile(goal, (count, 1))

    def observe(self, qpos: np.ndarray, goal: np.ndarray) -> np.ndarray:
        here = qpos[..., 3:]
        return np.concatenate([here, np.broadcast_to(goal[..., :-2], here.shape)], axis=-1)

    def distances(self, observations: np.ndarray) -> np.ndarray:
        """Of every disc to its region's centre. Shape (..., discs) [m]."""
        size = 2 * self.discs
        offset = observations[..., size:] - observations[..., :size]
        return np.linalg.norm(offset.reshape(*offset.shape[:-1], self.discs, 2), axis=-1)

    def distance(self, observations: np.ndarray) -> np.ndarray:
        return np.maximum(self.distances(observations) - FREE, 0.0).mean(-1)

    def explorer(self, rngs: list[np.random.Generator], steps: int) -> Explorer:
        return StrokeSeeker(self.targets, rngs, steps)

    def report(self, qpos: np.ndarray, goal: np.ndarray, error: float) -> dict[str, Any]:
        home = self.distances(self.observe(qpos, goal)) <= SUCCESS
        return {
            "is_success": bool(home.all()),
            "error": error,
            "sorted": int(home.sum()),
            "retractions": int(goal[-2]),
            "rejections": int(goal[-1]),
        }

    def decorate(self, scene: mujoco.MjvScene, goal: np.ndarray) -> None:
        """A disc that lies entirely in its region's circle is sorted."""
        for centre, colour in zip(REGIONS, COLOURS, strict=True):
            tint = np.array([*(0.3 * np.array(colour[:3]) + 0.7), 1.0], dtype=np.float32)
            ghost_disc(scene, centre, SUCCESS + RADIUS, 0.001, tint)
