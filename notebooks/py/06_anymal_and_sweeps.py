# %% [markdown]
# # ANYmal C and sweeps
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/liquid-control/liquid-control/blob/main/notebooks/06_anymal_and_sweeps.ipynb)
#
# A robot of 45 kg with twelve motors learns to run on two processor cores, while you watch. What it learns is what the
# reward pays for, which is not what you meant: you will see that in its torques, and change it. Then the robot is told
# where to walk, pushed, put on ground it has never seen, and steered by a liquid network. Along the way a sweep says
# which hyperparameters mattered, and you learn how far to believe it.

# %% [markdown]
# **You will be able to**
# 1. say what the robot's motors do with an action, and recognise a wrong gain;
# 2. take a return apart into metres, height and falls, and say what a gait owes to its exploration noise;
# 3. read a gait: contacts, torques, power, cost of transport; tell a gait that a real robot could do from one it could not;
# 4. design a reward as an experiment: predict what breaks when a term is dropped, and check it;
# 5. run a sweep that survives being killed, and read its importances with their intervals.
#
# **Before you start.** Notebook 02 (PPO) and notebook 04 (recurrent policies; only for the comparison at the end).
#
# **Time** on 2 cores: smoke (a test that every cell runs) under 1 minute; lite (the default) 10 to 15 minutes of
# computing, half of it one training; full about an hour.

# %% tags=["setup"]
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("course_lib") is None:  # a fresh machine, such as Colab: about a minute
    source = "liquid-control @ git+https://github.com/liquid-control/liquid-control"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--root-user-action=ignore", source]
    done = subprocess.run(pip, capture_output=True, text=True)
    if done.returncode:
        raise ImportError("course_lib could not be installed: " + done.stderr[-2000:])
    importlib.invalidate_caches()

import course_lib as cl

cl.setup()

# %% [markdown]
# ### Where we are going
# Sixteen copies of the robot under one policy. They differ by a few hundredths of a radian at the start.

# %%
from course_lib.lessons.nb06_crowd import army

steps = cl.budget(smoke=8, lite=250, full=250)
cl.show(army(cl.load("anymal_sprint_mlp"), n=16, steps=steps, width=480, height=270), title="sprint, no noise", crf=30)

# %%
shipped = cl.result("anymal_sprint")
rows, before = shipped["per_seed"], shipped["before"]
curves = {name: [row for row in rows if row["setting"] == name] for name in ("mlp", "ltc")}
cl.compare(curves, x="minutes", key="return_deterministic", individual=True, target=before["running_mean_noisy"])

# %% [markdown]
# *Look at* the thin lines: each is one seed, trained once, from scratch. The dotted line is what the student project
# that this notebook succeeds reported as its maximum. The next cell prints what that took, and what became of it when
# the noise was switched off.

# %%
for claim, value in shipped["claims"].items():
    low, high = shipped["intervals"][claim]
    print(f"{claim:28s} median {value:10,.2f}   95 % interval [{low:,.2f}, {high:,.2f}]")
print("seeds", shipped["seeds"], "·", shipped["machine"]["cores"], "cores ·", shipped["command"])
for fact, value in before.items():
    print(f"before: {fact.replace('_', ' ')} {value:,}")

# %% tags=["prelude"]
import copy
import tempfile
from functools import lru_cache
from pathlib import Path

import mujoco
import numpy as np
import torch
from scipy import integrate, stats

import course_lib as cl
from course_lib import viz
from course_lib.course.exercises import attempt, check, check_that
from course_lib.envs import BatchedEnv
from course_lib.envs.anymal.model import JOINTS, build
from course_lib.evaluation.returns import run_episodes
from course_lib.lessons import nb06_gait_figures as gait_figures
from course_lib.lessons import nb06_robot as robot_figures
from course_lib.lessons.nb06_crowd import army, march
from course_lib.lessons.nb06_gait import record_gait
from course_lib.policies.base import Policy

# %% [markdown]
# ## 1. The robot
#
# ANYmal C has four legs with three joints each: **HAA** moves the leg to the side, **HFE** forwards and backwards,
# **KFE** bends the knee. The numbers (masses, lengths, limits, motors, contacts) are those of MuJoCo Menagerie's model;
# the shapes that you see are the course's own.

# %%
tour = robot_figures.joint_tour(seconds=cl.budget(smoke=0.2, lite=2.4, full=2.4), width=240, height=200)
cl.show(tour, title="one kind of joint at a time, base held still")

# %%
model = build()
print(f"{model.body_mass.sum():.1f} kg, {model.nu} motors, {model.nq} positions, {model.nv} velocities")
for j, name in enumerate(JOINTS[:3]):
    low, high = np.degrees(model.jnt_range[1 + j])
    print(f"{name}: {low:6.0f}° to {high:4.0f}°, at most {model.actuator_forcerange[j, 1]:.0f} N m")

# %% [markdown]
# ### What an action means
# The policy does not choose torques. It chooses where each joint should be, and a spring pulls it there:
#
# $$\tau = \mathrm{clip}\bigl(k_p\,(q^* - q),\ \pm 80\ \mathrm{N\,m}\bigr), \qquad q^* = q_{\text{stance}} + 0.5\,a. \tag{6.1}$$
#
# (The joints themselves add some damping.) The target is new 50 or 100 times a second; the torque 500 times, because
# the spring answers to what the joint does in between. We build (6.1) by hand, on a model whose motors take torques,
# and let go of a crouching robot.

# %%
crouch = np.array([0.0, 0.4, -0.8] * 2 + [0.0, -0.4, 0.8] * 2)


