"""Trials as tasks of a Ray cluster that is already there. Nodes need `course_lib` installed, but not the storage."""

from __future__ import annotations

import contextlib
import itertools
import socket
import time

from course_lib.errors import ArgumentError
from course_lib.sweeps.workers import Outcome, work

HOW = "start one with `ray start --head` (and `ray start --address=HOST:6379` on other machines)"
KEPT = "finished trials are kept, and the same call goes on where this one ended"
PULSE = 1.0  # s between two looks whether the cluster's head still answers
PATIENCE = 30.0  # s that the board may be out of reach


class Board:
    """An actor beside the driver: tasks leave reports here and wait for the answer.

    A report stays until it is answered, so that a message lost on the way costs a repetition and nothing else.
    """

    def __init__(self):
        self._open: dict = {}  # task -> step, value, where its answer will be

    async def report(self, task, step: int, value: float) -> bool:
        import asyncio

        answer = asyncio.get_running_loop().create_future()
        self._open[task] = (step, value, answer)
        return await answer

    async def look(self) -> list:
        return [(task, step, value) for task, (step, value, _) in self._open.items()]

    async def answer(self, task, step: int, stop: bool) -> None:
        if task in self._open and self._open[task][0] == step:
            self._open.pop(task)[2].set_result(stop)


class _Lost(BaseException):
    """The board cannot be reached; not an `Exception`, which would count as the objective's own."""


def _task(objective, config, name, board) -> Outcome:
    import ray

    def ask(step: int, value: float) -> bool:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return ray.get(board.report.remote(name, step, value))
            except ray.exceptions.ActorUnavailableError as error:  # for the moment, says Ray
                if time.monotonic() > until:
                    raise _Lost from error
                time.sleep(0.5)
            except ray.exceptions.RayError as error:
                raise _Lost from error

    try:
        return work(objective, config, ask)
    except _Lost as error:
        return Outcome("died", reason=f"its reports did not arrive ({type(error.__cause__).__name__})")


class RayTasks:
    """At most `count` trials at once (None: as many as the cluster has processors), one processor each."""

    def __init__(self, objective, decide, count: int | None):
        self.ray = ray = connect()
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.decide = decide
        self.count = count or max(int(ray.cluster_resources().get("CPU", 1)), 1)
        self._head = ray.get_runtime_context().gcs_address
        self._board = ray.remote(num_cpus=0, max_concurrency=1000, scheduling_strategy=here)(Board).remote()
        # A node that dies must cost a trial nothing but time: the sweep itself submits it again.
        self._task = ray.remote(num_cpus=1, max_retries=0)(_task)
        self._objective = ray.put(objective)
        self._running: dict = {}  # task -> (key, its name on the board)
        self._names = itertools.count()
        self._look = None  # a look at the board that has not come back yet
        self._seen = self._heard = time.monotonic()  # of the cluster's head, of the board

    def free(self) -> int:
        return self.count - len(self._running)

    def submit(self, key, config) -> None:
        name = next(self._names)  # not the key: reports of a task that died must not answer for its successor
        self._running[self._task.remote(self._objective, config, name, self._board)] = (key, name)

    def finished(self, seconds: float) -> list:
        until = time.monotonic() + seconds
        while True:
            self._check_head()
            self._answer()
            done, _ = self.ray.wait(list(self._running), num_returns=1, timeout=0.1)
            if done or time.monotonic() > until:
                return [(self._running[task][0], self._outcome(task)) for task in done]

    def _answer(self) -> None:
        """Decide about the reports on the board."""
        ray, keys = self.ray, {name: key for key, name in self._running.values()}
        self._look = self._look or self._board.look.remote()
        if not ray.wait([self._look], timeout=0.5)[0]:
            return
        look, self._look = self._look, None
        try:
            for name, step, value in ray.get(look):
                if name in keys:
                    self._board.answer.remote(name, step, self.decide(keys[name], step, value))
            self._heard = time.monotonic()
        except ray.exceptions.RayError as error:
            transient = isinstance(error, ray.exceptions.ActorUnavailableError)
            if not transient or time.monotonic() - self._heard > PATIENCE:
                raise self._gone(error) from None

    def _outcome(self, task) -> Outcome:
        ray = self.ray
        try:
            return ray.get(task)
        except ray.exceptions.RayTaskError as error:
            return Outcome("failed", reason=str(error.cause or error).splitlines()[-1])
        except ray.exceptions.RayError as error:
            return Outcome("died", reason=f"its node or process is gone ({type(error).__name__})")
        finally:
            self._running.pop(task)

    def _check_head(self) -> None:
        """Raise once the cluster's head does not answer: Ray itself would wait a minute and end this process."""
        if time.monotonic() - self._seen < PULSE:
            return
        host, port = self._head.rsplit(":", 1)
        for _ in range(3):
            try:
                socket.create_connection((host, int(port)), timeout=2).close()
                self._seen = time.monotonic()
                return
            except OSError as error:
                last = error
                time.sleep(0.3)
        raise self._gone(last)

    def _gone(self, error: Exception) -> ArgumentError:
        self._running.clear()
        self.ray.shutdown()
        return ArgumentError(
            f"backend='ray': the cluster at {self._head} is gone ({type(error).__name__}); {KEPT}, with a cluster "
            "or with backend='processes'"
        )

    def close(self) -> None:
        if not self.ray.is_initialized():
            return
        with contextlib.suppress(Exception):  # the cluster may be gone
            for task in self._running:
                self.ray.cancel(task, force=True)
            self.ray.kill(self._board)


def connect():
    """The module ray, connected to the caller's cluster or to the one that Ray finds."""
    try:
        import ray
    except ImportError:
        raise ArgumentError("backend='ray' needs the package ray: pip install 'liquid-control[cluster]'") from None
    if not ray.is_initialized():
        try:
            ray.init(address="auto", logging_level="error", log_to_driver=False)
        except Exception as error:  # which one depends on what was found of a cluster
            why = "no Ray cluster is running" if isinstance(error, ConnectionError) else f"{type(error).__name__}"
            raise ArgumentError(f"backend='ray': {why} that this process can find; {HOW}") from None
    return ray
