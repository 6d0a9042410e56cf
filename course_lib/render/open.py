"""A camera for a MuJoCo model: with OpenGL where it works, else a drawing with matplotlib."""

from __future__ import annotations

from course_lib.errors import ArgumentError
from course_lib.render.camera import Camera
from course_lib.render.drawing import Drawing
from course_lib.render.gl import CURE, choose_gl_backend

_told: set[str] = set()


def tell(sentence: str) -> None:
    """Print `sentence`, once a process."""
    if sentence not in _told:
        _told.add(sentence)
        print(sentence)


def open_camera(model, width: int = 320, height: int = 240, camera: str | None = None) -> Camera | Drawing:
    """A `Camera`, or a `Drawing` (after one sentence on the cure) where no OpenGL back end works."""
    if choose_gl_backend() != "none":
        try:
            return Camera(model, width, height, camera)
        except ArgumentError:
            raise
        except Exception:  # a driver can fail in any way once it is asked for a real picture
            pass
    tell(CURE)
    return Drawing(model, width, height, camera)
