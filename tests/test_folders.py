"""Folders of trainings: gone on with only by the same training, never lost, never filled with what is not good."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import course_lib as cl
from course_lib.errors import ArgumentError, NonFiniteError
from course_lib.files import load_tensors, save_tensors
from course_lib.rl.run import CHECKPOINT

PPO = dict(rollout_steps=8, minibatch_size=16, epochs=1, hidden=(8,))
OFF = dict(learning_starts=32, batch_size=16, buffer_size=500, hidden=(8,))
POLE = ("InvertedPendulum-v5", {})


def ppo(env=POLE[0], n=4, options=None, **config):
    return cl.PPO(cl.make(env, n, seed=0, **(options or {})), cl.PPOConfig(**{**PPO, **config}))


def off(kind="SAC", env="Pendulum-v1", **config):
    return getattr(cl, kind)(cl.make(env, 4, seed=0), getattr(cl, f"{kind}Config")(**{**OFF, **config}))


def train(agent, folder, steps=128, **options):
    return cl.train(agent, steps, folder=folder, progress=False, **options)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


LTC = dict(cell=dict(name="ltc", neurons=4), sequence_length=8)
OTHERS = {
    "environment": (
        lambda: ppo(),
        lambda: ppo("InvertedDoublePendulum-v5", options={"hide": [0, 1, 2, 3, 4]}),
        "env_id",
    ),
    "options": (lambda: ppo(), lambda: ppo(options={"reset_noise_scale": 0.3}), "env_options"),
    "mask": (lambda: ppo(options={"hide": [0]}), lambda: ppo(options={"hide": [1]}), "env_options"),
    "terrain": (lambda: ppo("AnymalC-v0"), lambda: ppo("AnymalC-v0", options={"terrain": "step"}), "env_options"),
    "copies": (lambda: ppo(), lambda: ppo(n=8), "num_envs: 4 there, 8 here"),
    "activation": (lambda: ppo(), lambda: ppo(activation="elu"), "activation: 'tanh' there, 'elu' here"),
    "normalisation": (lambda: ppo(), lambda: ppo(normalize_observation=False), "normalize_observation: True there"),
    "rewards": (lambda: ppo(), lambda: ppo(normalize_reward=False), "normalize_reward"),
    "rate": (lambda: ppo(), lambda: ppo(learning_rate=1e-4), "learning_rate: 0.001 there, 0.0001 here"),
    "seed": (lambda: ppo(), lambda: ppo(seed=1), "seed: 0 there, 1 here"),
    "cell": (
        lambda: ppo(**LTC),
        lambda: ppo(cell=dict(name="ctrnn", neurons=4), sequence_length=8),
        "cell.name: 'ltc' there, 'ctrnn' here",
    ),
    "solver": (
        lambda: ppo(**LTC),
        lambda: ppo(cell=dict(name="ltc", neurons=4, options={"substeps": 2}), sequence_length=8),
        "cell.options.*substeps",
    ),
    "algorithm": (lambda: off("TD3"), lambda: off("SAC"), "algorithm: 'td3' there, 'sac' here"),
    "gamma": (lambda: off(), lambda: off(gamma=0.9), "gamma: 0.99 there, 0.9 here"),
    "another game": (lambda: off(), lambda: off(env="MemoryPendulum-v0"), "env_id"),
}


@pytest.mark.parametrize("first, second, said", OTHERS.values(), ids=OTHERS)
def test_only_the_same_training_goes_on(tmp_path, first, second, said):
    train(first(), tmp_path)
    before = contents(tmp_path)
    with pytest.raises(ArgumentError, match=f"of another training: .*{said}.*accepted: the same settings"):
        train(second(), tmp_path, resume=True)
    assert contents(tmp_path) == before
    assert train(first(), tmp_path, 256, resume=True).agent.env_steps == 256


def test_threads_decide_nothing(tmp_path):
    train(ppo(), tmp_path)
    assert train(ppo(torch_threads=2), tmp_path, 256, resume=True).agent.env_steps == 256


def test_a_training_is_never_replaced_without_a_word(tmp_path):
    train(ppo(), tmp_path, 256)
    before = contents(tmp_path)
    for agent in (ppo(), ppo(seed=1)):
        with pytest.raises(
            ArgumentError, match="holds a training already: ppo on Inv.*256 steps.*resume=True.*overwrite"
        ):
            train(agent, tmp_path)
    with pytest.raises(ArgumentError, match="another folder, or overwrite=True"):
        cl.train(ppo(seed=1), 64, progress=False).save(tmp_path)
    with pytest.raises(ArgumentError, match="256 steps; accepted"):  # the same, but less of it
        cl.train(ppo(), 64, progress=False).save(tmp_path)
    assert contents(tmp_path) == before
    cl.train(ppo(), 512, progress=False).save(tmp_path)  # the same, and more of it
    run = train(ppo(seed=1), tmp_path, 64, overwrite=True)
    assert (
        len(run.curve["env_steps"]) == 2
        and load_tensors(tmp_path / "checkpoint.safetensors", CHECKPOINT)[1]["config"]["seed"] == 1
    )
    train(run, tmp_path, 64)  # its own folder
    run.save(tmp_path)


def test_command_line_says_the_two_ways_on(tmp_path, capsys):
    from course_lib.__main__ import main

    words = ["train", "ppo", "--env", "InvertedPendulum-v5", "--num-envs", "4", "--rollout-steps", "8", "--steps", "64"]
    words += ["--minibatch-size", "16", "--folder", str(tmp_path)]
    assert main(words) == 0
    assert main(words) == 2 and "--resume" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0 and main([*words, "--resume"]) == 0


# --- poisoned states ----------------------------------------------------------------------------


def poison(change):
    class Poison:
        def on_update(self, run):
            if run.agent.env_steps >= 128:
                change(run.agent)

    return Poison()


@torch.no_grad()
def exploded(agent):
    next(agent.policy.parameters()).mul_(1e9)


@torch.no_grad()
def nan_weight(agent):
    list(agent.policy.parameters())[-1][0] = float("nan")


def endless_moments(agent):
    agent.return_moments.var.fill_(float("inf"))


def nan_adam(agent):
    for value in agent.optimizer.state_dict().values():
        if value.is_floating_point() and value.numel() > 1:
            value.view(-1)[0] = float("nan")


def nan_statistics(agent):
    agent.policy.normalizer.mean[0] = float("nan")


@pytest.mark.parametrize("change", [exploded, nan_weight, endless_moments, nan_adam, nan_statistics])
def test_a_poisoned_state_is_never_written_over_a_good_one(tmp_path, change):
    train(ppo(), tmp_path, 96, checkpoint_every=0)
    before = contents(tmp_path)
    with pytest.raises(NonFiniteError, match="nothing is saved and the last checkpoint is untouched"):
        train(ppo(), tmp_path, 512, resume=True, checkpoint_every=0, callbacks=(poison(change),))
    assert contents(tmp_path) == before


@torch.no_grad()
def nan_critic(agent):
    agent.learner.critics.flat[0] = float("nan")


def test_a_poisoned_critic_neither(tmp_path):
    train(off(), tmp_path, 64)
    before = contents(tmp_path)
    with pytest.raises(NonFiniteError, match="critics.flat holds nan"):
        train(off(), tmp_path, 192, resume=True, callbacks=(poison(nan_critic),), checkpoint_every=0)
    assert contents(tmp_path) == before


def test_a_learning_rate_beyond_all_measure(tmp_path):
    train(ppo(learning_rate=1e-3), tmp_path / "good", 64)
    with pytest.raises(NonFiniteError):
        train(ppo(learning_rate=1e8, lr_schedule="constant"), tmp_path / "bad", 1024)
    assert not (tmp_path / "bad" / "policy.safetensors").exists()


# --- interrupts ---------------------------------------------------------------------------------


class Within:
    """An agent's `iterate` that is interrupted in its middle at the third iteration, `times` times."""

    def __init__(self, agent, times):
        self.agent, self.times, self.iterate = agent, times, agent.iterate
        agent.improve, self.improve = self._improve, agent.improve

    def _improve(self, rollout):
        if self.agent.iterations == 2:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)
        return self.improve(rollout)