def stand(kp, hertz=500, seconds=2.0):
    """Hold the crouch by eq. (6.1), torques renewed `hertz` times a second -> states (T, 1 + 19 + 18)."""
    model = build(actuation="torque")
    data, states = mujoco.MjData(model), []
    data.qpos[2], data.qpos[7:] = 0.56, crouch
    for k in range(round(seconds * 500)):
        if k % (500 // hertz) == 0:
            data.ctrl[:] = np.clip(kp * (crouch - data.qpos[7:]), -80, 80)
        mujoco.mj_step(model, data)
        states.append(np.r_[data.time, data.qpos, data.qvel])
    return np.array(states)


# %% [markdown]
# *Predict.* Three robots: $k_p$ = 10 and 100 N m/rad, renewed 500 times a second, and $k_p$ = 1000, renewed 50 times.
# Which one sinks, which one stands, and what does the third do?

# %%
cases = {"kp 10, 500 Hz": stand(10), "kp 100, 500 Hz": stand(100), "kp 1000, 50 Hz": stand(1000, hertz=50)}
robot_figures.standing_figure(cases, target=crouch[2])

# %%
shown = cl.budget(smoke=50, lite=800, full=800)  # physics steps
clips = [robot_figures.film(model, states[:shown], width=240, height=200) for states in cases.values()]
cl.show(viz.montage(clips, list(cases)), title="let go of a crouching robot")

# %% [markdown]
# *Look at* the angle of the knee. *What you should see.* The weak spring gives way: the robot lies on the ground
# within half a second. At 100 it stands, a few centimetres lower than the targets say: without an error there is no
# torque, so a spring always sags under a load. The stiff spring gets its torque too late. By the time the torque is
# renewed the knee has passed its target, and each correction is larger than the last. In a log such a robot shows
# torques that jump between the two limits; on a real one you hear it.
#
# ### The ground
# Only the feet are meant to touch it. *Predict.* The force on one foot while the robot stands.

# %%
class Still(Policy):
    """A policy that asks for the stance."""

    def choose(self, obs, state, rng):
        return torch.zeros(len(obs), 12), state


still = record_gait(Still(obs_dim=46, act_dim=12), "AnymalSprint-v0", steps=cl.budget(smoke=60, lite=801, full=801))
print("normal force on each foot (N):", dict(zip(still.feet, still.forces[-1].round(1).tolist(), strict=True)))
print(f"together {still.forces[-1].sum():.1f} N, the weight is {still.mass * 9.81:.1f} N")

# %% [markdown]
# *What you should see.* A quarter of the weight on each, within a few newtons.

# %% [markdown]
# ## 2. The predecessor's reward
#
# The student project asked for speed. In each of the five physics steps $k$ of a control step the robot was paid its
# speed along $x$ and its height over half a metre, and fined for a fall, which ended the episode:
#
# $$r_t = \sum_{k=1}^{5} \Bigl[v_{x,k} + (z_k - 0.5)\Bigr] - 100 \cdot [\text{fall}]. \tag{6.2}$$
#
# A physics step lasts 0.002 s, and moves $x$ by $0.002\,v_x$. So the speeds of an episode add up to 500 for each metre:
#
# $$\sum_t r_t = 500 \cdot \text{metres} + \sum_{t,k} (z_{t,k} - 0.5) - 100 \cdot [\text{fall}]. \tag{6.3}$$
#
# *Predict.* What does a robot earn that stands still for all of its 8 s, at 0.61 m?

# %%
print(f"{len(still)} control steps, {still.qpos[-1, 0]:+.3f} m:", *[f"{name} {values.sum():.1f};" for name, values in still.terms.items()])

# %% [markdown]
# *What you should see* in the lite budget: about 440, all of it for height. Keep the number: a return below it is worse
# than doing nothing, and in the first minutes of training most are.
#
# ### Exercise 6.1: one step's reward (fill in)
# Write (6.2) from positions alone: $x$ and $z$ at the beginning of the control step and after each physics step.

# %% nbgrader={"grade": false, "grade_id": "ex-06-1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sprint_reward(x, z, fell):
    """x, z (6,) in m: before the control step, then after each of its five physics steps of 0.002 s; fell: bool -> eq. (6.2)."""
    ### BEGIN SOLUTION
    return (x[-1] - x[0]) / 0.002 + (z[1:] - 0.5).sum() - 100.0 * fell
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-06-1", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
#@title Check 6.1
def substep_by_substep(x, z, fell):  # the speeds one after the other, as the student project added them up
    total = -100.0 if fell else 0.0
    for k in range(1, 6):
        total += (x[k] - x[k - 1]) / 0.002 + z[k] - 0.5
    return total


def moving(seed, fell):
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.normal(0.004, 0.002, 6)), rng.uniform(0.44, 0.62, 6), fell


check(
    "6.1", "sprint_reward", oracle=substep_by_substep, cases=[moving(0, False), moving(1, True), moving(2, False)],
    mistakes={
        "that is the mean speed of the step, once; the student project paid it in each of the five physics steps":
            lambda x, z, fell: (x[-1] - x[0]) / 0.01 + (z[1:] - 0.5).sum() - 100.0 * fell,
        "the height is paid after each physics step, five times": lambda x, z, fell: (x[-1] - x[0]) / 0.002 + z[-1] - 0.5 - 100.0 * fell,
        "the first entry is from before the step: five heights are paid, not six":
            lambda x, z, fell: (x[-1] - x[0]) / 0.002 + (z - 0.5).sum() - 100.0 * fell,
        "height counts above half a metre": lambda x, z, fell: (x[-1] - x[0]) / 0.002 + z[1:].sum() - 100.0 * fell,
        "a fall is fined once, not in each physics step": lambda x, z, fell: (x[-1] - x[0]) / 0.002 + (z[1:] - 0.5).sum() - 500.0 * fell,
        "the fine for a fall is missing": lambda x, z, fell: (x[-1] - x[0]) / 0.002 + (z[1:] - 0.5).sum(),
    },
)

# %% [markdown]
# Now read (6.3) backwards: a return tells how far the robot came. For the shipped policies, without noise:

# %%
for row in rows:
    metres = (row["return_deterministic"] - 440) / 500  # about: a runner's height differs from a standing robot's
    print(f"{row['setting']:6s} seed {row['seed']}: return {row['return_deterministic']:8,.0f}, so about {metres:5.1f} m in 8 s")

# %% [markdown]
# ### A gait that lives off its noise
# The predecessor's best policy, evaluated without noise, falls at once: its return is the one printed at the top,
# below that of standing still. Nothing was broken. PPO maximises the mean return of the policy *with* its noise,
#
# $$J(\mu, \sigma) = \mathbb{E}_{\varepsilon\sim\mathcal N(0,1)}\bigl[g(\mu + \sigma\varepsilon)\bigr], \tag{6.4}$$
#
# and nothing in $J$ asks what $g(\mu)$ is. The noise there never fell below 0.7 rad, and only noisy episodes were ever
# looked at. A toy: a motor with friction, which moves only if it is told more than 1,
# $g(a) = \mathrm{sign}(a)\,\max(|a| - 1, 0)$.
#
# *Predict.* The mean action is 0.5, the noise 0.6. Does the motor move, on average?

# %% tags=["prelude"]
def dead_zone(a):
    """What a motor with friction makes of a command (any shape)."""
    return np.sign(a) * np.maximum(np.abs(a) - 1.0, 0.0)


# %%
robot_figures.noise_figure(dead_zone, sigmas=(0.0, 0.3, 0.6, 1.0))

