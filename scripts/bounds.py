"""The tests and the notebooks with the lowest, or with the newest, packages that pyproject.toml allows.

    python scripts/bounds.py lowest | newest [--python 3.10] [--only tests | notebooks]

`constraints.txt` names one version of everything, and what it names always works. Here uv makes an environment below
build/bounds with the lowest release inside every bound that pyproject.toml declares (of this project's own
dependencies; theirs are the newest that fit), or with the newest of everything. Then every test runs in it, and every
notebook in the smoke budget, whose outputs may hold no warning. The exit status is 1 after any failure.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bounds"
RESOLUTION = {"lowest": "lowest-direct", "newest": "highest"}
# What the tests and the notebooks rest on most; the versions are printed, so that a log says what it is of.
TOLD = "torch numpy scipy gymnasium mujoco matplotlib ipywidgets optuna scikit-learn tyro safetensors jupyterlab pytest"


def installer() -> str:
    """uv's path: the one that is installed, or one in a folder of its own."""
    if found := shutil.which("uv"):
        return found
    home = BUILD / "uv"
    if not (home / "bin" / "uv").exists():
        venv.create(home, with_pip=True)
        subprocess.run([home / "bin" / "python", "-m", "pip", "install", "--quiet", "uv"], check=True)
    return str(home / "bin" / "uv")


def environment(end: str, python: str) -> Path:
    """Make the environment anew -> its Python."""
    home, uv = BUILD / f"{end}-{python.replace(os.sep, '-').strip('-')}", installer()
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", python, home], check=True)
    there = home / "bin" / "python"
    packages = [uv, "pip", "install", "--quiet", "--python", there, "--resolution", RESOLUTION[end]]
    subprocess.run([*packages, "--editable", f"{ROOT}[dev]"], check=True)
    listed = subprocess.run([uv, "pip", "freeze", "--python", there], capture_output=True, text=True, check=True)
    print("  ".join(line for line in listed.stdout.split() if line.split("==")[0] in TOLD.split()), flush=True)
    return there


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("end", choices=RESOLUTION)
    parser.add_argument("--python", default=f"{sys.version_info[0]}.{sys.version_info[1]}", help="version, or a path")
    parser.add_argument("--only", choices=("tests", "notebooks"))
    args = parser.parse_args(argv)
    python = environment(args.end, args.python)
    os.environ["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["MPLBACKEND"] = "agg"
    commands = {
        "tests": ["-m", "pytest", "-q", "-n", "auto", "--dist", "worksteal", "-m", "slow or not slow", "tests"],
        "notebooks": ["scripts/notebooks.py", "run", "--budget", "smoke", "--check", "--out", BUILD / "pages"],
    }
    ended = [subprocess.run([python, *command], cwd=ROOT).returncode
             for name, command in commands.items() if args.only in (None, name)]  # fmt: skip
    return int(any(ended))


if __name__ == "__main__":
    raise SystemExit(main())
