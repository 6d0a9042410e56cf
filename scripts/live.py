"""The live player as a folder of files, web/dist. `make live` builds and serves it.

python scripts/live.py build [--no-wasm]    needs Node 20 or newer, and the network the first time
python scripts/live.py serve [--port 8000]

player.js, player.css     the page's program and its looks, from web/src
mujoco.wasm.gz            the physics engine; with --no-wasm pages take it from the network
catalog.json              robots, their policies, and what is said of them
models/ policies/         what these name
posters/ videos/          pictures, for where nothing can be drawn
index.html, ROBOT.html    the gallery, and a page for each robot
licences.txt              of what others made
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
import live_pages  # noqa: E402

from course_lib.files import assets_folder  # noqa: E402
from course_lib.policies.saved import load  # noqa: E402
from course_lib.viz.film import VideoError  # noqa: E402
from course_lib.viz.player import catalogue, poster  # noqa: E402
from course_lib.viz.player.robots import ROBOTS  # noqa: E402

WEB, WORK = ROOT / "web", ROOT / "build" / "live"
NODE = 20
SOURCES = {"player.js": "src/app.ts", "player.css": "src/view/player.css"}
ENGINE = "node_modules/@mujoco/mujoco"


class Trouble(Exception):
    """A sentence for the person at the terminal."""


# --- Node ---------------------------------------------------------------------------------------


def run(*words: str | Path, folder: Path, trouble: str) -> str:
    """What a command prints; `trouble` begins the sentence where it fails."""
    try:
        done = subprocess.run([str(word) for word in words], cwd=folder, capture_output=True, text=True)
    except OSError as error:
        raise Trouble(f"{trouble}: {error.strerror}") from None
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise Trouble(f"{trouble}: {' '.join(lines[:3])[:300] or f'exit status {done.returncode}'}")
    return done.stdout


def check_node() -> None:
    cure = f"install Node {NODE} or newer, which brings npm (https://nodejs.org)"
    for name in ("node", "npm"):
        if shutil.which(name) is None:
            raise Trouble(f"the live player is built with Node, and {name} is not here; {cure}")
    version = run("node", "--version", folder=ROOT, trouble="node does not run").strip()
    if int(version.lstrip("v").partition(".")[0]) < NODE:
        raise Trouble(f"the live player needs Node {NODE} or newer; this is {version}; {cure}")


def install(web: Path) -> None:
    """The packages that the lock file names, unless they are there already."""
    there, lock = web / "node_modules" / ".package-lock.json", web / "package-lock.json"
    if there.is_file() and there.stat().st_mtime >= lock.stat().st_mtime:
        return
    print("fetching the packages of web/ (once)")
    run("npm", "ci", "--no-audit", "--no-fund", folder=web,
        trouble="npm could not fetch the packages of web/; is the network there? It said")  # fmt: skip


def bundle(web: Path, out: Path) -> None:
    """player.js and player.css."""
    # A module that a frame unpacks has no address of its own, beside which the engine could look for its files.
    options = ["--bundle", "--minify", "--format=esm", "--target=es2022", "--external:module", "--legal-comments=eof",
               "--define:import.meta.url=document.baseURI", "--log-level=warning"]  # fmt: skip
    for name, source in SOURCES.items():
        if not (web / source).is_file():
            raise Trouble(f"{source} is not in {web.name}/; this checkout does not hold the whole player")
        program, trouble = web / "node_modules" / ".bin" / "esbuild", f"esbuild could not bundle {source}; it said"
        run(program, source, *options, f"--outfile={out / name}", folder=web, trouble=trouble)


def engine(web: Path, out: Path) -> None:
    """mujoco.wasm.gz."""
    version = json.loads((web / ENGINE / "package.json").read_text())["version"]
    if version != catalogue.ENGINE:
        raise Trouble(f"web/{ENGINE} is {version}, and course_lib/viz/player/catalogue.py says {catalogue.ENGINE}")
    content = gzip.compress((web / ENGINE / "mujoco.wasm").read_bytes(), compresslevel=9, mtime=0)
    (out / "mujoco.wasm.gz").write_bytes(content)


# --- what is played -----------------------------------------------------------------------------


def content(out: Path) -> list[str]:
    """The catalogue, and the models and policies that it names -> keys of the robots."""
    said = catalogue.catalogue()
    for folder in ("models", "policies"):
        (out / folder).mkdir()
    for entry in (entry for robot in said["robots"] for entry in robot["policies"]):
        shutil.copyfile(assets_folder() / entry["file"], out / entry["file"])
        if not (out / entry["model"]).exists():
            (out / entry["model"]).write_text(catalogue.model_of(entry), encoding="utf-8")
    text = json.dumps(said, indent=1, ensure_ascii=False, allow_nan=False)
    (out / "catalog.json").write_text(text + "\n", encoding="utf-8")
    return [robot["key"] for robot in said["robots"]]


def pictures(out: Path, cache: Path) -> None:
    """A poster and a short video of the first policy of each robot; `cache` keeps those of policies as they are."""
    for key, robot in catalogue.robots().items():
        entry = robot["policies"][0]
        made = [(assets_folder() / entry["file"]).read_bytes(), (out / entry["model"]).read_bytes()]
        made += [Path(poster.__file__).read_bytes(), repr(ROBOTS[key].seconds).encode()]
        stem = f"{key}_{hashlib.sha256(b''.join(made)).hexdigest()[:12]}"
        still, moving = cache / f"{stem}.jpg", cache / f"{stem}.mp4"
        if not still.is_file() or not moving.is_file():
            print(f"drawing {key}")
            cache.mkdir(parents=True, exist_ok=True)
            policy = load(entry["key"])
            still.write_bytes(poster.poster(policy, entry, ROBOTS[key].seconds))
            try:
                poster.film(policy, entry, moving)
            except VideoError as error:
                print(f"no video of {key}: {error}")
        for path, name in ((still, f"posters/{key}.jpg"), (moving, f"videos/{key}.mp4")):
            (out / name).parent.mkdir(exist_ok=True)
            if path.is_file():
                shutil.copyfile(path, out / name)


def licences(web: Path, out: Path) -> None:
    """licences.txt: of the physics engine, of three.js, of the robots' models."""
    files = metadata.files("mujoco") or []
    apache = next((file.read_text() for file in files if file.name == "LICENSE"), "Apache License 2.0")
    three, anymal = web / "node_modules" / "three" / "LICENSE", ROOT / "course_lib/envs/anymal/ANYMAL_LICENSE.txt"
    parts = (
        ("MuJoCo, in mujoco.wasm.gz and player.js", apache),
        ("three.js, in player.js", three.read_text() if three.is_file() else "MIT"),
        ("The pole and the cheetah, in models/, are those of Gymnasium", "MIT, https://gymnasium.farama.org"),
        ("ANYmal C, in models/", anymal.read_text()),
        ("All else is this course's", (ROOT / "LICENSE").read_text()),
    )
    text = "\n".join(f"{title}\n{'-' * len(title)}\n\n{said.strip()}\n\n" for title, said in parts)
    (out / "licences.txt").write_text(text, encoding="utf-8")


