"""The live player beside Python, and in a browser: is it the same robot, and is it fast enough?

    python benchmarks/live.py [--minutes 10] [--episodes 20] [--quick]

Builds the player (`scripts/live.py`). Then, in Node, its tests against what Python recorded, and whole episodes of
every policy. Then every page in headless Chromium, with OpenGL in software. What is written:
    policies_equal            share of the shipped policies whose recorded actions and states agree to 1e-5; of a neural
                              ODE, in which nothing fades and roundings add up, each step from Python's state
    tasks_equal               share of the tasks whose recorded observations agree to 1e-6, rewards to 1e-5
    closed_loop_inside        share of the robots whose policies all earn, in the mean of --episodes episodes, what is
                              inside of Python's interval for such a mean: drawn from --python episodes in Python, at
                              95 % for all policies of all robots together
    anymal_real_time_factor, cheetah_real_time_factor
                              s of physics and policy that the browser computes in a second, without pictures; the
                              slowest policy of the robot, median over rounds
    console_errors            what the pages wrote to the console as errors, and requests that failed
    first_motion_seconds      from asking for a page to the first movement, the slowest page; files lie on this machine
    frames_per_second         of the ANYmal page, with its picture drawn in software
    input_to_picture_ms       from a push to the first picture that shows it, median
    memory_growth_mb          of the JavaScript heap and WebAssembly's memory in --minutes minutes of the ANYmal page

The physics is not the same to the last digit: MuJoCo's versions differ (`mujoco` in the file says which).
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from _browser import chromium, served
from _report import Table, cli, run_all

import course_lib as cl
from course_lib.evaluation.returns import run_episodes
from course_lib.policies.saved import load

ROOT = Path(__file__).resolve().parents[1]
NAME, DIST = "live", ROOT / "web" / "dist"
LEVEL, COPIES = 0.95, 20
SOFTWARE = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
# Runs in the page: physics and policy for a while, without pictures -> s of the robot's time per s.
FACTOR = """milliseconds => {
  const [pane] = player.panes, step = pane.player.task.timestep;
  const until = performance.now() + milliseconds, begin = performance.now();
  let made = 0;
  while (performance.now() < until) for (let k = 0; k < 20; k++, made += step) {
    if (pane.player.over) pane.player.begin();
    pane.player.tick(null);
  }
  return 1000 * made / (performance.now() - begin);
}"""
MOVED = "() => window.player && player.panes.length && player.panes[0].player.seconds > 0"
# A push, and the time until a picture is drawn in which its force has acted.
ANSWER = """() => new Promise(resolve => {
  const begin = performance.now(), [pane] = player.panes, at = pane.player.seconds;
  player.push(player.turned = -(player.turned ?? 1)); // to and fro, or it would fall in the end
  const look = () => pane.player.seconds !== at ? requestAnimationFrame(() => resolve(performance.now() - begin))
                                              : requestAnimationFrame(look);
  requestAnimationFrame(look);
})"""
FRAMES = """seconds => new Promise(resolve => {
  const begin = performance.now();
  let count = 0;
  const next = () => performance.now() - begin < 1000 * seconds ? (count++, requestAnimationFrame(next))
                                                                : resolve(1000 * count / (performance.now() - begin));
  requestAnimationFrame(next);
})"""


def catalog() -> dict:
    return json.loads((DIST / "catalog.json").read_text(encoding="utf-8"))


def policies_of(robots: list[dict]) -> list[dict]:
    return [policy for robot in robots for policy in robot["policies"]]


# --- equal to Python ------------------------------------------------------------------------------


def recorded() -> dict[str, dict[str, bool]]:
    """Kind -> name -> whether all tests of a policy, or of a task, beside Python's records pass."""
    words = ["npx", "vitest", "run", "test/policies.test.ts", "test/tasks.test.ts", "--reporter=json"]
    done = subprocess.run(words, cwd=ROOT / "web", capture_output=True, text=True)
    found: dict[str, dict[str, bool]] = {"policies": {}, "tasks": {}}
    for file in json.loads(done.stdout[done.stdout.index("{") :])["testResults"]:
        kind = "policies" if "policies" in file["name"] else "tasks"
        for test in file["assertionResults"]:
            name = [*test["ancestorTitles"], ""][0] if kind == "tasks" else test["title"]
            if name.startswith("'") and "extra_" not in name:
                passed = found[kind].get(name, True) and test["status"] == "passed"
                found[kind][name] = passed
    return found


