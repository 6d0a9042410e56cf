"""The frame of the benchmarks, on a toy that trains nothing; and every script's command line."""

import json
import runpy
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(BENCHMARKS.glob("[a-z]*.py"))
sys.path.insert(0, str(BENCHMARKS))
import _report  # noqa: E402
from _report import (  # noqa: E402
    Table,
    claims_from,
    cli,
    column,
    interval_of,
    ratio_of_medians,
    run_all,
    select,
    take_turns,
    write_rounds,
)  # fmt: skip


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def options(monkeypatch):
    """Sets what stands on the command line."""
    return lambda *words: monkeypatch.setattr(sys, "argv", ["toy.py", *map(str, words)])


class Toy:
    """A benchmark of two kinds; the return of a run is its seed, and ten more for kind b."""

    def __init__(self, options):
        self.options, self.made, self.stop_at, self.more = options, [], None, {}

    def one_run(self, args, kind: str, seed: int) -> dict:
        if (kind, seed) == self.stop_at:
            raise KeyboardInterrupt
        self.made.append((kind, seed))
        return {"kind": kind, "seed": seed, "return": seed + 10.0 * (kind == "b"), "train_seconds": args.steps / 100}

    @staticmethod
    def claims_of(rows):
        return claims_from({f"return_{kind}": column(rows, "return", kind=kind) for kind in "abc"})

    @staticmethod
    def report(rows):
        table = Table("kind", "seeds")
        for kind in "ab":
            table.add(kind, len(select(rows, kind=kind)))
        return table

    def __call__(self, *words, **more):
        """Run it with these options -> what runs it made."""
        self.options(*words)
        self.made, more = [], self.more | more
        args = cli(
            "toy", "A toy.", seeds=range(3), kinds=["a", "b"], steps=200, keep="nothing", fixed=dict(episodes=50),
            quick=dict(seeds=2, kinds=1, steps=7, episodes=1),
        )  # fmt: skip
        wanted = [(kind, seed) for seed in args.seeds for kind in args.kinds]
        more = dict(one_run=self.one_run, config={"steps": args.steps}) | more
        run_all(args, wanted=wanted, key=("kind", "seed"), claims_of=self.claims_of, report=self.report, **more)
        return self.made


@pytest.fixture
def toy(options):
    return Toy(options)


def content(path="assets/results/toy.json") -> dict:
    return json.loads(Path(path).read_text())


def runs(path="assets/results/toy.json") -> list[tuple]:
    return [(row["kind"], row["seed"]) for row in content(path)["per_seed"]]


ALL = [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2), ("b", 2)]


def test_a_whole_benchmark(toy, capsys):
    assert toy(says="return {return:.1f}") == ALL == runs()
    out, found = capsys.readouterr().out, content()
    assert "b, seed 2: return 12.0\n" in out and "return_b=11\n" in out and "\na         3\n" in out
    assert found["claims"] == {"return_a": 1.0, "return_b": 11.0} and found["intervals"]["return_a"] == [0.0, 2.0]
    assert found["seeds"] == [0, 1, 2] and found["config"] == {"steps": 200} and found["wall_seconds"] == 12.0
    assert found["command"] == "python benchmarks/toy.py" and found["versions"]["numpy"] == np.__version__
    assert found["machine"]["cpu"] == found["per_seed"][0]["cpu"]


def test_all_known_means_nothing_to_do(toy, capsys):
    toy()
    before = Path("assets/results/toy.json").read_bytes()
    assert toy() == [] and Path("assets/results/toy.json").read_bytes() == before
    assert "6 of 6 runs" in capsys.readouterr().out


def test_runs_that_are_made_anew_replace_the_known_ones(toy):
    toy()
    stale = content()
    stale["per_seed"][0]["return"] = 99.0
    Path("assets/results/toy.json").write_text(json.dumps(stale))
    assert toy("--seeds", 0, anew=True) == [("a", 0), ("b", 0)]
    assert sorted(runs()) == sorted(ALL) and content()["claims"]["return_a"] == 1.0
    toy.stop_at = ("a", 0)
    before = Path("assets/results/toy.json").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        toy(anew=True)
    assert Path("assets/results/toy.json").read_bytes() == before  # what is known stays until a new run is done


