"""Policy files that lie: every one is refused by a sentence, quickly, in little memory, and nothing of it is run."""

import contextlib
import json
import resource
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import course_lib as cl
from course_lib.errors import PolicyFileError
from course_lib.files import _digest, _digest_1, load_tensors, save_tensors
from course_lib.policies.saved import FORMAT, nested

KINDS = ("pendulum_mlp", "pendulum_ltc", "pendulum_gru", "throw_ndp", "throw_ndp_ltc", "halfcheetah_sac",
         "memory_car_rsac_lstm", "memory_car_rsac_ltc")  # fmt: skip


def parts(name):
    tensors, header = load_tensors(cl.policies.saved.policy_path(name), FORMAT)
    return tensors, {**header, "settings": nested(header["settings"])}


def refused(path, said="."):
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PolicyFileError, match=said) as error:
        cl.load(path)
    assert "\n" not in str(error.value)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KiB
    assert grown < 200 * 1024 and time.perf_counter() - start < 60  # about 20 ms, on a machine that is not busy
    return str(error.value)


def forge(tmp_path, name, change):
    tensors, header = parts(name)
    header = json.loads(json.dumps(header))
    change(header, tensors)
    return save_tensors(tmp_path / "forged.safetensors", tensors, header)


def test_type_and_shape_are_in_the_digest(tmp_path):
    tensors, header = parts("pendulum_mlp")
    path = save_tensors(tmp_path / "p.safetensors", tensors, header)
    content = path.read_bytes()
    assert b'"F32"' in content
    (tmp_path / "q.safetensors").write_bytes(content.replace(b'"F32"', b'"I32"', 1))
    refused(tmp_path / "q.safetensors", "digest")
    turned = {k: v.flip(0).reshape(v.shape[::-1]).contiguous() if v.ndim == 2 else v for k, v in tensors.items()}
    assert _digest(tensors, "") != _digest(turned, "")


def test_old_files_are_held_to_types_and_shapes_too(tmp_path):
    """Files of before have a digest of names and contents alone: what it does not cover is compared with the policy."""
    tensors, header = parts("pendulum_mlp")
    text = json.dumps(header)
    for change, said in (
        (lambda v: v.view(torch.int32), "int32"),
        (lambda v: v.reshape(-1) if v.ndim == 2 else v, "must be torch.float32"),
    ):
        edited = {k: change(v) if v.dtype == torch.float32 else v for k, v in tensors.items()}
        save_file(edited, str(tmp_path / "old.safetensors"), {"header": text, "sha256": _digest_1(edited, text)})
        refused(tmp_path / "old.safetensors", said)
    save_file(tensors, str(tmp_path / "old.safetensors"), {"header": text, "sha256": _digest_1(tensors, text)})
    assert cl.load(tmp_path / "old.safetensors").env_id == "InvertedPendulum-v5"


@pytest.mark.parametrize("name", KINDS)
def test_missing_and_extra_tensors_are_named(tmp_path, name):
    first = sorted(parts(name)[0])[0]
    assert first in refused(forge(tmp_path, name, lambda h, t: t.pop(first)), "lacks")
    refused(forge(tmp_path, name, lambda h, t: t.update(more=torch.zeros(2))), "too much: more")


HUGE = (10**5, 10**7, 10**9, 10**18)


def sizes(settings, path=()):
    """Every number in the settings, by its path."""
    for key, value in settings.items() if isinstance(settings, dict) else enumerate(settings):
        if isinstance(value, (dict, list)):
            yield from sizes(value, (*path, key))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield (*path, key)


def put(settings, path, value):
    for key in path[:-1]:
        settings = settings[key]
    settings[path[-1]] = value


@pytest.mark.parametrize("name", KINDS)
def test_huge_settings_are_refused_before_anything_is_built(tmp_path, name):
    tried = 0
    for path in sizes(parts(name)[1]["settings"]):
        if path[-1] in ("init_log_std", "noise"):
            continue
        for value in HUGE:
            forged = forge(tmp_path, name, lambda h, t, p=path, v=value: put(h["settings"], p, v))
            if path[-1] == "remember" or "options" in path:  # of fresh weights alone: the policy is the same
                with contextlib.suppress(PolicyFileError):
                    assert cl.load(forged).state_dict().keys() == parts(name)[0].keys()
                continue
            refused(forged)
            tried += 1
    assert tried >= 4 * 2


