"""What this process may use of the machine: cores and memory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextvars import ContextVar

from course_lib.errors import ArgumentError

MEBI = 2**20
MOST_LAYERS = 100
_most: ContextVar[int | None] = ContextVar("most", default=None)  # bytes; None for what the machine has


def cores() -> int:
    """Processor cores this process may use (a container often gets fewer than the machine has)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> int:
    """Threads that C code of this library may use: the cores, or what OMP_NUM_THREADS says, as for torch."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores(), int(told)) if told.isdigit() and int(told) else cores()


class Pace:
    """Whether two threads are quicker than one just now, by trying: other work may come and go.

    The other way is tried once in `every` calls, which costs little where it is no better. Results must not depend on
    the number.
    """

    def __init__(self, every: int = 40):
        self.every, self.calls = every, 0
        self.seconds = {1: 0.0, 2: 0.0}

    def choose(self) -> int:
        """How many threads to use now."""
        if threads() < 2:
            return 1
        better = min(self.seconds, key=self.seconds.get)
        self.calls += 1
        return 3 - better if self.calls % self.every == 0 else better

    def took(self, number: int, seconds: float) -> None:
        """What the call took with so many threads."""
        known = self.seconds[number]
        self.seconds[number] = seconds if not known else 0.7 * known + 0.3 * seconds


def memory() -> int:
    """Bytes of memory in this machine."""
    if not hasattr(os, "sysconf"):
        return 2**62  # Windows does not tell in this way
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@contextlib.contextmanager
def memory_limit(nbytes: int) -> Iterator[None]:
    """Inside the `with` block `check_memory` refuses what takes more than `nbytes`."""
    token = _most.set(nbytes)
    try:
        yield
    finally:
        _most.reset(token)


def check_memory(argument: str, value: object, nbytes: int, each: int = 0) -> None:
    """Raise if `argument`, which has this `value`, makes something of `nbytes` that there is no room for.

    each: bytes of one unit of the value, to say how many there is room for.
    """
    most = _most.get()
    if nbytes > (memory() if most is None else most):
        room = "this machine has" if most is None else "here it may take"
        most = memory() if most is None else most
        accepted = f"; accepted here: 1 to {most // each:,}" if each else ""
        raise ArgumentError(
            f"{argument}={value!r:.200} needs {nbytes / MEBI:,.0f} MiB and {room} {most / MEBI:,.0f}{accepted}"
        )


def check_layers(sizes: Sequence[int], copies: int = 1) -> None:
    """Raise if a network of layers as wide as `sizes`, `copies` times, has too many of them or no room."""
    if len(sizes) > MOST_LAYERS + 2:
        raise ArgumentError(f"hidden has {len(sizes) - 2:,} layers; accepted: at most {MOST_LAYERS}")
    numbers = sum((a + 1) * b for a, b in zip(sizes[:-1], sizes[1:], strict=True))
    check_memory("hidden", tuple(sizes[1:-1]), 4 * copies * numbers)
