# %% [markdown]
# # Reinforcement learning from scratch
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/liquid-control/liquid-control/blob/main/notebooks/01_rl_from_scratch.ipynb)
#
# A cart carries a pole. Nobody tells the controller what a pole is, where it falls, or which way to push. It gets
# four numbers, it pushes, and it is paid one point for every step the pole stays up. At the end of this notebook
# about a hundred lines of plain code will have learnt to balance it, in less than two minutes on two processor cores.
# The video under the set-up cell shows where we are going.

# %% [markdown]
# **You will be able to**
# 1. write a control problem down as a Markov decision process, and compute returns and values in it;
# 2. derive the policy gradient, and check a derivation against numbers;
# 3. measure how noisy a gradient estimate is, and make it less noisy without making it wrong;
# 4. train a policy with REINFORCE and a learned baseline, and evaluate it without its exploration noise;
# 5. say where a method stands: value-based, policy-based, or between.
#
# **Before you start.** Python with numpy; derivatives and expectations; a little PyTorch helps (a network, an
# optimiser, `backward`).
#
# **Time** on 2 cores: smoke (a test that every cell runs) under 1 minute; lite (the default) about 3 minutes of
# computing, and as much time for the exercises as you like; full about 5 minutes.

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
# The policy in this video was made by the code of this notebook. It starts with the pole leaning almost as
# far as the rules allow, nearly twenty times further than any start in training, and catches it.

# %%
cl.show(cl.load("reinforce_pole"), seed=8, steps=125, reset_noise_scale=0.2)

# %% [markdown]
# *What you should see.* A quick dash under the pole in the first half second, then calm.

# %% tags=["prelude"]
import time

import numpy as np
import torch
from torch import nn

import course_lib as cl
from course_lib.course.exercises import attempt, check, check_that
from course_lib.lessons import nb01_diagrams as diagrams
from course_lib.policies.base import Policy

# %% [markdown]
# ## 1. A problem made of states, actions and rewards
#
# A **Markov decision process** is a game with five parts: states $s$, actions $a$, a rule
# $p(s_{t+1}\mid s_t, a_t)$ for what comes next, a reward $r_t$ for each step, and a discount $\gamma \le 1$.
# *Markov* says that the rule looks at the present state only. A **policy** $\pi(a\mid s)$ plays the game, and one
# play is a **trajectory** $\tau = (s_0, a_0, r_0, s_1, a_1, r_1, \dots)$ with probability
#
# $$p(\tau) = p(s_0)\,\prod_t \pi(a_t\mid s_t)\; p(s_{t+1}\mid s_t, a_t). \tag{1.1}$$
#
# Our first game is a corridor of five cells. A robot starts in cell 0 and wants the charger in cell 4, which pays 1
# and ends the episode. It steers left (0) or right (1); one time in ten its wheels slip and it goes the other way.

# %% tags=["prelude"]
def corridor_step(state, action, rng):
    """One move -> next state, reward, terminated. States 0..4, action 0 (left) or 1 (right)."""
    move = 1 if action == 1 else -1
    if rng.random() < 0.1:
        move = -move
    state = min(max(state + move, 0), 4)
    return state, float(state == 4), state == 4


# %% [markdown]
# *Predict.* A robot that tosses a coin at each step: does it need about 4 steps, about 20, or about 100?

# %%
rng = np.random.default_rng(0)
states, rewards, done = [0], [], False
while not done:
    state, reward, done = corridor_step(states[-1], rng.integers(2), rng)
    states.append(state)
    rewards.append(reward)
print("states ", *states)
print("steps  ", len(rewards), "  reward", sum(rewards))

# %% [markdown]
# *What you should see.* One trajectory that wanders and ends in cell 4. Run the cell again with another seed: most
# trajectories take between 5 and 50 steps, 20 on average.
#
# ### Return
# What we want is not the next reward but all that follow, the near ones a little more than the far ones. The
# **return** (reward to go) of step $t$ is
#
# $$G_t = r_t + \gamma\, r_{t+1} + \gamma^2 r_{t+2} + \dots = r_t + \gamma\, G_{t+1}. \tag{1.2}$$
#
# *Predict.* With $\gamma = 0.9$, how much is the charger worth to the robot in cell 0 if it takes 20 steps to get
# there?

# %%
for steps in (4, 10, 20, 50):
    print(f"{steps:3d} steps: worth {0.9 ** (steps - 1):.3f} at the start")

# %% [markdown]
# *What you should see.* Between 0.7 and 0.8 for the straight way, between 0.1 and 0.2 for 20 steps, under 0.01 for 50.
# A discount is a horizon: rewards further off than about $1/(1-\gamma)$ steps hardly count.
#
# ### Exercise 1.1: rewards to go (fill in)
# Write the right-hand recursion of (1.2). Walk through the episode backwards: then each sum is one step from the last.