# %% [markdown]
# *What you should see.* Without noise a flat line up to 1. With noise the flat part is gone: half of a small mean gets
# through, because now and then the noise lifts it over the edge. (Engineers add such noise on purpose, and call it
# dither.) A policy trained with much noise may rest in the flat part all the time, and stops when the noise does.
#
# ### Exercise 6.2: through the dead zone (a derivation, checked numerically)
# Compute (6.4) for this $g$. A hint: with $\varphi$ and $\Phi$ the standard normal's density and distribution function,
# $L(z) = \mathbb{E}[\max(\varepsilon - z, 0)] = \varphi(z) - z\,(1 - \Phi(z))$. The check integrates numerically.

# %% nbgrader={"grade": false, "grade_id": "ex-06-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def noisy_output(mean, sigma):
    """μ and σ > 0, numbers -> E[g(μ + σ ε)] of the dead zone; `stats.norm.pdf` and `.cdf` are φ and Φ."""
    ### BEGIN SOLUTION
    def loss(z):
        return stats.norm.pdf(z) - z * (1 - stats.norm.cdf(z))

    return sigma * (loss((1 - mean) / sigma) - loss((1 + mean) / sigma))
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-06-2", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 6.2
def by_integral(mean, sigma):
    edges = [(-1 - mean) / sigma, (1 - mean) / sigma]  # where g has its corners
    return integrate.quad(lambda e: dead_zone(mean + sigma * e) * stats.norm.pdf(e), -12, 12, points=edges, limit=200)[0]


def L(z):
    return stats.norm.pdf(z) - z * (1 - stats.norm.cdf(z))


check(
    "6.2", "noisy_output", oracle=by_integral, cases=[(0.5, 0.6), (-0.3, 1.0), (1.4, 0.2), (0.0, 0.5)],
    mistakes={
        "that is g(μ): the noise was averaged before g, not after": lambda m, s: float(dead_zone(m)),
        "only the upper edge: noise also falls below -1, and there g is negative": lambda m, s: s * L((1 - m) / s),
        "both edges pull the same way: below -1 g is negative, so that part is subtracted": lambda m, s: s * (L((1 - m) / s) + L((1 + m) / s)),
        "the factor σ is missing: μ + σ ε - 1 = σ (ε - (1 - μ) / σ)": lambda m, s: L((1 - m) / s) - L((1 + m) / s),
        "upside down: the edge at +1 is reached at ε = (1 - μ) / σ": lambda m, s: s * (L((1 + m) / s) - L((1 - m) / s)),
    },
)

# %% [markdown]
# Does a shipped policy live off its noise too? We scale its σ and evaluate. *Predict.* The return without noise,
# against that with the noise of training, against twice as much.

# %%
episodes = cl.budget(smoke=2, lite=20, full=50)


def with_noise(policy, scale):
    """Returns (episodes,) with the policy's σ multiplied by `scale`."""
    noisy = copy.deepcopy(policy)
    noisy.log_std.data += np.log(max(scale, 1e-6))
    envs = cl.make("AnymalSprint-v0", episodes, seed=1, **policy.env_options)
    return run_episodes(noisy, envs, deterministic=False, seed=1).returns


sprinter = cl.load("anymal_sprint_mlp")
scales = cl.budget(smoke=(0, 1), lite=(0, 0.5, 1, 1.5, 2, 3), full=(0, 0.5, 1, 1.5, 2, 3))
answers = {"shipped sprint": {scale: with_noise(sprinter, scale) for scale in scales}}
gait_figures.dose_figure(answers, "noise, as a multiple of that in training", "return", mark=1)

# %% [markdown]
# *What you should see.* The highest return at 0, falling to the right: at the noise of its training a good part is gone.
# This policy does not need its noise, it bears it. (The settings pay a bonus for entropy, which keeps σ up. It finds
# gaits; between 0 and 1 you see what it costs.) *And during training?*

# %%
def as_curves(key):
    """The shipped MLP rows with one of their curves, under one name."""
    mine = [row["curve"] for row in rows if row["setting"] == "mlp"]
    return [{"env_steps": curve["env_steps"], "return": curve[key]} for curve in mine]


cl.compare({"noise off": as_curves("return_deterministic"), "noise on": as_curves("return_mean")}, key="return")

# %% [markdown]
# *Look at* which curve is above. "Noise on" also lags: it is a mean over the last 100 episodes. Measure what you
# will use: a robot is sent out without its noise, so episodes without noise decide, in every table of this course.

# %% [markdown]
# ## 3. Training, live
#
# Draw the curve you expect: three points (steps, return). An untrained policy falls within a second; standing still
# earns about 440.

# %%
prediction = [(100_000, 200), (500_000, 1000), (1_000_000, 3000)]

# %% [markdown]
# ■ stops it and keeps what was learnt. If you would rather not wait, the cells below work with
# `run = cl.load("anymal_sprint_mlp")` as well, all but the curves.

# %%
envs = cl.make("AnymalSprint-v0", num_envs=64, seed=7, reset_noise=0.05)
agent = cl.PPO(envs, cl.PPOConfig.recommended("AnymalSprint-v0", seed=7))
run = cl.train(agent, cl.budget(smoke=8_192, lite=1_000_000, full=5_000_000), live=True)

# %%
viz.prediction_overlay(viz.learning_curve(run), prediction)

# %% [markdown]
# *Look at* the height of 440: where the curve crosses it, the robot has stopped falling and begun to travel. *What
# you should see* in the lite budget: it crosses within the first tenth, and ends above 3,000. KL begins below 0.05 and
# falls with the learning rate; entropy *rises*, that is the bonus. Runs of this length differ much between seeds; yours
# is one.

# %%
cl.evaluate(run, episodes=cl.budget(smoke=2, lite=20, full=50))

# %%
steps = cl.budget(smoke=8, lite=250, full=250)
cl.show(army([run, sprinter], n=8, steps=steps, names=("yours", "shipped"), width=480, height=270), title="4 + 4 robots", crf=30)

# %% [markdown]
# Pale robots have fallen: their episode is over.

# %% [markdown]
# ## 4. Reading a gait
#
# An episode of the shipped policy, replayed physics step by physics step. First, which foot stands when:

# %%
sprint = record_gait(sprinter, seed=1, steps=cl.budget(smoke=150, lite=400, full=400))
gait_figures.gait_figure(sprint, start=0.5, seconds=2.0)

# %%
frames = army(sprinter, n=1, slow=5, steps=cl.budget(smoke=2, lite=100, full=100), width=400, height=260)
cl.show(frames, title="the same gait, one robot", crf=30)

