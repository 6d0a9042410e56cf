"""Loops that torch runs slowly, in C: `kernels.c`, compiled at its first use and kept in a folder of the user.

Where there is no C compiler, where the folder cannot be written, or with COURSE_NATIVE=0 in the environment, torch does
the same, slower. Nothing here raises or prints; `status` says what happened. Results agree to rounding.
"""

from __future__ import annotations

import ctypes
import hashlib
import math
import os
import platform
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import torch
from torch import Tensor

SOURCE = Path(__file__).with_name("kernels.c")
# -O3 unrolls what should become vectors. -ffast-math would change how the whole process rounds, and lose NaN.
FLAGS = ("-std=c99", "-O2", "-ftree-vectorize", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math")
WIDE = ("-mprefer-vector-width=512",) if platform.machine().lower() in ("x86_64", "amd64") else ()
MACHINE = (("-march=native", *WIDE), ("-march=native",), ())  # the first that the compiler takes
TYPES = {torch.float32: "float", torch.float64: "double"}
SLOPES = {"ltc": 1, "ctrnn": 2, "neural_ode": 2}  # f is a sigmoid, or a tanh
LINE = 64  # bytes; the C code takes as many samples together as fit

_libraries: dict[torch.dtype, ctypes.CDLL | None] = {}
_reason = "not used yet"
_lock = threading.Lock()


def status() -> str:
    """One line: whether C code runs, and if not, why."""
    if os.environ.get("COURSE_NATIVE") == "0":
        return "off: COURSE_NATIVE=0"
    return _reason


def library(dtype: torch.dtype = torch.float32) -> ctypes.CDLL | None:
    """The compiled functions for numbers of this type, or None. The first call compiles, or finds what was compiled."""
    if os.environ.get("COURSE_NATIVE") == "0" or dtype not in TYPES:
        return None
    if dtype not in _libraries:
        with _lock:
            if dtype not in _libraries:
                _libraries[dtype] = _load(TYPES[dtype])
    return _libraries[dtype]


def _load(real: str) -> ctypes.CDLL | None:
    global _reason
    try:
        compiler = _compiler()
        if compiler is None:
            _reason = "off: no C compiler (cc, gcc or clang)"
            return None
        path = _folder() / f"{_key(compiler, real)}.so"
        if path.is_file():
            try:
                return _open(path, compiler)
            except (OSError, AttributeError):
                pass  # damaged: compile it again
        _compile(compiler, real, path)
        return _open(path, compiler)
    except (OSError, AttributeError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
        _reason = f"off: {type(error).__name__}: {error}".splitlines()[0]
        return None


def _compiler() -> str | None:
    return next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


def _folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(root) / "liquid-control"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _key(compiler: str, real: str) -> str:
    """Changes with the source, the flags, the compiler and the processor: homes are shared between machines."""
    found = Path(compiler).resolve().stat()
    parts = [SOURCE.read_text(), FLAGS, MACHINE, compiler, found.st_size, found.st_mtime_ns, real, platform.platform()]
    parts.append(platform.processor())
    if (info := Path("/proc/cpuinfo")).is_file():
        parts += sorted({x for x in info.read_text().splitlines() if x.startswith(("model name", "flags", "Features"))})
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def _compile(compiler: str, real: str, path: Path) -> None:
    """To a name of its own first: other processes may be at the same, and none may see half a file."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / "made.so"
        size = {"float": 4, "double": 8}[real]
        define = (f"-DREAL={real}", f"-DREAL_BYTES={size}", "-shared", "-fPIC", str(SOURCE), "-o", str(made))
        for machine in MACHINE:
            command = [compiler, *FLAGS, *machine, *define]
            done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
            if done.returncode == 0:
                os.replace(made, path)
                return
    raise OSError(f"{compiler} failed: {done.stderr.decode(errors='replace').strip()[:200]}")


def _open(path: Path, compiler: str) -> ctypes.CDLL:
    global _reason
    lib = ctypes.CDLL(str(path))
    integer, pointer = ctypes.c_int, ctypes.c_void_p
    numbers = [integer] * 4 + [ctypes.c_double]
    for name, more in (("synaptic", []), ("decaying", [integer]), ("explicit", [integer, integer, pointer])):
        for direction, count in (("forward", 10), ("backward", 12)):
            function = getattr(lib, f"{name}_{direction}")
            function.argtypes, function.restype = [*numbers, *more, *[pointer] * count], None
    _reason = f"on: kernels.c compiled with {compiler}"
    return lib


def usable(drive: Tensor, kick, h, keep, rate, param: Tensor) -> bool:
    """Whether C code may work on these: compiled, not empty, in the processor's memory, all of one type, no gradient
    wanted for durations."""
    if isinstance(rate, Tensor) and rate.requires_grad:
        return False
    given, dtype = [x for x in (drive, kick, h, keep, rate, param) if isinstance(x, Tensor)], drive.dtype
    right = all(x.dtype == dtype and x.device.type == "cpu" and x.numel() for x in given)
    return right and library(dtype) is not None


def _expanded(drive: Tensor, h: Tensor, keep, rate):
    """Of full size, as the C code checks nothing."""
    T, B = drive.shape[:2]
    return h.expand(B, h.shape[-1]), *(x.expand(T, B, 1) if isinstance(x, Tensor) else x for x in (keep, rate))


def _pointers(*tensors: Tensor | None) -> list[int | None]:
    return [None if x is None else x.data_ptr() for x in tensors]


class _Sequence(torch.autograd.Function):
    """One of the pairs of C functions; they differ in widths, and in `more` numbers.

    Args:
        name: of the functions. rows: how many (n, lanes) arrays a substep leaves in `path`.
        table: the coefficients of a Runge–Kutta method of so many stages, or None.
        weight: (…, n, n). leak: (…, n). The others are those of `synaptic`.
    """

    @staticmethod
    def forward(ctx, name, rows, more, table, drive, kick, h, keep, rate, substeps, weight, leak):
        T, B, n, stages = *drive.shape[:2], h.shape[1], rows // 2
        whole, width = lambda x: x.contiguous() if isinstance(x, Tensor) else None, LINE // drive.element_size()
        drive, kick, h, keep, rates, weight, leak = map(whole, (drive, kick, h, keep, rate, weight, leak))
        path = h.new_empty(-(-B // width), T, rows * substeps + 1, n, width)
        space, out = h.new_empty((2 + stages) * n + 3, width), h.new_empty(T, B, n)
        ctx.table = table  # keeps alive what the pointer points to
        more = more if table is None else (*more, table.data_ptr())
        ctx.numbers = (T, B, n, substeps, 1.0 if isinstance(rate, Tensor) else rate, *more)
        ctx.name, ctx.library, ctx.kicked = name, library(h.dtype), kick is not None
        pointers = _pointers(drive, kick, h, keep, rates, weight, leak, path, space, out)
        getattr(ctx.library, f"{name}_forward")(*ctx.numbers, *pointers)
        ctx.save_for_backward(keep, rates, weight, leak, path)
        ctx.width, ctx.stages = drive.shape[-1], stages
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_out):
        keep, rates, weight, leak, path = ctx.saved_tensors
        T, B, n, *_ = ctx.numbers
        size, grad_out = weight.numel() + (6 + ctx.stages) * n + 1, grad_out.contiguous()
        space = path.new_zeros(size, path.shape[-1])
        d_drive, d_h, d_leak = path.new_empty(T, B, ctx.width), path.new_empty(B, n), torch.empty_like(leak)
        d_weight, d_kick = torch.empty_like(weight), torch.empty_like(grad_out) if ctx.kicked else None
        pointers = _pointers(keep, rates, weight, leak, path, space, grad_out, d_drive, d_kick, d_h, d_weight, d_leak)
        getattr(ctx.library, f"{ctx.name}_backward")(*ctx.numbers, *pointers)
        return None, None, None, None, d_drive, d_kick, d_h, None, None, None, d_weight, d_leak


def synaptic(drive, kick, h, keep, rate, substeps: int, synapses, g, gv, C) -> Tensor:
    """States (T, B, n) after each step of a `SynapticLTC`.

    Args:
        drive: current beside conductance of the sensory synapses, (T, B, 2n).
        kick: added to the state when a step begins, (T, B, n), or None. h: state before the first step, (B, n).
        keep: 0 where an episode begins, else 1: (T, B, 1), or None.
        rate: substeps / dt, a number or (T, B, 1); carries no gradient.
        synapses: σ, σμ, w E and w, (4, n, n) [to, from]. g, gv, C: leak, leak times v, capacitance, (n,).
    """
    h, keep, rate = _expanded(drive, h, keep, rate)
    scaled, leak = torch.cat([synapses[:2] * math.log2(math.e), synapses[2:]]), torch.stack([gv, g, C])
    return _Sequence.apply("synaptic", 2, (), None, drive, kick, h, keep, rate, substeps, scaled, leak)


def decaying(kind: str, drive, kick, h, keep, rate, substeps: int, weight, decay, A=None) -> Tensor:
    """States (T, B, n) after each semi-implicit step of an `LTC` (kind "ltc") or a `CTRNN` ("ctrnn", without A).

    Args:
        drive: x Uᵀ + b, (T, B, n). weight: W, (n, n). decay: 1/τ, A: (n,). The others are those of `synaptic`.
    """
    h, keep, rate = _expanded(drive, h, keep, rate)
    leak = torch.stack([decay, torch.ones_like(decay) if A is None else A])
    slope = SLOPES[kind]
    return _Sequence.apply("decaying", 3, (slope,), None, drive, kick, h, keep, rate, substeps, weight, leak)


def explicit(kind: str, tableau, drive, kick, h, keep, rate, substeps: int, weight, decay=None, A=None) -> Tensor:
    """States (T, B, n) after each step of explicit Runge–Kutta steps, of a `NeuralODE` too (without decay and A).

    Args:
        tableau: one of `solvers.TABLEAUS`. The others are those of `decaying`.
    """
    h, keep, rate = _expanded(drive, h, keep, rate)
    stages = len(tableau.b)
    rows = [[*row, *[0.0] * (stages - len(row))] for row in (*tableau.a, tableau.b)]
    decay = torch.zeros_like(weight[0]) if decay is None else decay
    leak = torch.stack([decay, torch.ones_like(decay) if A is None else A])
    numbers, table = (SLOPES[kind], stages), drive.new_tensor(rows)
    return _Sequence.apply("explicit", 2 * stages, numbers, table, drive, kick, h, keep, rate, substeps, weight, leak)
