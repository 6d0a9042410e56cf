"""The C files under AddressSanitizer and UndefinedBehaviorSanitizer: random cases through every function.

    python scripts/sanitize.py [--cases 1500] [--seed 0]

C reads and writes where it is told to, and one number too far goes unnoticed on most days. Here every allocation has
a fence. Each case draws a cell, sizes, type, strides, starts and durations; states and all gradients must be those of
torch. Some cases hand over wrong sizes, which must be refused. That fences work is tried first, with an overflow on
purpose. The exit status is 1 after any error, and 0 after none or where there is no compiler that can do it.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch  # noqa: E402

from course_lib.errors import ArgumentError  # noqa: E402
from course_lib.machine import Pace  # noqa: E402
from course_lib.nets import compiled, dense, native, wiring  # noqa: E402
from course_lib.nets.cells import make_cell  # noqa: E402
from course_lib.nets.ensemble import Ensemble, Pass  # noqa: E402
from course_lib.policies.actor_critics import MLPActorCritic  # noqa: E402
from course_lib.rl import ppo_epoch  # noqa: E402
from course_lib.rl.optim import FlatAdam  # noqa: E402
from course_lib.rl.ppo_config import PPOConfig  # noqa: E402

GATED = ("gru", "cfc")  # have no solver
KINDS = [(name, "fused") for name in ("synaptic_ltc", "ltc", "ctrnn", *GATED)]
KINDS += [(name, solver) for name in ("ltc", "ctrnn", "neural_ode") for solver in ("euler", "midpoint", "rk4")]
TOLERANCE = {torch.float32: 2e-4, torch.float64: 1e-9}
PROGRAMS = [(native.KERNELS, defines) for defines in native.TYPES.values()]
PROGRAMS += [(dense.PROGRAM, ()), (ppo_epoch.PROGRAM, ())]


# --- inside: the library that is loaded has fences ------------------------------------------------


def strided(x: torch.Tensor, rng: random.Random) -> torch.Tensor:
    """Equal to x, laid out in one of many ways in memory."""
    way = rng.randrange(4)
    if way == 1 and x.ndim > 1:
        return x.transpose(0, 1).contiguous().transpose(0, 1)
    if way == 2:
        return torch.stack([x, torch.zeros_like(x)], dim=-1)[..., 0]
    if way == 3:
        return torch.cat([torch.zeros_like(x[:1]), x])[1:]
    return x


def draw(rng: random.Random):
    """A cell, and the arguments of its `sequence`."""
    torch.set_default_dtype(rng.choice(list(native.TYPES)))
    torch.manual_seed(rng.randrange(2**31))
    (name, solver), inputs, neurons = rng.choice(KINDS), rng.randint(1, 4), rng.choice([1, 2, 3, 5, 8, 17])
    options = {"substeps": rng.randint(1, 4), "input": rng.choice(["held", "initial"])}
    if name in GATED:
        options = {}
    elif name != "synaptic_ltc":
        options["solver"] = solver
    if neurons > 2 and rng.random() < 0.2:
        options["wiring"] = wiring.random(inputs, neurons, 0.6, seed=rng.randrange(1000), attempts=200)
    cell = make_cell(name, inputs, neurons, **options)
    T, B = rng.randint(1, 6), rng.choice([1, 2, 7, 8, 9, 15, 16, 17, 33])
    x, h = strided(torch.randn(T, B, inputs), rng), strided(torch.randn(B, neurons), rng)
    starts = rng.choice([None, torch.rand(T, B) < 0.3, torch.ones(T, B) > 0, (torch.rand(T, 1) < 0.5).expand(T, B)])
    times = [0.3, torch.tensor(0.2), torch.rand(T) + 0.1, torch.rand(T, B) + 0.1, (torch.rand(T, 1) + 0.1).expand(T, B)]
    dt = rng.choice(times)
    starts = starts if starts is None else strided(starts, rng)
    return cell, x, h, starts, strided(dt.double(), rng) if isinstance(dt, torch.Tensor) and dt.ndim else dt


def results(on: str, cell, x, h, starts, dt, gradient):
    os.environ["COURSE_NATIVE"] = on
    wanted = [x.detach().requires_grad_(), h.detach().requires_grad_(), *cell.parameters()]
    out = cell.sequence(*wanted[:2], starts, dt)
    return [out.detach(), *torch.autograd.grad(out, wanted, gradient)]


def check(rng: random.Random) -> str | None:
    """One case; what was wrong with it, or None."""
    cell, x, h, starts, dt = draw(rng)
    what = f"{cell} x {tuple(x.shape)} {x.dtype}"
    if rng.random() < 0.15:
        wrong = rng.choice([h[:, :-1], h[:-1], h[None], torch.cat([h, h], 1), torch.cat([h, h]), h.float().half()])
        try:
            cell.sequence(x, wrong, starts, dt)
        except ArgumentError:
            return None
        return f"{what}: h of shape {tuple(wrong.shape)}, {wrong.dtype} was not refused"
    gradient = strided(torch.randn(*x.shape[:2], cell.neurons), rng)
    if rng.random() < 0.2:
        gradient = torch.ones(()).expand(gradient.shape)
    here, there = (results(on, cell, x, h, starts, dt, gradient) for on in "10")
    for i, (a, b) in enumerate(zip(here, there, strict=True)):
        worst = (a - b).abs().max().item() / max(b.abs().max().item(), 1.0)
        if not worst < TOLERANCE[x.dtype]:
            return f"{what}: result {i} is not that of torch, but for {worst:.1e}"
    return None


def check_ensemble(rng: random.Random) -> str | None:
    """There and back through an ensemble of odd sizes, in C and in torch."""
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(rng.randrange(2**31))
    Pace.choose, dense.WORTH_IT = lambda pace: rng.choice([1, 2]), 0
    sizes = [rng.choice([1, 2, 5, 16, 31, 32, 33, 64, 97, 128]) for _ in range(rng.randint(2, 5))]
    ensemble, first = Ensemble(rng.choice([1, 2, 3]), sizes), rng.random() < 0.3
    x, columns, found = (
        strided(torch.randn(rng.choice([1, 2, 11, 12, 13, 64, 250]), sizes[0]), rng),
        rng.choice([0, 1]),
        [],
    )
    for on in "10":
        os.environ["COURSE_NATIVE"] = on
        tape = Pass(ensemble)
        out = tape.forward(x, first)
        grad = strided(torch.ones_like(out), rng)
        found.append([out, *filter(lambda d: d is not None, tape.backward(grad, True, columns))])
    for i, (a, b) in enumerate(zip(*found, strict=True)):
        if not (a - b).abs().max().item() < 1e-4 * max(b.abs().max().item(), 1.0):
            return f"ensemble {sizes}, x {tuple(x.shape)}: result {i} is not that of torch"
    return None


def check_epoch(rng: random.Random) -> str | None:
    """A pass of PPO over a made-up rollout, with one thread and with two."""
    torch.set_default_dtype(torch.float32)
    os.environ["COURSE_NATIVE"] = "1"
    obs, act, batch = rng.choice([1, 3, 17, 33]), rng.choice([1, 2, 6, 35]), rng.choice([1, 13, 100, 500])
    hidden = tuple(rng.choice([1, 7, 32, 64, 100]) for _ in range(rng.randint(0, 3)))
    minibatch, seed, found = rng.randint(1, batch), rng.randrange(2**31), []
    for number in (1, 2):
        torch.manual_seed(seed)
        Pace.choose = lambda pace, number=number: number
        policy = MLPActorCritic(obs, act, hidden, activation="elu" if seed % 2 else "tanh")
        adam = FlatAdam(policy, 1e-3, max_grad_norm=0.5)
        epoch = ppo_epoch.Epoch(policy, adam, PPOConfig())
        shapes = dict(x=(obs,), action=(act,), log_prob=(), advantage=(), target=())
        rollout = SimpleNamespace(**{k: torch.randn(1, batch, *shape) for k, shape in shapes.items()})
        found.append((epoch.run(rollout, torch.randperm(batch), minibatch, 0.01), adam.flat.clone()))
    if not torch.equal(found[0][1], found[1][1]) or not found[0][1].isfinite().all():
        return f"epoch of {batch} by {minibatch}, {obs} to {act}, {hidden}: results differ between threads"
    return None


def inside(cases: int, seed: int) -> int:
    for program, defines in PROGRAMS:
        if program.library(*defines) is None:
            print(f"a compiled library was not loaded: {program.status()}")
            return 1
    rng = random.Random(seed)
    checks = [check, check, check_ensemble, check_epoch]
    wrong = list(filter(None, (checks[i % len(checks)](rng) for i in range(cases))))
    print("\n".join([*wrong[:20], f"{cases} cases, {len(wrong)} differ from torch or were not refused"]))
    return bool(wrong)


def overflow() -> None:
    """Ask for eight steps of one neuron, where there is memory for one."""
    one, space = torch.ones(1, 1, 2), torch.ones(1000)
    pointers = [one, None, one, None, None, torch.ones(4), torch.ones(3), space, space, torch.empty(1)]
    native.library(torch.float32).synaptic_forward(8, 1, 1, 1, 1.0, *native._addresses(*pointers))


# --- outside: compile with fences, start a process in which they come first -----------------------


def runtime(compiler: str) -> tuple[tuple[str, ...], list[str]] | None:
    """Flags, and the libraries to load before all others; None where the compiler has none."""

    def path(name: str) -> str | None:
        done = subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True)
        found = done.stdout.strip()
        return found if os.path.isabs(found) and Path(found).exists() else None

    version = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout
    flags = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g")
    name = "libasan.so"
    if "clang" in version:
        flags, name = (*flags, "-shared-libsan"), f"libclang_rt.asan-{os.uname().machine}.so"
    fences = path(name)
    # Without the C++ library beside them they cannot follow an exception of torch.
    return None if fences is None else (flags, list(filter(None, (fences, path("libstdc++.so.6")))))


def report(text: str) -> str:
    """What a sanitizer says, without the map of memory."""
    lines = text.splitlines()
    first = next(
        (i for i, line in enumerate(lines) if "ERROR: " in line or "runtime error" in line), max(0, len(lines) - 15)
    )
    return "\n".join(lines[first : first + 15])


def outside(cases: int, seed: int) -> int:
    compiler = compiled.find_compiler()
    found = compiler and runtime(compiler)
    if not found:
        print("nothing was checked: this needs gcc or clang with the library of AddressSanitizer")
        return 0
    flags, preload = found
    compiled.FLAGS = (*compiled.FLAGS, *flags)
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "XDG_CACHE_HOME": folder, "LD_PRELOAD": " ".join(preload), "OMP_NUM_THREADS": "1",
            # Python and torch leave memory to the end of the process on purpose.
            "ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1", "SANITIZE_FLAGS": " ".join(flags),
        }  # fmt: skip
        environment.pop("COURSE_NATIVE", None)
        os.environ["XDG_CACHE_HOME"] = folder
        try:
            for program, defines in PROGRAMS:  # not inside, where fences would be around the compiler
                program.compile(compiler, compiled.folder() / program.file(compiler, *defines), *defines)
        except OSError as error:
            print(f"nothing was checked: {error}")
            return 1
        run = [sys.executable, __file__, "--cases", str(cases), "--seed", str(seed), "--inside"]
        tried = subprocess.run([*run, "overflow"], env=environment, capture_output=True, text=True)
        if tried.returncode == 0 or "heap-buffer-overflow" not in tried.stderr:
            print(f"fences do not work here, an overflow on purpose went unnoticed:\n{report(tried.stderr)}")
            return 1
        done = subprocess.run([*run, "cases"], env=environment, capture_output=True, text=True)
    errors = sum(done.stderr.count(mark) for mark in ("ERROR: AddressSanitizer", "runtime error:"))
    print(done.stdout.strip() or "the process ended before it could report")
    print(f"errors found by the sanitizers: {errors} (an overflow on purpose was found)")
    if done.returncode:
        print(report(done.stderr))
    return int(done.returncode != 0 or errors > 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inside", choices=("cases", "overflow"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        compiled.FLAGS = (*compiled.FLAGS, *os.environ["SANITIZE_FLAGS"].split())  # under which it was compiled
        return inside(args.cases, args.seed) if args.inside == "cases" else overflow() or 0
    return outside(args.cases, args.seed)


if __name__ == "__main__":
    sys.exit(main())
