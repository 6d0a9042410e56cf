# %% [markdown]
# # Looking inside: hidden states
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/liquid-control/liquid-control/blob/main/notebooks/07_hidden_states.ipynb)
#
# Eight numbers stand between what a liquid network sees and what it does. In this notebook you open them up: watch them
# while the pole is pushed, freeze them and ask what the network would do elsewhere, find the states it would rest in,
# hold single neurons still and play the same episode again. One slider drives all of it.

# %% [markdown]
# **You will be able to**
# 1. compute the effective time constants of a liquid network, and say what makes them short or long;
# 2. read a phase portrait of policy and value at a frozen memory, and tell memory from reflex;
# 3. find the fixed points of a cell, linearise there, and turn eigenvalues into a length of memory;
# 4. show that a network has computed a velocity it was never given;
# 5. design an ablation, predict it, and say what it does not prove.
#
# **Before you start.** Notebook 03 (cells and solvers) and 04 (a liquid network balances a pole); eigenvalues.
#
# **Time** on 2 cores: smoke (a test that every cell runs) under 1 minute; lite (the default) about 1 minute of
# computing; full 2 minutes. Nothing is trained: the policies ship with the course.

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
# An LTC network of eight neurons balances the pole and is pushed three times, hard. **Drag the slider**, or press ▶: video,
# states, time constants and phase portraits move together. **Click a neuron** to hold it still: the episode is played again without it. Where
# widgets do not run (on GitHub, in print) the picture shows one moment.

# %%
from course_lib.viz.states.explorer import Explorer

policy = cl.load("pendulum_ltc")
pushes = {30: 2.0, 60: -2.0, 90: 2.0}  # control step -> added to the action there, in units of 100 N
explorer = Explorer(policy, seed=3, steps=120, step=32, pushes=pushes, reset_noise_scale=0.05)
explorer

# %% [markdown]
# *Look at* the yellow dot in the four portraits, where the robot is, and at the dashed line, where the policy would not
# push at all. Right after a push the line itself moves: the same observation now means something else, because the
# network remembers. The rest of the notebook takes this picture apart.

# %% tags=["prelude"]
import numpy as np

import course_lib as cl
from course_lib.course.exercises import attempt, check, check_that
from course_lib.evaluation.returns import run_episodes
from course_lib.viz.states import phase, state_figures, states
from course_lib.viz.states.fixed_points import fixed_points, settle


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# %% [markdown]
# ## 1. One episode, opened up
#
# At every control step the cell takes its state $h$ and the normalised observation $x$ to a new state; a linear
# readout makes the action:
#
# $$h_t = F(h_{t-1}, x_t), \qquad a_t = W_a h_t + b_a. \tag{7.1}$$
#
# `states.record` plays an episode and keeps all of it.

# %%
record = states.record(policy, seed=3, steps=120, pushes=pushes, reset_noise_scale=0.05)
print("observations  ", record.observations.shape, ", ".join(record.names))
print("hidden states ", record.states.shape)
print("time constants", record.time_constants.shape)
print("actions       ", record.actions.shape, ", ".join(record.action_names))

# %% [markdown]
# *Predict.* A push lasts one control step. For how many steps will the hidden state show it?

# %%
state_figures.episode_figure(record)

# %% [markdown]
# *Look at* the rows of the heat map at the green triangles, where the pushes are. *What you should see.* A stripe in
# several neurons at once, gone after 5 to 25 steps; in between, slow drifts that follow the cart. Few neurons stand
# still, few are alone in what they do.

# %% [markdown]
# ## 2. Liquid time constants
#
# Between two observations an LTC solves (Hasani et al. 2021, eq. 1)
#
# $$\dot h = -\Bigl[\frac1\tau + f(h, x)\Bigr] h + f(h, x)\,A, \qquad f = \sigma(W h + U x + b). \tag{7.2}$$
#
# The bracket is a rate of decay. If $f$ stood still, a disturbance of neuron $i$ would fall to $1/e$ in the time
#
# $$\tau^{\text{eff}}_i = \frac{1}{1/\tau_i + f_i(h, x)}. \tag{7.3}$$
#
# It is a property of the moment, not of the neuron: that is what *liquid* means. Time is counted in control steps.
#
# *Predict.* $f$ lies between 0 and 1. Between which bounds must $\tau^{\text{eff}}$ lie, for a neuron with $\tau = 4$?

