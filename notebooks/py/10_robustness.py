# %% [markdown]
# # Robustness and topology
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/liquid-control/liquid-control/blob/main/notebooks/10_robustness.ipynb)
#
# A policy is trained in one world and used in another. The camera is slower, a sensor is dirty, the battery is heavy.
# What is a liquid network good for then? Papers say: more robust. Most of them compare networks of unequal size, one
# seed each. In this notebook you ask the question so that the answer can be no. You write down eight hypotheses before
# you see a result, compare nine policies of equal size, and let an interval over ten seeds decide. The trainings are not
# done yet: every figure says how many seeds it has so far, and with fewer than ten nothing counts as decided.

# %% [markdown]
# **You will be able to**
# 1. disturb a control task in ten ways, and say what each does to the observation, the action or the physics;
# 2. change the control rate without changing the task: rescale γ and the reward;
# 3. measure robustness as a share of the undisturbed return, and say what that hides;
# 4. plan a comparison: the smallest difference that matters, the seeds it takes, the rule that decides;
# 5. read rank, sparsity and wiring of a recurrent network, and say what the evidence allows about liquid networks.
#
# **Before you start.** Notebook 03 (cells and solvers), notebook 04 (recurrent PPO). Notebook 08 helps in section 4.
#
# **Time** on 2 cores: smoke (a test that every cell runs) under 1 minute; lite (the default) 1 to 4 minutes of
# computing, most of it trainings; full about 8.

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
# An LTC runs with hidden velocities. On the left the world is as in training. On the right the policy may act only half
# as often, and nobody has trained it for that.

# %% tags=["prelude"]
import numpy as np

import course_lib as cl
from course_lib.course.exercises import attempt, check, check_that
from course_lib.evaluation.returns import run_episodes
from course_lib.evaluation.statistics import iqm
from course_lib.lessons import nb10_checks as answers
from course_lib.lessons import nb10_figures as figures
from course_lib.lessons import nb10_panel as panel
from course_lib.lessons.nb10_evidence import decide_all, lead, robust_share, solver_effects
from course_lib.lessons.nb10_hypotheses import HYPOTHESES, verdict
from course_lib.nets import wiring

# %%
runner = cl.load("robust_ltc")
film, words = panel.pair(runner, "LTC", seconds=cl.budget(smoke=0.5, lite=5.0, full=5.0), rate=0.5)
cl.show(film, title=words)

# %% [markdown]
# ## 1. Ten ways to disturb a task
#
# A policy meets the world in three places: what it sees, how often it acts, and what its actions do. Each can change.
#
# | place | disturbance | option of `disturb` |
# |---|---|---|
# | seeing | noise on every sensor | `noise` (sd) |
# | | a lost observation: the last one is seen again | `drop` (share), `burst` (steps in a row) |
# | | a sensor that reads 0 for good | `dead` (number), `dead_from` (step) |
# | | observations that come late | `delay` (steps) |
# | acting | another control rate | `rate` (times the usual one) |
# | physics | heavier bodies | `mass` (times) |
# | | slippery ground | `friction` (times) |
# | | weak motors | `strength` (times) |
# | | a push once a second | `push` (N) |
#
# `cl.make("HalfCheetah-v5", 8, disturb={"noise": 0.2, "delay": 1})` does two of them at once. But an idea is built
# inline first. Here is the simplest: observations get lost, and the policy sees the last one that came.

# %%
class Lossy:
    """Copies of an environment whose observations get lost with probability p; then the last one is seen again."""

    def __init__(self, envs, p, seed=0):
        self.envs, self.p, self.rng = envs, p, np.random.default_rng(seed)
        self.num_envs, self.horizon, self.id = envs.num_envs, envs.horizon, envs.id

    def reset(self, **options):
        self.seen, info = self.envs.reset(**options)
        return self.seen, info

    def step(self, action):
        observation, reward, terminated, truncated, infos = self.envs.step(action)
        lost = (self.rng.random(self.num_envs) < self.p) & ~(terminated | truncated)
        self.seen = np.where(lost[:, None], self.seen, observation)
        return self.seen, reward, terminated, truncated, infos


# %% [markdown]
# *Predict.* The LTC above loses every fourth observation, at random. What share of its return is left?

# %%
cl.predict("10.1", question="share of the return that is left, from 0 to 1")

# %%
episodes = cl.budget(smoke=2, lite=8, full=32)
usual = runner.env_options


def returns(policy, **disturb):
    """Mean return of some episodes under `disturb`, beside what the policy was trained with."""
    options = {**usual, "disturb": {**usual["disturb"], **disturb}}
    return run_episodes(policy, cl.make("HalfCheetah-v5", episodes, seed=7, **options), seed=7).mean


