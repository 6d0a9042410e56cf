"""What a stranger meets first: dependencies that agree, a wheel that is whole, commands, the doctor."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from course_lib.course import demo, doctor

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def script(name):
    """A module of scripts/ by name."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


notebooks, readme_table = script("notebooks"), script("readme_table")


def name_of(requirement):
    return re.split(r"[\[<>=;! ]", requirement, maxsplit=1)[0].lower()


def constraint_lines():
    lines = (line.split("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines())
    return [line for line in lines if line]


# ---------------------------------------------------------------------------------------- dependencies
def test_dependencies_have_lower_bounds_only():
    for requirement in PROJECT["dependencies"] + [r for extra in EXTRAS.values() for r in extra]:
        bound = requirement.split(";")[0]
        assert re.fullmatch(r"[A-Za-z0-9-]+(\[[a-z]+\])?>=[0-9.]+", bound.strip()), requirement


def test_conda_environment_names_the_same_packages():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    plain = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert f"python{PROJECT['requires-python']}" in plain
    assert sorted(pip) == sorted(PROJECT["dependencies"] + EXTRAS["dev"])


def test_constraints_are_exact_and_cover_every_dependency():
    pinned = set()
    for line in constraint_lines():
        assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+(; python_version (<|>=) '3\.11')?", line), line
        pinned.add(name_of(line))
    direct = PROJECT["dependencies"] + [r for extra in EXTRAS.values() for r in extra]
    assert {name_of(r) for r in direct} <= pinned


def test_constraints_meet_the_lower_bounds():
    least = {name_of(r): r.split(">=")[1].split(";")[0] for r in PROJECT["dependencies"]}
    for line in constraint_lines():
        name, version = line.split(";")[0].split("==")
        if name in least:
            assert doctor._numbers(version) >= doctor._numbers(least[name]), line


def test_the_three_parts_of_mujoco_are_pinned_to_one_version():
    newest = {line.split("==")[0]: line.split("==")[1] for line in constraint_lines() if "< '3.11'" not in line}
    assert len({newest[name] for name in doctor.MUJOCO_PARTS}) == 1


def test_the_doctor_asks_for_the_bounds_of_pyproject():
    least = {name_of(r): r.split(">=")[1] for r in PROJECT["dependencies"]}
    assert {name: least[name] for name in doctor.NEEDED} == doctor.NEEDED


# ----------------------------------------------------------------------------------------------- wheel
@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy of the checkout, unpacked into an empty folder."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("course_lib", "assets"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "notebooks", copy / "notebooks", ignore=shutil.ignore_patterns("py", "complete"))
    (copy / "assets" / "results").mkdir(exist_ok=True)
    (copy / "assets" / "results" / "probe.json").write_text('{"claims": {}}')
    build = "from hatchling.build import build_wheel; print(build_wheel('.'))"
    done = subprocess.run([sys.executable, "-c", build], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(copy.glob("*.whl"))) as archive:
        archive.extractall(out)
    return out


def test_wheel_holds_the_library_and_its_assets(wheel):
    for source in (ROOT / "course_lib").rglob("*.py"):
        assert (wheel / source.relative_to(ROOT)).is_file()
    for kind in ("policies", "results"):
        for source in (ROOT / "assets" / kind).glob("*.*"):
            assert (wheel / "course_lib" / "_assets" / kind / source.name).is_file()
    for source in (ROOT / "notebooks").glob("*.ipynb"):
        assert (wheel / "course_lib" / "_assets" / "notebooks" / source.name).read_text() == source.read_text()
    assert not any((wheel / name).exists() for name in ("tests", "benchmarks", "notebooks", "assets"))


def test_library_from_a_wheel_finds_its_assets_away_from_the_checkout(wheel, tmp_path):
    code = (
        "import course_lib, course_lib.files as a; "
        "print(course_lib.__file__); print(a.assets_folder()); print(a.result('probe'))"
    )
    env = os.environ | {"PYTHONPATH": str(wheel)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    where, assets, result = done.stdout.splitlines()
    assert where == str(wheel / "course_lib" / "__init__.py")
    assert assets == str(wheel / "course_lib" / "_assets")
    assert result == "{'claims': {}}"


PLAYER = {  # a stand-in for what `python scripts/live.py build` makes: in a release, and not in a release
    "player.js": "made of nothing", "player.css": "body { color: red }", "mujoco.wasm.gz": "engine",
    "catalog.json": "{}", "licences.txt": "MIT", "models/Pole.xml": "<mujoco/>", "posters/pendulum.jpg": "picture",
}  # fmt: skip
LEFT_OUT = ("policies/pendulum_ltc.safetensors", "videos/pendulum.mp4", "index.html", "pendulum.html")


def test_a_wheel_holds_the_live_player_where_it_was_built(tmp_path):
    copy, out = tmp_path / "source", tmp_path / "installed"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "course_lib", copy / "course_lib", ignore=shutil.ignore_patterns("__pycache__"))
    small = [f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")]
    stand_in = {f"web/dist/{name}": PLAYER.get(name, name) for name in (*PLAYER, *LEFT_OUT)}
    for name, text in {**dict.fromkeys(small, "{}"), **stand_in}.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(text)
    (copy / "assets" / "policies").mkdir(parents=True)
    shutil.copy(ROOT / "assets/policies/pendulum_ltc.safetensors", copy / "assets/policies")
    # As `python -m build` does it: the source archive first, and the wheel from that.
    source = "from hatchling.build import build_sdist; print(build_sdist('dist'))"
    code = "from hatchling.build import build_wheel; print(build_wheel('..'))"
    done = subprocess.run([sys.executable, "-c", source], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shutil.unpack_archive(next((copy / "dist").glob("*.tar.gz")), copy / "dist")
    (unpacked,) = (path for path in (copy / "dist").iterdir() if path.is_dir())
    done = subprocess.run([sys.executable, "-c", code], cwd=unpacked, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next((copy / "dist").glob("*.whl"))) as archive:
        archive.extractall(out)
    live = out / "course_lib" / "_assets" / "live"
    found = {str(path.relative_to(live)): path.read_text() for path in live.rglob("*") if path.is_file()}
    assert found == PLAYER and not (out / "web").exists()
    code = (
        "import base64, gzip, re, course_lib as cl; view = cl.live('pendulum_ltc'); "
        "packed = re.search('packed = \"(.*)\"', view.page)[1]; "
        "program = gzip.decompress(base64.b64decode(packed)).decode(); "
        "print(cl.__file__, program, view.picture.decode(), view.link, sep='\\n')"
    )
    env = os.environ | {"PYTHONPATH": str(out)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    where, program, picture, link = done.stdout.splitlines()
    assert where == str(out / "course_lib" / "__init__.py")
    assert (program, picture) == ("made of nothing", "picture")
    owner, _, name = notebooks.slug().partition("/")
    assert link == f"https://{owner}.github.io/{name}/live/pendulum.html#policy=pendulum_ltc"


# -------------------------------------------------------------------------------------------- commands
@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
class TestMake:
    def make(self, *words, folder=ROOT):
        return subprocess.run(["make", *words], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def test_help_is_the_default_and_names_every_command(self):
        done = self.make()
        assert done.returncode == 0, done.stderr
        for word in (
            "lab",
            "test",
            "demo",
            "run",
            "notebooks",
            "bench",
            "repository",
            "lint",
            "clean",
            "release",
            "grade",
            "slides",
            "live",
            "site",
        ):
            assert f"make {word} " in done.stdout

    def test_an_old_python_gets_a_sentence(self, tmp_path):
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, tmp_path)
        old = tmp_path / "python3.8"
        old.write_text("#!/bin/sh\nexit 1\n")
        old.chmod(0o755)
        done = self.make("lab", f"PYTHON={old}", folder=tmp_path)
        assert done.returncode != 0
        assert "needs Python 3.10 or newer" in done.stderr and "PYTHON=/path/to" in done.stderr
        assert not (tmp_path / ".venv").exists()

    def test_lab_opens_notebook_01_and_needs_no_browser(self):
        plan = self.make("-n", "lab", "LAB_ARGS=--no-browser").stdout
        assert "notebooks/01_*.ipynb" in plan and "--no-browser" in plan


def test_ci_runs_make_test():
    path = ROOT / ".ci" / "run"
    assert os.access(path, os.X_OK) and re.search(r"\bmake\b.* test\b", path.read_text())
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    matrix = jobs["test"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.10", "3.11", "3.12", "3.13"] and len(matrix["os"]) == 2


# ------------------------------------------------------------------------------------------------ fork
@pytest.fixture
def fork(tmp_path):
    """A copy of everything that names the repository."""
    root = tmp_path / "fork"
    (root / "notebooks" / "py").mkdir(parents=True)
    (root / "docs").mkdir()
    for name in ("pyproject.toml", "README.md", "CITATION.cff", "CONTRIBUTING.md", "docs/index.md"):
        shutil.copy(ROOT / name, root / name)
    (root / "notebooks" / "complete").mkdir()
    for path in [*(ROOT / "notebooks").glob("**/*.ipynb"), *(ROOT / "notebooks" / "py").glob("*.py")]:
        shutil.copy(path, root / path.relative_to(ROOT))
    return root


def test_repository_points_everything_to_a_fork_and_back(fork):
    old = notebooks.slug(fork)
    before = {path: path.read_text() for path in fork.rglob("*.*") if path.is_file()}
    assert notebooks.main(["repository", "some-one/my.course", "--root", str(fork)]) == 0
    assert notebooks.slug(fork) == "some-one/my.course"
    for path in before:
        assert not re.search(rf"github(\.com)?/{old}\b", path.read_text()), path.name
        assert f"{old.replace('/', '.github.io/')}" not in path.read_text(), path.name
    assert "https://some-one.github.io/my.course/live/" in (fork / "README.md").read_text()
    assert "git clone https://github.com/some-one/my.course &&" in (fork / "docs" / "index.md").read_text()
    notebooks.repository(old, fork)
    assert {path: path.read_text() for path in before} == before


def test_setup_cell_of_a_fork_is_what_sync_would_write(fork):
    notebooks.repository("some-one/course", fork)
    for source in notebooks.sources(root=fork):
        text = source.read_text()
        notebooks.freshen(source, fork)
        assert source.read_text() == text


def test_a_class_pins_a_tag(fork):
    before = {path: path.read_text() for path in fork.rglob("*.*") if path.is_file()}
    old = notebooks.slug(fork)
    assert notebooks.main(["repository", "some-one/course", "autumn-2027", "--root", str(fork)]) == 0
    for path in sorted((fork / "notebooks").rglob("*.*")):
        text = path.read_text()
        assert (
            "some-one/course/blob/autumn-2027/notebooks/" in text
            and "git+https://github.com/some-one/course@autumn-2027" in text
        )
        assert f"{old}/blob/main/" not in text
    for source in notebooks.sources(root=fork):
        text = source.read_text()
        notebooks.freshen(source, fork)
        assert source.read_text() == text
    assert notebooks.main(["repository", "some-one/course", "bad ref", "--root", str(fork)]) == 1
    notebooks.repository(old, fork, "main")
    assert {path: path.read_text() for path in before} == before


@pytest.mark.parametrize("wrong", ["", "name", "a/b/c", "https://github.com/a/b", "a b/c"])
def test_a_wrong_repository_name_changes_nothing(fork, wrong, capsys):
    before = (fork / "README.md").read_text()
    assert notebooks.main(["repository", wrong, "--root", str(fork)]) == 1
    assert "owner/name" in capsys.readouterr().err
    assert (fork / "README.md").read_text() == before


# ---------------------------------------------------------------------------------------------- README
def test_readme_results_come_from_the_result_files():
    assert readme_table.table() in (ROOT / "README.md").read_text(), "make readme"


def test_readme_lists_the_notebooks_that_exist():
    assert readme_table.notebook_table() in (ROOT / "README.md").read_text(), "make readme"


@pytest.mark.parametrize(
    "target, unit, value, interval, missed",
    [
        ("≥ 12,090", "", 12_051.0, (1, 2), True),
        ("≥ 12,090", "", 12_090.0, (1, 2), False),
        ("≥ 80 %", "%", 0.77, (0, 1), True),
        ("≤ 0.15 m/s", "m/s", 0.2, (0, 1), True),
        ("≤ 8 min", "min", 3.4, (0, 1), False),
        ("≥ 3,949, two cores", "", 3_855.0, (0, 1), True),
        ("0", "", 1.0, (1, 1), True),
        ("100 %", "%", 1.0, (1, 1), False),
        ("interval holds 0", "+%", 0.0, (-0.1, 0.1), False),
        ("interval holds 0", "+%", 0.2, (0.1, 0.3), True),
        ("–", "", 1.0, (1, 1), False),
        ("above the next row", "", 1.0, (1, 1), False),
    ],
)
def test_a_missed_target_is_marked(target, unit, value, interval, missed):
    claim = readme_table.Claim("", "–", target, "", "", unit)
    assert readme_table.missed(claim, value, *interval) is missed


def test_results_table_shows_value_interval_and_seeds(tmp_path):
    (tmp_path / "engine.json").write_text(
        '{"claims": {"engine_share_of_raw": 0.914}, "intervals": {"engine_share_of_raw": [0.9, 0.93]},'
        ' "seeds": [0, 1, 2], "command": "python benchmarks/engine.py"}'
    )
    (line,) = [row for row in readme_table.table(tmp_path).splitlines() if "raw `mujoco.rollout` rate |" in row]
    assert "| **91 %** | range 90 % to 93 % | 3 | `engine.py` |" in line
    assert readme_table.table(tmp_path).count(readme_table.MISSING) == len(readme_table.CLAIMS) - 1


def test_readme_links_to_files_that_exist():
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target


# ---------------------------------------------------------------------------------------------- doctor
ALL_WELL = {**doctor.NEEDED, **dict.fromkeys(doctor.MUJOCO_PARTS, "4.0.0"), "ipywidgets": "8.1"}


def run_doctor(**env):
    code = "import sys; from course_lib.course.doctor import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", code], env=os.environ | env, capture_output=True, text=True)


def test_doctor_without_gl_and_ffmpeg(tmp_path):
    done = run_doctor(MUJOCO_GL="disable", IMAGEIO_FFMPEG_EXE=str(tmp_path / "none"))
    assert done.returncode == 1
    assert "unset MUJOCO_GL" in done.stdout and "libegl1" in done.stdout
    assert "unset IMAGEIO_FFMPEG_EXE" in done.stdout and "imageio-ffmpeg" in done.stdout
    assert "2 of 10 checks found trouble" in done.stdout and not done.stderr


def test_doctor_without_a_gl_back_end(monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    check = doctor.check_gl(find=lambda: "none")
    assert not check.ok and check.cure and "unset" not in check.cure
    assert doctor.check_gl(find=lambda: "egl").ok


def test_doctor_with_an_ffmpeg_that_fails(tmp_path):
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    assert "pip install" in doctor.check_ffmpeg(find=lambda: str(broken)).cure
    assert "pip install" in doctor.check_ffmpeg(find=lambda: 1 / 0).cure


def test_doctor_in_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "absent"):
        check = doctor.check_folder(folder)
        assert not check.ok and "folder=" in check.cure
    assert doctor.check_folder(tmp_path).ok and not list(tmp_path.glob(".course-*"))


@pytest.mark.parametrize(
    "parts, cure",
    [
        ({"mujoco-core": "4.0.1"}, "mujoco==4.0.0 mujoco-core==4.0.0 mujoco-studio==4.0.0"),
        ({"mujoco-studio": None}, "mujoco-studio==4.0.0"),
        ({"mujoco": "3.3.7"}, "uninstall -y mujoco-core mujoco-studio"),
        ({"mujoco": None}, "pip install 'mujoco>=3.4'"),
    ],
)
def test_doctor_with_mujoco_packages_that_differ(parts, cure):
    versions = {name: version for name, version in (ALL_WELL | parts).items() if version is not None}
    check = doctor.check_mujoco(versions)
    assert not check.ok and cure in check.cure


@pytest.mark.parametrize("versions", [ALL_WELL, {"mujoco": "3.3.7"}])
def test_doctor_accepts_matching_mujoco_packages(versions):
    assert doctor.check_mujoco(versions).ok


def test_doctor_with_missing_and_old_packages():
    versions = {name: version for name, version in ALL_WELL.items() if name != "tyro"} | {"torch": "1.13.1+cpu"}
    check = doctor.check_packages(versions)
    assert "missing: tyro" in check.found and "too old: torch 1.13.1+cpu" in check.found
    assert "'torch>=2.4'" in check.cure and "'tyro>=0.9'" in check.cure and "numpy" not in check.cure
    assert doctor.check_packages(ALL_WELL).ok


def test_doctor_without_widgets_or_with_an_old_python():
    assert "ipywidgets" in doctor.check_widgets({}).cure
    assert "3.10" in doctor.check_python((3, 9, 1)).cure


def test_doctor_reports_trouble_in_its_exit_status(capsys):
    assert doctor.report([doctor.Check("a", "fine")]) == 0
    assert doctor.report([doctor.Check("a", "fine"), doctor.Check("b", "broken", "mend it")]) == 1
    assert "mend it" in capsys.readouterr().out


def test_setup_prints_one_line(capsys):
    doctor.setup()
    (line,) = capsys.readouterr().out.splitlines()
    for word in ("course_lib", "Python", "torch", "mujoco", "core", "GL", "budget smoke"):
        assert word in line


# ------------------------------------------------------------------------------------------------ demo
@pytest.mark.slow
def test_demo_writes_what_it_promises(tmp_path, capsys):
    assert demo.main(["--folder", str(tmp_path / "demo"), "--steps", "2048"]) == 0
    printed = capsys.readouterr().out
    for name in ("learning_curve.png", "pendulum.mp4", "demo.html"):
        path = tmp_path / "demo" / name
        assert path.stat().st_size > 1000 and str(path) in printed
    page = (tmp_path / "demo" / "demo.html").read_text()
    assert "deterministic" in page and "<video" in page and str(tmp_path) not in page
