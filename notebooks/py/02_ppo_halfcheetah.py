# %% [markdown]
# # PPO on HalfCheetah
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/liquid-control/liquid-control/blob/main/notebooks/02_ppo_halfcheetah.ipynb)
#
# REINFORCE plays, takes one gradient step with what it played, and throws the data away. That is enough to balance a
# pole. For a harder task, such as a two-legged cheetah that has to run, it wastes too much data, and a single bad step
# can ruin the policy. **Proximal policy optimisation** (PPO; Schulman et al. 2017) uses each batch many times and stops
# before that becomes dangerous. In this notebook you build it from its two main parts, the clipped surrogate and
# generalised advantages. You see that the library computes the same numbers. Then you train a cheetah that runs, while
# you watch.

# %% [markdown]
# **You will be able to**
# 1. write the clipped surrogate, differentiate it, and say which transitions lose their gradient;
# 2. explain why old data can be trusted only close to the policy that collected it;
# 3. estimate advantages with GAE, choose λ, and treat an episode that ended with a *fall* differently from one that ran
#    out of *time*;
# 4. assemble a whole PPO update, mend a broken one, and show that yours equals the library's, weight for weight;
# 5. train HalfCheetah, evaluate it with and without noise, and say what each part of the recipe is worth;
# 6. recognise a broken PPO by its recorded metrics, and name the bug.
#
# **Before you start.** Notebook 01 (policy gradient, baseline, advantage); PyTorch's `backward` and an optimiser.
#
# **Time** on 2 cores: smoke (a test that every cell runs) under 1 minute; lite (the default) 2 to 5 minutes of
# computing, most of it the cheetah's training; full: about twice as long.
#
# **Exercises.** Write your answer where the cell says so, then run the check below it. `cl.solution("2.1")` shows
# the course's own answer once you have tried yours. Five questions for yourself are in `cl.quiz("02", "before")`, and
# five more for the end in `cl.quiz("02", "after")`.

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
# This policy was trained by the library's PPO on two processor cores. The cells after the video show ten later runs with the
# same settings, from ten seeds: how long they took and what they reached.

# %%
cl.show(cl.load("halfcheetah_ppo_3"), steps=120, width=480, height=320)

# %%
shipped = cl.result("ppo_halfcheetah")
before = shipped["before"]
cl.compare({"HalfCheetah-v5": shipped["per_seed"]}, individual=True, target=before["best_episode"])

# %% [markdown]
# *Look at* the thin lines: each is one seed, trained once. The thick line is their median, the band its 95 % bootstrap
# interval (how much the median varies when the seeds are resampled with replacement). The dotted line is the best single
# episode of the student project that this notebook grew out of. Every policy acts with its exploration noise here. The next
# cell shows what the policies reach at the end, without noise, and how long training took. (Seeds 0 to 4 ran on one kind of
# processor and seeds 5 to 9 on another. Eight of the ten shared the machine with other work, so they took more seconds than
# they needed. The benchmark takes a policy after 10 and after 15 minutes, its two limits. All runs ended sooner, so both
# rows are the same.)

# %%
for claim, value in shipped["claims"].items():
    low, high = shipped["intervals"][claim]
    print(f"{claim:26s} median of {len(shipped['seeds'])} seeds {value:7,.0f}   95 % interval [{low:,.0f}, {high:,.0f}]")
seconds = [row["train_seconds"] for row in shipped["per_seed"]]
print("training", *[f"{each:.0f}" for each in seconds], "s on", shipped["machine"]["cores"], "cores")
print("all finished before the first of the two limits, so both rows are the same runs:", max(seconds) < shipped["config"]["limits"][0])
print("made by", shipped["command"] + ";", shipped["note"])
for fact, value in before.items():
    print(f"before: {fact.replace('_', ' ')} {value:,}")

# %% tags=["prelude"]
import copy
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

import course_lib as cl
from course_lib import viz
from course_lib.course.exercises import attempt
from course_lib.course.predictions import compared
from course_lib.evaluation.returns import run_episodes
from course_lib.lessons import nb02_ppo as ppo_figures
from course_lib.lessons import nb02_settings as settings
from course_lib.lessons.nb02_lambda import Corridor, lambda_slider
from course_lib.lessons.nb02_mend import readings, yours_or_ours
from course_lib.lessons.nb02_promise import Ledge, promise_figure
from course_lib.policies.actor_critics import gaussian_log_prob
from course_lib.rl.gae import gae
from course_lib.rl.ppo import policy_loss, ratio_statistics

# %% [markdown]
# ## 1. Using data twice: the ratio
#
# The policy gradient of notebook 01 is an average over the actions of the *present* policy. After one gradient step, your
# data comes from another policy, $\pi_{\text{old}}$. **Importance sampling** corrects the actions: weight each action by
# how much more likely it has become. The weight is the **probability ratio** (or importance ratio)
#
# $$\rho_t(\theta) = \frac{\pi_\theta(a_t\mid s_t)}{\pi_{\text{old}}(a_t\mid s_t)}
# = \exp\bigl(\log\pi_\theta(a_t\mid s_t) - \log\pi_{\text{old}}(a_t\mid s_t)\bigr). \tag{2.1}$$
#
# With it you can maximise the **surrogate objective** (Kakade & Langford 2002; Schulman et al. 2015)
#
# $$L(\theta) = \mathbb{E}_{s,\,a\,\sim\,\text{old}}\bigl[\rho_t(\theta)\,\hat A_t\bigr]. \tag{2.2}$$
#
# At $\theta_{\text{old}}$ every ratio is 1 and $\nabla\rho = \nabla\log\pi$, so the first step follows exactly the policy
# gradient. Here are four transitions (each is one step: state, action, reward, next state).
#
# *Predict.* Which two of the four did the new policy make more likely? The cell below holds their log-probabilities.

# %%
old_log_prob = torch.tensor([-1.0, -1.0, -2.0, -0.5])
log_prob = torch.tensor([-0.6, -1.1, -1.5, -1.0], requires_grad=True)
advantage = torch.tensor([2.0, 1.0, -1.0, -2.0])

# %%
cl.predict("02.1", choices=("first and second", "first and third", "second and fourth"))

# %%
ratio = (log_prob - old_log_prob).exp()
for name, row in (("ratio", ratio), ("advantage", advantage), ("product", ratio * advantage)):
    print(f"{name:10s}", *[f"{x:7.2f}" for x in row.tolist()])
grown = [("first", "second", "third", "fourth")[k] for k in np.flatnonzero(ratio.detach() > 1)]
cl.see("more likely now", " and ".join(grown), ("first and third",), predicted="02.1")

