# %% [markdown]
# # ANYmal C and sweeps
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/liquid-control/liquid-control/blob/main/notebooks/06_anymal_and_sweeps.ipynb)
#
# While you watch, a robot of 45 kg with twelve motors learns to run. Two processor cores are enough. The robot learns what
# the reward pays for, and that is not what you meant. You will see this in the torques, and change the reward. Then the
# robot learns to walk where it is told. You push it, put it on ground it has never seen, and steer it with a liquid
# network. A sweep over hyperparameters shows which of them mattered, and you learn how far to trust it. At the end you find
# out what would stop this walker on a real robot.

# %% [markdown]
# **You will be able to**
# 1. say what the robot's motors do with an action, and recognise a wrong gain;
# 2. take a return apart into metres, height and falls, and say how much of a gait depends on its exploration noise;
# 3. read a gait: contacts, lags and how steady they are, torques, power, cost of transport;
# 4. design a reward as an experiment: predict what breaks when a term is dropped, and check it;
# 5. run a sweep that survives being killed, and tell its importances from chance;
# 6. name what separates a simulated walker from a real one, and measure which part stops it first.
#
# **Before you start.** Notebook 02 (PPO) and notebook 04 (recurrent policies; for the comparisons with an LTC).
#
# **Time** on 2 cores: smoke (a test that every cell runs) under 1 minute; lite (the default) 4 to 8 minutes of
# computing, a third of it in one training run; full about an hour.
#
# **Exercises.** Write your answer where the cell says so, then run the check below it. `cl.solution("6.1")` shows the
# course's own answer once you have tried yours. Five questions for yourself are in `cl.quiz("06", "before")`, and five more
# for the end in `cl.quiz("06", "after")`.

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
# Sixteen copies of the robot, all steered by one policy. At the start they differ by a few hundredths of a radian.

# %%
from course_lib.lessons.nb06_crowd import army

steps = cl.budget(smoke=8, lite=200, full=250)
cl.show(army(cl.load("anymal_sprint_mlp"), n=16, steps=steps, width=480, height=270), title="sixteen robots sprint, no noise", crf=29)

# %%
shipped = cl.result("anymal_sprint")
rows, before = shipped["per_seed"], shipped["before"]
settings = {"mlp": "mlp_fading", "ltc": "ltc"}  # "fading": the bonus for entropy falls to 0, see section 3
curves = {name: [row for row in rows if row["setting"] == setting] for name, setting in settings.items()}
cl.compare(curves, x="minutes", key="return_deterministic", individual=True, target=before["running_mean_noisy"])

# %% [markdown]
# *Look at* the thin lines. Each is one seed, trained once, from scratch. (MLP is a feed-forward network, LTC a liquid
# network of notebook 03. The lines of a network end where its fastest seed is done. The MLP has the settings of section 3.
# The LTC's runs are older and shorter, so do not compare the ends. The policy in the film is older, too, and slower: it
# returns 21,498.) The dotted line is the best return reported by the student project that this notebook grew out of, a
# running mean of episodes with noise. The next cell prints how many minutes the training runs here took to reach that
# return *without* noise. It also prints four numbers of the project: the best running mean, the hours that it took, its
# return with the noise switched off (`deterministic`), and its share of episodes without a fall (`survival`). That share is
# with noise, and the MLP's is without. So the two cannot be compared.

# %%
LABELS = {
    "sprint_minutes_to_5925": "MLP, minutes to the project's return, noise off",
    "sprint_return_30min": "MLP, return at the end, noise off",
    "sprint_survival": "MLP, share of episodes without a fall, noise off",
    "sprint_ltc_return": "LTC, return at the end, noise off",
    "sprint_ltc_minutes_to_5925": "LTC, minutes to the project's return, noise off",
}
for claim, label in LABELS.items():
    low, high = shipped["intervals"][claim]
    print(f"{label:48s} median {shipped['claims'][claim]:10,.2f}, 95 % interval {low:,.2f} to {high:,.2f}")
for name in curves:
    took = [row["minutes"] for row in curves[name]]
    print(f"{name}: {len(took)} seeds, each trained for {min(took):.0f} to {max(took):.0f} minutes")
for fact, value in before.items():
    print(f"the student project: {fact.replace('_', ' ')} {value:,}")
print(shipped["command"])

# %% [markdown]
# The intervals are for the median over the seeds, from a bootstrap. Most runs were made two at a time, each on one core.
# So their minutes are upper bounds: a run that has both cores is faster.

# %% tags=["prelude"]
import copy
import tempfile
from functools import lru_cache
from pathlib import Path

import mujoco
import numpy as np
import torch
from scipy import stats

import course_lib as cl
from course_lib import viz
from course_lib.course.exercises import attempt
from course_lib.course.predictions import compared
from course_lib.envs import BatchedEnv
from course_lib.envs.anymal.model import JOINTS, build
from course_lib.evaluation.returns import run_episodes
from course_lib.lessons import nb06_evidence as evidence
from course_lib.lessons import nb06_footfalls as feet
from course_lib.lessons import nb06_gait_figures as gait_figures
from course_lib.lessons import nb06_real as real
from course_lib.lessons import nb06_robot as robot_figures
from course_lib.lessons import nb06_weights as weighing
from course_lib.lessons.nb06_crowd import army, march
from course_lib.lessons.nb06_gait import record_gait
from course_lib.policies.base import Policy

# %% [markdown]
# ## 1. The robot
#
# ANYmal C has four legs with three joints each: **HAA** (hip abduction and adduction) moves the leg to the side, **HFE**
# (hip flexion and extension) moves it forwards and backwards, **KFE** (knee flexion and extension) bends the knee. Legs are
# named LF, RF, LH and RH: left or right, front or hind. The numbers (masses, lengths, limits, motors, contacts) are those of
# MuJoCo Menagerie's model; the shapes that you see are the course's own.

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
# The wide range of HFE and KFE is no mistake. The legs are mounted beside the body, so hip and knee can turn all the way
# round, and the model allows one and a half turns either way (Hutter et al. 2016).
#
# ### What an action means
# The policy does not choose torques. It chooses where each joint should be, and a spring pulls it there:
#
# $$\tau = \mathrm{clip}\bigl(k_p\,(q^* - q),\ \pm 80\ \mathrm{N\,m}\bigr), \qquad q^* = q_{\text{stance}} + 0.5\,a. \tag{6.1}$$
#
# Here $q$ is the angle of a joint, $q^*$ its target, $a$ the action and $q_{\text{stance}}$ the joint's angle in the
# **stance**, the pose that the task starts from.
#
# The rule (6.1) makes a **proportional-derivative (PD) controller**. Its proportional gain is $k_p$; the derivative part
# is the damping that the joints have of their own. The target is renewed 50 or 100 times a second. The torque is renewed
# 500 times a second, because the spring answers to what the joint does in between. The next cell builds (6.1) by hand, on
# a model whose motors take torques, and lets go of a crouching robot.

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
# The first is too weak to stand and the second stands. What does the third do?

# %%
cl.predict("06.1", choices=("stands, higher than the second", "shakes", "sinks slowly"), question="kp = 1000, renewed 50 times a second")

# %%
cases = {"kp 10, 500 Hz": stand(10), "kp 100, 500 Hz": stand(100), "kp 1000, 50 Hz": stand(1000, hertz=50)}
robot_figures.standing_figure(cases, target=crouch[2])

# %%
weak, good, stiff = cases.values()
swing = np.ptp(stiff[500:, 10])  # of the left front knee, in the second second
cl.see("height that kp 10 holds", weak[-1, 3], (0.1, 0.3), "m")
cl.see("height that kp 100 holds", good[-1, 3], (0.48, 0.52), "m")
cl.see("knee at kp 100, off its target", abs(good[-1, 10] - crouch[2]), (0.08, 0.2), "rad")
cl.see("swing of the knee at kp 1000", swing, (0.5, 6.0), "rad")
came = "shakes" if swing > 0.5 else "stands, higher than the second"
print("the third robot:", came + compared("06.1", came))

# %%
shown = cl.budget(smoke=50, lite=800, full=800)  # physics steps
clips = [robot_figures.film(model, states[:shown], width=240, height=200) for states in cases.values()]
cl.show(viz.montage(clips, list(cases)), title="let go of a crouching robot")

# %% [markdown]
# *Look at* the angle of the knee. *What you should see.* The weak spring gives way, and the robot lies on the ground within
# half a second. At 100 it stands, a little lower than the targets say. Without an error there is no torque, so a spring
# always sags under a load. The stiff spring gets its torque too late. By the time the torque is renewed the knee has passed
# its target, and the next correction throws it back. In a log you see torques that jump between the two limits. On a
# real robot you also hear it.
#
# ### The ground
# Only the feet are meant to touch the ground. *Predict.* What is the force on one foot while the robot stands?

# %%
cl.predict("06.2", question="force on one foot, in N")

# %%
class Still(Policy):
    """A policy that asks for the stance."""

    def choose(self, obs, state, rng):
        return torch.zeros(len(obs), 12), state


still = record_gait(Still(obs_dim=46, act_dim=12), "AnymalSprint-v0", steps=cl.budget(smoke=60, lite=801, full=801))
print(f"together {still.forces[-1].sum():.1f} N, the weight is {still.mass * 9.81:.1f} N")
cl.see("force on each foot", still.forces[-1], (100, 120), "N", predicted="06.2")

# %% [markdown]
# *What you should see.* A quarter of the weight on each foot.

# %% [markdown]
# ## 2. The predecessor's reward
#
# The student project, the predecessor of this notebook, asked for speed. In each of the five physics steps $k$ of a
# control step the robot was paid its speed along $x$ and its height above half a metre, and fined for a fall, which
# ended the episode:
#
# $$r_t = \sum_{k=1}^{5} \Bigl[v_{x,k} + (z_k - 0.5)\Bigr] - 100 \cdot [\text{fall}]. \tag{6.2}$$
#
# Here $[\text{fall}]$ is 1 if the robot falls in this step, and 0 if not.
#
# **Which way is $x$?** At the start, $+x$ points from the robot's head to its tail. So this task asks the robot to run
# backwards, and every sprint of this notebook is run tail first. The names of the feet stay those of the body: the hind
# feet (LH, RH) lead, and the front feet follow.
#
# A physics step lasts 0.002 s, and moves $x$ by $\Delta x = 0.002\,v_x$. Solved for the speed, this is
# $v_x = 500\,\Delta x$. Add that up over an episode: all the small steps $\Delta x$ together are the distance, so the
# speeds add up to 500 for each metre:
#
# $$\sum_t r_t = 500 \cdot \text{metres} + \sum_{t,k} (z_{t,k} - 0.5) - 100 \cdot [\text{fall}]. \tag{6.3}$$
#
# *Predict.* What does a robot earn if it stands still at 0.61 m for all 8 s? (801 control steps.)

# %%
cl.predict("06.3", question="return of standing still")

