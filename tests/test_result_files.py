"""A benchmark recognises the runs it has finished."""

import sys
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

import pytest

from course_lib.rl.offpolicy_config import SACConfig
from course_lib.rl.ppo import PPOConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from _results import RunFile, beside, known_runs, read_result, write_result  # noqa: E402

FACTS = dict(claims={}, intervals={}, seeds=[0], wall_seconds=1, command="x")


def write(path, config):
    write_result(path, per_seed=[{"setting": "a", "seed": 0, "return": float("nan")}], config=config, **FACTS)


@pytest.mark.parametrize("config", [PPOConfig(), SACConfig(), SACConfig(learning_rate=1e-3)])
def test_finished_runs_are_recognised(tmp_path, config):
    path = tmp_path / "result.json"
    assert read_result(path, {"a": asdict(config)}, "setting") == []
    write(path, {"a": asdict(config)})
    assert len(read_result(path, {"a": asdict(config)}, "setting")) == 1
    assert len(read_result(path, {"a": asdict(config)})) == 1
    other = asdict(config) | {"gamma": 0.5}
    assert read_result(path, {"a": other}, "setting") == [] and read_result(path, {"a": other}) == []


@pytest.mark.parametrize(("config", "field"), [(PPOConfig(), "epochs"), (SACConfig(), "critics")])
def test_a_field_that_came_later_changes_nothing_at_its_default(tmp_path, config, field):
    path, new = tmp_path / "result.json", asdict(config)
    write(path, {"a": {k: v for k, v in new.items() if k != field}})
    assert len(read_result(path, {"a": new}, "setting")) == 1
    assert read_result(path, {"a": new | {field: new[field] + 1}}, "setting") == []


def test_runs_made_side_by_side_are_put_together_once_each(tmp_path):
    config = {"a": {"x": 1}, "b": {"x": 2}}
    files = [tmp_path / f"{i}.json" for i in range(3)]
    for file, runs in zip(files, ([("a", 0), ("b", 0)], [("a", 0), ("a", 1)], [("b", 1)]), strict=True):
        old = config if file != files[2] else {"a": {"x": 1}, "b": {"x": 9}}  # made with another setting of b
        rows = [{"run": run, "seed": seed, "from": file.name} for run, seed in runs]
        write_result(file, per_seed=rows, config=old, **FACTS)
    known = known_runs([*files, tmp_path / "none.json"], config, "run", ("run", "seed"))
    assert {key: row["from"] for key, row in known.items()} == {
        ("a", 0): "0.json",
        ("b", 0): "0.json",
        ("a", 1): "1.json",
    }
    assert beside([]) == {} and "side" not in beside(files) and "two at a time" in beside(files)["note"]


def test_a_run_keeps_the_processor_it_was_made_on(tmp_path, monkeypatch):
    args = Namespace(name="toy", json=tmp_path / "toy.json", include=[], began=0.0)
    monkeypatch.setattr("_results.machine", lambda: {"cpu": "first"})
    write_result(args.json, per_seed=[{"seed": 0}], **FACTS, config={"x": 1})  # from before runs said it
    monkeypatch.setattr("_results.machine", lambda: {"cpu": "second"})
    file = RunFile(args, ("seed",), {"x": 1}, None, lambda rows: ({}, {}), None, {})
    file.add({"seed": 1})
    assert [row["cpu"] for row in read_result(args.json, {"x": 1})] == ["first", "second"]
