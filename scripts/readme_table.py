"""The two tables of README.md: the notebooks that exist, and the results in assets/results/*.json.

`--check` changes nothing and tells whether they are up to date.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- {}:begin -->", "<!-- {}:end -->"
MISSING = "not measured yet"


@dataclass(frozen=True)
class Claim:
    """A row: what is claimed, what there was before, the target, and where the measurement is."""

    title: str
    before: str
    target: str
    key: str  # name in `claims` and `intervals` of the result file
    file: str  # stem of the result file
    unit: str = ""  # "", "x" (a ratio), "%" (a share, stored between 0 and 1) or "+%" (a difference of shares)


CLAIMS = (
    Claim(
        "HalfCheetah-v5, deterministic return after 10 min on 2 cores",
        "5,734 (best single episode, after about 20 h)",
        "≥ 6,000",
        "halfcheetah_return_10min",
        "ppo_halfcheetah",
    ),
    Claim("the same after 15 min", "–", "≥ 7,000", "halfcheetah_return_15min", "ppo_halfcheetah"),
    Claim("the same seeds and steps since gradient steps are taken in C", "8,694 (the row above)", "not less",
          "halfcheetah_return_10min", "ppo_halfcheetah_in_c"),
    Claim(
        "PPO training speed against Stable-Baselines3, each at its recommended setting",
        "1×",
        "≥ 8×",
        "ppo_vs_sb3_recommended",
        "ppo_throughput",
        "x",
    ),
    Claim("the same, both at Stable-Baselines3's setting", "1×", "≥ 3×", "ppo_vs_sb3_same", "ppo_throughput", "x"),
    Claim("the same, against SBX (JAX)", "1×", "≥ 1.5×", "ppo_vs_sbx_same", "ppo_throughput", "x"),
    Claim(
        "share of the raw physics rate that training keeps",
        "–",
        "≥ 65 %",
        "physics_share",
        "ppo_throughput",
        "%",
    ),
    Claim(
        "simulation speed against EnvPool, 64 copies, HalfCheetah",
        "1×",
        "≥ 1.05×",
        "engine_vs_envpool_halfcheetah",
        "engine",
        "x",
    ),
    Claim("the same, Ant", "1×", "≥ 1.05×", "engine_vs_envpool_ant", "engine", "x"),
    Claim("the same, Humanoid", "1×", "≥ 1.05×", "engine_vs_envpool_humanoid", "engine", "x"),
    Claim("share of the raw `mujoco.rollout` rate", "–", "≥ 85 %", "engine_share_of_raw", "engine", "%"),
    Claim(
        "InvertedPendulum-v5, environment steps until solved, 32 LTC neurons",
        "32,000 (one seed)",
        "≤ 10,000",
        "ltc32_steps",
        "ltc_pendulum",
    ),
    Claim("the same, 16 neurons", "42,000 (one seed)", "≤ 10,000", "ltc16_steps", "ltc_pendulum"),
    Claim("the same, 8 neurons", "48,000 (one seed)", "≤ 10,000", "ltc8_steps", "ltc_pendulum"),
    Claim(
        "steps until solved, 8 LTC neurons against 8 tanh neurons without memory",
        "about 3×",
        "≤ 1.0×",
        "ltc8_vs_mlp_steps",
        "ltc_pendulum",
        "x",
    ),
    Claim("seconds of training until solved, 8 LTC neurons", "hours", "≤ 30", "ltc8_seconds", "ltc_pendulum"),
    Claim("smallest LTC with which every seed solves it", "5", "≤ 3", "smallest_ltc", "ltc_pendulum"),
    Claim(
        "velocities hidden, InvertedPendulum-v5, return of an LTC",
        "not solved in 10 h",
        "≥ 950",
        "masked_ltc_return",
        "masked_pendulum",
    ),
    Claim("the same, network without memory", "–", "≤ 300", "masked_mlp_return", "masked_pendulum"),
    Claim(
        "velocities hidden, HalfCheetah-v5, return of an LTC",
        "–",
        "above the next row",
        "cheetah_masked_ltc_return",
        "masked_pendulum",
    ),
    Claim("the same, network without memory", "–", "–", "cheetah_masked_mlp_return", "masked_pendulum"),
    Claim(
        "speed of the synaptic LTC against `ncps`, 64 steps forward and backward, 8 neurons",
        "1×",
        "≥ 10×",
        "cell_vs_ncps_8",
        "cells",
        "x",
    ),
    Claim("the same, 32 neurons", "1×", "≥ 10×", "cell_vs_ncps_32", "cells", "x"),
    Claim(
        "speed of RK4 through a cell against `torchdiffeq`, 8 neurons",
        "1×",
        "≥ 3×",
        "cell_vs_torchdiffeq_8",
        "cells",
        "x",
    ),
    Claim("the same, 32 neurons", "1×", "≥ 3×", "cell_vs_torchdiffeq_32", "cells", "x"),
    Claim(
        "ANYmal C, the predecessor's sprint: minutes until 5,925 without noise, network without memory",
        "20.3 h, with noise; 179 without",
        "≤ 8",
        "sprint_minutes_to_5925",
        "anymal_sprint",
        "min",
    ),
    Claim("its return at the end, within 30 min", "–", "≥ 20,000", "sprint_return_30min", "anymal_sprint"),
    Claim("share that survives all 8 s", "21 %, with noise", "≥ 95 %", "sprint_survival", "anymal_sprint", "%"),
    Claim("the sprint with 32 LTC neurons, within 60 min", "–", "≥ 5,925", "sprint_ltc_return", "anymal_sprint"),
    Claim(
        "ANYmal C walks at 0.5 to 1 m/s: error of the speed",
        "–",
        "≤ 0.15 m/s",
        "walk_tracking_error",
        "anymal_walk",
        "m/s",
    ),
    Claim("share that survives a push of 50 N for 0.2 s", "–", "≥ 90 %", "push_survival", "anymal_walk", "%"),
    Claim("share that gets over a step of 15 cm, fine-tuned", "–", "≥ 80 %", "step_crossed", "anymal_walk", "%"),
    Claim("sweep of 50 trials on the sprint, minutes", "50 × 2 to 3 h", "≤ 60", "sweep_minutes", "anymal_sweep", "min"),
    Claim(
        "simulation speed on ANYmal C against gymnasium's `AsyncVectorEnv`",
        "1×",
        "≥ 2×",
        "engine_vs_async_anymal",
        "engine",
        "x",
    ),
    Claim("gradient updates per second against Stable-Baselines3 at its setting, SAC on HalfCheetah", "1×", "≥ 2.5×",
          "sac_updates_vs_sb3", "offpolicy_speed", "x"),
    Claim("the same, TD3", "1×", "≥ 2.5×", "td3_updates_vs_sb3", "offpolicy_speed", "x"),
    Claim("gradient updates per second against SBX (JAX) as it comes, SAC", "1×", "≥ 1.5×", "sac_updates_vs_sbx",
          "offpolicy_speed", "x"),
    Claim("the same, TD3", "1×", "≥ 1.3×", "td3_updates_vs_sbx", "offpolicy_speed", "x"),
    Claim("the same, SAC, SBX with 16 copies as ours", "1×", "–", "sac_updates_vs_sbx_16_copies",
          "offpolicy_speed", "x"),
    Claim("the same, SAC, ours with one copy as SBX", "1×", "–", "sac_updates_vs_sbx_1_copy", "offpolicy_speed", "x"),
    Claim("share of the rate of SAC's matrix products alone, by torch", "–", "≥ 80 %", "sac_gemm_share",
          "offpolicy_speed", "%"),
    Claim("explorer of notebook 07, from a click on a neuron to the episode played again", "–", "≤ 0.5",
          "explorer_replay_seconds", "views", "s"),
    Claim("gradient lab of notebook 03, from a moved slider to the figure", "–", "≤ 1", "lab_seconds",
          "views", "s"),
    Claim("recurrent PPO (LTC 32, GRU 32, the slower) against sb3-contrib's (LSTM 32), steps per second", "1×", "≥ 10×",
          "recurrent_vs_sb3_contrib", "recurrent_speed", "x"),
    Claim("HalfCheetah-v5 after 30 min, SAC, against Stable-Baselines3's SAC in the same 30 min", "1×", "≥ 1.5×",
          "sac_30min_vs_sb3", "offpolicy_halfcheetah", "x"),
    Claim("HalfCheetah-v5, return of the best policy that ships, within 4 h", "9,535 (rl-zoo)", "≥ 9,535",
          "best_halfcheetah_return", "offpolicy_halfcheetah"),
    Claim("pendulum that shows no rate, RSAC: share of what SAC reaches that sees all", "–", "≥ 90 %",
          "rsac_share_pendulum", "memory", "%"),
    Claim("the same, SAC without memory", "–", "≤ 60 %", "memoryless_share_pendulum", "memory", "%"),
    Claim("pole on a cart (InvertedPendulum-v5) that shows no velocities, RSAC", "–", "≥ 90 %",
          "rsac_share_cartpole", "memory", "%"),
    Claim("the same, SAC without memory", "–", "≤ 60 %", "memoryless_share_cartpole", "memory", "%"),
    Claim("car between heaven and hell, RSAC", "–", "≥ 90 %", "rsac_share_car", "memory", "%"),
    Claim("the same, SAC without memory", "–", "≤ 60 %", "memoryless_share_car", "memory", "%"),
    Claim("share of RSAC with LTC less that with LSTM, a quarter of the parameters, mean of the three tasks", "–",
          "interval holds 0", "ltc_vs_lstm", "memory", "+%"),
    Claim("speed of a movement primitive in closed form against its Euler loop", "1×", "≥ 10×",
          "dmp_closed_form_speedup", "dmp", "x"),
    Claim("digits by writers never seen, error of a neural dynamic policy against a CNN's, all moments recorded",
          "0.07× (paper)", "≤ 0.2×", "ndp_vs_cnn_loss", "handwriting", "x"),
    Claim("the same, three moments recorded of each demonstration", "–", "–",
          "ndp_vs_cnn_loss_sparse", "handwriting", "x"),
    Claim("the same, all moments, error of the velocity", "–", "–", "ndp_vs_cnn_velocity", "handwriting", "x"),
    Claim("throw a ball into a bin by trial and error, success of a neural dynamic policy",
          "–", "≥ the next two", "success_ndp_throw", "manipulation", "%"),
    Claim("the same, PPO with an action at a time", "–", "–", "success_ppo_throw", "manipulation", "%"),
    Claim("the same, PPO with five actions at a time", "–", "–", "success_ppo_multi_throw", "manipulation", "%"),
    Claim("the same, such a policy of 32 LTC neurons, after half as many steps", "–", "–", "success_ndp_ltc_throw",
          "manipulation", "%"),
    Claim("lift a box, neural dynamic policy", "–", "≥ the next two", "success_ndp_pick", "manipulation", "%"),
    Claim("the same, PPO with an action at a time", "–", "–", "success_ppo_pick", "manipulation", "%"),
    Claim("the same, PPO with five actions at a time", "–", "–", "success_ppo_multi_pick", "manipulation", "%"),
    Claim("five tabletop tasks: those on which it is as good as PPO with one action and with five",
          "–", "≥ 4", "ndp_wins", "manipulation"),
    Claim("robustness: hypotheses that are decided, of eight written down before the runs", "–", "≥ 6",
          "hypotheses_decided", "robustness"),
    Claim("the same, least number of seeds behind a compared policy", "–", "≥ 10", "seeds_least", "robustness"),
    Claim("the same, spread of the number of parameters among the policies compared", "–", "≤ 5 %", "params_spread",
          "robustness", "%"),
    Claim("random configs: errors without a sentence", "82 of 1,200", "0", "config_raw", "faults"),
    Claim("the same, hangs", "6 of 1,200", "0", "config_hung", "faults"),
    Claim("damaged and forged policy files: errors without a sentence", "–", "0", "files_raw", "faults"),
    Claim("the same, damaged ones that load and act differently", "–", "0", "files_accepted_changed", "faults"),
    Claim(
        "trainings killed by kill -9 and resumed, seven algorithms: those that differ from one that never stopped",
        "17 of 30 (PPO with an LTC)",
        "0",
        "resumes_that_differ",
        "faults",
    ),
)  # fmt: skip


NOTEBOOKS = (
    ("Reinforcement learning from scratch", "policy gradients, written inline, until they balance a pole"),
    ("PPO on HalfCheetah", "the clipped surrogate and GAE, built inline; then a cheetah runs"),
    ("ODE cells and the adjoint method", "neural ODE, CT-RNN, LTC, CfC; backpropagation against the adjoint"),
    ("A liquid network balances a pole", "recurrent PPO with a handful of neurons; hidden velocities"),
    ("SAC and TD3", "DDPG → TD3 → SAC, one change at a time"),
    ("ANYmal C and sweeps", "a quadruped walks; a hyperparameter sweep"),
    ("Looking inside: hidden states", "video, phase portraits and time constants on one slider"),
    ("Memory: control under partial observability", "what memory buys when observations are missing"),
    ("Neural dynamic policies", "movement primitives as a layer; imitation, then reinforcement"),
    ("Robustness and topology", "control rate, noise, wiring; equal parameters, null results stated"),
)
BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{slug}/blob/main/notebooks/{name})"
)


def slug(root: Path = ROOT) -> str:
    """owner/name, from the Repository url of pyproject.toml."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    return text.split('Repository = "https://github.com/')[1].split('"')[0]


