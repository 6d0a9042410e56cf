"""What bad input gets: random configs, damaged and forged policy files, trainings killed at random moments.

    python benchmarks/faults.py [--parts configs files "kills ppo" …] [--configs 2000] [--files 5000] [--kills 30]

A config is made of fields that are right, of another type, of absurd size, or not numbers; accepted ones build their
agent. A file is a shipped policy with bytes flipped, cut, zeroed or swapped, or with another header and a digest that
fits. A training is ended by kill -9, again and again, and goes on from its checkpoint; its curve must be that of one
that was never stopped, bit for bit. Whatever is refused must be refused by a sentence: an error of this library.
Everything runs in processes of its own, so that a crash or a hang is counted and not suffered.
"""

from __future__ import annotations

import json
import math
import os
import random
import signal
import tempfile
import time
from collections import Counter
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from _report import Table, cli, run_all

import course_lib as cl
from course_lib.errors import CourseError
from course_lib.files import assets_folder, load_header, load_tensors, save_tensors
from course_lib.policies.saved import FORMAT
from course_lib.rl.algorithms import ALGORITHMS, algorithm
from course_lib.rl.run import CHECKPOINT
from course_lib.rl.run import NAME as CHECKPOINT_FILE

NAME = "faults"
PATIENCE = 30.0  # s without an answer count as a hang
ENVS = {True: "MemoryPendulum-v0", False: "Pendulum-v1"}  # of algorithms with memory, and of others
WRONG = (
    None, True, "no", "", b"x", -1, 0, 1, 2.5, -0.0, math.nan, math.inf, -math.inf, 10**6, 10**9, 10**18, 1e300, [], {},
    (), [8, 8], (10**6, 10**6), [1] * 10**5, "64", object(), np.float32(3), np.int64(5), np.array([4]), lambda: 1,
    {"name": "ltc"}, {"neurons": 10**9}, {"name": "ltc", "neurons": 10**7}, {"chunk": 10**9}, {"options": {"a": 1}},
    {"name": "ltc", "options": {"substeps": -1}}, {"name": "lstm", "layers": 10**6}, {"remember": 10**9},
    torch.ones(2), 1j, range(3), "linear", "ltc", "dmp", Path("x"),
)  # fmt: skip


def random_config(rng: random.Random):
    """An algorithm and some fields for its config, each likely or out of place."""
    name = rng.choice(list(ALGORITHMS))
    plain = vars(algorithm(name)[1]())
    fields = rng.sample(list(plain), rng.randint(1, 4))
    return name, {f: rng.choice(WRONG) if rng.random() < 0.4 else likely(plain[f], rng) for f in fields}


