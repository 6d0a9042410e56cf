"""A benchmark recognises the runs it has finished."""

import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from course_lib.rl.offpolicy_config import SACConfig
from course_lib.rl.ppo import PPOConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from _report import beside, known_runs, read_result, write_result  # noqa: E402


def write(path, config):
    rows = [{"setting": "a", "seed": 0, "return": float("nan")}]
    write_result(path, claims={}, intervals={}, seeds=[0], per_seed=rows, config=config, wall_seconds=1, command="x")


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
        write_result(file, claims={}, intervals={}, seeds=[0], per_seed=rows, config=old, wall_seconds=1, command="x")
    known = [(r["run"], r["seed"], r["from"]) for r in known_runs([*files, tmp_path / "none.json"], config)]
    assert known == [("a", 0, "0.json"), ("b", 0, "0.json"), ("a", 1, "1.json")]
    assert beside([]) == {} and "side" not in beside(files) and "two at a time" in beside(files)["note"]


def test_a_run_keeps_the_processor_it_was_made_on(tmp_path, monkeypatch):
    old, new, config = tmp_path / "old.json", tmp_path / "new.json", {"a": {"x": 1}}
    facts = dict(claims={}, intervals={}, seeds=[0], config=config, wall_seconds=1, command="x")
    monkeypatch.setattr("_report.machine", lambda: {"cpu": "first"})
    write_result(old, per_seed=[{"run": "a", "seed": 0}], **facts)
    monkeypatch.setattr("_report.machine", lambda: {"cpu": "second"})
    rows = known_runs([old], config) + [{"run": "a", "seed": 1}]
    write_result(new, per_seed=rows, **facts)
    assert [row["cpu"] for row in known_runs([new], config)] == ["first", "second"]
