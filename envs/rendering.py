"""Pictures of a scene by one of its cameras. OpenGL is touched at the first `draw`, not before."""

from __future__ import annotations

from collections.abc import Callable

import mujoco
import numpy as np

from .errors import RenderError

GHOST = np.array([0.30, 0.68, 0.42, 0.55], dtype=np.float32)
"""Colour of goals."""
_GEOM = mujoco.mjtGeom
_UPRIGHT = np.eye(3).ravel()


class Painter:
    """Renders one camera; opened at the first picture."""

    def __init__(self, model: mujoco.MjModel, width: int, height: int, camera: str = "top") -> None:
        self._model, self._size, self._camera = model, (height, width), camera
        self._renderer: mujoco.Renderer | None = None

    def draw(
        self, data: mujoco.MjData, decorate: Callable[[mujoco.MjvScene], None] | None = None
    ) -> np.ndarray:
        """Picture, shape (height, width, 3), uint8.

        Raises:
            RenderError: no OpenGL platform can be loaded.
        """
        if self._renderer is None:
            self._renderer = _open(self._model, *self._size)
        mujoco.mj_forward(self._model, data)
        self._renderer.update_scene(data, camera=self._camera)
        if decorate is not None:
            decorate(self._renderer.scene)
        return self._renderer.render()

    def close(self) -> None:
        """Free the OpenGL context."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


_failures: list[Exception] = []


def _open(model: mujoco.MjModel, height: int, width: int) -> mujoco.Renderer:
    """A renderer; after one failure none is tried again, which would abort the process."""
    try:
        if _failures:
            raise _failures[0]
        return mujoco.Renderer(model, height, width)
    except ValueError:
        raise
    except Exception as error:
        _failures[:] = [error]
        raise RenderError(
            f"no OpenGL platform could be loaded ({error}). Set the environment variable "
            "MUJOCO_GL=egl before Python starts (it needs no screen and no GPU) and, on Debian "
            "or Ubuntu, `apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri`"
        ) from error


def ghost_capsule(
    scene: mujoco.MjvScene,
    start: np.ndarray,
    end: np.ndarray,
    radius: float,
    height: float,
    colour: np.ndarray = GHOST,
) -> None:
    """Add a capsule between two points of shape (2,)."""
    geom = _add(scene, _GEOM.mjGEOM_CAPSULE, np.ones(3), np.zeros(3), colour)
    mujoco.mjv_connector(geom, _GEOM.mjGEOM_CAPSULE, radius, [*start, height], [*end, height])


def ghost_disc(
    scene: mujoco.MjvScene,
    centre: np.ndarray,
    radius: float,
    height: float,
    colour: np.ndarray = GHOST,
) -> None:
    """Add a flat disc around a point of shape (2,); colour (4,), float32."""
    size, place = np.array([radius, 5e-4, 0.0]), np.array([*centre, height])
    _add(scene, _GEOM.mjGEOM_CYLINDER, size, place, colour)


def ghost_ball(
    scene: mujoco.MjvScene, centre: np.ndarray, radius: float, colour: np.ndarray = GHOST
) -> None:
    """Add a ball around a point of shape (3,)."""
    _add(scene, _GEOM.mjGEOM_SPHERE, np.full(3, radius), centre, colour)


def ghost_box(
    scene: mujoco.MjvScene, centre: np.ndarray, angle: float, half: np.ndarray, height: float
) -> None:
    """Add a flat goal-coloured box: centre (2,) [m], angle [rad], half sizes (2,) [m]."""
    c, s = np.cos(angle), np.sin(angle)
    turned = np.array([c, -s, 0.0, s, c, 0.0, 0.0, 0.0, 1.0])
    size, place = np.array([*half, 5e-4]), np.array([*centre, height])
    _add(scene, _GEOM.mjGEOM_BOX, size, place, GHOST, turned)


def _add(
    scene: mujoco.MjvScene,
    kind: mujoco.mjtGeom,
    size: np.ndarray,
    place: np.ndarray,
    colour: np.ndarray,
    turned: np.ndarray = _UPRIGHT,
) -> mujoco.MjvGeom:
    scene.ngeom += 1
    geom = scene.geoms[scene.ngeom - 1]
    mujoco.mjv_initGeom(geom, kind, size, place, turned, colour)
    return geom
