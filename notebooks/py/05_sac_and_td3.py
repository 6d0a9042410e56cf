# %% [markdown]
# # SAC and TD3
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/liquid-control/liquid-control/blob/main/notebooks/05_sac_and_td3.ipynb)
#
# PPO throws its data away after a few passes, because the policy that made it is gone. Q-learning need not: "in this state,
# after this action, came that" stays true, whoever acted. In this notebook you carry Q-learning over to continuous
# actions (DDPG), see what goes wrong with it, and add what cures it, one change at a time: the lesser of two critics,
# blurred targets, a patient actor (TD3), and pay for entropy (SAC). At the end three algorithms race on the cheetah of
# notebook 02, once by steps and once by the clock.

# %% [markdown]
# **You will be able to**
# 1. write the target of DDPG, TD3 and SAC, and the gradient that the actor gets from a critic;
# 2. find transitions in a replay buffer that never happened;
# 3. say why the best of noisy estimates is too high, by how much, and measure it against what the policy really earns;
# 4. say what each change between DDPG, TD3 and SAC does alone, from runs with several seeds;
# 5. read the path of a learned temperature, and choose an algorithm for a budget of steps or of time.
#
# **Before you start.** Notebooks 01 (returns, value) and 02 (truncation against termination, HalfCheetah).
#
# **Time** on 2 cores: smoke (a test that every cell runs) under 1 minute; lite (the default) 3 to 6 minutes of
# computing, most of it one training; full about 15.

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
# A cheetah trained by SAC, at most four hours on one processor core. The lines below the video say how long it took and how it does.

# %%
cl.show(cl.load("halfcheetah_sac"), steps=cl.budget(smoke=10, lite=120, full=120), width=480, height=320)

# %%
shipped = cl.result("offpolicy_halfcheetah")
best = next(row for row in shipped["per_seed"] if row["run"] == "best")
print(f"{best['return_deterministic']:,.0f} ± {best['return_sd']:,.0f} (sd of {best['episodes']} episodes, noise off)", end=" ")
print(f"after {best['env_steps']:,} steps and {best['updates']:,} updates, {best['minutes']:.0f} min; one seed")
print(f"published for SAC after 1,000,000 steps (rl-zoo): {shipped['to_beat']:,.0f}; made by {shipped['command']} --runs best")

# %% tags=["prelude"]
import contextlib
import io
from functools import lru_cache

import numpy as np
import torch

import course_lib as cl
from course_lib import viz
from course_lib.course.exercises import attempt, check, check_that
from course_lib.evaluation.returns import run_episodes
from course_lib.lessons import nb05_q as q_figures
from course_lib.lessons.nb05_overestimation import overestimation
from course_lib.policies.actors import SquashedActor, squash
from course_lib.rl.q_losses import smooth, td_target
from course_lib.rl.replay import Replay

# %% [markdown]
# ## 1. An actor that climbs a Q
#
# $Q(s, a)$ is what action $a$ in state $s$ is worth when one acts well afterwards. It obeys Bellman's equation
#
# $$Q(s_t, a_t) = r_t + \gamma \max_{a'} Q(s_{t+1}, a'). \tag{5.1}$$
#
# With four buttons the maximum is a comparison. With six motors it is a search in six dimensions, at every step, for
# every transition learned from. DDPG (Lillicrap et al. 2016) trains a second network to know where the maximum is: the
# **actor** $\mu_\theta(s)$ climbs the slope of the **critic**,
#
# $$\nabla_\theta\, Q\bigl(s, \mu_\theta(s)\bigr) = \nabla_a Q(s, a)\Big|_{a=\mu_\theta(s)} \nabla_\theta\, \mu_\theta(s). \tag{5.2}$$
#
# One state, one action, a Q with two hills. The actor is one number, $a = \tanh\theta$.
#
# *Predict.* Three actors start at −0.9, −0.1 and 0.1. Where does each end?

# %% tags=["prelude"]
def hills(a):
    """Q of one state, a tensor of any shape: a good action at 0.6, one half as good at -0.5."""
    return torch.exp(-(((a - 0.6) / 0.25) ** 2)) + 0.5 * torch.exp(-(((a + 0.5) / 0.2) ** 2))


def climb(start, steps=80, rate=0.1):
    """Actions that an actor goes through: eq. (5.2), again and again."""
    theta, path = torch.atanh(torch.tensor(start)), []
    for _ in range(steps):
        theta = theta.detach().requires_grad_()
        action = torch.tanh(theta)
        (slope,) = torch.autograd.grad(hills(action), theta)
        path.append(action.item())
        theta = theta + rate * slope
    return path


# %%
grid = torch.linspace(-1, 1, 401)
paths = {f"from {start:+.1f}": climb(start) for start in (-0.9, -0.1, 0.1)}
q_figures.landscape_figure(grid, hills(grid), paths)

# %% [markdown]
# *Look at* the large dots, where the actors are in the end. *What you should see.* Only the third finds the higher
# hill. A slope tells the way up, not the way to the highest place. So someone has to *try* other actions, and the
# critic has to be right about actions that the actor does not take.
#
# ### Exercise 5.1: the actor's gradient (a derivation, checked numerically)
# An actor with one weight for each input: $\mu_w(s) = \tanh(w^\top x)$. Given $\partial Q/\partial a$ at its actions, what
# is the gradient of the mean of $Q$ over a batch by $w$? Two hints: (5.2), and $\tanh' = 1 - \tanh^2$.

# %% nbgrader={"grade": false, "grade_id": "ex-05-1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def actor_gradient(x, action, q_slope):
    """x (B, d): inputs; action (B,): tanh(x w); q_slope (B,): dQ/da there; arrays -> d mean(Q) / dw (d,)."""
    ### BEGIN SOLUTION
    return (q_slope * (1 - action**2)) @ x / len(x)
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-05-1", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 5.1
def by_difference(x, action, q_slope, h=1e-6):  # a Q that has this slope at these actions: a straight line
    w = np.linalg.lstsq(x, np.arctanh(action), rcond=None)[0]

    def mean_q(w):
        return np.mean(q_slope * np.tanh(x @ w))

    return np.array([(mean_q(w + h * e) - mean_q(w - h * e)) / (2 * h) for e in np.eye(len(w))])