@pytest.mark.parametrize("name", KINDS)
def test_settings_of_another_type_are_refused(tmp_path, name):
    for key in parts(name)[1]["settings"]:
        for value in ([], {}, "x", -1, [[1]], {"name": ["ltc"]}, 1e400):
            path = forge(tmp_path, name, lambda h, t, k=key, v=value: h["settings"].update({k: v}))
            try:
                loaded = cl.load(path)  # "x" may be a name, [] no layers: then it must be the same policy
            except PolicyFileError as error:
                assert "\n" not in str(error)
            else:
                assert loaded.state_dict().keys() == cl.load(name).state_dict().keys()


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda h: h.pop("settings"), "settings=None"),
        (lambda h: h.update(settings=[1]), "settings"),
        (lambda h: h.update(settings={"obs_dim": 4}), "act_dim"),
        (lambda h: h.update(policy="os.system"), "policy class 'os.system'"),
        (lambda h: h.update(policy=["MLPActorCritic"]), "policy class"),
        (lambda h: h.pop("policy"), "policy class"),
        (lambda h: h.update(env_id=5), "env_id must be a name"),
        (lambda h: h.update(env_options=[1]), "env_options a dict"),
        (lambda h: h.update(action_low=[3.0], action_high=[-3.0]), "action bounds"),
        (lambda h: h.update(action_low=[float("nan")]), "action bounds"),
        (lambda h: h.update(action_low=[0.0, 0.0]), "action bounds"),
        (lambda h: h.update(action_low="low"), "does not fit its own description"),
        (lambda h: h["settings"].update(cell={"name": "ltc", "options": {"wiring": 5}}), "wiring|fit"),
        (lambda h: h["settings"].update(hidden=[1] * 10**6), "layers|fit"),
        (lambda h: h["settings"].update(unknown=3), "unknown"),
        (lambda h: h.update(acting=3), "acting=3"),
        (lambda h: h.update(acting={"dt": -1.0}), "dt=-1.0"),
        (lambda h: h.update(acting={"dt": "1"}), "dt='1'"),
        (lambda h: h.update(acting={"clamped": [0]}), "acting"),
        (lambda h: h.update(acting={"clamped": {"99": 0.0}}), "neuron '99'"),
        (lambda h: h.update(acting={"clamped": {"x": 0.0}}), "neuron 'x'"),
        (lambda h: h.update(acting={"clamped": {"9" * 5000: 0.0}}), "fit"),
        (lambda h: h.update(acting={"clamped": {"0": float("nan")}}), "clamped"),
    ],
)
def test_headers_that_do_not_fit(tmp_path, change, said):
    refused(forge(tmp_path, "pendulum_ltc", lambda h, t: change(h)), said)


def test_headers_without_what_is_optional_still_load(tmp_path):
    for name in ("env_id", "env_options", "action_low", "action_high", "env_note", "versions"):
        names = ("action_low", "action_high") if name.startswith("action") else (name,)
        policy = cl.load(forge(tmp_path, "pendulum_mlp", lambda h, t, n=names: [h.pop(each, None) for each in n]))
        assert policy.act(np.zeros((1, 4)))[0].shape == (1, 1)


def test_brackets_without_end(tmp_path):
    tensors, _ = parts("pendulum_mlp")
    for text in ("[" * 200_000, '{"format": "liquid-control policy 1", "policy": ' + "[" * 200_000, "null", "3"):
        save_file(tensors, str(tmp_path / "b.safetensors"), {"header": text, "digest": _digest(tensors, text)})
        refused(tmp_path / "b.safetensors", "course header")


def test_an_id_from_a_header_is_never_imported(tmp_path):
    (tmp_path / "evil.py").write_text("open('ran', 'w').write('x')\n")
    path = forge(tmp_path, "pendulum_mlp", lambda h, t: h.update(env_id="evil:Evil-v0"))
    play = f"p = cl.load({str(path)!r})\ntry:\n    cl.evaluate(p, 1)\nexcept Exception as e:\n    print(e)"
    code = f"import course_lib as cl\n{play}"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert not (tmp_path / "ran").exists() and "evil:Evil-v0" in done.stdout


def test_loading_uses_up_no_random_number():
    torch.manual_seed(0)
    wanted = torch.rand(1)
    torch.manual_seed(0)
    cl.load("pendulum_ltc")
    assert torch.rand(1) == wanted


def test_policies_are_found_by_folder_and_by_names_with_dots(tmp_path):
    policy = cl.load("pendulum_mlp")
    cl.save_policy(policy, tmp_path / "v1.2")
    assert cl.load(tmp_path / "v1.2").env_id == policy.env_id
    cl.save_policy(policy, tmp_path / "run" / "policy.safetensors")
    assert cl.load(tmp_path / "run").env_id == policy.env_id
    (tmp_path / "torch.pt").write_bytes(b"PK\x03\x04 something of pickle")
    refused(tmp_path / "torch.pt", "not a whole safetensors file")


def test_a_policy_without_an_environment_is_saved(tmp_path):
    fresh = cl.MLPActorCritic(3, 2)
    loaded = cl.load(cl.save_policy(fresh, tmp_path / "p", seed=np.int64(3), sizes=np.arange(2)))
    assert loaded.action_low is None and loaded.header["seed"] == 3 and loaded.header["sizes"] == [0, 1]
    assert load_file(str(tmp_path / "p.safetensors")).keys() == fresh.state_dict().keys()