def test_a_stop_loses_the_run_in_hand_and_no_other(toy):
    toy.stop_at = ("b", 1)
    with pytest.raises(KeyboardInterrupt):
        toy()
    assert runs() == ALL[:3] and content()["claims"] == {"return_a": 0.5, "return_b": 10.0}
    toy.stop_at = None
    assert toy() == ALL[3:] and runs() == ALL


def test_options_choose_runs_of_the_same_file(toy):
    assert toy("--kinds", "b", "--seeds", 2) == [("b", 2)]
    assert toy("--seeds", 2, 5) == [("a", 2), ("a", 5), ("b", 5)]
    assert len(runs()) == 4 and content()["seeds"] == [2, 5]


def test_quick_is_small_and_goes_elsewhere(toy, capsys):
    toy()
    for _ in range(2):  # a check of the script, not a run to be gone on with
        assert toy("--quick", "--keep") == [("a", 0), ("a", 1)]
    assert content("build/toy_quick.json")["config"] == {"steps": 7} and content()["config"] == {"steps": 200}
    assert toy("--quick", "--json", "mine.json", "--seeds", 4, 5, 6) == [("a", 4), ("a", 5)] == runs("mine.json")
    assert toy("--quick", "--json", "mine.json", "--seeds", 5, 6) == [("a", 6)]


def test_what_quick_puts_in_the_place_of_options(options):
    given = dict(
        quick=dict(names=2, numbers=["9"], free=2, pace=0.5, hidden=1, few=1), names=["x", "y", "z"], pace=2.5,
        numbers=dict(nargs="+", default=["1"]), free=dict(nargs="*", default=None), few=[3, 4], on=False,
        fixed=dict(hidden=9, left=8), keep="all",
    )  # fmt: skip
    options("--on", "--keep", "--few", 4, 3)
    args = cli("toy", "A toy.", **given)
    assert (args.names, args.pace, args.free, args.few, args.on) == (["x", "y", "z"], 2.5, None, [4, 3], True)
    assert (args.keep, args.hidden, args.left, args.name) == (True, 9, 8, "toy") and not hasattr(args, "include")
    options("--quick", "--keep", "--names", "z", "--pace", 3)
    args = cli("toy", "A toy.", **given)
    assert (args.names, args.numbers, args.free, args.pace) == (["z"], ["9"], [0, 1], 0.5)
    assert (args.hidden, args.left, args.keep, args.few) == (1, 8, False, [3])


@pytest.mark.parametrize("words", [["--names", "w"], ["--pace", "fast"], ["--include", "x.json"], ["--seeds", "a"]])
def test_options_that_make_no_sense(options, words, capsys):
    options(*words)
    with pytest.raises(SystemExit, match="2"):
        cli("toy", "A toy.", quick={}, seeds=[0], names=["x"], pace=1.0)
    assert words[0] in capsys.readouterr().err


def test_runs_made_side_by_side_are_taken_up(toy, capsys):
    toy("--kinds", "a", "--json", "a.json")
    toy("--kinds", "b", "--seeds", 0, 1, "--json", "b.json")
    assert toy("--seeds", "--include", "a.json", "b.json") == []
    assert sorted(runs()) == sorted(ALL[:5]) and "two at a time" in content()["note"]
    assert "b.json: 2 of 2 runs" in capsys.readouterr().out
    assert toy("--include", "a.json") == [("b", 2)]
    assert toy() == [] and "two at a time" in content()["note"]


def test_runs_of_other_settings_are_not_taken_up(toy, capsys):
    toy("--kinds", "a", "--steps", 300, "--json", "other.json")
    toy("--kinds", "b")
    assert toy("--seeds", "--include", "other.json") == [] and {kind for kind, _ in runs()} == {"b"}
    assert "other.json: 0 of 3 runs" in capsys.readouterr().out
    parts = {"a": {"x": 1}, "b": {"x": 2}}
    toy("--json", "both.json", config=parts, part="kind")
    toy("--json", "one.json", "--seeds", "--include", "both.json", config=parts | {"a": {"x": 9}}, part="kind")
    assert runs("one.json") == [("b", 0), ("b", 1), ("b", 2)]


