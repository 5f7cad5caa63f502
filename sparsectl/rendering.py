"""MuJoCo's OpenGL platform: one that can work here, chosen before MuJoCo is imported."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from ctypes.util import find_library
from functools import cache

ADVICE = (
    "set the environment variable MUJOCO_GL=egl before Python starts (it needs no screen and no "
    "GPU) and, on Debian or Ubuntu, `apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri`"
)
"""What makes pictures possible on a machine without a screen."""

_OFF = ("disable", "disabled", "off", "false", "0")
_VALID = ("egl", "glfw", "glx", "osmesa", "enable", "enabled", "on", "true", "1", "", *_OFF)


def settle() -> str | None:
    """Choose EGL where nothing was asked and there is no screen; off, where what was asked fails.

    MuJoCo reads MUJOCO_GL once, when it is imported, and a value that it does not know or whose
    library is missing makes that import fail: everything, not pictures alone.

    Returns:
        Why no pictures can be made, the first time, or None. None too where MuJoCo is loaded
        already and where only drawing shows it.
    """
    if sys.platform != "linux" or "mujoco" in sys.modules:
        return None
    asked = os.environ.get("MUJOCO_GL", "")
    name = asked.lower().strip()
    if not name and not _screen() and _has("EGL", "libEGL.so.1"):
        os.environ["MUJOCO_GL"] = "egl"
    reason = None
    if name not in _VALID:
        reason = "is not an OpenGL platform (egl, glfw or osmesa)"
    elif name == "egl" and not _has("EGL", "libEGL.so.1"):
        reason = "needs libEGL, which is missing (`apt-get install libegl1 libegl-mesa0`)"
    elif name == "osmesa" and not _has("OSMesa", "libOSMesa.so.8"):
        reason = "needs libOSMesa, which is missing (`apt-get install libosmesa6`)"
    if reason is None:
        return None
    os.environ["MUJOCO_GL"] = "disable"
    return f"no pictures of MuJoCo: MUJOCO_GL={asked} {reason}"


def _screen() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@cache
def _has(name: str, file: str) -> bool:
    """Whether a library can be loaded, and PyOpenGL, by which MuJoCo loads it."""
    if importlib.util.find_spec("OpenGL") is None:
        return False
    if find_library(name):
        return True
    try:  # without ldconfig and a compiler `find_library` finds nothing
        ctypes.CDLL(file)
    except OSError:
        return False
    return True