# %%
tau = policy.cell.tau.detach().numpy()
print("neuron        ", *[f"{k:6d}" for k in range(record.neurons)])
for name, row in (
    ("τ             ", tau),
    ("longest τ_eff ", record.time_constants.max(0)),
    ("shortest τ_eff", record.time_constants.min(0)),
    ("1 / (1/τ + 1) ", 1 / (1 / tau + 1)),
):
    print(name, *[f"{value:6.2f}" for value in row])

# %% [markdown]
# *What you should see.* Every column falls from top to bottom: $\tau$ is the upper bound, never reached, and the last
# line the lower one. (For $\tau = 4$: between 0.8 and 4.) A neuron whose two middle numbers differ by a factor of 2 or more
# changes its speed during the episode; one whose $f$ hardly moves could as well be a plain leaky integrator.
#
# ### Exercise 7.1: effective time constants (fill in)
# Write (7.3) for one moment, from the weights.

# %% nbgrader={"grade": false, "grade_id": "ex-07-1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def time_constants(h, x, W, U, b, tau):
    """State h (n,), input x (m,), W (n, n) [to, from], U (n, m), b, tau (n,) -> eq. (7.3), (n,)."""
    ### BEGIN SOLUTION
    f = sigmoid(W @ h + U @ x + b)
    return 1 / (1 / tau + f)
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-07-1", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
#@title Check 7.1
def cell_at(seed, n=4, m=3):
    rng = np.random.default_rng(seed)
    W, U = rng.normal(size=(n, n)), rng.normal(size=(n, m))
    return rng.normal(size=n), rng.normal(size=m), W, U, rng.normal(size=n), rng.uniform(0.5, 4, n)


def by_decay(h, x, W, U, b, tau):  # f frozen: (7.2) is a straight line in h, and its slope is the rate
    f = sigmoid(W @ h + U @ x + b)
    line = [-(1 / tau + f) * each + f for each in (h, h + 1)]
    return 1 / (line[0] - line[1])


check(
    "7.1", "time_constants", oracle=by_decay, cases=[cell_at(0), cell_at(1), cell_at(2)],
    mistakes={
        "that is the rate of decay; a time constant is one over it": lambda h, x, W, U, b, t: 1 / t + sigmoid(W @ h + U @ x + b),
        "rates add up, times do not: 1/τ belongs under the bar": lambda h, x, W, U, b, t: 1 / (t + sigmoid(W @ h + U @ x + b)),
        "f is a sigmoid, always positive; tanh could make the rate negative": lambda h, x, W, U, b, t: 1 / (1 / t + np.tanh(W @ h + U @ x + b)),
        "W is [to, from]: neuron i collects row i, W @ h": lambda h, x, W, U, b, t: 1 / (1 / t + sigmoid(W.T @ h + U @ x + b)),
        "the state h is missing from f: neurons hear each other too": lambda h, x, W, U, b, t: 1 / (1 / t + sigmoid(U @ x + b)),
    },
)

# %% [markdown]
# The library's cell says the same at every step of the episode:

# %%
weights = [w.detach().numpy() for w in (policy.cell.recurrent_weight, policy.cell.input_weight, policy.cell.bias)]
f = sigmoid(record.states @ weights[0].T + record.x.numpy() @ weights[1].T + weights[2])
print(f"largest difference {np.abs(1 / (1 / tau + f) - record.time_constants).max():.0e}")

# %% [markdown]
# *What you should see.* Rounding, below 1e-5.