def build(web: Path = WEB, wasm: bool = True, work: Path = WORK) -> Path:
    """web/dist, made aside and moved there whole."""
    check_node()
    install(web)
    out, dist = work / "dist", web / "dist"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    bundle(web, out)
    if wasm:
        engine(web, out)
    keys = content(out)
    pictures(out, work / "pictures")
    licences(web, out)
    live_pages.write(keys, out)
    shutil.rmtree(dist, ignore_errors=True)
    shutil.move(out, dist)
    return dist


# --- serving ------------------------------------------------------------------------------------


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, fresh at every visit; only what fails is told."""

    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".js": "text/javascript"}

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_request(self, *args) -> None:
        pass


def server(folder: Path, port: int = 0) -> http.server.ThreadingHTTPServer:
    """A server of `folder` on this machine alone; port 0: a free one."""
    try:
        return http.server.ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, directory=str(folder)))
    except (OSError, OverflowError) as error:
        raise Trouble(f"port {port} cannot be had: {error}; leave --port out for a free one") from None


def serve(folder: Path, port: int = 0) -> None:
    if not (folder / "index.html").is_file():
        raise Trouble("web/dist is not built; `make live` or `python scripts/live.py build` builds it")
    with server(folder, port) as here:
        print(f"web/dist/index.html is at http://127.0.0.1:{here.server_port}/ (Ctrl-C ends)", flush=True)
        try:
            here.serve_forever()
        except KeyboardInterrupt:
            print()


def size_of(folder: Path) -> float:
    """MB of the files in it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build", help="make web/dist")
    building.add_argument(
        "--no-wasm", action="store_true", help="leave the physics engine to the network (2.5 MB less)"
    )
    serving = commands.add_parser("serve", help="serve web/dist on this machine")
    serving.add_argument("--port", type=int, default=0, help="default: a free one")
    args = parser.parse_args(argv)
    try:
        if args.command == "build":
            dist = build(WEB, wasm=not args.no_wasm)
            print(f"{os.path.relpath(dist, ROOT)} is built, {size_of(dist):.1f} MB")
        else:
            serve(WEB / "dist", args.port)
    except Trouble as trouble:
        print(f"live.py: {trouble}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
