"""The training loop: interrupts, checkpoints, resuming, logs, the command line."""

import csv
import os
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch

import course_lib as cl
from course_lib.__main__ import main
from course_lib.errors import ArgumentError, PolicyFileError

STEPS = 8 * 32 * 40


def agent(seed=0, env="InvertedPendulum-v5", **changes):
    config = cl.PPOConfig(**{**dict(rollout_steps=32, minibatch_size=64, epochs=2, hidden=(16,), seed=seed), **changes})
    return cl.PPO(cl.make(env, num_envs=8, seed=seed), config)


def same_curve(a, b):
    clock = ("wall_seconds", "steps_per_second")
    assert a.curve.keys() == b.curve.keys()
    return all(np.array_equal(a.curve[k], b.curve[k], equal_nan=True) for k in a.curve if k not in clock)


def same_weights(a, b):
    pairs = zip(a.policy.state_dict().values(), b.policy.state_dict().values(), strict=True)
    return all(torch.equal(p, q) for p, q in pairs)


class At:
    """Calls `action(run)` after iteration n."""

    def __init__(self, n, action):
        self.n, self.action = n, action

    def on_update(self, run):
        if run.agent.iterations == self.n:
            self.action(run)


def test_one_seed_makes_one_curve():
    a, b, c = (cl.train(agent(seed), STEPS, progress=False) for seed in (3, 3, 4))
    assert same_curve(a, b) and same_weights(a, b) and not same_curve(a, c)


def test_going_on_continues_the_curve():
    run = cl.train(agent(), 2560, progress=False)
    longer = cl.train(run, 2560, progress=False)
    assert longer is run and run.curve["env_steps"].tolist() == list(range(256, 5121, 256))
    assert np.all(np.diff(run.curve["wall_seconds"]) > 0)


def test_interrupt_keeps_everything_so_far(tmp_path):
    press = At(7, lambda run: os.kill(os.getpid(), signal.SIGINT))
    run = cl.train(agent(), STEPS, folder=tmp_path, callbacks=[press], progress=False)
    assert run.interrupted == "stopped by the user" and len(run.curve["env_steps"]) in (7, 8)
    assert cl.evaluate(cl.load(tmp_path / "policy.safetensors"), 4).deterministic.lengths.min() > 0
    done = cl.train(run, STEPS - run.agent.env_steps, progress=False)
    assert done.interrupted is None and done.agent.env_steps == STEPS


def test_a_second_interrupt_stops_in_the_middle_of_an_iteration():
    class Press:
        def __init__(self, envs):
            self.envs, self.count = envs, 0

        def __getattr__(self, name):
            return getattr(self.envs, name)

        def step(self, action):
            self.count += 1
            if self.count in (50, 51):
                os.kill(os.getpid(), signal.SIGINT)
            return self.envs.step(action)

    trained = agent()
    trained.envs = Press(trained.envs)
    run = cl.train(trained, STEPS, progress=False)
    assert run.interrupted == "stopped by the user" and len(run.curve["env_steps"]) == 1
    with pytest.raises(KeyboardInterrupt):  # the handler is the old one again
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)


def test_stop_event_from_another_thread():
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    run = cl.train(agent(), 10_000_000, stop=stop, progress=False)
    assert run.interrupted == "stopped by the user" and 0 < run.agent.env_steps < 10_000_000


def test_max_seconds():
    run = cl.train(agent(), 10_000_000, max_seconds=0.3, progress=False)
    assert run.interrupted == "out of time" and 0.3 <= run.wall_seconds < 60  # s, on a busy machine
    assert 0 < run.agent.env_steps < 10_000_000


class Crash(Exception):
    pass


def crash(run):
    raise Crash


@pytest.mark.parametrize("env", ["InvertedPendulum-v5", "InvertedDoublePendulum-v5"])  # both engines
def test_resume_equals_never_having_stopped(tmp_path, env):
    whole = cl.train(agent(env=env), STEPS, progress=False)
    with pytest.raises(Crash):
        cl.train(agent(env=env), STEPS, folder=tmp_path, progress=False,
                 callbacks=[At(17, lambda run: run.checkpoint()), At(23, crash)])  # fmt: skip
    resumed = cl.train(agent(env=env), STEPS, folder=tmp_path, resume=True, progress=False)
    assert same_curve(whole, resumed) and same_weights(whole, resumed)


SCRIPT = """
import course_lib as cl
config = cl.PPOConfig(rollout_steps=32, minibatch_size=64, epochs=2, hidden=(16,))
agent = cl.PPO(cl.make("InvertedPendulum-v5", num_envs=8, seed=0), config)
print("ready", flush=True)
cl.train(agent, {steps}, folder={folder!r}, resume=True, checkpoint_every=0.0, log="csv", progress=False)
"""