def actor_case(seed, n=7, d=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return x, np.tanh(x @ rng.normal(size=d)), rng.normal(size=n)


check(
    "5.1", "actor_gradient", oracle=by_difference, cases=[actor_case(0), actor_case(1, 4, 2), actor_case(2, 9, 5)], tolerance=1e-5,
    mistakes={
        "the tanh is forgotten: its slope is 1 - a²": lambda x, a, s: s @ x / len(x),
        "the mean over the batch is asked for; this is the sum": lambda x, a, s: (s * (1 - a**2)) @ x,
        "that is the slope of tanh at a; but a is tanh(x w) already: 1 - a²": lambda x, a, s: (s * (1 - np.tanh(a) ** 2)) @ x / len(x),
        "this goes down the hill: the sign": lambda x, a, s: -(s * (1 - a**2)) @ x / len(x),
    },
)

# %% [markdown]
# ### The critic's target
# The critic learns (5.1) with the actor in the place of the maximum. To keep the goal from running away with every
# step towards it, the right side is computed by copies that follow slowly, $\bar\phi \leftarrow \bar\phi + \tau(\phi - \bar\phi)$:
#
# $$y_t = r_t + \gamma\,(1 - d_t)\,Q_{\bar\phi}\bigl(s_{t+1}, \mu_{\bar\theta}(s_{t+1})\bigr),
# \qquad L(\phi) = \tfrac12\,\mathbb{E}\bigl[(Q_\phi(s_t, a_t) - y_t)^2\bigr]. \tag{5.3}$$
#
# $d_t$ is 1 where the episode *terminated*: nothing comes after a fall. An episode that the clock *truncated* would have
# gone on (section 3 of notebook 02).
#
# ### Exercise 5.2: the target (fill in)

# %% nbgrader={"grade": false, "grade_id": "ex-05-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def target(reward, terminated, truncated, next_q, gamma):
    """reward, terminated, truncated (0 or 1), next_q: (B,) arrays; γ -> y (B,), eq. (5.3)."""
    ### BEGIN SOLUTION
    return reward + gamma * (1 - terminated) * next_q
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-05-2", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
#@title Check 5.2
def in_words(reward, terminated, truncated, next_q, gamma):  # transition by transition
    return np.array([r if fell else r + gamma * q for r, fell, q in zip(reward, terminated, next_q, strict=True)])


def ends(seed, n=8):
    rng = np.random.default_rng(seed)
    over = rng.permutation(np.r_[0, 1, 2, rng.integers(0, 3, n - 3)])
    return rng.normal(size=n), 1.0 * (over == 1), 1.0 * (over == 2), rng.normal(size=n), rng.uniform(0.8, 0.99)


check(
    "5.2", "target", oracle=in_words, cases=[ends(0), ends(1), ends(2)],
    mistakes={
        "an episode that ran out of time would have gone on: only a termination ends the world":
            lambda r, d, c, q, g: r + g * (1 - d) * (1 - c) * q,
        "here the clock ends the world and a fall does not": lambda r, d, c, q, g: r + g * (1 - c) * q,
        "what comes after a fall is worth nothing: the factor 1 - d": lambda r, d, c, q, g: r + g * q,
        "the reward of the last step counts too": lambda r, d, c, q, g: (1 - d) * (r + g * q),
        "γ is missing": lambda r, d, c, q, g: r + (1 - d) * q,
    },
)

# %% [markdown]
# The library's `td_target` is the same for one, two or more critics:

# %%
reward, terminated, next_q = torch.tensor([1.0, 1.0]), torch.tensor([0.0, 1.0]), torch.tensor([[10.0, 10.0]])
print("one critic ", td_target(reward, terminated, next_q, gamma=0.9).tolist())
lower = td_target(reward, terminated, torch.cat([next_q, next_q - 2]), gamma=0.9)
print("two of them", [round(y, 2) for y in lower.tolist()])

# %% [markdown]
# *What you should see.* 1 + 0.9 · 10 = 10 and, after a fall, 1. With two critics the lower one is believed: section 3.

# %% [markdown]
# ## 2. A memory of transitions
#
# Data comes from whatever policy acted when, so it may be kept. The **replay buffer** holds the last million
# transitions, one row each. An update draws a batch at random, which also breaks up what follows on each other: 256
# steps of one stride all look the same.

# %%
replay = Replay(capacity=4, obs_dim=1, act_dim=1)
for t in range(6):
    now, after = np.array([[float(t)]]), np.array([[t + 1.0]])
    replay.add(now, np.array([[0.1 * t]]), after, reward=np.array([10.0 * t]), terminated=np.array([t == 4]))
print(replay)
print(" observation | action | next observation | reward | terminated")
print(replay.rows)

# %% [markdown]
# *What you should see.* Room for four, so transitions 4 and 5 have taken the rows of 0 and 1. Each row is whole: what
# came next is stored in it, and where the clock cuts an episode off, that is the last observation of this episode, not
# the first of the next one.
#
# ### Exercise 5.3: transitions that never happened (find the bug)
# Every observation is stored twice above, as something's next and as its own. This buffer stores it once and reads
# what came next from the row below. It takes half the memory, the curve looks as usual, and it has a bug.
#
# The world it is tried on is a ladder. Each step climbs a rung; on the top one, rung 5, each step is paid 1. After 9 steps
# the clock ends the episode. With γ = 0.9 the top is worth 1/(1 − γ) = 10 and rung $k$ is worth $10\cdot0.9^{5-k}$.

# %% tags=["prelude"]
class ThriftyReplay:
    """Stores each observation once: what came after row i is row i + 1, round the end."""

    def __init__(self, capacity):
        self.capacity, self.position, self.size = capacity, 0, 0
        self.observation, self.reward = np.zeros(capacity), np.zeros(capacity)
        self.terminated, self.truncated = np.zeros(capacity, bool), np.zeros(capacity, bool)

    def add(self, observation, reward, terminated, truncated):
        """What was seen, and what came of acting on it."""
        i = self.position
        self.observation[i], self.reward[i], self.terminated[i], self.truncated[i] = observation, reward, terminated, truncated
        self.position, self.size = (i + 1) % self.capacity, min(self.size + 1, self.capacity)

    def following(self, rows):
        return self.observation[(rows + 1) % self.capacity]

    def newest(self):
        """(capacity,) of True and False: the row that was written last."""
        return np.arange(self.capacity) == (self.position - 1) % self.capacity


def all_rows(replay):
    """The rows that may be drawn: every one that was written."""
    return np.arange(replay.capacity) < replay.size


# %% tags=["prelude"]
def ladder(steps=60, capacity=40, length=9):
    """A buffer after `steps` steps on the ladder."""
    replay, t = ThriftyReplay(capacity), 0
    for _ in range(steps):
        t += 1
        replay.add(min(t - 1, 5), float(t - 1 >= 5), terminated=False, truncated=t == length)
        t %= length
    return replay


def worth(replay, rows, gamma=0.9, sweeps=400):
    """V of rungs 0 to 5 by (5.3) from all transitions in `rows` at once, again and again (there is one action only)."""
    rows, value = np.flatnonzero(rows), np.zeros(6)
    now, after = replay.observation[rows].astype(int), replay.following(rows).astype(int)
    for _ in range(sweeps):
        y = replay.reward[rows] + gamma * ~replay.terminated[rows] * value[after]
        value = np.bincount(now, y, minlength=6) / np.maximum(np.bincount(now, minlength=6), 1)
    return value


# %%
buffer = ladder()
print("rung                  ", *[f"{k:6d}" for k in range(6)])
print("what it is worth      ", *[f"{10 * 0.9 ** (5 - k):6.2f}" for k in range(6)])
print("learned from all rows ", *[f"{v:6.2f}" for v in worth(buffer, all_rows(buffer))])
rows = np.arange(buffer.capacity)
print("rungs that followed on the top one:", *np.unique(buffer.following(rows)[buffer.observation == 5].astype(int)))

# %% [markdown]
# *What you should see.* Everything is worth too little, and from the top rung one seems to get to rungs that no step
# leads to. Which rows tell of a step that never happened? There are two reasons why a row may be wrong. And mind the
# rows that must *not* be thrown away.

# %% nbgrader={"grade": false, "grade_id": "ex-05-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def drawable(replay):
    """-> (capacity,) of True and False: the rows of a ThriftyReplay that may be drawn."""
    ### BEGIN SOLUTION
    rows = all_rows(replay) & ~replay.newest()  # what comes after that one is not known yet
    return rows & ~replay.truncated  # after a fall nothing counts, so its row may stay
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-05-3", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 5.3
def true_steps(replay):  # every observation of these buffers is its own serial number; a fall needs no next one
    real = replay.following(np.arange(replay.capacity)) == replay.observation + 1
    return (np.arange(replay.capacity) < replay.size) & (real & ~replay.truncated | replay.terminated)


def filled(seed, steps, capacity):
    rng, replay = np.random.default_rng(seed), ThriftyReplay(capacity)
    for serial in range(1, steps + 1):
        end = "" if serial == steps else rng.choice(["", "", "", "fell", "clock"])
        replay.add(serial, 0.0, end == "fell", end == "clock")
    return (replay,)


check(
    "5.3", "drawable", oracle=true_steps, cases=[filled(0, 30, 20), filled(1, 12, 20), filled(2, 40, 20), filled(3, 47, 16)],
    right="every step that is left has happened",
    mistakes={
        "these are all rows, as before": all_rows,
        "episodes do not run into each other any more; but what stands below the row written last?": lambda r: all_rows(r) & ~r.truncated,
        "the ring is closed now; but below the last row of an episode that was cut off stands the first of the next": lambda r: all_rows(r) & ~r.newest(),
        "falls are thrown away too: without them nobody learns that a fall ends everything": lambda r: all_rows(r) & ~r.newest() & ~r.truncated & ~r.terminated,
        "it is the oldest row that is left out; that one is sound, the newest is not":
            lambda r: all_rows(r) & ~(np.arange(r.capacity) == r.position % r.size) & ~r.truncated,
        "falls are left out and cut-offs kept: it should be the other way round": lambda r: all_rows(r) & ~r.newest() & ~r.terminated,
    },
)

# %%
answer = attempt(drawable, buffer)
if answer is not None:
    print("learned from your rows", *[f"{v:6.2f}" for v in worth(buffer, answer)])

# %% [markdown]
# *What you should see.* The true values. (The price: the last step of an episode that was cut off is lost, because its
# next observation never was stored. The library's buffer takes the memory instead.)

# %% [markdown]
# ## 3. Promised and earned
#
# Suppose ten actions are all worth 0, and the critic knows each up to an error of standard deviation 1.
# *Predict.* What does it think the best of them is worth?

# %%
rng = np.random.default_rng(0)
estimates = rng.normal(size=(100_000, 10))
again = rng.normal(size=(100_000, 10))  # a second critic, with errors of its own
chosen = estimates.argmax(1)[:, None]
print(f"best of ten, by the critic itself         {estimates.max(1).mean():+.2f}")
print(f"the same action, by a second critic       {abs(np.take_along_axis(again, chosen, 1).mean()):5.2f}")
print(f"the lower of both, at the first's choice  {np.minimum(estimates, again)[np.arange(len(chosen)), chosen[:, 0]].mean():+.2f}")

# %% [markdown]
# *What you should see.* +1.54, 0 and a little below 0. Who picks the largest of noisy numbers picks the *noise*:
#
# $$\mathbb{E}\bigl[\max_a \hat Q(a)\bigr] \;\ge\; \max_a \mathbb{E}\bigl[\hat Q(a)\bigr]. \tag{5.4}$$
#
# An actor that climbs $\hat Q$ is such a picker, and (5.3) hands its mistake down to every state from which one can get
# there. **Twin critics** (Fujimoto et al. 2018, section 4.2) are two networks, begun differently, that share one target:
#
# $$y_t = r_t + \gamma\,(1 - d_t)\,\min_{i=1,2} Q_{\bar\phi_i}\bigl(s_{t+1}, \mu_{\bar\theta}(s_{t+1})\bigr). \tag{5.5}$$
#
# ### Exercise 5.4: how much lower is the lower one? (a derivation, checked numerically)
# Two estimates of the same number, both with an error of standard deviation $\sigma$, correlated by $\rho$ (they learn from
# the same targets, so $\rho > 0$). What is the mean of the lower one's error? Three hints: $\min(u, v) = \tfrac12(u + v -
# |u - v|)$; what is the standard deviation of $u - v$? And $\mathbb{E}|z| = s\sqrt{2/\pi}$ for a Gaussian $z$ of
# standard deviation $s$ and mean 0.

# %% nbgrader={"grade": false, "grade_id": "ex-05-4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def lower_error(sd, correlation):
    """Standard deviation of both errors, their correlation -> E[min of both]."""
    ### BEGIN SOLUTION
    return -sd * np.sqrt((1 - correlation) / np.pi)
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-05-4", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 5.4
def by_summing(sd, correlation, n=1201):  # over a fine grid of two independent Gaussians
    z = np.linspace(-7, 7, n)
    weight = np.exp(-(z[:, None] ** 2 + z**2) / 2)
    u, v = z[:, None], correlation * z[:, None] + np.sqrt(1 - correlation**2) * z
    return sd * (weight * np.minimum(u, v)).sum() / weight.sum()


check(
    "5.4", "lower_error", oracle=by_summing, cases=[(1.0, 0.0), (2.0, 0.5), (0.7, 0.9), (1.5, -0.4)], tolerance=1e-3,
    right="two critics that err alike correct nothing; two that err independently are 0.56 σ too low where nobody chooses",
    mistakes={
        "the lower one is below: the sign": lambda s, r: s * np.sqrt((1 - r) / np.pi),
        "that is right for independent errors; but u - v has the variance 2 σ² (1 - ρ)": lambda s, r: -s / np.sqrt(np.pi),
        "the factor ½ of the first hint is missing": lambda s, r: -2 * s * np.sqrt((1 - r) / np.pi),
        "that is the variance of u - v under the root twice: its standard deviation is σ √(2 (1 - ρ))":
            lambda s, r: -s * (1 - r) * np.sqrt(2) / np.sqrt(np.pi),
        "correlated errors differ less: 1 - ρ, not 1 + ρ": lambda s, r: -s * np.sqrt((1 + r) / np.pi),
    },
)

# %% [markdown]
# ### Measured
# A pendulum with motor, shown as it is (angle and rate). DDPG trains on it, then with twin critics and nothing else
# changed. Then each policy plays without noise, and every Q on its way is compared with the discounted reward that
# really came.
#
# *Predict.* Which dots lie above the line, which below?

# %% tags=["prelude"]
SETTINGS = dict(hidden=(64, 64), learning_rate=1e-3, learning_starts=1_000, updates_per_step=0.5)


def pendulum(copies, seed):
    return cl.make("MemoryPendulum-v0", copies, seed=seed, observation="full")


# %%
agents, steps = {}, cl.budget(smoke=1_100, lite=12_000, full=12_000)
for name, changes in (("DDPG", {}), ("with twin critics", {"critics": 2})):
    agents[name] = cl.DDPG(pendulum(4, seed=0), cl.DDPGConfig(**SETTINGS, **changes, seed=0))
    cl.train(agents[name], steps, progress=False)

# %%
copies = cl.budget(smoke=2, lite=16, full=16)
q_figures.estimates_figure({name: overestimation(agent, copies=copies, seed=1) for name, agent in agents.items()})

# %% [markdown]
# *Look at* the number above each panel: Q minus what was earned, on average. *What you should see* in the lite budget:
# DDPG promises too much, the twin critics a little too little. A row of dots far above the line is an episode that
# went wrong in a way that the critic did not foresee. One training each is an anecdote; the counted version is in
# section 6.

# %% [markdown]
# ## 4. Two more changes make TD3
#
# **Smoothed targets** (section 5.3 of the paper). A critic is sharp in places for no reason: a narrow peak
# between actions that were really tried. The actor finds it. If nearby actions are worth about the same, then the
# target may ask for their mean:
#
# $$a' = \mathrm{clip}\bigl(\mu_{\bar\theta}(s_{t+1}) + \mathrm{clip}(\varepsilon, \pm c),\; \pm 1\bigr),
# \qquad \varepsilon \sim \mathcal N(0, \sigma^2). \tag{5.6}$$
#
# Our two hills with an error: a spike 0.05 wide that nobody measured. *Predict.* Where is the maximum after smoothing with
# σ = 0.2?

# %%
def spiked(a):
    return hills(a) + 1.2 * torch.exp(-(((a + 0.1) / 0.05) ** 2))


noise = torch.randn(4_000, 1, generator=torch.Generator().manual_seed(0))
smoothed = {sd: spiked(smooth(grid.expand(4_000, -1), noise, sd, clip=0.5)).mean(0).numpy() for sd in (0.02, 0.2)}
q_figures.smoothing_figure(grid, spiked(grid), smoothed)

# %% [markdown]
# *Look at* the dots, the maximum of each line. *What you should see.* A little smoothing lowers the spike and leaves it
# the maximum; with σ = 0.2 the broad hill at 0.6 wins. The price: true peaks are lowered as well, narrow ones most.
#
# **A patient actor** (section 5.2). The actor, and all targets, move at every *second* critic update only: a
# critic that has had time to settle is worth climbing. In the library each change is one field:

# %%
from dataclasses import asdict

presets = {kind.__name__: asdict(kind.Config()) for kind in (cl.DDPG, cl.TD3, cl.SAC)}
print(f"{'':20s}", *[f"{name:>8s}" for name in presets])
for field in presets["DDPG"]:
    values = [str(preset[field]) for preset in presets.values()]
    if len(set(values)) > 1:
        print(f"{field:20s}", *[f"{value:>8s}" for value in values])

# %% [markdown]
# *What you should see.* Every difference there is, and all of them can be set on any of the three.

# %% [markdown]
# ## 5. Pay for not being sure: SAC
#
# DDPG and TD3 explore by noise that is added from outside. Soft actor-critic (Haarnoja et al. 2018) has a *stochastic*
# actor and pays it for its entropy, α a nat:
#
# $$J(\pi) = \mathbb{E}\Bigl[\sum_t \gamma^t \bigl(r_t + \alpha\, \mathcal H(\pi(\cdot\mid s_t))\bigr)\Bigr],
# \qquad \mathcal H = \mathbb{E}[-\log \pi(a\mid s)]. \tag{5.7}$$
#
# So what comes next is worth its Q *and* its entropy, and the actor climbs both:
#
# $$\begin{aligned} y_t &= r_t + \gamma\,(1 - d_t)\bigl[\min_i Q_{\bar\phi_i}(s_{t+1}, a') - \alpha \log \pi(a'\mid s_{t+1})\bigr], \\
# L(\theta) &= \mathbb{E}\bigl[\alpha \log \pi_\theta(a\mid s) - \min_i Q_{\phi_i}(s, a)\bigr]. \end{aligned} \tag{5.8}$$
#
# In one state, among *all* densities, the best for (5.8) is
#
# $$\pi^*(a \mid s) \propto \exp\bigl(Q(s, a) / \alpha\bigr). \tag{5.9}$$
#
# ### A Gaussian between bounds
# The actor gives a mean and a standard deviation, draws $u = m + \sigma\varepsilon$, and squashes: $a = \tanh u$ lies in
# (−1, 1). Squashing changes the density: where tanh is flat, many $u$ are pressed into few $a$.
#
# ### Exercise 5.5: its log-density (a derivation and a fill-in)
# If $u$ has density $p(u)$ then $a = \tanh u$ has $p(u) / |da/du|$. Write $\log\pi(a)$ for several independent motors: it
# is one number for each row.

# %% nbgrader={"grade": false, "grade_id": "ex-05-5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def squashed_log_prob(mean, sd, noise):
    """mean, sd, noise: arrays (B, act); the action is tanh(mean + sd · noise) -> its log density (B,)."""
    ### BEGIN SOLUTION
    u = mean + sd * noise
    gaussian = -0.5 * noise**2 - np.log(sd) - 0.5 * np.log(2 * np.pi)
    return (gaussian - np.log(1 - np.tanh(u) ** 2)).sum(-1)
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-05-5", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 5.5
from scipy.stats import norm


def parts(m, s, e):  # log-density of u, logarithm of |da/du|
    return -0.5 * e**2 - np.log(s) - 0.5 * np.log(2 * np.pi), np.log(1 - np.tanh(m + s * e) ** 2)


def by_counting(mean, sd, noise, h=1e-5):  # the share of draws that fall between a - h and a + h, from the normal law
    action = np.tanh(mean + sd * noise)
    share = norm.cdf(np.arctanh(action + h), mean, sd) - norm.cdf(np.arctanh(action - h), mean, sd)
    return np.log(share / (2 * h)).sum(-1)


def gaussian_case(seed, n=6, act=3):
    rng = np.random.default_rng(seed)
    return 0.5 * rng.normal(size=(n, act)), rng.uniform(0.2, 0.6, (n, act)), rng.normal(size=(n, act))


check(
    "5.5", "squashed_log_prob", oracle=by_counting, cases=[gaussian_case(0), gaussian_case(1, 4, 1), gaussian_case(2, 5, 6)], tolerance=1e-4,
    mistakes={
        "that is the density of u; the tanh presses many u into few a": lambda m, s, e: parts(m, s, e)[0].sum(-1),
        "the density is divided by |da/du|, so its logarithm is subtracted": lambda m, s, e: (parts(m, s, e)[0] + parts(m, s, e)[1]).sum(-1),
        "the noise was scaled by σ, so its density was divided by it: - log σ": lambda m, s, e: (parts(m, s, e)[0] + np.log(s) - parts(m, s, e)[1]).sum(-1),
        "one number for each row: motors are independent, so their logarithms add up": lambda m, s, e: parts(m, s, e)[0] - parts(m, s, e)[1],
        "sum over the motors, not the mean": lambda m, s, e: (parts(m, s, e)[0] - parts(m, s, e)[1]).mean(-1),
    },
)

# %% [markdown]
# (Near the bounds $1 - \tanh^2 u$ rounds to 0. The library computes the same as $2(\log 2 - u - \mathrm{softplus}(-2u))$.)
#
# ### An actor on the two hills
# SAC's actor, alone with the Q of section 1. *Predict.* At small α, where does it end? And at large α: does it stand on
# both hills?

# %%
def soft_actor(q, alpha, updates=600, seed=0):
    """Trains an actor of one state on `q` by the second loss of (5.8) -> actor, 4,000 actions, their log-density."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        actor, x = SquashedActor(1, 1, hidden=(16,)), torch.ones(256, 1)
        optimizer = torch.optim.Adam(actor.parameters(), 1e-2)
        for _ in range(updates):
            action, log_prob = squash(*actor.distribution(x), torch.randn(256, 1))
            loss = (alpha * log_prob - q(action[:, 0])).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        action, log_prob = actor.unit(torch.ones(4_000, 1), torch.randn(4_000, 1))
    return actor, action.detach().numpy()[:, 0], log_prob.detach().numpy()


drawn = {f"α = {alpha:g}": (alpha, soft_actor(hills, alpha)[1]) for alpha in (0.02, 0.2, 1.0)}
q_figures.boltzmann_figure(grid, hills(grid), drawn)

# %% [markdown]
# *Look at* the bars, what the trained actor draws, beside the line (5.9), the best there is. *What you should see.* At
# small α a narrow actor on the *higher* hill, although it began in the valley like the second actor of section 1: it
# began broad, so it felt both hills. At large α both are broad. The actor is *one* Gaussian, squashed: it cannot stand
# on two hills, whatever (5.9) asks for.
#
# ### Exercise 5.6: what does entropy cost? (an experiment with a hypothesis)
# Take a single hill, $Q(a) = -20\,a^2$. α is doubled, again and again. Suppose each doubling adds the same number of
# nats of entropy. Enter that number **before** you run the measurement. Two hints: with (5.9) the best policy is a
# Gaussian; what is its variance? And the entropy of a Gaussian is $\tfrac12 \log(2\pi e \sigma^2)$.

# %% nbgrader={"grade": false, "grade_id": "ex-05-6", "locked": false, "schema_version": 3, "solution": true, "task": false}
def nats_per_doubling():
    """-> by how many nats the entropy grows when α doubles."""
    ### BEGIN SOLUTION
    return 0.5 * np.log(2)
    ### END SOLUTION


# %%
guess, last = attempt(nats_per_doubling), None
for alpha in (0.02, 0.04, 0.08, 0.16, 0.32):
    actor, _, log_prob = soft_actor(lambda a: -20 * a**2, alpha, updates=cl.budget(smoke=60, lite=600, full=1_500))
    entropy = -log_prob.mean()
    grown = "" if last is None else f"   grown by {entropy - last:+.2f}"
    print(f"α = {alpha:4.2f}   entropy {entropy:+.2f} nats{grown}{'' if guess is None or last is None else f', you said {guess:+.2f}'}")
    last = entropy

# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-05-6", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
#@title Check 5.6
check(
    "5.6", "nats_per_doubling", oracle=lambda: 0.5 * np.log(2), cases=[()], tolerance=0.02,
    right="the variance is α/40, so twice the α is √2 times the width: ½ log 2 nats, whatever the hill",
    mistakes={
        "that is for twice the width; but it is the variance that doubles with α": lambda: np.log(2),
        "in bits that is right; a nat is log 2 times fewer": lambda: 0.5,
        "that is how the width grows; the entropy is its logarithm": lambda: np.sqrt(2),
        "the entropy is paid for by α, but is not α": lambda: 1.0,
    },
)

# %% [markdown]
# *What you should see.* Steps close to one another, from a narrow policy to a broad one. A motor that needs precision in one state and none in another gets both from one α: what is paid is the
# same everywhere, what it costs is not.
#
# ### The temperature finds its own way
# How large should α be? That depends on the scale of the rewards, and changes while learning. So SAC sets the *entropy* and lets α
# follow (Haarnoja et al. 2018b, section 5): $\bar{\mathcal H}$ is minus the number of motors, and
#
# $$L(\alpha) = -\log\alpha\;\mathbb{E}\bigl[\log\pi(a\mid s) + \bar{\mathcal H}\bigr]. \tag{5.10}$$
#
# *Predict.* In a new training the policy is broad. Will α rise or fall at first? And when the policy gets narrow?

# %%
changes = cl.result("offpolicy_changes")
rows = changes["per_seed"]
paths = {q_figures.TITLES[name]: q_figures.rows_of(rows, "cheetah", name) for name in ("sac", "sac_fixed")}
q_figures.temperature_figure(paths, target_entropy=-6)

# %% [markdown]
# *Look at* the middle panel with the left one: the dotted line is the target, −6 nats for six motors. *What you should see.* Where the entropy is above its
# target, α falls; below, it rises; then the entropy stays where it was asked to be, while α goes on following the
# rewards. With α fixed, the entropy goes where it likes.

# %% [markdown]
# ## 6. Each change alone
#
# What is each change worth? Many small trainings on the pendulum and some on the cheetah, each DDPG with the one change that its
# name says, all with the same number of steps and updates. The cell prints how many.
#
# *Predict.* Which change to DDPG makes it lose most? Which gain most? Which hurts, in so few steps?

# %%
for name, about in changes["config"].items():
    if name.endswith(" ddpg"):
        print(f"{about['env']}: {about['steps']:,} steps, {about['updates_per_step']:g} updates for each")
print("made by", changes["command"])
everything = ["no_target", "no_noise", "ddpg", "twin", "smoothing", "delay", "td3", "stochastic", "entropy", "sac_fixed", "sac"]
q_figures.effects_figure(rows, "pendulum", everything)

# %%
print(f"{'':32s}{'median':>8s}   {'95 % interval':16s} seeds below -200")
for name in everything:
    claim, group = f"pendulum_{name}_return", [row["return_deterministic"] for row in q_figures.rows_of(rows, "pendulum", name)]
    (low, high), missed = changes["intervals"][claim], sum(value < -200 for value in group)
    print(f"{q_figures.TITLES[name]:32s}{changes['claims'][claim]:8.0f}   {f'{low:.0f} to {high:.0f}':16s} {missed} of {len(group)}")

# %% [markdown]
# *Look at* the medians first, then at the last column. *What you should see.*
# - Without slow targets nothing is learned: Q chases itself.
# - Exploration noise is not missed here: the pendulum starts anywhere, so the starts explore.
# - DDPG's median is as good as any, and some of its seeds fail. With twin critics, or with all of SAC, none does; the price is a Q a little too
#   low. (A few failures of ten against none is a hint and not yet a proof.)
# - The delayed actor, and so TD3, is *behind*, and its Q far too high, for a simple reason: in the same number of steps its actor
#   and its targets have moved half as often.
#
# ### How Q comes down

# %%
q_figures.bias_figure(rows, "pendulum", ["ddpg", "twin", "td3", "sac"])

# %% [markdown]
# *Look at* the beginning: all of them promise far too much. That is no maximisation, (5.4): rewards here are negative,
# networks begin at 0, and what a state is worth arrives step by step, through targets that follow slowly. With the
# delayed actor the targets follow half as fast. *What you should see* at the end: DDPG a little above the line, SAC and
# the twin critics below it.
#
# ### The same on the cheetah
# *Predict.* Six motors in place of one, rewards above 0. Which Q will be too high now?

# %%
q_figures.effects_figure(rows, "cheetah", ["ddpg", "twin", "smoothing", "delay", "td3", "stochastic", "entropy", "sac_fixed", "sac"])

# %% [markdown]
# *Look at* the lines, the intervals of the medians, and at the zero of the right panel. *What you should see.*
# - The actor that is *paid* for its entropy gains most, and its interval lies above that of DDPG. Twin critics, smoothed targets
#   and a stochastic actor gain too, less.
# - With the delayed actor, and so with TD3, everything is slower once more: half the actor's updates. That is this
#   budget's verdict, not the last word: in section 7 the same TD3 gets about twenty times as many updates.
# - SAC is that paid actor with twin critics. Its best seeds are as good, but they differ by a factor of two: three
#   seeds are few, and the intervals say so.
# - *No* Q is too high at the end. All are too low.

# %%
q_figures.bias_figure(rows, "cheetah", ["ddpg", "twin", "td3", "sac"])

# %% [markdown]
# *Look at* the side of the line: a little above in the beginning, then below. The policy improves faster than the critics can follow: what it earns *from now on* is more than
# anything in the buffer tells of. Over-estimation, (5.4), is real; on this robot, within this budget, it is not what holds learning back. Figure 1 of the TD3 paper shows it on other
# robots, within a million steps. A claim about a cause is worth a measurement on your own task.

# %% [markdown]
# ## 7. The race
#
# Draw the curve you expect for SAC on HalfCheetah: three points (steps, return). PPO in notebook 02 needed about a
# million steps for a return of 4,000.

# %%
prediction = [(10_000, 0), (30_000, 500), (60_000, 1_000)]

# %% [markdown]
# Watch it grow, and watch the clock: each step of the sixteen copies is followed by eight updates of five networks.
# ■ stops it and keeps what was learned.

# %%
envs = cl.make("HalfCheetah-v5", num_envs=16, seed=1)
agent = cl.SAC(envs, cl.SACConfig.recommended("HalfCheetah-v5", seed=1, learning_starts=cl.budget(smoke=512, lite=5_000, full=5_000)))
run = cl.train(agent, cl.budget(smoke=768, lite=60_000, full=250_000), live=True)

# %%
viz.prediction_overlay(viz.learning_curve(run), prediction)

# %% [markdown]
# *Look at* the steps below the curve. *What you should see* in the lite budget: 0 or less for the first 25,000 steps, then 1,000
# and more at the end. The curve comes late: it is the mean of the last 100 episodes of 1,000 steps each, and here
# that is all of them, the random ones too. What the policy is worth *now* says the next cell.

# %%
cl.evaluate(run, episodes=cl.budget(smoke=2, lite=20, full=50))

# %% [markdown]
# *What you should see* in the lite budget: a mean between 2,000 and 5,000, noise or not, after 27,500 updates. PPO with
# 60,000 steps has not begun.
#
# ### At equal steps, and at equal time
# Three algorithms of this library, and Stable-Baselines3's SAC for comparison. *Predict.* Who leads after 100,000 steps? After 5 minutes?

# %%
ppo = cl.result("ppo_halfcheetah")
runs = {name: [r for r in shipped["per_seed"] if r["run"] == key] for name, key in (("SAC", "sac"), ("TD3", "td3"), ("SAC of SB3", "sb3_sac"))}
print("PPO:", ppo["command"], "on", ppo["machine"]["cores"], "cores; the others:", shipped["command"], "on one core each")
q_figures.race_figure({"PPO": ppo["per_seed"], **runs}, marks={"published, SAC, 1M steps": shipped["to_beat"]})

# %% [markdown]
# *Look at* the same runs on two axes: left by steps (each mark ten times the last), right by the clock. *What you should
# see.* By steps SAC is ahead of PPO, and the higher the return the more, by a factor of ten and over at the end: every
# transition is used many times. By the clock PPO leads for about ten minutes (it had two cores, the others one): here a
# simulated step costs far less than an update. Where a step is a step of a real robot, only the left panel counts.
# Who begins early is not who ends high: SAC passes PPO in both panels.

# %%
for name, group in {"PPO": [dict(r, return_deterministic=r["return_15min"]) for r in ppo["per_seed"]], **runs}.items():
    values = np.array([r["return_deterministic"] for r in group])
    steps = np.median([r["env_steps"] for r in group])
    print(f"{name:11s} noise off, at the end: median {np.median(values):7,.0f} of {len(values)} seeds ({values.min():,.0f} to {values.max():,.0f}) after {steps:10,.0f} steps")

# %% [markdown]
# ### The gaits
# *Predict.* Will three algorithms find one way to run?

# %%
names = {"PPO": "halfcheetah_ppo_3", "TD3, 30 min": "halfcheetah_td3_30min", "SAC, 30 min": "halfcheetah_sac_30min", "SAC, the best": "halfcheetah_sac"}
steps = cl.budget(smoke=8, lite=80, full=80)
episodes = [viz.rollout_states(cl.load(name), steps=steps) for name in names.values()]
half = steps // 2
speeds = [(e.physics[-1, 1] - e.physics[-half, 1]) / ((half - 1) * e.dt) for e in episodes]  # of the torso, m/s
titles = [f"{name}: {v:.1f} m/s" for name, v in zip(names, speeds, strict=True)]
cl.show(viz.montage([viz.render(e, width=320, height=200) for e in episodes], titles, columns=2), title="from a standing start")

# %% [markdown]
# *Look at* which leg pushes, how long it stays on the ground, and how much the trunk pitches. The reward knows
# nothing of style: forward speed minus a tenth of the squared torques is all that it says.

# %% [markdown]
# ### Exercise 5.7: little data (open)
# The pendulum, 6,000 steps, five times fewer than PPO would need, and at most 6,000 updates. Find settings for SAC with which the policy earns at
# least −200 without noise (the best there is earn about −150; the pendulum hanging still, −1,500). Change one thing at a time; write down what you
# expected and what came. The check trains with your settings, several seconds.

# %% tags=["prelude"]
@lru_cache
def little_data(settings):
    """SAC with `settings`, a tuple of (name, value), after 6,000 steps -> agent, mean return of 32 episodes."""
    agent = cl.SAC(pendulum(4, seed=0), cl.SACConfig(**{**SETTINGS, "temperature": 0.1, **dict(settings)}))
    with contextlib.redirect_stdout(io.StringIO()):  # a check prints one line
        cl.train(agent, 6_000, progress=False)
    return agent, run_episodes(agent.policy, pendulum(32, seed=50)).mean


# %% nbgrader={"grade": false, "grade_id": "ex-05-7", "locked": false, "schema_version": 3, "solution": true, "task": false}
def my_settings():
    """-> a dict of changes to SETTINGS, fields of cl.SACConfig."""
    ### BEGIN SOLUTION
    return dict(updates_per_step=1.0, tau=0.02, learning_starts=500)  # more from each step, and targets that keep up
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-05-7", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 5.7
def full_config(f):
    return cl.SACConfig(**{**SETTINGS, "temperature": 0.1, **f()})


def cost(f):
    return full_config(f).updates_per_step * (6_000 - full_config(f).learning_starts)


check_that(
    "5.7", "my_settings",
    ("the answer must be a dict of settings that cl.SACConfig accepts", lambda f: isinstance(f(), dict) and bool(full_config(f))),
    ("that is more than 6,000 updates: fewer updates_per_step", lambda f: cost(f) <= 6_000),
    ("that is fewer than 1,000 updates: the critics have hardly begun. Begin learning earlier, or more updates_per_step", lambda f: cost(f) >= 1_000),
    ("not there: Q promises too much still, because it began at 0 and its targets follow slowly (tau), or are few (updates_per_step)",
        lambda f: little_data(tuple(sorted(f().items())))[1] >= -200 or overestimation(little_data(tuple(sorted(f().items())))[0], copies=4, seed=1).bias < 20),
    ("the critic is sane, but the pendulum is not up everywhere yet: return under -200", lambda f: little_data(tuple(sorted(f().items())))[1] >= -200),
    right="up. Which of your changes did it?",
)

# %% [markdown]
# ## Summary
# - An actor climbs the critic, (5.2), and finds the nearest hill; (5.3) with targets that follow slowly trains the critic.
# - A replay buffer lets every transition be used many times. What it must never hold is a step that never happened.
# - The best of noisy estimates is too high, (5.4). The lower of two critics is too low, by less: exercise 5.4.
# - TD3 is DDPG with the lesser of two critics, blurred targets and a patient actor; SAC keeps the first of these and pays
#   for entropy instead of adding noise, (5.8), at a price that follows an entropy asked for, (5.10).
# - Off-policy learning wins by the step. By the clock that depends on what a step costs.
#
# ### What goes wrong, and how it looks
# | what you see | what it often is |
# |---|---|
# | Q grows without limit, return falls | no slow targets, or a termination that is not told; twin critics hide the second for a while |
# | Q far above what is earned, return flat | over-estimation: critics = 2; or rewards are negative and Q has not come down from 0 yet: wait, larger tau |
# | Q far below, return flat | two critics that disagree: larger batches, or fewer updates for each step |
# | everything is worth the same, slightly too little | transitions that never happened: ends of episodes, seam of the ring |
# | actions stick at ±1, entropy falls early | rewards on a large scale: α is small beside them; let it be learned, from a higher start |
# | entropy far above its target, α at 0.001 and falling | the target entropy is higher than the task bears, or the actor does not get the gradient of log π |
# | good without noise in training, bad in evaluation | noise that the policy leaned on; or the normaliser was not saved |
# | fast at first, then ever slower | the buffer is larger than the memory; the library refuses such a one |
#
# ### Further reading
# - T. Lillicrap et al., "Continuous control with deep reinforcement learning", 2016: DDPG; section 3 on targets and noise.
# - S. Fujimoto, H. van Hoof, D. Meger, "Addressing function approximation error in actor-critic methods", 2018: TD3; section 4 on twin critics, section 5 on the other two.
# - T. Haarnoja et al., "Soft actor-critic: off-policy maximum entropy deep reinforcement learning with a stochastic actor", 2018.
# - T. Haarnoja et al., "Soft actor-critic algorithms and applications", 2018 (arXiv 1812.05905): section 5, the learned temperature; appendix C, the squashed Gaussian.
# - H. van Hasselt, "Double Q-learning", 2010: where the maximum of noisy estimates was first treated.
# - X. Chen et al., "Randomized ensembled double Q-learning", 2021: section 3, promised against earned, and more updates for each step.