# %% [markdown]
# *What you should see.* The first change was good ($\hat A > 0$ and the ratio grew). The third was a mistake that the
# next step should undo ($\hat A < 0$ and the ratio grew). The fourth ratio shrank, as it should.
#
# ### What the ratio does not correct
# The ratio corrects the probabilities of the *actions*. The *states* of the batch still come from the old policy. The new
# policy acts differently, so it also visits different states. This is called **state-distribution shift**. To see what is
# missing, start from the exact gain of a new policy, the **performance difference** (Kakade & Langford 2002):
#
# $$J(\theta) - J(\text{old}) = \frac{1}{1-\gamma}\;\mathbb{E}_{s\,\sim\,\theta,\;a\,\sim\,\pi_\theta}\bigl[A_{\text{old}}(s, a)\bigr]
# = \frac{1}{1-\gamma}\;\mathbb{E}_{s\,\sim\,\theta,\;a\,\sim\,\text{old}}\bigl[\rho\,A_{\text{old}}(s, a)\bigr]. \tag{2.3}$$
#
# Here $J$ is the discounted return from the start, $J_\gamma$ of notebook 01, and
# $A_{\text{old}}(s, a) = Q_{\text{old}}(s, a) - V_{\text{old}}(s)$ is the exact advantage. $s\sim\theta$ means: a state
# drawn in proportion to the (discounted) time that the *new* policy spends in it. Proof: write
# $A_{\text{old}}(s_t, a_t) = \mathbb{E}[r_t + \gamma V_{\text{old}}(s_{t+1}) - V_{\text{old}}(s_t)]$ and sum over an
# episode of the new policy, weighted by $\gamma^t$. The rewards add up to its return. The values cancel, except
# $-V_{\text{old}}(s_0)$. The mean of $V_{\text{old}}(s_0)$ is the return of the old policy.
#
# Compare (2.3) with (2.2). Besides the factor $1/(1-\gamma)$ there is one difference: the surrogate takes
# $s\sim\text{old}$, the states of the old policy. As long as both policies go to nearly the same places, that does not
# matter. The next cell shows what happens when they do not. (A batch also counts all its steps alike, without the weight
# $\gamma^t$. Notebook 01 explains what that leaves out.)
#
# A walker starts at place 0. Each step goes right with probability $p$, else left. A step that ends in place 1 pays 1,
# in place 2 pays 2, and so on up to place 5. Beyond them is a ditch, two places wide, that costs 20 a step. At both ends
# the walker cannot go further. The discount is γ = 0.9. The data comes from $p = 0.3$, a policy that hardly ever gets to
# the ditch. The problem is so small that advantages and returns can be computed exactly, so there is no noise in what
# follows.
#
# *Predict.* The surrogate says: step right, the more the better. By how much must $p$ rise above 0.3 to reach the highest
# real return?

# %%
cl.predict("02.2", question="rise of p above 0.3, from 0 to 0.7")

# %%
ledge = Ledge()
cl.see("rise of p at the highest real return", ledge.best() - 0.3, (0.08, 0.11), predicted="02.2")
print(f"old policy: in the ditch {ledge.visits(0.3)[6:].sum():.1%} of the time; return {ledge.real(0.3):.1f}")
print(f"p = 0.6:    in the ditch {ledge.visits(0.6)[6:].sum():.1%} of the time; promised {ledge.promise(0.6):.1f}, real {ledge.real(0.6):.1f}")
print(f"            with the places of the new policy, eq. (2.3): {ledge.promise(0.6, ledge.visits(0.6)):.1f}")
promise_figure(ledge)

# %% [markdown]
# *Look at* the right panel. The dashed line is the promise of the batch: the old return plus the surrogate (2.2) times
# $1/(1-\gamma)$. It touches the real return at the old policy, with the same slope. Further away it goes on rising while
# the real return falls: the batch holds almost no steps near the ditch. The dots are (2.3). They use the states of the new
# policy and lie on the line of the real return. But you would have to collect new data to get them.
#
# So the promise holds only near the old policy, in a **trust region**. *Near* is measured with the **Kullback–Leibler
# divergence** (KL) of the two action distributions,
#
# $$\mathrm{KL}(\pi_{\text{old}}\,\|\,\pi_\theta)
# = \mathbb{E}_{a\,\sim\,\text{old}}\bigl[\log\pi_{\text{old}}(a\mid s) - \log\pi_\theta(a\mid s)\bigr] \ge 0. \tag{2.4}$$
#
# If it is small at every state, the new policy visits nearly the same states. **Trust region policy optimisation** (TRPO;
# Schulman et al. 2015) rests on a lower bound on the real gain, $L(\theta) - C\max_s\mathrm{KL}$, with a constant $C$ (and
# with $L$ scaled by $1/(1-\gamma)$). In practice that bound allows only steps that are too small to be useful. TRPO
# therefore maximises $L$ subject to "mean KL at most $\delta$". PPO aims at the same with a simpler device, in section 2.
#
# **Nat.** KL is measured in nats, because its logarithms are natural ones. (So is the entropy of section 5.) With
# logarithms to the base 2 the unit would be the bit. One nat is $1/\ln 2$ bits. How large is 0.03 nats, the limit in the
# figure? For two Gaussians with the same $\sigma$, $\mathrm{KL} = (\mu - \mu_{\text{old}})^2 / (2\sigma^2)$.

# %%
print(f"1 nat = {1 / np.log(2):.2f} bits")
for nats in (0.01, 0.03, 1.0):
    print(f"KL {nats:4.2f} nats: the mean action moves by {np.sqrt(2 * nats):.2f} σ")

# %% [markdown]
# ### How far can one batch be trusted?
# Now the same with a real task. Take a policy that balances the pole and one batch of its steps (a **rollout**).
# Maximise (2.2) on that batch with more and more gradient steps. Watch three numbers: what the batch *promises*, how far
# the policy has moved (its KL to the old one), and how long the pole *really* stands.

# %%
def practised(seed):
    """An agent that balances the pole -> agent, one rollout of it, the scaled advantages (T, N)."""
    agent = cl.PPO(cl.make("InvertedPendulum-v5", num_envs=16, seed=seed), cl.PPOConfig(minibatch_size=256, seed=seed))
    for _ in range(15):
        agent.iterate(progress=0.0)
    rollout, _ = agent.collect()
    return agent, rollout, (rollout.advantage - rollout.advantage.mean()) / rollout.advantage.std()


balancer, first_batch, a = practised(seed=0)
print({name: tuple(value.shape) for name, value in vars(first_batch).items() if name != "state"})

# %% [markdown]
# Every tensor is (steps T = 64, copies N = 16, …). `x` are the observations, already normalised, of width 4. Actions
# have width 1. `a` are the advantages, scaled to mean 0 and variance 1. The next cell takes gradient steps on (2.2). It has
# one more argument, `clip`, which section 2 explains. With `clip` = inf it changes nothing.

# %%
def climb(agent, rollout, a, clip, updates, lr=3e-3):
    """Gradient steps on the one rollout, at the unclipped (clip = inf) or clipped surrogate -> policy, log ρ (T, N)."""
    policy = copy.deepcopy(agent.policy)
    optimizer = torch.optim.Adam([*policy.actor.parameters(), policy.log_std], lr)
    for k in range(updates + 1):  # the last pass only looks
        noise = torch.distributions.Normal(policy.actor(rollout.x), policy.log_std.exp())
        log_prob = noise.log_prob(rollout.action).sum(-1)
        loss, log_ratio = policy_loss(log_prob, rollout.log_prob, a, clip)  # minus the objective
        if k < updates:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return policy, log_ratio


# %% [markdown]
# *Predict.* After 200 gradient steps on the unclipped surrogate, the promise will have grown. Do this with eight policies
# that balance the pole, each on a batch of its own. How many of the eight will let the pole fall afterwards, that is, keep
# it up for less than 900 of 1,000 steps on average?

# %%
cl.predict("02.3", question="policies, of eight, that let the pole fall")

# %% [markdown]
# Start with one of them: without a limit on the ratios (ε = inf), and with a limit (ε = 0.2; section 2 explains ε):

# %%
test, reached = cl.make("InvertedPendulum-v5", num_envs=16, seed=99), {}
for clip in (float("inf"), 0.2):
    for updates in (0, 20, 200):
        policy, log_ratio = climb(balancer, first_batch, a, clip, updates)
        promise = round((log_ratio.exp() * a).mean().item(), 6) + 0.0  # no -0
        kl = abs(ratio_statistics(log_ratio, 0.2)["approx_kl"])
        steps = run_episodes(policy, test, deterministic=False).mean
        reached[clip, updates] = promise, kl, steps
        print(f"ε = {clip:3.1f}, {updates:3d} updates: promise {promise:6.3f}, KL {kl:7.3f} nats, pole stands {steps:6.0f} steps")

