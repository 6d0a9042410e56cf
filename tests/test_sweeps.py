"""Sweeps: the space, resuming after a kill, failures, storage, importances, figures, the command line, Ray."""

import contextlib
import json
import math
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import optuna
import pytest

import course_lib as cl
from course_lib.__main__ import main
from course_lib.errors import ArgumentError
from course_lib.rl.agent import Agent
from course_lib.sweeps import Record
from course_lib.sweeps import storage as storage_module
from course_lib.sweeps import workers as workers_module
from course_lib.sweeps.space import check_space, parse_space, with_values

X = {"x": cl.uniform(0, 1)}
LOG = "journal:///sweep.log"  # in the test's own folder
QUIET = dict(progress=False, storage=LOG)


def itself(config, report):
    return config.x


def hill(config, report):
    """Best at x = 0.3, z = "b"; reported on the way."""
    value = -((config.x - 0.3) ** 2) - 0.1 * (config.z == "a")
    for step in range(1, 10):
        report(step, value * step / 10)
    return value


HILL = {"x": cl.uniform(-2, 2), "z": cl.choice("a", "b")}


# ------------------------------------------------------------------------------------------------- space
@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: cl.uniform(2, 1), r"uniform\(2, 1\) is inverted.*did you mean \(1, 2\)"),
        (lambda: cl.integer(5, 2), "inverted"),
        (lambda: cl.log_uniform(0, 1), "low=0 of a logarithmic range.*above 0"),
        (lambda: cl.log_uniform(-1, 1), "above 0"),
        (lambda: cl.integer(0, 8, log=True), "above 0"),
        (lambda: cl.integer(1.5, 3), "low=1.5 .*a whole number"),
        (lambda: cl.uniform(0, math.inf), "high=inf .*a finite number"),
        (lambda: cl.uniform("a", 1), "low='a' .*a finite number"),
        (lambda: cl.choice(), r"choice\(\) is empty"),
        (lambda: cl.choice(1, 1), "a value twice"),
        (lambda: cl.choice(itself), "a choice holds None"),
    ],
)
def test_refused_ranges(make, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        make()


@pytest.mark.parametrize(
    "space, sentence",
    [
        ({}, "space is empty"),
        (None, "space=None is not accepted"),
        ({"learning_rat": cl.uniform(0, 1)}, "names 'learning_rat'.*did you mean 'learning_rate'"),
        ({"gamma": (0.9, 0.99)}, r"space\['gamma'\]=\(0.9, 0.99\) is not accepted"),
        ({"epochs": cl.uniform(2, 10)}, r"does not fit PPOConfig.epochs, which takes int; use cl.integer"),
        ({"learning_rate": cl.choice("fast", "slow")}, "PPOConfig.learning_rate, which takes float"),
        ({"normalize_reward": cl.integer(0, 1)}, "normalize_reward, which takes bool"),
        ({"gamma": cl.choice(None, 0.9)}, "gamma, which takes float"),
        ({"gamma": cl.uniform(0.9, 1.5)}, r"space\['gamma'\]=uniform\(0.9, 1.5\) goes too far: gamma=1.5"),
        ({"cell": cl.choice(None, "ltcc")}, "goes too far: cell.name='ltcc'.*did you mean 'ltc'"),
    ],
)
def test_refused_spaces(space, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        check_space(space, cl.PPOConfig())


def test_a_space_of_every_kind_fits():
    space = {
        "learning_rate": cl.log_uniform(1e-4, 1e-2), "epochs": cl.integer(2, 10), "gamma": cl.uniform(0.9, 1),
        "cell": cl.choice(None, "ltc"), "hidden": cl.choice((64,), (64, 64)), "target_kl": cl.uniform(0.01, 0.05),
        "normalize_reward": cl.choice(True, False), "clip": cl.integer(1, 2),
    }  # fmt: skip
    assert check_space(space, cl.PPOConfig()) == space


def test_positions_are_even_in_the_scale_that_is_sampled():
    assert cl.log_uniform(1e-4, 1e-2).position(1e-3) == pytest.approx(0.5)
    assert cl.uniform(2, 6).position(3) == 0.25 and cl.integer(2, 8, log=True).position(4) == pytest.approx(0.5)
    assert [cl.choice(None, "ltc", (1, 2)).position(v) for v in (None, "ltc", (1, 2))] == [0, 0.5, 1]
    assert cl.choice(0, False).position(False) == 1  # 0 == False


def test_spaces_in_words():
    words = [
        "learning_rate=log(1e-4,1e-2)",
        "epochs=int(2, 10)",
        "gamma=uniform(.9,1)",
        "cell=choice(None,ltc,(64,64))",
    ]
    assert parse_space(words) == {
        "learning_rate": cl.log_uniform(1e-4, 1e-2), "epochs": cl.integer(2, 10), "gamma": cl.uniform(0.9, 1),
        "cell": cl.choice(None, "ltc", (64, 64)),
    }  # fmt: skip


@pytest.mark.parametrize(
    "word, sentence",
    [
        ("gamma", "must look like"),
        ("gamma=unifrm(0,1)", "did you mean 'uniform'"),
        ("gamma=uniform(0)", "has 1 ends"),
        ("gamma=uniform(0,,1)", "cannot be read"),
        ("cell=choice(a-b)", "put it in quotes"),
        ("gamma=log(1,0.1)", "inverted"),
    ],
)
def test_words_that_are_no_space(word, sentence):
    with pytest.raises(ArgumentError, match=re.escape(sentence)):
        parse_space([word])


# --------------------------------------------------------------------------------------------- searching
def test_tpe_finds_the_top_and_median_stops_the_bad():
    found = cl.sweep(objective=hill, space=HILL, trials=40, **QUIET)
    assert abs(found.best.params["x"] - 0.3) < 0.15 and found.best.params["z"] == "b"
    pruned = found.of_state("pruned")
    assert len(found.trials) == 40 and len(pruned) >= 5
    # A pruned trial stopped where it was below the median of what had been reported at that step before it.
    for t in pruned[:5]:
        step = max(t.reports)
        before = [u.reports[step] for u in found.trials[: t.number] if step in u.reports]
        assert t.reports[step] < np.median(before) and step >= 2 and math.isnan(t.value)


@pytest.mark.parametrize("pruner", [None, "hyperband", optuna.pruners.ThresholdPruner(lower=-0.5, n_warmup_steps=0)])
def test_other_pruners(pruner):
    found = cl.sweep(objective=hill, space=HILL, trials=20, sampler="random", pruner=pruner, **QUIET)
    pruned = found.of_state("pruned")
    assert bool(pruned) == (pruner is not None)
    if isinstance(pruner, optuna.pruners.ThresholdPruner):
        assert all(t.reports[max(t.reports)] < -0.5 for t in pruned)
        assert all(min(t.reports.values()) >= -0.5 for t in found.of_state("complete"))


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_sweep_in_pieces_draws_what_one_in_one_piece_draws(sampler):
    whole = cl.sweep(objective=hill, space=HILL, trials=24, sampler=sampler, name="whole", **QUIET)
    for trials in (5, 13, 24):
        pieces = cl.sweep(objective=hill, space=HILL, trials=trials, sampler=sampler, name="pieces", **QUIET)
    assert [t.params for t in pieces.trials] == [t.params for t in whole.trials]
    other = cl.sweep(objective=hill, space=HILL, trials=2, sampler=sampler, name="other", seed=1, **QUIET)
    assert other.trials[0].params != whole.trials[0].params
    assert len({t.params["x"] for t in whole.trials}) == 24


def small(**changes):
    return cl.PPOConfig(**{**dict(rollout_steps=32, minibatch_size=64, epochs=2, hidden=(16,)), **changes})


def test_a_trial_is_a_training_that_can_be_repeated():
    space = {"learning_rate": cl.log_uniform(1e-3, 1e-2), "epochs": cl.integer(1, 4)}
    found = cl.sweep(
        "InvertedPendulum-v5", "ppo", space, config=small(), env_steps=2560, num_envs=8, trials=2, pruner=None,
        episodes=5, seed=3, **QUIET,
    )  # fmt: skip
    best = found.best
    assert found.name == "ppo-InvertedPendulum-v5-3" and found.best_config == small(seed=3, **best.params)
    run = cl.train(
        cl.PPO(cl.make("InvertedPendulum-v5", 8, seed=3), small(seed=3, **best.params)), 2560, progress=False
    )
    assert cl.evaluate(run, 5, seed=10_000).deterministic.mean == best.value
    # One report after each tenth of the budget, of the return at that moment.
    steps, returns = run.curve["env_steps"], run.curve["return_mean"]
    wanted = {k: returns[np.flatnonzero(steps >= 256 * k)[0]] for k in range(1, 10)}
    assert best.reports == {k: v for k, v in wanted.items() if np.isfinite(v)} and len(best.reports) > 5
    assert cl.load_sweep(found.name, LOG).best_config == found.best_config


@dataclass
class Settings:
    gain: float = 1.0
    seed: int = 0
    torch_threads: int = 1


class Doubler(Agent):
    """An agent of another kind, whose policy learns nothing."""

    name = "doubler"

    def make_policy(self, policy):
        return cl.Policy(self.obs_dim, self.act_dim)

    def iterate(self, progress):
        self.env_steps += 10
        return {"return_mean": self.config.gain * self.env_steps}


@pytest.mark.parametrize("value", ["training", lambda run: 2 * run.latest["return_mean"] / 2])
def test_any_agent_class_will_do(value):
    found = cl.sweep(
        "InvertedPendulum-v5", Doubler, {"gain": cl.uniform(0, 1)}, config=Settings(), env_steps=100, num_envs=1,
        reports=5, trials=3, pruner=None, value=value, name="d", **QUIET,
    )  # fmt: skip
    for t in found.trials:
        assert t.value == pytest.approx(100 * t.params["gain"])
        assert t.reports == pytest.approx({k: 20 * k * t.params["gain"] for k in range(1, 5)})


# ------------------------------------------------------------------------------------------ failed trials
def troubled(config, report):
    if config.k == 0:
        raise RuntimeError("the engine stalled")
    return {1: math.nan, 2: None, 3: math.inf}.get(config.k, float(config.k))


def test_failed_trials_keep_their_reason_and_the_sweep_goes_on():
    found = cl.sweep(objective=troubled, space={"k": cl.integer(0, 5)}, trials=30, sampler="random", **QUIET)
    assert len(found.trials) == 30
    wanted = {
        0: r"RuntimeError: the engine stalled \(test_sweeps.py line \d+\)", 1: "the objective returned nan",
        2: "the objective returned None, not a number", 3: "the objective returned inf",
    }  # fmt: skip
    for t in found.trials:
        k = t.params["k"]
        assert t.state == ("failed" if k in wanted else "complete") and (k in wanted or t.value == k)
        assert re.fullmatch(wanted.get(k, ""), t.reason)
    assert {t.params["k"] for t in found.trials} == set(range(6))
    assert "the engine stalled" in repr(found.table()) and found.best.value == 5


def test_all_trials_failing_is_said_and_they_are_kept():
    sentence = "all 3 trials of sweep 'bad' failed, 3 of them with: .*stalled.*recorded in"
    for _ in range(2):  # also when there is nothing left to run
        with pytest.raises(ArgumentError, match=sentence):
            cl.sweep(objective=troubled, space={"k": cl.integer(0, 0)}, trials=3, name="bad", **QUIET)
    assert [t.state for t in cl.load_sweep("bad", LOG).trials] == ["failed"] * 3


def test_fields_that_do_not_go_together_fail_the_trial_only():
    space = {"minibatch_size": cl.choice(64, 4096)}
    found = cl.sweep("InvertedPendulum-v5", "ppo", space, config=small(), env_steps=256, num_envs=8, trials=6,
                     sampler="random", episodes=1, **QUIET)  # fmt: skip
    for t in found.trials:
        assert ("larger than a rollout" in t.reason) == (t.params["minibatch_size"] == 4096) == (t.state == "failed")


# ---------------------------------------------------------------------------------- interrupts and kills
class Interrupting:
    """Presses Ctrl-C in the n-th call."""

    def __init__(self, n):
        self.n = n

    def __call__(self, config, report):
        self.n -= 1
        if self.n == 0:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        return config.x


def test_an_interrupt_leaves_a_sweep_that_goes_on():
    found = cl.sweep(objective=Interrupting(3), space=X, trials=6, name="i", **QUIET)
    assert found.interrupted == "stopped by the user"
    assert [t.state for t in found.trials] == ["complete"] * 2 + ["waiting"]
    asked = found.trials[2].params
    found = cl.sweep(objective=Interrupting(-1), space=X, trials=6, name="i", **QUIET)
    assert [t.state for t in found.trials] == ["complete"] * 6 and found.interrupted is None
    assert found.trials[2].params == asked and found.trials[2].value == asked["x"]


def test_an_interrupt_in_a_training():
    class Press:
        done = False

        def __call__(self, run):
            return 0.0

    class Pressing(Doubler):
        def iterate(self, progress):
            if progress > 0.5 and not Press.done:
                Press.done = True
                os.kill(os.getpid(), signal.SIGINT)
            return super().iterate(progress)

    options = dict(config=Settings(), env_steps=100, num_envs=1, trials=2, value="training", name="t", **QUIET)
    found = cl.sweep("InvertedPendulum-v5", Pressing, {"gain": cl.uniform(0, 1)}, **options)
    assert found.interrupted == "stopped by the user" and [t.state for t in found.trials] == ["waiting"]
    found = cl.sweep("InvertedPendulum-v5", Pressing, {"gain": cl.uniform(0, 1)}, **options)
    assert [t.state for t in found.trials] == ["complete"] * 2


KILLED = """
import os, sys, time
import course_lib as cl
def logged(config, report):
    report(1, config.x)
    with open("calls", "a") as file:
        file.write(f"{config.x!r}\\n")
    while os.path.exists("hold") and open("calls").read().split().index(repr(config.x)) >= 3:
        time.sleep(0.02)  # the fourth call on: until killed
    return config.x
if __name__ == "__main__":
    cl.sweep(objective=logged, space={"x": cl.uniform(0, 1)}, trials=int(sys.argv[3]), sampler="random", pruner=None,
             storage=sys.argv[1], workers=int(sys.argv[2]), name="k", progress=False)
"""


def launch(*words):
    Path("killed.py").write_text(KILLED)
    return subprocess.Popen([sys.executable, "killed.py", *words], stderr=subprocess.PIPE, text=True)


def calls():
    return [float(line) for line in Path("calls").read_text().splitlines()] if Path("calls").exists() else []


@pytest.mark.slow
@pytest.mark.parametrize("storage, workers", [("sqlite:///s.db", "1"), (LOG, "2")])
def test_a_sweep_killed_in_mid_trial_goes_on_with_nothing_lost_or_twice(storage, workers):
    Path("hold").touch()
    process = launch(storage, workers, "8")
    until = time.monotonic() + 60
    while len(calls()) < 3 + int(workers) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    alive = process.poll() is None
    process.kill()
    process.wait()
    assert alive and len(calls()) == 3 + int(workers), process.stderr.read()
    before, left = calls(), cl.load_sweep("k", storage).trials
    running = [t.number for t in left if t.state == "running"]
    assert len(running) == int(workers) and [t.state for t in left].count("complete") == 3 == len(left) - len(running)
    Path("hold").unlink()
    done = launch(storage, workers, "8")
    assert done.wait(60) == 0, done.stderr.read()
    found = cl.load_sweep("k", storage)
    assert [t.number for t in found.trials] == list(range(8)) and {t.state for t in found.trials} == {"complete"}
    assert [t.params for t in found.trials[: len(left)]] == [t.params for t in left]
    assert [t.number for t in found.trials if t.restarts] == running and max(t.restarts for t in found.trials) == 1
    # Finished trials were not run again, the killed ones just once more, the others once.
    new = [found.trials[n].params["x"] for n in [*running, *range(len(left), 8)]]
    assert sorted(calls()) == sorted(before + new)
    never = cl.sweep(objective=itself, space=X, trials=8, sampler="random", name="never killed", **QUIET)
    assert [t.params for t in found.trials] == [t.params for t in never.trials]


@pytest.mark.slow
def test_two_callers_share_one_sweep():
    pair = [launch("sqlite:///s.db", "1", "7") for _ in range(2)]
    assert [p.wait(60) for p in pair] == [0, 0], [p.stderr.read() for p in pair]
    found = cl.load_sweep("k", "sqlite:///s.db")
    assert {t.state for t in found.trials} == {"complete"} and len(found.trials) == 7 == len(calls())
    assert len({t.params["x"] for t in found.trials}) == 7


def test_a_trial_that_waits_beyond_the_number_asked_for_keeps_nobody():
    """An interrupted sweep of fifty leaves one waiting; a later call for twelve is done with its twelve."""
    found = cl.sweep(objective=itself, space=X, trials=2, **QUIET)
    study = optuna.load_study(study_name=found.name, storage=storage_module.open_storage(LOG)[0])
    study.enqueue_trial({"x": 0.5})
    began = time.monotonic()
    assert len(cl.sweep(objective=itself, space=X, trials=2, **QUIET).of_state("complete")) == 2
    assert time.monotonic() - began < 20
    assert len(cl.sweep(objective=itself, space=X, trials=3, **QUIET).of_state("complete")) == 3


def test_a_trial_that_a_living_owner_runs_is_left_alone():
    study = optuna.create_study(storage=storage_module.open_storage(LOG)[0], study_name="s")
    with storage_module.Owner(study) as owner:
        trial = study.ask()
        trial.set_user_attr("owner", owner.name)
        assert storage_module.recover(study) == 0
    assert storage_module.recover(study) == 1  # the same process, but no longer at it
    far = study.ask()
    far.set_user_attr("owner", "another-host:1:abc")
    study.set_user_attr("beat another-host:1:abc", time.time() - 5)
    assert storage_module.recover(study) == 0
    study.set_user_attr("beat another-host:1:abc", time.time() - 100)
    assert storage_module.recover(study) == 1
    assert [t.state.name for t in study.trials] == ["WAITING"]  # one trial throughout


# ----------------------------------------------------------------------------------------------- workers
def dies(config, report):
    """Kills its process: above .9 always, else the first time."""
    mark = Path(f"died-{config.x}")
    if config.x > 0.9 or not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return float(os.getpid())


@pytest.mark.slow
def test_workers_that_die_cost_time_and_no_trial(monkeypatch):
    monkeypatch.setattr(storage_module, "MOST_RESTARTS", 1)
    space = {"x": cl.choice(0.1, 0.95)}
    found = cl.sweep(objective=dies, space=space, trials=3, sampler="random", workers=2, pruner=None, **QUIET)
    assert len(found.trials) == 3 and {t.params["x"] for t in found.trials} == {0.1, 0.95}
    for t in found.trials:
        if t.params["x"] == 0.95:
            assert t.state == "failed" and "its process ended (signal 9), 2 times" in t.reason
        else:
            assert t.state == "complete" and t.value != os.getpid()
    assert sum(t.restarts for t in found.trials if t.params["x"] == 0.1) >= 1


def threads(config, report):
    import torch

    return torch.get_num_threads() + 10 * int(os.environ["OMP_NUM_THREADS"]) + 100 * (os.getpgid(0) == os.getpid())


def test_objectives_that_other_processes_cannot_have():
    with pytest.raises(ArgumentError, match="objective cannot be sent to another process.*workers=1"):
        cl.sweep(objective=lambda config, report: 0.0, space=X, workers=2, **QUIET)
    assert not Path("sweep.log").exists()


@pytest.mark.slow
def test_a_worker_is_one_thread_out_of_reach_of_ctrl_c(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    found = cl.sweep(objective=threads, space=X, trials=2, workers=2, **QUIET)
    assert [t.value for t in found.trials] == [111, 111] and os.environ["OMP_NUM_THREADS"] == "7"


def test_the_engine_of_each_worker_has_its_share_of_the_cores(monkeypatch):
    from course_lib.sweeps import run

    seen = {}
    monkeypatch.setattr(run, "cores", lambda: 4)
    monkeypatch.setattr(
        run, "_pool", lambda backend, objective, workers: seen.update({workers: objective.threads}) or 1 / 0
    )
    for workers in (None, 2, 3, 8):
        with pytest.raises(ZeroDivisionError):
            cl.sweep("InvertedPendulum-v5", space={"gamma": cl.uniform(0, 1)}, workers=workers, **QUIET)
    assert seen == {None: 4, 2: 2, 3: 1, 8: 1}


# ----------------------------------------------------------------------------------------------- storage
@pytest.mark.parametrize(
    "url, sentence",
    [
        ("runs/sweep.db", "is not a storage URL; accepted: 'sqlite:///"),
        (Path("s.db"), "is not a storage URL"),
        ("sqlite:/s.db", "is not a storage URL|cannot be used"),
        ("sqlit:///s.db", "database 'sqlit' that is not known.*did you mean 'sqlite'"),
        ("journal://s.log", "a journal is 'journal:///'"),
        ("journal:///", "a journal is 'journal:///'"),
        ("journal:///notes.txt", "it is not a journal"),
        ("sqlite:///notes.txt", "file is not a database"),
        ("sqlite:///notes.txt/s.db", "cannot be written"),
        ("journal:///notes.txt/s.log", "cannot be written"),
        ("mysql+nosuch://u:secret@h/d", r"database 'mysql'"),
        ("postgresql+psycopg2://u:secret@h/d", "pip install psycopg2-binary"),
    ],
)
def test_storage_that_cannot_be_used(url, sentence):
    Path("notes.txt").write_text("buy milk\nand bread\n" * 100)
    if "psycopg2" in str(url) and shutil.which("python") and _installed("psycopg2"):
        pytest.skip("psycopg2 is installed")
    with pytest.raises(ArgumentError, match=sentence) as refusal:
        cl.sweep(objective=itself, space=X, trials=1, storage=url, progress=False)
    assert "secret" not in str(refusal.value)
    assert Path("notes.txt").read_text() == "buy milk\nand bread\n" * 100


def _installed(name):
    import importlib.util

    return importlib.util.find_spec(name) is not None


def test_the_default_storage_is_a_file_under_runs():
    cl.sweep(objective=itself, space=X, trials=2, progress=False)
    assert len(sqlite3.connect("runs/sweep.db").execute("select * from trials").fetchall()) == 2
    assert len(cl.load_sweep("itself-0").trials) == 2


def test_locked_storage(monkeypatch):
    monkeypatch.setattr(storage_module, "LOCK_SECONDS", 0.2)
    url = "sqlite:///s.db"
    cl.sweep(objective=itself, space=X, trials=2, storage=url, progress=False)
    other = sqlite3.connect("s.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    for call in (
        lambda: cl.sweep(objective=itself, space=X, trials=3, storage=url),
        lambda: cl.load_sweep("itself-0", url),
    ):
        with pytest.raises(ArgumentError, match="'sqlite:///s.db' is locked by another process"):
            call()
    other.execute("ROLLBACK")
    assert len(cl.sweep(objective=itself, space=X, trials=3, storage=url, progress=False).of_state("complete")) == 3


def test_storage_locked_in_mid_trial_loses_nothing(monkeypatch):
    monkeypatch.setattr(storage_module, "LOCK_SECONDS", 0.2)
    others, url = [], "sqlite:///s.db"

    def objective(config, report):
        if len(others) < 3:
            others.append(sqlite3.connect("s.db", isolation_level=None))
        if len(others) == 3 and not others[2].in_transaction:
            others[2].execute("BEGIN EXCLUSIVE")
        return config.x

    options = dict(objective=objective, space=X, trials=5, storage=url, name="locked", progress=False)
    with pytest.raises(ArgumentError, match="is locked by another process.*finished trials are kept"):
        cl.sweep(**options)
    others[2].execute("ROLLBACK")
    left = cl.load_sweep("locked", url).trials
    assert [t.state for t in left] == ["complete", "complete", "running"]
    others.append(None)  # no more locks
    found = cl.sweep(**options)
    assert [t.state for t in found.trials] == ["complete"] * 5
    assert [t.params for t in found.trials[:3]] == [t.params for t in left]


def test_a_torn_last_line_of_a_journal_is_dropped():
    cl.sweep(objective=itself, space=X, trials=2, **QUIET)
    with open("sweep.log", "a") as file:
        file.write('{"op_code":5,"wor')
    found = cl.sweep(objective=itself, space=X, trials=4, **QUIET)
    assert (
        [t.state for t in found.trials] == ["complete"] * 4 == [t.state for t in cl.load_sweep("itself-0", LOG).trials]
    )


@pytest.mark.parametrize(
    "changes, sentence",
    [
        (dict(space={"x": cl.uniform(0, 2)}), r"another space x: uniform\(0, 1\) there, uniform\(0, 2\) here"),
        (dict(space={"x": cl.uniform(0, 1), "y": cl.uniform(0, 1)}), r"another space y: None there"),
        (dict(seed=1), "another seed: 0 there, 1 here"),
        (dict(objective=hill), "another objective: 'itself' there, 'hill' here"),
        (dict(resume=False), "already, with 2 trials.*resume=True"),
    ],
)
def test_a_name_used_again_for_something_else(changes, sentence):
    options = dict(objective=itself, space=X, name="n", **QUIET)
    cl.sweep(trials=2, **options)
    with pytest.raises(ArgumentError, match=sentence):
        cl.sweep(**{**options, **changes})
    assert len(cl.load_sweep("n", LOG).trials) == 2


def test_other_training_settings_need_another_name():
    options = dict(env_steps=100, num_envs=1, trials=1, value="training", name="n", **QUIET)
    space = {"gain": cl.uniform(0, 1)}
    cl.sweep("InvertedPendulum-v5", Doubler, space, config=Settings(), **options)
    for changes, sentence in (
        (dict(env_steps=200), "env_steps: 100 there, 200 here"),
        (dict(env_options={"hide": "velocities"}), "env_options"),
    ):
        with pytest.raises(ArgumentError, match=sentence):
            cl.sweep("InvertedPendulum-v5", Doubler, space, config=Settings(), **{**options, **changes})
    with pytest.raises(ArgumentError, match="with another space gain"):
        cl.sweep("InvertedPendulum-v5", "ppo", {"gamma": cl.uniform(0, 1)}, **options)


def test_names_and_studies_that_are_no_sweeps():
    cl.sweep(objective=itself, space=X, trials=1, **QUIET)
    with pytest.raises(ArgumentError, match="no sweep in .*it has: 'itself-0'; did you mean 'itself-0'"):
        cl.load_sweep("itself", LOG)
    study = optuna.create_study(storage=storage_module.open_storage(LOG)[0], study_name="plain")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(ArgumentError, match="plain Optuna"):
        cl.load_sweep("plain", LOG)
    with pytest.raises(ArgumentError, match="not a sweep of this library"):
        cl.sweep(objective=itself, space=X, name="plain", **QUIET)


@pytest.mark.parametrize(
    "changes, sentence",
    [
        (dict(trials=0), "trials=0"),
        (dict(trials=2.5), "trials=2.5"),
        (dict(sampler="tpee"), "sampler='tpee' is not known.*did you mean 'tpe'"),
        (dict(pruner="medain"), "did you mean 'median'"),
        (dict(backend="rey"), "did you mean 'ray'"),
        (dict(workers=0), "workers=0"),
        (dict(seed=-1), "seed=-1"),
        (dict(objective=3), "objective=3 is not accepted"),
        (dict(name=3), "name=3 is not accepted"),
        (dict(objective=None), "env=None"),
        (dict(objective=None, env="HalfCheeta-v5"), "did you mean 'HalfCheetah-v5'"),
        (dict(objective=None, env="HalfCheetah-v5", algorithm="ppoo"), "algorithm='ppoo' is not known"),
        (dict(objective=None, env="HalfCheetah-v5", algorithm=Doubler), "config=None is not accepted"),
        (dict(objective=None, env="HalfCheetah-v5", algorithm=3), "algorithm=3 is not accepted"),
        (dict(objective=None, env="HalfCheetah-v5", value="best"), "value='best' is not known"),
        (dict(objective=None, env="HalfCheetah-v5", env_steps=0), "env_steps=0"),
        (
            dict(objective=None, env="HalfCheetah-v5", env_options={"hidee": 1}),
            "hidee=1 is not an option of HalfCheetah-v5",
        ),
        (dict(config=cl.PPOConfig), "config=.*a dataclass"),
    ],
)
def test_refused_arguments(changes, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        cl.sweep(**{**dict(objective=itself, space=X, trials=2, **QUIET), **changes})
    assert not Path("sweep.log").exists() or "name" in changes


def test_a_time_limit():
    found = cl.sweep(
        objective=lambda c, r: time.sleep(0.5) or c.x, space=X, trials=50, name="t", max_seconds=3, **QUIET
    )
    assert 1 <= len(found.trials) < 10 and found.interrupted == "out of time"
    assert {t.state for t in found.trials} == {"complete"}


# ------------------------------------------------------------------------------------------- importances
# Over the space, log10(a) and b are uniform with widths 2 and 2: shares 9 to 1. In raw numbers a's would differ.
WEIGHTED = {"a": cl.log_uniform(0.1, 10), "b": cl.uniform(-1, 1), "idle": cl.choice(None, "x")}


def sweep_of(function, trials, seed):
    """A sweep that was never run: random points of `WEIGHTED`, their values, an early report."""
    rng, records = np.random.default_rng(seed), []
    for n in range(trials):
        a, b, noise = 10 ** rng.uniform(-1, 1), rng.uniform(-1, 1), rng.normal()
        params = {"a": a, "b": b, "idle": (None, "x")[rng.integers(2)]}
        records.append(Record(n, "complete", function(a, b, noise), params, {1: b}))
    return cl.Sweep(f"s{seed}", WEIGHTED, {"seed": seed}, records=records)


def test_importances_are_the_shares_of_the_variance():
    sweeps = [sweep_of(lambda a, b, noise: 3 * math.log10(a) + b, 150, seed) for seed in (0, 1)]
    found = cl.importances(sweeps, trees=16)
    assert list(found) == ["a", "b", "idle"] and found["a"].value == pytest.approx(0.9, abs=0.05)
    assert found["idle"].value < 0.02 and sum(v.value for v in found.values()) == pytest.approx(1)
    assert found["a"].value == pytest.approx(np.mean(found["a"].each)) and math.isnan(found["a"].low)
    assert cl.importances(sweeps[0], at=1, trees=8)["b"].value > 0.95  # early on, another one mattered
    assert next(iter(cl.importances(sweeps[0], method="ped-anova"))) == "a"


@pytest.mark.parametrize("three", [cl.choice("low", "middle", "high"), cl.integer(1, 3)])
def test_each_of_three_values_weighs_the_same_in_the_importances(three):
    # Value 1 for the middle one, and b adds ± c. Alone they explain 1/3 · 2/3 and c²: with c² = 2/9 as much each.
    rng, records, values = np.random.default_rng(0), [], three.choices or (1, 2, 3)
    for n in range(180):
        at, sign = n % 3, 1 if n // 3 % 2 else -1
        params = {"three": values[at], "b": sign * rng.uniform(0.2, 1)}
        records.append(Record(n, "complete", (at == 1) + sign * math.sqrt(2 / 9), params, {}))
    found = cl.importances(
        cl.Sweep("s", {"three": three, "b": cl.uniform(-1, 1)}, {"seed": 0}, records=records), trees=16
    )
    assert found["three"].value == pytest.approx(0.5, abs=0.008)  # with the middle one double it would be .53


@pytest.mark.slow
def test_intervals_of_importances_are_as_wide_as_sweeps_scatter():
    sweeps = [sweep_of(lambda a, b, noise: 2 * math.log10(a) + b + 0.3 * noise, 50, seed) for seed in range(10)]
    found = [cl.importances(s, draws=12, trees=8, seed=1)["b"] for s in sweeps]
    scatter = np.std([f.value for f in found], ddof=1)
    width = np.mean([f.high - f.value for f in found]) / 1.96
    assert scatter / 2 < width < 2 * scatter and all(f.low <= f.value <= f.high for f in found)
    both = cl.importances(sweeps[:2], draws=4, trees=8)["b"]
    assert both.high - both.value >= 1.96 * abs(both.each[0] - both.each[1]) / 2 - 1e-9


def test_importances_that_cannot_be_had(monkeypatch):
    one = cl.sweep(objective=itself, space=X, trials=3, **QUIET)
    with pytest.raises(ArgumentError, match="has 3 complete trials; importances need at least 4"):
        cl.importances(one)
    with pytest.raises(ArgumentError, match="0 trials with a report at step 4"):
        cl.importances(one, at=4)
    two = cl.sweep(objective=hill, space=HILL, trials=5, **QUIET)
    with pytest.raises(ArgumentError, match="different spaces"):
        cl.importances([one, two])
    with pytest.raises(ArgumentError, match="method='anova' is not known"):
        cl.importances(two, method="anova")

    def missing(**options):
        raise ImportError

    monkeypatch.setattr(optuna.importance, "FanovaImportanceEvaluator", missing)
    with pytest.raises(ArgumentError, match="pip install scikit-learn; or method='ped-anova'"):
        cl.importances(cl.sweep(objective=itself, space=X, trials=5, **QUIET))


# ----------------------------------------------------------------------------------------------- figures
@pytest.fixture
def mixed():
    """A sweep with complete, pruned and failed trials, and choices of every kind."""

    def objective(config, report):
        if config.n == 3:
            raise ValueError("three")
        return hill(config, report)

    space = {"x": cl.uniform(-2, 2), "lr": cl.log_uniform(1e-4, 1e-2), "n": cl.integer(1, 8, log=True)}
    space |= {"z": cl.choice("a", "b", None), "hidden": cl.choice((64,), (64, 64))}
    found = cl.sweep(objective=objective, space=space, trials=30, name="mixed", **QUIET)
    assert all(found.of_state(state) for state in ("complete", "pruned", "failed"))
    return found


def test_a_sweep_survives_a_file(mixed):
    copy = cl.Sweep.from_dict(json.loads(json.dumps(mixed.to_dict()).replace("NaN", "null")))
    assert copy.space == mixed.space and copy.best == mixed.best and repr(copy) == repr(mixed)
    for a, b in zip(copy.trials, mixed.trials, strict=True):
        assert replace(a, value=0) == replace(b, value=0) and (a.value == b.value or math.isnan(a.value))
    assert type(copy.best.params["hidden"]) is tuple and repr(copy.table(5)) == repr(mixed.table(5))
    with pytest.raises(ArgumentError, match="knows no config class"):
        _ = copy.best_config


def test_table_is_best_first(mixed):
    rows = mixed.table().rows
    values = [row["value"] for row in rows if row["state"] == "complete"]
    assert values == sorted(values, reverse=True) and rows[0]["trial"] == mixed.best.number and len(rows) == 30
    assert rows[-1]["state"] == "failed" and "three" in rows[-1]["reason"]
    assert mixed.table(3)._repr_html_().count("<tr>") == 4


def drawn(axes):
    """The points of all scatters."""
    return np.concatenate([np.asarray(c.get_offsets()) for c in axes.collections if len(c.get_offsets())])


def test_history_shows_every_trial_and_the_best_so_far(mixed):
    (axes,) = cl.plot_history(mixed).axes
    wanted = {(t.number, t.last) for t in mixed.trials if t.state in ("complete", "pruned")}
    points = {tuple(p) for p in drawn(axes)}
    assert wanted <= points and len(points) == 30
    (line,) = axes.get_lines()
    best, x, y = -math.inf, *line.get_data()
    for t in mixed.of_state("complete"):
        best = max(best, t.value)
        assert y[list(x).index(t.number)] == best
    assert axes.get_xlabel() == "trial" and axes.get_ylabel()


def test_labels_of_logarithmic_axes_are_short():
    from course_lib.viz.sweeps.figures import _short

    assert [_short(v) for v in (1e-5, 3e-5, 2.5e-4, 3.16e-5, 0.0, 0.001, 0.31, 45, 4182)] == [
        "1e-5", "3e-5", "2.5e-4", "3.16e-5", "0", "0.001", "0.31", "45", "4,182",
    ]  # fmt: skip


def test_slices_and_parallel_coordinates_show_every_trial(mixed):
    panels = cl.plot_slices(mixed, title="t").axes[: len(mixed.space)]
    assert [a.get_xlabel() for a in panels] == ["x", "lr", "n", "z", "hidden"]
    assert all(len(drawn(a)) == 30 for a in panels)
    best = mixed.best
    assert {(best.params["lr"], best.value)} <= {tuple(p) for p in drawn(panels[1])}
    (axes,) = cl.plot_parallel(mixed).axes
    ends = {round(float(c.get_segments()[0][-1, 1]), 6) for c in axes.collections}
    values = [t.last for t in mixed.trials if t.state != "failed"]
    assert ends == {round((v - min(values)) / (max(values) - min(values)), 6) for v in values}


def test_importances_figure(mixed):
    shares = cl.importances(mixed, draws=3, trees=4)
    (axes,) = cl.plot_importances(shares).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(shares)
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([s.value for s in shares.values()])
    both = cl.importances([mixed, mixed], draws=2, trees=2)
    assert len(cl.plot_importances(both).axes[0].get_legend().texts) == 2


def test_figures_of_a_sweep_without_values():
    found = cl.sweep(objective=Interrupting(1), space=X, trials=2, name="none", **QUIET)
    cl.plot_history(found)
    for draw in (cl.plot_parallel, cl.SweepView):
        with pytest.raises(ArgumentError, match="no trial with a value yet"):
            draw(found)
    with pytest.raises(ArgumentError, match="no complete trial yet"):
        _ = found.best


def test_the_view_holds_every_trial_and_needs_nothing_else(mixed):
    view = cl.SweepView(mixed, title="<b>")
    whole = [t for t in mixed.trials if t.state != "failed"]
    assert view.page.count("<path class='t'") == len(whole) and view.page.count("<circle class='t'") == 5 * len(whole)
    assert f"<b>trial {mixed.best.number}<\\/b>, complete" in view.page and "&lt;b&gt;" in view.page
    assert not re.search(r"(src|href)='?https?:|@import|fetch\(", view.page) and len(view.html) < 1_000_000


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_view_in_a_browser(mixed):
    act = """<script>
    const axis = document.querySelectorAll('.axis')[5], box = axis.getBoundingClientRect();
    const at = (type, y) => axis.dispatchEvent(new PointerEvent(type, {clientX: box.x + 9, clientY: box.y + y}));
    at('pointerdown', 8); at('pointermove', 8 + 0.5 * (box.height - 16)); at('pointerup', 0);
    marks.find(m => +m.dataset.i === n - 1).dispatchEvent(new PointerEvent('pointerenter'));
    </script>"""
    Path("view.html").write_text(cl.SweepView(mixed).page + act)
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=1000", "--dump-dom"]
    dom = subprocess.run(
        [CHROMIUM, *words, f"--user-data-dir={Path.cwd()}/c", Path("view.html").resolve().as_uri()],
        capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip
    values = [t.last for t in mixed.trials if t.state != "failed"]
    upper = sum(v >= (min(values) + max(values)) / 2 - 1e-3 for v in values)
    assert f"{upper} of {len(values)} trials shown" in dom and upper < len(values)
    assert re.search(rf"<div id=.panel.[^>]*><b>trial {mixed.best.number}</b>, complete", dom)


def test_the_live_plot_replaces_itself(monkeypatch):
    from course_lib.course import session
    from course_lib.viz.sweeps.figures import LiveHistory, live_histories

    shown = []

    class Handle:
        def update(self, thing):
            shown.append(thing)

    def display(thing, display_id):
        shown.append(thing)
        return Handle()

    assert live_histories() == []  # outside a notebook
    monkeypatch.setattr(session, "live_histories", lambda: [LiveHistory(display=display)])
    cl.sweep(objective=itself, space=X, trials=4, live=True, **QUIET)
    assert 2 <= len(shown) <= 4 and all(s.data[:4] == b"\x89PNG" for s in shown)


def test_callbacks_hear_of_every_trial_and_of_the_end():
    heard = []

    class Listener:
        def on_trial(self, sweep):
            heard.append(len(sweep.of_state("complete", "failed")))

        def on_end(self, sweep):
            heard.append(sweep.name)

    cl.sweep(objective=itself, space=X, trials=3, name="heard", callbacks=(Listener(), object()), **QUIET)
    assert heard == [1, 2, 3, "heard"]


class Counting:
    """Notes how many trials have ended whenever one does, and in what state the sweep is at its end."""

    def __init__(self):
        self.counts, self.ends = [], []

    def on_trial(self, sweep):
        self.counts.append(len(sweep.of_state("complete", "pruned", "failed")))

    def on_end(self, sweep):
        self.ends.append((sweep.interrupted, [t.state for t in sweep.trials]))


def test_callbacks_hear_of_failed_pruned_and_interrupted_trials_alike():
    heard = Counting()
    cl.sweep(objective=troubled, space={"k": cl.integer(0, 5)}, trials=8, sampler="random", callbacks=(heard,), **QUIET)
    assert heard.counts == list(range(1, 9)) and {"failed", "complete"} == set(heard.ends[0][1])
    heard = Counting()
    found = cl.sweep(objective=hill, space=HILL, trials=20, name="p", callbacks=(heard,), **QUIET)
    assert heard.counts == list(range(1, 21)) and heard.ends == [(None, [t.state for t in found.trials])]
    assert "pruned" in heard.ends[0][1]
    heard = Counting()
    cl.sweep(objective=Interrupting(3), space=X, trials=6, name="i", callbacks=(heard,), **QUIET)
    assert heard.counts == [1, 2] and heard.ends == [("stopped by the user", ["complete", "complete", "waiting"])]
    cl.sweep(objective=Interrupting(-1), space=X, trials=6, name="i", callbacks=(heard,), **QUIET)  # the others
    assert heard.counts == [1, 2, 3, 4, 5, 6] and heard.ends[1:] == [(None, ["complete"] * 6)]


@pytest.mark.slow
def test_callbacks_hear_of_trials_of_other_processes():
    heard = Counting()
    cl.sweep(objective=itself, space=X, trials=4, workers=2, callbacks=(heard,), **QUIET)
    assert len(heard.counts) == 4 and heard.counts[-1] == 4 and heard.ends == [(None, ["complete"] * 4)]


def test_the_live_plot_and_callbacks_of_ones_own_go_together(monkeypatch):
    from course_lib.course import session

    mine, plot = Counting(), Counting()
    monkeypatch.setattr(session, "live_histories", lambda: [plot])
    for live in (True, False):
        cl.sweep(objective=itself, space=X, trials=2, name=f"l{live}", live=live, callbacks=(mine,), **QUIET)
    assert plot.counts == [1, 2] and mine.counts == [1, 2, 1, 2] and len(plot.ends) == 1 and len(mine.ends) == 2


def test_an_environment_that_workers_do_not_know_is_refused_before_anything_is_stored(tmp_path, monkeypatch):
    import gymnasium as gym
    from gymnasium.envs.classic_control.pendulum import PendulumEnv

    options = dict(config=Settings(), env_steps=100, num_envs=1, trials=2, workers=2, value="training", **QUIET)
    gym.register("HereOnly-v0", PendulumEnv, max_episode_steps=10)
    try:
        with pytest.raises(ArgumentError, match="registered in this process alone.*'MODULE:HereOnly-v0'"):
            cl.sweep("HereOnly-v0", Doubler, {"gain": cl.uniform(0, 1)}, name="u", **options)
    finally:
        gym.registry.pop("HereOnly-v0")
    with pytest.raises(ArgumentError, match="is no sweep"):
        cl.load_sweep("u", LOG)


# ------------------------------------------------------------------------------------------ nested fields
def test_fields_of_a_config_in_a_config():
    config = cl.PPOConfig(cell=dict(name="ltc", neurons=4))
    space = {"cell.neurons": cl.integer(2, 8), "cell.name": cl.choice("ltc", "ctrnn"), "gamma": cl.uniform(0.9, 0.99)}
    assert check_space(space, config) == space
    new = with_values(config, {"cell.neurons": 3, "cell.name": "ctrnn", "gamma": 0.95})
    assert (new.cell.neurons, new.cell.name, new.gamma, config.cell.neurons) == (3, "ctrnn", 0.95, 4)
    new = with_values(config, {"cell": "cfc", "cell.neurons": 2})
    assert (new.cell.name, new.cell.neurons) == ("cfc", 2)
    for wrong, sentence in (
        ({"cell.neuron": cl.integer(2, 8)}, "did you mean 'cell.neurons'"),
        ({"cell.neurons": cl.uniform(2, 8)}, "does not fit PPOConfig.cell.neurons, which takes int; use cl.integer"),
        ({"cell.neurons": cl.integer(0, 8)}, "goes too far: cell.neurons=0"),
        ({"cell.name": cl.choice("ltc", "lct")}, "goes too far: cell.name='lct'.*did you mean 'ltc'"),
        ({"plan.trajectory": cl.choice("dpm")}, "goes too far: plan.trajectory='dpm'"),
    ):
        with pytest.raises(ArgumentError, match=sentence):
            check_space(wrong, config)


def test_fields_of_the_summaries_of_the_off_policy_family():
    config = cl.RSACConfig(cell=dict(name="lstm", neurons=8, previous_action=True))
    space = {"cell.name": cl.choice("lstm", "ltc"), "cell.previous_reward": cl.choice(True, False)}
    assert check_space(space, config) == space
    new = with_values(config, {"cell.name": "ltc", "batch_size": 3})
    assert new == cl.RSACConfig(cell=dict(name="ltc", neurons=8, previous_action=True), batch_size=3)
    for wrong, sentence in (
        ({"plan.chunk": cl.integer(1, 5)}, "'plan.chunk', which RSACConfig does not have; accepted: .*cell.neurons"),
        ({"cell.critic": cl.choice("mlp")}, "'cell.critic', which RSACConfig does not have"),
        ({"cell.previous_reward": cl.integer(0, 1)}, "does not fit RSACConfig.cell.previous_reward, which takes bool"),
        ({"cell.layers": cl.integer(1, 101)}, "goes too far: cell.layers=101"),
    ):
        with pytest.raises(ArgumentError, match=sentence):
            check_space(wrong, config)


def test_values_of_a_config_in_a_config_are_checked_and_leave_the_config_as_it_was():
    config = cl.PPOConfig(cell=dict(name="ltc", neurons=4), plan=dict(chunk=2))
    before = repr(config)
    assert with_values(config, {}) == config
    new = with_values(config, {"plan.chunk": 5, "plan.trajectory": "dmp", "cell.encoder": 6})
    assert new == cl.PPOConfig(cell=dict(name="ltc", neurons=4, encoder=6), plan=dict(chunk=5, trajectory="dmp"))
    for wrong, sentence in (
        ({"cell.neurons": 0}, "cell.neurons=0"),
        ({"cell": "cfc", "cell.neurons": 2.5}, "cell.neurons=2.5"),
        ({"plan.chunk": True}, "plan.chunk=True"),
        ({"gamma": 2, "cell.neurons": 3}, "gamma=2"),
    ):
        with pytest.raises(ArgumentError, match=f"^{sentence}"):
            with_values(config, wrong)
    assert repr(config) == before


def test_a_nested_field_that_does_not_exist_is_refused_before_anything_is_stored():
    options = dict(config=small(cell="ltc"), env_steps=128, num_envs=4, trials=1, name="wrong", **QUIET)
    for wrong, sentence in (
        ({"cell.neuron": cl.integer(2, 3)}, "did you mean 'cell.neurons'"),
        ({"cell.name": cl.choice("ltc", "lct")}, "did you mean 'ltc'"),
        ({"hidden.first": cl.integer(2, 3)}, "'hidden.first', which PPOConfig does not have"),
    ):
        with pytest.raises(ArgumentError, match=sentence):
            cl.sweep("InvertedPendulum-v5", "ppo", wrong, **options)
    assert not Path("sweep.log").exists()


def test_a_sweep_over_a_cell(capsys):
    words = "sweep ppo --env InvertedPendulum-v5 --space cell.neurons=int(2,3) cell.name=choice(ltc,gru) --num-envs 4"
    words += f" --steps 128 --rollout-steps 16 --sequence-length 8 --minibatch-size 32 --storage {LOG}"
    words += " --episodes 2 --trials 2 --name cells"
    assert main(words.split()) == 0 and "cell.neurons" in capsys.readouterr().out
    found = cl.load_sweep("cells", LOG)
    best = found.best_config.cell
    assert best.name in ("ltc", "gru") and best.neurons == found.best.params["cell.neurons"]
    assert best.name == found.best.params["cell.name"]
    first, words = found.trials, words.replace("--trials 2", "--trials 3")  # the same space again: it goes on
    assert main(words.split()) == 0
    found = cl.load_sweep("cells", LOG)
    assert len(found.trials) == 3 and found.trials[:2] == first
    labels = [axes.get_xlabel() for axes in cl.plot_slices(found).axes[:2]]
    assert labels == ["cell.neurons", "cell.name"] and "cell.neurons" in cl.SweepView(found).page


# ------------------------------------------------------------------------------------------ command line
def test_command_line(capsys):
    words = "--env InvertedPendulum-v5 --space learning_rate=log(1e-4,1e-2) epochs=int(1,3) --num-envs 8 --steps 512"
    words += f" --rollout-steps 32 --minibatch-size 64 --storage {LOG} --episodes 2"
    words = words.split()
    assert main(["sweep", "ppo", *words, "--trials", "2", "--seed", "5"]) == 0
    assert main(["sweep", *words, "--algorithm", "ppo", "--trials", "3", "--seed", "5", "--pruner", "none"]) == 0
    out = capsys.readouterr().out
    found = cl.load_sweep("ppo-InvertedPendulum-v5-5", LOG)
    assert (
        len(found.of_state("complete")) == 3 and found.best_config.rollout_steps == 32 and found.best_config.seed == 5
    )
    assert "3 trials" in out and "learning_rate" in out


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["ppo", "--space", "gama=uniform(0,1)"], "did you mean 'gamma'"),
        (["ppo", "--space", "gamma"], "must look like"),
        (["pppo", "--space", "gamma=uniform(0,1)"], "did you mean 'ppo'"),
        ([], "sweep needs an algorithm"),
        (["ppo", "--space", "gamma=uniform(0,1)", "--storage", "sqlit:///x"], "did you mean 'sqlite'"),
    ],
)
def test_command_line_refusals(words, sentence, capsys):
    assert main(["sweep", *words]) == 2 and sentence in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------- ray
def test_without_a_cluster(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ArgumentError, match=r"needs the package ray: pip install 'liquid-control\[cluster\]'"):
        cl.sweep(objective=itself, space=X, backend="ray", **QUIET)
    assert not Path("sweep.log").exists()


CLUSTER = """
import os, pathlib, sys, threading, time
import ray
from ray.cluster_utils import Cluster
import course_lib as cl
from course_lib.errors import ArgumentError
here = pathlib.Path.cwd()
def held(config, report):
    (here / f"{config.x}.{os.getpid()}").touch()
    report(1, config.x)
    while not (here / "go").exists():
        time.sleep(0.05)
    if config.x < 0.1:
        raise RuntimeError("low")
    report(2, config.x)
    return config.x
def when(count, act):
    def wait():
        while len(list(here.glob("0.*"))) < count:
            time.sleep(0.05)
        act()
        (here / "go").touch()
    threading.Thread(target=wait).start()
common = dict(objective=held, space={"x": cl.uniform(0, 1)}, sampler="random", pruner=None, backend="ray",
              storage=sys.argv[1], name="ray", progress=False)
try:
    cl.sweep(**common)
except ArgumentError as error:
    print(f"none: {error}")
small = dict(num_cpus=1, object_store_memory=80 << 20)
cluster = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
ray.init(address=cluster.address, logging_level="error", log_to_driver=False)
node = cluster.add_node(**small)
when(2, lambda: cluster.remove_node(node, allow_graceful=False))
print("first:", cl.sweep(trials=4, **common), flush=True)
(here / "go").unlink()
when(len(list(here.glob("0.*"))) + 1, cluster.head_node.kill_gcs_server)
try:
    cl.sweep(trials=8, **common)
except ArgumentError as error:
    print(f"gone: {error}", flush=True)
cluster.shutdown()
"""


def started_for(session):
    """Processes that Ray started for a session and that left the group of the one that began it (Linux)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            found += [int(path.parent.name)] if session.encode() in path.read_bytes() else []
    return found


def test_a_ray_cluster_that_loses_a_node_and_then_its_head(tmp_path):
    pytest.importorskip("ray")
    Path("cluster.py").write_text(CLUSTER)
    env = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}
    env.pop("RAY_ADDRESS", None)
    temporary = Path(tempfile.gettempdir()) / "ray"  # where Ray keeps its logs
    before = set(temporary.glob("session_*"))
    with open("out", "w") as out:
        process = subprocess.Popen(
            [sys.executable, "cluster.py", LOG], stdout=out, stderr=out, env=env, start_new_session=True
        )
        try:
            process.wait(180)
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # agents of nodes that were killed outlive them for a while
            process.wait()
            for folder in set(temporary.glob("session_2*")) - before:
                for pid in started_for(folder.name):
                    os.kill(pid, signal.SIGKILL)
                shutil.rmtree(folder, ignore_errors=True)
    text = Path("out").read_text()
    assert re.search(r"none: backend='ray': no Ray cluster is running.*ray start --head", text), text[-3000:]
    assert re.search(r"first: Sweep\('ray': 4 trials, 4 complete", text), text[-3000:]
    assert re.search(r"gone: backend='ray': the cluster at .* is gone .*finished trials are kept", text), text[-3000:]
    left = cl.load_sweep("ray", LOG).trials
    assert sorted(t.restarts for t in left[:4]) == [0, 0, 0, 1]  # the one on the node that was lost
    assert [t.state for t in left[:4]] == ["complete"] * 4 and all(t.value == t.params["x"] for t in left[:4])
    assert {t.state for t in left[4:]} == {"waiting"}


@pytest.mark.slow
def test_a_worker_that_never_began():
    Path("unguarded.py").write_text(
        "import course_lib as cl\ndef f(config, report): return config.x\n"
        f"cl.sweep(objective=f, space={{'x': cl.uniform(0, 1)}}, workers=2, trials=2, storage='{LOG}')\n"
    )
    done = subprocess.run([sys.executable, "unguarded.py"], capture_output=True, text=True)
    assert "must do so under `if __name__ == '__main__':`" in done.stderr.splitlines()[-1]


def test_notebook_functions_are_refused_for_workers(monkeypatch):
    main_module = type(sys)("__main__")
    main_module.__spec__ = None
    main_module.f = type(itself)(itself.__code__, {}, "f")
    main_module.f.__module__, main_module.f.__qualname__ = "__main__", "f"
    monkeypatch.setitem(sys.modules, "__main__", main_module)
    with pytest.raises(ArgumentError, match="defined in a notebook"):
        workers_module.Processes(main_module.f, None, 2)
