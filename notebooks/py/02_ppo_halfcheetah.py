# %% [markdown]
# # PPO on HalfCheetah
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/liquid-control/liquid-control/blob/main/notebooks/02_ppo_halfcheetah.ipynb)
#
# REINFORCE plays, learns one step from what it played, and throws the data away. That balances a pole. To make a
# two-legged cheetah run it is too wasteful, and one bad step ruins everything. Proximal policy optimisation (PPO)
# uses each batch many times and stops just before that becomes dangerous. In this notebook you build it from its two
# ideas, the clipped surrogate and generalised advantages, see that the library computes the same numbers, and
# train a cheetah that runs, while you watch.

# %% [markdown]
# **You will be able to**
# 1. write the clipped surrogate, differentiate it, and say which transitions it silences;
# 2. estimate advantages with GAE, and treat an episode that *fell* unlike one that ran out of *time*;
# 3. assemble a whole PPO update and show that it equals the library's, weight for weight;
# 4. train HalfCheetah, evaluate it with and without noise, and say what each part of the recipe is worth;
# 5. tell a broken PPO from its recorded metrics, and name the bug.
#
# **Before you start.** Notebook 01 (policy gradient, baseline, advantage); PyTorch's `backward` and an optimiser.
#
# **Time** on 2 cores: smoke (a test that every cell runs) under 1 minute; lite (the default) 4 to 8 minutes of
# computing, most of it the cheetah's training; full half as much again.

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
# This policy was trained by the library's PPO on two processor cores. The cell after the video says how long it took,
# and how it went for other seeds.

# %%
cl.show(cl.load("halfcheetah_ppo_3"), steps=120, width=480, height=320)

# %%
shipped = cl.result("ppo_halfcheetah")
before = shipped["before"]
cl.compare({"HalfCheetah-v5": shipped["per_seed"]}, x="wall_seconds", individual=True, target=before["best_episode"])

# %% [markdown]
# *Look at* the thin lines: each is one seed, trained once. The thick one is their median, the band its 95 % bootstrap
# interval. The dotted line is the best single episode of the student project that this notebook succeeds. Every policy acts
# with its exploration noise here; what it does without is in the next lines.

# %%
for claim, value in shipped["claims"].items():
    low, high = shipped["intervals"][claim]
    print(f"{claim:26s} median of {len(shipped['seeds'])} seeds {value:7,.0f}   95 % interval [{low:,.0f}, {high:,.0f}]")
print("training", *[f"{row['train_seconds']:.0f}" for row in shipped["per_seed"]], "s on", shipped["machine"]["cores"], "cores")
print("made by", shipped["command"])
for fact, value in before.items():
    print(f"before: {fact.replace('_', ' ')} {value:,}")

# %% tags=["prelude"]
import copy
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

import course_lib as cl
from course_lib import viz
from course_lib.course.exercises import attempt, check, check_that
from course_lib.evaluation.returns import run_episodes
from course_lib.lessons import nb02_ppo as ppo_figures
from course_lib.rl.gae import gae
from course_lib.rl.ppo import policy_loss, ratio_statistics

# %% [markdown]
# ## 1. Using data twice: the ratio
#
# The policy gradient of notebook 01 is an average over what the policy *of now* does. After one gradient step the
# data is by another policy, $\pi_{\text{old}}$. Importance sampling repairs that: weight each action by how much more
# likely it has become,
#
# $$\rho_t(\theta) = \frac{\pi_\theta(a_t\mid s_t)}{\pi_{\text{old}}(a_t\mid s_t)}
# = \exp\bigl(\log\pi_\theta(a_t\mid s_t) - \log\pi_{\text{old}}(a_t\mid s_t)\bigr), \tag{2.1}$$
#
# and climb the **surrogate**
#
# $$L(\theta) = \mathbb{E}_{\text{old}}\bigl[\rho_t(\theta)\,\hat A_t\bigr]. \tag{2.2}$$
#
# At $\theta_{\text{old}}$ the ratio is 1 and $\nabla\rho = \nabla\log\pi$, so the first step is exactly the policy
# gradient. Four transitions to look at:
#
# *Predict.* Which of the four did the new policy make more likely? Which of these changes were wise?

# %%
old_log_prob = torch.tensor([-1.0, -1.0, -2.0, -0.5])
log_prob = torch.tensor([-0.6, -1.1, -1.5, -1.0], requires_grad=True)
advantage = torch.tensor([2.0, 1.0, -1.0, -2.0])
ratio = (log_prob - old_log_prob).exp()
for name, row in (("ratio", ratio), ("advantage", advantage), ("product", ratio * advantage)):
    print(f"{name:10s}", *[f"{x:7.2f}" for x in row.tolist()])

# %% [markdown]
# *What you should see.* Ratios between 0.6 and 1.7. The first and the third have grown: the first is good
# ($\hat A > 0$), the third is a mistake that the next step should undo. The fourth shrank, as it should.
#
# ### How far can one batch be trusted?
# Take a policy that balances the pole, one batch of its steps, and climb (2.2) on that batch again and again. The
# surrogate is the improvement that the batch *promises*. We also watch how far the policy has moved, as the
# Kullback–Leibler divergence (KL) to the old one, and what the pole *really* does.