# %% nbgrader={"grade": false, "grade_id": "ex-01-1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def rewards_to_go(rewards, gamma):
    """rewards (T,), discount gamma -> G (T,), the return of each step, eq. (1.2)."""
    ### BEGIN SOLUTION
    returns = np.zeros(len(rewards))
    following = 0.0
    for t in reversed(range(len(rewards))):
        following = rewards[t] + gamma * following
        returns[t] = following
    return returns
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-01-1", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
#@title Check 1.1
def discounts(r, gamma):
    ahead = np.arange(len(r))[None, :] - np.arange(len(r))[:, None]  # steps from t to k
    return np.triu(gamma ** np.maximum(ahead, 0.0))


check(
    "1.1", "rewards_to_go", oracle=lambda r, g: discounts(r, g) @ r,
    cases=[(np.array([0.0, 0.0, 1.0]), 0.9), (np.array([1.0, -2.0, 3.0, 0.5]), 0.5), (np.ones(5), 1.0)],
    mistakes={
        "these sums look backwards in time; add up what comes after step t": lambda r, g: discounts(r, g).T @ r,
        "the rewards are added up, but none is discounted": lambda r, g: discounts(r, 1.0) @ r,
        "r_t itself is missing from G_t: each sum starts one step late": lambda r, g: discounts(r, g) @ r - r,
        "each sum must start its discount anew: the reward at t counts fully in G_t":
            lambda r, g: g ** np.arange(len(r)) * (discounts(r, g) @ r),
    },
)

# %% [markdown]
# ### Value
# The **value** of a state is the return to expect from it, $V^\pi(s) = \mathbb{E}[G_t \mid s_t = s]$. Taking the
# expectation of (1.2) turns the recursion of returns into one of values, the **Bellman equation**
#
# $$V^\pi(s) = \sum_a \pi(a\mid s) \sum_{s'} p(s'\mid s, a)\,\bigl[\,r + \gamma\, V^\pi(s')\,\bigr]. \tag{1.3}$$
#
# It is linear in $V$, so for the corridor one call solves it. For the coin-tosser slips change nothing: it goes left
# or right with probability one half.

# %%
gamma = 0.9
P = np.zeros((4, 5))  # from cells 0..3 to cells 0..4; cell 4 is the end and worth nothing more
for s in range(4):
    P[s, max(s - 1, 0)] += 0.5
    P[s, s + 1] += 0.5
exact = np.linalg.solve(np.eye(4) - gamma * P[:, :4], P[:, 4])
print("V by Bellman    ", exact.round(3))

# %% [markdown]
# *Predict.* Values can also be had by playing: average the discounted return of many episodes from a cell. How many
# digits will 2,000 episodes get right?

# %%
def play(state, rng):
    """One coin-tossing episode from `state` -> its discounted return."""
    for t in range(10_000):
        state, reward, done = corridor_step(state, rng.integers(2), rng)
        if done:
            return gamma**t * reward


episodes = cl.budget(smoke=200, lite=2000, full=20_000)
print("V by playing    ", np.round([np.mean([play(s, rng) for _ in range(episodes)]) for s in range(4)], 3))

# %% [markdown]
# *What you should see.* Agreement to about $\pm 0.02$. The first way needs to know $p$; the second needs only to
# play. Robots can play.

# %% [markdown]
# ## 2. A real one: the pole
#
# `InvertedPendulum-v5` is simulated by MuJoCo. We make 32 copies that step together; the interface is Gymnasium's.

# %%
envs = cl.make("InvertedPendulum-v5", num_envs=32, seed=0)
print("observation", envs.single_observation_space.shape, "  action", envs.single_action_space)
obs, _ = envs.reset()
print("cart at x =", obs[0, 0].round(4), "m, pole at", obs[0, 1].round(4), "rad, their rates", obs[0, 2:].round(4))

# %% [markdown]
# *What you should see.* Four numbers, all within 0.01 of zero: the pole starts almost upright. Each action, between
# -3 and 3, pushes the cart with up to 300 N for 0.04 s. Every step that ends with the pole within 0.2 rad of upright
# pays 1. Beyond that the episode is **terminated**. After 1,000 steps (40 s) it is **truncated**: the clock has run
# out, the pole has not fallen.
#
# ### A policy that can be wrong on purpose
# A network looks at the observation and says where the action should be; the action is drawn around it:
#
# $$\pi_\theta(a\mid s) = \mathcal{N}\bigl(a;\ \mu_\theta(s),\ \sigma^2\bigr), \qquad
# \log\pi_\theta(a\mid s) = -\frac{(a-\mu_\theta(s))^2}{2\sigma^2} - \log\sigma - \tfrac12\log 2\pi. \tag{1.4}$$
#
# The noise $\sigma$ is how the policy explores: without it, it would never see what another push would have done.
# It is learnt too, as $\log\sigma$, so that it stays positive.

# %%
diagrams.density_figure({"exploring: σ = 1": (0.0, 1.0), "surer: μ = 1.2, σ = 0.4": (1.2, 0.4)}, low=-3, high=3)