# %% [markdown]
# ## 3. Portraits at a frozen memory
#
# What would the network do if the pole were somewhere else *right now*? Keep the memory $h_{t-1}$ as it is, imagine
# another observation $x$, and take one step:
#
# $$a_t(x) = W_a\,F(h_{t-1}, x) + b_a. \tag{7.4}$$
#
# Drawn over the pole's angle and angular velocity, the other two observations as they are at that moment, this is
# a phase portrait of the policy; the same with the critic is one of the value.
#
# *Predict.* A network without memory is a function of the observation. How would these portraits differ from step to step
# for such a network? (The cart moves on.)

# %%
state_figures.portrait_figure(policy, record, steps=[29, 31, 33, 50])

# %% [markdown]
# *Look at* the dashed line, where the policy does not push, just before the push (step 30), right after it, and later.
# *What you should see.* Red above, blue below: the policy pushes the way the pole is falling. The line moves and turns after the
# push and comes back. Part of that is the cart, which is elsewhere; the next cell takes the cart out.

# %%
spread = phase.memory_spread(policy, record, {0: 0.0, 1: 0.0, 2: 0.0, 3: 0.0})[:, 0]
print(f"the pole upright and still in the middle: with {len(spread)} memories the push ranges from {spread.min():+.2f} to {spread.max():+.2f}")
print(f"what it really pushed in the episode:                  from {record.actions.min():+.2f} to {record.actions.max():+.2f}")

# %% [markdown]
# *What you should see.* One observation, a whole range of actions: a tenth or more of the range of the
# episode. That part is memory; a network without one would give the same number 120 times.
#
# ### Response maps
# Turn it around: keep the moment, change one neuron's own state from -1 to 1, and see what one control step adds to it,
# for every angle of the pole.
#
# *Predict.* Equation (7.2) pulls a neuron to rest. On which side of the dashed line (no change) must the colour be
# negative?

# %%
state_figures.response_figure(policy, record, step=32, feature=1)

# %% [markdown]
# *Look at* the slope of the dashed lines, where each neuron would rest. *What you should see.* Change is negative above
# the line and positive below: alone, every neuron comes to rest. A flat line is a neuron that does not care about the
# angle; a steep one follows it. Where the colour is pale over a wide band the neuron is slow.

# %% [markdown]
# ## 4. What do the neurons tell?
#
# The simplest question first: which neuron goes along with which observation? For a fair sample we push at random.

# %%
kicks = states.random_pushes(steps=600, every=15, size=1.5, seed=0)
long = states.record(policy, seed=1, steps=600, pushes=kicks)
state_figures.correlation_figure(long)

# %% [markdown]
# *What you should see.* Hardly a row or a column with a single dark field: what the network knows is spread over
# several neurons, and every neuron mixes several things. Correlation of a neuron with an observation is not
# yet evidence that the policy uses it; section 6 asks that.
#
# ### How many directions?
# If every neuron mixes, perhaps mixtures of neurons are the better coordinates. Principal components are the directions
# in which the states vary most. *Predict.* Eight neurons, four observations: how many components will hold 95 % of the
# variance?

# %%
components = states.pca(long.states)
print("share of the variance:", components.share.round(3))
print("components for 95 %:  ", int((np.cumsum(components.share) < 0.95).sum()) + 1)

# %% [markdown]
# *What you should see.* Two to five. The states move on a sheet of few dimensions, about as many as the task has.
#
# ### A velocity nobody gave
# Now a policy that balances the pole without being shown any velocity: it sees position and angle only. A single
# observation cannot tell whether the pole falls or rises. If the network balances, the velocity must be in its state.
#
# *Predict.* A straight-line readout of the eight states, fitted on the first half of an episode: which share of the
# angular velocity's variance (R²) will it explain in the second half? And a readout of the two observations?

# %%
blind = cl.load("masked_pendulum_ltc")
gentle = states.random_pushes(steps=600, every=15, size=0.4, seed=0)  # it notices a push one step later than a policy that sees rates
seen = states.record(blind, seed=3, steps=600, pushes=gentle)
rate = seen.truth[:, 3]
guesses = {"from the state": states.decode(seen.states, rate), "from the observation": states.decode(seen.observations, rate)}
state_figures.decoding_figure(seen, guesses, "angular velocity (rad/s)", steps=slice(300, 420))

