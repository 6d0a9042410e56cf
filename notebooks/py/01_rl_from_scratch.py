# %% [markdown]
# # Reinforcement learning from scratch
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/liquid-control/liquid-control/blob/main/notebooks/01_rl_from_scratch.ipynb)
#
# A cart carries a pole. Nobody tells the controller what a pole is, where it falls, or which way to push. It observes four
# numbers, it pushes, and it gets a reward of one for every step the pole stays up. In this notebook fewer than a
# hundred lines of plain code learn to balance the pole, in a minute or two on two processor cores. You work out the key
# pieces in exercises. The video under the set-up cell shows the result.

# %% [markdown]
# **You will be able to**
# 1. write a control problem down as a Markov decision process, and compute returns and values in it;
# 2. derive the policy gradient, and check a derivation against numbers;
# 3. measure how noisy a gradient estimate is, and say what reduces the noise and what that costs;
# 4. train a policy with REINFORCE and a learned baseline, and evaluate it without its exploration noise;
# 5. classify a method as value-based, policy-based or actor-critic, and as on-policy or off-policy.
#
# **Before you start.** Python with numpy; derivatives and expectations; a little PyTorch helps (a network, an
# optimiser, `backward`).
#
# **Time** on 2 cores: smoke (a test that every cell runs) under 1 minute; lite (the default) one to two minutes of
# computing, plus your time for the exercises; full about 5 minutes.
#
# **Predictions.** Before most results you are asked what you expect. Write your answer with
# `cl.predict("01.1", your_number)`, or click where there is a menu. The result then shows what you said. A number counts
# as close if it is within a quarter of the result. You can also skip every prediction.
#
# **Exercises.** Write your answer where the cell says so, then run the check below it. `cl.solution("1.1")` shows
# the course's own answer once you have tried yours. Five questions for yourself are in `cl.quiz("01", "before")`, and
# five more for the end in `cl.quiz("01", "after")`.

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
# The policy in this video was trained by the code of this notebook. The pole starts with a lean almost as large as the
# rules allow, nearly twenty times larger than any start in training. The policy catches it. The marks on the rail are half a
# metre apart, and the long one is at 0.

# %%
from course_lib.evaluation.rollout import rollout_states

episode = rollout_states(cl.load("reinforce_pole"), seed=8, steps=125, reset_noise_scale=0.2)
cl.show(episode)

# %% [markdown]
# The next figure is the same episode in numbers: where the cart is, and how far the pole leans.

# %%
from course_lib.lessons import nb01_diagrams as diagrams

late = abs(episode.observations[100:, 1])  # 25 steps of 0.04 s are one second
cl.see("largest lean after the fourth second", late.max(), between=(0, 0.05), unit="rad")
diagrams.pole_figure(episode)

# %% [markdown]
# *What you should see.* The cart moves quickly under the pole in the first second, and too far. After that cart and
# pole swing back and forth, less each time.

# %% tags=["prelude"]
import time

import numpy as np
import torch
from torch import nn

import course_lib as cl
from course_lib.course.exercises import attempt
from course_lib.course.predictions import compared
from course_lib.lessons import nb01_diagrams as diagrams
from course_lib.lessons.nb01_baseline import baseline_slider, best_constants, returns_to_go
from course_lib.policies.base import Policy

# %% [markdown]
# ## 1. A problem made of states, actions and rewards
#
# A **Markov decision process** (MDP; Bellman 1957) has five parts: states $s$, actions $a$, transition probabilities
# $p(s_{t+1}\mid s_t, a_t)$, a reward $r_t$ for each step, and a discount $\gamma \le 1$. *Markov* means that the next
# state depends on the present state and action only. A **policy** $\pi(a\mid s)$ chooses the actions. One episode is a
# **trajectory** $\tau = (s_0, a_0, r_0, s_1, a_1, r_1, \dots)$. With $p(s_0)$ for the first state, its probability is
#
# $$p(\tau) = p(s_0)\,\prod_t \pi(a_t\mid s_t)\; p(s_{t+1}\mid s_t, a_t). \tag{1.1}$$
#
# Our first MDP is a corridor of five cells. A robot starts in cell 0. The charger is in cell 4. Reaching it gives a
# reward of 1 and ends the episode. The robot steers left (0) or right (1). One time in ten its wheels slip, and it goes
# the other way.

# %% tags=["prelude"]
def corridor_step(state, action, rng):
    """One move -> next state, reward, terminated. States 0..4, action 0 (left) or 1 (right)."""
    move = 1 if action == 1 else -1
    if rng.random() < 0.1:
        move = -move
    state = min(max(state + move, 0), 4)
    return state, float(state == 4), state == 4


# %% [markdown]
# Here is one episode of a robot that tosses a coin at each step.

# %%
def wander(rng):
    """One coin-tossing episode from cell 0 -> the states it visits."""
    states, done = [0], False
    while not done:
        state, _, done = corridor_step(states[-1], rng.integers(2), rng)
        states.append(state)
    return states


rng = np.random.default_rng(0)
print("states ", *wander(rng))

# %% [markdown]
# *Predict.* How many steps does this robot need on average: about 4, about 20, or about 100?

# %%
cl.predict("01.1", question="steps on average")

# %%
lengths = [len(wander(rng)) - 1 for _ in range(cl.budget(smoke=50, lite=2000, full=2000))]
print("the first ten episodes:", *lengths[:10])
cl.see("steps on average", np.mean(lengths), between=(18, 22), predicted="01.1")

# %% [markdown]
# *What you should see.* The episodes differ a lot in length. The robot often walks back to the left end, where a step to the
# left leaves it in place.
#
# ### Return
# A policy should aim at all the rewards that follow, not only at the next one. Near rewards count more than far ones. The
# **return** from step $t$ on, also called the **reward-to-go**, is
#
# $$G_t = r_t + \gamma\, r_{t+1} + \gamma^2 r_{t+2} + \dots = r_t + \gamma\, G_{t+1}. \tag{1.2}$$
#
# *Predict.* Let $\gamma = 0.9$. The robot in cell 0 reaches the charger in 20 steps. What is its return $G_0$?

# %%
cl.predict("01.2", question="return of 20 steps")