# %% [markdown]
# *Look at* how little of either curve lies beyond what the motor can do.

# %% tags=["prelude"]
class GaussianPolicy(Policy):
    """Gaussian policy of eq. (1.4): obs (N, 4) -> action (N, 1), in units of 100 N. `act` comes from `Policy`: it calls `choose`."""

    def __init__(self):
        super().__init__(obs_dim=4, act_dim=1)
        self.env_id = "InvertedPendulum-v5"
        self.mean = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 1))
        self.log_std = nn.Parameter(torch.zeros(1))

    def log_prob(self, obs, action):
        """obs (n, 4), action (n, 1) -> log π(a|s) (n,)."""
        return torch.distributions.Normal(self.mean(obs), self.log_std.exp()).log_prob(action).sum(-1)

    def choose(self, obs, state, rng):
        """obs (N, 4) -> action (N, 1), without noise where rng is None; `state` is for policies with memory, which this one has not."""
        mean = self.mean(obs)
        noise = 0.0 if rng is None else self.log_std.exp() * torch.from_numpy(rng.standard_normal(mean.shape))
        return mean + noise, state


# %% tags=["prelude"]
def collect(policy, envs, rng):
    """One episode of each copy -> obs (T, N, 4), actions (T, N, 1), rewards (T, N), alive (T, N)."""
    steps, alive = [], np.ones(envs.num_envs, bool)
    obs, _ = envs.reset()
    while alive.any():
        action, _ = policy.act(obs, deterministic=False, rng=rng)
        following, reward, terminated, truncated, _ = envs.step(action)
        steps.append((obs, action, reward * alive, alive))  # a copy whose episode is over is paid no more
        alive = alive & ~(terminated | truncated)
        obs = following
    return [np.array(column) for column in zip(*steps, strict=True)]


# %% [markdown]
# *Predict.* How many steps does the pole stand while an untrained network pushes the cart about?

# %%
torch.manual_seed(0)
policy = GaussianPolicy()
obs, actions, rewards, alive = collect(policy, envs, np.random.default_rng(0))
print("shapes ", obs.shape, actions.shape, rewards.shape, alive.shape)
print("returns", rewards.sum(0).astype(int))

# %% [markdown]
# *What you should see.* Most returns between 3 and 40. A step takes 0.04 s, so the pole is down within a second or two.
#
# ### Exercise 1.2: the score (a derivation, checked numerically)
# The **score** is the gradient of $\log\pi$: in which direction to move the parameters so that this action becomes
# more likely. Differentiate (1.4) by hand, with respect to $\mu$ and with respect to $\ell = \log\sigma$ (not
# $\sigma$!), and write the two results down. The check compares them with differences of $\log\pi$ itself.

# %% nbgrader={"grade": false, "grade_id": "ex-01-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def score(action, mean, log_std):
    """action, mean, log_std (n,) -> (d log π / d mean, d log π / d log_std), each (n,)."""
    ### BEGIN SOLUTION
    z = (action - mean) / np.exp(log_std)
    return z / np.exp(log_std), z**2 - 1.0
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-01-2", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
#@title Check 1.2
def log_density(a, m, log_s):
    return -((a - m) ** 2) / (2 * np.exp(2 * log_s)) - log_s


def by_differences(a, m, ls, h=1e-5):
    up, down = log_density(a, m, ls + h), log_density(a, m, ls - h)
    return (log_density(a, m + h, ls) - log_density(a, m - h, ls)) / (2 * h), (up - down) / (2 * h)


def slip(of_mean, of_log_std):  # a mistake: the true score with one part put wrong
    return lambda a, m, log_s: (of_mean(a - m, np.exp(log_s)), of_log_std(a - m, np.exp(log_s)))


one, two = (lambda d, s: d / s**2), (lambda d, s: d**2 / s**2 - 1)
check(
    "1.2", "score", oracle=by_differences, tolerance=1e-4,
    cases=[tuple(np.array([[0.3, -1.0], [0.0, 0.5], [0.2, -0.7]])), tuple(np.array([[1.0], [0.0], [-1.0]]))],
    mistakes={
        "the sign of the first: raising the mean makes an action above it likelier": slip(lambda d, s: -d / s**2, two),
        "the first is divided by σ once; the square in (1.4) gives σ²": slip(lambda d, s: d / s, two),
        "the second lacks the -1 that comes from -log σ": slip(one, lambda d, s: d**2 / s**2),
        "the second is the derivative by σ; by log σ it has one factor σ more":
            slip(one, lambda d, s: d**2 / s**3 - 1 / s),
    },
)