# %%
free, held = reached[float("inf"), 200], reached[0.2, 200]
cl.see("KL without a limit", free[1], (1, np.inf), "nats")
cl.see("KL with ε = 0.2", held[1], (0, 0.1), "nats")
cl.see("promise without a limit / promise with ε = 0.2", free[0] / held[0], (4, np.inf))
cl.see("pole stands, with ε = 0.2", held[2], (900, 1000), "steps")

# %% [markdown]
# One batch is one case. Now the other seven, without a limit and with one:

# %%
stands = {"before": [reached[float("inf"), 0][2]], "after, without a limit": [free[2]], "after, with ε = 0.2": [held[2]]}
for seed in range(1, cl.budget(smoke=2, lite=8, full=8)):
    able, *batch = practised(seed)
    policies = [able.policy] + [climb(able, *batch, clip, 200)[0] for clip in (float("inf"), 0.2)]
    for steps, policy in zip(stands.values(), policies, strict=True):
        steps.append(run_episodes(policy, test, deterministic=False).mean)
for when, steps in stands.items():
    print(f"pole stands {when}:", *[f"{n:.0f}" for n in steps], "steps")
fell, fell_held = (sum(a >= 900 > b for a, b in zip(stands["before"], then, strict=True)) for then in list(stands.values())[1:])
cl.see("policies that balanced the pole before, and let it fall", fell, (1, 8), predicted="02.3")
cl.see("the same with ε = 0.2", fell_held, (0, 1))

# %% [markdown]
# *What you should see.* For the first policy, the promise without a limit becomes many times as large as with one, and the
# KL passes 1 nat. What happens to the pole without a limit is a matter of luck: some policies go on balancing, and others
# let it fall long before the end. The batch says nothing about actions far from those it contains, nor about the states
# they lead to. With ε = 0.2 the KL of the first policy is still small after 200 updates, and the pole stands, for the other
# policies too.

# %% [markdown]
# ## 2. The clipped surrogate
#
# One argument, `clip`, made the difference. A transition stops contributing a gradient once its ratio has left
# $[1-\varepsilon, 1+\varepsilon]$ *in the direction that its advantage asks for*. This is the **clipped surrogate**
# (Schulman et al. 2017, eq. 7):
#
# $$L^{\text{clip}}(\theta) = \mathbb{E}\Bigl[\min\bigl(\rho_t \hat A_t,\;
# \mathrm{clip}(\rho_t, 1-\varepsilon, 1+\varepsilon)\,\hat A_t\bigr)\Bigr]. \tag{2.5}$$

# %%
ppo_figures.clip_figure(0.2)

# %% [markdown]
# *Look at* the flat parts: there the gradient is zero, and the transition no longer contributes. The other side
# is never flat: a good action that became *less* likely ($A>0$, $\rho<1-\varepsilon$) still has a gradient that brings it
# back.
#
# The library records the **clipped share** (`clip_fraction`): the share of transitions whose ratio lies outside of
# $[1-\varepsilon, 1+\varepsilon]$, on either side.
#
# The clip does not stop a ratio from moving further. It only removes the gradient of this one transition. Other
# transitions share the same weights and can carry its ratio further. That is why KL is watched as well.
#
# ### Exercise 2.1: the clipped surrogate (fill in)
# Write (2.5) for a batch. Return the surrogate itself, the number to be made *large*.

# %% nbgrader={"grade": false, "grade_id": "ex-02-1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def clipped_surrogate(log_prob, old_log_prob, advantage, clip):
    """log π, log π_old, advantage: tensors (B,); clip: ε -> the mean of eq. (2.5), one number."""
    ### BEGIN SOLUTION
    ratio = (log_prob - old_log_prob).exp()
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-02-1", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
cl.check("2.1", clipped_surrogate)

# %% [markdown]
# The library's `policy_loss` is the same with the opposite sign, because optimisers minimise. On the four transitions:

# %%
library, _ = policy_loss(log_prob, old_log_prob, advantage, clip=0.2)
slopes = -torch.autograd.grad(library, log_prob)[0].numpy()
print("d L / d log π of each transition:", slopes.round(3))
apart = attempt(lambda: abs((clipped_surrogate(log_prob, old_log_prob, advantage, 0.2) + library).item()))
if apart is None:
    print("yours: not written yet")
else:
    cl.see("difference of yours and the library's", apart, (0, 1e-6))
cl.see("transitions without a gradient", int((slopes == 0).sum()), (2, 2))

# %% [markdown]
# *What you should see.* The first and the fourth have moved far enough in the wanted direction: their gradients are zero.
# The second and the third moved the wrong way, and their gradients bring them back.
#
# ### Exercise 2.2: its slope (a derivation, checked numerically)
# Differentiate one transition's term of (2.5) with respect to $\log\pi_\theta$. Two hints: $d\rho/d\log\pi = \rho$; and on
# the flat parts the answer is 0. The check compares your answer with finite differences.

# %% nbgrader={"grade": false, "grade_id": "ex-02-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def surrogate_slope(ratio, advantage, clip):
    """ratio ρ, advantage (n,) arrays; clip: ε -> d min(ρA, clip(ρ)A) / d log π (n,)."""
    ### BEGIN SOLUTION
    done = np.where(advantage > 0, ratio > 1 + clip, ratio < 1 - clip)  # far enough, in the wanted direction
    return np.where(done, 0.0, ratio * advantage)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-02-2", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("2.2", surrogate_slope)

# %% [markdown]
# ### KL, measured on the way
# The library records how far each update went, from the same ratios. Two estimators have the mean
# $\mathrm{KL}(\pi_{\text{old}}\,\|\,\pi_\theta)$:
#
# $$\mathbb{E}_{\text{old}}[-\log\rho] \qquad\text{and}\qquad \mathbb{E}_{\text{old}}[(\rho-1)-\log\rho]. \tag{2.6}$$
#
# The first is (2.4) as it stands. The second adds $\rho - 1$, whose mean is 0, because
# $\mathbb{E}_{\text{old}}[\rho] = \int \pi_{\text{old}}\,\pi_\theta/\pi_{\text{old}}\,da = 1$. It is never negative, because
# $\rho - 1 \ge \log\rho$ (Schulman 2020 calls it k3). The library takes the second.
#
# *Predict.* Take two Gaussians half a standard deviation apart and batches of 64 actions. What is the standard deviation of
# the first estimate, divided by that of the second?

# %%
cl.predict("02.4", question="sd of the first over sd of the second")

# %%
torch.manual_seed(0)
old, new = torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(0.5, 1.0)
draws = old.sample((1000, 64))  # a thousand batches of 64 actions
log_rho = new.log_prob(draws) - old.log_prob(draws)
first, second = (-log_rho).mean(1), (log_rho.exp() - 1 - log_rho).mean(1)
print(f"exact KL          {torch.distributions.kl_divergence(old, new):.4f} nats")
for name, each in (("-log ρ", first), ("(ρ - 1) - log ρ", second)):
    print(f"{name:16s} {each.mean():7.4f}   sd of a batch {each.std():.4f}   smallest {each.min():7.4f}")
cl.see("means", [first.mean(), second.mean()], (0.119, 0.131), "nats")
cl.see("sd of the first over sd of the second", first.std() / second.std(), (2.3, 3.2), predicted="02.4")
cl.see("smallest estimate of the second", second.min(), (0, 0.1), "nats")