# %%
pole = cl.make("InvertedPendulum-v5", num_envs=16, seed=0)
agent = cl.PPO(pole, cl.PPOConfig(minibatch_size=256))
for _ in range(15):
    agent.iterate(progress=0.0)
rollout, _ = agent.collect()
a = (rollout.advantage - rollout.advantage.mean()) / rollout.advantage.std()
print({name: tuple(value.shape) for name, value in vars(rollout).items() if name != "state"})

# %% [markdown]
# *What you should see.* Everything is (steps T = 64, copies N = 16, …): observations `x`, already normalised, of width
# 4, actions of width 1. `a` are the advantages, scaled to
# mean 0 and variance 1. Fifteen updates are enough for a pole that stands nearly always.

# %%
def climb(clip, updates, lr=3e-3):
    """Gradient steps on the one rollout, at the unclipped (clip = inf) or clipped surrogate -> policy, log ρ (T, N)."""
    policy = copy.deepcopy(agent.policy)
    optimizer = torch.optim.Adam([*policy.actor.parameters(), policy.log_std], lr)
    for _ in range(updates + 1):
        noise = torch.distributions.Normal(policy.actor(rollout.x), policy.log_std.exp())
        log_ratio = noise.log_prob(rollout.action).sum(-1) - rollout.log_prob
        ratio = log_ratio.exp()
        loss = -torch.minimum(ratio * a, ratio.clamp(1 - clip, 1 + clip) * a).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return policy, log_ratio.detach()


# %% [markdown]
# *Predict.* The unclipped surrogate, 200 steps: the promise will grow. Will the pole stand longer?

# %%
test = cl.make("InvertedPendulum-v5", num_envs=16, seed=99)
for clip in (float("inf"), 0.2):
    for updates in (0, 20, 200):
        policy, log_ratio = climb(clip, updates)
        promise = (log_ratio.exp() * a).mean().item()
        kl = abs(ratio_statistics(log_ratio, 0.2)["approx_kl"])
        steps = run_episodes(policy, test, deterministic=False).mean
        print(f"ε = {clip:3.1f}, {updates:3d} updates: promise {promise:6.3f}, KL {kl:7.3f}, pole stands {steps:6.0f} steps")

# %% [markdown]
# *What you should see.* Without a limit (ε = inf) the promise grows ten times or more beyond the other one, the KL
# passes 1 nat, and usually the pole falls after a few hundred steps or fewer: the batch says nothing about actions that are far from
# those it contains. With ε = 0.2 the KL stays below 0.1 whatever the number of updates, and the pole stands.

# %% [markdown]
# ## 2. The clipped surrogate
#
# What made the difference is one line. A transition stops paying once its ratio has left $[1-\varepsilon, 1+\varepsilon]$
# *in the direction that its advantage asks for*:
#
# $$L^{\text{clip}}(\theta) = \mathbb{E}\Bigl[\min\bigl(\rho_t \hat A_t,\;
# \mathrm{clip}(\rho_t, 1-\varepsilon, 1+\varepsilon)\,\hat A_t\bigr)\Bigr]. \tag{2.3}$$

# %%
ppo_figures.clip_figure(0.2)

# %% [markdown]
# *Look at* the flat parts: there the gradient is zero, and the transition has no say any more. The other side
# is never flat: a good action that became *less* likely ($A>0$, $\rho<1-\varepsilon$) keeps pulling.
#
# ### Exercise 2.1: the clipped surrogate (fill in)
# Write (2.3) for a batch. Return the surrogate itself, the number to be made *large*.

# %% nbgrader={"grade": false, "grade_id": "ex-02-1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def clipped_surrogate(log_prob, old_log_prob, advantage, clip):
    """log π, log π_old, advantage: tensors (B,); clip: ε -> the mean of eq. (2.3), one number."""
    ### BEGIN SOLUTION
    ratio = (log_prob - old_log_prob).exp()
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-02-1", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
#@title Check 2.1
def by_cases(new, old, a, eps):  # transition by transition, in words: good ones pay up to 1 + ε, bad ones down to 1 - ε
    rho = np.exp((new - old).numpy())
    return np.mean([min(r, 1 + eps) * x if x > 0 else max(r, 1 - eps) * x for r, x in zip(rho, a.numpy(), strict=True)])