# %% [markdown]
# ## 3. The gradient of something you can only sample
#
# We want to climb $J(\theta) = \mathbb{E}_{\tau\sim p_\theta}[R(\tau)]$, the mean return. But $\theta$ sits inside the
# *distribution*, and the simulator cannot be differentiated. Two steps get around that. First,
# $\nabla p = p\,\nabla\log p$ turns the gradient of an expectation into an expectation:
#
# $$\nabla J = \int \nabla p_\theta(\tau)\, R(\tau)\, d\tau
# = \mathbb{E}\bigl[\nabla\log p_\theta(\tau)\; R(\tau)\bigr]. \tag{1.5}$$
#
# Second, the logarithm makes the product (1.1) a sum, and of its terms only those of the policy contain $\theta$.
# The physics drops out:
#
# $$\nabla J = \mathbb{E}\Bigl[\sum_t \nabla\log\pi_\theta(a_t\mid s_t)\; R(\tau)\Bigr]. \tag{1.6}$$
#
# In words: play, and make each action likelier in proportion to how well the play went. This is REINFORCE.
#
# ### Check it where the answer is known
# A **bandit** is a game of one step. Let the reward be $r(a) = -(a-2)^2$ and $a\sim\mathcal N(\mu,\sigma^2)$. Then
# $J = -(\mu-2)^2 - \sigma^2$ can be worked out on paper, and so can its gradient:
#
# $$\frac{\partial J}{\partial\mu} = -2(\mu-2), \qquad \frac{\partial J}{\partial\log\sigma} = -2\sigma^2. \tag{1.7}$$

# %% tags=["prelude"]
def bandit(n, mu, log_sigma, rng, offset=0.0):
    """n plays -> scores (n, 2) for (mean, log σ) and rewards (n,)."""
    sigma = np.exp(log_sigma)
    z = rng.standard_normal(n)
    reward = -((mu + sigma * z - 2.0) ** 2) + offset
    return np.stack([z / sigma, z**2 - 1.0], axis=1), reward


# %% [markdown]
# *Predict.* At $\mu = 0$, $\sigma = 1$ the exact gradient is $(4, -2)$. How close does the average over 10 plays come?
# Over 10,000?

# %%
rng = np.random.default_rng(1)
for n in (10, 100, 10_000, 1_000_000):
    scores, reward = bandit(n, 0.0, 0.0, rng)
    samples = scores * reward[:, None]
    error = samples.std(0) / np.sqrt(n)
    print(f"{n:9,d} plays: {samples.mean(0).round(3)}  ± {error.round(3)}   (exact: [4, -2])")

# %% [markdown]
# *What you should see.* With 10 plays even a sign can be wrong; with a million both numbers are right to two
# decimals, and each line lies within about three of its own ± from the exact values. Correct on average, and noisy.
#
# ### A baseline
# Pay the player 100 more for everything. The best action is still 2, and $\nabla J$ has not changed. The *samples*
# have:

# %%
for offset in (0.0, 100.0):
    scores, reward = bandit(100_000, 0.0, 0.0, rng, offset)
    for name, b in (("no baseline", 0.0), ("mean reward", reward.mean())):
        samples = scores[:, 0] * (reward - b)
        print(f"offset {offset:5.0f}, {name:12s}: mean {samples.mean():6.2f}, sd of one sample {samples.std():7.2f}")

# %% [markdown]
# *What you should see.* With the offset the spread of a sample grows from about 10 to nearly 100. Subtracting the
# mean reward brings it back, and the mean stays near 4 throughout. That is allowed because scores average to zero:
#
# $$\mathbb{E}\bigl[\nabla\log\pi\; b\bigr] = b \int \nabla\pi\, da = b\,\nabla\!\int\pi\, da = b\,\nabla 1 = 0.
# \tag{1.8}$$
#
# Anything that does not depend on the action may stand in for $b$, also a function of the state.
#
# ### Exercise 1.3: the best constant (a derivation, checked numerically)
# The mean is a good baseline. It is not the best. Which constant $b$ makes
# $\mathbb{E}\bigl[\,(g\,(R-b))^2\bigr]$ smallest, with $g$ the score? (By (1.8) the mean of $g\,(R-b)$ does not depend
# on $b$, so this minimises the variance.) Differentiate by $b$, set to zero, write the answer with sample means.

# %% nbgrader={"grade": false, "grade_id": "ex-01-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def best_baseline(scores, returns):
    """scores g (n,), returns R (n,) -> the constant b with the smallest mean of (g (R - b))²."""
    ### BEGIN SOLUTION
    return np.mean(scores**2 * returns) / np.mean(scores**2)
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-01-3", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 1.3
def vertex(g, R):
    """The mean square is a parabola in b: lay it through three points and take its lowest one."""
    b = np.array([-1.0, 0.0, 1.0])
    curvature, slope, _ = np.polyfit(b, [np.mean((g * (R - each)) ** 2) for each in b], 2)
    return -slope / (2 * curvature)