@pytest.mark.slow
def test_kill_9_at_a_random_moment_then_resume(tmp_path):
    steps = 8 * 32 * 150
    whole = cl.train(agent(), steps, progress=False)
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT.format(steps=steps, folder=str(tmp_path))], stdout=subprocess.PIPE
        )
        process.stdout.readline()
        until = time.monotonic() + 60
        while not (tmp_path / "checkpoint.safetensors").is_file() and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(random.uniform(0.0, 0.7))
        process.kill()
        process.wait()
    assert (tmp_path / "checkpoint.safetensors").is_file()
    resumed = cl.train(agent(), steps, folder=tmp_path, resume=True, log="csv", progress=False)
    assert same_curve(whole, resumed) and same_weights(whole, resumed)
    with (tmp_path / "metrics.csv").open() as file:
        counted = [int(row["env_steps"]) for row in csv.DictReader(file)]
    assert counted == list(range(256, steps + 1, 256))  # no row lost, none twice


def test_a_checkpoint_of_another_shape_is_refused(tmp_path):
    cl.train(agent(), 512, folder=tmp_path, progress=False)
    with pytest.raises(ArgumentError, match=r"of another training: hidden: \[16\] there, \[8\] here"):
        cl.train(agent(hidden=(8,)), 1024, folder=tmp_path, resume=True, progress=False)
    with pytest.raises(ArgumentError, match="resume=True needs folder"):
        cl.train(agent(), 512, resume=True, progress=False)


def test_loggers(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = cl.train(agent(), 2560, folder=tmp_path, log=("csv", "tensorboard"), progress=False)
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(r["approx_kl"]) for r in rows] == run.curve["approx_kl"].tolist()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert np.allclose([e.value for e in events.Scalars("value_loss")], run.curve["value_loss"])


def test_unknown_or_missing_loggers():
    with pytest.raises(ArgumentError, match="log='tensorbord' is not known.*did you mean 'tensorboard'"):
        cl.train(agent(), 256, log="tensorbord", folder="unused", progress=False)
    with pytest.raises(ArgumentError, match="log='csv' needs folder"):
        cl.train(agent(), 256, log="csv", progress=False)


@pytest.mark.parametrize("steps", [0, -5, 1.5, "many", None])
def test_refused_step_counts(steps):
    with pytest.raises(ArgumentError, match="env_steps="):
        cl.train(agent(), steps, progress=False)


def test_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PolicyFileError, match="cannot be written"):
        cl.train(agent(), 256, folder=tmp_path / "file" / "run", progress=False)


def test_progress_bar_goes_to_standard_output(capfd):
    cl.train(agent(), 2560)
    out, err = capfd.readouterr()
    assert "ppo InvertedPendulum-v5" in out and "steps/s" in out and err == ""


# --- command line -------------------------------------------------------------------------------


def test_command_line_trains_evaluates_and_resumes(tmp_path, capsys):
    folder = str(tmp_path / "run")
    options = [
        "--env",
        "InvertedPendulum-v5",
        "--num-envs",
        "8",
        "--rollout-steps",
        "32",
        "--minibatch-size",
        "64",
    ]
    assert main(["train", "ppo", *options, "--steps", "1000", "--folder", folder]) == 0
    assert main(["train", "ppo", *options, "--steps", "2000", "--folder", folder, "--resume"]) == 0
    assert main(["evaluate", folder, "--episodes", "3"]) == 0
    out = capsys.readouterr().out
    assert "2,048 steps" in out and "deterministic" in out and "range" in out


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["train", "pppo"], "algorithm='pppo' is not known; accepted: 'ppo', 'ddpg', 'td3', 'sac'"),
        (["train"], "train needs an algorithm first"),
        (["trian"], "did you mean 'train'"),
        (["train", "ppo", "--env", "HalfCheeta-v5"], "did you mean 'HalfCheetah-v5'"),
        (["evaluate", "no_such_policy"], "neither a file nor a shipped policy"),
    ],
)
def test_command_line_refusals(words, sentence, capsys):
    assert main(words) == 2
    assert sentence in capsys.readouterr().err


def test_command_line_unknown_option(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "ppo", "--gama", "0.9"])
    assert stop.value.code == 2 and "--gamma" in capsys.readouterr().err


def test_another_total_and_new_episodes_are_said_where_a_run_is_resumed(tmp_path, capsys):
    def agent(env_id, **changes):
        return cl.PPO(cl.make(env_id, 4), cl.PPOConfig(rollout_steps=32, minibatch_size=64, epochs=1, **changes))

    def said(steps, folder, env_id="InvertedPendulum-v5", **changes):
        cl.train(agent(env_id, **changes), steps, folder=tmp_path / folder, resume=True, progress=False)
        return capsys.readouterr().out

    assert "schedule" not in said(256, "a") and "schedule" not in said(256, "a")
    assert "the schedule was made for 256 steps and now ends at 512" in said(512, "a")
    constant = dict(lr_schedule="constant")
    assert said(256, "b", **constant) + said(512, "b", **constant) == ""
    assert "new episodes" not in said(128, "c", "Pendulum-v1")
    assert "Pendulum-v1 cannot be put back to where it was: new episodes begin" in said(
        256,
        "c",
        "Pendulum-v1",
    )


# --- what cannot go well is refused at the start, and what goes wrong later loses nothing ---------


class Hears:
    """A callback made of functions: Hears(on_update=…)."""

    def __init__(self, **events):
        vars(self).update(events)