# %%
for steps in (4, 10, 20, 50):
    print(f"{steps:3d} steps: return {0.9 ** (steps - 1):.3f} at the start")
cl.see("return of 20 steps", 0.9**19, between=(0.13, 0.14), predicted="01.2")

# %% [markdown]
# The number $1/(1-\gamma)$, here 10 steps, is called the **effective horizon**. It is not a sharp limit. A reward that
# is one effective horizon away still counts about a third: $0.9^{10} = 0.35$. (The second line above shows $0.9^9$: the
# first reward of an episode is not discounted.) At three horizons it counts about a twentieth, and at five less than a
# hundredth.
#
# ### Exercise 1.1: rewards to go (fill in)
# Return $G_t$ for every step of the episode, as an array. Use the last form in (1.2), and go through the episode backwards:
# each return then follows from the one after it.

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


# %% nbgrader={"grade": true, "grade_id": "check-01-1", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
cl.check("1.1", rewards_to_go)

# %% [markdown]
# ### Value
# The **value** of a state is the expected return from it, $V^\pi(s) = \mathbb{E}[G_t \mid s_t = s]$. Take the
# expectation of (1.2), and the recursion for returns becomes a recursion for values, the **Bellman equation**
# (Bellman 1957):
#
# $$V^\pi(s) = \sum_a \pi(a\mid s) \sum_{s'} p(s'\mid s, a)\,\bigl[\,r + \gamma\, V^\pi(s')\,\bigr]. \tag{1.3}$$
#
# It is a system of linear equations in $V$, so one call solves it for the corridor. The slips do not matter for the
# robot that tosses coins: it goes left or right with probability one half either way.

# %%
gamma = 0.9
P = np.zeros((4, 5))  # from cells 0..3 to cells 0..4; cell 4 is the end and worth nothing more
for s in range(4):
    P[s, max(s - 1, 0)] += 0.5
    P[s, s + 1] += 0.5
exact = np.linalg.solve(np.eye(4) - gamma * P[:, :4], P[:, 4])
print("V by Bellman    ", exact.round(3))

# %% [markdown]
# Values can also be estimated by playing: average the discounted return of many episodes from each cell. This is the
# **Monte Carlo** estimate.
#
# *Predict.* You play 2,000 episodes (in the full budget 20,000) from each of the four cells. How large is the largest of
# the four errors?

# %%
cl.predict("01.3", question="largest of the four errors")

# %%
def play(state, rng):
    """One coin-tossing episode from `state` -> its discounted return."""
    for t in range(10_000):
        state, reward, done = corridor_step(state, rng.integers(2), rng)
        if done:
            return gamma**t * reward


episodes = cl.budget(smoke=200, lite=2000, full=20_000)
played = np.array([np.mean([play(s, rng) for _ in range(episodes)]) for s in range(4)])
print("V by playing    ", played.round(3))
cl.see("largest of the four errors", abs(played - exact).max(), between=(0, 0.03), predicted="01.3")

# %% [markdown]
# The Bellman equation needs the transition probabilities $p$. The Monte Carlo estimate needs only episodes. For a robot you
# usually do not know $p$, but you can play episodes.

# %% [markdown]
# ## 2. A continuous problem: the pole
#
# `InvertedPendulum-v5` is simulated by the physics engine MuJoCo (Todorov et al. 2012). You make 32 copies that step
# together. You call them as in Gymnasium (Towers et al. 2024), the usual interface between a learner and its task.

# %%
envs = cl.make("InvertedPendulum-v5", num_envs=32, seed=0)
print("observation", envs.single_observation_space.shape, "  action", envs.single_action_space)
obs, _ = envs.reset()
print("cart at x =", obs[0, 0].round(4), "m, pole at", obs[0, 1].round(4), "rad, their rates", obs[0, 2:].round(4))
cl.see("largest of the 4 x 32 start values", abs(obs).max(), between=(0.005, 0.01))

# %% [markdown]
# The pole starts almost upright. An action is a number between -3 and 3. It pushes the cart for 0.04 s, with 100 N for
# each unit. If the pole is within 0.2 rad of upright at the end of the step, the reward is 1. Otherwise the episode is
# **terminated**. After 1,000 steps (40 s) it is **truncated**: the time is over, but the pole has not fallen.
#
# ### A policy that explores
# A network maps the observation to the mean of the action. The action is drawn from a normal distribution around it. The
# parameters $\theta$ are the network's weights and $\log\sigma$:
#
# $$\pi_\theta(a\mid s) = \mathcal{N}\bigl(a;\ \mu_\theta(s),\ \sigma^2\bigr), \qquad
# \log\pi_\theta(a\mid s) = -\frac{(a-\mu_\theta(s))^2}{2\sigma^2} - \log\sigma - \tfrac12\log 2\pi. \tag{1.4}$$
#
# The noise $\sigma$ makes the policy explore: without it the policy would never see what another push does. You train
# $\log\sigma$ rather than $\sigma$, so that $\sigma$ stays positive.

# %%
diagrams.density_figure({"exploring: σ = 1": (0.0, 1.0), "surer: μ = 1.2, σ = 0.4": (1.2, 0.4)}, low=-3, high=3)

# %% [markdown]
# *Look at* the grey parts. Very little of either curve lies beyond what the motor can do.

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
        """obs (N, 4) -> action (N, 1), without noise where rng is None; `state` is for policies with memory."""
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
        steps.append((obs, action, reward * alive, alive))  # a copy whose episode is over gets no more reward
        alive = alive & ~(terminated | truncated)
        obs = following
    return [np.array(column) for column in zip(*steps, strict=True)]


# %% [markdown]
# *Predict.* An untrained network pushes the cart. For how many steps does the pole stand, on average?

# %%
cl.predict("01.4", question="steps on average")

# %%
torch.manual_seed(0)
policy = GaussianPolicy()
obs, actions, rewards, alive = collect(policy, envs, np.random.default_rng(0))
print("shapes ", obs.shape, actions.shape, rewards.shape, alive.shape)
print("returns", rewards.sum(0).astype(int))
cl.see("mean return", rewards.sum(0).mean(), between=(3, 25), unit="steps", predicted="01.4")