# %% [markdown]
# *What you should see.* From the state an R² of 0.6 or more; from the observation about 0. The network has learnt to
# differentiate: a neuron that follows the angle slowly and one that follows it fast differ by about the
# velocity. (R² can be below 0: worse than guessing the mean.)

# %%
state_figures.correlation_figure(seen)

# %% [markdown]
# *Look at* the rows marked hidden. No single neuron need be the velocity; the readout above found it in a mixture.

# %% [markdown]
# ## 5. Where would it come to rest?
#
# Hold the observation still, as if the world had stopped, and let the network run on. A state that stays is a
# **fixed point**: $F(h, x) = h$, for an ODE cell the same as
#
# $$\dot h = 0. \tag{7.5}$$
#
# `fixed_points` solves that with Newton's method from many starts.
#
# *Predict.* How many fixed points does the trained network have at the last observation of the episode: none, one, several?

# %%
found = fixed_points(policy.cell, record.x[-1], starts=record.states[::10])
print(found)

# %% [markdown]
# *What you should see.* For a network that balances a pole, as a rule one, and stable: whatever it remembers, it forgets
# if nothing happens, in a few steps. A pole needs no more. Close to a fixed point the network is linear: a small
# disturbance $\delta$ follows
#
# $$\dot\delta = J\,\delta, \qquad J_{ij} = \frac{\partial \dot h_i}{\partial h_j}, \tag{7.6}$$
#
# and dies away if all eigenvalues of $J$ have negative real parts.
#
# ### Exercise 7.2: the Jacobian of an LTC (a derivation, checked numerically)
# Differentiate (7.2) by $h_j$. Two hints: $\sigma' = \sigma(1-\sigma)$, and $h_i$ stands in the bracket's
# factor *and*, through $W$, inside $f$.

# %% nbgrader={"grade": false, "grade_id": "ex-07-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ltc_jacobian(h, x, W, U, b, tau, A):
    """h, b, tau, A (n,), x (m,), W (n, n) [to, from], U (n, m) -> J (n, n) of eq. (7.6)."""
    ### BEGIN SOLUTION
    f = sigmoid(W @ h + U @ x + b)
    return -np.diag(1 / tau + f) + ((A - h) * f * (1 - f))[:, None] * W
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-07-2", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 7.2
def ltc_at(seed, n=3, m=2):
    rng = np.random.default_rng(seed)
    return *(rng.normal(size=shape) for shape in (n, m, (n, n), (n, m), n)), rng.uniform(0.5, 3, n), rng.normal(size=n)

def flow(h, x, W, U, b, tau, A):
    gate = sigmoid(W @ h + U @ x + b)
    return -(1 / tau + gate) * h + gate * A

def by_differences(h, x, *rest, e=1e-5):
    return np.stack([(flow(h + e * u, x, *rest) - flow(h - e * u, x, *rest)) / (2 * e) for u in np.eye(len(h))], axis=1)

def slip(of_decay, of_synapses):  # a mistake: the two parts of J, one put wrong
    def wrong(h, x, W, U, b, tau, A):
        f = sigmoid(W @ h + U @ x + b)
        return of_decay(f, tau) + of_synapses(f, W, h, A)
    return wrong

decay, gates = (lambda f, t: -np.diag(1 / t + f)), (lambda f, W, h, A: ((A - h) * f * (1 - f))[:, None] * W)
check(
    "7.2", "ltc_jacobian", oracle=by_differences, cases=[ltc_at(0), ltc_at(1), ltc_at(2)], tolerance=1e-5,
    mistakes={
        "the synapses are missing: f depends on h through W": slip(decay, lambda f, W, h, A: 0.0),
        "f stands in the bracket too, so its slope is multiplied by A - h, not by A alone": slip(decay, lambda f, W, h, A: (A * f * (1 - f))[:, None] * W),
        "the slope of the sigmoid is f (1 - f)": slip(decay, lambda f, W, h, A: ((A - h) * f)[:, None] * W),
        "the factors A - h and f belong to the neuron that is driven, so to rows": slip(decay, lambda f, W, h, A: ((A - h) * f * (1 - f))[None, :] * W),
        "W is [to, from] already; it must not be transposed": slip(decay, lambda f, W, h, A: ((A - h) * f * (1 - f))[:, None] * W.T),
        "the decay is 1/τ + f; f is missing on the diagonal": slip(lambda f, t: -np.diag(1 / t), gates),
    },
)