# %% [markdown]
# *What you should see.* Both are right on average. The second scatters much less, and none of its estimates is negative.
#
# ### Exercise 2.3: how KL grows with the step (an experiment with a hypothesis)
# Take the pole's policy and batch of section 1 again, and make one gradient step of size $\alpha$. Suppose KL
# $\propto \alpha^p$. Enter your $p$ **before** you run the measurement. A hint: at $\alpha = 0$ the KL is 0, and it
# cannot be negative on either side.

# %% nbgrader={"grade": false, "grade_id": "ex-02-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def kl_exponent():
    """-> p, so that KL is proportional to (step size) ** p."""
    ### BEGIN SOLUTION
    return 2.0
    ### END SOLUTION


# %%
def kl_after(lr):
    """KL to the old policy after one step of plain gradient ascent on eq. (2.2)."""
    policy = copy.deepcopy(balancer.policy).double()
    x, action = first_batch.x.double(), first_batch.action.double()

    def log_probs():
        return torch.distributions.Normal(policy.actor(x), policy.log_std.exp()).log_prob(action).sum(-1)

    before = log_probs().detach()
    parameters = [*policy.actor.parameters(), policy.log_std]
    gradient = torch.autograd.grad(((log_probs() - before).exp() * a).mean(), parameters)
    with torch.no_grad():
        for parameter, slope in zip(parameters, gradient, strict=True):
            parameter += lr * slope
    return ratio_statistics(log_probs().detach() - before, 0.2)["approx_kl"]


# %%
rates = np.geomspace(1e-3, 1.0, 7)
measured = np.array([kl_after(lr) for lr in rates])
rises = np.log10(measured[[2, 4]] / measured[[0, 2]])  # decades of KL in the first decade of steps, and in the second
cl.see("rise in the first decade of steps over rise in the second", rises[0] / rises[1], (0.9, 1.1))
limit = cl.PPOConfig.recommended("HalfCheetah-v5").target_kl
ppo_figures.kl_figure(rates, measured, exponent=attempt(kl_exponent), limit=limit)

# %% [markdown]
# *Look at* the slope, and at where the line crosses the dashed one. *What you should see.* A straight line over at least two
# decades of step size. Is it as steep as yours? Where the KL nears 1 nat the line may bend.

# %% nbgrader={"grade": true, "grade_id": "check-02-3", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
cl.check("2.3", kl_exponent)

# %% [markdown]
# Why? Take a step $\alpha g$ and expand the KL in $\alpha$. Its value at 0 is 0. Its slope is
# $-\mathbb{E}_{\text{old}}[\nabla\log\pi]\cdot g$, which is 0 by (1.8). So the expansion begins with the quadratic term:
#
# $$\mathrm{KL} = \tfrac12\,\alpha^2\, g^{\mathsf T} F\, g + O(\alpha^3), \qquad
# F = \mathbb{E}_{\text{old}}\bigl[\nabla\log\pi\;\nabla\log\pi^{\mathsf T}\bigr]. \tag{2.7}$$
#
# $F$ is the **Fisher information matrix**. It turns a distance between weights into a distance between policies, and TRPO
# uses it (as does the natural policy gradient, Kakade 2001). The square has a practical side. A learning rate ten times too
# large moves the policy a hundred times too far in KL, and that can destroy it. A learning rate ten times too small is only
# slow. And as $\sigma$ shrinks, the part of $F$ for the mean grows like $1/\sigma^2$: late in training, the same step of
# the weights is a larger step of the policy.

# %% [markdown]
# ## 3. Generalised advantages
#
# What should $\hat A_t$ be? The **temporal-difference error** (TD error, Sutton 1988) compares the critic's value with the
# next reward and the next value:
#
# $$\delta_t = r_t + \gamma V(s_{t+1}) - V(s_t). \tag{2.8}$$
#
# Using the critic's own value of the next state is called **bootstrapping**. $\delta_t$ has little noise, and it relies
# on the critic. The return minus $V(s_t)$ uses only rewards that were paid, and is noisy. The **n-step advantage** lies
# between the two: it takes $n$ rewards, then the critic. It is also a sum of TD errors, because in that sum all values
# between the first and the last cancel:
#
# $$\hat A^{(n)}_t = \sum_{k<n}\gamma^k r_{t+k} + \gamma^n V(s_{t+n}) - V(s_t) = \sum_{k<n}\gamma^k\,\delta_{t+k}. \tag{2.9}$$
#
# **Generalised advantage estimation** (GAE; Schulman et al. 2016) averages all of them, with weights that fall by a
# factor $\lambda$ from one $n$ to the next. In the average, $\delta_{t+k}$ occurs in every $\hat A^{(n)}_t$ with
# $n > k$. The weights of these sum to $(1-\lambda)\sum_{n>k}\lambda^{n-1} = \lambda^k$, so
#
# $$\hat A_t = (1-\lambda)\sum_{n\ge1}\lambda^{n-1}\hat A^{(n)}_t
# = \sum_{k\ge0} (\gamma\lambda)^k\,\delta_{t+k} = \delta_t + \gamma\lambda\,\hat A_{t+1}. \tag{2.10}$$
#
# *Predict.* With λ = 0 only $\delta_t$ is left. What is left with λ = 1?

# %%
cl.predict("02.5", choices=("the return", "the return minus V(s_t)", "the reward minus V(s_t)"))

# %%
rewards, values = np.array([1.0, 0.0, 2.0, 3.0]), np.array([4.0, -1.0, 5.0, 0.5, 0.0])  # the last state ends the episode
delta = rewards + 0.9 * values[1:] - values[:-1]
with_one, returned = (0.9 ** np.arange(4) * delta).sum(), (0.9 ** np.arange(4) * rewards).sum()
cl.see("difference from the return minus V(s_t)", abs(with_one - (returned - values[0])), (0, 1e-12))
print("λ = 1: the return minus V(s_t)" + compared("02.5", "the return minus V(s_t)"))
ppo_figures.horizon_figure(gamma=0.98, lambdas=(0.0, 0.92, 1.0))

# %% [markdown]
# *Look at* how many steps each curve reaches: the advantage credits an action with about $1/(1-\gamma\lambda)$
# steps of what follows.
#
# ### How much to rely on the critic
# A small λ gives little noise. But if the critic is wrong, the estimate is wrong too, and averaging does not help: it has a
# **bias**. A large λ gives little bias and much noise (**variance**). Noise falls when you average, bias does not. To see
# both, take a task where the truth is known. A robot wanders in a corridor of ten cells, left or right with probability one
# half. In the last cell, the charger, each step earns 1. Every reward also has some noise. The robot stands in the middle.
# How much better is a step to the right than a step to the left? The Bellman equation (1.3) gives the true answer. GAE
# estimates it from a pair of episodes, one that begins with the step right and one with the step left, and you take the
# mean of 100 such pairs. The mean and the variance of that estimate follow from linear equations too. So the curves are
# exact, the one called "noise" included: nothing in them is sampled.
#
# The critic knows only a share of the differences between the cells: 0 (it knows the average value and nothing else),
# 0.5, 0.8, or 1 (it is perfect).
#
# *Predict.* The critic knows half, and γ = 0.98. At which λ is the error smallest? Answer with 1 − λ.

# %%
guesses = {"0": 0, "about 0.03": 0.03, "about 0.3": 0.3, "1": 1}
cl.predict("02.6", choices=tuple(guesses))

# %%
smallest = 1 - Corridor(0.98, 0.5).best()
cl.see("1 - λ of the smallest error, critic knows half", smallest, (0.01, 0.05))
nearest = min(guesses, key=lambda name: abs(guesses[name] - smallest))
print("that is", nearest + compared("02.6", nearest))
cl.see("λ of the smallest error, critic knows 0.8", Corridor(0.98, 0.8).best(), (0.8, 0.9))
cl.see("λ of the smallest error, critic is perfect", Corridor(0.98, 1.0).best(), (0, 0))
lambda_slider()