def test_one_interrupt_saves_after_the_iteration(tmp_path):
    agent = ppo()
    Within(agent, 1)
    run = train(agent, tmp_path, 512)
    assert run.interrupted == "stopped by the user" and agent.env_steps == 96
    assert load_tensors(tmp_path / "checkpoint.safetensors", CHECKPOINT)[1]["agent"]["env_steps"] == 96


def test_a_second_interrupt_saves_nothing_torn(tmp_path, capsys):
    agent = ppo()
    Within(agent, 2)
    run = train(agent, tmp_path, 512, checkpoint_every=0)
    assert run.interrupted and "in the middle of an iteration" in capsys.readouterr().out
    assert load_tensors(tmp_path / "checkpoint.safetensors", CHECKPOINT)[1]["agent"]["env_steps"] == 64
    whole, resumed = cl.train(ppo(), 512, progress=False), train(ppo(), tmp_path, 512, resume=True)
    np.testing.assert_array_equal(whole.curve["policy_loss"], resumed.curve["policy_loss"])


def test_leftovers_of_killed_writers_go(tmp_path):
    train(ppo(), tmp_path)
    for name in (".checkpoint.safetensors.ab12cd", ".policy.safetensors.zz"):
        (tmp_path / name).write_bytes(b"half")
    train(ppo(), tmp_path, 256, resume=True)
    assert {p.name for p in tmp_path.iterdir()} == {"checkpoint.safetensors", "policy.safetensors", "curve.csv"}


