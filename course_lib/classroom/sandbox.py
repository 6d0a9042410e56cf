"""A process of its own for what somebody else wrote, of which nothing but numbers and sentences comes back."""

from __future__ import annotations

import contextlib
import json
import math
import os
import resource
import secrets
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable

import numpy as np
from IPython.core.inputtransformer2 import TransformerManager

from course_lib.course.answers import Wrong, array_of
from course_lib.course.exercises import Compare, Demands, attempt

OWN_SECONDS = 20  # of processor time for each of the author's cells before an answer; what takes longer is cut off
CUT_OFF = "the cell stops with TimeoutError: longer than"  # how `run` begins to tell of such a cell
# How sentences begin that tell about this machine and this time as much as about the answer.
LOST = ("no answer within", "the process that ran this answer stopped before it finished")
PATIENCE = 5  # a machine with many jobs may need as many times longer by the clock


def snapshot() -> Callable[[], None]:
    """-> a function that gives back what the cells may have redefined: names of this library, numpy, torch, Python."""
    prefixes = ("course_lib", "numpy", "torch", "builtins")
    held = [vars(module) for name, module in sys.modules.items() if name.partition(".")[0] in prefixes]
    kinds = [(kind, dict(vars(kind))) for kind in (Compare, Demands)]
    before = [(place, dict(place)) for place in held]

    def restore() -> None:
        for place, content in before:
            place.update(content)
        for kind, content in kinds:
            for name, value in content.items():
                if callable(value) and not isinstance(value, type):
                    setattr(kind, name, value)

    return restore


def run(source: str, names: dict, seconds: int) -> str:
    """Run a cell as a notebook would -> why it stopped, "" where it did not."""
    names["get_ipython"], names["display"] = lambda: _NoShell(names), lambda *args, **kwargs: None
    # By the processor, since the machine may be busy with others; by the clock for a cell that sleeps.
    for number, timer, allowed in (
        (signal.SIGVTALRM, signal.ITIMER_VIRTUAL, seconds), (signal.SIGALRM, signal.ITIMER_REAL, PATIENCE * seconds),
    ):  # fmt: skip
        signal.signal(number, _late)
        signal.setitimer(timer, allowed)
    try:
        _execute(source, names)
    except BaseException as error:  # SystemExit and what else a cell may raise
        return f"the cell stops with {type(error).__name__}: {str(error).partition(chr(10))[0]}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    return ""


def _execute(source: str, names: dict) -> None:
    exec(compile(TransformerManager().transform_cell(source), "answer", "exec"), names)


class _NoShell:
    """In the place of the notebook's shell: what a magic would measure or catch is run, other magics do nothing."""

    RUN = ("time", "timeit", "capture", "prun")

    def __init__(self, names: dict):
        self._names = names

    def run_cell_magic(self, magic: str, line: str, cell: str) -> None:
        if magic in self.RUN:
            _execute(cell, self._names)

    def run_line_magic(self, magic: str, line: str, *_) -> None:
        if magic in ("time", "prun"):
            _execute(line, self._names)

    def __getattr__(self, name: str) -> Callable:
        return lambda *args, **kwargs: None


def _late(*_) -> None:
    raise TimeoutError(f"longer than {OWN_SECONDS} s")


def encoded(value: object) -> dict:
    """An answer as JSON: numbers, or several answers, or why it is neither."""
    if isinstance(value, tuple) or isinstance(value, list) and attempt(array_of, value) is None:
        return {"several": [encoded(each) for each in value]}
    try:
        array = array_of(value)
        return {"shape": array.shape, "values": array.ravel().tolist()}
    except Wrong as wrong:
        return {"wrong": str(wrong)}
    except (TypeError, ValueError):
        return {"wrong": f"{type(value).__name__} comes back; numbers or arrays are expected"}


def decoded(sent: dict) -> object:
    if "wrong" in sent:
        raise Wrong(sent["wrong"])
    if "several" in sent:
        return tuple(decoded(each) for each in sent["several"])
    return np.array(sent["values"], dtype=float).reshape(sent["shape"])


def in_a_fork(work, seconds: float, more: float = 0.0) -> dict | str:
    """`work()` in a fork, whose result comes back as JSON; a sentence where it does not come.

    seconds: of processor time, and `more` for what is run before the answer.
    """
    allowed = math.ceil(seconds + more)
    read, written = os.pipe()
    nonce, sys_write, dumps, leave = secrets.token_hex(16), os.write, json.dumps, os._exit
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(read)
            resource.setrlimit(resource.RLIMIT_CPU, (allowed, allowed + 5))
            quiet = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(quiet, stream)
            content = (nonce + dumps(work())).encode()
            while content:
                content = content[sys_write(written, content) :]
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            leave(status)
    os.close(written)
    content, until = b"", time.monotonic() + PATIENCE * allowed
    while (left := until - time.monotonic()) > 0 and select.select([read], [], [], left)[0]:
        part = os.read(read, 1 << 16)
        if not part:
            break
        content += part
    os.close(read)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    out_of_time = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
    if not content and (out_of_time or time.monotonic() >= until):
        return f"{LOST[0]} {seconds:g} s of processor time"
    text = content.decode(errors="replace")
    with contextlib.suppress(ValueError):  # cut off
        if text.startswith(nonce):
            return json.loads(text[len(nonce) :])
    return LOST[1]
