"""Policy files: a round trip, and every kind of damage refused with a sentence."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import course_lib as cl
from course_lib.errors import ArgumentError, PolicyFileError
from course_lib.files import write_atomically
from course_lib.policies.saved import load, save_policy


def policy():
    agent = cl.PPO(cl.make("InvertedPendulum-v5", num_envs=4), cl.PPOConfig(rollout_steps=32, minibatch_size=64))
    return cl.train(agent, 512, progress=False).policy


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    original = policy()
    return original, save_policy(original, tmp_path_factory.mktemp("policies") / "p", algorithm="ppo", seed=0)


def test_round_trip_keeps_actions_and_normaliser(saved):
    original, path = saved
    loaded = load(path)
    obs = np.random.default_rng(0).normal(size=(10, 4))
    weights, again = original.state_dict(), loaded.state_dict()
    assert weights.keys() == again.keys() and all(torch.equal(weights[name], again[name]) for name in weights)
    # The weights lie elsewhere in memory, and some processors add in another order then.
    assert np.allclose(original.act(obs)[0], loaded.act(obs)[0], rtol=0, atol=1e-6)
    assert loaded.env_id == "InvertedPendulum-v5" and loaded.normalizer.count == 512
    assert loaded.header["algorithm"] == "ppo" and "torch" in loaded.header["versions"]


def test_evaluation_does_not_move_the_normaliser(saved):
    loaded = load(saved[1])
    before = {k: v.clone() for k, v in loaded.state_dict().items()}
    cl.evaluate(loaded, 3)
    assert all(torch.equal(v, before[k]) for k, v in loaded.state_dict().items())


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_truncated_or_edited_files_are_refused(saved, tmp_path_factory, data):
    content = bytearray(saved[1].read_bytes())
    if data.draw(st.booleans(), "truncate"):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("damage") / "p.safetensors"
    path.write_bytes(content)
    with pytest.raises(PolicyFileError):
        load(path)


def test_foreign_and_edited_files(saved, tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"w": torch.zeros(2)}, str(path))
    with pytest.raises(PolicyFileError, match="was not written by course_lib"):
        load(path)
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(PolicyFileError, match="not a whole safetensors file"):
        load(tmp_path / "text.safetensors")
    tensors = load_file(str(saved[1]))
    tensors["log_std"] += 1
    save_file(tensors, str(path), {"header": json.dumps(cl.load(saved[1]).header), "sha256": "0"})
    with pytest.raises(PolicyFileError, match="was changed after it was written"):
        load(path)


def test_missing_file_and_unknown_name(tmp_path):
    with pytest.raises(PolicyFileError, match="gone.safetensors does not exist"):
        load(tmp_path / "gone.safetensors")
    with pytest.raises(ArgumentError, match="neither a file nor a shipped policy"):
        load("halfcheeta")


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "f"
    write_atomically(path, b"old")
    monkeypatch.setattr("os.replace", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(PolicyFileError, match="No space left on device"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["f"]