# %% [markdown]
# ### From eigenvalues to memory
# The network does not follow (7.6) but steps: from one control step to the next, $\delta_{t+1} = M\,\delta_t$ with
# $M = \partial F/\partial h$. Its eigenvalues say which share of a disturbance is left after one step, so *inside the unit
# circle* means stable; for the exact ODE $M = e^{J}$.

# %%
state_figures.eigenvalue_figure(found, "at the last observation")

# %% [markdown]
# *Look at* the dot furthest from 0: it decides how long anything is remembered.
#
# ### Exercise 7.3: how long does it remember? (fill in)
# The slowest disturbance shrinks by $|\lambda|_{\max}$ a step. After how many steps is $1/e$ of it left?

# %% nbgrader={"grade": false, "grade_id": "ex-07-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def memory_steps(M):
    """M (n, n): Jacobian of the step map at a stable fixed point -> control steps until 1/e is left, a number."""
    ### BEGIN SOLUTION
    return -1 / np.log(np.abs(np.linalg.eigvals(M)).max())
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-07-3", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
#@title Check 7.3
def stable_map(seed, largest, n=5):
    rng = np.random.default_rng(seed)
    M = rng.normal(size=(n, n))
    return M * largest / np.abs(np.linalg.eigvals(M)).max()


def by_stepping(M, skip=300, steps=600):  # disturb, let the start be forgotten, watch the rest shrink
    size = [np.linalg.norm(np.linalg.matrix_power(M, k)) for k in (skip, skip + steps)]
    return -steps / np.log(size[1] / size[0])


def leading(M, pick=np.max, of=np.abs):
    return pick(of(np.linalg.eigvals(M)))


check(
    "7.3", "memory_steps", oracle=by_stepping, tolerance=0.01,
    cases=[(np.diag([0.5, 0.9, -0.2]),), (stable_map(0, 0.8),), (stable_map(1, 0.95),)],
    mistakes={
        "that is the fastest direction; the slowest decides what is remembered": lambda M: -1 / np.log(leading(M, np.min)),
        "that is the half-life; asked is the time to 1/e": lambda M: np.log(0.5) / np.log(leading(M)),
        "that rule is for the flow, J; a step map multiplies, so take a logarithm": lambda M: -1 / leading(M, of=np.real),
        "only nearly: 1/(1 - |λ|) is the first term; the logarithm is exact": lambda M: 1 / (1 - leading(M)),
        "the sign: log of a number below 1 is negative, a time is not": lambda M: 1 / np.log(leading(M)),
    },
)

# %% [markdown]
# ### Chasing a moving target
# In the episode the observation never stands still, so the fixed point moves. `settle` finds, for every step, where the
# network would come to rest if that observation stayed.
#
# *Predict.* Will the state sit on its fixed point, run ahead of it, or lag behind?

# %%
targets = settle(policy.cell, record.x, record.states)
state_figures.component_figure(record, targets)

# %% [markdown]
# *Look at* the grey lines from each state to the fixed point of that moment. *What you should see.* Long lines right after the
# pushes, short ones in calm stretches: the state runs after a target that the world moves. With a memory of a few steps
# it lags by a few steps. That lag is what the network knows of the past.

# %% [markdown]
# ## 6. Ablation: what is each neuron for?
#
# Hold one neuron still and let the rest do the work. Still *where*? At 0, we also take away its average, which acts like a
# constant push. At its mean, we take away only its variation. The two questions have different answers.
#
# ### Exercise 7.4: predict the damage (an experiment with a hypothesis)
# Hypothesis: the damage is how much the action changes, at once, through the readout. Compute it from the recording alone:
# the root of the mean square, over time, of the change in $a = W_a h + b_a$ when neuron $k$ alone stands at `value`.