# %% [markdown]
# *Try this.* Move λ from 0 to 1 and watch the weights move to longer returns while noise replaces bias. Then give the robot a
# better critic. Last, lower γ: the horizon is shorter, there is less noise, but *better* now means something else
# (the true difference changes).
#
# *What you should see.* The better the critic, the smaller the best λ. On robots a λ between 0.9 and 0.97 is usual. This
# comes from experience. The explained variance (section 6) does not tell how good a robot's critic is: it is measured
# against targets that contain the critic itself. (In this corridor, which never ends, a constant error of the critic would
# not matter: it shifts the advantages of both actions alike. Where an episode can end in a fall and λ < 1, it does matter,
# because a fall leaves $\gamma V(s_{t+1})$ out.)
#
# ### Two ways for an episode to end
# - **terminated**: the robot fell, as the one-legged hopper of section 8 may do. Nothing comes after:
#   $\gamma V(s_{t+1})$ is left out of (2.8).
# - **truncated**: the clock ran out. The cheetah would have run on, so its last step still gets $\gamma V(s_{t+1})$,
#   with the *final observation* of the old episode, not the first of the next one. This is called partial-episode
#   bootstrapping (Pardo et al. 2018).
#
# In both cases the sum (2.10) stops there: an action has no influence on what happens in the next episode.
#
# A toy: a robot is paid 1 a step for as long as it likes, and γ = 0.9. So every state is worth 1/(1-γ) = 10, and the
# critic says so. After four steps the clock stops the robot. If this end is treated as a truncation, all advantages are
# 0: nothing was better or worse than expected. The library's `gae` is told which ends were falls, and which steps were
# ends of either kind (`over`).
#
# *Predict.* What is the advantage of the last step if truncation is mistaken for a fall?

# %%
cl.predict("02.7", question="advantage of the last step")

# %%
rewards, values, next_values = np.ones(4), np.full(4, 10.0), np.full(4, 10.0)
clock, never = np.array([False, False, False, True]), np.zeros(4, bool)
right, _ = gae(rewards, values, next_values, terminated=never, over=clock, gamma=0.9, lam=0.95)
fallen, _ = gae(rewards, values, next_values, terminated=clock, over=clock, gamma=0.9, lam=0.95)
print("truncated, as it was: ", right.round(2))
print("mistaken for a fall:  ", fallen.round(2))
cl.see("last step, mistaken for a fall", fallen[-1], (-9, -9), predicted="02.7")

# %% [markdown]
# *What you should see.* The error leaks backwards: four actions that did nothing wrong get a negative advantage, because
# the clock stopped the robot. The critic is trained on targets that are too low.
#
# ### Exercise 2.4: GAE with truncation (fill in)
# Return $\hat A_t$ for every step, as an array. Use the last form in (2.10), go backwards, one step at a time, and treat both
# kinds of end. (A fall on the last
# allowed step counts as a fall, although the clock ends the episode as well.)

# %% nbgrader={"grade": false, "grade_id": "ex-02-4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def advantages(rewards, values, next_values, terminated, truncated, gamma, lam):
    """All arrays (T,); next_values[t] is V of the state that really followed step t -> Â (T,), eq. (2.10)."""
    advantage, following = np.zeros(len(rewards)), 0.0
    ### BEGIN SOLUTION
    for t in reversed(range(len(rewards))):
        bootstrap = 0.0 if terminated[t] else gamma * next_values[t]
        over = terminated[t] or truncated[t]
        following = rewards[t] + bootstrap - values[t] + (0.0 if over else gamma * lam * following)
        advantage[t] = following
    return advantage
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-02-4", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("2.4", advantages)

# %% [markdown]
# The library computes all copies at once, (T, N). The next cell compares it with yours, on random episodes with random ends:

# %%
rng = np.random.default_rng(0)
rewards, values, following = rng.normal(size=(3, 200, 3))
terminated = rng.random((200, 3)) < 0.03
truncated = (rng.random((200, 3)) < 0.03) & ~terminated
over = terminated | truncated
next_values = np.where(over, following, np.vstack([values[1:], following[-1:]]))
library, target = gae(rewards, values, next_values, terminated, over, 0.98, 0.92)
columns = list(zip(rewards.T, values.T, next_values.T, terminated.T, truncated.T, strict=True))
mine = attempt(lambda: np.stack([advantages(*column, 0.98, 0.92) for column in columns], axis=1))
print(f"{terminated.sum()} falls, {over.sum()} ends")
apart = attempt(lambda: np.abs(mine - library).max())
if apart is None:
    print("yours: not written yet")
else:
    cl.see("largest difference of yours and the library's", apart, (0, 1e-12))

# %% [markdown]
# `target` is the target that the critic is trained on: $\hat A_t + V(s_t)$, the **λ-return**.

# %% [markdown]
# ## 4. Scales
#
# A network with tanh units learns best from inputs of size about 1: larger ones saturate the tanh. The cheetah's 17
# observations are one height, angles, speeds and angular rates.
#
# *Predict.* The cheetah moves at random. What is the ratio of the largest standard deviation of an observation to the
# smallest?

# %%
cl.predict("02.8", question="largest sd over smallest sd")

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
cl.see("largest sd over smallest sd", sd.max() / sd.min(), (40, 100), predicted="02.8")

# %% [markdown]
# *What you should see.* The joint rates vary far more than the angles. So the policy carries running moments of the
# observations, their mean $m$ and standard deviation $d$. It subtracts, divides and clips,
# $x = \mathrm{clip}\bigl((s - m)/d,\,\pm10\bigr)$. The moments are updated *between* iterations (one iteration is one
# rollout and the learning from it). They must not change while a rollout is played and learned from. Otherwise the ratio
# would not start at 1. They are saved with the policy and frozen in evaluation.
#
# Two more scales: rewards are divided by the running standard deviation of the discounted return, so that one weight of the
# critic's loss ($c_v$ in section 5) fits every task. And advantages are scaled to mean 0, variance 1 in each minibatch.

# %%
moments = cl.MLPActorCritic(17, 6).normalizer
for batch in seen:
    moments.update(batch)
cl.see("largest difference: sd merged batch by batch, and sd of all at once", np.abs(moments.var.sqrt().numpy() - sd).max(), (0, 1e-10))

# %% [markdown]
# ## 5. The whole update
#
# The loss adds the critic's error and (if wanted) a bonus for the entropy $H$, with fixed weights $c_v$ and $c_e$. The
# critic's target is $\hat A_t + V_{\text{old}}(s_t)$:
#
# $$\text{loss}(\theta) = -L^{\text{clip}} + c_v\,\tfrac12\,\mathbb{E}\bigl[(V(s_t) - \hat A_t - V_{\text{old}}(s_t))^2\bigr]
# - c_e\,H[\pi_\theta]. \tag{2.11}$$
#
# The **entropy** of a Gaussian policy for $d$ motors is
# $H = \sum_{i=1}^{d} \bigl(\log\sigma_i + \tfrac12\log 2\pi e\bigr)$ nats. It says how widely the actions scatter. It
# can be negative, because the density of a narrow Gaussian is above 1.
#
# ### Exercise 2.5: mend a colleague's loss (find three errors)
# A colleague wrote (2.11) with $c_v = \tfrac12$ and $c_e = 0$, for robots with several motors. The code runs, and training
# does not crash. But the code has three errors.