def in_node(episodes: int) -> dict[str, dict]:
    """Key -> returns and successes of whole episodes, without a browser."""
    bundle = ROOT / "build" / "closed_loop.mjs"
    esbuild = ["npx", "esbuild", "measure/closed_loop.ts", "--bundle", "--format=esm", "--platform=node"]
    subprocess.run([*esbuild, f"--outfile={bundle}", "--log-level=warning"], cwd=ROOT / "web", check=True)
    done = subprocess.run(["node", bundle, DIST, str(episodes)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def in_python(entry: dict, episodes: int) -> np.ndarray:
    """Returns of whole deterministic episodes of the same policy in the same task: (episodes,)."""
    envs = cl.make(entry["task"], COPIES, seed=20_000, **entry["options"])
    try:
        policy, rounds = load(DIST / entry["file"]), -(-episodes // COPIES)
        # Copy i begins with seed + i: no two episodes may be the same.
        found = [run_episodes(policy, envs, seed=20_000 + COPIES * k).returns for k in range(rounds)]
        return np.concatenate(found)[:episodes]
    finally:
        envs.close()


def mean_interval(returns: np.ndarray, count: int, level: float) -> list[float]:
    """Where the mean of `count` new episodes lies with probability `level`, from a larger sample of episodes."""
    rng = np.random.default_rng(0)
    means = rng.choice(returns, (20_000, count)).mean(axis=1)
    means += rng.choice(returns, (20_000, len(returns))).mean(axis=1) - returns.mean()  # the sample is one of many
    tail = 50 * (1 - level)
    return [float(f"{v:.6g}") for v in np.percentile(means, [tail, 100 - tail])]


def closed_loop(args, robots: list[dict]) -> list[dict]:
    returns, rows = in_node(args.episodes), []
    level = 1 - (1 - LEVEL) / len(policies_of(robots))
    for robot in robots:
        for entry in robot["policies"]:
            ours, theirs = np.array(returns[entry["key"]]["returns"]), in_python(entry, args.python)
            low, high = mean_interval(theirs, args.episodes, level)
            mean = float(f"{ours.mean():.6g}")
            rows.append(dict(robot=robot["key"], policy=entry["key"], mean=mean, python=float(f"{theirs.mean():.6g}"),
                             low=low, high=high, inside=bool(low - 1e-6 <= mean <= high + 1e-6)))  # fmt: skip
            print(f"  {entry['key']}: {mean:.1f}, Python {low:.1f} to {high:.1f}", flush=True)
    return rows


# --- in a browser -----------------------------------------------------------------------------------


def pages(args, robots: list[dict]) -> dict:
    from playwright.sync_api import sync_playwright

    found: dict = dict(errors={}, first_motion={}, factors={})
    with served(DIST) as address, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium(), args=[*SOFTWARE, "--enable-precise-memory-info"])
        for robot in robots:
            tab, errors = opened(browser, address)
            began = time.perf_counter()
            tab.goto(f"{address}{robot['key']}.html")
            tab.wait_for_function(MOVED, timeout=60_000)
            found["first_motion"][robot["key"]] = round(time.perf_counter() - began, 2)
            tab.wait_for_timeout(1000)
            tab.close()
            found["errors"][robot["key"]] = errors
        for robot in robots:
            if robot["key"].startswith(("anymal", "halfcheetah")):
                for entry in robot["policies"]:
                    found["factors"][entry["key"]] = factor(browser, address, robot["key"], entry["key"], args)
        found |= anymal(browser, address, args)
        found["chromium"] = browser.version
        browser.close()
    return found


def opened(browser, address: str):
    """-> an empty tab, and the list in which its errors will stand."""
    tab, errors = browser.new_page(viewport=dict(width=1280, height=900)), []
    tab.on("console", lambda m: errors.append(m.text[:200]) if m.type == "error" else None)
    tab.on("pageerror", lambda e: errors.append(str(e)[:200]))
    tab.on("requestfailed", lambda r: errors.append(f"failed: {r.url.removeprefix(address)[:150]}"))
    return tab, errors


def factor(browser, address: str, robot: str, policy: str, args) -> list[float]:
    """How many times faster than real time, in each round."""
    tab, _ = opened(browser, address)
    tab.goto(f"{address}{robot}.html#policy={policy}&paused=1")
    tab.wait_for_function("() => window.player && player.panes.length")
    tab.evaluate(FACTOR, 500)
    rounds = [round(tab.evaluate(FACTOR, 1000), 2) for _ in range(args.times)]
    tab.close()
    return rounds


def anymal(browser, address: str, args) -> dict:
    """Frames, answer to a push, and memory of the ANYmal page."""
    tab, _ = opened(browser, address)
    tab.goto(f"{address}anymal_walk.html")
    tab.wait_for_function(MOVED, timeout=60_000)
    frames = [round(tab.evaluate(FRAMES, 2), 1) for _ in range(args.times)]
    answers = []
    for _ in range(4 * args.times):
        answers.append(round(tab.evaluate(ANSWER), 1))
        tab.wait_for_timeout(500)
    client = tab.context.new_cdp_session(tab)
    memory, until = [], time.monotonic() + 60 * args.minutes
    while True:
        client.send("HeapProfiler.collectGarbage")
        heap = tab.evaluate("performance.memory.usedJSHeapSize")
        wasm = tab.evaluate("player.panes[0].player.physics.memory")
        memory.append([round(heap / 1e6, 2), round(wasm / 1e6, 2)])
        if time.monotonic() >= until:
            break
        tab.wait_for_timeout(min(30_000, 60_000 * args.minutes / 4))
    seconds = tab.evaluate("player.panes[0].player.seconds")
    tab.close()
    return dict(frames=frames, answers=answers, memory=memory, seconds_at_end=round(seconds, 1))


# --- all of it ----------------------------------------------------------------------------------------


def one_run(args, seed: int) -> dict:
    subprocess.run([sys.executable, "scripts/live.py", "build"], cwd=ROOT, check=True)
    robots = catalog()["robots"][: args.robots or None]
    equal = recorded()
    loop = closed_loop(args, robots)
    return dict(seed=seed, equal=equal, closed_loop=loop, mujoco=catalog()["mujoco"], train_seconds=0.0,
                robots=len(robots), **pages(args, robots))  # fmt: skip


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    row = rows[-1]
    inside: dict[str, bool] = {}
    for r in row["closed_loop"]:
        inside[r["robot"]] = inside.get(r["robot"], True) and r["inside"]
    slowest = {
        kind: min((v for key, v in row["factors"].items() if key.startswith(kind)), key=np.median, default=[])
        for kind in ("anymal", "halfcheetah")
    }
    growth = np.sum(row["memory"][-1]) - np.sum(row["memory"][0])
    claims = dict(
        policies_equal=float(np.mean([*row["equal"]["policies"].values()])),
        tasks_equal=float(np.mean([*row["equal"]["tasks"].values()])),
        closed_loop_inside=float(np.mean([*inside.values()])),
        console_errors=sum(map(len, row["errors"].values())),
        first_motion_seconds=max(row["first_motion"].values()),
        memory_growth_mb=round(float(growth), 2),
        input_to_picture_ms=float(np.median(row["answers"])),
        frames_per_second=float(np.median(row["frames"])),
    )
    intervals = {name: [value, value] for name, value in claims.items()}
    for name, values in (("anymal", slowest["anymal"]), ("cheetah", slowest["halfcheetah"])):
        with contextlib.suppress(IndexError, ValueError):  # --quick looks at one robot
            claims[f"{name}_real_time_factor"] = float(np.median(values)) if values else float("nan")
            intervals[f"{name}_real_time_factor"] = [min(values), max(values)]
    for name in ("input_to_picture_ms", "frames_per_second"):
        values = row["answers" if name.startswith("input") else "frames"]
        intervals[name] = [min(values), max(values)]
    return claims, intervals


def report(rows: list[dict]) -> list:
    row = rows[-1]
    table = Table(
        "robot",
        "policy",
        "mean in the browser's code",
        "in Python",
        "interval for such a mean",
        "inside",
        "times real time",
    )
    for r in row["closed_loop"]:
        speed = row["factors"].get(r["policy"])
        table.add(
            r["robot"],
            r["policy"],
            f"{r['mean']:.1f}",
            f"{r['python']:.1f}",
            f"[{r['low']:.1f}, {r['high']:.1f}]",
            "yes" if r["inside"] else "NO",
            f"{np.median(speed):.1f}" if speed else "",
        )
    wrong = [f"{kind}: {name} differs" for kind, all_ in row["equal"].items() for name, ok in all_.items() if not ok]
    wrong += [f"{robot}: {error}" for robot, errors in row["errors"].items() for error in errors]
    return [table, *wrong]


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, seeds=[0], minutes=10.0, episodes=20, python=200, fixed=dict(robots=0, times=5),
        quick=dict(minutes=0.1, episodes=2, python=20, times=2, robots=1),
    )  # fmt: skip
    run_all(  # anew: a player that was looked at once is not the one of today
        args, one_run, [(seed,) for seed in args.seeds], key=("seed",), config={}, claims_of=claims_of, report=report,
        says="{robots} robots", anew=True,
    )  # fmt: skip