# --- what a file gives is owned -----------------------------------------------------------------


@pytest.mark.parametrize("shift", [0, 1, 3])
def test_tensors_of_a_file_are_aligned_whatever_the_file(tmp_path, shift):
    """A header of another length moves all tensors in the file; what is read stands at addresses of torch's own."""
    tensors = {"a": torch.randn(17), "b": torch.randn(5, 3)}
    path = save_tensors(tmp_path / "x.safetensors", tensors, {"format": "toy", "pad": "x" * shift})
    for value in load_tensors(path, "toy")[0].values():
        assert value.data_ptr() % 64 == 0


CELLS = ["ltc", "cfc", "ctrnn", "neural_ode", "gru", "synaptic_ltc", "frames", "attention"]


@pytest.mark.parametrize("cell", CELLS)
def test_resumed_runs_of_every_cell_are_equal_bit_for_bit(tmp_path, cell):
    def agent():
        settings = dict(cell=dict(name=cell, neurons=5), rollout_steps=16, sequence_length=8)
        return ppo(options={"hide": "velocities"}, **settings)

    whole = cl.train(agent(), 640, progress=False)
    for stop in (64, 128, 192, 256, 320):
        folder = tmp_path / str(stop)
        run = train(agent(), folder, 640, callbacks=(StopAt(stop),))
        assert run.agent.env_steps == stop
        resumed = train(agent(), folder, 640, resume=True)
        for name in ("policy_loss", "value_loss", "approx_kl"):
            np.testing.assert_array_equal(whole.curve[name], resumed.curve[name])
        for ours, theirs in zip(whole.policy.parameters(), resumed.policy.parameters(), strict=True):
            assert torch.equal(ours, theirs)


class StopAt:
    def __init__(self, steps):
        self.steps = steps

    def on_update(self, run):
        if run.agent.env_steps >= self.steps:
            os.kill(os.getpid(), signal.SIGINT)


def test_seeds_of_numpy_are_plain(tmp_path):
    for seed in np.arange(2):
        run = train(ppo(seed=seed, hidden=np.array([8])), tmp_path / str(seed), np.int64(64))
        assert type(run.agent.config.seed) is int
        assert type(cl.make("HalfCheetah-v5", np.int32(2), seed=seed).num_envs) is int


def test_a_task_may_note_what_is_not_yet(tmp_path):
    """In Throw the miss is infinite while the ball is in the air, which is no reason not to save."""
    agent = cl.PPO(cl.make("Throw-v0", 4), cl.PPOConfig(rollout_steps=8, minibatch_size=32, epochs=1))
    agent.iterate(0.0)
    assert agent.state_dict()[0]["memory.miss"].isinf().any()
    run = cl.train(agent, 64, folder=tmp_path / "run", progress=False)
    assert (tmp_path / "run" / "checkpoint.safetensors").exists() and run.agent.env_steps == 96


# --- nothing is lost by the way -----------------------------------------------------------------


def steps_in(folder):
    return load_tensors(folder / "checkpoint.safetensors", CHECKPOINT)[1]["agent"]["env_steps"]


def test_an_agent_that_was_trained_elsewhere_is_not_put_back(tmp_path):
    train(ppo(), tmp_path, 64)
    trained = ppo()
    cl.train(trained, 256, progress=False)
    weights = [p.clone() for p in trained.policy.parameters()]
    with pytest.raises(ArgumentError, match="put this agent, trained for 256 steps, back to the 64 of folder"):
        train(trained, tmp_path, 128, resume=True)
    assert trained.env_steps == 256 and all(map(torch.equal, weights, trained.policy.parameters()))
    beyond = ppo()
    train(beyond, tmp_path / "own", 64)
    cl.train(beyond, 64, progress=False)
    with pytest.raises(ArgumentError, match="trained for 128 steps, back to the 64"):
        train(beyond, tmp_path / "own", 256, resume=True)