plain = returns(runner)
inline = run_episodes(runner, Lossy(cl.make("HalfCheetah-v5", episodes, seed=7, **usual), p=0.25), seed=7).mean
library = returns(runner, drop=0.25)
print(f"return undisturbed {plain:,.0f}; a quarter lost, inline {inline:,.0f}, by the library {library:,.0f}")
cl.see("share that is left", library / plain, (0.4, 0.9), predicted="10.1")
cl.see("inline over library", inline / library, (0.8, 1.2))

# %% [markdown]
# *What you should see.* Both lose different observations, but equally many, and the returns are alike.
#
# ### Exercise 10.1: late observations (fill in)
# A camera with a long cable: what arrives now was seen `delay` steps ago. At the start of an episode there is nothing
# older, so the first observation is shown until the second one arrives.

# %% nbgrader={"grade": false, "grade_id": "ex-10-1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def late(observations, delay):
    """observations (T, obs) of one episode, delay in steps -> what the policy sees at each step, (T, obs)."""
    ### BEGIN SOLUTION
    when = np.maximum(np.arange(len(observations)) - delay, 0)
    return observations[when]
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-10-1", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
#@title Check 10.1
def queue(observations, delay):  # another road: a queue that is filled at the start
    waiting, out = [observations[0]] * delay, []
    for o in observations:
        waiting.append(o)
        out.append(waiting.pop(0))
    return np.array(out)


seen = np.arange(14.0).reshape(7, 2) ** 2
check(
    "10.1", "late", oracle=queue, cases=[(seen, 2), (seen, 0), (seen[:3], 5), (seen, 1)],
    mistakes={
        "this shows the future: at step t the policy sees what was seen at t - delay": lambda o, d: o[np.minimum(np.arange(len(o)) + d, len(o) - 1)],
        "these wrap around: the end of the episode is seen at its start": lambda o, d: np.roll(o, d, axis=0),
        "before the first observation arrives the policy sees zeros here; it is to see the first one": lambda o, d: np.concatenate([0 * o[: min(d, len(o))], o[: max(len(o) - d, 0)]]),
        "it is late by one step too many": lambda o, d: o[np.maximum(np.arange(len(o)) - d - 1, 0)],
    },
)

# %% [markdown]
# ## 2. Another control rate
#
# At twice the rate the policy acts every half step. Two things change that have nothing to do with the policy.
#
# **The return.** An episode has twice as many steps, and each pays a reward. To compare, divide each reward by the rate
# $\rho$: then the sum is again one over time.
#
# **The discount.** γ = 0.99 per step means that what comes $100$ steps from now counts $1/e$. At twice the rate 100 steps
# are half as many seconds. To keep the horizon in seconds,
#
# $$\gamma_\rho = \gamma^{1/\rho}, \qquad r_\rho = r / \rho. \tag{10.1}$$
#
# (De Asis and Sutton 2024; the sum of discounted rewards is then a Riemann sum of the same integral, with a finer grid.)
#
# ### Exercise 10.2: one value at every rate (a derivation, checked numerically)
# A reward of $r$ comes at every usual step, for ever. Its value is $r/(1-\gamma)$. At rate ρ with (10.1) there are ρ times
# as many steps, each of which pays $r/\rho$, discounted by $\gamma^{1/\rho}$. Is the value the same? Give the value at rate
# ρ in closed form, and its limit for ρ → ∞, where the sum is an integral over time.

# %% nbgrader={"grade": false, "grade_id": "ex-10-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def values_at(rate, r, gamma):
    """rate ρ, reward r of a usual step, γ of a usual step, numbers -> value at this rate, value for ρ → ∞"""
    ### BEGIN SOLUTION
    return (r / rate) / (1 - gamma ** (1 / rate)), -r / np.log(gamma)
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-10-2", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 10.2
def limit(r, g):
    return -r / np.log(g)


def both(at, end=limit):
    return lambda q, r, g: (at(q, r, g), end(r, g))


def true(q, r, g):
    return (r / q) / (1 - g ** (1 / q))


