"""A benchmark recognises the runs it has finished."""

import sys
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

import pytest

from course_lib.rl.offpolicy_config import SACConfig
from course_lib.rl.ppo import PPOConfig
from course_lib.rl.recurrent import RSACConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from _results import (  # noqa: E402
    RunFile,
    _plain,
    beside,
    known_runs,
    machine,
    read_result,
    same_config,
    write_result,
)

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


def flat(config: dict) -> dict:
    """A config as it was written when the settings of cell and plan stood beside the others."""
    config = dict(config)
    cell, plan = config.pop("cell"), config.pop("plan", {})
    options, name = cell.pop("options"), cell.pop("name")
    return config | cell | plan | {"cell": name, "cell_options": options}


@pytest.mark.parametrize(
    "config",
    [
        PPOConfig(),
        PPOConfig(cell=dict(name="ltc", encoder=64, options={"substeps": 2}), plan=dict(chunk=5, trajectory="dmp")),
        RSACConfig(cell=dict(name="gru", neurons=32, remember=80)),
    ],
)
def test_configs_from_before_cells_had_their_own(tmp_path, config):
    path, new = tmp_path / "result.json", asdict(config)
    old = flat(asdict(config))
    assert same_config(_plain(old), _plain(new)) and "neurons" in old and "neurons" not in new
    write(path, {"a": {"steps": 5, "deep": [1], "settings": old}})
    assert len(read_result(path, {"a": {"steps": 5, "deep": [1], "settings": new}}, "setting")) == 1
    for change in ({"neurons": 9}, {"options": {"substeps": 3}}):
        other = new | {"cell": new["cell"] | change}
        assert read_result(path, {"a": {"steps": 5, "deep": [1], "settings": other}}) == []


@pytest.mark.parametrize("field", ["layers", "remember"])
def test_a_field_of_a_cell_that_came_later(field):
    new = asdict(RSACConfig())
    old = {k: v for k, v in flat(new).items() if k != field}
    assert same_config(_plain(old), _plain(new))
    assert not same_config(_plain(old), _plain(new | {"cell": new["cell"] | {field: 7}}))


def test_what_is_so_anyhow_need_not_be_said():
    said, short = {"cell": {"name": "ltc", "neurons": 3, "options": {}}}, {"cell": {"name": "ltc", "neurons": 3}}
    assert same_config(said, short) and same_config(short, said)
    for other in ({"cell": {"name": "ltc", "neurons": 3, "options": {"substeps": 2}}}, {}, said | {"steps": 1}):
        assert not same_config(other, short) and not same_config(short, other)


def test_the_machine_says_what_its_processor_can(monkeypatch):
    text = "model name\t: Slow 3\nflags\t\t: fpu avx2 avx\n\nmodel name\t: Slow 3\nflags\t\t: fpu avx2 avx\n"
    monkeypatch.setattr(Path, "is_file", lambda path: True)
    monkeypatch.setattr(Path, "read_text", lambda path: text)
    assert machine()["cpu"] == "Slow 3" and machine()["flags"] == ["avx2"]
    monkeypatch.setattr(Path, "is_file", lambda path: False)
    assert machine()["flags"] == [] and machine()["cores"] > 0
