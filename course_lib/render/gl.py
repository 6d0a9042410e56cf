"""Choosing an OpenGL back end that works on a machine with or without a screen.

MuJoCo decides at import: it reads `MUJOCO_GL` and binds one `GLContext` class. A notebook usually has
imported MuJoCo long before it draws, so `choose_gl_backend` does both: it sets the variable and, where
MuJoCo is already there, replaces the class that `mujoco.Renderer` looks up when it is created.
A broken driver can kill a process, so each candidate first draws a few pixels in a process of its own.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import subprocess
import sys
import threading

# Remembers a finished probe for child processes; the value is the back end, or "none".
PROBED = "COURSE_GL"
OFF = ("disable", "disabled", "off", "false", "0", "none")
CURE = (
    "No OpenGL back end works here, so bodies are drawn with matplotlib instead; for real pictures "
    "install one (`apt-get install -y libegl1 libgl1`, or `libosmesa6`; with conda: "
    "`conda install -c conda-forge libegl`) "
    "and restart the kernel."
)
_PROBE = """
import mujoco, numpy
model = mujoco.MjModel.from_xml_string(
    '<mujoco><worldbody><light pos="0 0 3"/><geom size=".4" rgba="1 0 0 1"/></worldbody></mujoco>')
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 32, 32) as renderer:
    renderer.update_scene(data)
    raise SystemExit(0 if renderer.render()[..., 0].max() > 30 else 3)
"""
_chosen: str | None = None


def probe(backend: str, timeout: float = 60.0) -> bool:
    """Whether a fresh process can draw with `backend` ("glfw", "egl", "osmesa", "cgl", …)."""
    env = {k: v for k, v in os.environ.items() if k != "PYOPENGL_PLATFORM"} | {"MUJOCO_GL": backend}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def candidates() -> list[str]:
    """Back ends to try, best first: what the user set, a display, EGL, OSMesa."""
    wanted = os.environ.get("MUJOCO_GL", "").lower().strip()
    if wanted in OFF:
        return []
    if wanted:
        return [wanted]
    system = platform.system()
    if system == "Darwin":
        return ["cgl"]
    if system == "Windows":
        return ["wgl"]
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return (["glfw"] if display else []) + ["egl", "osmesa"]


def choose_gl_backend(*, again: bool = False) -> str:
    """Pick and install a back end; returns its name, or "none". Slow (about 1 s) only the first time.

    A set `MUJOCO_GL` is respected. `again=True` forgets earlier probes.
    """
    global _chosen
    if _chosen is not None and not again:
        return _chosen
    order = candidates()
    known = os.environ.get(PROBED, "")
    if not again and known and (known == "none" or known in order):
        found = known
    else:
        found = next((name for name in order if probe(name)), "none")
    if found != "none" and not _install(found):
        found = "none"
    os.environ[PROBED] = _chosen = found
    return found


def _install(backend: str) -> bool:
    """Point MuJoCo, imported or not, at `backend`."""
    _load_triton_first()
    os.environ["MUJOCO_GL"] = backend
    # Mesa writes notes to stderr, which a notebook would show in red.
    os.environ.setdefault("EGL_LOG_LEVEL", "fatal")
    if "mujoco" not in sys.modules:
        return True
    try:
        if backend == "egl":
            from mujoco.egl import GLContext
        elif backend == "osmesa":
            from mujoco.osmesa import GLContext
        elif backend in ("cgl",):
            from mujoco.cgl import GLContext
        else:
            from mujoco.glfw import GLContext
    except (ImportError, AttributeError, OSError):
        return False
    import mujoco

    try:  # MuJoCo 4
        from mujoco.rendering.classic import gl_context
    except ImportError:  # MuJoCo 3
        from mujoco import gl_context
    gl_context.GLContext = mujoco.GLContext = GLContext
    return True


def _load_triton_first() -> None:
    """Import Triton, where it is installed, before a context is opened.

    It comes with PyTorch for CUDA, which imports it with the first optimiser. Triton and Mesa's software renderer each
    bring an LLVM, and a process in which Triton's is loaded second is killed (seen with PyTorch 2.15 and LLVM 15).
    """
    if importlib.util.find_spec("triton"):
        with contextlib.suppress(Exception):  # one that does not load cannot be loaded second either
            importlib.import_module("triton")


def is_software() -> bool:
    """Whether the current context draws on the CPU; shadows and reflections cost ten times there."""
    try:
        from OpenGL import GL

        name = GL.glGetString(GL.GL_RENDERER).decode().lower()
    except Exception:  # whatever PyOpenGL has to say, the cautious answer is yes
        return True
    return any(word in name for word in ("llvmpipe", "softpipe", "swrast", "software"))


_ONE_AT_A_TIME = threading.Lock()


@contextlib.contextmanager
def drawing():
    """One thread draws at a time, and afterwards EGL's context belongs to none, so that any thread may draw next.

    JupyterLab answers widgets in a thread of its own, and a context that is current in one thread is refused to others.
    """
    with _ONE_AT_A_TIME:
        try:
            yield
        finally:
            egl = sys.modules.get("mujoco.egl")
            if egl is not None and egl.EGL_DISPLAY is not None:
                none = egl.EGL.EGL_NO_SURFACE
                egl.EGL.eglMakeCurrent(egl.EGL_DISPLAY, none, none, egl.EGL.EGL_NO_CONTEXT)