def batch_of(seed, n=9):
    new, old, a = torch.randn(3, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return 0.4 * new, 0.4 * old, a


def R(new, old):
    return (new - old).exp()


check(
    "2.1", "clipped_surrogate", oracle=by_cases, cases=[(*batch_of(0), 0.2), (*batch_of(1), 0.1), (*batch_of(2), 0.3)],
    mistakes={
        "this is max; the surrogate is the pessimist's choice, the smaller of the two":
            lambda n, o, a, e: torch.maximum(R(n, o) * a, R(n, o).clamp(1 - e, 1 + e) * a).mean(),
        "only clipped: without min( ) an action that got worse has no way back": lambda n, o, a, e: (R(n, o).clamp(1 - e, 1 + e) * a).mean(),
        "the ratio is not clipped at all: that is eq. (2.2)": lambda n, o, a, e: (R(n, o) * a).mean(),
        "the ratio is upside down: new over old": lambda n, o, a, e: torch.minimum(R(o, n) * a, R(o, n).clamp(1 - e, 1 + e) * a).mean(),
        "the sign: eq. (2.3) is to be made large; the loss is its negative":
            lambda n, o, a, e: -torch.minimum(R(n, o) * a, R(n, o).clamp(1 - e, 1 + e) * a).mean(),
        "the sum is right; take the mean, so that the step does not depend on the batch size":
            lambda n, o, a, e: torch.minimum(R(n, o) * a, R(n, o).clamp(1 - e, 1 + e) * a).sum(),
    },
)

# %% [markdown]
# The library's `policy_loss` is the same with the sign turned, because optimisers go down. On our four transitions:

# %%
inline = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
library, _ = policy_loss(log_prob, old_log_prob, advantage, clip=0.2)
print(f"inline {inline.item():.6f}   library {-library.item():.6f}")
print("d L / d log π of each transition:", torch.autograd.grad(inline, log_prob)[0].numpy().round(3))

# %% [markdown]
# *What you should see.* Two equal numbers. Of the four gradients exactly two are zero: the first and the fourth have
# moved far enough in the wanted direction. The third, which moved the wrong way, still pulls back.
#
# ### Exercise 2.2: its slope (a derivation, checked numerically)
# Differentiate one transition's term of (2.3) by $\log\pi_\theta$. Two hints: $d\rho/d\log\pi = \rho$; and on the
# flat parts the answer is 0. The check compares your answer with finite differences.

# %% nbgrader={"grade": false, "grade_id": "ex-02-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def surrogate_slope(ratio, advantage, clip):
    """ratio ρ, advantage (n,) arrays; clip: ε -> d min(ρA, clip(ρ)A) / d log π (n,)."""
    ### BEGIN SOLUTION
    done = np.where(advantage > 0, ratio > 1 + clip, ratio < 1 - clip)  # far enough, in the wanted direction
    return np.where(done, 0.0, ratio * advantage)
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-02-2", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 2.2
def by_difference(rho, a, eps, h=1e-6):
    def term(log_ratio):
        return np.minimum(np.exp(log_ratio) * a, np.clip(np.exp(log_ratio), 1 - eps, 1 + eps) * a)

    return (term(np.log(rho) + h) - term(np.log(rho) - h)) / (2 * h)


def done(r, a, e):
    return np.where(a > 0, r > 1 + e, r < 1 - e)


many = np.random.default_rng(0).uniform(0.5, 1.6, 40), np.random.default_rng(1).normal(size=40)
check(
    "2.2", "surrogate_slope", oracle=by_difference, tolerance=1e-5,
    cases=[(np.array([0.7, 1.0, 1.4, 0.7, 1.4]), np.array([1.0, 2.0, 1.0, -1.0, -1.0]), 0.2), (*many, 0.1)],
    mistakes={
        "zero outside the interval on both sides: but where ρ went the wrong way, min( ) picks ρA, which is not flat":
            lambda r, a, e: np.where(abs(r - 1) < e, r * a, 0.0),
        "a factor ρ is missing: dρ / d log π = ρ": lambda r, a, e: np.where(done(r, a, e), 0.0, a),
        "that is the slope of eq. (2.2); nothing is silenced": lambda r, a, e: r * a,
        "the two cases are swapped: a good action is done once its ratio is ABOVE 1 + ε":
            lambda r, a, e: np.where(done(r, -a, e), 0.0, r * a),
    },
)

# %% [markdown]
# ### KL, measured on the way
# The library records how far each update went, from the same ratios. Of two estimators with the mean
# $\mathrm{KL}(\pi_{\text{old}}\,\|\,\pi_\theta)$ it takes the second, which is never negative:
#
# $$\mathbb{E}_{\text{old}}[-\log\rho] \qquad\text{and}\qquad \mathbb{E}_{\text{old}}[(\rho-1)-\log\rho]. \tag{2.4}$$
#
# They agree because $\mathbb{E}_{\text{old}}[\rho] = 1$. *Predict.* Two Gaussians half a standard deviation
# apart: which estimator scatters less, by how much?

# %%
torch.manual_seed(0)
old, new = torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(0.5, 1.0)
draws = old.sample((1000, 64))  # a thousand batches of 64 actions
log_rho = new.log_prob(draws) - old.log_prob(draws)
print(f"exact KL              {torch.distributions.kl_divergence(old, new):.4f}")
for name, estimate in (("-log ρ", -log_rho), ("(ρ - 1) - log ρ", log_rho.exp() - 1 - log_rho)):
    print(f"{name:20s} {estimate.mean():7.4f}   sd of a batch {estimate.mean(1).std():.4f}   smallest {estimate.mean(1).min():7.4f}")

# %% [markdown]
# *What you should see.* Both means within 0.005 of the exact 0.125. The second scatters about half as much or less,
# and its smallest batch is positive.
#
# ### Exercise 2.3: how KL grows with the step (an experiment with a hypothesis)
# One gradient step of size $\alpha$ from the same policy. Suppose KL $\propto \alpha^p$. Enter your $p$ **before** you
# run the measurement. A hint: at $\alpha = 0$ the KL is 0, and it cannot be negative on either side.

# %% nbgrader={"grade": false, "grade_id": "ex-02-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def kl_exponent():
    """-> p, so that KL is proportional to (step size) ** p."""
    ### BEGIN SOLUTION
    return 2.0
    ### END SOLUTION


# %%
def kl_after(lr):
    """KL to the old policy after one step of plain gradient ascent on eq. (2.2)."""
    policy = copy.deepcopy(agent.policy).double()
    x, action = rollout.x.double(), rollout.action.double()

    def log_probs():
        return torch.distributions.Normal(policy.actor(x), policy.log_std.exp()).log_prob(action).sum(-1)

    before = log_probs().detach()
    parameters = [*policy.actor.parameters(), policy.log_std]
    gradient = torch.autograd.grad(((log_probs() - before).exp() * a).mean(), parameters)
    with torch.no_grad():
        for parameter, slope in zip(parameters, gradient, strict=True):
            parameter += lr * slope
    return ratio_statistics(log_probs().detach() - before, 0.2)["approx_kl"]


rates = np.geomspace(1e-3, 1.0, 7)
ppo_figures.kl_figure(rates, [kl_after(lr) for lr in rates], exponent=attempt(kl_exponent))

# %% [markdown]
# *Look at* the slope, and at where the line crosses the dashed one. *What you should see.* A straight line over at least two
# decades of step size: ten times the step, a hundred times the KL. Where the KL nears 1 nat it may bend: a parabola is only
# the beginning of the curve. That is why a learning rate too large is a catastrophe and one too small is only slow.

# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-02-3", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
#@title Check 2.3
check(
    "2.3", "kl_exponent", oracle=lambda: 2.0, cases=[()], tolerance=0.1,
    right="KL has its minimum, 0, at the old policy, so it begins as a parabola: twice the step, four times the KL",
    mistakes={
        "a straight line through 0 would be negative for a step backwards; KL never is": lambda: 1.0,
        "that would be a root: steep at 0, where KL is flat": lambda: 0.5,
        "a cube changes its sign at 0; KL never does": lambda: 3.0,
    },
)

# %% [markdown]
# ## 3. Generalised advantages
#
# What should $\hat A_t$ be? The one-step error of the critic is
#
# $$\delta_t = r_t + \gamma V(s_{t+1}) - V(s_t). \tag{2.5}$$
#
# It has little noise, and it believes the critic. The return minus $V(s_t)$ believes nothing but what was paid,
# and is noisy. GAE puts a dial $\lambda$ between the two:
#
# $$\hat A_t = \sum_{k\ge0} (\gamma\lambda)^k\,\delta_{t+k} = \delta_t + \gamma\lambda\,\hat A_{t+1}. \tag{2.6}$$
#
# *Predict.* With λ = 1 the values between the first and the last cancel. What remains?

# %%
ppo_figures.horizon_figure(gamma=0.98, lambdas=(0.0, 0.92, 1.0))

# %% [markdown]
# *Look at* how many steps each curve reaches: the advantage credits an action with about $1/(1-\gamma\lambda)$
# steps of what follows. (And: with λ = 1 the discounted return minus $V(s_t)$ remains.)
#
# ### Two ways for an episode to end
# - **terminated**: the hopper fell. Nothing comes after: $\gamma V(s_{t+1})$ is left out of (2.5).
# - **truncated**: the clock ran out. The cheetah would have run on, so its last step still gets $\gamma V(s_{t+1})$,
#   with the *final observation* of the old episode, not the first of the next one.
#
# In both cases the sum (2.6) stops there: what happens in the next episode is not this action's doing. Term by term:

# %% tags=["prelude"]
def advantages_by_definition(rewards, values, next_values, terminated, over, gamma, lam):
    """All (T,) -> Â (T,): eq. (2.6) as it stands, one sum for each step; `over` is terminated or truncated."""
    delta = rewards + gamma * np.where(terminated, 0.0, next_values) - values
    advantage = np.zeros(len(rewards))
    for t in range(len(rewards)):
        for k in range(t, len(rewards)):
            advantage[t] += (gamma * lam) ** (k - t) * delta[k]
            if over[k]:
                break
    return advantage


# %% [markdown]
# A toy: a robot is paid 1 a step for as long as it likes, γ = 0.9, so every state is worth 1/(1-γ) = 10, and the critic
# knows. After four steps the clock stops it. *Predict.* What are the advantages, rightly treated? And if truncation is
# taken for a fall?

# %%
rewards, values, next_values = np.ones(4), np.full(4, 10.0), np.full(4, 10.0)
clock, never = np.array([False, False, False, True]), np.zeros(4, bool)
print("truncated, as it was:", advantages_by_definition(rewards, values, next_values, never, clock, 0.9, 0.95))
print("taken for a fall:    ", advantages_by_definition(rewards, values, next_values, clock, clock, 0.9, 0.95).round(2))

# %% [markdown]
# *What you should see.* Zeros (nothing was better or worse than expected); then -9 at the end, leaking backwards:
# four blameless actions get punished for what the clock did, and the critic learns that the world ends at random.
#
# ### Exercise 2.4: GAE with truncation (fill in)
# Write the right-hand recursion of (2.6): backwards, one step a time, with both kinds of end.

# %% nbgrader={"grade": false, "grade_id": "ex-02-4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def advantages(rewards, values, next_values, terminated, truncated, gamma, lam):
    """All arrays (T,); next_values[t] is V of the state that really followed step t -> Â (T,), eq. (2.6)."""
    advantage, following = np.zeros(len(rewards)), 0.0
    ### BEGIN SOLUTION
    for t in reversed(range(len(rewards))):
        bootstrap = 0.0 if terminated[t] else gamma * next_values[t]
        over = terminated[t] or truncated[t]
        following = rewards[t] + bootstrap - values[t] + (0.0 if over else gamma * lam * following)
        advantage[t] = following
    return advantage
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-02-4", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 2.4
def episodes(seed, falls, clocks, T=12):
    r, v, following = np.random.default_rng(seed).normal(size=(3, T))
    ends = [np.isin(np.arange(T), at) for at in (falls, clocks)]
    return r, v, np.where(ends[0] | ends[1], following, np.append(v[1:], following[-1])), *ends


D, none = advantages_by_definition, np.zeros(12, bool)
check(
    "2.4", "advantages", oracle=lambda r, v, n, te, tr, g, lam: D(r, v, n, te, te | tr, g, lam),
    cases=[(*episodes(0, [3], [7]), 0.9, 0.8), (*episodes(1, [5], [2, 9]), 0.98, 0.92), (*episodes(2, [4, 8], [6]), 0.9, 0.5)],
    mistakes={
        "truncation is treated as a fall: the state after it is worth next_values, not 0": lambda r, v, n, te, tr, g, lam: D(r, v, n, te | tr, te | tr, g, lam),
        "a fall is treated as truncation: after it nothing comes, so no γ V": lambda r, v, n, te, tr, g, lam: D(r, v, n, none, te | tr, g, lam),
        "the recursion crosses the end of a truncated episode into the next one": lambda r, v, n, te, tr, g, lam: D(r, v, n, te, te, g, lam),
        "the recursion crosses the ends of all episodes": lambda r, v, n, te, tr, g, lam: D(r, v, n, te, none, g, lam),
        "λ is missing: the recursion falls by γ λ a step": lambda r, v, n, te, tr, g, lam: D(r, v, n, te, te | tr, g, 1.0),
        "that is the one-step error δ alone, eq. (2.5)": lambda r, v, n, te, tr, g, lam: D(r, v, n, te, te | tr, g, 0.0),
        "values[t+1] was used where next_values[t] is needed: after an end that is another episode's state":
            lambda r, v, n, te, tr, g, lam: D(r, v, np.append(v[1:], n[-1]), te, te | tr, g, lam),
    },
)

# %% [markdown]
# The library computes all copies at once, (T, N). On random episodes with random ends:

# %%
rng = np.random.default_rng(0)
rewards, values, following = rng.normal(size=(3, 200, 3))
terminated = rng.random((200, 3)) < 0.03
over = terminated | (rng.random((200, 3)) < 0.03)
next_values = np.where(over, following, np.vstack([values[1:], following[-1:]]))
library, target = gae(rewards, values, next_values, terminated, over, 0.98, 0.92)
columns = zip(rewards.T, values.T, next_values.T, terminated.T, over.T, strict=True)
inline = np.stack([advantages_by_definition(*column, 0.98, 0.92) for column in columns], axis=1)
print(f"{terminated.sum()} falls, {over.sum()} ends; largest difference {np.abs(inline - library).max():.1e}")

# %% [markdown]
# *What you should see.* A difference below 1e-12. `target`, what the critic learns towards, is $\hat A_t + V(s_t)$.

# %% [markdown]
# ## 4. Scales
#
# A tanh network likes inputs of size 1. *Predict.* The cheetah's 17 observations: which are largest, angles (rad) or
# rates (rad/s)? By which factor?

# %%
cheetahs = cl.make("HalfCheetah-v5", num_envs=64, seed=0)
seen = [cheetahs.reset()[0]]
rng = np.random.default_rng(0)
for _ in range(200):
    observation, *_ = cheetahs.step(rng.uniform(-1, 1, cheetahs.action_space.shape))
    seen.append(observation)
sd = np.std(np.concatenate(seen), axis=0)
print("height (m) and angles (rad):  ", sd[:8].round(2))
print("their rates (m/s and rad/s):  ", sd[8:].round(2))

# %% [markdown]
# *What you should see.* Standard deviations from about 0.1 to above 5. So the policy carries running moments and
# subtracts, divides and clips, $x = \mathrm{clip}\bigl((s - m)/\sigma,\,\pm10\bigr)$. They are updated *between* iterations:
# while a rollout is played and learnt from they stand still, or the ratio would not start at 1. They are saved with
# the policy and frozen in evaluation. Rewards are divided by the running standard deviation of the discounted return,
# so that one value-loss weight fits every task; advantages are scaled to mean 0, variance 1 in each minibatch.

# %%
moments = cl.MLPActorCritic(17, 6).normalizer
for batch in seen:
    moments.update(batch)
print(f"merged batch by batch, or all at once: equal to {np.abs(moments.var.sqrt().numpy() - sd).max():.0e}")

# %% [markdown]
# ## 5. The whole update
#
# The loss adds the critic's error and (if wanted) a bonus for entropy $H$:
#
# $$L(\theta) = -L^{\text{clip}} + c_v\,\tfrac12\,\mathbb{E}\bigl[(V(s_t) - \hat A_t - V_{\text{old}}(s_t))^2\bigr] - c_e\,H[\pi_\theta]. \tag{2.7}$$

# %%
def ppo_loss(policy, batch, config):
    """Eq. (2.7) on a minibatch, c_e = 0."""
    a = (batch.advantage - batch.advantage.mean()) / (batch.advantage.std() + 1e-8)
    gaussian = torch.distributions.Normal(policy.actor(batch.x), policy.log_std.exp())
    ratio = (gaussian.log_prob(batch.action).sum(-1) - batch.log_prob).exp()
    surrogate = torch.minimum(ratio * a, ratio.clamp(1 - config.clip, 1 + config.clip) * a).mean()
    error = policy.critic(batch.x).squeeze(-1) - batch.target
    return -surrogate + config.value_coef * 0.5 * error.square().mean()


# %%
def improve(policy, optimizer, rollout, config, generator):
    """`epochs` passes over the rollout in shuffled minibatches."""
    flat = {name: value.flatten(0, 1) for name, value in vars(rollout).items()}
    for _ in range(config.epochs):
        order = torch.randperm(len(flat["x"]), generator=generator)
        for part in order.split(config.minibatch_size):
            batch = SimpleNamespace(**{name: value[part] for name, value in flat.items()})
            optimizer.zero_grad()
            ppo_loss(policy, batch, config).backward()
            nn.utils.clip_grad_norm_(policy.parameters(), config.max_grad_norm)
            optimizer.step()


# %% [markdown]
# Two agents with the same weights, the same rollout and the same shuffling: ours and the library's.
# *Predict.* After 40 gradient steps, to how many digits do the weights agree?

# %%
agent = cl.PPO(pole, cl.PPOConfig(minibatch_size=256, seed=1))
agent.begin()
rollout, raw = agent.collect()
mine, generator = copy.deepcopy(agent.policy), torch.Generator()
generator.set_state(agent.generator.get_state())
optimizer = torch.optim.Adam(mine.parameters(), agent.config.learning_rate, eps=agent.config.adam_eps)
improve(mine, optimizer, rollout, agent.config, generator)
metrics = agent.improve(rollout)
differences = [(a - b).abs().max().item() for a, b in zip(mine.parameters(), agent.policy.parameters(), strict=True)]
print(f"largest difference of any weight {max(differences):.1e}")
print({name: round(value, 4) for name, value in metrics.items()})

# %% [markdown]
# *What you should see.* Below 1e-4: single precision, added up in another order. `approx_kl` between 0.001 and 0.05
# and `clip_fraction` between 0.02 and 0.4 are what a healthy update looks like. The algorithm is now
# three lines:

# %%
optimizer = torch.optim.Adam(agent.policy.parameters(), lr=1e-3, eps=1e-5)
for _ in range(10):
    rollout, raw = agent.collect()  # act, estimate advantages
    improve(agent.policy, optimizer, rollout, agent.config, generator)
    agent.policy.normalizer.update(raw.reshape(-1, raw.shape[-1]))
print(f"{agent.env_steps:,} steps, last episodes {np.mean([r for r, _ in list(agent.recent)[-10:]]):.0f} steps long")

# %% [markdown]
# ## 6. The cheetah
#
# Six motors, 17 numbers, paid for forward speed (m/s) minus a little for torque, 1,000 steps (50 s) an episode. No
# fall ends it: a cheetah on its back keeps its time. Draw the curve you expect **before** you start: three points
# (steps, return). An untrained one gets about 0; a good human-made gait a few thousand.

# %%
prediction = [(100_000, 0), (1_000_000, 2500), (4_000_000, 4500)]

# %% [markdown]
# Watch it grow. ■ stops it and keeps what was learnt; `cl.train(run, more)` goes on. If you would rather not wait, the
# next cells work with `run = cl.load("halfcheetah_ppo_3")` as well, all but the curves.

# %%
envs = cl.make("HalfCheetah-v5", num_envs=64, seed=1)
agent = cl.PPO(envs, cl.PPOConfig.recommended("HalfCheetah-v5", seed=1))
run = cl.train(agent, cl.budget(smoke=90_000, lite=5_000_000, full=8_000_000), live=True)

# %%
viz.prediction_overlay(viz.learning_curve(run), prediction)

# %% [markdown]
# *Look at* the small panels, they are the instruments. *What you should see* in the lite budget: a return above 2,000
# before 500,000 steps and above 5,000 at the end. KL between 0.01 and 0.06 and a clip fraction between 0.2 and 0.4
# until the learning rate falls to zero; explained variance above 0.9 after the first moments (the critic knows what
# comes); entropy falling steadily, and below zero in the end: the density of a narrow Gaussian is above 1.

# %%
cl.evaluate(run, episodes=cl.budget(smoke=4, lite=20, full=50))

# %% [markdown]
# *What you should see* in the lite budget: a mean above 5,000 both ways. A large sd means that a few of the episodes ended on
# the back: one bad start can cost thousands. Yours is one seed, which is never a result; beside the shipped seeds:

# %%
cl.compare({"shipped": shipped["per_seed"], "yours": [run]})

# %%
cl.show(run, steps=cl.budget(smoke=20, lite=100, full=100))

# %% [markdown]
# ### The gait at four moments of training
# The first shipped seed, kept at four moments. *Predict.* What will it learn first: to stay on its feet, or to move?

# %%
moments = [cl.load(f"halfcheetah_ppo_{i}") for i in range(4)]
steps = cl.budget(smoke=10, lite=80, full=80)
episodes = [viz.rollout_states(policy, steps=steps) for policy in moments]
speeds = [(e.physics[-1, 1] - e.physics[0, 1]) / (len(e) * e.dt) for e in episodes]  # of the torso, m/s
titles = [f"{p.header['env_steps']:,} steps: {v:.1f} m/s" for p, v in zip(moments, speeds, strict=True)]
viz.show(viz.montage([viz.render(e, width=320, height=200) for e in episodes], titles, columns=2))

# %% [markdown]
# *Look at* the legs, and at the mean speed in the titles (from a standing start). The first one stands and shivers. The next ones move;
# look for the rhythm, for which leg pushes and which one only catches, and for the moments when no foot is on the ground.

# %% [markdown]
# ## 7. What is each part worth?
#
# The shipped ablations change one thing at a time. They are short runs: the cell prints how many steps and
# seeds, and the command that made them.
#
# *Predict.* Which single change hurts most? Which ones hardly matter?

# %%
ablations = cl.result("ppo_ablations")
print(ablations["command"], "·", f"{ablations['config']['steps']:,} steps ·", len(ablations["seeds"]), "seeds")
returns = {}
for row in ablations["per_seed"]:
    returns.setdefault(row["variant"], []).append(row["return_deterministic"])
viz.bars(returns, ylabel="deterministic return")

# %% [markdown]
# *Look at* the dots as well as at the bars: where the dots of two rows mix, so few seeds show no difference. Several
# parts of the recipe are worth nothing in this table, and one of them may even cost something: say which. Then mind what
# this is: one robot, one short budget, the rest of the recipe tuned around these parts. What is worth nothing here may be
# what saves another task, or a longer run.

# %%
names = ["recommended", "λ = 0 (one-step TD)", "no clip, no KL stop", "no observation normalisation"]
cl.compare({name: [row for row in ablations["per_seed"] if row["variant"] == name] for name in names})

# %% [markdown]
# ## 8. The bug museum
#
# None of these runs raised an error, and all of them were trained with the same settings, on `Hopper-v5`. One is healthy. In each of
# the others one line of PPO is wrong, in ways that people really have got it wrong, some of them in the project
# that this notebook succeeds. All you get is what every run records.

# %%
museum = cl.result("bug_museum")
print(museum["command"], "·", f"{museum['config']['steps']:,} steps ·", len(museum["seeds"]), "seeds")
ppo_figures.museum_figure(museum["per_seed"])

# %%
print(f"{'':9s}{'return':>8s}{'KL':>9s}{'clipped':>9s}{'expl. var.':>11s}{'entropy':>9s}   (end of training, median of seeds)")
for letter, exhibit in {"healthy": "healthy", **ppo_figures.ROOMS}.items():
    rows = [row for row in museum["per_seed"] if row["exhibit"] == exhibit]
    late = {m: np.median([np.mean(row["curve"][m][-20:-5]) for row in rows]) for m in ppo_figures.PANELS}
    print(f"{letter:9s}{late['return_mean']:8.0f}{late['approx_kl']:9.4f}{late['clip_fraction']:9.2f}"
          f"{late['explained_variance']:11.3f}{late['entropy']:9.2f}")

# %% [markdown]
# ### Exercise 2.5: diagnose
# Six suspects, four guilty:
#
# 1. `old log-probabilities reshaped`: (T, N) was turned into (N, T) and back with `reshape`, which does not transpose.
# 2. `optimiser without the actor`: it was given the critic's parameters only.
# 3. `no done mask`: the advantage recursion does not know where episodes end, nor that a fall is worth nothing.
# 4. `value loss broadcast`: the critic's (B, 1) minus the targets' (B,) made a (B, B) table.
# 5. `gradient not zeroed`: every step adds to the gradient of all before it.
# 6. `log-probability of the clamped action`: the action was clipped to its bounds before its log-probability was taken.
#
# For each one ask: which quantity does it falsify *first*, and which panel shows that quantity?

# %% nbgrader={"grade": false, "grade_id": "ex-02-5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def diagnosis():
    """-> {"A": number of the suspect, "B": …, "C": …, "D": …}"""
    ### BEGIN SOLUTION
    return {"A": 4, "B": 6, "C": 1, "D": 3}
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-02-5", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 2.5
check_that(
    "2.5", "diagnosis",
    ("give a dict with the letters A to D and the numbers 1 to 6",
        lambda f: sorted(f()) == list("ABCD") and set(f().values()) <= set(range(1, 7))),
    ("number 2 is innocent everywhere: an actor that is never moved has KL 0 and clips nothing", lambda f: 2 not in f().values()),
    ("C is far off in the very first iteration, before anything was learnt: its ratio never was 1. What makes ρ from two "
        "numbers that do not belong together?", lambda f: f()["C"] == 1),
    ("A: the policy's panels look healthy and the critic explains nothing, for ever. Which bug lets it learn one number only?",
        lambda f: f()["A"] == 4),
    ("B: KL and clipping are healthy, the critic too; the noise of the policy dies early. Who thinks that actions fall "
        "nearer to the mean than they were drawn?", lambda f: f()["B"] == 6),
    ("D: nothing but the return looks ill, and the critic explains a little less than in the healthy run. What does this "
        "hopper not know about falling?", lambda f: f()["D"] == 3),
    right="all four. Open the doors below",
)

# %%
ppo_figures.museum_answers(museum)

# %% [markdown]
# ### Exercise 2.6: your own settings (open)
# The pole with 16 copies and only 12,288 steps, fewer than the defaults need. Find settings with which the *noisy* policy stands for at least 600
# steps on average in the end. Change one thing at a time; write down what you expected and what came. The check trains with your settings (a few
# seconds) and, if the pole falls, reads the instruments for you.

# %% tags=["prelude"]
@lru_cache
def pole_run(settings):
    """Train the pole with `settings`, a tuple of (name, value) -> curve, mean return of 16 noisy episodes."""
    agent = cl.PPO(cl.make("InvertedPendulum-v5", num_envs=16, seed=0), cl.PPOConfig(**dict(settings)))
    run = cl.train(agent, 12_288, progress=False)
    return run.curve, run_episodes(run.policy, cl.make("InvertedPendulum-v5", num_envs=16, seed=50), False).mean


# %% nbgrader={"grade": false, "grade_id": "ex-02-6", "locked": false, "schema_version": 3, "solution": true, "task": false}
def my_settings():
    """-> a dict of changes to cl.PPOConfig."""
    ### BEGIN SOLUTION
    return dict(rollout_steps=64, minibatch_size=64, learning_rate=2e-3)  # more and larger steps on each batch
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-02-6", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 2.6
def curve(f):
    return pole_run(tuple(sorted(f().items())))[0]


check_that(
    "2.6", "my_settings",
    ("the answer must be a dict of settings that cl.PPOConfig accepts", lambda f: isinstance(f(), dict) and bool(cl.PPOConfig(**f()))),
    ("KL stays under 0.0005: the policy hardly moves. A larger learning rate, more epochs, smaller minibatches or a wider clip",
        lambda f: np.mean(curve(f)["approx_kl"]) > 5e-4),
    ("KL is above 0.3 on average: each update throws away what the last one found. Smaller steps, or a target_kl",
        lambda f: np.mean(curve(f)["approx_kl"]) < 0.3),
    ("fewer than six updates fit into the steps: shorten rollout_steps", lambda f: len(curve(f)["approx_kl"]) >= 6),
    ("the instruments look sane, but the pole does not stand for 600 steps yet", lambda f: pole_run(tuple(sorted(f().items())))[1] >= 600),
    right="it stands. Which of your changes did it?",
)

# %% [markdown]
# ## Summary
# - Importance ratios (2.1) let a batch be used many times; clipping (2.3) ends each transition's say when it has moved
#   far enough, on one side only.
# - KL grows with the square of the step, (2.4): watch it.
# - GAE (2.6) trades noise against trust in the critic with one dial. Falls end the world; clocks do not.
# - Normalisers stand still while a batch is collected and learnt from, and travel with the policy.
# - Return alone does not tell a bug from bad luck. KL, clip fraction, explained variance and entropy do.
#
# ### What goes wrong, and how it looks
# | what you see | what it often is |
# |---|---|
# | `approx_kl` large in the first epoch of the first iteration | old log-probabilities do not belong to these transitions |
# | `approx_kl` grows over the iterations | learning rate too large, or σ nearly zero: the same step is now a bigger one |
# | `explained_variance` near 0 for ever | the critic cannot learn: a shape that broadcasts, a loss without weight, rewards on a wild scale |
# | `explained_variance` near 1 and no progress | a critic that bootstraps on itself; advantages of noise |
# | entropy falls to the floor in the first tenth | first σ too small, learning rate too large, or clamped actions scored as if drawn |
# | everything healthy, return flat | the question is wrong, not the answer: ends of episodes, reward sign, observation |
# | good training return, bad evaluation | normaliser not saved, or rebuilt from zero; deterministic mean outside what was explored |
# | the cheetah slides on its back | a local optimum: try another seed before you try another algorithm |
#
# ### Further reading
# - J. Schulman et al., "Proximal policy optimization algorithms", 2017: section 3 (the clipped surrogate), eq. 9.
# - J. Schulman et al., "High-dimensional continuous control using generalized advantage estimation", 2016: sections 3 and 4.
# - J. Schulman et al., "Trust region policy optimization", 2015: why KL is the distance that counts.
# - F. Pardo et al., "Time limits in reinforcement learning", 2018: section 2, truncation.
# - M. Andrychowicz et al., "What matters for on-policy deep actor-critic methods?", 2021: sections 3.2 to 3.5, ablations at scale.
# - S. Huang et al., "The 37 implementation details of proximal policy optimization", 2022.