check(
    "10.2", "values_at", oracle=answers.step_by_step, tolerance=1e-5,
    cases=[(0.5, 2.0, 0.9), (1.0, 1.0, 0.99), (2.0, 1.0, 0.95), (4.0, 3.0, 0.9)],
    mistakes={
        "γ is still that of a usual step: it must be rescaled too": both(lambda q, r, g: (r / q) / (1 - g)),
        "the reward is still that of a usual step: at rate ρ each step pays r/ρ": both(lambda q, r, g: r / (1 - g ** (1 / q))),
        "the exponent is upside down: a short step discounts less, so γ to the power 1/ρ": both(lambda q, r, g: (r / q) / (1 - g**q)),
        "the first is the value at the usual rate; the rate makes a small difference": both(lambda q, r, g: r / (1 - g)),
        "the second is the value at the usual rate; the limit is the integral of r γ^t": both(true, lambda r, g: r / (1 - g)),
        "the second has the wrong sign: log γ is negative": both(true, lambda r, g: r / np.log(g)),
    },
)

# %% [markdown]
# ### Told or not told
# An LTC solves a differential equation over each step. Its `dt` is 1 in training. At rate ρ a step lasts 1/ρ, and you can
# tell it. A GRU has no place for such a number. That is the best argument for continuous time that there is.
#
# *Predict.* The LTC of the video at rates ½ and 2, told and not told: which of the four is best?

# %%
cl.predict("10.2", choices=("half, told", "half, not told", "twice, told", "twice, not told"))

# %%
kept = {}
for rate in (0.5, 2.0):
    for told in (True, False):
        runner.dt = 1 / rate if told else 1.0
        name = f"{'half' if rate < 1 else 'twice'}, {'told' if told else 'not told'}"
        kept[name] = returns(runner, rate=rate) / plain
        print(f"{name:16s}: {kept[name]:5.0%} of the return is left")
runner.dt = 1.0
best = max(kept, key=kept.get)
cl.see("best", best, ("twice, told", "twice, not told"), predicted="10.2")

# %% [markdown]
# One policy is no evidence, whatever it shows. Hold your conclusion until section 4.
#
# ## 3. Write it down first
#
# With ten disturbances, nine policies and two tasks there are hundreds of comparisons. Some of them will favour whatever
# you like. So the claims come first. The list below was committed before the first run (`git log` of
# `course_lib/lessons/nb10_hypotheses.py` shows it), with the policies, the conditions, and the rule.

# %%
for h in HYPOTHESES:
    print(f"{h.key}  {h.claim}")

# %% [markdown]
# **What is measured.** The share of its undisturbed return that a policy keeps, averaged over the conditions of the
# hypothesis. Over disturbances of growing size that is the area under the curve.
#
# **What matters.** A difference of 5 points of that share. Less would change nothing that anyone does.
#
# **The rule.** Ten seeds for each policy. The interval is a bootstrap over seeds within each task and policy. *Held*: the
# interval lies above 0 and the difference is at least 5 points. *Did not hold*: the whole interval lies below 5 points.
# *Cannot be told*: anything else, and everything that rests on fewer than ten seeds. Else one could stop at the first
# interval that pleases.
#
# **Who is compared.** Nine policies with the same number of actor parameters, the same training steps, the same PPO. Only
# policies that have learned a task are compared on it: half of the best one's return, at least.
#
# *Predict.* Eight times: held, did not hold, or cannot be told? Write your guesses down, then go on.

# %%
results = {name: cl.result(name)["per_seed"] for name in ("robustness", "topology", "convergence")}
rows = results["robustness"]
names = [name for name in figures.NAMES if any(row["policy"] == name for row in rows)]
for task in figures.TASKS:
    sizes = {r["policy"]: r["parameters"] for r in rows if (r["task"], r["training"]) == (task, "one rate")}
    print(f"{task}: " + ", ".join(f"{figures.NAMES[name]} {sizes[name]:,}" for name in names if name in sizes))

# %% [markdown]
# ## 4. What the runs say
#
# First without any disturbance. *Predict.* Velocities are hidden. Which policies fail on the pole, which on HalfCheetah?

# %%
figures.return_figure(rows, names)

# %% [markdown]
# *Look at* the dots first, then at the bars. The line under the figure says how many seeds there are and whether the
# black lines are intervals or, below five seeds, ranges. *What you should see.* On the pole the MLP has no chance: two
# positions do not say where the pole is going. Four frames and most cells with memory reach 1,000 or come close. The
# neural ODE, whose states never decay, and the synaptic LTC learn more slowly than the others. On HalfCheetah all run,
# and memory is worth something: the MLP is last.
#
# A policy that has not learned a task has little to lose on it. So it is not compared there.
#
# Now the disturbances, one figure each. A line is the share of its own undisturbed return that a policy keeps.
#
# *Predict.* At a quarter of the rate, who keeps more: an LTC that is told, or a GRU that cannot be?