def notebook_table(root: Path = ROOT) -> str:
    """The region of the ten notebooks; a badge for those that exist."""
    lines = [BEGIN.format("notebooks"), "| | title | what happens | run it |", "|---|---|---|---|"]
    for i, (title, what) in enumerate(NOTEBOOKS, 1):
        found = sorted((root / "notebooks").glob(f"{i:02d}_*.ipynb"))
        badge = BADGE.format(slug=slug(root), name=found[0].name) if found else "to come"
        lines.append(f"| {i:02d} | {title} | {what} | {badge} |")
    return "\n".join([*lines, END.format("notebooks")])


def number(value: float, unit: str) -> str:
    """A measured value as a reader wants it: 6,134 or 8.2× or 57 %."""
    if unit == "x":
        return f"{value:.3g}×"
    if unit == "+%":
        return f"{100 * value:+.1f} %".replace("+0.0", "0.0").replace("-0.0", "0.0")
    if unit == "%":
        return f"{100 * value:.0f} %"
    if unit == "min":
        return f"{value:.1f}"
    if unit == "s":
        return f"{value:.2f} s"
    if unit == "m/s":
        return f"{value:.2g} m/s"
    return f"{value:,.0f}"


def row(claim: Claim, results: Path) -> str:
    """One line of the table; a claim without a result file says so."""
    path = results / f"{claim.file}.json"
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    value = content.get("claims", {}).get(claim.key)
    if value is None:
        cells = [MISSING, "–", "–"]
    else:
        low, high = content["intervals"][claim.key]
        seeds = content.get("claim_seeds", {}).get(claim.key, content["seeds"])
        count = len(seeds) if isinstance(seeds, list) else seeds
        said = f"{number(low, claim.unit)} to {number(high, claim.unit)}"
        cells = [f"**{number(value, claim.unit)}**", said if count >= 5 else f"range {said}", str(count)]
    command = content.get("command") or f"python benchmarks/{claim.file}.py"
    return f"| {' | '.join([claim.title, claim.before, claim.target, *cells, f'`{command}`'])} |"


def table(results: Path = ROOT / "assets" / "results") -> str:
    """The region of the results, markers included."""
    lines = [
        BEGIN.format("results"),
        "| claim | before | target | here, median | 95 % interval, or range | seeds or runs | command |",
        "|---|---|---|---|---|---|---|",
        *(row(claim, results) for claim in CLAIMS),
        END.format("results"),
    ]
    return "\n".join(lines)


def replaced(text: str, region: str) -> str:
    """`text` with the marked region of the same name exchanged for `region`."""
    begin, end = region.splitlines()[0], region.splitlines()[-1]
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise SystemExit(f"README.md must hold one line {begin} and, after it, one line {end}")
    return text[: text.index(begin)] + region + text[text.index(end) + len(end) :]


def main(argv: list[str] | None = None) -> int:
    """Write both tables, or with --check return 1 when one is out of date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit status 1 when out of date")
    args = parser.parse_args(argv)
    readme = ROOT / "README.md"
    old = readme.read_text(encoding="utf-8")
    new = replaced(replaced(old, table()), notebook_table())
    if args.check:
        print("README.md is up to date" if new == old else "README.md is out of date: make readme")
        return int(new != old)
    readme.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