# %% [markdown]
# Each step that the pole stands gives a reward of 1, so the return counts these steps. A step takes 0.04 s: the pole falls
# within a second.
#
# ### Exercise 1.2: the score (a derivation, checked numerically)
# The **score** is the gradient of $\log\pi$ with respect to the parameters. A step along it makes the action that was taken
# more likely. Differentiate (1.4) by hand, with respect to $\mu$ and with respect to $\ell = \log\sigma$ (not $\sigma$!),
# and write the two results down. The check compares them with finite differences of $\log\pi$.

# %% nbgrader={"grade": false, "grade_id": "ex-01-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def score(action, mean, log_std):
    """action, mean, log_std (n,) -> (d log π / d mean, d log π / d log_std), each (n,)."""
    ### BEGIN SOLUTION
    z = (action - mean) / np.exp(log_std)
    return z / np.exp(log_std), z**2 - 1.0
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-01-2", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
cl.check("1.2", score)

# %% [markdown]
# ## 3. The gradient of an expectation that you can only sample
#
# Let $R(\tau) = \sum_t r_t$ be the sum of all rewards of a trajectory, without a discount ($\gamma = 1$ in this section
# and the next). You want to maximise the **objective** $J(\theta) = \mathbb{E}_{\tau\sim p_\theta}[R(\tau)]$, the mean
# return. There are two difficulties: $\theta$ is inside the *distribution*, and the simulator cannot be differentiated.
# Two steps overcome them. First, $\nabla p = p\,\nabla\log p$ (the **log-derivative trick**) turns the gradient of an
# expectation into an expectation:
#
# $$\nabla J = \int \nabla p_\theta(\tau)\, R(\tau)\, d\tau
# = \mathbb{E}\bigl[\nabla\log p_\theta(\tau)\; R(\tau)\bigr]. \tag{1.5}$$
#
# Second, the logarithm turns the product (1.1) into a sum. Only the terms of the policy contain $\theta$, so the
# transition probabilities disappear:
#
# $$\nabla J = \mathbb{E}\Bigl[\sum_t \nabla\log\pi_\theta(a_t\mid s_t)\; R(\tau)\Bigr]. \tag{1.6}$$
#
# In words: play an episode, and make each of its actions more likely in proportion to the return of the episode. This is
# **REINFORCE** (Williams 1992). An estimate of the form score times return is also called a **score-function estimator**.
#
# ### Check it where the answer is known
# A **bandit** (Robbins 1952) is an MDP of one step. Let the reward be $r(a) = -(a-2)^2$ and
# $a\sim\mathcal N(\mu,\sigma^2)$. Then you can compute $J = -(\mu-2)^2 - \sigma^2$ on paper, and its gradient too:
#
# $$\frac{\partial J}{\partial\mu} = -2(\mu-2), \qquad \frac{\partial J}{\partial\log\sigma} = -2\sigma^2. \tag{1.7}$$

# %% tags=["prelude"]
def bandit(n, mu, log_sigma, rng, offset=0.0):
    """n plays -> scores (n, 2) for (mean, log σ) and rewards (n,)."""
    mean = torch.full((n,), float(mu), dtype=torch.float64, requires_grad=True)  # one for each play, all the same
    log_std = torch.full_like(mean, log_sigma, requires_grad=True)
    action = torch.from_numpy(mu + np.exp(log_sigma) * rng.standard_normal(n))
    log_prob = torch.distributions.Normal(mean, log_std.exp()).log_prob(action)
    scores = torch.autograd.grad(log_prob.sum(), (mean, log_std))
    return torch.stack(scores, dim=1).numpy(), -((action.numpy() - 2.0) ** 2) + offset


# %% [markdown]
# The next cell averages score times reward over $n$ plays. The number after ± is the **standard error** of the average: the
# standard deviation of one sample divided by $\sqrt n$.
#
# *Predict.* At $\mu = 0$, $\sigma = 1$ the exact gradient is $(4, -2)$. How large is the standard error of the first
# number after 10,000 plays?

# %%
cl.predict("01.5", question="standard error after 10,000 plays")

# %%
rng, errors, off = np.random.default_rng(1), {}, []
for n in (10, 100, 10_000, 1_000_000):
    scores, reward = bandit(n, 0.0, 0.0, rng)
    samples = scores * reward[:, None]
    errors[n] = samples.std(0) / np.sqrt(n)
    off.append(abs(samples.mean(0) - [4, -2]) / errors[n])
    print(f"{n:9,d} plays: {samples.mean(0).round(3)}  ± {errors[n].round(3)}   (exact: [4, -2])")

cl.see("standard error after 10,000 plays", errors[10_000][0], between=(0.085, 0.1), predicted="01.5")
cl.see("largest error of the last two lines, in standard errors", np.max(off[2:]), between=(0, 4))

# %% [markdown]
# *What you should see.* After 10 plays even a sign can be wrong. A hundred times as many plays make the standard error
# ten times smaller. The estimate is right on average (it is **unbiased**), and it is noisy.
#
# ### A baseline
# Add 100 to every reward. The best action is still 2, and $\nabla J$ is the same. But its *samples* change:

# %%
spread = {}
for offset in (0.0, 100.0):
    scores, reward = bandit(100_000, 0.0, 0.0, rng, offset)
    for name, b in (("no baseline", 0.0), ("mean reward", reward.mean())):
        samples = scores[:, 0] * (reward - b)
        spread[offset, name] = samples.std()
        print(f"offset {offset:5.0f}, {name:12s}: mean {samples.mean():6.2f}, sd of one sample {samples.std():7.2f}")

cl.see("sd with the offset", spread[100.0, "no baseline"], between=(88, 99))
cl.see("sd with the offset and the baseline", spread[100.0, "mean reward"], between=(6, 7))