def test_an_included_file_does_not_replace_what_is_known(toy):
    toy("--kinds", "a", "--seeds", 0, "--json", "a.json")
    row = dict(content("a.json")["per_seed"][0], **{"return": 99.0})
    Path("b.json").write_text(json.dumps(content("a.json") | {"per_seed": [row, row | {"seed": 1}]}))
    toy("--json", "a.json", "--seeds", "--include", "b.json")
    assert [r["return"] for r in content("a.json")["per_seed"]] == [0.0, 99.0]


def test_other_settings_begin_anew_and_the_old_file_stays(toy, capsys):
    toy()
    old = content()
    toy("--steps", 300, "--seeds", 0)
    assert runs() == ALL[:2] and content("assets/results/toy.json.old1") == old
    assert "toy.json.old1" in capsys.readouterr().out
    toy("--steps", 400, "--seeds", 1)
    assert content("assets/results/toy.json.old1") == old and content("assets/results/toy.json.old2")["seeds"] == [0]


def test_a_change_of_one_part_leaves_the_other(toy):
    parts = {"a": {"x": 1}, "b": {"x": 2}}
    toy(config=parts, part="kind")
    assert toy("--seeds", 0, config=parts | {"a": {"x": 9}}, part="kind") == [("a", 0)]
    assert sorted(runs()) == [("a", 0), ("b", 0), ("b", 1), ("b", 2)]
    assert len(runs("assets/results/toy.json.old1")) == 6


def test_another_call_may_write_to_the_same_file(toy, options):
    def one_run(args, kind, seed):
        if (kind, seed) == ("a", 0):
            Toy(options)("--seeds", 0, "--kinds", "b")  # done by another call in the meantime
        return toy.one_run(args, kind, seed)

    assert toy("--seeds", 0, 1, one_run=one_run) == [("a", 0), ("a", 1), ("b", 1)]
    assert sorted(runs()) == sorted(ALL[:4])


def test_a_row_may_grow(toy):
    stop_at, tuned = [("a", 1)], []

    def one_run(args, kind, seed, row=None):
        if row is None:
            row = toy.one_run(args, kind, seed)
            yield row
        if (kind, seed) in stop_at:
            raise KeyboardInterrupt
        tuned.append(seed)
        yield row | {"tuned": True}

    toy.more = dict(one_run=one_run, unfinished=lambda args, row: "tuned" not in row)
    with pytest.raises(KeyboardInterrupt):
        toy("--kinds", "a")
    assert toy.made == ALL[:3:2] and [row.get("tuned") for row in content()["per_seed"]] == [True, None]
    stop_at.clear()
    assert (
        toy("--kinds", "a") == [("a", 2)] and tuned == [0, 1, 2] and all(row["tuned"] for row in content()["per_seed"])
    )


def test_a_run_that_is_not_done_is_not_written(toy, capsys):
    assert toy("--seeds", 0, one_run=lambda args, kind, seed: None) == []
    assert not Path("assets/results/toy.json").exists() and "a, seed 0 is not done yet" in capsys.readouterr().out


def test_entries_of_the_result_file(toy, capsys):
    toy("--seeds", 0, tried="much", count=len)
    assert content()["tried"] == "much" and content()["count"] == 2
    Path("assets/results/toy.json").write_text(json.dumps(content() | {"note": "by hand", "command": "with options"}))
    toy("--seeds", 1, tried="more", count=len)
    assert (content()["note"], content()["tried"], content()["count"]) == ("by hand", "more", 4)
    assert content()["command"] == "with options"
    assert "keeps what it said before: note" in capsys.readouterr().out
    toy("--steps", 1)
    assert "note" not in content() and content()["command"] == "python benchmarks/toy.py"


def test_where_rows_do_not_say_how_long_they_took_calls_add_up(toy, monkeypatch):
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    toy("--seeds", 0, seconds=None)
    first = content()["wall_seconds"]
    toy("--seeds", 1, seconds=None)
    assert first > 0 and content()["wall_seconds"] == 2 * first