# %%
few = ("mlp", "gru", "attention", "ltc", "cfc")
figures.share_curves(rows, "rate", few)

# %% [markdown]
# *Look at* where the lines start to fall, and at those above 1. *What you should see.* On the pole, half the rate is
# fatal for all that had balanced it: 0.08 s between two actions are too long. Twice the rate does most of them no harm.
# On HalfCheetah all lose at half the rate. At twice the rate the MLP gains, and for the others the bands are wide: before
# you rank them, count the seeds.

# %%
figures.share_curves(rows, "noise", few)

# %%
figures.share_curves(rows, "drop", few)

# %%
figures.share_curves(rows, "delay", few)

# %%
figures.share_curves(rows, "strength", few)

# %% [markdown]
# *What you should see.* No policy is the best in all of these figures. Delay is the cruellest: on the pole one step is
# too much for nearly all of them. The MLP often keeps the largest share, of the smallest return: a share does not say who
# ends up higher. And most bands overlap. That is the reason for ten seeds.
#
# ### A number for a curve, and for a comparison
# The mean share over the points of a curve is the area under it. Two policies differ by the difference of these areas.
# What is its interval? The bootstrap draws the *seeds* anew, with replacement, and computes the difference each time.
#
# ### Exercise 10.3: the interval of a difference (fill in)
# Two policies, one number for each seed. Draw both sets anew `draws` times, each from itself, and take the difference of
# the interquartile means (`iqm(x, axis=1)`). Give the 2.5 % and the 97.5 % quantile.

# %% nbgrader={"grade": false, "grade_id": "ex-10-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def difference_interval(a, b, draws, rng):
    """a (n,), b (m,): a share for each seed; rng: a numpy generator -> low, high of iqm(a) - iqm(b)"""
    ### BEGIN SOLUTION
    again_a = a[rng.integers(0, len(a), (draws, len(a)))]
    again_b = b[rng.integers(0, len(b), (draws, len(b)))]
    low, high = np.quantile(iqm(again_a, axis=1) - iqm(again_b, axis=1), [0.025, 0.975])
    return low, high
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-10-3", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 10.3
check_that(
    "10.3", "difference_interval",
    ("give two numbers, low and high", lambda f: answers.many(f, *answers.PAIRS[0]).shape == (2,)),
    ("low is above high: the 2.5 % quantile comes first", lambda f: np.diff(answers.many(f, *answers.PAIRS[0])) >= 0),
    ("the sign: it is a less b", lambda f: not answers.close(f, answers.turned_round)),
    ("both are drawn from one pot here: draw each set from itself, or the difference is lost", lambda f: not answers.close(f, answers.from_one_pot)),
    ("these are the quantiles of single values; take the iqm of each draw first", lambda f: np.ptp(answers.many(f, *answers.PAIRS[0])) < 0.42),
    ("this is an interval of the means: the middle half counts, as `iqm` says", lambda f: not answers.close(f, answers.of_means, 0.004)),
    ("the same numbers of the draw are used for both: sets of unequal size have no pairs", lambda f: not answers.close(f, answers.in_pairs, 0.004)),
    ("the interval is not the one of a bootstrap over seeds: draw as many as there are, with replacement", lambda f: answers.close(f, answers.one_by_one, 0.02)),
    right="a bootstrap over seeds",
)

# %% [markdown]
# ### Exercise 10.4: plan a comparison
# Before you train, ask how many seeds it takes. If shares of both policies vary between seeds with standard deviation
# σ, then with n seeds each the difference of the means has the standard error
#
# $$\mathrm{se}(n) = \sigma \sqrt{2/n}, \qquad n \approx 2\,(z_{0.975} + z_{0.8})^2\,\frac{\sigma^2}{\delta^2}. \tag{10.2}$$
#
# The second formula gives the n that finds a true difference δ in 80 % of the studies, with $z_{0.975} = 1.96$ and
# $z_{0.8} = 0.84$. (`runs_needed` does it exactly, with the t-distribution.)
#
# Someone compares two policies on three seeds each. From these pilot runs: what is σ, how many seeds does δ = 0.05 take,
# and how large a difference can ten seeds find?

# %%
pilot = {name: [round(robust_share(r, ["noise 4"]), 3) for r in rows
                if (r["task"], r["policy"], r["training"]) == ("halfcheetah", name, "one rate")][:3] for name in ("gru", "ltc")}
print(pilot)