# %% tags=["prelude"]
def colleagues_loss(log_prob, old_log_prob, value, advantage, target, clip):
    """log_prob (B, motors): log π of each motor's command, now. The other tensors (B,): log π_old of the whole action,
    V now, Â, Â + V_old -> the loss (2.11), one number to be made small."""
    ratio = (log_prob.mean(-1) - old_log_prob).exp()  # all motors together
    advantage = target - value  # the critic is better by now, so use it
    a = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    policy_part = torch.minimum(-ratio * a, -ratio.clamp(1 - clip, 1 + clip) * a).mean()
    return policy_part + 0.25 * (value - target).square().mean()


# %% [markdown]
# How do you find an error in a loss that runs? Ask it questions whose answers you know without any training. `readings`
# puts three questions to a loss. For a correct loss, each answer is 0. The gradients come from autograd.
# 1. *Nothing has moved.* All ratios are 1, and the mean of `a` is 0. So a correct loss equals the critic's part. By how much
#    does this loss differ from it?
# 2. *Gradient on the critic.* The policy's part must not push the critic. How large is the gradient on $V$ besides that
#    of the critic's part?
# 3. *Far beyond the clip.* A good action has a ratio far above $1+\varepsilon$. How large is the gradient on its $\log\pi$?

# %%
for question, answer in readings(colleagues_loss).items():
    print(f"{question:24s}{answer:8.4f}")

# %% [markdown]
# All three readings are off. Read the five lines of the colleague's code, each against its equation. Write the whole loss
# again with all three mended.

# %% nbgrader={"grade": false, "grade_id": "ex-02-5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mended_loss(log_prob, old_log_prob, value, advantage, target, clip):
    """As `colleagues_loss`: log_prob (B, motors), the others (B,) -> the loss (2.11), one number to be made small."""
    ### BEGIN SOLUTION
    ratio = (log_prob.sum(-1) - old_log_prob).exp()  # densities multiply, so their logs add up
    a = (advantage - advantage.mean()) / (advantage.std() + 1e-8)  # from the critic that judged the batch: a constant
    policy_part = torch.maximum(-ratio * a, -ratio.clamp(1 - clip, 1 + clip) * a).mean()  # -min(x, y) = max(-x, -y)
    return policy_part + 0.25 * (value - target).square().mean()
    ### END SOLUTION


# %%
for question, answer in (attempt(readings, mended_loss) or {"not done yet": np.nan}).items():
    print(f"{question:24s}{answer:8.4f}")

# %% nbgrader={"grade": true, "grade_id": "check-02-5", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("2.5", mended_loss)

# %% [markdown]
# Now the update as a whole. `ppo_loss` takes a policy and a minibatch, and passes your loss the arguments it needs. (If
# yours is not right yet, the course's is used.) `improve` makes several passes over the rollout in shuffled minibatches.
# After each pass it compares the mean KL of the pass with `target_kl`, and stops there if it is larger. This is the **KL
# stop** (early stopping), a second guard beside the clip.

# %%
loss_used, whose = yours_or_ours(mended_loss)
print("loss used below:", whose)


def ppo_loss(policy, batch, config):
    """Eq. (2.11) on a minibatch, c_v = ½ and c_e = 0 -> loss, log ρ (B,)."""
    mean, value = policy.actor(batch.x), policy.critic(batch.x).squeeze(-1)
    motors = torch.distributions.Normal(mean, policy.log_std.exp()).log_prob(batch.action)
    loss = loss_used(motors, batch.log_prob, value, batch.advantage, batch.target, config.clip)
    log_ratio = gaussian_log_prob(batch.action, mean, policy.log_std) - batch.log_prob
    return loss, log_ratio.detach()


# %%
def improve(policy, optimizer, rollout, config, generator):
    """At most `epochs` passes over the rollout in shuffled minibatches -> passes made."""
    flat = {name: value.flatten(0, 1) for name, value in vars(rollout).items()}
    passes = 0
    for _ in range(config.epochs):
        moved, passes = [], passes + 1
        order = torch.randperm(len(flat["x"]), generator=generator)
        for part in order.split(config.minibatch_size):
            batch = SimpleNamespace(**{name: value[part] for name, value in flat.items()})
            loss, log_ratio = ppo_loss(policy, batch, config)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(policy.parameters(), config.max_grad_norm)
            optimizer.step()
            moved.append(log_ratio)
        kl = ratio_statistics(torch.cat(moved), config.clip)["approx_kl"]
        if config.target_kl is not None and kl > config.target_kl:
            break
    return passes


# %% [markdown]
# Two agents start with the same weights, the same rollout and the same shuffling: yours and the library's. Each makes up
# to 40 gradient steps. 32-bit numbers have about 7 digits.
#
# *Predict.* To how many decimal places do the weights agree afterwards?

# %%
cl.predict("02.9", question="decimal places")

# %%
pole = cl.make("InvertedPendulum-v5", num_envs=16, seed=1)
agent = cl.PPO(pole, cl.PPOConfig(minibatch_size=256, target_kl=0.015, seed=1))
agent.begin()
rollout, raw = agent.collect()
mine, generator = copy.deepcopy(agent.policy), torch.Generator()
generator.set_state(agent.generator.get_state())
optimizer = torch.optim.Adam(mine.parameters(), agent.config.learning_rate, eps=agent.config.adam_eps)
passes = improve(mine, optimizer, rollout, agent.config, generator)
metrics = agent.improve(rollout)
differences = [(a - b).abs().max().item() for a, b in zip(mine.parameters(), agent.policy.parameters(), strict=True)]
print({name: round(value, 4) for name, value in metrics.items()})

# %%
cl.see("largest difference of any weight", max(differences), (0, 1e-4))
cl.see("decimal places", -np.log10(max(differences)), (4, 9), predicted="02.9")
cl.see("passes before the KL stop, of 10", passes, (2, 9))
cl.see("approx_kl", metrics["approx_kl"], (0.001, 0.05), "nats")
cl.see("clip_fraction", metrics["clip_fraction"], (0.01, 0.4))

# %% [markdown]
# *What you should see.* The difference is that of single precision: the same sums, added up in another order. The last two
# ranges are what a healthy update looks like. The algorithm is now three lines:

# %%
optimizer = torch.optim.Adam(agent.policy.parameters(), lr=1e-3, eps=1e-5)
for _ in range(10):
    rollout, raw = agent.collect()  # act, estimate advantages
    improve(agent.policy, optimizer, rollout, agent.config, generator)
    agent.policy.normalizer.update(raw.reshape(-1, raw.shape[-1]))
lengths = [length for _, length in list(agent.recent)[-10:]]
cl.see(f"length of the last episodes after {agent.env_steps:,} steps", np.mean(lengths), (25, 1000), "steps")

# %% [markdown]
# *What you should see.* With an untrained policy the pole falls within a second (25 steps). Now it stands longer.

# %% [markdown]
# ## 6. The cheetah
#
# The cheetah has six motors and 17 observations. It is paid for forward speed (m/s) minus a little for torque. An episode
# has 1,000 steps (50 s). A fall does not end it: a cheetah that lands on its back goes on from there,
# and some learn to run that way.
#
# ### The recipe that runs
# The library's recommended settings for this task differ from its defaults. The next cell reads the difference out of
# `PPOConfig.recommended`. What each setting is worth is the question of section 7. (The last row is not a setting: the
# library spreads out the starts of the episodes in every task.)

# %%
settings.SettingsTable("HalfCheetah-v5")

# %% [markdown]
# All other settings are the defaults: $\varepsilon$ = 0.2 for the clip, ten passes, minibatches of 1,024, Adam with a
# learning rate that falls linearly to 0.
#
# ### Train it
# Draw the curve you expect **before** you start: three points (steps, return). An untrained cheetah gets about 0. Change
# the points to yours.

# %%
prediction = [(100_000, 0), (1_000_000, 2500), (3_000_000, 4500)]

# %% [markdown]
# *Predict.* And in one number: what is the mean return (with noise) at the end of training?