def test_contestants_take_turns(options, capsys):
    seen = []
    options("--rounds", 3)
    args = cli("speed", "A toy.", rounds=15, quick=dict(rounds=2))
    rates = take_turns({n: lambda n=n: seen.append(n) or float(len(seen)) for n in "xy"}, args.rounds, warm_up=1)
    assert seen == list("xyxyxyxy") and rates["x"].tolist() == [3, 5, 7] and rates["y"].tolist() == [4, 6, 8]
    table = _report.speed_table("who", {"rate": rates, "more": {"y": rates["y"]}}, ".0f")
    assert [" ".join(line.split()) for line in str(table).splitlines()[2:]] == ["x 5 [3, 7]", "y 6 [4, 8] 6 [4, 8]"]
    write_rounds(args, {"rate": rates}, {"x_vs_y": rates["x"] / rates["y"]}, {"n": 1}, digits=1, tried=("much",))
    found = content("assets/results/speed.json")
    assert found["per_seed"] == [{"x": 3.0, "y": 4.0}, {"x": 5.0, "y": 6.0}, {"x": 7.0, "y": 8.0}]
    assert found["claims"] == {"x_vs_y": 5 / 6} and found["tried"] == ["much"] and "a round" in found["note"]
    assert "x_vs_y=0.833333\n" in capsys.readouterr().out
    write_rounds(args, {8: rates, 32: rates}, {}, {}, digits=1, note="other")
    found = content("assets/results/speed.json")
    assert found["per_seed"][0] == {"8": {"x": 3.0, "y": 4.0}, "32": {"x": 3.0, "y": 4.0}} and found["note"] == "other"


def test_intervals():
    assert interval_of([3.0]) == [3.0, 3.0] and interval_of([1, 2, 3]) == [1.0, 3.0]
    assert claims_from({"x": [1, 3], "none": []}, np.mean) == ({"x": 2.0}, {"x": [1.0, 3.0]})


# --- the scripts --------------------------------------------------------------------------------


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_has_the_same_command_line(script, monkeypatch, capsys):
    """Its help, then its options with --quick; it is stopped before it does anything."""
    seen, real = [], cli

    def stopped(name, doc, **options):
        seen.append(real(name, doc, **options))
        raise SystemExit(0)

    monkeypatch.setattr(_report, "cli", stopped)
    for word in ("--help", "--quick"):
        monkeypatch.setattr(sys, "argv", [script.name, word])
        with pytest.raises(SystemExit, match="0"):
            runpy.run_path(str(script), run_name="__main__")
    out = capsys.readouterr().out
    assert f"python benchmarks/{script.name}" in out and "--json FILE" in out and "--quick" in out
    assert ("--seeds" in out) == ("--include" in out) != ("--rounds" in out)
    (args,) = seen
    assert args.name == script.stem and args.json == Path(f"build/{script.stem}_quick.json") and not args.keep


def test_a_training_that_was_stopped_is_not_counted(monkeypatch):
    """Ctrl-C during a training is not an error there; here the benchmark ends with it."""

    class Stopped:
        interrupted = "stopped by the user"

    class Whole:
        interrupted = "out of time"

    monkeypatch.setattr("course_lib.train", lambda *args, **options: Stopped)
    with pytest.raises(KeyboardInterrupt):
        _report.train(None, 10)
    monkeypatch.setattr("course_lib.train", lambda *args, **options: Whole)
    assert _report.train(None, 10) is Whole


def test_a_run_is_kept_whatever_goes_wrong_with_the_claims(toy):
    toy("--seeds", 0)
    toy.claims_of = lambda rows: 1 / 0
    with pytest.raises(ZeroDivisionError):
        toy("--seeds", 0, 1)
    assert runs() == ALL[:3] and content()["claims"] == {"return_a": 0.0, "return_b": 10.0}