# %% nbgrader={"grade": false, "grade_id": "ex-10-4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def plan(a, b, delta, n):
    """a, b (3,) pilot shares, delta the difference to find, n seeds at hand -> σ, seeds for delta, difference that n find

    σ: root of the mean of both variances, each with n - 1 below. Seeds: by (10.2), rounded up.
    """
    ### BEGIN SOLUTION
    sigma = np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / 2)
    z = 1.96 + 0.84
    return sigma, int(np.ceil(2 * z**2 * sigma**2 / delta**2)), z * sigma * np.sqrt(2 / n)
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-10-4", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 10.4
def by_counting(a, b, delta, n):  # another road: try n = 2, 3, 4 … until the formula's difference is small enough
    sigma = float(np.sqrt(0.5 * (np.std(a, ddof=1) ** 2 + np.std(b, ddof=1) ** 2)))
    k = 1
    while 2.8 * sigma * (2 / k) ** 0.5 > delta:
        k += 1
    return sigma, k, 2.8 * sigma * (2 / n) ** 0.5


def planned(variance=lambda a, b: (np.var(a, ddof=1) + np.var(b, ddof=1)) / 2, two=2.0, z=2.8, up=np.ceil):
    def wrong(a, b, delta, n):
        s2 = variance(np.array(a), np.array(b))
        return np.sqrt(s2), up(two * z**2 * s2 / delta**2), z * np.sqrt(two * s2 / n)
    return wrong


trials = [((0.9, 0.7, 0.8), (0.5, 0.7, 0.4), 0.05, 10), ((0.2, 0.9, 0.5), (0.3, 0.35, 0.4), 0.1, 5), ((1.0, 0.9, 0.95), (0.8, 0.85, 0.9), 0.05, 20)]
check(
    "10.4", "plan", oracle=by_counting, cases=[tuple(np.array(x) if isinstance(x, tuple) else x for x in t) for t in trials],
    mistakes={
        "the variances have n below instead of n - 1; with three values that is a third too small": planned(lambda a, b: (a.var() + b.var()) / 2),
        "the factor 2 is missing: both means vary": planned(two=1.0),
        "without z for the power you find a true difference in half of the studies only": planned(z=1.96),
        "round up: a part of a seed cannot be trained": planned(up=np.floor),
        "all six values together vary by the difference, too; take each set's own variance": planned(lambda a, b: np.var(np.concatenate([a, b]), ddof=1)),
    },
)

# %% [markdown]
# *What you should see.* Three seeds can find a difference that is larger than most claims. Ten find about half of that.
#
# ### All conditions at once
# A profile shows which share of all runs, over all conditions, keeps more than x. A line that lies higher everywhere is
# better everywhere. Lines that cross have no winner.

# %%
conditions = [name for name in rows[0]["disturbed"] if name.split()[0] in ("noise", "drop", "burst", "delay", "mass", "strength")]
figures.profile_figure(rows, few, conditions)

# %% [markdown]
# ## 5. Does the wiring matter?
#
# The recurrent weights of n neurons are an n × n matrix. Two ways to make it smaller:
#
# **Low rank.** $W = P Q$ with $P$ n × r and $Q$ r × n. The state can then be moved in r directions only.
#
# **Sparse.** A mask M of zeros and ones says which synapses exist: $W = M \odot V$.
#
# Tumma et al. (2024) did both at once, $W = M \odot (P Q)$, and report policies that are more robust when the world
# shifts. They trained by imitation. Here is the matrix, small enough to look at.

# %%
rng = np.random.default_rng(0)
P, Q, M = rng.normal(size=(6, 1)), rng.normal(size=(1, 6)), (rng.random((6, 6)) < 0.5).astype(int)
print("P Q, rank", np.linalg.matrix_rank(P @ Q), "\n", (P @ Q).round(1))
print("M * (P Q), rank", np.linalg.matrix_rank(M * (P @ Q)), "\n", (M * (P @ Q)).round(1))

# %% [markdown]
# *Predict* before you look: the rank of the masked matrix. *What you should see.* A mask undoes the low rank. What stays
# is the small number of parameters.
#
# ### Exercise 10.5: what does it cost? (derivation)
# A cell with n neurons, rank r (`None`: full) and density d, the share of synapses that exist. How many numbers of the
# recurrent weights *act*? With full rank a masked weight does not. With low rank all of P and Q act as long as every row
# and column has a synapse; take that as given. And up to which rank do P and Q have fewer numbers than a matrix of full
# rank and the same density has acting ones?