plays = [bandit(40, 0.0, 0.0, np.random.default_rng(seed), offset=3.0) for seed in range(3)]
check(
    "1.3", "best_baseline", oracle=vertex, cases=[(g[:, 0], R) for g, R in plays], tolerance=1e-5,
    mistakes={
        "that is the mean return: good, but where the score is large the noise is too. Weight by the squared score":
            lambda g, R: R.mean(),
        "the weights are scores; the derivative of a square leaves them squared":
            lambda g, R: np.mean(g * R) / np.mean(g),
        "the weights are |scores|; the derivative of a square leaves them squared":
            lambda g, R: np.mean(abs(g) * R) / np.mean(abs(g)),
        "the numerator is right; divide it by the mean of the squared scores": lambda g, R: np.mean(g**2 * R),
    },
)

# %% [markdown]
# ## 4. How noisy is it on the pole?
#
# Equation (1.6) pays every action for the whole episode. But a push cannot change what was paid before it, and by the
# argument of (1.8) those rewards only add noise. Leaving them out, and subtracting what the state alone led us to
# expect:
#
# $$\nabla J = \mathbb{E}\Bigl[\sum_t \nabla\log\pi_\theta(a_t\mid s_t)\,\bigl(G_t - b(s_t)\bigr)\Bigr]. \tag{1.9}$$
#
# All three have the same mean. To measure how they spread, take a policy simple enough to write its score
# down: $\mu = w\cdot s$ with four weights, a half-good one, for which the pole stands for about a second.

# %% tags=["prelude"]
class LinearPolicy:
    """μ = w·s, σ fixed. Score with respect to w: (a - μ) / σ² · s."""

    weights, sigma = np.array([0.0, 2.0, 0.0, 0.2]), 0.6

    def act(self, obs, state=None, deterministic=True, rng=None):
        mean = obs @ self.weights[:, None]
        return mean if deterministic else mean + self.sigma * rng.standard_normal(mean.shape), state

    def scores(self, obs, actions):
        """obs (T, N, 4), actions (T, N, 1) -> (T, N, 4)."""
        return (actions - obs @ self.weights[:, None]) / self.sigma**2 * obs


# %% tags=["prelude"]
def returns_to_go(rewards, gamma):
    """rewards (T, N) -> G (T, N): eq. (1.2) for N episodes side by side."""
    returns, following = np.zeros_like(rewards), np.zeros(rewards.shape[1])
    for t in reversed(range(len(rewards))):
        following = rewards[t] + gamma * following
        returns[t] = following
    return returns


def state_features(obs):
    """obs (…, 4) -> 1, s and s² side by side (…, 9), for a baseline fitted by least squares."""
    return np.concatenate([np.ones_like(obs[..., :1]), obs, obs**2], axis=-1)


# %% [markdown]
# Play many episodes; fit $b(s)$ on the first half, and keep the second half to measure with, so that the baseline
# has never seen the actions it is used on.