# %%
cl.predict("02.10", question="return at the end")

# %% [markdown]
# Watch the curve grow. ■ stops the training and keeps what was learned; `cl.train(run, more)` continues it.
# `cl.background(agent, steps)` trains while you read on, and shows a button that stops it. If you would rather not wait,
# set `run = cl.load("halfcheetah_ppo_3")`: then all the following cells work, except those that need the curve of your
# training.

# %%
envs = cl.make("HalfCheetah-v5", num_envs=64, seed=1)
agent = cl.PPO(envs, cl.PPOConfig.recommended("HalfCheetah-v5", seed=1))
run = cl.train(agent, cl.budget(smoke=90_000, lite=3_000_000, full=8_000_000), live=True)

# %%
viz.prediction_overlay(viz.learning_curve(run), prediction)

# %%
curve = run.curve
count = len(curve["env_steps"])
early = min(np.searchsorted(curve["env_steps"], 500_000), count - 1)
most = slice(min(early, count // 2), int(0.8 * count))  # from there until the learning rate is small
cl.see("return after 500,000 steps", curve["return_mean"][early], (1500, np.inf), otherwise="a slow start; watch the end")
cl.see("return at the end", curve["return_mean"][-1], (3000, np.inf), otherwise="it may run on its back: try another seed", predicted="02.10")
cl.see("median KL of an update", np.median(curve["approx_kl"][most]), (0.01, 0.05), "nats")
cl.see("updates whose mean KL is above target_kl", 100 * np.mean(curve["approx_kl"] > agent.config.target_kl), (0.5, 60), "%")
cl.see("median clipped share", np.median(curve["clip_fraction"][most]), (0.2, 0.42))
cl.see("median explained variance", np.median(curve["explained_variance"][most]), (0.9, 1))
cl.see("entropy, last minus first", curve["entropy"][-1] - curve["entropy"][0], (-25, -4), "nats")

# %% [markdown]
# *Look at* the small panels: they are your instruments. *What you should see.* KL and clipped share rise at first, stay
# roughly level in the middle of training, and fall to 0 with the learning rate. The **explained variance** is
# $1 - \mathrm{Var}(\hat A)/\mathrm{Var}(\hat A + V)$, the share of the target's variance that the critic predicts: 1 is
# perfect, and 0 is no better than one constant. It is near 1 after the first few updates. The entropy falls steadily and
# ends below 0: the policy has become sure of its actions.

# %%
evaluation = cl.evaluate(run, episodes=cl.budget(smoke=4, lite=20, full=50))
for name in ("deterministic", "stochastic"):
    cl.see(f"mean return, {name}", getattr(evaluation, name).mean, (3000, np.inf), otherwise="look at the video: does it run on its back?")
evaluation

# %% [markdown]
# *IQM* is the interquartile mean: the mean of the middle half of the episodes. A few bad episodes do not move it. A
# large sd and a mean far below the IQM suggest that the cheetah ended a few episodes on its back: one bad start can cost
# thousands. You trained one seed. One seed proves little, so here it is beside the shipped seeds. (Those run longer, so at
# the same step their learning rate is still higher. The end of a shorter run is not a fair match for their middle.)

# %%
cl.compare({"shipped": shipped["per_seed"], "yours": [run]})

# %%
cl.show(run, steps=cl.budget(smoke=20, lite=100, full=100))

# %% [markdown]
# ### The gait at four moments of training
# You see the policy of one run, saved at four moments of its training.
#
# *Predict.* How fast is the last of the four, in m/s, three to four seconds after a standing start? (The reward of a step
# is roughly the speed, and an episode has 1,000 steps.)

# %%
cl.predict("02.11", question="speed in m/s")

# %%
moments = [cl.load(f"halfcheetah_ppo_{i}") for i in range(4)]
steps = cl.budget(smoke=10, lite=80, full=80)
episodes = [viz.rollout_states(policy, steps=steps) for policy in moments]
speeds = [np.diff(e.physics[-len(e) // 4 :, 1]).mean() / e.dt for e in episodes]  # of the torso, in the last quarter
cl.see("speed of the first", speeds[0], (-1, 1), "m/s")
cl.see("speed of the last", speeds[-1], (6, 10), "m/s", predicted="02.11")
titles = [f"{p.header['env_steps']:,} steps: {v:.1f} m/s" for p, v in zip(moments, speeds, strict=True)]
viz.show(viz.montage([viz.render(e, width=320, height=200) for e in episodes], titles, columns=2), title="; ".join(titles))

# %% [markdown]
# *Look at* the legs, and at the speed in the titles. The first cheetah sinks a little and then stands still. The others
# move. (The last one has not reached its full speed after four seconds.) Look for the rhythm and for the moments when
# no foot is on the ground. Which leg pushes, and which one only catches the body?

# %% [markdown]
# ## 7. What is each part worth?
#
# An **ablation** removes or changes one part and trains again. The shipped ablations change one thing at a time, with
# one exception: one variant has neither the clip nor the KL stop. They are short training runs. The cell after the
# predictions prints how many steps and seeds they have, and the command that made them. The next cell lists the changes.
#
# *Predict.* Which change lowers the return most? How many of the changes lower the median by more than a tenth? And which
# change has the highest median?

# %%
ablations = cl.result("ppo_ablations")
worth = settings.medians(ablations["per_seed"])
usual = worth.pop("recommended")
print(*worth, sep="\n")

# %%
cl.predict("02.12", choices=tuple(worth), question="lowers the return most")

# %%
cl.predict("02.13", question=f"changes, of {len(worth)}, that cost more than a tenth")

# %%
cl.predict("02.14", choices=tuple(worth), question="highest median of all")

# %%
print(ablations["command"], "·", f"{ablations['config']['steps']:,} steps ·", len(ablations["seeds"]), "seeds")
returns = {}
for row in ablations["per_seed"]:
    returns.setdefault(row["variant"], []).append(row["return_deterministic"])
viz.bars(returns, ylabel="return without noise")

# %%
worst, best = min(worth, key=worth.get), max(worth, key=worth.get)
for name, value in sorted(worth.items(), key=lambda item: item[1]):
    print(f"{name:32s}{value:7,.0f}   {value / usual - 1:+5.0%}")
print(f"worst: {worst}" + compared("02.12", worst))
print(f"best: {best}, seeds {min(returns[best]):,.0f} to {max(returns[best]):,.0f}; recommended "
      f"{min(returns['recommended']):,.0f} to {max(returns['recommended']):,.0f}" + compared("02.14", best))
cl.see("cost more than a tenth", sum(value < 0.9 * usual for value in worth.values()), (6, 9), predicted="02.13")
same = sum(a == b for a, b in zip(returns["no KL stop"], returns["recommended"], strict=True))
cl.see("seeds in which the KL stop changed nothing at all", same, (1, 3))
settings.SettingsTable("HalfCheetah-v5", ablations["per_seed"])

# %% [markdown]
# *What you should see.* Four parts carry this recipe: an advantage that looks further than one step, a small initial σ,
# normalised observations, and a clip that is not tiny. (The run without a clip had no KL stop either, so it does not tell
# what the clip alone is worth.) Three more changes cost less, but all their seeds lie below the recommended ones: no reward
# normalisation, λ = 1, and minibatches of 4,096. Two cannot be told apart from the recommended settings with three seeds:
# no normalisation of the advantages, and minibatches of 256. The table repeats the recommended settings, with the return
# that the default gives instead. (For the last row, the ablation let all copies start together.)
#
# Now the parts that are worth nothing here, or less:
# - **The KL stop**, as long as the clip is there. There are seeds in which the run without the stop is the same to the last
#   digit: the limit was never reached. In the long training above some updates went over the limit, so there it acts. (The
#   recorded KL is a mean over the passes of an update, and the limit is for one pass. So the stop acts more often than this
#   mean shows.)
# - **γ = 0.98.** With γ = 0.99 the median is not lower. At this length the table gives no reason for the smaller γ.
# - **Spread-out starts.** The median without them is higher, so they may even cost something. But the ranges of the seeds
#   overlap, and with noise the order of the medians is reversed. Three seeds cannot decide it.
#
# Keep the limits of this table in mind. It is one robot and one short budget, and the rest of the recipe was tuned around
# these parts. What is worth nothing here may matter in another task, or in a longer run.
#
# Here are four of these variants. The curves are means of the last 100 training episodes, with noise. So they lag behind
# the policy, and the noise costs something, too. The table has returns of the last policy, without noise. Three of the four
# curves end lower than in the table. (The median of λ = 0 ends higher.)

# %%
names = ["recommended", "λ = 0 (one-step TD)", "no clip, no KL stop", "no observation normalisation"]
cl.compare({name: [row for row in ablations["per_seed"] if row["variant"] == name] for name in names})

# %% [markdown]
# ## 8. The bug museum
#
# None of these runs raised an error, and all of them were trained with the same settings, on `Hopper-v5`. One is healthy. In
# each of the others one line of PPO is wrong. People have really made these mistakes, some of them in the project that
# this notebook grew out of. All you get is what every run records.

# %%
museum = cl.result("bug_museum")
print(museum["command"], "·", f"{museum['config']['steps']:,} steps ·", len(museum["seeds"]), "seeds")
ppo_figures.museum_figure(museum["per_seed"])

# %%
print(f"{'':9s}{'return':>8s}{'KL':>9s}{'clipped':>9s}{'expl. var.':>11s}{'entropy':>9s}   (late in training, median of seeds)")
for letter, exhibit in {"healthy": "healthy", **ppo_figures.ROOMS}.items():
    rows = [row for row in museum["per_seed"] if row["exhibit"] == exhibit]
    late = {m: np.median([np.mean(row["curve"][m][-20:-5]) for row in rows]) for m in ppo_figures.PANELS}
    print(f"{letter:9s}{late['return_mean']:8.0f}{late['approx_kl']:9.4f}{late['clip_fraction']:9.2f}"
          f"{late['explained_variance']:11.3f}{late['entropy']:9.2f}")

# %% [markdown]
# ### Exercise 2.6: diagnose
# Which bug is in which room? Give the number of a suspect for each of the rooms A to D. There are six suspects, and four are
# guilty:
#
# 1. `old log-probabilities reshaped`: (T, N) was transposed to (N, T). `reshape` brought back the shape,
#    but not the order.
# 2. `optimiser without the actor`: it was given the critic's parameters only.
# 3. `no done mask`: the advantage recursion does not know where episodes end, nor that a fall is worth nothing.
# 4. `value loss broadcast`: the critic's (B, 1) minus the targets' (B,) made a (B, B) table.
# 5. `gradient not zeroed`: every step adds to the gradient of all before it.
# 6. `log-probability of the clamped action`: the action was clipped to its bounds before its log-probability was taken.
#
# For each one ask: which quantity does it corrupt *first*, and which panel shows that quantity?

# %% nbgrader={"grade": false, "grade_id": "ex-02-6", "locked": false, "schema_version": 3, "solution": true, "task": false}
def diagnosis():
    """-> {"A": number of the suspect, "B": …, "C": …, "D": …}"""
    ### BEGIN SOLUTION
    return {"A": 4, "B": 6, "C": 1, "D": 3}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-02-6", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("2.6", diagnosis)

# %%
ppo_figures.museum_answers(museum, attempt(diagnosis))

# %% [markdown]
# ### Exercise 2.7: your own settings (open)
# Train on the pole with 16 copies and only 12,288 steps. The defaults need more. Find settings with which the *noisy*
# policy balances the pole for at least 600 steps on average at the end. Return a dict with the settings that differ from
# the defaults. Change one at a time while you search, and write down what you expected and what happened. The answer may
# combine several. The check trains with your settings (a few seconds). It also wants at least six updates and
# a mean KL between 0.0005 and 0.3, and tells you which of these fails. These are the settings and their defaults (eq.
# (7) and eq. (9) in the list are those of Schulman et al. 2017):

# %%
print(settings.described())

# %% nbgrader={"grade": false, "grade_id": "ex-02-7", "locked": false, "schema_version": 3, "solution": true, "task": false}
def my_settings():
    """-> a dict of changes to cl.PPOConfig."""
    ### BEGIN SOLUTION
    return dict(minibatch_size=64, learning_rate=2e-3)  # more and larger steps on each batch
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-02-7", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("2.7", my_settings)

# %% [markdown]
# ## Your predictions
# How close were you? A number counts as close if it is within a quarter of the result.

# %%
cl.calibration("02")

# %% [markdown]
# ## Summary
# - Importance ratios (2.1) let you use a batch many times. They correct the actions, not the states (2.3). So the
#   surrogate is right only near the old policy, in a trust region.
# - Clipping (2.5) ends a transition's gradient once its ratio has moved far enough, on one side only.
# - KL grows with the square of the step, (2.7): watch it.
# - GAE (2.10) trades noise for bias with one number, λ. The better the critic, the smaller λ can be. After a fall there
#   is nothing to bootstrap from; when the time is over, there is.
# - Normalisers do not change while a batch is collected and learned from, and they are saved with the policy.
# - The return alone does not tell a bug from bad luck. KL, clipped share, explained variance and entropy give most bugs
#   away. Not all: where episodes run together (room D) these metrics look almost healthy. And a loss can be tested before
#   any training, with questions whose answer is known.
#
# ### What goes wrong, and how it looks
# | what you see | what it often is |
# |---|---|
# | `approx_kl` large from the first iteration on | old log-probabilities do not belong to these transitions |
# | `approx_kl` grows over the iterations | learning rate too large, or σ nearly zero: the same step is now a bigger one |
# | `explained_variance` near 0 for ever | the critic cannot learn: a shape that broadcasts, a loss without weight, rewards on a wild scale |
# | `explained_variance` near 1 and no progress | advantages that are nothing but noise; if entropy falls early, log-probabilities of clamped actions (room B) |
# | entropy falls steeply in the first tenth of training | learning rate too large, or log-probabilities of clamped actions |
# | everything healthy, return flat | the task is set up wrongly: ends of episodes, sign of the reward, observation |
# | good training return, bad evaluation | normaliser not saved, or started anew; a mean action outside what was explored |
# | the cheetah slides on its back | a local optimum: try another seed before you try another algorithm |
#
# ### Further reading
# - J. Schulman et al., "Proximal policy optimization algorithms", 2017: section 3 (the clipped surrogate), eq. 9.
# - J. Schulman et al., "High-dimensional continuous control using generalized advantage estimation", 2016: sections 3 and 4.
# - J. Schulman et al., "Trust region policy optimization", 2015: sections 2 and 3, the surrogate and its bound.
# - S. Kakade, J. Langford, "Approximately optimal approximate reinforcement learning", 2002: the performance difference.
# - S. Kakade, "A natural policy gradient", 2001: the Fisher matrix.
# - J. Schulman, "Approximating KL divergence", 2020: the estimators (2.6).
# - F. Pardo et al., "Time limits in reinforcement learning", 2018: truncation.
# - M. Andrychowicz et al., "What matters for on-policy deep actor-critic methods?", 2021: sections 3.2 to 3.5, ablations
#   at scale.
# - S. Huang et al., "The 37 implementation details of proximal policy optimization", 2022.