# %% nbgrader={"grade": false, "grade_id": "ex-10-5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def cost(n, r, d):
    """n neurons, rank r or None, density d in (0, 1] -> weights that act, the largest whole rank that saves some"""
    ### BEGIN SOLUTION
    full, saves = round(d * n * n), 0
    while 2 * n * (saves + 1) < full:
        saves += 1
    return (full if r is None else 2 * n * r), saves
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-10-5", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 10.5
def costs(low=lambda n, r, d: 2 * n * r, full=lambda n, d: round(d * n * n), rank=lambda n, d: max(k for k in range(n) if 2 * n * k < round(d * n * n))):
    return lambda n, r, d: (full(n, d) if r is None else low(n, r, d), rank(n, d))


check(
    "10.5", "cost", oracle=answers.by_gradient, cases=[(8, None, 1.0), (8, None, 0.25), (8, 2, 1.0), (10, 3, 0.5), (17, 4, 1.0)],
    mistakes={
        "a masked weight does not act": costs(full=lambda n, d: n * n),
        "P and Q have n · r numbers each": costs(low=lambda n, r, d: n * r),
        "the mask lies on the product: it takes nothing from P and Q": costs(low=lambda n, r, d: round(d * 2 * n * r)),
        "a rank-r matrix has r (2n - r) degrees of freedom, but P and Q hold 2 n r numbers that are learned": costs(low=lambda n, r, d: r * (2 * n - r)),
        "the rank: fewer, not as many; at r = d n / 2 both have the same": costs(rank=lambda n, d: int(d * n / 2)),
        "the rank: the density of the matrix it is compared with is missing": costs(rank=lambda n, d: max(k for k in range(n) if 2 * n * k < n * n)),
    },
)

# %% [markdown]
# ### The grid
# Rank down, density across. Left the return without a disturbance, right the share that is kept over four shifts (of the
# five in H6; nothing slides on the pole, so there is no friction to change).
# *Predict.* Where is the best cell on the left? On the right?

# %%
shifts = next(h for h in HYPOTHESES if h.key == "H6").conditions
figures.grid_figure(results["topology"], "ltc", shifts, chosen="sparse and of low rank")

# %% [markdown]
# *Look at* the corners: full rank and all weights is the lower right one. *What you should see.* On this small task full
# rank learns at every density, and rank 1 learns less. The shares on the right follow no order that so few seeds could show.
#
# And when neurons die? Some are held at their mean, drawn at random, one, two or four at a time.

# %%
figures.lost_figure(results["topology"], "ltc", ("full", "sparse and of low rank", "ncp", "random"))

# %% [markdown]
# ### Neural circuit policies against chance
# A neural circuit policy has layers: inputs drive inter neurons, these drive command neurons, these drive motor neurons.
# It has few synapses, and they are where a designer put them. A random wiring has as many, anywhere.

# %%
inputs, neurons = 8, 18
designed = wiring.ncp(inputs, 11, 6, 1, sensory_fanout=4, inter_fanout=3, recurrent_command=12, motor_fanin=3)
chance = wiring.random(inputs, neurons, designed.density, attempts=1000)
print(designed, chance, sep="\n")

# %%
cl.topology(designed)

# %%
for cell in ("ltc", "cfc"):
    for task in ("pendulum", "halfcheetah"):
        mine = [r for r in results["topology"] if (r["cell"], r["task"]) == (cell, task)]
        if (found := attempt(lead, mine, ("ncp",), ("random",), shifts)) is not None:
            print(f"{cell} on {task}: share kept by the NCP less that of the random wiring: {found}")

# %% [markdown]
# ## 6. Does the solver matter?
#
# An LTC is an equation; the solver decides what is computed. In training one fused step is enough (notebook 03). Would
# the policy act the same if the equation were solved exactly? And one trained with an exact solver, tested with a rough
# one?

# *Predict.* Each policy is tested with every solver that it was not trained with. What share of the return is lost, in the
# mean over all pairs?

# %%
cl.predict("10.3", question="share of the return that is lost, from 0 to 1")

# %%
table = results["convergence"]
solvers = list(table[0]["disturbed"])
for cell in ("ltc", "ctrnn"):
    for trained in dict.fromkeys(r["policy"] for r in table):
        mine = [r for r in table if (r["cell"], r["policy"]) == (cell, trained)]
        print(f"{cell:6s} trained with {trained:8s} tested with " + ", ".join(f"{s} {iqm([r['disturbed'][s] for r in mine]):,.0f}" for s in solvers))
cl.see("share lost with another solver", solver_effects(table)["mismatched"].value, (0.3, 0.9), predicted="10.3")

