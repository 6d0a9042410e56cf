"""Where trials run: in this process, in processes of this machine, or as tasks of a Ray cluster.

A pool has `free()`, `submit(key, config)`, `finished(seconds) -> [(key, Outcome)]` and `close()`. What an objective
reports goes to `decide(key, step, value) -> whether to stop the trial`, always in the process that made the pool.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import pickle
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

from tqdm import tqdm

from course_lib.errors import ArgumentError, check_count


class Pruned(Exception):
    """Raised by a report when the trial is not worth going on with."""


@dataclass
class Outcome:
    """How a trial ended: "complete", "pruned", "failed" (its own fault) or "died" (its process or node is gone)."""

    kind: str
    value: float = math.nan
    reason: str = ""
    seconds: float = 0.0


def work(objective, config, ask) -> Outcome:
    """Run a trial; `ask(step, value)` tells whether to stop."""

    def report(step: int, value: float) -> None:
        """Report an intermediate `value`; raises where the trial is to stop."""
        value = float(value)
        if math.isfinite(value) and ask(check_count("step", step, 0), value):
            raise Pruned

    began = time.perf_counter()
    try:
        value = objective(config, report)
        try:
            outcome = Outcome("complete", float(value))
        except (TypeError, ValueError):
            outcome = Outcome("failed", reason=f"the objective returned {value!r:.80}, not a number")
        if outcome.kind == "complete" and not math.isfinite(outcome.value):
            outcome = Outcome("failed", reason=f"the objective returned {outcome.value}")
    except Pruned:
        outcome = Outcome("pruned")
    except (Exception, SystemExit) as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name} line {place.lineno}"
        outcome = Outcome("failed", reason=f"{type(error).__name__}: {error} ({where})")
    outcome.seconds = round(time.perf_counter() - began, 2)
    return outcome


class Inline:
    """One trial after another, here."""

    def __init__(self, objective, decide):
        self.objective, self.decide, self._job = objective, decide, None

    def free(self) -> int:
        return int(self._job is None)

    def submit(self, key, config) -> None:
        self._job = (key, config)

    def finished(self, seconds: float) -> list:
        (key, config), self._job = self._job, None
        return [(key, work(self.objective, config, lambda step, value: self.decide(key, step, value)))]

    def close(self) -> None:
        """Nothing to end."""


# --- processes ----------------------------------------------------------------------------------


@dataclass
class _Worker:
    process: multiprocessing.process.BaseProcess
    channel: multiprocessing.connection.Connection
    key: object = None
    ready: bool = False


class Processes:
    """`count` processes of this machine, each with one thread for linear algebra."""

    def __init__(self, objective, decide, count: int):
        if getattr(multiprocessing.current_process(), "_inheriting", False):  # a worker that runs the script again
            raise ArgumentError(f"workers={count}: {GUARD}")
        self.decide, self.count = decide, count
        self.work = _pickled(objective)
        self._workers: list[_Worker] = []

    def free(self) -> int:
        return self.count - sum(w.key is not None for w in self._workers)

    def submit(self, key, config) -> None:
        idle = next((w for w in self._workers if w.key is None), None) or self._start()
        idle.key = key
        with contextlib.suppress(OSError):  # it died idle: `finished` will tell
            idle.channel.send((self.work, config))

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), name="sweep worker")
        with _environment(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"):
            process.start()
        theirs.close()
        self._workers.append(_Worker(process, ours))
        return self._workers[-1]

    def finished(self, seconds: float) -> list:
        out, busy = [], {w.channel: w for w in self._workers if w.key is not None}
        for channel in wait(list(busy), seconds):
            worker = busy[channel]
            try:
                kind, *rest = channel.recv()
                if kind == "report":
                    channel.send(self.decide(worker.key, *rest))
            except (EOFError, OSError):
                out.append((worker.key, self._bury(worker)))
                continue
            if kind == "ready":
                worker.ready = True
            elif kind == "refused":
                raise ArgumentError(f"objective cannot be read by another process: {rest[0]}; {MODULE}")
            elif kind == "done":
                out.append((worker.key, rest[0]))
                worker.key = None
        return out

    def _bury(self, worker: _Worker) -> Outcome:
        worker.process.join(5)
        self._workers.remove(worker)
        if not worker.ready:
            raise ArgumentError(f"workers={self.count}: a worker process ended before it began; {GUARD}")
        code = worker.process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
        return Outcome("died", reason=f"its process ended ({how})")

    def close(self) -> None:
        for worker in self._workers:
            worker.channel.close()  # an idle worker ends by itself
            if worker.key is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(3)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers = []


GUARD = "a script that calls cl.sweep with workers must do so under `if __name__ == '__main__':`"
MODULE = "define it in a module that can be imported, or use workers=1"


def _pickled(objective) -> bytes:
    try:
        content = pickle.dumps(objective)
    except Exception as error:  # pickle raises nearly anything
        raise ArgumentError(f"objective cannot be sent to another process: {error}; {MODULE}") from None
    main = sys.modules["__main__"]
    if b"__main__" in content and not hasattr(main, "__file__") and main.__spec__ is None:
        raise ArgumentError(f"objective is defined in a notebook, where other processes cannot find it; {MODULE}")
    return content


@contextlib.contextmanager
def _environment(**variables: str):
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(channel) -> None:
    """A worker process: jobs in, reports and outcomes out; ends with its parent."""
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C in a terminal is for the parent, which ends this process itself
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
    # Else its bar makes a semaphore, about which Python complains when this process is ended from outside.
    tqdm.set_lock(threading.RLock())
    channel.send(("ready",))

    def ask(step: int, value: float) -> bool:
        channel.send(("report", step, value))
        return channel.recv()

    while True:
        try:
            content, config = channel.recv()
        except EOFError:
            return
        try:
            objective = pickle.loads(content)
        except Exception as error:  # a name that is not there, a module that does not import
            channel.send(("refused", f"{type(error).__name__}: {error}"))
            continue
        channel.send(("done", work(objective, config, ask)))