@pytest.mark.parametrize("make", [ppo, off])
def test_the_agent_whose_training_it_is_goes_on(tmp_path, make):
    agent = make()
    train(agent, tmp_path, 128)
    assert train(agent, tmp_path, 256, resume=True).agent is agent and agent.env_steps == steps_in(tmp_path) == 256


def test_an_agent_that_broke_off_goes_back_to_its_own_checkpoint(tmp_path):
    agent = ppo()
    Within(agent, 2)
    train(agent, tmp_path / "own", 512, checkpoint_every=0)
    train(ppo(), tmp_path / "other", 64)
    with pytest.raises(ArgumentError, match="would be lost"):
        train(agent, tmp_path / "other", 512, resume=True)
    agent.improve = type(agent).improve.__get__(agent)
    assert train(agent, tmp_path / "own", 512, resume=True).agent.env_steps == 512
    exploded(agent)
    with pytest.raises(NonFiniteError):
        train(agent, tmp_path / "own", 544, resume=True, callbacks=(poison(nan_weight),))
    assert train(agent, tmp_path / "own", 544, resume=True).agent.env_steps == 544


def test_what_was_saved_before_an_iteration_broke_off_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    agent = ppo()
    Within(agent, 2)
    run = train(agent, "own", 512, checkpoint_every=0)
    assert agent.env_steps > steps_in(tmp_path / "own") == 64
    with pytest.raises(ArgumentError, match="stopped in the middle of an iteration after that; accepted: cl.train"):
        run.save()
    assert steps_in(tmp_path / "own") == 64
    agent.improve = type(agent).improve.__get__(agent)
    again = train(run, tmp_path / "own", 512, resume=True)  # another spelling of the folder
    whole = cl.train(ppo(), 512, progress=False)
    np.testing.assert_array_equal(again.curve["policy_loss"], whole.curve["policy_loss"])


def test_a_later_training_in_a_runs_folder_is_not_replaced(tmp_path):
    first = train(ppo(), tmp_path, 64)
    train(ppo(seed=5), tmp_path, 256, overwrite=True)
    for write in (first.save, lambda: train(first, tmp_path, 64)):
        with pytest.raises(ArgumentError, match="holds a training already: ppo on InvertedPendulum-v5, 256 steps"):
            write()
    assert steps_in(tmp_path) == 256


def test_a_run_that_could_not_start_stays_where_it_was(tmp_path):
    class Bad:
        def on_start(self, run):
            raise RuntimeError("no network")

    run = train(ppo(), tmp_path / "a", 64)
    train(ppo(seed=3), tmp_path / "b", 256)
    with pytest.raises(RuntimeError):
        train(run, tmp_path / "b", 64, overwrite=True, callbacks=[Bad()])
    assert run.folder == tmp_path / "a" and run.save() == tmp_path / "a" and steps_in(tmp_path / "b") == 256


def test_a_task_that_is_changed_back_is_the_old_one_again(tmp_path):
    envs = cl.make(POLE[0], 4, seed=0)
    make = lambda: cl.PPO(envs, cl.PPOConfig(**PPO))  # noqa: E731
    gravity = envs.task.model.opt.gravity
    agent = make()
    gravity[2] = -5.0  # after the agent was made
    note = "with another model than its options give"
    assert train(agent, tmp_path / "low", 64).policy.env_note == note
    assert train(make(), tmp_path / "low", 128, resume=True).agent.env_steps == 128
    gravity[2] = -9.81
    assert make().policy.env_note == "" and len(cl.evaluate(make(), episodes=2).deterministic.returns) == 2
    with pytest.raises(ArgumentError, match=f"note: '{note}' there, '' here"):
        train(make(), tmp_path / "low", 256, resume=True)