# %% [markdown]
# *Look at* each row's own solver first, then at the others. *What you should see.* Trained and tested with the same
# solver, nearly all balance the pole. Tested with another one, many let it fall early, in both directions: the exact
# solution is no better for a policy that learned with the rough one. The network has not learned an equation. It has
# learned a map from step to step, and the solver is a part of that map. Where two solvers agree about the map ("rk4 4",
# "dopri5") the policy does not notice.
#
# The exception is the CT-RNN with a single explicit step of RK4. Training makes its time constants short; then the step
# is too long for an explicit method, and the state runs away (notebook 03). Some of these trainings ended so, and count 0.
#
# ## 7. The verdicts

# %%
decided = decide_all(results)
figures.verdict_figure(decided)

# %%
print(figures.verdict_table(decided))

# %% [markdown]
# *What you should see.* A dot is the difference in the share that is kept, a line its interval; below five seeds it is a
# range. Behind each name stands the number of seeds. With fewer than ten, nothing is decided.
#
# ### Exercise 10.6: your own hypothesis (an experiment)
# Look at the figures of section 4 again. Find a comparison that is not among the eight and that you believe in. Write it
# down before you run the check: the better policies, the worse ones, the conditions (`rows[0]["disturbed"]` lists them).
# The check decides it by the same rule.

# %% nbgrader={"grade": false, "grade_id": "ex-10-6", "locked": false, "schema_version": 3, "solution": true, "task": false}
def my_hypothesis():
    """-> better policies, worse policies, conditions: three tuples of names"""
    ### BEGIN SOLUTION
    return ("attention", "frames"), ("mlp",), ("drop 0.25", "drop 0.5")
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-10-6", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 10.6
def names_of(answer):
    rows = cl.result("robustness")["per_seed"]
    return {r["policy"] for r in rows}, {c for r in rows for c in r["disturbed"]} | {"dead"}


def old(answer):
    better, worse, chosen = map(set, answer())
    return any((better, worse, chosen) == (set(h.better), set(h.worse), set(h.conditions)) for h in HYPOTHESES)


def three(answer):
    parts = answer()
    return isinstance(parts, (tuple, list)) and len(parts) == 3 and all(isinstance(p, (tuple, list)) and len(p) for p in parts)


check_that(
    "10.6", "my_hypothesis",
    ("give three tuples, none of them empty: better, worse, conditions", three),
    ("a policy is not among those that were trained; `names` lists them", lambda f: set(f()[0]) | set(f()[1]) <= names_of(f)[0]),
    ("a condition was not tested; `rows[0]['disturbed']` lists them", lambda f: set(f()[2]) <= names_of(f)[1]),
    ("a policy stands on both sides", lambda f: not set(f()[0]) & set(f()[1])),
    ("that is one of the eight; find your own", lambda f: not old(f)),
    right="a hypothesis that the rule can decide; the next cell does",
)

# %%
if (mine := attempt(my_hypothesis)) is not None:
    found = lead([r for r in rows if r["training"] == "one rate"], *mine)
    print(f"difference in the share kept: {found}, {found.runs} seeds: {verdict(found)}")

# %% [markdown]
# A hypothesis that was found in the figures and is tested on the same runs is not a test. It is a search: among many
# comparisons some look good by luck. To be sure you would need new seeds.
#
# ## 8. Train for it
#
# There is another way to robustness than the network: train in the world that you expect. `disturb` works in training
# too. A live experiment: the same LTC, the same number of steps, once as usual and once with a third of the
# observations lost.
#
# *Predict.* With half of the observations lost in the test: how long do the two balance?

# %% tags=["prelude"]
def balancer(seed=0, steps=None, **disturb):
    """An LTC of 8 neurons, trained on the pole with hidden velocities under `disturb`."""
    envs = cl.make("InvertedPendulum-v5", 16, seed=1000 * seed, hide="velocities", disturb=disturb)
    config = cl.PPOConfig.recommended("InvertedPendulum-v5", cell=dict(name="ltc", neurons=8), minibatch_size=128, seed=seed)
    return cl.train(cl.PPO(envs, config), steps or cl.budget(smoke=2_048, lite=60_000, full=120_000), progress=False).policy


def balanced(policy, episodes=20, seed=50, **disturb):
    """Mean steps that the pole stays up under `disturb`, of 1,000."""
    return run_episodes(policy, cl.make("InvertedPendulum-v5", episodes, seed=seed, hide="velocities", disturb=disturb), seed=seed).mean


# %%
trained = {"as usual": balancer(), "a third lost": balancer(drop=0.33)}
for name, policy in trained.items():
    kept = {p: balanced(policy, drop=p) for p in (0.0, 0.25, 0.5)}
    print(f"trained {name:13s}" + ", ".join(f"{p:.0%} lost: {steps:5.0f} steps" for p, steps in kept.items()))
    cl.see("left with half lost", kept[0.5] / kept[0.0], (0.0, 0.5) if name == "as usual" else (0.5, 1.5))