# %% [markdown]
# *Look at* the bars: a foot's share of time on the ground is its duty factor. *What you should see.* Duty factors
# below one half, and moments in which no foot stands, when the force below drops to nothing: that makes it running.
# The ground answers with several times the weight at each landing.
#
# ### Exercise 6.3: name the gait (fill in)
# Gaits are told apart by *when in the stride* each foot comes down. Compute for each foot the share of a stride by
# which it comes down after the left front foot: 0 for together, 0.5 for opposite.

# %% nbgrader={"grade": false, "grade_id": "ex-06-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def phases(contacts):
    """contacts (T, 4) bool, feet LF, RF, LH, RH -> (4,) in [0, 1): the mean lag behind LF's touchdowns, in strides."""
    down = [np.flatnonzero(~c[:-1] & c[1:]) + 1 for c in contacts.T]  # steps in which each foot comes down
    ### BEGIN SOLUTION
    angles = []
    for foot in down:
        shares = []
        for begin, end in zip(down[0][:-1], down[0][1:], strict=True):  # from one touchdown of LF to the next: a stride
            inside = foot[(foot >= begin) & (foot < end)]
            shares += [(inside[0] - begin) / (end - begin)] if len(inside) else []
        angles.append(np.angle(np.mean(np.exp(2j * np.pi * np.array(shares)))))  # 0.98 and 0.02 lie around 0
    return np.array(angles) / (2 * np.pi) % 1.0
    ### END SOLUTION


# %% tags=["prelude"]
GAITS = {  # lags of LF, RF, LH, RH as gaits of animals have them
    "trot (diagonal pairs)": (0, 0.5, 0.5, 0),
    "pace (left, right)": (0, 0.5, 0, 0.5),
    "bound (front, hind)": (0, 0, 0.5, 0.5),
    "pronk (all at once)": (0, 0, 0, 0),
    "walk (one by one)": (0, 0.5, 0.75, 0.25),
}


def name_of(lags):
    """The nearest of `GAITS`, and how far it is on average, in strides."""
    apart = {name: np.abs((lags - np.array(ideal) + 0.5) % 1 - 0.5).mean() for name, ideal in GAITS.items()}
    best = min(apart, key=apart.get)
    return f"{best}, {apart[best]:.2f} strides off"


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-06-3", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 6.3
def pattern(lags, stride=20, duty=0.4, strides=6):
    begins = np.rint(np.array(lags) * stride).astype(int) - 2
    return (np.arange(stride * strides)[:, None] - begins) % stride < duty * stride