def likely(value, rng: random.Random):
    """A value such as somebody might try in the place of this one."""
    if isinstance(value, bool):
        return rng.random() < 0.5
    if isinstance(value, int):
        return rng.choice((1, 2, 7, max(value // 2, 1), value * 2))
    if isinstance(value, float):
        return rng.choice((0.1, 0.5, 1.0, 1.1, 2.0)) * value
    return rng.choice(((4,), (8, 8), [16])) if isinstance(value, tuple) else value


def try_config(case) -> str:
    name, changes = case
    agent, config = algorithm(name)
    small = dict(hidden=(8,)) | (dict(rollout_steps=8, minibatch_size=16) if name == "ppo" else dict(buffer_size=5000))
    agent(cl.make(ENVS[name.startswith("r")], 4, seed=0), config(**{**small, **changes}))
    return "accepted"


POLICIES = ("pendulum_mlp", "pendulum_ltc", "pendulum_gru", "throw_ndp", "halfcheetah_sac", "memory_car_rsac_lstm",
            "memory_car_rsac_ltc", "pendulum_synaptic_ltc")  # fmt: skip


def random_file(rng: random.Random):
    """Name of a shipped policy and how it is damaged."""
    return (
        rng.choice(POLICIES),
        rng.choice(("flip", "flip", "cut", "zero", "swap", "forge", "forge")),
        rng.getrandbits(32),
    )


def damaged(content: bytearray, how: str, rng: random.Random) -> bytes:
    """`content` with bytes flipped, cut off, zeroed or two pieces swapped."""
    n, length = len(content), rng.choice((1, 1, 4, 64, 4096))
    at = min(rng.choice((rng.randrange(n), rng.randrange(min(n, 2000)))), n - 1)
    if how == "flip":
        for i in range(at, min(at + length, n)):
            content[i] ^= rng.randint(1, 255)
    elif how == "cut":
        del content[at:]
    elif how == "zero":
        content[at : at + length] = bytes(len(content[at : at + length]))
    else:
        other = rng.randrange(n)
        content[at], content[other] = content[other], content[at]
    return bytes(content)


def forged(path: Path, out: Path, rng: random.Random) -> None:
    """Another value somewhere in the header, under a digest that fits."""
    tensors, header = load_tensors(path, FORMAT)
    place, key = header, rng.choice(("settings", "settings", "policy", "env_id", "env_options", "action_low", "format"))
    while isinstance(place.get(key), dict) and place[key] and rng.random() < 0.9:
        place, key = place[key], rng.choice(list(place[key]))
    values = [w for w in WRONG if w is None or isinstance(w, (bool, int, float, str, list, dict))]
    place[key] = rng.choice(values)
    if rng.random() < 0.1:
        tensors.pop(rng.choice(list(tensors)))
    save_tensors(out, tensors, header)


def acts(policy) -> np.ndarray:
    seen, state = np.random.default_rng(0).standard_normal((3, 4, policy.obs_dim)), None
    rows = []
    for obs in seen:
        action, state = policy.act(obs, state)
        rows.append(action)
    return np.stack(rows)


def try_file(case) -> str:
    name, how, seed = case
    rng, path = random.Random(seed), assets_folder() / "policies" / f"{name}.safetensors"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "p.safetensors"
        content = path.read_bytes()
        if how == "forge":
            forged(path, out, rng)
        else:
            out.write_bytes(damaged(bytearray(content), how, rng))
            if out.read_bytes() == content:
                return "accepted"
        policy = cl.load(out)
        if how == "forge":  # who can write a digest may write a policy: what counts is that it loads or is refused
            return "accepted"
        same = np.array_equal(acts(policy), acts(cl.load(name))) and policy.env_id == cl.load(name).env_id
        return "accepted" if same else "changed"


# --- in processes of their own ------------------------------------------------------------------


def _work(pipe, attempt, cases: list) -> None:
    torch.set_num_threads(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    while True:
        case = cases[pipe.recv()]
        try:
            pipe.send((attempt(case), ""))
        except CourseError as error:
            text = str(error)
            pipe.send(("sentence", "") if text and "\n" not in text else ("raw", f"a sentence on lines: {text[:200]}"))
        except Exception as error:
            pipe.send(("raw", f"{type(error).__name__}: {error}"[:300]))


def outcomes(attempt, cases: list) -> tuple[Counter, list[str]]:
    """How often each outcome came, and what the raw ones and the hangs were."""
    context, found, notes, process = get_context("fork"), Counter(), [], None
    for index, case in enumerate(cases):
        if process is None:
            pipe, end = context.Pipe()
            process = context.Process(target=_work, args=(end, attempt, cases), daemon=True)
            process.start()
            end.close()
        pipe.send(index)
        try:
            outcome, note = pipe.recv() if pipe.poll(PATIENCE) else ("hung", "no answer")
        except EOFError:
            outcome, note = "raw", "the process died"
        found[outcome] += 1
        if outcome in ("raw", "hung", "changed"):
            notes.append(f"{case!r:.300} -> {note}")
        if outcome == "hung" or note == "the process died":
            process.kill()
            process = None
    if process is not None:
        process.kill()
    return found, notes


# --- kills --------------------------------------------------------------------------------------

STEPS = {"ppo": 100_000, **{name: 20_000 for name in ALGORITHMS if name != "ppo"}}


def agent_of(name: str):
    """A small agent of each algorithm; those with memory have a liquid cell."""
    memory = name.startswith("r")
    if name == "ppo":
        config = cl.PPOConfig(rollout_steps=16, minibatch_size=64, epochs=2, sequence_length=8, cell=dict(name="ltc"))
        return cl.PPO(cl.make("InvertedPendulum-v5", 8, seed=0, hide="velocities"), config)
    kind, config = algorithm(name)
    small = dict(
        hidden=(16,), learning_starts=64, batch_size=8 if memory else 32, buffer_size=2000, updates_per_step=0.25
    )
    env = "MemoryPendulum-v0" if memory else "InvertedPendulum-v5"  # both go on in the middle of an episode
    return kind(cl.make(env, 4, seed=0), config(**small, **(dict(cell="ltc") if memory else {})))


def _train(name: str, folder: Path, stop: int | None = None) -> None:
    torch.set_num_threads(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    cl.train(agent_of(name), stop or STEPS[name], folder=folder, resume=True, checkpoint_every=0.0, progress=False)


def kills(name: str, count: int) -> tuple[Counter, list[str]]:
    """Kill a training `count` times -> how often what it kept differed from what a whole one has."""
    context, found, notes, rng = get_context("fork"), Counter(), [], random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / CHECKPOINT_FILE
        for _ in range(count):
            before = file.stat().st_mtime_ns if file.exists() else 0
            process = context.Process(target=_train, args=(name, Path(folder)))
            process.start()
            until = time.monotonic() + PATIENCE
            while (not file.exists() or file.stat().st_mtime_ns == before) and time.monotonic() < until:
                time.sleep(0.005)
            time.sleep(rng.uniform(0.0, 0.2))
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        reached = load_header(file, CHECKPOINT)["curve"]
        whole = agent_of(name)
        rows = cl.train(whole, STEPS[name], progress=False, callbacks=(_StopAt(len(reached)),))._rows
        timed = ("wall_seconds", "steps_per_second")
        for k, (kept, true) in enumerate(zip(reached, rows, strict=True)):
            plain = [json.dumps({n: v for n, v in row.items() if n not in timed}) for row in (kept, true)]
            if plain[0] != plain[1]:
                notes.append(f"{name}, row {k}: {plain[0][:150]} instead of {plain[1][:150]}")
                break
        found["equal" if not notes else "differs"] = 1
        found["rows"] = len(reached)
    return found, notes


class _StopAt:
    def __init__(self, rows: int):
        self.rows = rows

    def on_update(self, run) -> None:
        if len(run._rows) >= self.rows:
            os.kill(os.getpid(), signal.SIGINT)


# --- the table ----------------------------------------------------------------------------------


def one_run(args, part: str, seed: int) -> dict:
    began = time.perf_counter()
    rng = random.Random(f"{part} {seed}")
    compared = 1  # a whole training, with one that was killed
    if part == "configs":
        count, compared = args.configs, 0
        found, notes = outcomes(try_config, [random_config(rng) for _ in range(count)])
    elif part == "files":
        count = args.files
        files = [random_file(rng) for _ in range(count)]
        found, notes = outcomes(try_file, files)
        compared = sum(how != "forge" for _, how, _ in files)
    else:
        count = args.kills
        found, notes = kills(part.removeprefix("kills "), count)
    counts = {name: found[name] for name in ("accepted", "sentence", "raw", "hung", "changed", "differs", "rows")}
    return {"run": part, "seed": seed, "tried": count, "compared": compared, **counts, "notes": notes[:50],
            "train_seconds": round(time.perf_counter() - began, 1)}  # fmt: skip


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    by, claims = {row["run"]: row for row in rows}, {}
    if "configs" in by:
        claims |= {"config_raw": by["configs"]["raw"], "config_hung": by["configs"]["hung"]}
    if "files" in by:
        claims |= {
            "files_raw": by["files"]["raw"] + by["files"]["hung"],
            "files_accepted_changed": by["files"]["changed"],
        }
    if killed := [row for run, row in by.items() if run.startswith("kills")]:
        claims["resumes_that_differ"] = sum(row["differs"] for row in killed)
    return claims, {name: [value, value] for name, value in claims.items()}


def tried(rows: list[dict]) -> dict[str, int]:
    """How many cases each claim is about: configs, files, files that are compared, whole trainings."""
    by = {row["run"]: row for row in rows}
    count = {"config": by.get("configs", {}).get("tried", 0), "files": by.get("files", {}).get("tried", 0)}
    count["resumes"] = sum(run.startswith("kills") for run in by)
    found = {claim: count[claim.split("_")[0]] for claim in claims_of(rows)[0]}
    if "files_accepted_changed" in found:
        found["files_accepted_changed"] = by["files"]["compared"]
    return found


def report(rows: list[dict]) -> Table:
    table = Table("what", "tried", "accepted", "sentence", "raw", "hung", "changed", "resumes that differ", "seconds")
    for row in rows:
        names = ("tried", "accepted", "sentence", "raw", "hung", "changed", "differs", "train_seconds")
        table.add(row["run"], *(row[name] for name in names))
    return table


if __name__ == "__main__":
    parts = ["configs", "files", *(f"kills {name}" for name in ALGORITHMS)]
    args = cli(
        NAME, __doc__, seeds=[0], parts=parts, configs=2000, files=5000, kills=30,
        quick=dict(configs=60, files=80, kills=3),
    )  # fmt: skip
    run_all(
        args, one_run, [(part, seed) for part in args.parts for seed in args.seeds], key=("run", "seed"),
        config={part: {"configs": args.configs, "files": args.files}.get(part, args.kills) for part in parts},
        part="run", claims_of=claims_of, report=report,
        says="{raw} raw, {hung} hung, {changed} changed, {differs} differ", claim_seeds=tried,
    )  # fmt: skip
    for row in json.loads(args.json.read_text())["per_seed"]:
        for note in row["notes"][:10]:
            print(f"{row['run']}: {note}")
