"""The command line says how it ended: interrupts, closed pipes, full disks, help on every command."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from course_lib.__main__ import main
from course_lib.course.commands import COMMANDS
from course_lib.course.help import documented
from course_lib.rl.algorithms import ALGORITHMS, algorithm
from course_lib.rl.logs import CSVLogger

WORDS = {
    "train": ["train", "ppo", "--env", "HalfCheetah-v5", "--steps", "90000000", "--folder", "run"],
    "sac": ["train", "sac", "--env", "Pendulum-v1", "--steps", "90000000", "--folder", "run"],
    "sweep": ["sweep", "ppo", "--env", "InvertedPendulum-v5", "--trials", "900", "--space", "gamma=uniform(0.9,0.99)"],
    "evaluate": ["evaluate", "halfcheetah_ppo_0", "--episodes", "900"],
    "render": ["render", "halfcheetah_ppo_0"],
    "demo": ["demo", "--steps", "90000000", "--folder", "demo"],
    "doctor": ["doctor"],
}


@pytest.mark.parametrize(
    "name, early",
    [("train", True), ("evaluate", True), ("sweep", True), ("doctor", True)]
    + [pytest.param(name, False, marks=pytest.mark.slow) for name in ("train", "sac", "sweep", "render", "demo")],
)
def test_interrupts_end_in_a_sentence(name, early, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "course_lib", *WORDS[name]], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    time.sleep(random.uniform(0.15, 0.8) if early else random.uniform(2.0, 3.0))
    for _ in range(3):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
    try:
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    if "Traceback" in said and ", in main" not in said:
        pytest.skip("Python itself was still starting")
    assert "Traceback" not in said, said
    # -2: one more Ctrl-C while Python itself was shutting down, after the sentence
    assert process.returncode in (0, 1, 130) or (process.returncode == -2 and "what was saved" in said), said


def test_a_closed_pipe_is_no_trouble(tmp_path):
    command = f"{sys.executable} -m course_lib train ppo --help | head -n 1"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.startswith("usage") and done.stderr == ""
    closed = subprocess.run(["bash", "-c", f"{sys.executable} -m course_lib train ppo --help >&-"], capture_output=True)
    assert b"Traceback" not in closed.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def full(self, run):
        raise OSError(28, "No space left on device", "metrics.csv")

    monkeypatch.setattr(CSVLogger, "on_update", full)
    words = ["train", "ppo", "--env", "InvertedPendulum-v5", "--num-envs", "4", "--rollout-steps", "8", "--steps", "64"]
    assert main([*words, "--minibatch-size", "16", "--folder", "run"]) == 1
    assert capsys.readouterr().err == "error: No space left on device: metrics.csv\n"
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m course_lib evaluate pendulum_mlp --episodes 2 > /dev/full"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr and "No space left" in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    try:
        status = main([name, "--help"])
    except SystemExit as end:
        status = end.code
    said = capsys.readouterr()
    assert status in (0, None) and "usage" in said.out and said.err == ""


@pytest.mark.parametrize("command", ["train", "sweep"])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_help_of_an_algorithm_fits_on_a_screen_and_is_complete(command, name, capsys):
    assert main([command, name, "--env", "HalfCheetah-v5", "--help"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) <= 65 and all(len(line) <= 120 for line in said)
    config = algorithm(name)[1].recommended("HalfCheetah-v5")
    for field, value in vars(config).items():
        option = f"--{field}".replace("_", "-")
        assert any(f"  {option}{'.' if hasattr(value, '__dataclass_fields__') else ' '}" in line for line in said)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_hyperparameter_says_what_it_is(name):
    kind = algorithm(name)[1]
    told = documented(kind)
    assert set(kind.__dataclass_fields__) <= set(told) and all(len(text) > 8 for text in told.values())


def test_files_of_the_commands_stay_where_they_were_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "pendulum_mlp", "--episodes", "2"]) == 0
    assert list(Path().iterdir()) == []