SIDE_BY_SIDE = """
import os, sys, time
sys.path.insert(0, {folder!r})
from _report import cli, run_all

def one_run(args, kind, seed):
    if (kind, seed) == ("b", args.fails):
        raise ValueError("this run cannot be made")
    open(f"{{os.getpid()}}.here", "w").close()
    until = time.monotonic() + 60
    while not args.alone and len([f for f in os.listdir() if f.endswith(".here")]) < 2 and time.monotonic() < until:
        time.sleep(0.1)  # on a busy machine one process could be through before the other has begun
    time.sleep(args.lasts)
    return dict(kind=kind, seed=seed, process=os.getpid(), cores=len(os.sched_getaffinity(0)), train_seconds=0.2)

if __name__ == "__main__":
    args = cli("toy", "A toy.", seeds=range(3), kinds=["a", "b"], fails=-1, alone=False, lasts=0.2, quick={{}})
    run_all(args, one_run, [(k, s) for s in args.seeds for k in args.kinds], key=("kind", "seed"), config={{}},
            report=lambda rows: str(len(rows)))
"""


@pytest.mark.slow
def test_runs_side_by_side_have_a_core_each_and_are_all_kept():
    Path("toy.py").write_text(SIDE_BY_SIDE.format(folder=str(BENCHMARKS)))

    def called(*words):
        return subprocess.run([sys.executable, "toy.py", "--processes", "2", *words], capture_output=True, text=True)

    stopped = called("--fails", "1", "--alone")  # the fourth run; what was done before it is kept
    assert stopped.returncode and "this run cannot be made" in stopped.stderr and "('b', 1)" in stopped.stderr
    kept = runs()
    assert 0 < len(kept) < 6 and ("b", 1) not in kept
    for mark in Path().glob("*.here"):
        mark.unlink()
    whole = called()
    assert whole.returncode == 0, whole.stderr
    rows = content()["per_seed"]
    assert sorted(runs()) == sorted(ALL) and {row["cores"] for row in rows} == {1}
    assert len({row["process"] for row in rows if (row["kind"], row["seed"]) not in kept}) == 2
    assert called("--seeds", "5", "--kinds", "a", "--alone").returncode == 0  # also where it is the only one
    assert {(row["kind"], row["seed"]): row["cores"] for row in content()["per_seed"]}["a", 5] == 1


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="asks /proc which processes run")
def test_processes_end_with_a_parent_that_is_killed():
    Path("toy.py").write_text(SIDE_BY_SIDE.format(folder=str(BENCHMARKS)))
    parent = subprocess.Popen([sys.executable, "toy.py", "--processes", "2", "--lasts", "100"])
    until = time.monotonic() + 60
    while len(marks := sorted(Path().glob("*.here"))) < 2 and time.monotonic() < until:
        time.sleep(0.1)
    parent.kill()
    parent.wait()
    left = [int(mark.stem) for mark in marks]
    while any(alive(pid) for pid in left) and time.monotonic() < until:
        time.sleep(0.1)
    assert len(left) == 2 and not any(alive(pid) for pid in left)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie that waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_ratio_of_medians_of_few_seeds_has_a_range():
    value, ends = ratio_of_medians([2.0, 4.0, 6.0], [1.0, 2.0, 4.0, 2.0])
    assert value == 2.0 and ends == [0.5, 6.0]
    rng = np.random.default_rng(0)
    x, y = rng.normal(10, 1, 40), rng.normal(5, 1, 40)
    value, (low, high) = ratio_of_medians(x, y)
    assert value == np.median(x) / np.median(y) and 1.7 < low < value < high < 2.4


def test_claims_say_how_many_seeds_they_rest_on():
    """Where the settings of a file have unequally many seeds, the file must say so of each claim that README shows."""
    sys.path.insert(0, str(BENCHMARKS.parent / "scripts"))
    import readme_table

    for claim in (claim for group in readme_table.GROUPS for claim in group.claims):
        content = json.loads((BENCHMARKS.parent / "assets" / "results" / f"{claim.file}.json").read_text())
        rows = [row for row in content["per_seed"] if isinstance(row, dict) and "seed" in row]
        kinds = ("run", "task", "training", "setting", "cell", "policy", "method", "rate")
        names = [name for name in kinds if all(name in row for row in rows)]
        counts = Counter(tuple(row[n] for n in names) for row in rows)
        if len(set(counts.values())) > 1 and claim.key in content["claims"]:
            assert claim.key in content.get("claim_seeds", {}), f"{claim.file}: {claim.key}"