# %% [markdown]
# *What you should see.* The offset makes a sample about ten times as noisy. Subtract the mean reward, and the noise of
# the samples no longer depends on the offset. The mean stays near 4 in all four lines. A number $b$ that you subtract
# from the return is called a **baseline** (Williams 1992). It does not change the mean, because the mean of the score is
# zero:
#
# $$\mathbb{E}\bigl[\nabla\log\pi\; b\bigr] = b \int \nabla\pi\, da = b\,\nabla\!\int\pi\, da = b\,\nabla 1 = 0.
# \tag{1.8}$$
#
# Here $b$ can be anything that does not depend on the action. A function of the state is allowed. (The mean reward of the
# same plays does depend on each action, a little. With 100,000 plays that does not show.)
#
# ### Exercise 1.3: the best constant (a derivation, checked numerically)
# The mean reward is a good baseline, but not the best one. Let $g$ be the score. Which constant $b$ makes
# $\mathbb{E}\bigl[\,(g\,(R-b))^2\bigr]$ smallest? (By (1.8) the mean of $g\,(R-b)$ does not depend on $b$, so this $b$
# also minimises the variance.) Differentiate with respect to $b$, set the result to zero, and write $b$ in terms of sample
# means.

# %% nbgrader={"grade": false, "grade_id": "ex-01-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def best_baseline(scores, returns):
    """scores g (n,), returns R (n,) -> the constant b with the smallest mean of (g (R - b))²."""
    ### BEGIN SOLUTION
    return np.mean(scores**2 * returns) / np.mean(scores**2)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-01-3", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("1.3", best_baseline)

# %% [markdown]
# ## 4. How noisy is it on the pole?
#
# Equation (1.6) multiplies every score by the return of the whole episode. But an action cannot change the rewards that
# came before it. Those rewards add noise and nothing else. Here is the proof that you may leave them out. Let $h_t$ be
# everything up to the state $s_t$, and take a reward $r_k$ with $k < t$. It is part of $h_t$. So, given $h_t$, it is a
# constant, and (1.8) applies with $b = r_k$:
#
# $$\mathbb{E}\bigl[\nabla\log\pi_\theta(a_t\mid s_t)\, r_k\bigr]
# = \mathbb{E}\Bigl[r_k\;\mathbb{E}\bigl[\nabla\log\pi_\theta(a_t\mid s_t) \,\big|\, h_t\bigr]\Bigr]
# = \mathbb{E}[r_k \cdot 0] = 0.$$
#
# In (1.6), $R(\tau) = \sum_{k<t} r_k + G_t$ with $\gamma = 1$. By the proof, the first sum contributes nothing to the
# mean, and $G_t$ remains. This is the **reward-to-go** estimator. The state $s_t$ is part of $h_t$ too, so the same proof
# lets you subtract any function $b(s_t)$:
#
# $$\nabla J = \mathbb{E}\Bigl[\sum_t \nabla\log\pi_\theta(a_t\mid s_t)\,\bigl(G_t - b(s_t)\bigr)\Bigr]
# \qquad (\gamma = 1). \tag{1.9}$$
#
# The expected weight of an action is $Q(s, a) - b(s)$. Here $Q(s, a)$ is the expected return after action $a$ in state
# $s$. In that form (1.9) is the **policy gradient theorem** (Sutton et al. 2000).
#
# So you have three estimators: the whole return (1.6), reward-to-go, and reward-to-go minus a baseline (1.9). Their means
# are equal. To compare their noise, take a policy so simple that you can write down its score: $\mu = w\cdot s$ with four
# weights. It is a mediocre policy: the pole stands for about a second.

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


def state_features(obs):
    """obs (…, 4) -> 1, s and s² side by side (…, 9), for a baseline fitted by least squares."""
    return np.concatenate([np.ones_like(obs[..., :1]), obs, obs**2], axis=-1)


# %% [markdown]
# Play many episodes. Fit $b(s)$ on the first half of them and measure on the second half. This way the baseline never sees
# the actions that it is used on.