def test_what_is_to_be_overwritten_stays_until_there_is_something_better(tmp_path, monkeypatch):
    train(ppo(), tmp_path)
    before = contents(tmp_path)
    monkeypatch.setitem(sys.modules, "wandb", None)  # not installed
    with pytest.raises(ArgumentError, match="needs the package wandb"):
        train(ppo(seed=1), tmp_path, overwrite=True, log="wandb")
    broken = ppo(seed=1)
    broken.improve = lambda rollout: 1 / 0
    with pytest.raises(ZeroDivisionError):
        train(broken, tmp_path, overwrite=True)
    assert contents(tmp_path) == before
    seen = []

    class Look:
        def on_update(self, run):
            if run.agent.iterations == 2:
                seen.extend(sorted(contents(tmp_path)))

    train(ppo(seed=1), tmp_path, 96, overwrite=True, checkpoint_every=0, callbacks=(Look(),))
    assert seen == ["checkpoint.safetensors"]  # no policy and no curve of another training beside it
    assert steps_in(tmp_path) == 96 and set(contents(tmp_path)) == set(before)


@pytest.mark.parametrize("make", [ppo, off])
@pytest.mark.parametrize("write", [cl.Run.save, cl.Run.checkpoint])
def test_the_same_settings_in_other_environments_are_another_training(tmp_path, make, write):
    """Off-policy, the first rows of the curve are the same: nothing has been learnt, no episode has ended."""

    def trained(seed, steps=64):
        agent = make()
        agent = type(agent)(cl.make(agent.envs.id, 4, seed=seed), agent.config)
        return cl.train(agent, steps, progress=False)

    trained(1).save(tmp_path)
    before, other = contents(tmp_path), trained(2, 128)
    with pytest.raises(ArgumentError, match="holds a training already.*overwrite=True"):
        other.save(tmp_path)
    other.folder = tmp_path
    with pytest.raises(ArgumentError, match="holds a training already"):
        write(other)
    assert contents(tmp_path) == before
    trained(1, 128).save(tmp_path)  # the same, and more of it
    other.save(tmp_path, overwrite=True)
    assert steps_in(tmp_path) == other.agent.env_steps
    with pytest.raises(ArgumentError, match="no folder yet"):
        trained(1).checkpoint()


def test_an_overwriting_that_failed_gives_no_leave_to_the_next(tmp_path):
    train(ppo(), tmp_path)
    run = cl.train(ppo(seed=1), 256, progress=False)
    good = run.policy.log_std.detach().clone()
    run.policy.log_std.data.fill_(float("nan"))
    with pytest.raises(NonFiniteError):
        run.save(tmp_path, overwrite=True)
    run.policy.log_std.data.copy_(good)
    with pytest.raises(ArgumentError, match="holds a training already"):
        run.save(tmp_path)
    assert run.folder is None


def test_a_folder_that_was_refused_does_not_become_the_runs(tmp_path):
    train(ppo(), tmp_path / "theirs")
    run = train(ppo(seed=1), tmp_path / "mine", 64)
    with pytest.raises(ArgumentError, match="holds a training already"):
        train(run, tmp_path / "theirs", 64)
    assert run.folder == run.save() == tmp_path / "mine"


def test_a_policy_that_was_handed_over_is_part_of_the_training(tmp_path):
    def handed(policy):
        agent = ppo()
        return cl.PPO(agent.envs, agent.config, policy=policy)

    folder = tmp_path / "with"
    first, second = ppo().policy, ppo(seed=1).policy
    train(handed(first), folder)
    before = contents(folder)
    with pytest.raises(ArgumentError, match="of another training: policy_handed_over: '.*' there, '.*' here"):
        train(handed(second), folder, 256, resume=True)
    train(ppo(), tmp_path / "without")
    with pytest.raises(ArgumentError, match="policy_handed_over: None there, '.*' here"):
        train(handed(second), tmp_path / "without", 256, resume=True)
    assert contents(folder) == before
    train(handed(first), folder, 256, resume=True)
    train(handed(cl.load(folder)), folder, 384, resume=True)  # nothing of it is dropped
    train(ppo(), folder, 512, resume=True)  # nor of none
    assert train(handed(first), folder, 640, resume=True).agent.env_steps == 640


@pytest.mark.parametrize("policy", [None, "another"])
def test_folders_from_before_there_were_digests_are_gone_on_with(tmp_path, policy):
    train(ppo(), tmp_path)
    tensors, header = load_tensors(tmp_path / "checkpoint.safetensors", CHECKPOINT)
    del header["policy_handed_over"], header["agent"]["begun_at"]
    save_tensors(tmp_path / "checkpoint.safetensors", tensors, header)
    agent = ppo()
    agent = cl.PPO(agent.envs, agent.config, policy=policy and ppo(seed=1).policy)
    assert train(agent, tmp_path, 256, resume=True).agent.env_steps == 256