@pytest.mark.parametrize(
    "policy", ["mlp", "frames", "gru", "ctrnn", "neural_ode", "ltc", "cfc", "synaptic_ltc", "attention"]
)
def test_parameters_that_are_counted_are_those_that_act(policy):
    """Nine policies are compared at equal size: a number counts if the action depends on it. The gradient knows."""
    from _disturbed import actor_parameters
    from robustness import cell_of

    from course_lib.policies.actor_critics import RecurrentActorCritic

    torch.manual_seed(0)
    actor = RecurrentActorCritic(2, 1, cell_of("pendulum", policy) | dict(critic="mlp"))
    torch.nn.init.normal_(actor.readout.weight)
    x, state = torch.randn(40, 30, 2), torch.randn(30, actor.state_dim)
    mean, _ = actor.sequence(x, state, torch.zeros(40, 30, dtype=torch.bool))
    parts = [p for module in (actor.encoder, actor.cell, actor.readout) for p in module.parameters()]
    grads = torch.autograd.grad((mean * torch.randn_like(mean)).sum(), parts)
    assert actor_parameters(actor) == sum(int((g != 0).sum()) for g in grads)


def test_policies_of_the_robustness_study_are_of_one_size():
    from _disturbed import actor_parameters
    from robustness import POLICIES, SIZES, cell_of

    from course_lib.policies.actor_critics import RecurrentActorCritic

    for task, widths in (("pendulum", (2, 1)), ("halfcheetah", (8, 6))):
        assert set(SIZES[task]) == set(POLICIES)
        counts = [actor_parameters(RecurrentActorCritic(*widths, cell_of(task, policy))) for policy in POLICIES]
        assert (max(counts) - min(counts)) / np.mean(counts) <= 0.05


@pytest.mark.slow
def test_a_walker_that_was_stopped_goes_on_to_the_same_end(monkeypatch):
    from types import SimpleNamespace

    import anymal_walk

    tested = []

    def tracking(*_):
        tested.append(0)
        if len(tested) == 5:  # after the last stage of the first walker, then after the second of the other
            raise KeyboardInterrupt
        return {name: 0.0 for name in ("upright", "tracking_error", "backward_error", "sideways_error")}

    monkeypatch.setattr(anymal_walk, "tracking", tracking)
    monkeypatch.setattr(anymal_walk, "pushed", lambda *_: {})
    monkeypatch.setattr(anymal_walk, "crossed", lambda *_: 0.0)
    args = SimpleNamespace(quick=True, share=1e-5, keep=False, flat=True, episodes=1)

    def walked():
        row = anymal_walk.walk(args, "mlp", 3)
        tensors, header = anymal_walk.load_tensors(anymal_walk.left_at(args, "mlp", 3), anymal_walk.NAME)
        return row | {"minutes": 0, "curve": row["curve"] | {"minutes": []}}, tensors, header["curve"]["minutes"]

    row, whole, minutes = walked()
    del tested[3:]
    again, kept, same = walked()
    assert again == row and same == minutes, "nothing was left to train"
    anymal_walk.left_at(args, "mlp", 3).unlink()
    del tested[3:]
    with pytest.raises(KeyboardInterrupt):
        walked()
    resumed, tensors, _ = walked()
    assert resumed == row and tensors.keys() == whole.keys() == kept.keys()
    assert all(torch.equal(tensors[name], value) for name, value in whole.items())
    changed = SimpleNamespace(**vars(args) | {"share": 2e-5})
    before = anymal_walk.left_at(args, "mlp", 3).read_bytes()
    assert anymal_walk.walk(changed, "mlp", 3)["env_steps"] == row["env_steps"]
    assert anymal_walk.left_at(args, "mlp", 3).read_bytes() != before, "other settings begin anew"
