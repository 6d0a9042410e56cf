"""Runs side by side: a process for each core of this machine, or the processors of a Ray cluster.

A run depends on its seed alone, so it does not matter which process makes it. Whoever calls gets the rows one by one,
in the order in which they are done, and writes each at once: a stop loses what is under way and no more.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from inspect import isgenerator
from pathlib import Path

from course_lib.machine import cores
from course_lib.nets.compiled import switched_off

Job = tuple[tuple, dict]  # the values that tell a run apart, and what else it is made from
PATIENCE = 5.0  # s between two looks whether a process is still alive


def rows_of(one_run: Callable, args, job: Job) -> Iterator[dict | None]:
    """The rows of one run: one, or several that grow. Each says how many cores it had, and whether C was in use."""
    values, more = job
    made = one_run(args, *values, **more)
    for row in made if isgenerator(made) else [made]:
        yield row and row | {"cores": cores(), "native": not switched_off()}


def run_pool(
    one_run: Callable, args, jobs: list[Job], made: Callable[[tuple], bool]
) -> Iterator[tuple[tuple, dict | None]]:
    """Make the runs -> (values, row) as they come. `args.processes` processes, or `args.ray` names a cluster.

    With two processes or more each run has one core, also where it is the only one.

    made: whether a run was made by someone else since; asked before each run where they are made one after another.

    Raises:
        RuntimeError: a run failed, with its traceback, or its process died. The others are stopped.
    """
    if args.ray:
        return _on_ray(one_run, args, jobs)
    if args.processes < 2 or not jobs:
        return ((job[0], row) for job in jobs if not made(job[0]) for row in rows_of(one_run, args, job))
    return _in_processes(one_run, args, jobs)


def _in_processes(one_run: Callable, args, jobs: list[Job]) -> Iterator[tuple[tuple, dict | None]]:
    # Not forked: a copy of a process whose threads are at work would wait for them for ever.
    context = multiprocessing.get_context("spawn")
    todo, done = context.Queue(), context.Queue()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    count = min(args.processes, len(jobs))
    for job in [*jobs, *[None] * count]:
        todo.put(job)
    work = [
        context.Process(target=_work, args=(one_run, args, cores[i % len(cores)] if cores else None, todo, done))
        for i in range(count)
    ]
    try:
        for process in work:
            process.start()
        idle = 0
        while idle < count:
            try:
                kind, values, row = done.get(timeout=PATIENCE)
            except queue.Empty:
                if dead := [process.exitcode for process in work if process.exitcode]:
                    raise RuntimeError(f"a process that made runs died (exit status {dead[0]})") from None
                continue
            if kind == "failed":
                raise RuntimeError(f"run {values} failed:\n{row}")
            idle += kind == "idle"
            if kind == "row":
                yield values, row
    finally:
        for process in work:
            process.terminate()
            process.join()


def _work(one_run: Callable, args, core: int | None, todo, done) -> None:
    """Make runs until there are none left, on one core and with one thread."""
    import torch

    threading.Thread(target=_end_with_parent, daemon=True).start()
    if core is not None:
        os.sched_setaffinity(0, {core})
    torch.set_num_threads(1)
    while (job := todo.get()) is not None:
        try:
            for row in rows_of(one_run, args, job):
                done.put(("row", job[0], row))
        except BaseException:
            done.put(("failed", job[0], traceback.format_exc()))
            return
    done.put(("idle", None, None))


def _end_with_parent() -> None:
    """A parent that is killed cannot stop its processes. Nobody would read their rows, and they would take a core."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _on_ray(one_run: Callable, args, jobs: list[Job]) -> Iterator[tuple[tuple, dict | None]]:
    """A processor for each run. The nodes need `course_lib` installed; the scripts of this folder go with the runs."""
    import ray

    here = str(Path(__file__).parent)
    ray.init(address=args.ray, runtime_env={"working_dir": here}, log_to_driver=False)

    def make(job: Job) -> list:
        import torch

        sys.path.insert(0, os.getcwd())
        torch.set_num_threads(1)
        return list(rows_of(one_run, args, job))

    task = ray.remote(num_cpus=1, max_retries=2)(make)
    running = {task.remote(job): job[0] for job in jobs}
    while running:
        (ready,), _ = ray.wait(list(running), num_returns=1)
        values = running.pop(ready)
        for row in ray.get(ready):
            yield values, row
