"""A benchmark recognises the runs it has finished."""

import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from course_lib.rl.offpolicy_config import SACConfig
from course_lib.rl.ppo import PPOConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from _report import read_result, write_result  # noqa: E402


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
