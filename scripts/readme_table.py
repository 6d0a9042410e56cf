"""The two tables of README.md: the notebooks that exist, and the results in assets/results/*.json.

`--check` changes nothing and tells whether they are up to date.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts")]
import notebooks as pairs  # noqa: E402

BEGIN, END = "<!-- {}:begin -->", "<!-- {}:end -->"
MISSING = "not measured yet"
# Files and claims without an interval.
COUNTED = ("robustness", "second_study_decided", "ranges", "ranges_again", "checks", "faults", "smallest_ltc")


@dataclass(frozen=True)
class Claim:
    """A row: what is claimed, what there was before, the target, and where the measurement is."""

    title: str
    before: str
    target: str
    key: str  # name in `claims` and `intervals` of the result file
    file: str  # stem of the result file
    unit: str = ""  # "", "x" (a ratio), "%" (a share, stored between 0 and 1), "+%" or "points" (differences of shares)


@dataclass(frozen=True)
class Group:
    """Rows under one heading, and what one must know to read them."""

    title: str
    note: str
    claims: tuple[Claim, ...]


GROUPS = (
    Group("PPO on HalfCheetah-v5", "Two cores. Peers are trained in the same run of the benchmark.", (
        Claim("deterministic return after 10 min", "5,734 (best single episode, after about 20 h)", "≥ 6,000",
              "halfcheetah_return_10min", "ppo_halfcheetah"),
        Claim("deterministic return after 15 min", "–", "≥ 7,000", "halfcheetah_return_15min", "ppo_halfcheetah"),
        Claim("return after 10 min, seeds 0 to 4 with gradient steps in PyTorch", "–", "–",
              "halfcheetah_return_10min", "ppo_halfcheetah_in_torch"),
        Claim("steps per second of PPO, ours (64 copies, minibatches of 1,024) against Stable-Baselines3 (8 copies, "
              "minibatches of 64, so about 16 times as many gradient steps)", "1×", "≥ 8×",
              "ppo_vs_sb3_recommended", "ppo_throughput", "x"),
        Claim("steps per second of PPO against Stable-Baselines3, both at Stable-Baselines3's setting", "1×", "≥ 3×",
              "ppo_vs_sb3_same", "ppo_throughput", "x"),
        Claim("steps per second of PPO against SBX (JAX), both at Stable-Baselines3's setting", "1×", "≥ 1.5×",
              "ppo_vs_sbx_same", "ppo_throughput", "x"),
        Claim("share of the raw physics rate that training keeps", "–", "≥ 65 %",
              "physics_share", "ppo_throughput", "%"),
    )),
    Group("Speed of the simulation", "All cores, 64 copies (`AsyncVectorEnv`: 16, a process each), random actions.", (
        Claim("HalfCheetah against EnvPool", "1×", "≥ 1.05×", "engine_vs_envpool_halfcheetah", "engine", "x"),
        Claim("Ant against EnvPool", "1×", "≥ 1.05×", "engine_vs_envpool_ant", "engine", "x"),
        Claim("Humanoid against EnvPool", "1×", "≥ 1.05×", "engine_vs_envpool_humanoid", "engine", "x"),
        Claim("ANYmal C against the faster of gymnasium's `SyncVectorEnv` and `AsyncVectorEnv`", "1×", "≥ 2×",
              "engine_vs_gymnasium_anymal", "engine", "x"),
        Claim("HalfCheetah: share of the raw `mujoco.rollout` rate", "–", "≥ 85 %",
              "engine_share_of_raw", "engine", "%"),
        Claim("HalfCheetah against EnvPool, on a processor of AMD", "1×", "≥ 1.05×",
              "engine_vs_envpool_halfcheetah", "engine_amd", "x"),
        Claim("Ant against EnvPool, on a processor of AMD", "1×", "≥ 1.05×",
              "engine_vs_envpool_ant", "engine_amd", "x"),
        Claim("Humanoid against EnvPool, on a processor of AMD", "1×", "≥ 1.05×",
              "engine_vs_envpool_humanoid", "engine_amd", "x"),
        Claim("ANYmal C against `AsyncVectorEnv` alone, on a processor of AMD", "1×", "–",
              "engine_vs_async_anymal", "engine_amd", "x"),
        Claim("HalfCheetah: share of the raw `mujoco.rollout` rate, on a processor of AMD", "–", "≥ 85 %",
              "engine_share_of_raw", "engine_amd", "%"),
    )),
    Group("Liquid networks and the pole", "PPO. Solved: a mean return of 950 of 1,000, noise off.", (
        Claim("InvertedPendulum-v5, environment steps until solved, 32 LTC neurons", "32,000 (one seed)", "≤ 10,000",
              "ltc32_steps", "ltc_pendulum"),
        Claim("steps until solved, 16 neurons", "42,000 (one seed)", "≤ 10,000", "ltc16_steps", "ltc_pendulum"),
        Claim("steps until solved, 8 neurons", "48,000 (one seed)", "≤ 10,000", "ltc8_steps", "ltc_pendulum"),
        Claim("steps until solved, 8 neurons, again on another processor, with later code", "2,816", "not more",
              "ltc8_steps", "ltc_pendulum_again"),
        Claim("ratio of the steps until solved, 8 LTC neurons to 8 tanh neurons without memory", "about 3×", "≤ 1.0×",
              "ltc8_vs_mlp_steps", "ltc_pendulum", "x"),
        Claim("the same to 21 tanh neurons, which have as many parameters", "–", "–",
              "ltc8_vs_mlp_params_steps", "ltc_pendulum", "x"),
        Claim("training until solved, 8 LTC neurons", "hours", "≤ 30 s", "ltc8_seconds", "ltc_pendulum", "s"),
        Claim("smallest LTC with which every seed solves it", "5", "≤ 3", "smallest_ltc", "ltc_pendulum"),
        Claim("InvertedPendulum-v5 with hidden velocities, return of an LTC", "not solved in 10 h", "≥ 950",
              "masked_ltc_return", "masked_pendulum"),
        Claim("InvertedPendulum-v5 with hidden velocities, network without memory", "–", "≤ 300",
              "masked_mlp_return", "masked_pendulum"),
        Claim("HalfCheetah-v5 with hidden velocities, 1.2M steps: return of an LTC", "–", "above the next row",
              "cheetah_masked_ltc_return", "masked_pendulum"),
        Claim("HalfCheetah-v5 with hidden velocities, 1.2M steps: network without memory", "–", "–",
              "cheetah_masked_mlp_return", "masked_pendulum"),
        Claim("HalfCheetah-v5 with hidden velocities, 3M steps: LTC that is slow from the start, with feedthrough",
              "–", "above the network without memory", "cheetah_masked_long_ltc_return", "masked_pendulum"),
        Claim("HalfCheetah-v5 with hidden velocities, 3M steps: GRU with feedthrough", "–", "–",
              "cheetah_masked_long_gru_return", "masked_pendulum"),
        Claim("HalfCheetah-v5 with hidden velocities, 3M steps: network without memory", "–", "–",
              "cheetah_masked_long_mlp_return", "masked_pendulum"),
        Claim("HalfCheetah-v5 with hidden velocities, 3M steps: the LTC's return over that without memory", "–", "–",
              "cheetah_masked_long_ltc_vs_mlp", "masked_pendulum", "x"),
        Claim("HalfCheetah-v5 with hidden velocities, 3M steps: the GRU's return over that without memory", "–", "–",
              "cheetah_masked_long_gru_vs_mlp", "masked_pendulum", "x"),
        Claim("steps per second of recurrent PPO (the slower of LTC 32 and GRU 32; minibatches of 1,024) against "
              "sb3-contrib's (LSTM 32; its defaults, minibatches of 128)",
              "1×", "≥ 10×", "recurrent_vs_sb3_contrib", "recurrent_speed", "x"),
    )),
    Group("Speed of the cells", "Forward and backward, one core.", (
        Claim("synaptic LTC against `ncps`, 64 steps, 8 neurons", "1×", "≥ 10×", "cell_vs_ncps_8", "cells", "x"),
        Claim("synaptic LTC against `ncps`, 64 steps, 32 neurons", "1×", "≥ 10×", "cell_vs_ncps_32", "cells", "x"),
        Claim("RK4 through a cell against `torchdiffeq`, 8 neurons", "1×", "≥ 3×",
              "cell_vs_torchdiffeq_8", "cells", "x"),
        Claim("RK4 through a cell against `torchdiffeq`, 32 neurons", "1×", "≥ 3×",
              "cell_vs_torchdiffeq_32", "cells", "x"),
    )),
    Group("ANYmal C, a quadruped", "PPO, one core for each run (in PyTorch: two). The sprint is the task of a project "
          "that this course grew out of: about 500 points for each metre in 8 s. Standing still earns about 440. 5,925 "
          "is the best running mean of that project. The two recipes are described below the tables.", (
        Claim("sprint: time until 5,925 without noise, network without memory", "20.3 h, with noise; a return of "
              "179 without",
              "≤ 8 min", "sprint_minutes_to_5925", "anymal_sprint", "min"),
        Claim("sprint: return at the end, within 30 min", "–", "≥ 20,000", "sprint_return_30min", "anymal_sprint"),
        Claim("sprint: share that survives all 8 s", "21 %, with noise", "≥ 95 %",
              "sprint_survival", "anymal_sprint", "%"),
        Claim("sprint, entropy bonus that stays, 3.5M steps: return at the end", "–", "–",
              "sprint_constant_return", "anymal_sprint"),
        Claim("sprint, entropy bonus that stays, 3.5M steps: share that survives all 8 s", "–", "–",
              "sprint_constant_survival", "anymal_sprint", "%"),
        Claim("the same, seeds 0 to 2 with gradient steps in PyTorch: return at the end", "–", "–",
              "sprint_constant_return", "anymal_sprint_in_torch"),
        Claim("the same, seeds 0 to 2 with gradient steps in PyTorch: share that survives all 8 s", "–", "–",
              "sprint_constant_survival", "anymal_sprint_in_torch", "%"),
        Claim("sprint with 32 LTC neurons: return within 60 min", "–", "≥ 5,925", "sprint_ltc_return", "anymal_sprint"),
        Claim("walking at 0.5 to 1 m/s: error of the speed", "–", "≤ 0.15 m/s",
              "walk_tracking_error", "anymal_walk", "m/s"),
        Claim("walking backward at 0.25 to 0.5 m/s: error of the speed", "–", "≤ 0.15 m/s",
              "walk_backward_error", "anymal_walk", "m/s"),
        Claim("walking sideways at 0.2 to 0.3 m/s: error of the speed", "–", "–",
              "walk_sideways_error", "anymal_walk", "m/s"),
        Claim("walking: share that survives a push of 50 N for 0.2 s", "–", "≥ 90 %",
              "push_survival", "anymal_walk", "%"),
        Claim("walking, fine-tuned: share that gets over a step of 15 cm", "–", "≥ 80 %",
              "step_crossed", "anymal_walk", "%"),
        Claim("walking at 0.5 to 1 m/s with 32 LTC neurons: error of the speed", "–", "–",
              "ltc_walk_tracking_error", "anymal_walk", "m/s"),
        Claim("walking backward with 32 LTC neurons: error of the speed", "–", "≤ 0.15 m/s",
              "ltc_walk_backward_error", "anymal_walk", "m/s"),
        Claim("walking sideways with 32 LTC neurons: error of the speed", "–", "–",
              "ltc_walk_sideways_error", "anymal_walk", "m/s"),
        Claim("walking with 32 LTC neurons, fine-tuned: share that gets over a step of 15 cm", "–", "–",
              "ltc_step_crossed", "anymal_walk", "%"),
        Claim("walking backward, a network without memory that learns as long as the LTC, with its stages: error of "
              "the speed", "–", "–", "mlp_wider_walk_backward_error", "anymal_walk", "m/s"),
        Claim("walking sideways, the same network: error of the speed", "–", "–",
              "mlp_wider_walk_sideways_error", "anymal_walk", "m/s"),
        Claim("a sweep of 50 short trials on the sprint (120,000 steps each, most stopped early)", "–", "≤ 60 min",
              "sweep_minutes", "anymal_sweep", "min"),
    )),
    Group("SAC and TD3 on HalfCheetah-v5", "256-256 units, batches of 256. Rates of updates: two cores, "
          "float32. How the returns came about is said below the tables.", (
        Claim("SAC updates per second, ours with 16 copies, against Stable-Baselines3 as it comes (one copy)", "1×",
              "–", "sac_updates_vs_sb3", "offpolicy_speed", "x"),
        Claim("TD3 updates per second, ours with 16 copies, against Stable-Baselines3 as it comes (one copy)", "1×",
              "–", "td3_updates_vs_sb3", "offpolicy_speed", "x"),
        Claim("SAC updates per second against Stable-Baselines3, both with one copy", "1×", "≥ 2.5×",
              "sac_updates_vs_sb3_1_copy", "offpolicy_speed", "x"),
        Claim("TD3 updates per second against Stable-Baselines3, both with one copy", "1×", "≥ 2.5×",
              "td3_updates_vs_sb3_1_copy", "offpolicy_speed", "x"),
        Claim("SAC updates per second, ours with 16 copies, against SBX (JAX) as it comes (one copy)", "1×", "≥ 1.5×",
              "sac_updates_vs_sbx", "offpolicy_speed", "x"),
        Claim("TD3 updates per second, ours with 16 copies, against SBX (JAX) as it comes (one copy)", "1×", "≥ 1.3×",
              "td3_updates_vs_sbx", "offpolicy_speed", "x"),
        Claim("SAC updates per second against SBX, both with 16 copies", "1×", "–",
              "sac_updates_vs_sbx_16_copies", "offpolicy_speed", "x"),
        Claim("SAC updates per second against SBX, both with one copy", "1×", "–",
              "sac_updates_vs_sbx_1_copy", "offpolicy_speed", "x"),
        Claim("SAC updates against the rate at which torch computes the matrix products alone", "–", "≥ 80 %",
              "sac_gemm_share", "offpolicy_speed", "%"),
        Claim("SAC: return after 15 min, divided by that of the best of SBX's SAC, TD3 and TQC", "1×", "≥ 1.5×",
              "sac_15min_vs_best_peer", "offpolicy_peers", "x"),
        Claim("SAC: return after 30 min, divided by that of Stable-Baselines3's SAC", "1×", "≥ 1.5×",
              "sac_30min_vs_sb3", "offpolicy_halfcheetah", "x"),
        Claim("SAC: return at equal settings after 115,000 steps, over that of Stable-Baselines3's SAC", "1×", "–",
              "sac_equal_vs_sb3", "offpolicy_halfcheetah", "x"),
        Claim("Ant-v5, SAC: return after 60 min on one core", "3,949 (Spinning Up's SAC, 1M steps)",
              "≥ 3,949, two cores", "ant_sac_60min", "offpolicy_ant"),
        Claim("SAC: return after 2.5M steps, within 4 h (the policy of seed 0 ships)",
              "12,090 (rl-zoo's TQC, v3, 1M steps, one run)", "≥ 12,090",
              "best_halfcheetah_return", "offpolicy_halfcheetah"),
    )),
    Group("Memory", "0 %: random actions. 100 %: SAC that sees everything. RSAC: SAC with a memory, an LSTM.", (
        Claim("pendulum that shows no rate, RSAC", "–", "≥ 90 %", "rsac_share_pendulum", "memory", "%"),
        Claim("pendulum that shows no rate, SAC without memory", "–", "≤ 60 %",
              "memoryless_share_pendulum", "memory", "%"),
        Claim("InvertedPendulum-v5 that shows no velocities, RSAC", "–", "≥ 90 %",
              "rsac_share_cartpole", "memory", "%"),
        Claim("InvertedPendulum-v5 that shows no velocities, SAC without memory", "–", "≤ 60 %",
              "memoryless_share_cartpole", "memory", "%"),
        Claim("car between heaven and hell, RSAC", "–", "≥ 90 %", "rsac_share_car", "memory", "%"),
        Claim("car between heaven and hell, SAC without memory", "–", "≤ 60 %", "memoryless_share_car", "memory", "%"),
        Claim("RSAC with LTC (twice the updates on two tasks) minus RSAC with LSTM, whose "
              "summarizers have at least four times the parameters, mean of the three tasks", "–",
              "interval holds 0", "ltc_vs_lstm", "memory", "+%"),
    )),
    Group("Neural dynamic policies", "Tabletop policies learn by trial and error. Their success rate is a mean over "
          "seeds, not a median.", (
        Claim("speed of a movement primitive in closed form against its Euler loop", "1×", "≥ 10×",
              "dmp_closed_form_speedup", "dmp", "x"),
        Claim("digits by new writers, error divided by a CNN's, all moments recorded", "0.07× (paper)", "≤ 0.2×",
              "ndp_vs_cnn_loss", "handwriting", "x"),
        Claim("digits by new writers, error divided by a CNN's, three moments of each demonstration recorded", "–", "–",
              "ndp_vs_cnn_loss_sparse", "handwriting", "x"),
        Claim("digits by new writers, error of the velocity divided by a CNN's, all moments recorded", "–", "–",
              "ndp_vs_cnn_velocity", "handwriting", "x"),
        Claim("throw a ball into a bin: neural dynamic policy", "–", "≥ the next two",
              "success_ndp_throw", "manipulation", "%"),
        Claim("throw a ball into a bin: PPO, one action at a time", "–", "–",
              "success_ppo_throw", "manipulation", "%"),
        Claim("throw a ball into a bin: PPO, five actions at a time", "–", "–",
              "success_ppo_multi_throw", "manipulation", "%"),
        Claim("throw a ball into a bin: neural dynamic policy of 32 LTC neurons, after half as many steps", "–", "–",
              "success_ndp_ltc_throw", "manipulation", "%"),
        Claim("lift a box: neural dynamic policy", "–", "≥ the next two", "success_ndp_pick", "manipulation", "%"),
        Claim("lift a box: PPO, one action at a time", "–", "–", "success_ppo_pick", "manipulation", "%"),
        Claim("lift a box: PPO, five actions at a time", "–", "–", "success_ppo_multi_pick", "manipulation", "%"),
        Claim("tabletop tasks, of five, on which the neural dynamic policy is as good as both", "–", "≥ 4",
              "ndp_wins", "manipulation"),
    )),
    Group("Robustness",
          "Nine policies of about equal size, seven of them also on HalfCheetah, under disturbances (notebook 10). "
          "H3 to H11 are differences of interquartile means, in percentage points of the undisturbed return. "
          "(H7 compares two sparse wirings of equal density, and counts the return, too.)", (
        Claim("hypotheses that are decided, one way or the other, of eight written down before the runs", "–", "≥ 6",
              "hypotheses_decided", "robustness"),
        Claim("least number of seeds behind a compared policy", "–", "≥ 10", "seeds_least", "robustness"),
        Claim("spread of the number of parameters among the policies compared in H1 to H5", "–", "≤ 5 %",
              "params_spread", "robustness", "%"),
        Claim("hypotheses of a second study with new seeds that are decided, of six", "–", "–",
              "second_study_decided", "second_study"),
        Claim("H9: share kept on HalfCheetah at twice and four times the control rate, LTC and CT-RNN that are told "
              "the length of a step, less GRU", "–", "–", "difference_H9", "second_study", "points"),
        Claim("H11: the same, LTC less CfC", "–", "–", "difference_H11", "second_study", "points"),
        Claim("H10: share kept on HalfCheetah with weaker motors, GRU less LTC", "–", "–",
              "difference_H10", "second_study", "points"),
        Claim("H3: share kept under observation noise, mean of HalfCheetah and the pole, LTC and CfC less GRU",
              "–", "–", "difference_H3", "second_study", "points"),
        Claim("H5: share kept on HalfCheetah under a delay of two steps, policies with memory less MLP", "–", "–",
              "difference_H5", "second_study", "points"),
        Claim("H7: return and share kept of LTCs on the pole on a cart, wiring of a neural circuit policy less random",
              "–", "–", "difference_H7", "second_study", "points"),
    )),
    Group("The course itself",
          "Counts, shares and times. A count has no interval. "
          "For checks, the last number counts answers or hints.", (
        Claim("ranges of what you should see that new seeds missed, all ten notebooks", "–", "0",
              "ranges_failed", "ranges"),
        Claim("the same with another seed, of the notebooks as they are now", "–", "0",
              "ranges_failed", "ranges_again"),
        Claim("wrong answers that an exercise's check accepts, hand-written and made by mutation", "–", "0",
              "wrong_accepted", "checks"),
        Claim("right answers in another form that a check rejects", "–", "0", "right_rejected", "checks"),
        Claim("hints on wrong values that neither name the mistake nor show input, answer and expected value",
              "–", "≤ 20 %", "hints_generic_share", "checks", "%"),
        Claim("explorer of notebook 07, a neuron is held: time in Python until the replayed episode is drawn",
              "–", "≤ 0.5 s", "explorer_replay_seconds", "views", "s"),
        Claim("gradient lab of notebook 03, a slider is moved: time in Python until the figure is drawn", "–", "≤ 1 s",
              "lab_seconds", "views", "s"),
    )),
    Group("Classroom and web site",
          "Counts, one run each. Seconds of grading are processor time, of building by the clock.", (
        Claim("simulated students, of five (right, nothing, wrong, cheating, careless), who get the right points in "
              "every notebook, through nbgrader", "redefining `check` gave full marks", "5", "students_graded_right",
              "classroom"),
        Claim("cells after an exercise that hold its answer", "–", "0", "leaks", "classroom"),
        Claim("grading one submission, of the notebook that takes longest", "–", "≤ 60 s", "autograde_cpu_seconds",
              "classroom", "s"),
        Claim("pages of the site", "–", "–", "pages", "website"),
        Claim("errors that pages write to the browser's console", "–", "0", "console_errors", "website"),
        Claim("links that lead nowhere", "–", "0", "broken_links", "website"),
        Claim("serious violations of accessibility, found by axe-core", "–", "0", "axe_serious", "website"),
        Claim("building the site", "–", "≤ 180 s", "build_seconds", "website", "s"),
    )),
    Group("Live player", "One run each; a range is over the repeated measurements in it. Headless Chromium, OpenGL in "
          "software, two cores. mjswan, the nearest peer, plays ONNX policies in the browser and shows no neurons.", (
        Claim("shipped policies that act as in Python, to 1e-5", "–", "100 %", "policies_equal", "live", "%"),
        Claim("their tasks with the same observations (to 1e-6) and rewards (to 1e-5) "
              "as in Python", "–", "100 %", "tasks_equal", "live", "%"),
        Claim("robots on which each policy's mean return of 20 episodes lies in the interval "
              "measured in Python", "–", "100 %",
              "closed_loop_inside", "live", "%"),
        Claim("physics and policy of ANYmal, times real time", "–", "≥ 3", "anymal_real_time_factor", "live"),
        Claim("physics and policy of HalfCheetah, times real time", "–", "≥ 10", "cheetah_real_time_factor", "live"),
        Claim("from asking for a page, with files on the same machine, to the first movement, slowest page",
              "–", "≤ 3 s", "first_motion_seconds", "live", "s"),
        Claim("from a push to the picture that shows it", "–", "≤ 100 ms", "input_to_picture_ms", "live", "ms"),
        Claim("frames a second of the ANYmal page, drawn in software", "–", "–", "frames_per_second", "live"),
        Claim("memory that a page gains in 10 minutes", "–", "flat", "memory_growth_mb", "live", "MB"),
        Claim("errors that pages write to the browser's console", "–", "0", "console_errors", "live"),
    )),
    Group("Bad input and crashes", "Counts of failures. The last number counts the cases "
          "tried. The numbers under “before” come from other scripts.", (
        Claim("random configs: errors without a sentence", "82 of 1,200", "0", "config_raw", "faults"),
        Claim("random configs: hangs", "6 of 1,200", "0", "config_hung", "faults"),
        Claim("damaged and forged policy files: errors without a sentence", "–", "0", "files_raw", "faults"),
        Claim("damaged policy files that load and act differently", "–", "0", "files_accepted_changed", "faults"),
        Claim("trainings, one of each algorithm, that differ from one never stopped after they were killed (kill -9) "
              "and resumed 30 times", "17 of 30 resumes (PPO with an LTC)", "0", "resumes_that_differ", "faults"),
    )),
)  # fmt: skip
CLAIMS = tuple(claim for group in GROUPS for claim in group.claims)


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


def notebook_table(root: Path = ROOT) -> str:
    """The region of the ten notebooks; a badge for those that exist."""
    lines = [BEGIN.format("notebooks"), "| | title | what happens | run it |", "|---|---|---|---|"]
    for i, (title, what) in enumerate(NOTEBOOKS, 1):
        found = sorted((root / "notebooks").glob(f"{i:02d}_*.ipynb"))
        badge = pairs.badge(found[0].stem, root) if found else "to come"
        lines.append(f"| {i:02d} | {title} | {what} | {badge} |")
    return "\n".join([*lines, END.format("notebooks")])


def number(value: float, unit: str) -> str:
    """A measured value as a reader wants it: 6,134 or 8.2× or 57 %."""
    if unit == "x":
        return f"{value:.3g}×"
    if unit == "+%":
        return f"{100 * value:+.1f} %".replace("+0.0", "0.0").replace("-0.0", "0.0")
    if unit == "points":
        return f"{100 * value:+.1f} points"
    if unit == "%":
        return f"{100 * value:.0f} %"
    if unit == "min":
        return f"{value:.1f} min"
    if unit == "s":
        return f"{value:.2f} s"
    if unit == "m/s":
        return f"{value:.2g} m/s"
    if unit in ("ms", "MB"):
        return f"{value:,.0f} {unit}"
    return f"{value:,.0f}"


def missed(claim: Claim, value: float, low: float, high: float) -> bool:
    """Whether a target is a number that the value does not reach; other targets are words, and left to the reader."""
    if claim.target == "interval holds 0":
        return not low <= 0 <= high  # neither end is infinite there
    found = re.match(r"([≥≤]?) ?([\d,.]+)", claim.target)
    if not found:
        return False
    relation, wanted = found[1], float(found[2].replace(",", ""))
    value = 100 * value if claim.unit in ("%", "+%") else value
    return value < wanted if relation == "≥" else value > wanted if relation == "≤" else value != wanted


def row(claim: Claim, results: Path) -> str:
    """One line of the table; a claim without a result file says so."""
    path = results / f"{claim.file}.json"
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    claims = content.get("claims", {})
    if (value := claims.get(claim.key)) is None:  # infinite values are null in a file
        cells = ["not reached" if claim.key in claims else MISSING, "–", "–"]
    else:
        low, high = content["intervals"][claim.key]
        seeds = content.get("claim_seeds", {}).get(claim.key, content["seeds"])
        count = len(seeds) if isinstance(seeds, list) else seeds
        low_end, high_end = ("beyond" if end is None else number(end, claim.unit) for end in (low, high))
        said = f"{low_end} to {high_end}" if count >= 5 else f"range {low_end} to {high_end}"
        if low == high and count == 1:
            said = "one run"
        if claim.file in COUNTED or claim.key in COUNTED:
            said = "–"
        mark = " ✗" if missed(claim, value, low, high) else ""
        cells = [f"**{number(value, claim.unit)}**{mark}", said, str(count)]
    command = content.get("command") or f"python benchmarks/{claim.file}.py"
    command = command.removeprefix("python benchmarks/")
    return f"| {' | '.join([claim.title, claim.before, claim.target, *cells, f'`{command}`'])} |"


def table(results: Path = ROOT / "assets" / "results") -> str:
    """The region of the results, markers included: a table for each group."""
    lines = [BEGIN.format("results")]
    for group in GROUPS:
        lines += [f"### {group.title}", "", group.note, ""]
        lines += [
            "| claim | before | target | here, median | 95 % interval, or range | seeds or runs | script |",
            "|---|---|---|---|---|---|---|",
            *(row(claim, results) for claim in group.claims),
            "",
        ]
    return "\n".join([*lines[:-1], END.format("results")])


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