# %% [markdown]
# *What you should see.* One seed each, so no more than a hint. With half of the observations lost, the first falls
# several times earlier than without. The second keeps most of its steps.
#
# ### Exercise 10.7: make it last (open)
# Half of all observations are lost, and what arrives is a step late. Train a policy that keeps the pole up for 100 steps
# on average. You may choose the cell, the disturbances of training, the settings; the task must hide its velocities. The
# check trains nothing: it plays what your function returns.

# %% nbgrader={"grade": false, "grade_id": "ex-10-7", "locked": false, "schema_version": 3, "solution": true, "task": false}
def tough_policy():
    """-> a trained policy for InvertedPendulum-v5 with hidden velocities"""
    ### BEGIN SOLUTION
    return balancer(drop=0.4, delay=1)
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-10-7", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
#@title Check 10.7
from functools import lru_cache


@lru_cache
def steps_up(answer):
    return balanced(answer(), episodes=40, seed=900, drop=0.5, delay=1)


wanted = cl.budget(smoke=1, lite=100, full=100)
check_that(
    "10.7", "tough_policy",
    ("return a policy (`run.policy`), which sees 2 numbers and gives 1", lambda f: getattr(f(), "obs_dim", None) == 2),
    (f"it falls too early: {wanted} steps are asked for. What is lost in training? Is it late in training, too?", lambda f: steps_up(f) >= wanted),
    right="it lasts",
)

# %% [markdown]
# ## 9. Play with it
#
# Choose a policy, a disturbance and its size. Left the world as in training, right the changed one. Where nobody can
# click, one choice is shown.

# %%
panel.panel({name: cl.load(f"robust_{name}") for name in ("ltc", "gru", "cfc", "mlp")}, "motor strength (times)", 0.5, seconds=cl.budget(smoke=0.5, lite=5.0, full=5.0))

# %% [markdown]
# ## 10. What to say about liquid networks, and what not
#
# **Say** which task, which disturbance, which measure, how many seeds, and the interval: "on HalfCheetah with hidden
# velocities, at twice the control rate, ten seeds of an LTC kept so much of their return, ten of a GRU of the same size so
# much, and the interval of the difference is this". That is a sentence that someone can check.
#
# **Say** that a continuous-time cell can be told the length of a step. It is a property of the equation, and needs no
# experiment. Whether it helps is a question of the task: on the pole it cannot, where half the rate is too slow for anyone.
#
# **Say** that the solver belongs to the policy. A policy file without its solver is not complete.
#
# **Do not say** "robust" without "against what". The verdicts above differ between disturbances.
#
# **Do not say** "better" where parameters, steps or settings differ, or from one seed.
#
# **Do not say** "worse" of what cannot be told. An interval that holds 0 and what matters says that you need more seeds.
#
# ## How well did you predict?

# %%
cl.calibration("10")

# %% [markdown]
# ## Summary
# - A disturbance changes what is seen, how often the policy acts, or what actions do. Each needs its own test.
# - At another control rate, γ and the reward are rescaled; else the task has changed, not the policy.
# - Robustness is a share of the undisturbed return. Report the return beside it: who fails anyway has nothing to lose.
# - Hypotheses, the smallest difference that matters and the number of seeds come before the runs.
# - Equal parameters, equal steps, equal settings. Then an interval decides, and "cannot be told" is an answer.
#
# ### What goes wrong, and how it looks
# | what you see | what it often is |
# |---|---|
# | a policy "gains" at twice the rate | the return was not divided by the rate |
# | the share is above 1 with noise | the policy had not learned the task: compare returns first |
# | an interval of three seeds that excludes 0 | a bootstrap of three values is their range |
# | everything is significant | episodes were counted as runs: seeds are the unit |
# | a wiring wins by far | it has another number of parameters, or one lucky seed |
#
# ### Further reading
# - Agarwal et al. (2021), *Deep reinforcement learning at the edge of the statistical precipice*: sections 3 and 4.
# - De Asis and Sutton (2024), arXiv 2406.14951: the discrete return at other time steps.
# - Lechner et al. (2020), *Neural circuit policies enabling auditable autonomy*: the wiring of section 5.
# - Tumma et al. (2024), *Leveraging low-rank and sparse recurrent connectivity for robust closed-loop control*.
# - Hasani et al. (2021, 2022): LTC and CfC, as in notebook 03.
