"""C files of the library, compiled at their first use and kept in a folder of the user.

Where there is no C compiler, where the folder cannot be written, or with COURSE_NATIVE=0 in the environment, torch does
the same, slower. No trouble with compiling raises or prints; `Program.status` says what happened.

A library is code that runs as this user. So it is loaded only from where nobody else can have put it, and only as it
was written: half a file would end the process.
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from course_lib.files import write_atomically

# -O3 unrolls what should become vectors. -ffast-math would change how the whole process rounds, and lose NaN.
FLAGS = ("-std=c99", "-O2", "-ftree-vectorize", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math")
WIDE = ("-mprefer-vector-width=512",) if platform.machine().lower() in ("x86_64", "amd64") else ()
MACHINE = (("-march=native", *WIDE), ("-march=native",), ())  # the first that the compiler takes
LIBRARIES = ("-pthread", "-lm")

_lock = threading.Lock()


class Program:
    """A C file.

    Args:
        sources: the file, and the files that it includes.
        declare: gives the functions of a loaded library their types.

    Attributes:
        loaded: definitions -> library, or None where there is none.
    """

    def __init__(self, sources: list[Path], declare: Callable[[ctypes.CDLL], None]):
        self.sources, self.declare = sources, declare
        self.loaded: dict[tuple[str, ...], ctypes.CDLL | None] = {}
        self._reason = "not used yet"

    def status(self) -> str:
        """One line: whether C code runs, and if not, why."""
        return "off: COURSE_NATIVE=0" if switched_off() else self._reason

    def library(self, *defines: str) -> ctypes.CDLL | None:
        """The functions, compiled with `defines`, or None. The first call compiles, or finds what was compiled."""
        if switched_off():
            return None
        if defines not in self.loaded:
            with _lock:
                if defines not in self.loaded:
                    self.loaded[defines] = self._load(defines)
        return self.loaded[defines]

    def _load(self, defines: tuple[str, ...]) -> ctypes.CDLL | None:
        try:
            compiler = find_compiler()
            if compiler is None:
                self._reason = "off: no C compiler (cc, gcc or clang)"
                return None
            home = folder()
            note = "" if ours(home) else f", for this process alone, as others can write to {home}"
            path = (_temporary() if note else home) / self.file(compiler, *defines)
            if not whole(path):
                self.compile(compiler, path, *defines)
            lib = ctypes.CDLL(str(path))
            self.declare(lib)
            self._reason = f"on: {self.sources[0].name} compiled with {compiler}{note}"
            return lib
        except (OSError, AttributeError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
            self._reason = f"off: {type(error).__name__}: {error}".splitlines()[0]
            return None

    def file(self, compiler: str, *defines: str) -> str:
        """Name of the library. It changes with sources, flags, compiler and processor: homes are shared."""
        found = Path(compiler).resolve().stat()
        parts = [[source.read_text() for source in self.sources], FLAGS, MACHINE, LIBRARIES, defines, compiler]
        parts += [found.st_size, found.st_mtime_ns, platform.platform(), platform.processor()]
        if (info := Path("/proc/cpuinfo")).is_file():
            kept = ("model name", "flags", "Features")
            parts += sorted({x for x in info.read_text().splitlines() if x.startswith(kept)})
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:24] + ".so"

    def compile(self, compiler: str, path: Path, *defines: str) -> None:
        """To a name of its own first: other processes may be at the same, and none may see half a file.

        The digest comes second. Who reads between the two, or after a crash, compiles again.
        """
        with tempfile.TemporaryDirectory(dir=path.parent) as place:
            made = Path(place) / "made.so"
            what = (*defines, "-shared", "-fPIC", str(self.sources[0]), "-o", str(made), *LIBRARIES)
            for machine in MACHINE:
                command = [compiler, *FLAGS, *machine, *what]
                done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
                if done.returncode == 0:
                    content = made.read_bytes()
                    write_atomically(path, content)
                    write_atomically(_digest(path), hashlib.sha256(content).hexdigest().encode())
                    return
        raise OSError(f"{compiler} failed: {done.stderr.decode(errors='replace').strip()[:200]}")


def switched_off() -> bool:
    """Whether this process is told to leave all to torch."""
    return os.environ.get("COURSE_NATIVE") == "0"


def find_compiler() -> str | None:
    """Path of a C compiler."""
    return next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


def folder() -> Path:
    """Where libraries are kept; made if it is not there."""
    root = Path(os.environ.get("XDG_CACHE_HOME", ""))
    home = (root if root.is_absolute() else Path.home() / ".cache") / "liquid-control"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return home


def ours(path: Path) -> bool:
    """Whether this user owns it and nobody else can change it, nor put another in its place (Windows does not tell)."""
    if not hasattr(os, "geteuid"):
        return True
    path = path.resolve()
    found, above = path.stat(), [parent.stat().st_mode for parent in path.parents]
    open_to_all = any(mode & stat.S_IWOTH and not mode & stat.S_ISVTX for mode in above)  # as /tmp is not
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not open_to_all


def whole(path: Path) -> bool:
    """Whether a library is there as it was written, and by this user."""
    try:
        right = hashlib.sha256(path.read_bytes()).hexdigest() == _digest(path).read_text()
        return right and ours(path) and ours(_digest(path))
    except (OSError, ValueError):
        return False


def _temporary() -> Path:
    """A new folder that only this user can enter, until the process ends."""
    place = Path(tempfile.mkdtemp(prefix="liquid-control-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


def _digest(path: Path) -> Path:
    return path.with_suffix(".sha256")