# %% nbgrader={"grade": false, "grade_id": "ex-07-4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def suspicion(weight, states, value):
    """weight (n,), states (T, n), value (n,): where each neuron would stand -> (n,), one number for each."""
    ### BEGIN SOLUTION
    return np.abs(weight) * np.sqrt(np.mean((states - value) ** 2, axis=0))
    ### END SOLUTION


# %%
w, mean = policy.readout.weight.detach().numpy()[0], long.states.mean(0)
trials = {"pushes": kicks, "episodes": cl.budget(smoke=2, lite=8, full=32)}
at_zero = states.ablation_returns(policy, **trials)
state_figures.ablation_figure(at_zero, attempt(suspicion, w, long.states, 0 * mean), trials["episodes"], "held at 0")

# %% [markdown]
# *Look at* whether the low bars are under the high dots. *What you should see.* Some neurons can be held at 0 and
# nothing happens; with one or more others the pole falls within a second or two. High dots and low bars mostly belong together, not always:
# the dots know nothing of neurons that act through other neurons, nor of what the others do to make up for it.

# %%
at_mean = states.ablation_returns(policy, at=dict(enumerate(mean)), **trials)
state_figures.ablation_figure(at_mean, attempt(suspicion, w, long.states, mean), trials["episodes"], "held at its own mean")

# %% [markdown]
# *What you should see.* Less damage than before. A neuron that is missed only at 0 was needed for its average,
# not for what it tells.

# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-07-4", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
#@title Check 7.4
def by_doing(weight, h, value):  # put every neuron there in turn, and read the action out again
    found = []
    for k in range(len(weight)):
        changed = h.copy()
        changed[:, k] = value[k]
        found.append(np.sqrt(np.mean((changed @ weight - h @ weight) ** 2)))
    return np.array(found)


def recording(seed, at, T=50, n=4):
    rng = np.random.default_rng(seed)
    h = rng.normal(size=(T, n)) * rng.uniform(0.1, 1, n) + rng.normal(size=n)
    return rng.normal(size=n), h, h.mean(0) if at == "mean" else np.full(n, at)


check(
    "7.4", "suspicion", oracle=by_doing, cases=[recording(0, 0.0), recording(1, 0.5), recording(2, "mean")],
    right="and the pole has told you how far the hypothesis goes",
    mistakes={
        "a standard deviation is about the mean; the neuron is held at `value`": lambda w, h, v: np.abs(w) * h.std(0),
        "that is a neuron held at 0, wherever `value` is": lambda w, h, v: np.abs(w) * np.sqrt((h**2).mean(0)),
        "a neuron with a weight of 0 cannot change the action; the weight is missing": lambda w, h, v: np.sqrt(((h - v) ** 2).mean(0)),
        "the size of a change has no sign: |w|": lambda w, h, v: w * np.sqrt(((h - v) ** 2).mean(0)),
        "changes up and down cancel in this mean; square them first": lambda w, h, v: np.abs(w * (h - v).mean(0)),
    },
)

# %% [markdown]
# The neuron that is missed most, in the explorer. (On your machine the first explorer above is the same one: it moves along.)

# %%
worst = int(at_zero[:-1].argmin())
explorer.ablate({worst: 0.0})
explorer

# %% [markdown]
# *Look at* the grey line in the panel below, the action of the whole network, and at where the orange one leaves it. In the portraits the
# dashed line has moved away from the middle: with the constant missing, the network believes that the pole leans.
#
# *Predict.* Hold the neuron with the least suspicion at its mean, then the two with the least, then three, …: with how many
# still does the pole stand?

# %%
explorer.ablate({})
order = np.argsort(np.abs(w) * long.states.std(0))
envs = cl.make(policy.env_id, num_envs=trials["episodes"], seed=0, **policy.env_options)
for count in range(record.neurons + 1):
    held = {int(k): float(mean[k]) for k in order[:count]}
    with states.held_at(policy, held):
        print(f"{count} held: stands {run_episodes(policy, envs).mean:6.0f} steps    {sorted(held)}")

