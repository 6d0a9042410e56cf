"""Is this machine fit for the course? `setup()` says so in one line; `doctor()` checks everything and names cures.

    python -m course_lib doctor

Each check is a separate function that takes what it depends on as arguments, so that tests can give it a broken
machine. Importing this module imports neither torch nor MuJoCo. What could crash is tried in a separate process.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from course_lib.course.budget import budget
from course_lib.machine import cores

# Distribution -> oldest release the library works with; the same bounds as in pyproject.toml.
NEEDED = {
    "torch": "2.4",
    "torchdiffeq": "0.2.4",
    "gymnasium": "1.2",
    "mujoco": "3.4",
    "numpy": "2.0",
    "scipy": "1.13",
    "matplotlib": "3.9",
    "mediapy": "1.2",
    "imageio-ffmpeg": "0.5",
    "optuna": "4.3",
    "safetensors": "0.4.3",
    "tyro": "0.9",
}
MUJOCO_PARTS = ("mujoco", "mujoco-core", "mujoco-studio")


@dataclass(frozen=True)
class Check:
    """One line of the report. `cure` is what to do about it, empty when all is well."""

    name: str
    found: str
    cure: str = ""

    @property
    def ok(self) -> bool:
        return not self.cure

    def __str__(self) -> str:
        line = f"{'ok     ' if self.ok else 'TROUBLE'}  {self.name:<16}{self.found}"
        return line if self.ok else f"{line}\n         {'':<16}cure: {self.cure}"


def installed(names=(*NEEDED, *MUJOCO_PARTS, "ipywidgets")) -> dict[str, str]:
    """Name -> version of those of `names` that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _numbers(version: str) -> tuple[int, ...]:
    numbers = []
    for part in version.split("+")[0].split("."):
        digits = "".join(c for c in part if c.isdigit())
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)


# ------------------------------------------------------------------------------------------ the checks
def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    """Python itself."""
    found = ".".join(map(str, version))
    cure = "" if version >= (3, 10) else "install Python 3.10 or newer and make a new environment with it"
    return Check("python", found, cure)


def check_packages(versions: Mapping[str, str]) -> Check:
    """Everything the library imports is there and new enough."""
    absent = [name for name in NEEDED if name not in versions]
    old = [
        f"{name} {versions[name]}"
        for name, least in NEEDED.items()
        if name in versions and _numbers(versions[name]) < _numbers(least)
    ]
    shown = ", ".join(f"{name} {versions[name]}" for name in ("torch", "gymnasium", "numpy") if name in versions)
    if not absent and not old:
        return Check("packages", shown)
    trouble = "; ".join(
        part for part in (absent and f"missing: {', '.join(absent)}", old and f"too old: {', '.join(old)}") if part
    )
    wanted = [name for name in NEEDED if name in absent or any(text.startswith(name + " ") for text in old)]
    wishes = " ".join(f"'{name}>={NEEDED[name]}'" for name in wanted)
    return Check("packages", trouble, f"python -m pip install --upgrade {wishes}")


def check_mujoco(versions: Mapping[str, str]) -> Check:
    """MuJoCo 4 comes in three packages, which only work together when their versions are equal."""
    if "mujoco" not in versions:
        return Check("mujoco", "not installed", "python -m pip install 'mujoco>=3.4'")
    version = versions["mujoco"]
    there = {name: versions[name] for name in MUJOCO_PARTS if name in versions}
    found = ", ".join(f"{name} {number}" for name, number in there.items())
    wanted = MUJOCO_PARTS if _numbers(version) >= (4,) else ("mujoco",)
    if len(set(there.values())) == 1 and all(name in there for name in wanted):
        return Check("mujoco", found)
    together = " ".join(f"{name}=={version}" for name in wanted)
    if wanted == ("mujoco",):
        return Check("mujoco", found, "python -m pip uninstall -y mujoco-core mujoco-studio")
    return Check("mujoco", found, f"python -m pip install --force-reinstall --no-deps {together}")


def check_cores(count: int | None = None) -> Check:
    """How many cores there are; one is slow but no trouble."""
    count = cores() if count is None else count
    return Check("cores", f"{count}" + (" (trainings take about twice as long as stated)" if count < 2 else ""))


def find_gl() -> str:
    """The first OpenGL back end that draws a frame in a process of its own, or "none"."""
    from course_lib.render import gl

    return next((name for name in gl.candidates() if gl.probe(name)), "none")


def check_gl(find: Callable[[], str] = find_gl) -> Check:
    """Videos need OpenGL; without it bodies are drawn as lines."""
    backend = find()
    if backend != "none":
        return Check("rendering", f"{backend} drew a frame")
    wish = os.environ.get("MUJOCO_GL", "")
    cure = {
        "Linux": "apt-get install -y libegl1 libgl1 (or libosmesa6), or conda install -c conda-forge libegl mesalib",
        "Darwin": "run from a session that has a screen",
    }.get(platform.system(), "install the graphics driver of this machine")
    if wish:
        cure = f"unset MUJOCO_GL (it is {wish!r}), or {cure}"
    return Check("rendering", "no OpenGL back end draws; videos will show line drawings", cure)