# %%
copies = cl.budget(smoke=256, lite=4096, full=16_384)
many = cl.make("InvertedPendulum-v5", num_envs=copies, seed=1)
obs, actions, rewards, alive = collect(LinearPolicy(), many, np.random.default_rng(2))
to_go = returns_to_go(rewards, gamma=1.0)
first, second = slice(0, copies // 2), slice(copies // 2, copies)
features = state_features(obs)
fit, *_ = np.linalg.lstsq(features[:, first][alive[:, first]], to_go[:, first][alive[:, first]], rcond=None)
print("episodes", copies, "  mean return", rewards.sum(0).mean().round(1), "  longest", len(rewards))

# %% [markdown]
# ### What the gradient is made of
# The figure shows 60 of the episodes. The colour is the score of the whole episode, $\sum_t \nabla\log\pi(a_t\mid s_t)$,
# for one of the four weights: that of the pole's rate (its angular velocity). Blue is positive, red is negative. A positive
# score means that the noise mostly pushed the cart in the direction in which the pole was turning. The mean of score times
# return is the gradient (1.6). The mean score is zero, so the gradient is also the **covariance** of score and return.

# %%
score_of, lasted = (LinearPolicy().scores(obs, actions) * alive[..., None])[..., 3].sum(0), rewards.sum(0)
cl.see("correlation of score and return", np.corrcoef(score_of, lasted)[0, 1], between=(0.45, 0.75))
diagrams.trajectory_figure(obs[:, :60, 1], alive[:, :60], score_of[:60])

# %% [markdown]
# *Look at* the left panel first: most of the long episodes are blue, but not all. The right panel shows why the gradient
# is positive: on average, episodes with a positive score lasted longer. The points scatter widely around the line. So one
# episode tells you little.
#
# ### Three estimators
# *Predict.* The rows of the next output are the three estimators. The columns are the four weights, for the cart's
# position, the pole's angle and their two rates. Is the ± of every weight smaller in each row than in the row above?

# %%
cl.predict("01.6", choices=("yes, for every weight", "no, not for every weight"))

# %%
scores = (LinearPolicy().scores(obs, actions) * alive[..., None])[:, second]  # (T, N/2, 4)
weight = {
    "whole return, eq. (1.6)": rewards.sum(0)[second] * np.ones_like(to_go[:, second]),
    "reward-to-go": to_go[:, second],
    "reward-to-go − baseline, eq. (1.9)": to_go[:, second] - (features @ fit)[:, second],
}
samples = {name: (scores * w[..., None]).sum(0) for name, w in weight.items()}  # one gradient an episode, (N/2, 4)
error = {name: g.std(0) / np.sqrt(len(g)) for name, g in samples.items()}
for name, g in samples.items():
    print(f"{name:36s} mean {g.mean(0).round(1)}  ± {error[name].round(2)}")

# %%
whole, reward_to_go, with_baseline = samples
apart = abs(samples[whole].mean(0) - samples[with_baseline].mean(0)) / np.hypot(error[whole], error[with_baseline])
smaller = (error[with_baseline] < error[reward_to_go]) & (error[reward_to_go] < error[whole])
came = "yes, for every weight" if smaller.all() else "no, not for every weight"
print("every ± smaller in each row?", came + compared("01.6", came))
cl.see("largest difference of first and last row, in ±", apart.max(), between=(0, 4))
cl.see("± of reward-to-go / ± of whole return", error[reward_to_go] / error[whole], between=(0.05, 0.8))
ratio = error[with_baseline] / error[reward_to_go]
cl.see("± with / without baseline, pole and its rate", ratio[[1, 3]], between=(0.55, 0.85))
cl.see("± with / without baseline, rate of the cart", ratio[2], between=(0.8, 1.1))
cl.see("± with / without baseline, cart", ratio[0], between=(1.05, 2.5))

# %% [markdown]
# *What you should see.* The means of the three rows differ by no more than one or two ±. Reward-to-go reduces the noise of
# all four weights. The baseline reduces it again for the pole's angle and rate. For the cart's rate it changes little. For
# the cart's position it makes the estimate *noisier*.
#
# How can that be? An episode's gradient is a sum over its steps. The variance of a sum has two parts: the squares of its
# terms, and the products of different terms. The next cell shows the two for the cart: what ± would be from the squares
# alone, and the ± with the products.

# %%
for name in (reward_to_go, with_baseline):
    squares = np.sqrt(((scores[..., 0] * weight[name]) ** 2).sum(0).mean() / scores.shape[1])
    print(f"{name:36s} squares alone {squares:.2f}   all {error[name][0]:.2f}")
    cl.see("all / squares alone", error[name][0] / squares, between=(0.25, 0.7) if name == reward_to_go else (0.7, 1.3))

# %% [markdown]
# *What you should see.* The baseline makes the squares smaller, for the cart as well: the weight of each single step is
# less noisy. But with reward-to-go alone, the cart's ± is about half of what the squares say. So the terms of one
# episode partly cancel each other. With the baseline they cancel much less.
#
# Where does the cancellation come from? The next cell looks at the noise in the actions. Multiply the noise of each step
# by the noise of the next one. If the mean product is negative, neighbouring pushes tend to undo each other.

# %%
kick = (actions - obs @ LinearPolicy.weights[:, None])[..., 0] * alive / LinearPolicy.sigma
for name, chosen, range_ in (("short", lasted < 12, (0.08, 0.35)), ("long", lasted > 50, (-0.2, -0.01))):
    product = (kick[1:] * kick[:-1])[:, chosen].sum() / max(alive[1:, chosen].sum(), 1)
    cl.see(f"mean product of neighbouring noises, {name} episodes", product, between=range_)

# %% [markdown]
# *What you should see.* In short episodes neighbouring pushes tend to agree, and the pole falls. In long episodes they
# tend to undo each other, but weakly. How much of the cancellation do they explain? The next cell takes the products of
# different terms apart, by the number of steps between them.

# %%
terms = scores[..., 0] * weight[reward_to_go]
apart = np.array([2 * (terms[lag:] * terms[:-lag]).sum(0).mean() for lag in range(1, 6)])  # products of terms so many steps apart
every = (terms.sum(0) ** 2).mean() - (terms**2).sum(0).mean()  # of all different terms
cl.see("share of neighbours in the cancellation", apart[0] / every, between=(0.08, 0.42))
cl.see("share of terms up to five steps apart", apart.sum() / every, between=(0.55, 0.95))

# %% [markdown]
# *What you should see.* Neighbours explain about a quarter of the cancellation, and terms up to five steps apart most of
# it. Long episodes also have the largest rewards-to-go. So without a baseline, large terms with opposite signs can add up
# to little. For the cart they do. A baseline changes the weights of the terms, and some of their signs, and for the cart
# most of the cancellation is gone. This costs more than the smaller squares gain.
#
# There is a second way to see it. Which constant would be the best baseline for each of the four weights? The next cell
# computes it twice: from the squares alone, as in Exercise 1.3, and from the whole sum.

# %%
average, alone, g = to_go[alive].mean(), scores.sum(0), samples[reward_to_go]
from_squares = (scores**2 * to_go[:, second, None]).sum((0, 1)) / (scores**2).sum((0, 1))
best = best_constants(g, alone)
print("mean reward-to-go", average.round(1))
print("best constants    from the squares", from_squares.round(1), "  from the whole sum", best.round(1))
cl.see("the cart's best constant / mean reward-to-go", best[0] / average, between=(0, 0.45))
cl.see("the same from the squares alone", from_squares[0] / average, between=(0.4, 0.7))

# %% [markdown]
# *What you should see.* From the squares alone, the best constant is below the mean reward-to-go for every weight, and
# it is lowest for the cart. The cart is far from the centre mostly near the end of an episode. There the score of its
# weight is large, but few steps remain, so the reward-to-go is small and adds little noise. Subtract the mean
# reward-to-go, and these terms get a large negative weight. The cancellation moves the best constant of the cart further
# down, and that of its rate as well. (For the pole and its rate the terms of an episode add up instead of cancelling. There
# the constant moves up, to about the mean.) A baseline near the mean is far too large for the cart.
#
# So remember what (1.8) promises. A baseline never changes the mean. It usually reduces the noise, but it need not do so
# for every parameter. The best constant is different for each parameter (Peters and Schaal 2008). In practice people use
# one baseline for all, an estimate of $V(s)$, because it is simple and reduces the noise of the whole gradient.
#
# ### Exercise 1.4: more episodes (an experiment with a hypothesis)
# The noise of the average falls with the number of episodes. How fast? Suppose that the noise (a standard deviation) is
# proportional to (episodes in the batch)$^p$. Enter your $p$ **before** you run the measurement. The figure draws your
# line over the measured points.

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


gradient = samples[with_baseline].mean(0)
sizes = cl.budget(smoke=(1, 4, 16), lite=(1, 4, 16, 64), full=(1, 4, 16, 64, 256))
measured = {name: {size: noise(g, size) for size in sizes} for name, g in samples.items()}
cl.see("noise of one episode, first / last estimator", measured[whole][1] / measured[with_baseline][1], between=(2, 4.5))
diagrams.noise_figure(measured, exponent=attempt(batch_exponent))

# %% [markdown]
# *Look at* the distance between the lines, and at where each one crosses 1. Below 1 the noise is smaller than the gradient,
# and the average points roughly the right way. *What you should see.* Three nearly parallel lines. Divide the noise of one
# estimator by that of another. The **square** of this ratio is the factor by which the first one needs more episodes for
# the same noise. (The noise here is that of all four weights together. The cart's weight is a small part of it.)

# %% nbgrader={"grade": true, "grade_id": "check-01-4", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
cl.check("1.4", batch_exponent)

# %% [markdown]
# ### Two sliders: batch size and baseline
# A constant baseline $b$ turns an episode's gradient $g = \sum_t \nabla\log\pi\; G_t$ into $g - b\,z$, where
# $z = \sum_t \nabla\log\pi$ is the score of the episode. The variance of that is a parabola in $b$:
#
# $$\operatorname{Var}(g - b\,z) = \operatorname{Var}(g) - 2\,b\operatorname{Cov}(g, z) + b^2\operatorname{Var}(z).$$
#
# Each weight has its own parabola. The left panel shows the scatter of the estimates from batches of the size that you
# choose, for the weights of the cart's position and of the pole's angle. (The batches are drawn from the episodes above.)
# The right panel shows, for all four weights, ± with the constant divided by ± without it. Below 1 the constant helps.
#
# *Try this.* Stay at 64 episodes and compare the baselines 4 and 16. Which of the two curves gets narrower, and which gets wider?
# Then find out how many episodes you need before the cart's sign is nearly always right: with a baseline of 4, and with a
# baseline of 16. The last position of the baseline slider is the baseline $b(s)$ that you fitted.

# %%
baseline_slider(samples[reward_to_go], scores.sum(0), samples[with_baseline], average)

# %% [markdown]
# ## 5. REINFORCE with a learned baseline
#
# You now have all the parts. A second network $V_\phi(s)$, the **critic** (Barto et al. 1983), learns the baseline by
# regression on the returns. The policy follows (1.9). PyTorch minimises, so the losses are
#
# $$L(\theta) = -\frac1n\sum_{t}\log\pi_\theta(a_t\mid s_t)\,\hat A_t, \qquad
# L(\phi) = \frac1n\sum_t \bigl(G_t - V_\phi(s_t)\bigr)^2, \tag{1.10}$$
#
# with $\hat A_t = G_t - V_\phi(s_t)$. The sums run over all $n$ steps of the batch. (The program uses $(1-\gamma)\,G_t$ in
# place of $G_t$, so that the critic's targets lie between 0 and 1. The scaling of $\hat A_t$ below removes this factor
# again.) $\hat A_t$ is an estimate of the **advantage** $A(s, a) = Q(s, a) - V(s)$ (Baird 1993): how much better an action
# is than the average one. $\hat A_t$ is scaled to mean 0 and standard deviation 1 over the batch, so that one step size
# suits both the early and the late policies.
#
# ### Which objective is this?
# From here on $\gamma = 0.99$, and that needs an explanation. In sections 3 and 4 $\gamma$ was 1, and (1.9) was the exact
# gradient of the mean sum of rewards. With $\gamma < 1$ there is a second objective, the discounted return from the start,
# $J_\gamma = \mathbb{E}\bigl[\sum_t \gamma^t r_t\bigr]$. Its exact gradient has one more factor:
#
# $$\nabla J_\gamma = \mathbb{E}\Bigl[\sum_t \gamma^t\,\nabla\log\pi_\theta(a_t\mid s_t)\,\bigl(G_t - b(s_t)\bigr)\Bigr].$$
#
# The factor $\gamma^t$ is missing in (1.10), as in nearly all programs for policy gradients. With it, step 500 of an
# episode would count less than a hundredth of step 0, and the policy would hardly learn what to do there. Without it all
# steps count alike. You still want a large **undiscounted** return, and that is what the curves below show. The discount
# inside $G_t$ is there to reduce the noise: it ignores rewards far beyond the effective horizon of 100 steps, on which this
# action has little influence. The price is a **bias**. The direction is no longer exactly the gradient of $J$, nor of
# $J_\gamma$, nor of any other objective (Nota and Thomas 2020). On tasks such as this one it works well.

# %% tags=["prelude"]
def policy_loss(policy, obs, action, advantage):
    """obs (n, 4), action (n, 1), advantage (n,) -> eq. (1.10), left."""
    return -(policy.log_prob(obs, action) * advantage).mean()


def critic_loss(critic, obs, returns):
    """obs (n, 4), returns (n,) -> eq. (1.10), right."""
    return (returns - critic(obs).squeeze(-1)).square().mean()


# %% [markdown]
# *Predict.* Two actions were tried in the same state: -1 with advantage +1, and +1 with advantage -1. Which way does one
# gradient step move the mean?

# %%
cl.predict("01.7", choices=("down", "not at all", "up"))

# %%
toy = GaussianPolicy()
state, tried, advantage = torch.zeros(2, 4), torch.tensor([[-1.0], [1.0]]), torch.tensor([1.0, -1.0])
before = toy.mean(state)[0].item()
policy_loss(toy, state, tried, advantage).backward()
with torch.no_grad():
    for parameter in toy.parameters():
        parameter -= 0.1 * parameter.grad
after = toy.mean(state)[0].item()
came = "down" if after < before else "up" if after > before else "not at all"
print(f"mean action before {before:+.3f}, after {after:+.3f}: {came}" + compared("01.7", came))

# %% [markdown]
# *What you should see.* The mean moves towards the action with the positive advantage. Now one whole update:

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
# The loop around it stops early when the mean return is almost the largest possible in three batches in a row. You can
# also stop it with ■ and keep what it has learned.

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
        print("stopped; what it has learnt so far is kept")
    return policy, critic, curve


# %% [markdown]
# *Predict.* The untrained policy balances the pole for less than a second. In which batch, counted from 1, is the mean
# return above 950 for the first time?

# %%
cl.predict("01.8", question="first batch with a mean return above 950")

# %%
most = cl.budget(smoke=2_000, lite=1_500_000, full=1_500_000)
policy, critic, curve = reinforce(seed=0, env_steps=most)
print(f"{curve['env_steps'][-1]:,d} steps in {curve['wall_seconds'][-1]:.0f} s, last {curve['mean return'][-1]:.0f}")

# %%
def first_above(level):
    """The first batch of your run with a larger mean return, counted from 1; NaN where there is none."""
    return next((k for k, mean in enumerate(curve["mean return"], 1) if mean > level), np.nan)


cl.see("first batch with a mean return above 150", first_above(150), between=(12, 45))
cl.see("first batch with a mean return above 950", first_above(950), between=(28, 75), predicted="01.8")

# %% [markdown]
# *What you should see.* Per update, the mean return rises slowly at first, and then fast. One reason may be that a policy
# that balances longer also has more steps to learn from in each update.
#
# One run proves little. The course ships runs of ten seeds, made to answer a question: does the baseline matter when
# batches are small? So the same loop ran with only 4 episodes in a batch and three baselines: the critic, the mean
# reward-to-go of the batch, and none. (With the critic the mean of the advantages is subtracted as well. All three are
# divided by the standard deviation of the batch.) Where a run stopped early, the figure repeats its last value (up to
# 200,000 steps). A run counts as having reached 950 when the average of three batches in a row is at least 950.
#
# *Predict.* Take batches of 4 episodes instead of 32, with the critic. By what factor does the number of environment steps
# needed for a mean return of 950 fall? (A number below 1 means that it grows.)

# %%
cl.predict("01.9", question="steps with 32 episodes / steps with 4")

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

# %%
needed = {name: shipped["claims"][f"reinforce_steps_to_950_{name}"] for name in ("32_critic", "4_critic", "4_mean", "4_none")}
cl.see("steps with 32 episodes / steps with 4", needed["32_critic"] / needed["4_critic"], between=(4, 10), predicted="01.9")
cl.see("no baseline has the largest median of the three", needed["4_none"] > max(needed["4_critic"], needed["4_mean"]))
ends = [shipped["intervals"][f"reinforce_steps_to_950_{name}"] for name in ("4_critic", "4_mean")]
cl.see("the intervals of critic and batch mean overlap", max(low for low, _ in ends) <= min(high for _, high in ends))

# %% [markdown]
# *Look at* where each median crosses the dotted line, and at the bands: the 95 % interval of the median over seeds. *What
# you should see.* At this learning rate, small batches need several times fewer environment steps. They take about 1.4
# times as many updates, but each costs only about a tenth of the steps: an eighth of the episodes, and on average these
# were shorter. (The figure crosses earlier than the printed medians say, because it takes each batch by itself, while the
# count waits for the average of three. A line ends where the first of its ten runs stopped.) (A larger learning rate for
# the large batches was not tried. You ran 32 because the curve is smoother. The comparison counts environment steps, not
# seconds.)
#
# With 4 episodes, the runs without a baseline have the largest median and the widest interval. The intervals overlap, but
# that alone does not settle a comparison. Take it seed by seed. In seven seeds of ten, the run without a baseline needs
# more environment steps than the run with the critic. That can be chance. In nine of ten it needs more updates, and the
# median number of updates is 1.5 times as large. Between the critic and the batch mean there is no clear difference in
# either unit. One reason may be the task: nearly all states with an upright pole have the same value, so a constant
# predicts it well. The comparison of these two is a null result, reported like any other.
#
# ### Evaluate without the noise
# During training the policy adds noise to every action. The **deterministic policy** takes the mean of the distribution.
# `evaluate` plays 50 new episodes with it, and 50 with the noise. The column IQM is the **interquartile mean** (Agarwal et
# al. 2021): the mean of the middle half of the episodes, without the lowest and the highest quarter. A few very good or
# very bad episodes hardly change it.
#
# *Predict.* Is the mean return better or worse when the noise is off, or is it the same within 5 steps?

# %%
cl.predict("01.10", choices=("better", "the same, within 5 steps", "worse"))

# %%
evaluation = cl.evaluate(policy, episodes=50, seed=1000)
print(evaluation)
gain = evaluation.deterministic.mean - evaluation.stochastic.mean
came = "better" if gain > 5 else "worse" if gain < -5 else "the same, within 5 steps"
print(f"noise off: {came}" + compared("01.10", came))
cl.see("mean return, noise off", evaluation.deterministic.mean, between=(950, 1000))

# %% [markdown]
# *What you should see.* An episode cannot return more than 1,000. If the policy already reaches that with its noise, it has
# nothing to gain without it. In later notebooks the noise often costs return.

# %%
cl.show(policy, seed=1, steps=100, reset_noise_scale=0.1)

# %% [markdown]
# ## 6. A map of methods
#
# You can solve the corridor in a different way: learn how good each action is, and take the best one. Such methods are
# called **value-based**. $Q(s,a)$ is the expected return after action $a$ in state $s$. **Q-learning** (Watkins 1989) moves
# it, with a step size $\alpha$, towards the right-hand side of the **Bellman optimality equation**, the Bellman
# equation of the *best* policy:
#
# $$Q(s,a) \leftarrow Q(s,a) + \alpha\,\bigl[\,r + \gamma\,\max_{a'} Q(s',a') - Q(s,a)\,\bigr]. \tag{1.11}$$
#
# *Predict.* Below, Q-learning learns from a robot that tosses coins. The best policy always goes right. In how many of
# the four cells does Q-learning find that right is better?

# %%
cl.predict("01.11", question="cells in which right is better, 0 to 4")

# %%
Q, state, rng = np.zeros((5, 2)), 0, np.random.default_rng(3)
for _ in range(cl.budget(smoke=3000, lite=30_000, full=30_000)):
    action = rng.integers(2)
    following, reward, done = corridor_step(state, action, rng)
    Q[state, action] += 0.05 * (reward + 0.9 * (not done) * Q[following].max() - Q[state, action])
    state = 0 if done else following
print("      left  right")
print(Q[:4].round(2))
better = Q[:4, 1] - Q[:4, 0]
cl.see("cells in which right is better", (better > 0).sum(), between=(4, 4), predicted="01.11")
cl.see("by how much", better, between=(0.01, 0.35))

# %% [markdown]
# *What you should see.* Right is better in every cell, and the values of "right" rise towards the charger. The data came
# from another policy, but (1.11) does not depend on the policy that chose the action. Such a method is called
# **off-policy**. It can keep old data and use it again, as long as the data hold every action in every state. Equation
# (1.9) is an average over the actions of the present policy. A method that follows it is called **on-policy**: its data
# must come from the present policy, or from one very close to it. REINFORCE uses every batch once. PPO (notebook 02)
# uses it several times.
#
# Why not use Q-learning for the pole? Because of the $\max$. The max over two actions is trivial. Over a continuous force it
# is an optimisation at every step. **Actor-critic** methods train a second network, the actor, to do this optimisation: a
# policy that climbs a learned $Q$, the critic. (The word is also used in a wider sense, for every method with a policy
# and a learned value. Then PPO and REINFORCE with a learned baseline are actor-critic methods too.) A method that improves
# the policy along its scores, as in (1.9), and not by choosing or climbing a $Q$, is **policy-based**: REINFORCE, and PPO
# too.

# %%
diagrams.method_map()

# %% [markdown]
# *Look at* the lower right corner, where you are now. Methods at the top keep their data and use it again, so they need
# fewer steps with the robot. They also have more parts that can fail. (SARSA and DQN are not used in this course. SARSA,
# Rummery and Niranjan 1994, is Q-learning with the value of the next action that is really taken, in place of the max.
# DQN, Mnih et al. 2015, is Q-learning with a network for Q and a memory of old steps.)
#
# ### Exercise 1.5: beat the network with four numbers (open)
# Write a controller `obs (N, 4) -> action (N, 1)` that balances the pole. It returns the actions, one row for each
# observation. Use any method you like: physics, trial and error, random search, or (1.9) with `LinearPolicy`. Four weights
# are enough. The check wants a mean of at least 950 of 1,000 steps in 20 episodes. Then compare it with the network, with
# `reset_noise_scale` 0.05, 0.1, 0.15 and 0.2: for each of the two, which is the largest at which it still lasts for 950
# steps on average? (For the network: `cl.evaluate(policy, reset_noise_scale=0.1)`. For your controller: step the copies of
# `cl.make("InvertedPendulum-v5", num_envs=20, reset_noise_scale=0.1)` in a loop, as `collect` does.) Add a cell with a
# table of these means and a sentence on what you tried. It is not checked.

# %% nbgrader={"grade": false, "grade_id": "ex-01-5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def controller(obs):
    """obs (N, 4): cart (m), pole (rad), their rates -> action (N, 1) in units of 100 N."""
    ### BEGIN SOLUTION
    return obs @ np.array([[0.5], [8.0], [0.5], [1.0]])
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-01-5", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("1.5", controller)

# %% [markdown]
# ## What you predicted

# %%
cl.calibration("01")

# %% [markdown]
# ## Summary
# - A control problem is a Markov decision process. A policy is judged by its expected return, (1.2).
# - The policy gradient needs no model of the transitions. It is the mean of score times return, (1.6).
# - The estimate is right on average, and noisy. Reward-to-go, a baseline and larger batches reduce the noise of the whole
#   gradient, (1.9). None of the three changes its mean. A baseline can make a single component noisier.
# - A discount $\gamma < 1$ inside $G_t$, without the factor $\gamma^t$, is meant to reduce the noise too, but it adds a
#   bias. (This was not measured here.)
# - Fewer than a hundred lines, with a learned baseline, balance a pole. Evaluate with the noise off, and over several
#   seeds.
# - Q-learning can learn from the data of any policy that tries every action everywhere, and needs a $\max$ over
#   actions. REINFORCE needs new data for every update, and needs no $\max$.
#
# ### What goes wrong, and how it looks
# | what you see | what it often is |
# |---|---|
# | the return does not rise | the loss has the wrong sign, or scores and advantages belong to different steps |
# | it rises, then falls back to where it began and stays there | the step is too large: one bad batch ruined the policy. PPO (notebook 02) limits the step |
# | σ goes to zero early, the return stays low | exploration ended too soon: use a lower learning rate, or start with a larger σ |
# | good in training, bad in evaluation (or the reverse) | the noise is on in one of the two and off in the other, or the episodes start differently |
# | some seeds work, some do not | this is normal; show all of them |
#
# One simplification remains. At step 1,000 an episode is truncated while the pole still stands. Here $G_t$ counts no
# rewards after that, as if the pole had fallen. The error is up to $\gamma^{1000-t}/(1-\gamma)$. Few steps are near enough
# to the end for this to matter. But once the pole stands all the time, this error is most of what is left of the advantage.
# No action caused it, so it is noise; what it costs was not measured. Notebook 02 treats truncation properly, with the
# value of the final observation.
#
# ### Further reading
# - R. S. Sutton and A. G. Barto, *Reinforcement Learning: An Introduction*, 2nd ed., 2018: chapter 3 (MDPs), sections 6.5
#   (Q-learning) and 13.1–13.4 (policy gradients, baselines).
# - R. S. Sutton, D. McAllester, S. Singh, Y. Mansour, "Policy gradient methods for reinforcement learning with function
#   approximation", *NeurIPS* 12, 2000: section 1, the policy gradient theorem.
# - C. Nota, P. S. Thomas, "Is the policy gradient a gradient?", *AAMAS* 2020: what dropping $\gamma^t$ does.
# - R. J. Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning",
#   *Machine Learning* 8, 1992: sections 4 to 6.
# - E. Greensmith, P. L. Bartlett, J. Baxter, "Variance reduction techniques for gradient estimates in reinforcement
#   learning", *JMLR* 5, 2004: section 4, the best constant baseline for all parameters together.
# - J. Peters, S. Schaal, "Reinforcement learning of motor skills with policy gradients", *Neural Networks* 21, 2008:
#   a best baseline for each parameter.
# - J. Schulman et al., "High-dimensional continuous control using generalized advantage estimation", 2016: section 2,
#   the six forms of the weight in (1.9).