# %% [markdown]
# *What you should see.* It stands with at least one neuron less. Then the time it stands falls, in few steps or all at once, to a
# second or two. Each of these neurons could be spared, all together they cannot: they stand in for each other. An ablation that does
# nothing does not prove that the neuron does nothing.

# %% [markdown]
# ## 7. The graph
#
# All the weights at once: from the observations through the neurons to the action.

# %%
cl.topology(policy, observation_names=record.names, action_names=record.action_names, activations=record.states[32])

# %% [markdown]
# *Look at* the widest synapses into the action, and then at what drives the neurons they start from. A weight is
# what a synapse *could* do; the suspicion of section 6 multiplied it by what the neuron does.

# %% [markdown]
# ## 8. The same for the cheetah
#
# A bigger cell runs a cheetah whose joint velocities are hidden. The tools are the same.

# %%
cheetah = cl.load("halfcheetah_masked_ltc")
run = Explorer(cheetah, seed=0, steps=cl.budget(smoke=20, lite=120, full=120), step=15, action=0)
run

# %% [markdown]
# *Look at* the heat map: a gait is a pattern that comes back several times a second.
#
# *Predict.* A pole at rest is a point in the plane of the first two components. What is a gait?

# %%
gait = states.record(cheetah, seed=0, steps=cl.budget(smoke=60, lite=400, full=400))
state_figures.component_figure(gait, steps=slice(-60, None))

# %% [markdown]
# *Look at* the last 3 seconds, on the right. *What you should see.* A cycle: the path goes round, or, with few control steps in a
# stride, hops from side to side, and keeps coming back to the same places. How often?

# %%
score = states.pca(gait.states).scores[:, 0]
power = np.abs(np.fft.rfft(score - score.mean())) ** 2
often = np.fft.rfftfreq(len(score), gait.dt)[power.argmax()]
print(f"component 1 swings {often:.1f} times a second, once in {1 / (often * gait.dt):.1f} control steps")

# %% [markdown]
# *What you should see.* 1 to 7 times a second, a stride or half of one: a limit cycle of network and body together. At a frozen
# observation the network alone need not swing at all:

# %%
print(fixed_points(cheetah.cell, cheetah.encoder(gait.x[-1]), starts=gait.states[::20], tries=cl.budget(smoke=4, lite=32, full=64)))

# %% [markdown]
# *What you should see.* Usually a stable fixed point, here too. Then the rhythm is made by the loop through the body, not by the
# network alone. And the hidden joint velocities?

# %%
state_figures.correlation_figure(gait)

# %%
for i, name in enumerate(gait.truth_names):
    if name not in gait.names:
        print(f"{name:28s} R² {states.decode(gait.states, gait.truth[:, i])[0]:5.2f}")

# %% [markdown]
# *What you should see.* The hidden rows are paler than the others: hardly a neuron is a joint velocity by itself. And yet most R² are
# above 0.4: in mixtures, most of the joint velocities are there.
#
# ## 9. A neuron that never forgets
# With one fixed point nothing is kept for long: everything decays to it. A network that should remember *that something
# happened* needs two. One neuron is enough:
#
# $$\dot h = -\Bigl[\frac1\tau + f\Bigr] h + f A, \qquad f = \sigma(w\,h + b). \tag{7.7}$$
#
# ### Exercise 7.5: one bit (open)
# Find $w$, $b$, $\tau$ and $A$ such that this neuron has two stable states at least 0.1 apart. Then ask: how large
# must a bump in the state be to switch it? What does a disturbance of $b$ (an input) do? Which of the two costs energy in an animal?
# Note what you tried.

# %% nbgrader={"grade": false, "grade_id": "ex-07-5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def one_bit():
    """-> (w, b, tau, A) of eq. (7.7), four numbers."""
    ### BEGIN SOLUTION
    return 40.0, -10.0, 1.0, 1.0  # rests at 0 with f near 0, and at A τ / (1 + τ) = 1/2 with f near 1; threshold 1/4
    ### END SOLUTION