# %%
standing = float(sum(values.sum() for values in still.terms.values()))
print(f"{len(still)} control steps, {still.qpos[-1, 0]:+.3f} m:", *[f"{name} {values.sum():.1f};" for name, values in still.terms.items()])
cl.see("return of standing still", standing, (400, 480), predicted="06.3")

# %% [markdown]
# *What you should see.* Nearly all of it is paid for height. Keep the number in mind: a lower return is worse than doing
# nothing.
#
# ### Exercise 6.1: one step's reward (fill in)
# Return the reward $r_t$ of one control step, a single number, by (6.2) and from positions alone: $x$ and $z$ at the
# beginning of the control step and after each physics step.

# %% nbgrader={"grade": false, "grade_id": "ex-06-1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sprint_reward(x, z, fell):
    """x, z (6,) in m: before the control step, then after each of its five physics steps of 0.002 s; fell: bool -> eq. (6.2)."""
    ### BEGIN SOLUTION
    return (x[-1] - x[0]) / 0.002 + (z[1:] - 0.5).sum() - 100.0 * fell
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-06-1", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
cl.check("6.1", sprint_reward)

# %% [markdown]
# Now read (6.3) backwards: a return shows how far the robot came. The next cell does this for all runs, without noise.
# `mlp_fading` is the MLP of the first figure. `mlp` is an older recipe, whose bonus for entropy stays to the end. `gru` and
# `ctrnn` are other networks with memory; section 9 compares them.

# %%
for row in rows:
    metres = (row["return_deterministic"] - standing) / 500  # about: a runner's height differs from a standing robot's
    print(f"{row['setting']:6s} seed {row['seed']}: return {row['return_deterministic']:8,.0f}, so about {metres:5.1f} m in 8 s")

# %% [markdown]
# ### A gait that lives off its noise
# The predecessor's best policy falls at once when it is evaluated without noise. Its return, printed at the top, is below
# that of standing still. This need not be a bug. PPO maximises the mean return of the policy *with* its noise. If $g(a)$ is
# what the action $a$ earns, that is
#
# $$J(\mu, \sigma) = \mathbb{E}_{\varepsilon\sim\mathcal N(0,1)}\bigl[g(\mu + \sigma\varepsilon)\bigr], \tag{6.4}$$
#
# and nothing in $J$ asks what $g(\mu)$ is. The project never let $\sigma$ fall below 0.7, and looked at noisy episodes
# only. Here is a toy that shows the effect: a motor with friction. It does not move unless the size of the command is above
# 1, and then it moves by the excess, in the direction of the command: $g(a) = \mathrm{sign}(a)\,\max(|a| - 1, 0)$. The
# commands between -1 and 1 are its **dead zone**.
#
# *Predict.* The mean of the command is 0.5, so without noise the motor stands. Now add noise with $\sigma$ = 0.6. How
# far does the motor move on average?

# %%
cl.predict("06.4", question="mean output of the motor at mean 0.5, σ = 0.6")

# %% tags=["prelude"]
def dead_zone(a):
    """What a motor with friction makes of a command (any shape)."""
    return np.sign(a) * np.maximum(np.abs(a) - 1.0, 0.0)


# %%
robot_figures.noise_figure(dead_zone, sigmas=(0.0, 0.3, 0.6, 1.0))

# %%
draws = np.random.default_rng(0).standard_normal(200_000)
moved = dead_zone(0.5 + 0.6 * draws).mean()
cl.see("mean output at mean 0.5, σ = 0.6", moved, (0.055, 0.075), predicted="06.4")
cl.see("share of the mean that gets through, σ = 0.6", 100 * moved / 0.5, (11, 15), "%")
cl.see("the same at σ = 0.3", 100 * dead_zone(0.5 + 0.3 * draws).mean() / 0.5, (0.5, 2.5), "%")

# %% [markdown]
# *What you should see.* Without noise the line is flat up to 1. With noise a part of the mean gets through, because now
# and then the noise lifts the command over the edge. How much depends on $\sigma$: at 0.3 the line is still almost flat,
# at 1.0 the flat part is gone. (Engineers add such noise on purpose; they call it *dither*.) In a policy that was
# trained with much noise the mean may stay in the flat part all the time. Then the motor stops when the noise stops. (Whether
# the predecessor's policy has such a dead zone was not tested. Its robot does not stop, it falls.)
#
# ### Exercise 6.2: through the dead zone (a derivation, checked numerically)
# Compute (6.4) for this $g$, in three steps.
# 1. Split $g$ into its two sides: $g(a) = \max(a - 1, 0) - \max(-a - 1, 0)$.
# 2. Put $a = \mu + \sigma\varepsilon$ into the first side, and take $\sigma$ out:
#    $\max(a - 1, 0) = \sigma \max(\varepsilon - z, 0)$. What is $z$? Do the same with the second side; $-\varepsilon$
#    has the same distribution as $\varepsilon$.
# 3. Use the mean of one side, $L(z) = \mathbb{E}[\max(\varepsilon - z, 0)] = \varphi(z) - z\,(1 - \Phi(z))$, with
#    $\varphi$ and $\Phi$ the standard normal's density and distribution function. (It follows from
#    $\varphi'(\varepsilon) = -\varepsilon\,\varphi(\varepsilon)$.)
#
# The check integrates (6.4) numerically.

# %% nbgrader={"grade": false, "grade_id": "ex-06-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def noisy_output(mean, sigma):
    """μ and σ > 0, numbers -> E[g(μ + σ ε)] of the dead zone; `stats.norm.pdf` and `.cdf` are φ and Φ."""
    ### BEGIN SOLUTION
    def loss(z):
        return stats.norm.pdf(z) - z * (1 - stats.norm.cdf(z))

    return sigma * (loss((1 - mean) / sigma) - loss((1 + mean) / sigma))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-06-2", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("6.2", noisy_output)

# %% [markdown]
# How much of a *small* mean gets through? That is the slope of $J$ at $\mu = 0$. Differentiate (6.4) under the
# expectation: $g'(a)$ is 1 outside the dead zone and 0 inside. So the slope is the probability that the noise alone
# leaves the dead zone:
#
# $$\frac{\partial J}{\partial\mu}\Big|_{\mu=0} = P(|\sigma\varepsilon| > 1) = 2\,\bigl(1 - \Phi(1/\sigma)\bigr).$$

# %%
for sigma in (0.3, 0.6, 1.0, 1.5):
    slope = 2 * stats.norm.sf(1 / sigma)
    tried = np.mean(np.abs(sigma * draws) > 1)
    print(f"σ = {sigma:.1f}: {slope:6.1%} of a small mean gets through; counted {tried:6.1%}")
cl.see("σ at which half gets through", 1 / stats.norm.ppf(0.75), (1.4, 1.6))

# %% [markdown]
# Does a shipped policy live off its noise too? The next cell multiplies its $\sigma$ and evaluates. *Predict.* When it acts
# with the noise of its training, what share of its noise-free return is left?

# %%
cl.predict("06.5", question="return with the noise of training over return without, from 0 to 1")

# %%
episodes = cl.budget(smoke=2, lite=16, full=50)


def with_noise(policy, scale):
    """Returns (episodes,) with the policy's σ multiplied by `scale`."""
    noisy = copy.deepcopy(policy)
    noisy.log_std.data += np.log(max(scale, 1e-6))
    envs = cl.make("AnymalSprint-v0", episodes, seed=1, **policy.env_options)
    return run_episodes(noisy, envs, deterministic=False, seed=1).returns


sprinter = cl.load("anymal_sprint_mlp")
scales = cl.budget(smoke=(0, 1), lite=(0, 0.5, 1, 1.5, 2), full=(0, 0.5, 1, 1.5, 2, 3))
answers = {"shipped sprint": {scale: with_noise(sprinter, scale) for scale in scales}}
gait_figures.dose_figure(answers, "noise, as a multiple of that in training", "return", mark=1)

# %%
middle = {scale: values.mean() for scale, values in answers["shipped sprint"].items()}
cl.see("share left with the noise of training", middle[1] / middle[0], (0.35, 0.85), predicted="06.5")
cl.see("the return is highest without noise", max(middle, key=middle.get) == 0)
cl.see("σ of the shipped policy, mean over the joints", float(sprinter.log_std.detach().exp().mean()), (1.5, 2.5))

# %% [markdown]
# *What you should see.* The return falls as the noise grows. This policy does not need its noise: with the noise off it
# earns about twice as much. The fall of the line from 0 to 1 is what the noise costs. (Its training paid a bonus for
# entropy to the end, and $\sigma$ grew from 0.37 to about 2. So large noise in training does not by itself make a gait that
# depends on noise.)
#
# *Predict.* And during training: which curve is higher, the return with the noise on or with the noise off?

# %%
cl.predict("06.6", choices=("noise on", "noise off"), question="higher during most of the training")

# %%
def as_curves(key):
    """One of the curves of each MLP, under one name."""
    mine = [row["curve"] for row in curves["mlp"]]
    return [{"env_steps": curve["env_steps"], "return": curve[key]} for curve in mine]


cl.compare({"noise off": as_curves("return_deterministic"), "noise on": as_curves("return_mean")}, key="return")

# %%
pairs = [(off, on) for row in curves["mlp"] for off, on in zip(row["curve"]["return_deterministic"], row["curve"]["return_mean"], strict=True)]
above = np.mean([off > on for off, on in pairs if None not in (off, on)])
cl.see("share of the evaluations in which noise off is higher", above, (0.8, 1.0))
came = "noise off" if above > 0.5 else "noise on"
print("higher:", came + compared("06.6", came))

# %% [markdown]
# *What you should see.* Noise off is higher almost everywhere. (In a run as short as the one of section 3 the two may come
# out the other way: the episodes differ too much to tell.) Part of the difference is a delay: "noise on" is a mean over the
# last 100 episodes. Measure what you will use: a robot runs without exploration noise. So the final returns that this
# notebook compares are without noise. Where noise is on, the text says so.

# %% [markdown]
# ## 3. Training, live
#
# The training uses PPO as you built it in notebook 02, with other settings. The next cell prints those that differ from the
# library's defaults.

# %%
default, used = cl.PPOConfig(), cl.PPOConfig.recommended("AnymalSprint-v0")
for name, value in vars(used).items():
    if value != getattr(default, name):
        print(f"{name:16s} default {getattr(default, name)}, here {value}")

# %% [markdown]
# | setting | why it is so here |
# |---|---|
# | 64 copies of the robot, each with a start of its own (`reset_noise`) | without a start of its own, each copy sees the same first states |
# | fewer epochs | each rollout is used for fewer gradient steps, so the policy moves less in an iteration; the KL stays small without a KL stop |
# | entropy bonus | keeps $\sigma$ up while gaits are still being found; runs without it were slower at first (`shipped["tried"]` lists them) |
# | the bonus falls linearly to 0 | at the end the return alone counts; three of the first four seeds tried gained from it (the same list) |
# | two layers of 128, ELU | twelve joints need more units than a pendulum; ELU is usual for walking robots (Rudin et al. 2021) |
# | $\log\sigma$ starts at -1 | an action of 1 is half a radian, so σ = 1 is large to begin with; the value was chosen by trial |
# | the learning rate falls linearly to 0 | small steps at the end do not undo what was learned |
#
# *Predict.* Which curve do you expect? Replace the three points (steps, return) below by your own. With these settings an
# untrained policy that acts with its noise nearly always stays up. It earns a little less than standing still earned in
# section 2. (Without noise it earns the same.) Then give one number: the return without noise after the training.