def find_ffmpeg() -> str:
    """Path of the ffmpeg that imageio-ffmpeg ships or was told to use."""
    import imageio_ffmpeg

    return imageio_ffmpeg.get_ffmpeg_exe()


def check_ffmpeg(find: Callable[[], str] = find_ffmpeg) -> Check:
    """Videos are written by ffmpeg."""
    cure = "python -m pip install --force-reinstall --no-deps imageio-ffmpeg"
    told = os.environ.get("IMAGEIO_FFMPEG_EXE")
    if told:
        cure = f"unset IMAGEIO_FFMPEG_EXE (it is {told!r}), or {cure}"
    try:
        done = subprocess.run(
            [find(), "-version"], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL
        )
    except Exception as error:  # a missing module, a missing program, one that may not be executed or hangs
        return Check("ffmpeg", f"not found ({type(error).__name__})", cure)
    words = done.stdout.split()
    if done.returncode or len(words) < 3:
        return Check("ffmpeg", "does not run", cure)
    return Check("ffmpeg", f"version {words[2]}")


def check_widgets(versions: Mapping[str, str]) -> Check:
    """Sliders and the Stop button; everything else works without them."""
    if "ipywidgets" not in versions:
        return Check("widgets", "ipywidgets is missing", "python -m pip install ipywidgets, then reload the page")
    return Check("widgets", f"ipywidgets {versions['ipywidgets']}")


def check_compiler() -> Check:
    """Whether the kernels of the cells are compiled; without a C compiler they run in torch, more slowly."""
    import torch

    from course_lib.nets import native

    native.library(torch.float32)
    return Check("cell kernels", native.status())


def check_folder(folder: str | Path = ".") -> Check:
    """Runs, checkpoints and videos are written below the working folder."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".course-") as file:
            file.write(b"x" * 4096)
            file.flush()
    except OSError as error:
        reason = error.strerror or str(error)
        cure = "start from a folder you may write to, with space left, or pass folder=... to cl.train"
        return Check("folder", f"{folder} cannot be written to: {reason}", cure)
    return Check("folder", "writable")


def check_assets() -> Check:
    """The shipped policies and results."""
    library = Path(__file__).resolve().parents[1]  # as `files.assets_folder`, which needs torch
    for folder in (library.parent / "assets", library / "_assets"):
        if (folder / "policies").is_dir() or (folder / "results").is_dir():
            policies = len(list((folder / "policies").glob("*.safetensors")))
            results = len(list((folder / "results").glob("*.json")))
            return Check("shipped files", f"{policies} policies, {results} results")
    return Check("shipped files", "missing", "python -m pip install --force-reinstall --no-deps liquid-control")


def doctor(versions: Mapping[str, str] | None = None, folder: str | Path = ".") -> list[Check]:
    """All checks of a machine with these `versions` (name -> version), working in `folder`."""
    versions = installed() if versions is None else versions
    return [
        check_python(),
        check_packages(versions),
        check_mujoco(versions),
        check_cores(),
        check_gl(),
        check_ffmpeg(),
        check_widgets(versions),
        check_compiler(),
        check_folder(folder),
        check_assets(),
    ]


def report(checks: list[Check]) -> int:
    """Print the checks -> exit status, 1 when there is trouble."""
    print("\n".join(map(str, checks)))
    bad = sum(not check.ok for check in checks)
    print("all is well" if not bad else f"{bad} of {len(checks)} checks found trouble; the cures are above")
    return 1 if bad else 0


def main() -> int:
    """`python -m course_lib doctor` -> exit status."""
    return report(doctor())


# ------------------------------------------------------------------------ the first cell of a notebook
def quiet() -> None:
    """Silence warnings that a learner can do nothing about; all others are still shown."""
    # A machine without a screen: MuJoCo tries GLFW, which complains although nobody asked for a window.
    warnings.filterwarnings("ignore", message=r".*X11: The DISPLAY environment variable is missing.*")


def setup() -> None:
    """Choose a GL back end, silence warnings that nobody can act on, and print one line about this machine."""
    quiet()
    from course_lib.render import gl

    backend = gl.choose_gl_backend()
    versions = installed()
    parts = [f"{name} {versions.get(name, 'missing')}" for name in ("torch", "gymnasium", "mujoco")]
    own = installed(("liquid-control",)).get("liquid-control", "checkout")
    count = cores()
    words = [
        f"course_lib {own}",
        f"Python {platform.python_version()}",
        *parts,
        f"{count} core{'s' * (count != 1)}",
    ]
    words += [
        f"GL {backend}" if backend != "none" else "no GL (bodies are drawn as lines)",
        f"budget {budget.name}",
    ]
    parts_agree = check_mujoco(versions)
    print(" · ".join(words) + ("" if parts_agree.ok else f" · MuJoCo's packages differ: {parts_agree.cure}"))


if __name__ == "__main__":
    sys.exit(main())