# %% tags=["prelude"]
def bit_rate(h, w, b, tau, A):
    """Eq. (7.7): dh/dt of a single neuron."""
    f = sigmoid(w * h + b)
    return -(1 / tau + f) * h + f * A


# %%
neurons = {"no synapse": (0.0, 0.0, 1.0, 1.0), "a weak one": (8.0, -2.0, 1.0, 1.0), "yours": attempt(one_bit)}
fields = {name: (lambda h, p=p: bit_rate(h, *p)) for name, p in neurons.items() if p is not None}
state_figures.flow_figure(fields)

# %% [markdown]
# *Look at* the dots: filled ones attract, hollow ones repel. A neuron between two filled dots decides for one of them.

# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-07-5", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 7.5
def rests(answer):
    """Stable states: where dh/dt changes from + to -."""
    w, b, tau, A = answer()
    h = np.linspace(min(0.0, A) - 0.05, max(0.0, A) + 0.05, 20_001)
    rate = bit_rate(h, w, b, tau, A)
    return h[:-1][(rate[:-1] > 0) & (rate[1:] <= 0)]


check_that(
    "7.5", "one_bit",
    ("the answer is four finite numbers: w, b, tau, A", lambda f: np.shape(f()) == (4,) and np.isfinite(f()).all()),
    ("τ is a time: it must be positive", lambda f: f()[2] > 0),
    ("w and A have opposite signs: the more the neuron fires, the more it silences itself", lambda f: f()[0] * f()[3] > 0),
    ("only one stable state: the synapse onto itself must be stronger, and b such that f is nearly 0 at rest and nearly 1 when excited", lambda f: len(rests(f)) == 2),
    ("the two states are less than 0.1 apart: raise A or τ", lambda f: np.ptp(rests(f)) >= 0.1),
    right="one neuron, one bit, kept for ever",
)

# %% [markdown]
# ## Summary
# - A liquid network's time constants follow from the moment, (7.3), and lie between $\tau/(1+\tau)$ and $\tau$.
# - At a frozen memory a recurrent policy is a map that can be drawn, (7.4). How the map moves is what it remembers.
# - States live on few dimensions, and hold what the policy needs, even what it was never shown.
# - Fixed points and eigenvalues say what is remembered, and how long. One stable point: a filter. Two: a switch.
# - Ablation tests a cause, in one context. Hold at 0 and at the mean, predict first, and remember that neurons stand in
#   for each other.
#
# ### What goes wrong, and how it looks
# | what you see | what it often is |
# |---|---|
# | a neuron that correlates with the velocity, and is not missed | a by-product; correlation is not use |
# | ablation at 0 kills, at the mean it does not | the neuron's average is part of the bias |
# | portraits that flicker from step to step | colour ranges that follow each picture; fix them over the episode |
# | no fixed point is found | too few starts, or a cell that counts on (a neural ODE without decay can) |
# | R² of a readout is near 1 in the fit and below 0 afterwards | an episode with too little going on: push more |
# | the first component is time itself | a slow drift of the cart; look at the second and third, or start later |
#
# ### Further reading
# - R. Hasani, M. Lechner, A. Amini, D. Rus, R. Grosu, "Liquid time-constant networks", *AAAI* 2021: section 2 (the cell),
#   theorem 1 (bounds of the time constant).
# - D. Sussillo, O. Barak, "Opening the black box: low-dimensional dynamics in high-dimensional recurrent neural
#   networks", *Neural Computation* 25, 2013: fixed points by optimisation.
# - K. Funahashi, Y. Nakamura, "Approximation of dynamical systems by continuous time recurrent neural networks",
#   *Neural Networks* 6, 1993.
# - R. D. Beer, "On the dynamics of small continuous-time recurrent neural networks", *Adaptive Behavior* 3, 1995: one and two
#   neurons, exhaustively.
# - S. H. Strogatz, *Nonlinear Dynamics and Chaos*, 2nd ed., 2015: chapters 2 and 6.