# %%
prediction = [(100_000, 200), (400_000, 1000), (700_000, 3000)]
cl.predict("06.7", question="return without noise at the end")

# %% [markdown]
# ■ stops the training and keeps what was learned. If you would rather not wait, the cells below work with
# `run = cl.load("anymal_sprint_mlp")` as well, except for the curves.

# %%
envs = cl.make("AnymalSprint-v0", num_envs=64, seed=7, reset_noise=0.05)
agent = cl.PPO(envs, cl.PPOConfig.recommended("AnymalSprint-v0", seed=7))
run = cl.train(agent, cl.budget(smoke=8_192, lite=700_000, full=6_000_000), live=True)

# %%
viz.prediction_overlay(viz.learning_curve(run), prediction)

# %% [markdown]
# *Look at* how soon the curve passes the return of standing still (section 2). From there on the robot earns more by moving
# than by standing. It may still fall.

# %%
evaluated = cl.evaluate(run, episodes=cl.budget(smoke=2, lite=16, full=50))
evaluated

# %%
kl, entropy = run.curve["approx_kl"], run.curve["entropy"]
cl.see("return without noise", evaluated.deterministic.mean, (1500, np.inf), predicted="06.7", otherwise="some seeds are slow: train on, or take another")
cl.see("KL, mean of the first five iterations", kl[:5].mean(), (0.0, 0.1), "nats")
cl.see("KL at the end is below that", bool(kl[-5:].mean() < kl[:5].mean()))
cl.see("entropy rises", bool(entropy[-5:].mean() > entropy[:5].mean()))
cl.see("it rises more in the first half", bool(2 * entropy[len(entropy) // 2] > entropy[0] + entropy[-1]))

# %% [markdown]
# (IQM is the *interquartile mean*: the mean of the middle half of the episodes.) *What you should see.* The return ends far
# above that of standing still. The KL falls with the learning rate. The entropy *rises*, because the bonus pays for that.
# It rises less and less, as the bonus and the learning rate fall. Runs of this length differ a lot between seeds, and yours
# is only one.

# %%
steps = cl.budget(smoke=8, lite=200, full=250)
cl.show(army([run, sprinter], n=8, steps=steps, names=("yours", "shipped"), width=480, height=270), title="four robots of yours, four shipped ones", crf=30)

# %% [markdown]
# Pale robots have fallen: their episode is over.

# %% [markdown]
# ## 4. Reading a gait
#
# The next cells replay an episode of the shipped policy physics step by physics step. The first question is which foot
# stands when. Remember that the sprint runs tail first: LH and RH lead.

# %%
sprint = record_gait(sprinter, seed=1, steps=cl.budget(smoke=150, lite=400, full=400))
gait_figures.gait_figure(sprint, start=0.5, seconds=2.0)

# %%
cl.see("largest duty factor", sprint.duty_factor.max(), (0.1, 0.5))
cl.see("share of the time in which no foot stands", np.mean(~sprint.contacts.any(axis=1)), (0.2, 0.8))
cl.see("largest force of the ground over the weight", sprint.forces.sum(axis=1).max() / (9.81 * sprint.mass), (3, 20))

# %%
frames = army(sprinter, n=1, slow=5, steps=cl.budget(smoke=2, lite=80, full=100), width=400, height=260)
cl.show(frames, title="the same gait, one robot", crf=30)

# %% [markdown]
# *Look at* the bars: a foot's share of time on the ground is its **duty factor**. (The strides a second in the title are
# the median over the feet, each counted by its own touchdowns.) *What you should see.* Duty factors below one half, and
# moments in which no foot stands and the force drops to nothing. A gait with both is a run (Hildebrand 1965; Alexander
# 1984). At hard landings the ground answers with several times the weight.
#
# ### When does each foot come down?
# A gait is named after *when in the stride* each foot comes down. Take the left front foot as the clock. Its *stride* lasts
# from one of its touchdowns to the next. Another foot that comes down at time $t$ in a stride from $t_0$ to $t_1$ has the
# **lag**
# $s = (t - t_0)/(t_1 - t_0)$: 0 for together, 0.5 for opposite.
#
# A lag lives on a circle: 0.98 and 0.02 are neighbours, and their mean is 0, not 0.5. So put each lag on the unit circle and
# average there (Mardia & Jupp 2000, *Directional Statistics*, ch. 2):
#
# $$m = \frac1n \sum_{i=1}^n e^{2\pi \mathrm{i} s_i}, \qquad \text{circular mean} = \frac{\arg m}{2\pi} \bmod 1, \qquad
# \text{concentration } R = |m|. \tag{6.5}$$
#
# $R$ is also called the *mean resultant length*. It is 1 if all lags are equal, and near 0 if they are spread around the
# circle. Then the mean lag says nothing. (It is also 0 for two touchdowns in each stride, half a stride apart.)

# %%
for shares in ([0.98, 0.02], [0.2, 0.3, 0.25], [0.0, 0.25, 0.5, 0.75]):
    mean, sure = feet.circular_mean(np.array(shares))
    print(f"lags {shares}: arithmetic mean {np.mean(shares):.2f}, circular mean {mean:.2f}, concentration {sure:.2f}")

# %% [markdown]
# (On this circle 1.00 and 0 are the same point; rounding decides which of them is printed. The circular mean of the last row
# is an accident of rounding, too: its concentration is 0.)
#
# ### Exercise 6.3: lags and their concentration (in steps)
# 1. Find the steps in which each foot *comes down*: off the ground one step earlier, on it now.
# 2. Use only touchdowns from LF's first touchdown (included) to its last (not included). For each of them find the stride of
#    LF in which it lies (`np.searchsorted(…, side="right")` helps). Its lag is the time since that stride began, divided by
#    the length of that stride.
# 3. For each of the four feet compute (6.5), for LF too (lag 0, concentration 1). Return two arrays of length 4: the circular
#    means and the concentrations.
#
# The made-up gaits of the check are not tidy: strides change their length, feet come down a little early or late, stay
# down for different times, and sometimes miss a step.

# %% nbgrader={"grade": false, "grade_id": "ex-06-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def phases(contacts):
    """contacts (T, 4) bool, feet LF, RF, LH, RH -> lags behind LF (4,) in [0, 1), concentrations (4,)."""
    ### BEGIN SOLUTION
    down = [np.flatnonzero(~c[:-1] & c[1:]) + 1 for c in contacts.T]  # steps in which each foot comes down
    lags, sure = [], []
    for foot in down:
        stride = np.searchsorted(down[0], foot, side="right") - 1  # number of the stride of LF
        inside = (stride >= 0) & (stride < len(down[0]) - 1)
        begin, end = down[0][stride[inside]], down[0][stride[inside] + 1]
        m = np.mean(np.exp(2j * np.pi * (foot[inside] - begin) / (end - begin)))
        lags.append(np.angle(m) / (2 * np.pi) % 1.0)
        sure.append(abs(m))
    return np.array(lags), np.array(sure)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-06-3", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("6.3", phases)

# %% [markdown]
# *Predict.* Now the recorded sprint. Do all its feet keep step with LF (concentration above one half)?

# %%
cl.predict("06.8", choices=("yes", "no"), question="all feet of the sprint keep step with LF")

# %%
found = attempt(phases, sprint.contacts)
lags, sure = feet.footfalls(sprint.contacts) if found is None else found
print(*[f"{name}: {len(t)} touchdowns, lag {lag:.2f}, concentration {r:.2f};" for name, t, lag, r in zip(sprint.feet, sprint.touchdowns, lags, sure, strict=True)])
print(feet.name_of(lags, sure, tail_first=True))
cl.see("least concentration", np.min(sure), (0.0, 0.5))
came = "no" if np.min(sure) < feet.SURE else "yes"
print("all keep step:", came + compared("06.8", came))

# %% [markdown]
# *What you should see.* Some feet come down more often than others, and some do not keep step with LF. (LF is a poor clock
# here: it does not touch down in every swing of its leg.) So this gait has no name, whatever the mean lags say. A reward
# that asks for speed alone does not ask for symmetry.
#
# ### What it costs
# Power is torque times joint rate. To compare robots of different weight and speed, divide it by both. That is the **cost of
# transport** (Tucker 1975):
#
# $$\mathrm{CoT} = \frac{P}{m\,g\,v}, \qquad P = \sum_j \max(\tau_j \dot q_j, 0). \tag{6.6}$$
#
# *Predict.* What share of the work do the four knees do?

# %%
cl.predict("06.9", question="work of the knees over all work, from 0 to 1")

# %%
gait_figures.torque_figure(sprint, start=1.0, seconds=0.4)

# %%
gait_figures.joint_figure({"sprint": sprint})

# %%
knees = [name.endswith("KFE") for name in sprint.joints]
measures = sprint.measures()
for name in ("seconds", "speed_m_s", "cost_of_transport", "power_W", "torque_rms_N_m", "tilt_degrees", "stride_frequency_Hz"):
    print(f"{name:22s} {measures[name]:9.2f}")
cl.see("share of the knees", sprint.work[:, knees].sum() / sprint.work.sum(), (0.6, 0.95), predicted="06.9")
cl.see("share of the steps in which a knee reaches its limit, mean of the four", np.mean(sprint.peaks[:, knees] > 79.5), (0.5, 1.0))
cl.see("power", measures["power_W"], (3000, 20000), "W")
cl.see("cost of transport", measures["cost_of_transport"], (2, 10))

# %%
RATE_LIMIT = 7.5  # rad/s


def knee_rates(gait):
    """|joint rate| of the knees in rad/s (T, 4). The first six velocities are those of the base."""
    return np.abs(gait.qvel[:, 6:][:, knees])


cl.see("share of the knees' time above 7.5 rad/s", np.mean(knee_rates(sprint) > RATE_LIMIT), (0.6, 1.0))
cl.see("fastest knee", knee_rates(sprint).max(), (40, 120), "rad/s")

# %% [markdown]
# *What you should see.* Knee torques that jump from one limit to the other, and a power of many kilowatts. Nothing in (6.2)
# mentions torque, so torque is free. The policy is a correct answer to the wrong question. No real ANYmal could run like
# this: its motors cannot do it, and its battery could not feed them.
#
# The maker's own description of this robot (ANYbotics 2020) limits every joint to 80 N m *and* to 7.5 rad/s. The model here
# has only the first limit, so the second one is free as well. The knees exceed it most of the time, at their fastest by a
# factor of eleven.

# %% [markdown]
# ## 5. Reward design is an experiment
#
# `AnymalC-v0` asks another question: walk *as you are told*, head first, for 20 s, at 50 Hz. The command (forward,
# left, turning) changes every few seconds, the robot is pushed, and each copy has its own grip, load and
# stiffness (*domain randomisation*, Peng et al. 2018). The reward has many terms:
#
# $$r_t = \sum_i w_i\,\phi_i, \qquad \phi_{\text{velocity}} = 1 - \frac{\lVert v - v^*\rVert}{1\ \mathrm{m/s}}, \quad
# \phi_{\text{energy}} = \sum_j |\tau_j \dot q_j|, \ \dots \tag{6.7}$$
#
# (An error of more than 1.5 m/s counts as 1.5. $\phi_{\text{energy}}$ also has a price for braking, where
# $\tau_j \dot q_j < 0$. $P$ in (6.6) does not count it.)

# %%
walker = cl.load("anymal_walk_mlp")
weights = cl.make_task("AnymalC-v0", **walker.env_options).weights
print(*[f"{name} {weight:g}" for name, weight in weights.items()], sep=", ")

# %% [markdown]
# (`help(cl.make_task("AnymalC-v0"))` says what each one measures. All but the last two are multiplied by the length of a
# step; the last two are paid for events, a landing and a fall.)
#
# ### The shape of a term
# Most published rewards pay for tracking with $\exp(-\lVert v - v^*\rVert^2 / 0.25)$. *Predict.* A robot stands and is told
# to walk at 1 m/s. How much does the exponential pay it for the first 0.1 m/s? The linear shape of (6.7) pays 0.1. (Trying
# costs something in any case: effort, and stumbles.)

# %%
cl.predict("06.10", question="what the exponential pays for the first 0.1 m/s")

# %%
gains = {}
for told in (0.5, 1.0, 1.5):
    gains[told] = np.exp(-((told - 0.1) ** 2) / 0.25) - np.exp(-(told**2) / 0.25)
    print(f"told {told} m/s: exponential pays {gains[told]:.4f} more, linear {0.1:.4f} more")
cl.see("exponential, told 1 m/s", gains[1.0], (0.02, 0.022), predicted="06.10")
for line in cl.result("anymal_walk")["tried"][:4]:
    print("tried:", line)

# %% [markdown]
# *What you should see.* The exponential is steep a few tenths of a metre per second away from the command. Farther away
# it is flat: the first step does not pay for its costs, so standing still is a local optimum. With thousands of copies
# the exponential does teach walking (Rudin et al. 2021), perhaps because some copies get near the command by chance.
# With 64 copies the robots trained with the exponential stood still. Read the list to its end, though: the linear shape
# alone stood still too. The robot walked in the run with the linear shape, an entropy bonus and commands straight ahead
# only. Each line is one run, and several things changed between the third and the fourth, so the list does not separate
# their effects.
#
# ### Term by term
# Every environment reports the terms one by one (`infos["reward_…"]`). *Predict.* Which one is the largest over ten seconds?

# %%
cl.predict("06.11", choices=("velocity", "yaw_rate", "energy", "smoothness", "air_time"), question="term with the largest sum")

# %%
# "seed kept" marks a case that is meant just so: checks of the course with other seeds leave it as it is
walk = record_gait(walker, seed=5, steps=cl.budget(smoke=120, lite=500, full=500))  # seed kept
gait_figures.terms_figure(walk)

# %%
paid = {name: values.sum() for name, values in walk.terms.items()}
penalties = -sum(value for value in paid.values() if value < 0)
print(*[f"{name} {value:+.2f}" for name, value in sorted(paid.items(), key=lambda item: -abs(item[1]))], sep=", ")
cl.see("largest term", max(paid, key=lambda name: abs(paid[name])), ("velocity",), predicted="06.11")
cl.see("all penalties over all that is paid", penalties / sum(value for value in paid.values() if value > 0), (0.02, 0.2))

# %% [markdown]
# *What you should see.* Most of the reward is paid for following the command, and each penalty takes a little. A term
# whose sum is a hundredth of the largest may still decide how the robot moves, if no other term covers the same thing.
# Or it decides nothing: the experiment below tests that.
#
# ### Weigh it yourself
# A weighted sum is linear in its weights. So you can record a behaviour once, keep the sum of each $\phi_i$, and compute its
# return under any other weights by a dot product. Here are five seconds of four behaviours, all told to walk at 0.7 m/s.

# %%
told = dict(seed=5, steps=cl.budget(smoke=60, lite=250, full=250), command=(0.7, 0, 0), push_force=0.0, randomize=False)
behaviours = {
    "walks as told": walker,
    "walks half as fast": weighing.eased(walker, 0.5),
    "walks as told, LTC": cl.load("anymal_walk_ltc"),
    "stands still": Still(obs_dim=52, act_dim=12),
}
sums = {name: weighing.term_sums(record_gait(policy, "AnymalC-v0", **told)) for name, policy in behaviours.items()}
for name, phi in sums.items():
    print(f"{name:20s} velocity {phi['velocity']:5.2f}, energy {phi['energy']:6,.0f} J, return {weighing.total(phi, weights):6.2f}")

# %% [markdown]
# *Predict.* The weight of velocity is 3. Above what price on energy (the size of its negative weight) is standing still
# worth more than walking as told? Everything you need is printed above: the two returns, which contain the price of
# 0.0001, and the two energies.

# %%
cl.predict("06.12", question="price on a joule at which standing and walking are equal")

# %%
returns = {name: weighing.total(phi, {**weights, "energy": 0.0}) for name, phi in sums.items()}
gap = sums["walks as told"]["energy"] - sums["stands still"]["energy"]
price = (returns["walks as told"] - returns["stands still"]) / gap
cl.see("price at which both are equal", price, (0.002, 0.01), predicted="06.12")
weighing.weights_plot(sums)

# %% [markdown]
# *Try this.* Raise the price on energy until another behaviour wins. Then lower the weight of velocity to 0 and do it again:
# now walking half as fast wins at the smallest prices. At the dots, the highest line belongs to the behaviour that
# the reward prefers. Training finds such winners by itself: a price that is too high teaches the robot to stand.

# %%
gait_figures.tracking_figure({"MLP": walk})

# %%
gait_figures.joint_figure({"sprint": sprint, "walk": walk})

# %%
share = walk.work[:, knees].mean(axis=0).sum() / sprint.work[:, knees].mean(axis=0).sum()
cl.see("knees' power, walk over sprint", share, (0.01, 0.08))
cl.see("cost of transport, walk over sprint", walk.cost_of_transport() / sprint.cost_of_transport(), (0.1, 0.5))
cl.see("share of the knees' time above 7.5 rad/s, walk", np.mean(knee_rates(walk) > RATE_LIMIT), (0.02, 0.2))
cl.see("tracking error", walk.tracking_error(), (0.02, 0.15), "m/s")
backwards = record_gait(walker, seed=3, steps=len(walk))  # seed kept
asked, came = (np.abs(v[:, 0]).mean() for v in (backwards.commands, backwards.velocity))
cl.see("told to walk backwards: speed over the told one", came / asked, (0.6, 1.1))

# %% [markdown]
# *What you should see.* The thick line, the velocity averaged over half a second, follows the black one, the command.
# Sideways it stays a little short. Near the end the command changes; the turn does not follow before the recording ends. The
# knees need a small part of the sprint's power. The cost of transport falls by
# much less, because the walk also covers less ground in the same time. The knees keep to 7.5 rad/s most of the time, but not
# always. The reward has no price on joint rates themselves.
#
# The last line is from another episode, in which the robot is told to walk backwards. It reaches about four fifths of that
# speed. (Told to go straight back, it reaches 0.8 to 0.9 of it: sections 6 and 7.) A walker from an earlier recipe nearly
# stood still instead (`cl.result("anymal_walk")["tried"]`), probably because it had learned to walk ahead first, and a slow
# walk backwards pays little more than standing. This one learned to walk backwards in a stage of its own.
#
# ### The gait of the walker
# Which feet keep step here? The next cell records the MLP walker and an LTC walker (section 6), both told to walk
# straight ahead:

# %%
ahead = dict(seed=5, steps=cl.budget(smoke=120, lite=400, full=400), command=(0.7, 0, 0), push_force=0.0, randomize=False)
for name, policy in {"MLP": walker, "LTC": behaviours["walks as told, LTC"]}.items():
    gait = record_gait(policy, "AnymalC-v0", **ahead)
    lags, sure = feet.footfalls(gait.contacts)
    print(f"{name}: lags {lags.round(2)}, concentrations {sure.round(2)}: {feet.name_of(lags, sure)}")
    cl.see(f"least concentration of the {name} walker", sure.min(), (0.6, 1.0))

# %% [markdown]
# *What you should see.* Both walkers have a clear gait, and not the same one. The LTC walker comes near a trot: the feet of
# a diagonal pair come down within about a fifth of a stride. The MLP walker comes near a bound: its front feet come down
# together, then its hind feet. Nothing in the reward asks for a gait, and each policy is one seed. So this is not what MLPs
# and LTCs do; it is what these two do.
#
# ### Drop a part, watch what breaks
# The shipped walker was trained further in five ways, each with several seeds: with all weights as they were, without
# `velocity`, without `yaw_rate`, without *effort*, and with ten times the price on effort. (*Effort* is torque, energy
# and smoothness together. They penalise much the same thing, and each can replace the others.) Guess before you look.

# %% tags=["prelude"]
MEASURES = ("tracking_error_m_s", "turning_error_rad_s", "power_W", "action_change")

# %% [markdown]
# ### Exercise 6.4: what grows? (an experiment with a hypothesis)
# For `no velocity`, `no yaw_rate` and `10 x effort`, name the measure that you expect to *grow* most, as a ratio to its
# value with all weights as they were: `tracking_error_m_s` (of the speed), `turning_error_rad_s`, `power_W` or
# `action_change` (from one decision to the next). The ratio is that of the medians over the seeds. The check compares your
# answer with the shipped runs. If your guess was wrong, note it, read the figure below and correct the answer: then the
# check accepts it.

# %% nbgrader={"grade": false, "grade_id": "ex-06-4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def what_grows():
    """-> {"no velocity": measure, "no yaw_rate": measure, "10 x effort": measure}"""
    ### BEGIN SOLUTION
    # What the shipped runs show: with effort ten times as dear, the robot saves on turning as it is told.
    return {"no velocity": MEASURES[0], "no yaw_rate": MEASURES[1], "10 x effort": MEASURES[1]}
    ### END SOLUTION


# %%
rewards = cl.result("anymal_rewards")
print(rewards["command"], "·", len(rewards["seeds"]), "seeds ·", f"{rewards['config']['steps']:,} steps each")
gait_figures.dropped_figure(rewards["per_seed"], MEASURES, baseline="all as it was")

# %% [markdown]
# *Look at* the dotted line in each column: all as it was. A dot is a seed. Where the dots of a row overlap those of the
# first row, the change did nothing that this measure can show in so short a time.

# %% nbgrader={"grade": true, "grade_id": "check-06-4", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("6.4", what_grows)

# %%
def grew(change, measure):
    """In how many seeds `measure` was larger after `change` than with all weights as they were."""
    runs = {(row["setting"], row["seed"]): row["measures"][measure] for row in rewards["per_seed"]}
    return sum(runs[change, seed] > runs["all as it was", seed] for seed in rewards["seeds"])


for change in ("no velocity", "no yaw_rate", "no effort", "10 x effort"):
    print(f"{change:12s} grew in seeds of {len(rewards['seeds'])}: " + ", ".join(f"{m} {grew(change, m)}" for m in MEASURES))
cl.see("no velocity: seeds that miss their speed by more", grew("no velocity", MEASURES[0]), (3, 3))
cl.see("no yaw_rate: seeds that turn worse", grew("no yaw_rate", MEASURES[1]), (3, 3))
cl.see("10 x effort: seeds with more power", grew("10 x effort", MEASURES[2]), (0, 0))

# %% [markdown]
# *What you should see.* Without `velocity` the robot misses its speed by more, in every seed, and turns about as well as
# before. Without `yaw_rate` it turns worse in every seed. Without effort, power and changes of the action grow in all three
# seeds, and so does the turning error. With ten times the price on effort, power and changes of the action fall by more
# than half. The robot pays for this with larger errors, and the turning error grows most. The speed itself (in the result
# file, not in the figure) falls by only a tenth.
#
# **A gait that has been learned may stay after its term is gone.** In earlier runs (two seeds, 300,000 steps, a third of the
# learning rate; `rewards["tried"]`) energy alone, smoothness alone or orientation alone was dropped. Hardly anything
# changed, perhaps because the other terms pay for the same gait. So "nothing broke" does not show that a term was useless
# from the start.

# %% [markdown]
# ### Your own walker
# Train a policy further: the same network, a fresh optimiser, another reward. Here the price on energy is ten times higher.
# *Predict.* By what factor will the power change?

# %%
cl.predict("06.13", question="power after the training over power before")

# %%
def go_on(policy, steps, weights, **changed):
    """Train a copy of `policy` further under changed weights of the reward and a changed environment -> run."""
    options = policy.env_options
    envs = cl.make(policy.env_id, 64, seed=5, **{**options, "weights": {**options.get("weights", {}), **weights}, **changed})
    config = cl.PPOConfig.from_dict({**policy.header["config"], "learning_rate": 3e-4, "seed": 5})
    return cl.train(cl.PPO(envs, config, policy=policy), steps, live=True)


steps = cl.budget(smoke=4_096, lite=130_000, full=1_000_000)
changed = go_on(walker, steps, weights={"energy": -1e-3})

# %%
def middle(policy, seeds=cl.budget(smoke=(5,), lite=(5, 6, 7, 8), full=range(5, 15))):  # seed kept
    """Medians of the measures over episodes without pushes."""
    found = [record_gait(policy, "AnymalC-v0", seed=s, steps=cl.budget(smoke=100, lite=400, full=500), push_force=0.0).measures() for s in seeds]
    return {measure: np.median([f[measure] for f in found]) for measure in MEASURES}


before_change, after_change = middle(walker), middle(changed)
for measure in MEASURES:
    print(f"{measure:20s} shipped {before_change[measure]:8.3f}   yours {after_change[measure]:8.3f}")
cl.see("power after over before", after_change["power_W"] / before_change["power_W"], (0.4, 0.98), predicted="06.13")

# %% [markdown]
# *What you should see.* The power falls. The robot may follow its command less well, because it is cheaper to stay behind.
# But this is one seed and a few episodes, and there is no control, that is, no run with the same further training and
# unchanged weights. (The nearest thing in the result file is "all as it was", with 240 to 310 W in three seeds. It trained
# for 400,000 steps, at a learning rate of 0.001 in place of 0.0003.) So before you believe the effect, repeat it with
# several seeds and with a control.

# %% [markdown]
# ## 6. Pushed, and at another rate
#
# A second policy was trained with the same reward: a liquid network of 32 neurons. Both were pushed with 50 N in training.
# The LTC trained for longer, with one more stage. In that stage it got wider commands. Without that stage, one seed was
# slow backwards and nearly stood still sideways.

# %%
walkers = {"MLP": walker, "LTC": cl.load("anymal_walk_ltc")}
pushed = dict(seed=4, steps=cl.budget(smoke=130, lite=220, full=220), command=(0.7, 0, 0), push_at=2.0, push_force=100.0)
gait_figures.push_figure({name: record_gait(policy, **pushed) for name, policy in walkers.items()})

# %%
def survive(policy, **options):
    """True or False for each of many robots: still up 4 s after the push."""
    many, steps = cl.budget(smoke=(2, 120), lite=(20, 300), full=(100, 300))
    told = dict(command=(0.7, 0, 0), push_at=2.0, randomize=False)
    return march(policy, many, steps, seed=11, **{**told, **options}).running[-1]


forces = cl.budget(smoke=(0, 50), lite=(0, 50, 200, 400), full=(0, 50, 100, 150, 200, 250, 300, 400))
answers = {name: {force: survive(policy, push_force=float(force)) for force in forces} for name, policy in walkers.items()}
gait_figures.dose_figure(answers, "push for 0.2 s (N)", "share still up", mark=50)

# %%
cl.see("share that withstands 50 N, MLP and LTC", [answers[name][50].mean() for name in walkers], (0.8, 1.0))
if 400 in forces:
    cl.see("share that withstands 400 N, MLP and LTC", [answers[name][400].mean() for name in walkers], (0.0, 0.9))

# %% [markdown]
# *Look at* the bands: 95 % over the episodes of *one* trained policy. (Where all robots succeed, the band has no width. That
# is not certainty: with 20 of 20 the true share may be as low as 83 %.) They say nothing about another seed of the same
# network. So this figure compares two policies, not two kinds of network. These are all seeds of the benchmark:

# %%
walks = cl.result("anymal_walk")
print(walks["command"])
for row in walks["per_seed"]:
    up = ", ".join(f"{force} N {share:4.0%}" for force, share in row["push_survival"].items())
    off = ", ".join(f"{label} {row[name + '_error']:.2f}" for label, name in (("ahead", "tracking"), ("back", "backward"), ("sideways", "sideways")))
    print(f"{row['setting']:4s} seed {row['seed']}: m/s off: {off}; up after {up}")
lowest = {force: min(row["push_survival"][force] for row in walks["per_seed"]) for force in ("50", "400")}
cl.see("lowest share after 50 N, over all runs", lowest["50"], (0.95, 1.0))
cl.see("lowest share after 400 N", lowest["400"], (0.2, 0.8))

# %% [markdown]
# *What you should see.* In all ten runs every robot withstands a push of 50 N, the push of their training. The larger
# pushes were never part of training. All walk ahead within a tenth of a metre a second of what they are told. Backwards a
# robot that stands still is 0.375 m/s off. Three of the five MLPs are within a tenth; the other two go back slowly at best.
# (After the stage with backward commands only, one of these two could do it, and lost it in the last stage. The other had
# not learned it.) Sideways a robot that stands still is 0.25 m/s off, and four of the five MLPs hardly do better. (Three of
# these four hardly move sideways, and up to a fifth of their robots fall. In the fourth, nearly half of the robots fall. A
# robot that fell counts with a speed of 0.) So what a recipe teaches depends on the seed. Of the five LTCs four are within
# a tenth, backwards and sideways. The fifth hardly goes back. So the LTCs do better, but they also trained with one more
# stage. With different training this is no verdict on liquid networks. For a verdict, train MLPs with the same stages
# (`--settings mlp_wider` of the benchmark, about an hour for each seed).
#
# ### Another rate
# Both were trained at 50 decisions a second. An LTC solves an equation in time, so it can be given the length of a step:
# `policy.dt = 2` says that a step now lasts twice as long. An MLP has no notion of time. *Predict.* Does the clock help
# this LTC at other rates?

# %%
cl.predict("06.14", choices=("yes, clearly", "no, hardly"), question="does the LTC gain when it is told the length of a step?")

# %%
def returns_at(policy, hertz, clock=True):
    """Return a second of each episode with `hertz` decisions a second; clock: give the policy the length of a step."""
    seconds = cl.budget(smoke=1, lite=6, full=20)
    task = cl.make_task("AnymalC-v0", command=(0.7, 0, 0), push_force=0.0, randomize=False)
    task.frame_skip, task.horizon = round(500 / hertz), round(seconds * hertz)
    policy = copy.deepcopy(policy)
    policy.dt = 50 / hertz if clock else 1.0
    return run_episodes(policy, BatchedEnv(task, episodes, seed=3), seed=3).returns / seconds


rates = cl.budget(smoke=(50,), lite=(20, 25, 50, 100), full=(12.5, 20, 25, 50, 100, 250))
answers = {name: {hertz: returns_at(policy, hertz) for hertz in rates} for name, policy in walkers.items()}
answers["LTC, without the clock"] = {hertz: returns_at(walkers["LTC"], hertz, clock=False) for hertz in rates}
gait_figures.dose_figure(answers, "decisions a second (Hz)", "reward a second", mark=50)

# %%
rate = {name: {hertz: values.mean() for hertz, values in found.items()} for name, found in answers.items()}
gains = [rate["LTC"][h] - rate["LTC, without the clock"][h] for h in rates]
gain = max(gains, key=abs)
cl.see("largest change by the clock, in reward a second", gain, (-0.6, 0.6))
cl.see("MLP ahead of the LTC by, at each rate", [rate["MLP"][h] - rate["LTC"][h] for h in rates], (-3.0, 1.0))
came = "yes, clearly" if gain > 0.6 else "no, hardly"
print("the clock helps:", came + compared("06.14", came))

# %% [markdown]
# *What you should see.* This is a negative result for the clock. The two LTC lines lie on top of each other: for this
# policy, knowing the length of a step changes next to nothing. All lines fall to the left, where an old decision is used
# for longer. At the lowest rate the LTC keeps more of its reward than the MLP, with the clock and without it. So whatever
# the reason is (memory, the longer training, the gait, or chance between two policies), it is not the clock. Notebook 10
# asks the same question of other policies, with seeds and intervals.

# %% [markdown]
# ### Push it yourself
# Both walkers again, in your browser, without this notebook's kernel. Steer them, drag them, make the ground slippery, blind
# a sensor. What you do to one robot happens to both.

# %%
cl.live("anymal_walk_ltc", beside="anymal_walk_mlp")

# %% [markdown]
# ## 7. Unseen ground
#
# A step of 15 cm, a quarter of the height of the base, lies across the track. The robot cannot see the step: it feels only
# its own motion, its joints, and which feet stand. The walker has never met a step. Another policy began as this walker and
# went on training among hurdles, each higher than the one before. Its episodes started anywhere along the track. That is a
# **terrain curriculum** (Rudin et al. 2021).
#
# *Predict.* What share of the second policy's robots ends up on the far side of the step?

# %%
cl.predict("06.15", question="share that is across after training on hurdles, from 0 to 1")

# %%
far = 7.0  # m: up after 2 m, 4 m along, down, and 1 m on
many, steps = cl.budget(smoke=(2, 30), lite=(20, 995), full=(100, 995))
across, fallen = {}, {}
for name in ("anymal_walk_mlp", "anymal_step_mlp"):
    told = dict(terrain={"kind": "step", "height": 0.15}, command=(0.8, 0, 0), keep_heading=True, along=0.0, push_force=0.0, randomize=False)
    found = march(cl.load(name), many, steps, seed=21, **told)
    across[name] = np.mean(found.running[-1] & (found.physics[-1, :, 1] > far))
    fallen[name] = np.mean(~found.running[-1])
    print(f"{name:16s} seed {cl.load(name).header['seed']}: across {across[name]:4.0%}, fallen {fallen[name]:4.0%}")
cl.see("across, before the hurdles", across["anymal_walk_mlp"], (0.0, 0.2))
cl.see("across, after them", across["anymal_step_mlp"], (0.6, 1.0), predicted="06.15")

# %%
tried = [row for row in walks["per_seed"] if "step_crossed" in row]  # those that were trained further
for row in tried:
    print(f"{row['setting']:4s} seed {row['seed']}: across before {row['step_crossed_before']:4.0%}, after {row['step_minutes']:.0f} more minutes {row['step_crossed']:4.0%}")
most = max(tried, key=lambda row: (row["setting"] == "mlp", row["step_crossed"] - row["step_crossed_before"]))
gained = sum(row["step_crossed"] > row["step_crossed_before"] for row in tried)
cl.see(f"runs that gained by the hurdles, of {len(tried)}", gained, (len(tried), len(tried)))
cl.see("before, the best seed", max(row["step_crossed_before"] for row in tried), (0.4, 0.9))
print(f"the MLP that gained most has seed {most['seed']}; the shipped walker has seed {walker.header['seed']}")

# %% [markdown]
# *What you should see.* The demonstration above flatters the hurdles. The shipped walker is the MLP that gained most. Two
# other MLPs began as low, and one of these still gets only a fifth of its robots across. The last two had a third or half
# of their robots across without ever having met a step. All get across more often after the hurdles, but "from nearly
# nothing to nearly all" is true of one MLP in five. So report all seeds, the worst one included. The four LTCs begin near
# zero and end at 79 to 100 %. They had trained for longer. (The control, as much further training without hurdles, was not
# run.)

# %%
ground = dict(terrain="step", command=(0.8, 0, 0), keep_heading=True, along=0.0, push_force=0.0, steps=cl.budget(smoke=3, lite=300, full=450), width=480, height=270)
cl.show(army(cl.load("anymal_step_mlp"), n=4, **ground), title="after training among hurdles", crf=31)

# %%
upright = {}
for terrain in ("flat", "rough", "stairs"):
    for name in ("anymal_walk_mlp", "anymal_step_mlp"):
        upright[terrain, name] = survive(cl.load(name), terrain=terrain, push_force=0.0).mean()
        print(f"{terrain:7s} {name:16s} still up after 6 s {upright[terrain, name]:4.0%}")
cl.see("up on flat ground, both", [upright["flat", name] for name in across], (0.8, 1.0))

# %% [markdown]
# *Look at* the second policy on flat ground too: it must not lose there what it could do before. "Still up" is a weak
# test, because a robot that refuses to move passes it. That is why the test on the step asked how far the robot came. So
# ask again how far each comes, when it is told to walk backwards on flat ground:

# %%
told = dict(seed=5, steps=cl.budget(smoke=60, lite=400, full=400), command=(-0.4, 0, 0), push_force=0.0, randomize=False)
back = [-record_gait(cl.load(name), "AnymalC-v0", **told).velocity[50:, 0].mean() for name in across]
cl.see("told 0.4 m/s backwards: speed before the hurdles", back[0], (0.25, 0.45), "m/s")
cl.see("speed after the hurdles", back[1], (-0.1, 0.2), "m/s")

# %% [markdown]
# *What you should see.* Among the hurdles the robot was only ever told to walk ahead, and it forgot how to walk backwards.
# This is *catastrophic forgetting* (McCloskey and Cohen 1989): training further on one task overwrites what nothing asks
# for any more. If you need both, keep asking for both: mix some of the old commands into the new training.

# %% [markdown]
# ## 8. Sweeps
#
# About ten settings were chosen for the training above. A **sweep** (hyperparameter optimisation) tries many choices,
# and estimates which of them mattered. It has a *space* (what may vary), a *sampler* that decides what to try next, and
# a *pruner* that stops a trial which lags behind earlier ones. The sampler here is TPE, the tree-structured Parzen
# estimator (Bergstra et al. 2011): it tries more often where trials went well. The trials are kept in a file, so
# finished trials are not lost when the machine stops. (The cell below puts it into a new folder each time, so that it starts
# afresh. For a sweep that you want to keep, give a path of your own.)

# %%
storage = "sqlite:///" + str(Path(tempfile.mkdtemp()) / "sweep.db")
space = {"learning_rate": cl.log_uniform(1e-4, 3e-2), "epochs": cl.integer(2, 20), "gamma": cl.uniform(0.9, 0.999)}
size = dict(env_steps=cl.budget(smoke=1_024, lite=8_192, full=8_192), num_envs=8, episodes=10)
trials = cl.budget(smoke=4, lite=16, full=50)
found = cl.sweep("InvertedPendulum-v5", "ppo", space, trials=trials, storage=storage, live=True, **size)
found.table(top=4)

# %% [markdown]
# Was the sweep killed? The same call, with the same file, goes on where the sweep stopped: you ask for a *total* number of
# trials. *Predict.* The next cell makes the same call, and asks for one trial more in total. How many new trials does it
# run?

# %%
cl.predict("06.16", question="new trials")

# %%
again = cl.sweep("InvertedPendulum-v5", "ppo", space, trials=trials + 1, storage=storage, progress=False, **size)
cl.see("new trials", len(again.trials) - trials, (1, 1), predicted="06.16")

# %%
cl.plot_slices(found)

# %% [markdown]
# *Look at* the panel of the learning rate: do the good trials lie together? And in the other panels? Cover half of the
# dots, and ask again. *What you should see.* In the shipped run the trials that reach 1,000 lie at learning rates of about
# 0.001 to 0.003. In the other panels they are spread out. Two cautions: a hollow dot is a trial that was stopped early, so
# it is low partly because it is young; and 1,000 is the most that this task gives, so the sweep cannot rank the good ones.
#
# ### Which hyperparameters mattered?
# Importance is a share of variance. Let $f(x)$ be the outcome and $x_j$ one hyperparameter. Average over all the others, and
# ask how much the mean still varies with $x_j$:
#
# $$S_j = \frac{\mathrm{Var}_{x_j}\bigl[\,\mathbb{E}[f \mid x_j]\,\bigr]}{\mathrm{Var}[f]}. \tag{6.8}$$
#
# This is the *first-order Sobol index*. fANOVA (functional analysis of variance, Hutter et al. 2014) estimates it with a
# random forest fitted to the trials. The library scales the shares of the single factors so that they sum to 1. A toy with
# a known answer shows how well this works: $f = 3x_1 + x_2 + \text{noise}$, and a third number that does nothing. For
# numbers drawn uniformly, the variances of the two terms are in the ratio 9 to 1, so the true shares, scaled in this way,
# are 0.9, 0.1 and 0.
#
# *Predict.* What share does a sweep of 12 trials give to the number that does nothing?

# %%
cl.predict("06.17", question="share of `nothing` after 12 trials, from 0 to 1")

# %%
def toy(config, report):
    return 3 * config.x1 + config.x2 + 0.5 * np.random.default_rng(int(1e6 * config.x1)).normal()


cube = {name: cl.uniform(0.0, 1.0) for name in ("x1", "x2", "nothing")}
shares = {}
for count in cl.budget(smoke=(6,), lite=(12, 50, 200), full=(12, 50, 200)):
    made = cl.sweep(objective=toy, space=cube, trials=count, sampler="random", name=f"toy-{count}", storage=storage, progress=False)
    shares[count] = cl.importances(made, draws=cl.budget(smoke=3, lite=12, full=100), trees=16)
    print(f"{count:3d} trials:", *[f"{k} {v.value:.2f} [{v.low:.2f}, {v.high:.2f}];" for k, v in sorted(shares[count].items())])

# %%
few, many_trials = shares[min(shares)], shares[max(shares)]
cl.see("share of nothing, fewest trials", few["nothing"].value, (0.0, 0.3), predicted="06.17")
cl.see("share of x1, most trials", many_trials["x1"].value, (0.8, 0.97))
cl.see("width of the interval of x1, most over fewest trials", (many_trials["x1"].high - many_trials["x1"].low) / (few["x1"].high - few["x1"].low), (0.02, 0.6))

# %% [markdown]
# *What you should see.* The largest factor is found early; the numbers become reliable late. With few trials even
# "nothing" gets a share. A share cannot be negative, so the share of a number that does nothing can only err upwards. So
# compare each share with that of something that you know to do nothing.
#
# ### The predecessor's sweep, repeated
# The same factors and ranges, and as many trials, on the sprint. A trial here is shorter than the predecessor's, many
# are pruned, and the whole sweep was done twice, with different seeds.

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
draws_ = cl.budget(smoke=3, lite=20, full=100)
importance = cl.importances(sweeps["predecessor"], at=2, draws=draws_, trees=16)
cl.plot_importances(importance)

# %% [markdown]
# (`at=2`: the report after the second tenth of a trial counts, which pruned trials have too. Only the survivors have final
# values, and these all lie in a region that is good already. But this report is early. The 64 copies have made about 400 of
# the 801 steps of an episode by then, so only episodes that ended in a fall have been counted.)
#
# A bar is the mean of the two sweeps, a dot is one sweep. *Look at* the dots: at this report the sweeps contradict each
# other. (With final values both name the learning rate, at 0.43 and 0.45. But those are 8 and 9 trials of 50.) In the
# history above, hollow dots are reports of trials that were pruned; they are returns of training, with noise.

# %%
for name, share in importance.items():
    print(f"{name:14s} seed 0 {share.each[0]:.2f}, seed 1 {share.each[1]:.2f}")
winners = [max(importance, key=lambda name: importance[name].each[k]) for k in range(2)]
cl.see("the two sweeps name the same winner", "no" if winners[0] != winners[1] else "yes", ("no",))

# %% [markdown]
# Which of them is right? Ask first whether either has found anything. Shuffle the outcomes among the trials, so that no
# factor can matter, and compute the importances again. That is a **permutation test** (Fisher 1935).
#
# *Predict.* Nothing matters now. How large is the largest of the six shares, on average?

# %%
cl.predict("06.18", question="largest of six shares when nothing matters, from 0 to 1")

# %%
counted = [evidence.at_report(sweep, 2) for sweep in sweeps["predecessor"]]
chance = evidence.chance_shares(counted[0], draws=cl.budget(smoke=2, lite=12, full=100), seed=0)
print(f"shuffled: the largest share is {chance.min():.2f} to {chance.max():.2f}; unshuffled: {max(s.each[0] for s in importance.values()):.2f} and {max(s.each[1] for s in importance.values()):.2f}")
cl.see("largest share when nothing matters, mean", chance.mean(), (0.2, 0.5), predicted="06.18")

# %% [markdown]
# The shares of a forest cannot be negative, and here they sum to 1. So the largest of six is at least 1/6, and by chance it
# is usually about twice that. A second measure, one that can be zero, checks this: **Spearman's rank correlation** between
# a factor and the outcome. That is the correlation of their ranks: 1 or -1 for a perfectly monotone trend, about 0 for
# none.

# %%
for sweep in counted:
    limit = evidence.limit_of_chance(len(sweep.trials))
    ranks = evidence.rank_correlations(sweep)
    print(", ".join(f"{name} {rho:+.2f}" for name, rho in ranks.items()), f"; chance stays below {limit:.2f} in 95 of 100")
    cl.see("largest rank correlation over the limit of chance", max(map(abs, ranks.values())) / limit, (0.0, 1.0))

# %% [markdown]
# *What you should see.* Shuffled outcomes (of the sweep with seed 0) give largest shares that are about as large as those
# of the real sweeps, and no rank correlation is beyond chance. So the contradiction needs no explanation: at this report
# neither sweep shows anything beyond chance. There may be several reasons: one seed for each trial, narrow ranges, and an
# early report.

# %%
cl.plot_slices(counted[0])

# %% [markdown]
# *Look at* the ranges on the axes. **An importance holds only for the range that was searched.** Six factors were varied:
# two of them over a factor of ten, the two noise levels by only 10 to 15 %. The sweeps could not show whether all of their
# learning rates are too small, or what a factor that was held fixed does, such as $\gamma$. How good is the best of these
# trials?

# %% tags=["prelude"]
@lru_cache
def shipped_sweep():
    """The first of the shipped sweeps over the predecessor's space."""
    rows = cl.result("anymal_sweep")["per_seed"]
    return cl.Sweep.from_dict(next(row["sweep"] for row in rows if row["space"] == "predecessor"))


WORKS = cl.PPOConfig.recommended("AnymalSprint-v0")  # the settings of section 3
old = shipped_sweep()

# %%
best = max(sweep.best.value for sweep in sweeps["predecessor"])
cl.see("best finished trial of both sweeps, noise off, over standing still", best / standing, (1.0, 1.5))
print(f"learning rates searched: {old.space['learning_rate'].low:g} to {old.space['learning_rate'].high:g}")
print(f"learning rate of section 3, which runs: {WORKS.learning_rate:g}")
cl.see("that rate over the upper end of the search", WORKS.learning_rate / old.space["learning_rate"].high, (5, 20))

# %% [markdown]
# *What you should see.* Seventeen of the hundred trials ran to their end. Without noise, the best of them earns little
# more than a robot that stands still. (With noise these seventeen came to 541 to 850: compare section 2.) The settings of
# section 3 learn to run, and their learning rate lies far above the range. This comparison does not come from the sweep,
# and it changes many things at once: the predecessor's trials also turned actions into joint targets in its own way, did
# not normalise observations, and had fewer steps. It shows that good settings lie elsewhere. It does not show which
# difference counts.
#
# ### Exercise 6.5: what would you change next? (open)
# You have fifty more trials. Give the next space, for the library's PPO:
# - at most three factors, the fewer the better;
# - the learning rate among them, evenly in its logarithm (`cl.log_uniform`, or a `cl.choice`), over a range that spans
#   at least a factor of ten, ends at 0.1 or below and contains the rate of section 3. A space that contains settings
#   known to work can be compared with them;
# - at least one setting of learning that the old sweep held fixed (`print(cl.PPOConfig())` lists all). The noise at the
#   start, `init_log_std`, was not fixed: it was called `std_init`;
# - at least two values for each factor, and no factor that does nothing: a factor of a cell needs `cell.name` beside it,
#   one of a plan needs `plan.trajectory` or `plan.chunk`. `seed` and `torch_threads` are not allowed.
#
# Write down what you expect before you run it: `cl.sweep("AnymalSprint-v0", "ppo", next_space(), env_steps=…)`.

# %% nbgrader={"grade": false, "grade_id": "ex-06-5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def next_space():
    """-> dict: field of cl.PPOConfig -> cl.uniform, cl.log_uniform, cl.integer or cl.choice."""
    ### BEGIN SOLUTION
    return {
        "learning_rate": cl.log_uniform(1e-4, 5e-3),  # from the old upper end to beyond the rate that works
        "gamma": cl.uniform(0.9, 0.999),  # was held fixed
        "minibatch_size": cl.choice(256, 1024, 4096),  # so was this
    }
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-06-5", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("6.5", next_space)

# %% [markdown]
# The next sweep that was run has more factors than you were allowed. It starts from the settings of section 3, except that
# the bonus for entropy stays to the end:

# %%
cl.plot_importances(cl.importances(sweeps["ours"], at=2, draws=draws_, trees=16))

# %%
ours = evidence.at_report(sweeps["ours"][0], 2)
cl.plot_slices(ours)

# %%
ranks = evidence.rank_correlations(ours)
limit = evidence.limit_of_chance(len(ours.trials))
print("beyond chance:", ", ".join(f"{name} {rho:+.2f}" for name, rho in ranks.items() if abs(rho) > limit), f"(limit {limit:.2f})")
cl.see("rank correlation of init_log_std", ranks["init_log_std"], (0.5, 1.0))
cl.see("that of the learning rate over the limit", abs(ranks["learning_rate"]) / limit, (0.0, 1.0))
cl.see("best of this space over the best of the predecessor's", sweeps["ours"][0].best.value / best, (4, 20))

# %% [markdown]
# *Look at* the best return, beside that of the predecessor's space, then at the shapes in the panels. (These trials are
# longer: 200,000 steps, not 120,000.) *What you should see.* Now a factor stands out from chance: the noise at the start,
# `init_log_std`. Trials that begin with large noise have the larger return at this report. Part of the trend may come from
# how a report is made. Robots with little noise stay up, and their first episodes are not over yet. So only the falls of
# the others count. A report is comparable only when whole episodes are in it. At the fifth report, among the trials that
# are left, the correlation is gone. But by then most of the trials that began with little noise have been stopped, so it
# could hardly show. The predecessor had large noise too. Perhaps its noise could not shrink far enough; this sweep does not
# test that.
#
# Two more factors are beyond the limit: the epochs clearly, the length of a rollout by less. The limit is rough. With eight
# factors, one may pass it by luck, and TPE does not draw its trials independently. The learning rate shows no trend at this
# report. The settings of section 3 have a larger rate than any in the predecessor's range. No sweep here tests whether that
# makes them work: a factor can matter between two ranges and not within either. The largest rate that was tried failed (see
# below). (The bars above rank the epochs low. They rank the learning rate second, but with other trees γ comes second. A
# rank correlation sees trends only, and a single bad trial at the end of a range can raise a bar.)
#
# Be careful: this figure shows the second report of a short trial. Only longer trials show what ends high. And this sweep
# has one seed. Reports are returns of training, with noise, and the importances here are computed from them. One trial of
# this sweep failed later on. The reason is kept:

# %%
for trial in sweeps["ours"][0].of_state("failed"):
    print(f"trial {trial.number}, learning rate {trial.params['learning_rate']:.4f}: {trial.reason}")

# %% [markdown]
# ## 9. Liquid against MLP
#
# The task is the same, and the settings of PPO are nearly the same: the three policies with a cell (LTC, GRU and CT-RNN) use
# minibatches twice as large. These three have nearly the same number of parameters. The MLP has more (printed) and was
# trained for longer. In all of these runs the bonus for entropy stays to the end: they are older than the settings of
# section 3, and the MLPs are not those of the first figure. The learning rate falls to 0 over each run. So at two million
# steps the policies with a cell are at the end of their runs, and the MLP is not. *Predict.* Which has the highest median
# return after two million steps?

# %%
cl.predict("06.19", choices=("mlp", "ltc", "gru", "ctrnn"), question="highest median return after 2 million steps")

# %%
def at_steps(row, steps=2_000_000):
    """Return without noise at the evaluation nearest to `steps`."""
    curve = row["curve"]
    return curve["return_deterministic"][int(np.argmin(np.abs(np.array(curve["env_steps"]) - steps)))]


reached = {}
for name in ("mlp", "ltc", "gru", "ctrnn"):
    mine = [row for row in rows if row["setting"] == name]
    reached[name] = sorted(at_steps(row) for row in mine)
    up = np.mean([r["survival"] for r in mine])
    print(f"{name:6s} {mine[0]['parameters']:6,} parameters, {len(mine)} seeds at 2 million steps: {', '.join(f'{r:,.0f}' for r in reached[name])}; at the end, up after 8 s {up:4.0%}")
leader = max(reached, key=lambda name: np.median(reached[name]))
cl.see("highest median", leader, ("mlp",), predicted="06.19")
overlap = sum(max(found) > min(reached[leader]) for name, found in reached.items() if name != leader)
cl.see("other networks with a seed above the leader's worst", overlap, (1, 3))

# %%
cl.compare({name: [row for row in rows if row["setting"] == name] for name in reached}, key="return_deterministic")

# %%
steps = cl.budget(smoke=4, lite=200, full=300)
race = army([sprinter, cl.load("anymal_sprint_ltc")], n=12, steps=steps, names=("MLP", "LTC"), width=480, height=270)
cl.show(race, title="six MLPs and six LTCs", crf=30)

# %% [markdown]
# *Look at* the seeds before you rank, and at how many there are. (The race shows the shipped policies. The LTC is the
# fastest of the five. The MLP is from an earlier run, which returns 21,498; two of the ten are faster.) *What you should
# see.* The MLP has the highest median at 2 million steps, and it has more than three times the parameters. (Before that,
# the GRU's median is mostly higher.) The better seed of the GRU lies above the MLP's median, and that of the CT-RNN above
# three of the MLPs. With two seeds of each, the order of these is open. All five LTCs lie below all ten MLPs. But the
# networks differ in size, and so do the schedules: at two million steps the learning rate of the LTC is 0, and that of the
# MLP is not. That can help the LTC (small last steps undo nothing) or hold it back (it has learned less before). What is
# settled: an LTC can run, which the student project had called out of reach. So can its plainer relative, the CT-RNN.

# %% [markdown]
# ## 10. What stops this walker on a real robot
#
# A policy that works in simulation and fails on the robot has met the **reality gap**; closing it is called *sim-to-real
# transfer*. The walker of section 5 was trained with pushes and with varied grips, loads and stiffnesses. The
# differences in this table were left out:
#
# | what the simulator pretends | what a robot does | the usual cure |
# |---|---|---|
# | a motor's torque comes at once | electronics take time to answer (*dead time*), and springs and windings respond gradually (*lag*) | a model of the actuator, learned from data (Hwangbo et al. 2019) |
# | joints have a little damping | gears have more, and it changes with temperature | randomise it (Peng et al. 2018) |
# | observations are fresh | sensors and network take 10 to 40 ms (*latency*) | train with the latency, let the policy see some history (Tan et al. 2018) |
# | velocities are exact | they are estimated, with noise | noise in training; a memory that averages |
# | torque is always there | batteries sag, motors heat up | randomise the strength |
# | a joint turns as fast as its torque makes it | a motor gives less torque the faster it turns (section 4: 7.5 rad/s at most) | the same limit in the model, a price on joint rates |
#
# One more cure concerns the training itself: a **curriculum**, which means easy commands and easy ground first (Rudin et
# al. 2021). It may have helped in this notebook too: the walker learned in stages, and section 7 shows what a curriculum of
# hurdles did. The next cell prints the stages, and what happened in a run with only commands straight ahead, and in a
# similar run with all commands at once. (Both also had different contacts and a different reward.)

# %%
for name, options, steps, *_ in walks["config"]["mlp"]["stages"]:
    print(f"stage '{name}': {steps:,} steps, commands {options or 'of the task'}")
later = next(k for k, line in enumerate(walks["tried"]) if "all commands from the start: after" in line)
print("ahead only:", walks["tried"][later - 1])
print("all at once:", walks["tried"][later])

# %% [markdown]
# ### A motor that answers late
# A motor with dead time $d$ and time constant $T$ follows its target $q^*$ by
#
# $$T\,\dot q(t) = q^*(t - d) - q(t). \tag{6.9}$$
#
# The policy holds its target for one control step $\Delta t$. While $q^*(t - d)$ is constant, the solution is
# an exponential, so from one decision to the next
#
# $$q_{k+1} = q_k + \bigl(1 - e^{-\Delta t/T}\bigr)\,\bigl(q^*_{k-m} - q_k\bigr), \qquad d = m\,\Delta t.$$
#
# ### Exercise 6.6: a slow motor (fill in)
# Compute the positions at the end of each control step. The motor starts at 0, and before the first target comes through
# it stays there.

# %% nbgrader={"grade": false, "grade_id": "ex-06-6", "locked": false, "schema_version": 3, "solution": true, "task": false}
def slow_motor(targets, dt, lag, dead):
    """targets (T,), dt and lag in s, dead: control steps -> positions (T,) at the end of each control step."""
    ### BEGIN SOLUTION
    share, at, out = 1 - np.exp(-dt / lag), 0.0, []
    for k in range(len(targets)):
        wanted = targets[k - dead] if k >= dead else 0.0
        at = at + share * (wanted - at)
        out.append(at)
    return np.array(out)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-06-6", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
cl.check("6.6", slow_motor)

# %% [markdown]
# Now let robots walk straight ahead, change one thing at a time, and count those that still walk a few seconds later: on
# their feet, and at no less than half the commanded speed. The policies are the shipped ones. None was trained with any of
# this, except that the stiffness of the joints varied by 15 %.
#
# *Predict.* Which of the three cases in `TESTED` below hurts the MLP walker most?

# %%
GAP = {  # label -> name of the option, values: the first is the simulator of training
    "observations late (ms)": ("delay", (0, 20, 40)),
    "motor dead time (ms)": ("dead", (0, 20, 40)),
    "motor lag (ms)": ("lag", (0, 40, 80)),
    "joint damping (times)": ("damping", (1, 3, 8)),
    "sensor noise (sd)": ("noise", (0.0, 0.1, 0.4)),
    "motor strength (times)": ("strength", (1.0, 0.7, 0.4)),
}
TESTED = {"observations 40 ms late": ("observations late (ms)", 40), "motors with a lag of 80 ms": ("motor lag (ms)", 80), "motors at 70 % strength": ("motor strength (times)", 0.7)}
cl.predict("06.20", choices=tuple(TESTED), question="fewest robots still walk with")

# %%
def option(name, value):
    """The setting as `endure` takes it: delays in control steps of 20 ms, lags in s."""
    return {name: round(value / 20) if name in ("delay", "dead") else value / 1000 if name == "lag" else value}


many = cl.budget(smoke=2, lite=12, full=50)
seconds = cl.budget(smoke=1.5, lite=4.0, full=10.0)
plain = {name: real.endure(policy, many, seconds, seed=0) for name, policy in walkers.items()}
walked = {label: {name: {values[0]: plain[name]} for name in walkers} for label, (_, values) in GAP.items()}
for label, (field, values) in GAP.items():
    for value in values[1:]:
        for name, policy in walkers.items():
            walked[label][name][value] = real.endure(policy, many, seconds, seed=0, **option(field, value))
real.gap_figure(walked, {label: values[0] for label, (_, values) in GAP.items()})

# %%
left = {words: walked[label]["MLP"][value].mean() for words, (label, value) in TESTED.items()}
print(*[f"{words}: {share:.0%} of the MLP walkers go on" for words, share in left.items()], sep="\n")
cl.see("undisturbed, MLP and LTC", [shares.mean() for shares in plain.values()], (0.8, 1.0))
late = walked["observations late (ms)"]
cl.see("20 ms late", [late[name][20].mean() for name in late], (0.7, 1.0))
dead = walked["motor dead time (ms)"]
cl.see("MLP, 40 ms late, and with 40 ms of dead time", [late["MLP"][40].mean(), dead["MLP"][40].mean()], (0.0, 0.65))
cl.see("LTC, the same", [late["LTC"][40].mean(), dead["LTC"][40].mean()], (0.2, 1.0))
cl.see("a lag of 80 ms", [walked["motor lag (ms)"][name][80].mean() for name in walkers], (0.6, 1.0))
worst = min(left, key=left.get)
cl.see("what hurts the MLP most", worst, ("observations 40 ms late",), predicted="06.20")

# %% [markdown]
# *What you should see.* Two control steps of pure delay, in the observations or in the motors, stop most of the MLP's
# robots, and one step is nearly harmless. A lag of the motors, even twice as long, hurts much less. The likely reason: both
# make corrections late, but a lag also weakens fast ones, so that the loop does not amplify them. A pure delay leaves them
# at full strength and lets them come when the robot is already moving the other way. (In the terms of control theory: a
# delay adds phase lag and does not reduce the gain.) At 40 % of the strength all stop, perhaps because the legs no longer
# reach their targets in time. More damping, up to eight times, stops none. Small noise does little; large noise stops many
# of the MLP's robots. The LTC loses fewer robots to delay and to noise. These are again one policy of each kind, and they
# were not trained alike: a reason to test more seeds, not a finding.
#
# So before this walker goes on a robot: measure the latency, put it into training, and give the policy a history or a
# memory. The option is there: `go_on(walker, 1_000_000, {}, disturb=dict(delay=2))` trains under it. A million steps take
# about a quarter of an hour, and some training runs may fail. So begin with `delay=1`, which is a curriculum again.

# %% [markdown]
# ## How well did you predict?

# %%
cl.calibration("06")

# %% [markdown]
# ## Summary
# - An action is a target for a spring, (6.1). If the spring is too weak, the robot sags; if it is too stiff for its
#   rate, it shakes.
# - A return is a sum of things: take it apart, (6.3), before you admire it.
# - PPO maximises the return *with* noise, (6.4). Look at the one without.
# - Lags lie on a circle, (6.5). A mean lag without its concentration can name a gait that is not there.
# - What the reward does not mention is free. Torque, power and cost of transport, (6.6), show what was free.
# - Reward terms are hypotheses. Drop one, predict what breaks, measure. A return under other weights is a dot product, (6.7).
# - An importance, (6.8), holds only for the range that was searched. Shuffle the outcomes before you believe it.
# - A walker that has never met latency may fail at two control steps of it, (6.9): one of the two walkers mostly does.
#   Train under the conditions that you expect.
#
# ### What goes wrong, and how it looks
# | what you see | what it often is |
# |---|---|
# | good with noise, falls without | the gait needs its noise. Evaluate without noise during training, and judge by that |
# | the return rises, the robot lies down | a term pays for it: print the terms one by one |
# | torques jump between their limits | gain too high for the rate; no price on torque or on changes of the action |
# | it stands still, and the return is fine | penalties outweigh what moving earns: raise the velocity term or lower the others |
# | it hops, or one leg does all the lifting | nothing asks for symmetry: a price on posture helps, and less pay for time in the air |
# | it walks in a circle | turning is cheap: raise its weight |
# | it walks, and falls at the first push | pushes and randomised bodies belong in training |
# | it walks, but takes no notice of the command | it has learned the mean of the commands: is the command in the observation? |
# | trained further, it can no longer do what it could | nothing asked for it any more: keep some of the old commands |
# | one seed crosses the step, another falls | the demonstration shows one seed: report the worst one too |
# | two sweeps name two winners | shuffle the outcomes: perhaps neither found anything |
# | an important factor has its best values at the end of its range | the range is wrong: search further on that side |
# | it walks in simulation and falls on the robot | latency, weak or slow actuators, noise: measure each, and train with it |
#
# ### Further reading
# - M. Hutter et al., "ANYmal: a highly mobile and dynamic quadrupedal robot", IROS 2016.
# - J. Hwangbo et al., "Learning agile and dynamic motor skills for legged robots", Science Robotics 2019: the actuator,
#   and why rewards need care.
# - J. Tan et al., "Sim-to-real: learning agile locomotion for quadruped robots", RSS 2018: latency and an actuator model.
# - X. B. Peng et al., "Sim-to-real transfer of robotic control with dynamics randomization", ICRA 2018.
# - N. Rudin, D. Hoeller, P. Reist, M. Hutter, "Learning to walk in minutes using massively parallel deep reinforcement
#   learning", CoRL 2021: table of rewards; many copies; terrain curriculum.
# - ANYbotics, `anymal_c_simple_description`, 2020: the maker's limits for every joint.
# - R. A. Fisher, *The Design of Experiments*, Oliver and Boyd 1935: the permutation test.
# - M. McCloskey, N. J. Cohen, "Catastrophic interference in connectionist networks: the sequential learning problem",
#   Psychology of Learning and Motivation, 1989.
# - K. V. Mardia, P. E. Jupp, *Directional Statistics*, Wiley 2000, ch. 2: eq. (6.5).
# - M. Hildebrand, "Symmetrical gaits of horses", Science 1965; R. McN. Alexander, "The gaits of bipedal and quadrupedal
#   animals", International Journal of Robotics Research 1984.
# - V. A. Tucker, "The energetic cost of moving about", American Scientist 1975: eq. (6.6).
# - F. Hutter, H. Hoos, K. Leyton-Brown, "An efficient approach for assessing hyperparameter importance", ICML 2014: eq.
#   (6.8).
# - J. Bergstra et al., "Algorithms for hyper-parameter optimization", NeurIPS 2011: TPE.
# - P. Henderson et al., "Deep reinforcement learning that matters", AAAI 2018: why several seeds are needed.