@pytest.mark.parametrize(
    "options, said",
    [
        (dict(checkpoint_every=None), "checkpoint_every=None is not accepted; it must be a finite number of at least"),
        (dict(checkpoint_every=float("nan")), "checkpoint_every=nan"),
        (dict(checkpoint_every=-1), "checkpoint_every=-1"),
        (dict(max_seconds="60"), "max_seconds='60'"),
        (dict(max_seconds=float("nan")), "max_seconds=nan"),
        (dict(stop=lambda: False), "stop=<function.* it must be a threading.Event, or None"),
        (dict(callbacks=(print,)), r"callbacks=<built-in function print> .* any of on_start\(run\), on_update\(run\)"),
        (dict(callbacks=(At,)), "callbacks=<class '.*At'> is not accepted, as nothing would call it"),
        (dict(callbacks=(At(1, print), object())), "callbacks=<object object"),
        (dict(log=5), "log=5 is not known; accepted: 'csv'"),
    ],
)
def test_options_that_would_fail_later_are_refused_at_the_start(tmp_path, options, said):
    trained = agent()
    with pytest.raises(ArgumentError, match=said):
        cl.train(trained, 512, folder=tmp_path / "run", progress=False, **options)
    assert trained.env_steps == 0 and not (tmp_path / "run").exists()


@pytest.mark.parametrize("what", [None, 5, "ppo", cl.MLPActorCritic(4, 1), cl.PPOConfig()])
@pytest.mark.parametrize("begin", [cl.train, cl.background])
def test_only_agents_and_runs_are_trained(begin, what):
    with pytest.raises(ArgumentError, match=f"agent=a {type(what).__name__} cannot be trained; accepted: an agent"):
        begin(what, 100)


def test_infinity_means_never(tmp_path):
    never = float("inf")
    run = cl.train(agent(), 512, folder=tmp_path, progress=False, checkpoint_every=never, max_seconds=never)
    assert run.interrupted is None and (tmp_path / "checkpoint.safetensors").is_file()


@pytest.mark.parametrize("error", [Crash, SystemExit, ArgumentError])
def test_what_was_trained_until_a_callback_raises_is_saved(tmp_path, error):
    def raises(run):
        raise error("boom")

    with pytest.raises(error, match="boom"):
        cl.train(agent(), 2048, folder=tmp_path, callbacks=[At(4, raises)], progress=False)
    whole = cl.train(agent(), 2048, progress=False)
    resumed = cl.train(agent(), 2048, folder=tmp_path, resume=True, progress=False)
    assert same_curve(whole, resumed) and same_weights(whole, resumed)
    assert resumed.curve["wall_seconds"][3] < resumed.curve["wall_seconds"][4]


def test_what_a_callback_raises_is_not_hidden_by_a_disk_that_is_full(tmp_path, monkeypatch, capsys):
    def full(*where):
        raise PolicyFileError("no space left")

    monkeypatch.setattr("course_lib.rl.run.save_tensors", full)
    with pytest.raises(Crash):
        cl.train(agent(), 512, folder=tmp_path, callbacks=[At(1, crash)], progress=False)
    assert "trained since the last checkpoint is not saved: no space left" in capsys.readouterr().out


def test_nothing_is_saved_where_an_iteration_raises(tmp_path):
    broken = agent()
    broken.improve = lambda rollout: 1 / 0
    with pytest.raises(ZeroDivisionError):
        cl.train(broken, 512, folder=tmp_path, progress=False)
    assert not list(tmp_path.iterdir())


def test_an_error_at_the_end_is_a_warning_and_everyone_hears_of_the_end():
    heard = []

    def stopped(run):
        raise KeyboardInterrupt

    callbacks = [Hears(on_end=crash), Hears(on_end=stopped), Hears(on_end=heard.append)]
    with pytest.warns(UserWarning, match="Hears.on_end failed, and the run is whole: Crash"):
        run = cl.train(agent(), 512, callbacks=callbacks, progress=False)
    assert heard == [run] and run.agent.env_steps == 512 and run.interrupted == "stopped by the user"


@pytest.mark.parametrize("presses", [1, 2, 5])
@pytest.mark.parametrize("every", [0.0, 1000.0], ids=["each iteration", "at the end"])
def test_interrupts_while_a_checkpoint_is_written_come_after_it(tmp_path, presses, every):
    trained = agent()
    state = trained.state_dict

    def pressed():
        out = state()
        for _ in range(presses):
            os.kill(os.getpid(), signal.SIGINT)
        return out

    def press(run):
        os.kill(os.getpid(), signal.SIGINT)
        trained.state_dict = pressed

    run = cl.train(trained, 2048, folder=tmp_path, checkpoint_every=every, callbacks=[At(3, press)], progress=False)
    assert run.interrupted == "stopped by the user" and trained.iterations == 3
    assert {p.name for p in tmp_path.iterdir()} == {"checkpoint.safetensors", "policy.safetensors", "curve.csv"}
    whole = cl.train(agent(), 2048, progress=False)
    assert same_curve(whole, cl.train(agent(), 2048, folder=tmp_path, resume=True, progress=False))
    with pytest.raises(KeyboardInterrupt):  # the handler is the old one again
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