def by_fourier(contacts):  # another road: the phase of each foot's oscillation at the stride frequency
    spectrum = np.fft.fft(contacts - contacts.mean(0), axis=0)
    wave = spectrum[np.argmax(np.abs(spectrum[: len(contacts) // 2, 0]))]
    return (np.angle(wave[0]) - np.angle(wave)) / (2 * np.pi) % 1.0


def apart(f, case, scale=1.0, sign=1.0):
    return np.abs((sign * np.asarray(f(case), float) / scale - by_fourier(case) + 0.5) % 1 - 0.5).max()


trot, walk = pattern((0, 0.5, 0.5, 0)), pattern((0, 0.5, 0.75, 0.25))
gallop = pattern((0, 0.15, 0.55, 0.7), stride=40)
check_that(
    "6.3", "phases",
    ("four numbers are expected, one a foot", lambda f: np.shape(f(trot)) == (4,)),
    ("that is in control steps; divide by the length of the stride", lambda f: apart(f, gallop, scale=40.0) > 0.02),
    ("the sign: a foot that comes down a quarter of a stride AFTER LF has 0.25, not 0.75", lambda f: apart(f, gallop, sign=-1.0) > 0.02),
    ("lags are shares of a stride, at least 0 and below 1", lambda f: all(0 <= p < 1 for p in f(gallop))),
    ("the right lags in a wrong order: the feet are LF, RF, LH, RH",
        lambda f: apart(f, gallop) < 0.02 or not np.allclose(np.sort(f(gallop)), np.sort(by_fourier(gallop)), atol=0.02)),
    ("the lags of a made-up gait are not found yet", lambda f: max(apart(f, c) for c in (trot, walk, gallop)) < 0.02),
    right="trot, walk and a gallop are told apart",
)

# %%
lags = attempt(phases, sprint.contacts)
print("not done yet" if lags is None else f"shipped sprint: lags {lags.round(2)}, nearest to a {name_of(lags)}")

# %% [markdown]
# *What you should see.* No clean name, as a rule: a reward that asks for speed alone does not ask for symmetry.
#
# ### What it costs
# Power is torque times joint rate. To compare robots of different weight and speed, divide it by both:
#
# $$\mathrm{CoT} = \frac{P}{m\,g\,v}, \qquad P = \sum_j \max(\tau_j \dot q_j, 0). \tag{6.5}$$
#
# *Predict.* Which joints do most of the work, and how near to 80 N m do they come?

# %%
gait_figures.torque_figure(sprint, start=1.0, seconds=0.6)

# %%
gait_figures.joint_figure({"sprint": sprint})

# %%
for name, value in sprint.measures().items():
    print(f"{name:22s} {value:9.3f}")

# %% [markdown]
# *What you should see.* Knees that jump from one limit to the other, several kilowatts, and a cost of transport of
# two or more. A walking robot of this kind needs a few hundred watts. Nothing in (6.2) speaks of torque, so it is
# free. It is a correct answer to the wrong question: no real ANYmal could run like this, and no battery would want
# to.

# %% [markdown]
# ## 5. Reward design is an experiment
#
# `AnymalC-v0` asks another question: walk *as you are told*, head first, for 20 s, at 50 Hz. The command (forward,
# left, turning) changes every few seconds, somebody pushes, and each copy of the robot has its own grip, load and
# stiffness. The reward has many terms:
#
# $$r_t = \sum_i w_i\,\phi_i, \qquad \phi_{\text{velocity}} = 1 - \frac{\lVert v - v^*\rVert}{1\ \mathrm{m/s}}, \quad
# \phi_{\text{energy}} = \sum_j |\tau_j \dot q_j|, \ \dots \tag{6.6}$$

# %%
walker = cl.load("anymal_walk_mlp")
print(*[f"{name} {weight:g}" for name, weight in cl.make_task("AnymalC-v0", **walker.env_options).weights.items()], sep=", ")

# %% [markdown]
# (`help(cl.make_task("AnymalC-v0"))` says what each one measures. All but the last two count per second.)
#
# ### The shape of a term
# Most published rewards pay tracking by $\exp(-\lVert v - v^*\rVert^2 / 0.25)$. *Predict.* A robot that stands, told to
# walk at 1 m/s. What does each shape pay it for the first 0.1 m/s? (To try costs something in any case: effort, and
# stumbles.)

# %%
for told in (0.5, 1.0, 1.5):
    by_square = [np.exp(-((told - v) ** 2) / 0.25) for v in (0.0, 0.1)]
    linear = [1 - abs(told - v) for v in (0.0, 0.1)]
    print(f"told {told} m/s: exponential pays {by_square[1] - by_square[0]:.3f} more, linear {linear[1] - linear[0]:.3f} more")

# %% [markdown]
# *What you should see.* Near the command the exponential is steep. Far from it, it is flat: the first step does not
# pay for its costs, and standing still is a local optimum. With thousands of copies some stumble over the edge; with
# the 64 here training stood still, and the linear shape made it walk.
#
# ### Term by term
# Every environment hands the terms out one by one (`infos["reward_…"]`). *Predict.* Which is the largest, and which
# are never felt?

# %%
walk = record_gait(walker, seed=5, steps=cl.budget(smoke=120, lite=500, full=500))
gait_figures.terms_figure(walk)

# %% [markdown]
# *Look at* the sums on the right. *What you should see.* Following the command pays nearly everything, the penalties
# take a little each. A term whose sum is a hundredth of the largest may still decide how the robot moves, if it is the
# only one that speaks of its subject. Or it decides nothing: that is what the next experiment asks.

# %%
gait_figures.tracking_figure({"MLP": walk})

# %%
gait_figures.joint_figure({"sprint": sprint, "walk": walk})

# %% [markdown]
# *What you should see.* The thick line follows the black one within a second of each change. The knees do
# less than a fifth of the sprint's work. The cost of transport is lower by less than that, for the way is shorter too.
# (Try `seed=3`: told to walk backwards, this policy mostly stands. The shipped claims are about walking ahead.)
#
# ### Drop a part, watch what breaks
# The shipped walker was trained on, five times over with other weights: all as they were; without `velocity`; without
# `yaw_rate`; without *effort* (torque, energy and smoothness at once, for they speak of the same thing and can stand
# in for each other); and with ten times the price on effort. You guess before you look.

# %% tags=["prelude"]
MEASURES = ("tracking_error_m_s", "turning_error_rad_s", "power_W", "action_change")
CHANGED = ("no velocity", "no yaw_rate", "10 x effort")


@lru_cache
def growth(change):
    """measure -> its median after `change` divided by its median with all weights as they were, in the shipped runs."""
    runs = cl.result("anymal_rewards")["per_seed"]

    def middle(setting, measure):
        return np.median([row["measures"][measure] for row in runs if row["setting"] == setting])

    return {m: middle(change, m) / middle("all as it was", m) for m in MEASURES}


# %% [markdown]
# ### Exercise 6.4: what grows? (an experiment with a hypothesis)
# For `no velocity`, `no yaw_rate` and `10 x effort`, name the measure that you expect to *grow* most, as a ratio:
# `tracking_error_m_s` (of the speed), `turning_error_rad_s`, `power_W` or `action_change` (from one decision to the
# next).

# %% nbgrader={"grade": false, "grade_id": "ex-06-4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def what_grows():
    """-> {"no velocity": measure, "no yaw_rate": measure, "10 x effort": measure}"""
    ### BEGIN SOLUTION
    return {change: max(growth(change), key=growth(change).get) for change in CHANGED}  # that is: by looking
    ### END SOLUTION


# %%
rewards = cl.result("anymal_rewards")
print(rewards["command"], "·", len(rewards["seeds"]), "seeds ·", f"{rewards['config']['steps']:,} steps each")
gait_figures.dropped_figure(rewards["per_seed"], MEASURES, baseline="all as it was")

# %% [markdown]
# *Look at* the dotted line in each column: all as it was. A dot is a seed. Where dots of a row and of the first mix, the
# change did nothing that this measure can see in so short a time. *What you should see.* Without `velocity` the robot
# misses its speed by more, in every seed, and turns *better*: the two terms had competed. Without `yaw_rate` it is the
# other way round. Without effort the seeds differ more than the rows. Ten times the price on effort: power and
# changes fall, and the robot misses its speed. It saves by staying behind.
#
# **A habit outlives the term that taught it.** With a third of the learning rate and one term dropped at a time (energy
# alone, smoothness alone, orientation alone) next to nothing moved: the other terms pay for the same gait. So "nothing
# broke" does not say that a term was useless from the start; the table at the end of this notebook has two that were
# not.

# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-06-4", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 6.4
def missed(f):
    """Changes whose measure was not named."""
    return [change for change in CHANGED if f()[change] != max(growth(change), key=growth(change).get)]


check_that(
    "6.4", "what_grows",
    ("give a dict with the three changes and one measure each",
        lambda f: isinstance(f(), dict) and set(f()) == set(CHANGED) and set(f().values()) <= set(MEASURES)),
    ("the row without velocity: which measure did grow most there?", lambda f: "no velocity" not in missed(f)),
    ("the row without yaw_rate: which measure did grow most there?", lambda f: "no yaw_rate" not in missed(f)),
    ("the row of ten times the effort: power and changes fell. What did the robot save on?", lambda f: "10 x effort" not in missed(f)),
    right="as the runs have it. Which of them surprised you?",
)

# %% [markdown]
# ### Your own walker
# Going on from a policy: the same weights, a fresh optimiser, another reward. Choose weights, say beforehand what will
# change, and look.

# %%
def go_on(policy, steps, weights):
    """Train a copy of `policy` on under changed weights of the reward -> run."""
    options = policy.env_options
    envs = cl.make(policy.env_id, 64, seed=5, **{**options, "weights": {**options.get("weights", {}), **weights}})
    config = cl.PPOConfig.from_dict({**policy.header["config"], "learning_rate": 3e-4, "seed": 5})
    return cl.train(cl.PPO(envs, config, policy=policy), steps, live=True)


steps = cl.budget(smoke=4_096, lite=200_000, full=1_000_000)
changed = go_on(walker, steps, weights={"energy": -1e-3})

# %%
def middle(policy, seeds=cl.budget(smoke=(5,), lite=(5, 6, 7, 8), full=range(5, 15))):
    """Medians of the measures over episodes without pushes."""
    found = [record_gait(policy, "AnymalC-v0", seed=s, steps=len(walk), push_force=0.0).measures() for s in seeds]
    return {measure: np.median([f[measure] for f in found]) for measure in MEASURES}


before_change, after_change = middle(walker), middle(changed)
for measure in MEASURES:
    print(f"{measure:20s} shipped {before_change[measure]:8.3f}   yours {after_change[measure]:8.3f}")

# %% [markdown]
# *What you should see* in the lite budget: a power below the shipped one. The robot may follow less well:
# it is cheaper to stay behind. (One seed, few episodes: before you believe it, ask again.)

# %% [markdown]
# ## 6. Pushed, and at another rate
#
# A second policy walks by the same reward: a liquid network of at most 32 neurons. Both were pushed with 50 N in
# training.

# %%
walkers = {"MLP": walker, "LTC": cl.load("anymal_walk_ltc")}
pushed = dict(seed=4, steps=cl.budget(smoke=130, lite=220, full=220), command=(0.7, 0, 0), push_at=2.0, push_force=100.0)
gait_figures.push_figure({name: record_gait(policy, **pushed) for name, policy in walkers.items()})

# %%
def survive(policy, **options):
    """True or False for each of many robots: still up 4 s after the push."""
    many, steps = cl.budget(smoke=(2, 120), lite=(40, 300), full=(100, 300))
    told = dict(command=(0.7, 0, 0), push_at=2.0, randomize=False)
    return march(policy, many, steps, seed=11, **{**told, **options}).running[-1]


forces = cl.budget(smoke=(0, 200), lite=(0, 50, 100, 150, 200, 300), full=(0, 50, 100, 150, 200, 250, 300, 400))
answers = {name: {force: survive(policy, push_force=float(force)) for force in forces} for name, policy in walkers.items()}
gait_figures.dose_figure(answers, "push for 0.2 s (N)", "share still up", mark=50)

# %% [markdown]
# *Look at* the bands: 95 % over the episodes of *one* trained policy. They say nothing about another seed of the
# same network. So this figure compares two policies, not two kinds of network. The benchmark has seeds:

# %%
walks = cl.result("anymal_walk")
print(walks["command"], "·", len(walks["seeds"]), "seeds")
for row in walks["per_seed"]:
    up = ", ".join(f"{force} N {share:4.0%}" for force, share in row["push_survival"].items())
    print(f"{row['setting']:4s} seed {row['seed']}: {row['parameters']:6,} parameters, tracking error {row['tracking_error']:.3f} m/s, up after {up}")

# %%
kinds = dict.fromkeys(row["setting"] for row in walks["per_seed"])
seeds = {kind: [row["push_survival"] for row in walks["per_seed"] if row["setting"] == kind] for kind in kinds}
answers = {kind: {float(force): [shares[force] for shares in seeds[kind]] for force in seeds[kind][0]} for kind in kinds}
gait_figures.dose_figure(answers, "push for 0.2 s (N)", "share still up, over seeds", mark=50)

# %% [markdown]
# *What you should see.* Nearly all stand 50 N, which they were trained with. What happens at twice and four times as
# much, nobody asked of them in training, and the seeds differ.
#
# ### Another rate
# Trained at 50 decisions a second. An LTC solves an equation in time, so it can be told that a step now lasts twice
# as long (`policy.dt`); an MLP has no notion of time. *Predict.* Does that help?

# %%
def returns_at(policy, hertz, clock=True):
    """Return a second of each episode with `hertz` decisions a second; clock: tell the policy how long a step lasts."""
    seconds = cl.budget(smoke=1, lite=8, full=20)
    task = cl.make_task("AnymalC-v0", command=(0.7, 0, 0), push_force=0.0, randomize=False)
    task.frame_skip, task.horizon = round(500 / hertz), round(seconds * hertz)
    policy = copy.deepcopy(policy)
    policy.dt = 50 / hertz if clock else 1.0
    return run_episodes(policy, BatchedEnv(task, episodes, seed=3), seed=3).returns / seconds


rates = cl.budget(smoke=(50,), lite=(20, 25, 50, 100), full=(12.5, 20, 25, 50, 100, 250))
answers = {name: {hertz: returns_at(policy, hertz) for hertz in rates} for name, policy in walkers.items()}
answers["LTC, not told"] = {hertz: returns_at(walkers["LTC"], hertz, clock=False) for hertz in rates}
gait_figures.dose_figure(answers, "decisions a second (Hz)", "reward a second", mark=50)

# %% [markdown]
# *Look at* where each line is highest, and how fast it falls to the left: there an old decision is used for longer. *What
# you should see.* The two LTC lines meet at 50 Hz, where the clock says what it said in training. Whether it helps
# elsewhere, the distance between the two says, for this one policy. Notebook 10 asks the question with seeds and
# intervals.

# %% [markdown]
# ## 7. Unseen ground
#
# A step of 15 cm, a quarter of the height of the base, across the track. The robot cannot see it: it feels its joints, and
# which feet stand. The walker has never met one. Another policy began as this walker and went on training among
# hurdles, each higher than the one before, starting anywhere along the track. *Predict* the share of robots that are
# on the far side in the end.

# %%
far = 7.0  # m: up after 2 m, 4 m along, down, and 1 m on
many, steps = cl.budget(smoke=(2, 30), lite=(20, 995), full=(100, 995))
for name in ("anymal_walk_mlp", "anymal_step_mlp"):
    told = dict(terrain={"kind": "step", "height": 0.15}, command=(0.8, 0, 0), keep_heading=True, along=0.0, push_force=0.0, randomize=False)
    found = march(cl.load(name), many, steps, seed=21, **told)
    there = found.running[-1] & (found.physics[-1, :, 1] > far)
    print(f"{name:16s} across {np.mean(there):4.0%}, fallen {np.mean(~found.running[-1]):4.0%}")

# %%
for row in (row for row in walks["per_seed"] if "step_crossed" in row):  # those that were trained on
    share = f"before {row['step_crossed_before']:4.0%}, after {row['step_minutes']:.0f} more minutes {row['step_crossed']:4.0%}"
    print(f"{row['setting']:4s} seed {row['seed']}: across {share}")

# %%
ground = dict(terrain="step", command=(0.8, 0, 0), keep_heading=True, along=0.0, push_force=0.0, steps=cl.budget(smoke=3, lite=450, full=450), width=480, height=270)
cl.show(army(cl.load("anymal_step_mlp"), n=5, **ground), title="after training among hurdles", crf=30)

# %%
for terrain in ("flat", "rough", "stairs"):
    for name in ("anymal_walk_mlp", "anymal_step_mlp"):
        up = survive(cl.load(name), terrain=terrain, push_force=0.0)
        print(f"{terrain:7s} {name:16s} still up after 6 s {up.mean():4.0%}")

# %% [markdown]
# *Look at* the second policy on flat ground too: what was learnt on steps must not have been paid for elsewhere. "Still
# up" is a weak test: a robot that refuses to move passes it. That is why the step was judged by place.

# %% [markdown]
# ## 8. Sweeps
#
# Ten numbers were chosen for the training above. A sweep tries many choices, and says which mattered. It has a
# *space* (what may vary), a *sampler* (what to try next; TPE tries more often where trials went well), and a *pruner*
# (which stops a trial that lags behind earlier ones). The trials are kept in a file, so nothing is lost when the
# machine stops.

# %%
storage = "sqlite:///" + str(Path(tempfile.mkdtemp()) / "sweep.db")
space = {"learning_rate": cl.log_uniform(1e-4, 3e-2), "epochs": cl.integer(2, 20), "gamma": cl.uniform(0.9, 0.999)}
size = dict(env_steps=cl.budget(smoke=1_024, lite=8_192, full=8_192), num_envs=8, episodes=10)
trials = cl.budget(smoke=4, lite=20, full=50)
found = cl.sweep("InvertedPendulum-v5", "ppo", space, trials=trials, storage=storage, live=True, **size)
found.table(top=4)

# %% [markdown]
# Killed? The same call goes on where it stopped: it asks for a *total* of trials. *Predict.* How many new trials does
# the next cell run?

# %%
again = cl.sweep("InvertedPendulum-v5", "ppo", space, trials=trials + 1, storage=storage, progress=False, **size)
print(again)

# %%
cl.plot_slices(found)

# %% [markdown]
# *Look at* the panel of the learning rate: a clear shape. Do the others have one? Cover half of the dots, and ask
# again.
#
# ### Which hyperparameters mattered?
# Importance is a share of variance. If $f(x)$ is the outcome and $x_j$ one hyperparameter, the others averaged out,
#
# $$S_j = \frac{\mathrm{Var}_{x_j}\bigl[\,\mathbb{E}[f \mid x_j]\,\bigr]}{\mathrm{Var}[f]}. \tag{6.7}$$
#
# fANOVA estimates this with a random forest fitted to the trials. How well, a toy with known answer tells: $f = 3x_1
# + x_2 + \text{noise}$, and a third number that does nothing. For numbers spread evenly the true shares of what the
# numbers explain are 0.9, 0.1 and 0. *Predict.* What does a sweep of 12 trials say about the third?

# %%
def toy(config, report):
    return 3 * config.x1 + config.x2 + 0.5 * np.random.default_rng(int(1e6 * config.x1)).normal()


cube = {name: cl.uniform(0.0, 1.0) for name in ("x1", "x2", "nothing")}
for trials in cl.budget(smoke=(6,), lite=(12, 50, 200), full=(12, 50, 200)):
    made = cl.sweep(objective=toy, space=cube, trials=trials, sampler="random", name=f"toy-{trials}", storage=storage, progress=False)
    shares = cl.importances(made, draws=cl.budget(smoke=3, lite=30, full=100), trees=16)
    print(f"{trials:3d} trials:", *[f"{k} {v.value:.2f} [{v.low:.2f}, {v.high:.2f}];" for k, v in sorted(shares.items())])

# %% [markdown]
# *What you should see.* The order is right early, the numbers late. With few trials "nothing" has a share too, and
# its interval does not reach 0, since a share cannot be negative. So compare each share with that of something you
# know to do nothing.
#
# ### The predecessor's sweep, repeated
# The same factors and ranges, and as many trials, on the sprint. A trial here is short, many are pruned, and the
# whole was done twice, with different seeds.

# %%
swept = cl.result("anymal_sweep")
sweeps = {}
for row in swept["per_seed"]:
    sweeps.setdefault(row["space"], []).append(cl.Sweep.from_dict(row["sweep"]))
    ends = f"{row['complete']} complete, {row['pruned']} pruned, {row['failed']} failed"
    print(f"{row['space']:12s} seed {row['seed']}: {ends}, {row['minutes']:.0f} min, best {row['best']:,.0f}")
print("before:", swept["before"], "·", swept["command"])
for factor, dimension in sweeps["predecessor"][0].space.items():
    print(f"{factor:14s} {dimension}")

# %%
cl.plot_history(sweeps["predecessor"])

# %%
draws = cl.budget(smoke=3, lite=30, full=100)
cl.plot_importances(cl.importances(sweeps["predecessor"], at=2, draws=draws, trees=16))

# %% [markdown]
# (`at=2`: the second of ten reports counts, which pruned trials have too. Final values exist for the survivors only,
# and importances of survivors speak of a region that is good already.)

# %%
cl.plot_slices(sweeps["predecessor"][0])

# %% [markdown]
# *Look at* four things. First, the best return: is it above 440? Second, whether the two sweeps (a dot each) agree on
# the order. Third, the intervals. Fourth, where the good trials lie within each range. **An importance speaks of the
# range that was searched.** Six factors were varied, each within a narrow range around one value. What none of the
# six could show: that all of the learning rates are too small, or what a factor does that was held fixed, such as
# $\gamma$.

# %% tags=["prelude"]
@lru_cache
def shipped_sweep():
    """The first of the shipped sweeps over the predecessor's space."""
    rows = cl.result("anymal_sweep")["per_seed"]
    return cl.Sweep.from_dict(next(row["sweep"] for row in rows if row["space"] == "predecessor"))


def places(top=0.2):
    """factor -> median place of the best trials in its range: 0 the lower end, 1 the upper."""
    sweep = shipped_sweep()
    trials = sorted(sweep.of_state("complete"), key=lambda t: -t.value)
    best = trials[: max(3, round(top * len(trials)))]
    return {name: float(np.median([d.position(t.params[name]) for t in best])) for name, d in sweep.space.items()}


# %%
for factor, place in places().items():
    print(f"{factor:14s} the best fifth of the trials lies at {place:4.0%} of the range")

# %% [markdown]
# ### Exercise 6.5: what would you change next? (open)
# Fifty more trials. Give the next space, for the library's PPO. At most three factors, the fewer the better; the
# learning rate among them, on a range that goes on where the old one ended; and at least one thing that the predecessor
# held fixed (`print(cl.PPOConfig())` lists all). Write down what you expect before you run it:
# `cl.sweep("AnymalSprint-v0", "ppo", next_space(), env_steps=…)`.

# %% nbgrader={"grade": false, "grade_id": "ex-06-5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def next_space():
    """-> dict: field of cl.PPOConfig (of its cell: "cell.neurons") -> cl.uniform, cl.log_uniform, cl.integer or cl.choice."""
    ### BEGIN SOLUTION
    return {
        "learning_rate": cl.log_uniform(1e-4, 5e-3),  # on beyond the upper end
        "gamma": cl.uniform(0.9, 0.999),  # was held fixed
        "minibatch_size": cl.choice(256, 1024, 4096),  # so was this
    }
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-06-5", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 6.5
from course_lib.sweeps import Dimension
from course_lib.sweeps.space import check_space


def accepted(f):
    """Whether cl.PPOConfig has these fields and takes the ends of their ranges."""
    return attempt(check_space, f(), cl.PPOConfig()) is not None


OLD = shipped_sweep().space
check_that(
    "6.5", "next_space",
    ("give a dict of field: cl.uniform(…), cl.log_uniform(…), cl.integer(…) or cl.choice(…)",
        lambda f: isinstance(f(), dict) and len(f()) > 0 and all(isinstance(d, Dimension) for d in f().values())),
    ("more than three factors: fifty trials are spread thin, leave out what mattered least", lambda f: len(f()) <= 3),
    ("the learning rate: go on beyond the upper end of the old range, at least three times as far", lambda f: (f().get("learning_rate", OLD["learning_rate"]).high or 0) > 3 * OLD["learning_rate"].high),
    ("a learning rate spans decades: search it with cl.log_uniform", lambda f: f()["learning_rate"].kind == "log_uniform"),
    ("above 0.1 no learning rate of Adam has ever helped here; trials there are lost", lambda f: f()["learning_rate"].high <= 0.1),
    ("only factors that were in the old sweep: what was held fixed there?", lambda f: set(f()) - set(OLD)),
    ("cl.PPOConfig does not take an end of one of these ranges", accepted),
    right="a better question than the last. Is 50 trials enough for it?",
)

# %% [markdown]
# What we tried next, with more factors than you were allowed, from the settings of section 3:

# %%
cl.plot_importances(cl.importances(sweeps["ours"], at=2, draws=draws, trees=16))

# %%
cl.plot_slices(sweeps["ours"][0])

# %% [markdown]
# *Look at* the best return, beside that of the predecessor's space, then at the shapes. *What you should see.* The best
# learning rates lie around ten times beyond the end of the old range. Large noise to begin with does better than
# small: that the predecessor had right; what it lacked was a noise that may shrink. And good values of $\gamma$ pile up
# at the lower end of the range, so the range is wrong: go on below. (With care: a trial of this length asks what
# learns *fast*. A short horizon of rewards often does, and may end lower; only longer trials tell.) The ✕ is a trial
# that failed. Its reason is kept:

# %%
for trial in sweeps["ours"][0].of_state("failed"):
    print(f"trial {trial.number}, learning rate {trial.params['learning_rate']:.4f}: {trial.reason}")

# %% [markdown]
# ## 9. Liquid against MLP
#
# Same task, same settings of PPO. The three policies with a cell have as many parameters as each other, the MLP has
# more (printed) and was trained for longer. *Predict* the order after two million steps, and whether the spread of the
# seeds will let you say so.

# %%
for name in dict.fromkeys(row["setting"] for row in rows):
    mine = [row for row in rows if row["setting"] == name]
    returns, up = np.array([r["return_deterministic"] for r in mine]), np.mean([r["survival"] for r in mine])
    print(f"{name:6s} {mine[0]['parameters']:6,} parameters, {len(mine)} seeds: {returns.min():8,.0f} to {returns.max():8,.0f}, up after 8 s {up:4.0%}")
cl.compare({name: [r for r in rows if r["setting"] == name] for name in dict.fromkeys(r["setting"] for r in rows)}, key="return_deterministic")

# %%
steps = cl.budget(smoke=4, lite=300, full=300)
race = army([sprinter, cl.load("anymal_sprint_ltc")], n=16, steps=steps, names=("MLP", "LTC"), width=480, height=270)
cl.show(race, title="the army, half of it liquid", crf=30)

# %% [markdown]
# *Look at* the seeds before you rank, and at how many there are. An LTC runs: that is the news, for the student project
# had called it out of reach. So does its plainer relative, the CT-RNN, no worse by this table, and if anyone is ahead
# here, it is the GRU. Which of them is best is a question that so few seeds leave open.

# %% [markdown]
# ## Summary
# - An action is a target for a spring, (6.1). Too weak it sags; too stiff for its rate it chatters.
# - A return is a sum of things: take it apart, (6.3), before you admire it.
# - PPO maximises the return *with* noise, (6.4). Look at the one without.
# - What the reward does not mention is free. Torque, power and cost of transport, (6.5), show what was free.
# - Reward terms are hypotheses. Drop one, predict what breaks, measure.
# - An importance, (6.7), has an interval, and speaks of the range that was searched.
#
# ### What goes wrong, and how it looks
# | what you see | what it often is |
# |---|---|
# | good with noise, falls without | σ kept large; the gait needs it. Let σ be learnt, evaluate without noise |
# | the return rises, the robot lies down | a term pays for it: print the terms one by one |
# | torques jump between their limits | gain too high for the rate; no price on torque or on changes of the action |
# | it stands still, and the return is fine | penalties outweigh what moving earns: raise the velocity term or lower the others |
# | it hops, or one leg does all the lifting | nothing asks for symmetry; a price on posture, and air time, help |
# | it walks in a circle | turning is cheap: raise its weight. Here the first walker circled in front of the step |
# | it walks, and falls at the first push | pushes and randomised bodies belong into training |
# | it walks, but late after each command | it has learnt the mean of the commands: is the command in the observation? |
# | two sweeps name two winners | too few trials for the number of factors, or one seed a trial |
# | an important factor has its best values at the end of its range | the range is wrong: go on beyond it |
#
# ### Further reading
# - M. Hutter et al., "ANYmal: a highly mobile and dynamic quadrupedal robot", IROS 2016.
# - J. Hwangbo et al., "Learning agile and dynamic motor skills for legged robots", Science Robotics 2019: the actuator, and why rewards need care.
# - N. Rudin, D. Hoeller, P. Reist, M. Hutter, "Learning to walk in minutes using massively parallel deep reinforcement learning",
#   CoRL 2022: table of rewards; many copies.
# - X. B. Peng et al., "Sim-to-real transfer of robotic control with dynamics randomization", ICRA 2018.
# - F. Hutter, H. Hoos, K. Leyton-Brown, "An efficient approach for assessing hyperparameter importance", ICML 2014: eq. (6.7).
# - J. Bergstra et al., "Algorithms for hyper-parameter optimization", NeurIPS 2011: TPE.
# - P. Henderson et al., "Deep reinforcement learning that matters", AAAI 2018: why seeds.