# %%
copies = cl.budget(smoke=256, lite=4096, full=16_384)
many = cl.make("InvertedPendulum-v5", num_envs=copies, seed=1)
obs, actions, rewards, alive = collect(LinearPolicy(), many, np.random.default_rng(2))
to_go = returns_to_go(rewards, gamma=1.0)
first, second = slice(0, copies // 2), slice(copies // 2, copies)
features = state_features(obs)
fit, *_ = np.linalg.lstsq(features[:, first][alive[:, first]], to_go[:, first][alive[:, first]], rcond=None)
print("episodes", copies, "  mean return", rewards.sum(0).mean().round(1), "  longest", len(rewards))

# %%
scores = (LinearPolicy().scores(obs, actions) * alive[..., None])[:, second]  # (T, N/2, 4)
weight = {
    "whole return, eq. (1.6)": rewards.sum(0)[second] * np.ones_like(to_go[:, second]),
    "reward to go": to_go[:, second],
    "reward to go − baseline, eq. (1.9)": to_go[:, second] - (features @ fit)[:, second],
}
samples = {name: (scores * w[..., None]).sum(0) for name, w in weight.items()}  # one gradient an episode, (N/2, 4)
for name, g in samples.items():
    print(f"{name:36s} mean {g.mean(0).round(1)}  ± {(g.std(0) / np.sqrt(len(g))).round(1)}")

# %% [markdown]
# *What you should see.* Three rows that agree within their ±, and a ± that shrinks from row to row: the same
# gradient, less noise.
#
# ### Exercise 1.4: more episodes (an experiment with a hypothesis)
# Averaging more episodes helps. How fast? Suppose that noise (a standard deviation) is proportional to (episodes in
# the batch)$^p$. Enter your $p$ **before** you run the measurement; the figure draws your line over what was measured.

# %% nbgrader={"grade": false, "grade_id": "ex-01-4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def batch_exponent():
    """-> p, so that noise is proportional to (episodes in the batch) ** p."""
    ### BEGIN SOLUTION
    return -0.5
    ### END SOLUTION


# %%
def noise(g, size):
    """g (M, 4): sd of the mean of `size` episodes, all four weights together, over the length of the gradient."""
    means = g[: len(g) // size * size].reshape(-1, size, 4).mean(1)
    return np.sqrt(means.var(0, ddof=1).sum()) / np.linalg.norm(gradient)


gradient = samples["reward to go − baseline, eq. (1.9)"].mean(0)
sizes = cl.budget(smoke=(1, 4, 16), lite=(1, 4, 16, 64), full=(1, 4, 16, 64, 256))
measured = {name: {size: noise(g, size) for size in sizes} for name, g in samples.items()}
diagrams.noise_figure(measured, exponent=attempt(batch_exponent))

# %% [markdown]
# *Look at* the distance between the lines, and at where each one crosses 1: below that, the average points roughly
# the right way. *What you should see.* Three parallel lines, the lowest 2 to 5 times below the highest. For the
# same quality the best estimator needs that factor **squared** fewer episodes.

# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-01-4", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
#@title Check 1.4
check(
    "1.4", "batch_exponent", oracle=lambda: -0.5, cases=[()], tolerance=0.05,
    right="noise falls with the root of the batch: four times the episodes for half the noise",
    mistakes={
        "so falls the variance; the noise drawn here is a standard deviation, its root": lambda: -1.0,
        "the size is right, the sign is not: more episodes, less noise": lambda: 0.5,
        "that would be noise that does not fall; independent errors do cancel in part": lambda: 0.0,
    },
)

# %% [markdown]
# ## 5. REINFORCE with a learned baseline
#
# Everything is there. A second network $V_\phi(s)$, the **critic**, learns the baseline by regression on the returns;
# the policy follows (1.9). As PyTorch minimises, the losses are
#
# $$L(\theta) = -\frac1n\sum_{t}\log\pi_\theta(a_t\mid s_t)\,\hat A_t, \qquad
# L(\phi) = \frac1n\sum_t \bigl(G_t - V_\phi(s_t)\bigr)^2, \tag{1.10}$$
#
# with the **advantage** $\hat A_t = G_t - V_\phi(s_t)$, scaled to mean 0 and standard deviation 1 over the batch so
# that one step size fits the bad policy of the beginning and the good one of the end.

# %% tags=["prelude"]
def policy_loss(policy, obs, action, advantage):
    """obs (n, 4), action (n, 1), advantage (n,) -> eq. (1.10), left."""
    return -(policy.log_prob(obs, action) * advantage).mean()


def critic_loss(critic, obs, returns):
    """obs (n, 4), returns (n,) -> eq. (1.10), right."""
    return (returns - critic(obs).squeeze(-1)).square().mean()


# %% [markdown]
# *Predict.* Two actions, tried in the same state: -1 with advantage +1, and +1 with advantage -1. Which way does one
# gradient step move the mean?

# %%
toy = GaussianPolicy()
state, tried, advantage = torch.zeros(2, 4), torch.tensor([[-1.0], [1.0]]), torch.tensor([1.0, -1.0])
before = toy.mean(state)[0].item()
policy_loss(toy, state, tried, advantage).backward()
with torch.no_grad():
    for parameter in toy.parameters():
        parameter -= 0.1 * parameter.grad
print(f"mean action before {before:+.3f}, after {toy.mean(state)[0].item():+.3f}")

# %% [markdown]
# *What you should see.* The mean goes down, towards the action that paid. Now one whole update:

# %% tags=["prelude"]
def step(optimizer, loss):
    """One gradient step."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def update(policy, critic, optimizers, batch, gamma=0.99, baseline="critic"):
    """One REINFORCE update from what `collect` returned."""
    obs, actions, rewards, alive = batch
    returns = returns_to_go(rewards, gamma) * (1 - gamma)  # scaled: between 0 and 1, easy for a network
    obs, actions, returns = (torch.as_tensor(x[alive], dtype=torch.float32) for x in (obs, actions, returns))
    with torch.no_grad():
        advantage = returns - critic(obs).squeeze(-1) if baseline == "critic" else returns
        advantage = advantage if baseline == "none" else advantage - advantage.mean()
        advantage = advantage / (advantage.std() + 1e-8)
    step(optimizers[0], policy_loss(policy, obs, actions, advantage))
    for _ in range(10):
        step(optimizers[1], critic_loss(critic, obs, returns))


# %% [markdown]
# and the loop around it. It stops early when three batches in a row stand almost to the end. ■ stops it too, and keeps
# what has been learnt.

# %% tags=["prelude"]
def reinforce(seed, env_steps, baseline="critic", copies=32, report=10):
    """Train on the pole -> policy, critic, curve (a dict of lists)."""
    torch.manual_seed(seed)
    policy, critic = GaussianPolicy(), nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizers = [torch.optim.Adam(net.parameters(), lr=0.02) for net in (policy, critic)]
    envs, rng = cl.make("InvertedPendulum-v5", num_envs=copies, seed=seed), np.random.default_rng(seed)
    curve, start = {"env_steps": [], "wall_seconds": [], "mean return": []}, time.perf_counter()
    try:
        while sum(curve["env_steps"][-1:]) < env_steps:
            batch = collect(policy, envs, rng)
            curve["env_steps"].append(sum(curve["env_steps"][-1:]) + int(batch[3].sum()))
            curve["wall_seconds"].append(time.perf_counter() - start)
            curve["mean return"].append(float(batch[2].sum(0).mean()))
            if min(curve["mean return"][-3:]) >= 990:
                break
            update(policy, critic, optimizers, batch, baseline=baseline)
            if report and len(curve["env_steps"]) % report == 0:
                print(f"update {len(curve['env_steps']):3d}: mean return {curve['mean return'][-1]:6.1f}", flush=True)
    except KeyboardInterrupt:
        print("stopped; what was learnt so far is kept")
    return policy, critic, curve


# %% [markdown]
# *Predict.* The pole starts at about a dozen steps. Will the curve rise evenly, or slowly first and then all at once?

# %%
most = cl.budget(smoke=2_000, lite=1_500_000, full=1_500_000)
policy, critic, curve = reinforce(seed=0, env_steps=most)
print(f"{curve['env_steps'][-1]:,d} steps in {curve['wall_seconds'][-1]:.0f} s, last {curve['mean return'][-1]:.0f}")

# %% [markdown]
# *What you should see.* Slow, then all at once: a return under 150 for the first 15 to 30 updates, above 950
# after 35 to 70, in 20 to 100 seconds. A policy that stands longer also learns from more steps an update.
#
# One run is an anecdote. The runs that ship with the course had several seeds, and a hypothesis: section 4 says that a
# baseline matters when batches are small. So the same loop was run with only 4 episodes a batch, under three baselines:
# the critic, the mean return of the batch, and none. A run that stopped early is drawn on at its last value.
#
# *Predict.* Which of the four needs fewest environment steps: 32 episodes a batch, or one of the three with 4?

# %% tags=["prelude"]
def held(curve, env_steps):
    """`curve`, with its last values repeated at `env_steps` if it ended before."""
    ended = curve["env_steps"][-1] >= env_steps
    return curve if ended else {k: [*v, env_steps if k == "env_steps" else v[-1]] for k, v in curve.items()}


# %%
shipped = cl.result("reinforce_pole")
runs = {setting: [] for setting in shipped["config"]["settings"]}
for row in shipped["per_seed"]:
    runs[row["setting"]].append(held(row["curve"], 200_000))
cl.compare({**runs, "yours": [held(curve, 200_000)]}, key="mean return", target=950)

# %%
print("made by", shipped["command"], "with", len(shipped["seeds"]), "seeds")
for claim, value in shipped["claims"].items():
    low, high = shipped["intervals"][claim]
    print(f"{claim:38s} median {value:9,.0f}   95 % interval [{low:,.0f}, {high:,.0f}]")

# %% [markdown]
# *Look at* where each median crosses the dotted line, and at the bands, the 95 % interval of the median over seeds.
# *What you should see.* Small batches need 4 to 10 times fewer steps: while the policy is bad, a rough direction is good
# enough, and it comes cheaper. (In wall-clock time the difference is small: 32 copies step almost as fast as 4, and their
# curve is calmer. That is why you ran 32.) With 4 episodes, no baseline has the highest median and by far the widest band. Between the
# critic and the plain batch mean the intervals overlap: on this task, where nearly every state that still stands is worth
# the same, these seeds show no difference. A null result, and worth as much as the others. The critic earns its keep
# in notebook 02.
#
# ### Evaluate without the noise
# While it trains the policy pushes at random on purpose. What it has learnt is its mean. `evaluate` plays 50 fresh
# episodes both ways.
#
# *Predict.* Is the deterministic policy better or worse than the one that was trained?

# %%
cl.evaluate(policy, episodes=50, seed=1000)

# %% [markdown]
# *What you should see* after a full training: a deterministic mean of at least 950, more often 1,000, and the same or
# a little less with noise. (In the smoke budget: a few dozen.)

# %%
cl.show(policy, seed=1, steps=100, reset_noise_scale=0.1)

# %% [markdown]
# ## 6. A map of methods
#
# The corridor can also be solved by learning how good each action is and taking the best one. That is the
# **value-based** way. Its target is the Bellman equation of the *best* policy,
#
# $$Q(s,a) \leftarrow Q(s,a) + \alpha\,\bigl[\,r + \gamma\,\max_{a'} Q(s',a') - Q(s,a)\,\bigr]. \tag{1.11}$$
#
# *Predict.* Below, Q-learning watches a robot that tosses coins. Can it find the best policy from such a teacher?

# %%
Q, state, rng = np.zeros((5, 2)), 0, np.random.default_rng(3)
for _ in range(cl.budget(smoke=3000, lite=30_000, full=30_000)):
    action = rng.integers(2)
    following, reward, done = corridor_step(state, action, rng)
    Q[state, action] += 0.05 * (reward + 0.9 * (not done) * Q[following].max() - Q[state, action])
    state = 0 if done else following
print("      left  right")
print(Q[:4].round(2))

# %% [markdown]
# *What you should see.* Right beats left in every cell, by 0.02 to 0.3, and values rise towards the charger. The data
# came from another policy: (1.11) never asks who chose the action. That is called **off-policy**, and lets data be kept
# and used again. (1.9) does ask: it is an average over what the present policy does (**on-policy**), so every batch is
# used once and thrown away.
#
# Why then not use Q for the pole? Because of the $\max$: over two actions it is a glance, over a continuous force it
# is a search
# at every step. The methods between the two ends give that search to a network.

# %%
diagrams.method_map()

# %% [markdown]
# *Look at* the free corner on the lower right, where you are now, and at what each step up costs: methods further up
# use fewer
# steps of the robot, and have more ways to go wrong.
#
# ### Exercise 1.5: beat the network with four numbers (open)
# Write a controller `obs (N, 4) -> action (N, 1)` that balances the pole, by any road you like: physics, trial and
# error, random search, or (1.9) on `LinearPolicy`. Four weights are enough. Then find out what it can do that the
# network cannot: from how
# far off (`reset_noise_scale`) does each still catch the pole? Note what you tried and what you found.

# %% nbgrader={"grade": false, "grade_id": "ex-01-5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def controller(obs):
    """obs (N, 4): cart (m), pole (rad), their rates -> action (N, 1) in units of 100 N."""
    ### BEGIN SOLUTION
    return obs @ np.array([[0.5], [8.0], [0.5], [1.0]])
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-01-5", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 1.5
def push(controller, **at):
    """The action for one observation, zero but for what is named."""
    return controller(np.array([[at.get(name, 0.0) for name in ("cart", "pole", "cart_rate", "pole_rate")]])).item()


def mean_return(controller, episodes=20):
    envs, total, alive = cl.make("InvertedPendulum-v5", num_envs=episodes, seed=500), np.zeros(episodes), True
    obs, _ = envs.reset()
    for _ in range(1000):
        obs, reward, terminated, truncated, _ = envs.step(controller(obs))
        total, alive = total + reward * alive, alive & ~(terminated | truncated)
    return total.mean()


check_that(
    "1.5", "controller",
    ("the answer needs a row for each observation, and one column", lambda c: np.shape(c(np.zeros((3, 4)))) == (3, 1)),
    ("a pole that leans to the positive side is caught by a push to that side", lambda c: push(c, pole=0.1) > 0),
    ("a pole turning to one side needs a push to that side, or its swing grows", lambda c: push(c, pole_rate=0.1) > 0),
    ("signs are right, but the mean return stays below 950; try other sizes", lambda c: mean_return(c) >= 950),
    right="the pole stands; how far off may it start?",
)

# %% [markdown]
# ## Summary
# - A control problem is a Markov decision process; a policy is judged by the discounted sum of what follows, (1.2).
# - The policy gradient needs no model: score times return, averaged, (1.6).
# - It is right on average and noisy. Rewards to go, a baseline, and bigger batches each reduce the noise, (1.9); none
#   of them changes the mean.
# - With a learned baseline, a hundred lines balance a pole. Evaluate with the noise off, and over several seeds.
# - Value-based methods learn from anyone's data and need a $\max$; policy-based ones need fresh data and no $\max$.
#
# ### What goes wrong, and how it looks
# | what you see | what it often is |
# |---|---|
# | the return does not move at all | the sign of the loss; or the advantage kept its gradient and the critic's error moved the policy |
# | it rises, then falls to the start and stays | step too large: one bad batch ruined the policy. PPO (notebook 02) is the cure |
# | σ runs to zero early, return stuck | exploration gone before anything was found: lower learning rate, or start with larger σ |
# | good in training, bad in evaluation (or the reverse) | noise still on, another normalisation, or episodes cut by the clock treated as falls |
# | some seeds work, some do not | normal; show all of them |
#
# One thing was swept aside here. At step 1,000 the clock stops an episode whose pole still stands, and $G_t$ counts
# nothing after it, as if it had fallen. That is wrong by up to $\gamma^{1000-t}/(1-\gamma)$, and harmless only since
# few steps are
# that near to the end. Notebook 02 does it properly, with the value of the final observation.
#
# ### Further reading
# - R. S. Sutton and A. G. Barto, *Reinforcement Learning: An Introduction*, 2nd ed., 2018: chapters 3 (MDPs), 6.5
#   (Q-learning), 13.1–13.4 (policy gradients, baselines).
# - R. J. Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning",
#   *Machine Learning* 8, 1992: sections 4 to 6.
# - E. Greensmith, P. L. Bartlett, J. Baxter, "Variance reduction techniques for gradient estimates in reinforcement
#   learning", *JMLR* 5, 2004: section 4, the best constant baseline.
# - J. Schulman et al., "High-dimensional continuous control using generalized advantage estimation", 2016: section 2,
#   the six forms of the weight in (1.9).
