# %% [markdown]
# # Looking inside: hidden states
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/liquid-control/liquid-control/blob/main/notebooks/07_hidden_states.ipynb)
#
# Eight numbers stand between what a liquid network sees and what it does. In this notebook you open them up: watch them
# while the pole is pushed. You freeze them and ask what the network would do elsewhere. You find the states it would
# rest in. You hold single neurons still and play the same episode again. One slider drives all of it.

# %% [markdown]
# **You will be able to**
# 1. compute the effective time constants of a liquid network, and what its solver makes of them in one step;
# 2. read a phase portrait of policy and value at a frozen memory, and tell memory from reflex;
# 3. find the fixed points of a cell, linearise there, turn eigenvalues into a length of memory, and tell the memory of
#    the network from that of the loop through the body;
# 4. show that a network has computed a velocity it was never given;
# 5. design an ablation, predict it, and say what it does not prove.
#
# **Before you start.** Notebook 03 (cells and solvers) and 04 (a liquid network balances a pole); eigenvalues.
#
# **Time** on 2 cores: smoke (a test that every cell runs) under 1 minute; lite (the default) 1 to 2 minutes of
# computing; full about 4 minutes. Nothing is trained: the policies ship with the course.

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
# *Look at* the yellow dot in the four portraits: the robot is there. On the dashed line the policy would not push at all.
# Right after a push the line itself moves. The same observation now means something else, because the network remembers.
# The rest of the notebook takes this picture apart. In all its maps, negative is blue and positive is red.

# %% tags=["prelude"]
import numpy as np

import course_lib as cl
from course_lib.course.exercises import attempt, check, check_that
from course_lib.course.predictions import compared
from course_lib.lessons.nb07_loops import echoes, frozen_step, lasting, loop_figure, read_out, relabelled, stands
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
cl.predict("07.1", question="control steps until a tenth of the change is left")

# %%
state_figures.episode_figure(record)

# %% [markdown]
# *Look at* the rows of the heat map at the green triangles, where the pushes are. You see a stripe in several neurons at
# once, and after it a slow drift. Few neurons do something that no other does. Rows 2 and 3 hardly change colour. Remember them
# for section 6.
#
# To measure how long a push lasts, play the episode twice: without any push, and with one. How far apart are the states?

# %%
start = {"seed": 3, "steps": 120, "reset_noise_scale": 0.05}
calm = states.record(policy, **start)
pushed = states.record(policy, pushes={30: 2.0}, **start)
closed, alone = echoes(policy, calm, pushed, first=31)  # the first observation that shows the push
cl.see("steps until a tenth is left", lasting(closed), (8, 89), predicted="07.1")

# %% [markdown]
# *What you should see.* Ten steps at least, often many more. Section 5 asks who remembers for so long.

# %% [markdown]
# ## 2. Liquid time constants
#
# Between two observations a liquid time-constant network (LTC) obeys the differential equation (Hasani et al. 2021, eq. 1)
#
# $$\dot h = -\Bigl[\frac1\tau + f(h, x)\Bigr] h + f(h, x)\,A, \qquad f = \sigma(W h + U x + b). \tag{7.2}$$
#
# The bracket is a rate of decay. If $f$ stood still, a disturbance of neuron $i$ would fall to $1/e$ in the *effective
# time constant*
#
# $$\tau^{\text{eff}}_i = \frac{1}{1/\tau_i + f_i(h, x)}. \tag{7.3}$$
#
# It is a property of the moment, not of the neuron. That is what *liquid* means. Time is counted in control steps.
#
# Our network does not solve (7.2) exactly. It takes one step of the **fused solver** (Hasani et al. 2021, eq. 3), a
# semi-implicit Euler step: the decay is taken at the end of the step, $f$ at its beginning. With $\delta = 1$ control step,
#
# $$h_t = \frac{h_{t-1} + \delta f A}{1 + \delta\,[1/\tau + f]}, \qquad f = f(h_{t-1}, x_t). \tag{7.4}$$
#
# So with $f$ frozen, one step leaves the share $1 / (1 + \delta/\tau^{\text{eff}})$ of a disturbance. The exact solution
# would leave $e^{-\delta/\tau^{\text{eff}}}$, which is less.
#
# *Predict.* Neuron 2 has $\tau = 0.23$ control steps. Which share of a disturbance is left in it after one step?

# %%
cl.predict("07.2", question="share that is left, from 0 to 1")

# %%
tau = policy.cell.tau.detach().numpy()
constants = record.time_constants
print("neuron            ", *[f"{k:6d}" for k in range(record.neurons)])
for name, row in (
    ("τ                 ", tau),
    ("longest τ_eff     ", constants.max(0)),
    ("shortest τ_eff    ", constants.min(0)),
    ("1 / (1/τ + 1)     ", 1 / (1 / tau + 1)),
    ("largest share left", (1 / (1 + 1 / constants)).max(0)),
):
    print(name, *[f"{value:6.2f}" for value in row])
cl.see("share left in neuron 2", (1 / (1 + 1 / constants[:, 2])).max(), (0.15, 0.19), predicted="07.2")
cl.see("the same, solved exactly", np.exp(-1 / constants[:, 2]).max(), (0.0, 0.02))
cl.see("longest over shortest τ_eff of a neuron, largest", (constants.max(0) / constants.min(0)).max(), (1.3, 4.0))

# %% [markdown]
# *What you should see.* The first four numbers of a column fall: $\tau$ is the upper bound, never reached, and
# $1/(1/\tau + 1)$ is the lower one, as $f$ lies between 0 and 1. The solver matters: for a fast neuron the fused step keeps
# ten times as much as the exact solution would. A neuron whose $\tau^{\text{eff}}$ changes by a factor of 2 changes its speed
# during the episode. A neuron whose $f$ hardly moves could as well be a leaky integrator.
#
# ### Exercise 7.1: effective time constants (fill in)
# Write (7.3) for one moment, from the weights. Then compute which share of a disturbance one step of (7.4) leaves, with $f$
# frozen and $\delta = 1$.

# %% nbgrader={"grade": false, "grade_id": "ex-07-1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def time_constants(h, x, W, U, b, tau):
    """h (n,), x (m,), W (n, n) [to, from], U (n, m), b, tau (n,) -> eq. (7.3) (n,), share left after one step (n,)."""
    ### BEGIN SOLUTION
    f = sigmoid(W @ h + U @ x + b)
    constants = 1 / (1 / tau + f)
    return constants, 1 / (1 + 1 / constants)
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-07-1", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
#@title Check 7.1
def cell_at(seed, n=4, m=3):
    rng = np.random.default_rng(seed)
    return *(rng.normal(size=shape) for shape in (n, m, (n, n), (n, m), n)), rng.uniform(0.5, 4, n)

def by_decay(h, x, W, U, b, tau):  # f frozen: (7.2) is a straight line in h, and its slope is the rate
    f = sigmoid(W @ h + U @ x + b)
    line = [-(1 / tau + f) * each + f for each in (h, h + 1)]
    step = [(each + f) / (1 + 1 / tau + f) for each in (h, h + 1)]  # (7.4)
    return 1 / (line[0] - line[1]), step[1] - step[0]

def slip(time, gate=lambda h, x, W, U, b: sigmoid(W @ h + U @ x + b), left=lambda t: 1 / (1 + 1 / t)):  # a mistake
    def wrong(h, x, W, U, b, tau):
        t = time(gate(h, x, W, U, b), tau)
        return t, left(t)
    return wrong

RIGHT = lambda f, t: 1 / (1 / t + f)  # noqa: E731
check(
    "7.1", "time_constants", oracle=by_decay, cases=[cell_at(0), cell_at(1), cell_at(2)], parts=("time constants", "shares"),
    mistakes={
        "that is the rate of decay; a time constant is one over it": slip(lambda f, t: 1 / t + f),
        "rates add up, times do not: 1/τ belongs under the bar": slip(lambda f, t: 1 / (t + f)),
        "f is a sigmoid, always positive; tanh could make the rate negative": slip(RIGHT, lambda h, x, W, U, b: np.tanh(W @ h + U @ x + b)),
        "W is [to, from]: neuron i collects row i, W @ h": slip(RIGHT, lambda h, x, W, U, b: sigmoid(W.T @ h + U @ x + b)),
        "the state h is missing from f: neurons hear each other too": slip(RIGHT, lambda h, x, W, U, b: sigmoid(U @ x + b)),
        "that is the exact solution; the fused step (7.4) divides by 1 + δ/τ_eff": slip(RIGHT, left=lambda t: np.exp(-1 / t)),
        "that share is lost; asked is the share that is left": slip(RIGHT, left=lambda t: 1 / (1 + t)),
    },
)

# %% [markdown]
# Does the library's cell do the same? Compare its time constants at every step of the episode, and disturb one step by 1
# with $f$ frozen.

# %%
weights = [w.detach().numpy() for w in (policy.cell.recurrent_weight, policy.cell.input_weight, policy.cell.bias)]
a = record.states @ weights[0].T + record.x.numpy() @ weights[1].T + weights[2]
by_equation = 1 / (1 / tau + sigmoid(a))
cl.see("largest difference of τ_eff", np.abs(by_equation - constants).max(), (0, 1e-5))
left = np.subtract(*(frozen_step(policy.cell, a, start) for start in (1.0, 0.0)))
cl.see("largest difference of the share that is left", np.abs(left - 1 / (1 + 1 / by_equation)).max(), (0, 1e-5))

# %% [markdown]
# *What you should see.* Rounding: the equations are the network.

# %% [markdown]
# ## 3. Portraits at a frozen memory
#
# What would the network do if the pole were somewhere else *right now*? Keep the memory $h_{t-1}$ as it is, imagine
# another observation $x$, and take one step:
#
# $$a_t(x) = W_a\,F(h_{t-1}, x) + b_a. \tag{7.5}$$
#
# Drawn over the pole's angle and angular velocity, the other two observations as they are at that moment, this is
# a phase portrait of the policy; the same with the critic is one of the value.
#
# *Predict.* Set the pole upright and still in the middle of the track, and try every memory of the episode. A network without
# memory would push the same 120 times. How wide is the range of pushes of our network, as a share of the range in the episode?

# %%
cl.predict("07.3", question="share of the episode's range, from 0 to 1")

# %%
state_figures.portrait_figure(policy, record, steps=[29, 31, 33, 50])

# %% [markdown]
# *Look at* the dashed line, where the policy does not push: just before the push (step 30), right after it, and later.
# You see red above it and blue below: the policy pushes the way the pole is falling. The line moves and turns after the
# push, and comes back. Part of that is the cart, which is elsewhere. The next cell takes the cart out.

# %%
spread = phase.memory_spread(policy, record, {0: 0.0, 1: 0.0, 2: 0.0, 3: 0.0})[:, 0]
print(f"with {len(spread)} memories: pushes from {spread.min():+.2f} to {spread.max():+.2f}")
print(f"in the episode:     pushes from {record.actions.min():+.2f} to {record.actions.max():+.2f}")
cl.see("share", np.ptp(spread) / np.ptp(record.actions), (0.1, 0.9), predicted="07.3")

# %% [markdown]
# *What you should see.* One observation, a whole range of actions. That range is memory.
#
# ### Response maps
# Turn it around: keep the moment, change one neuron's own state from -1 to 1, and see what one control step adds to it,
# for every angle of the pole.
#
# *Predict.* Equation (7.2) pulls a neuron to rest. On which side of the dashed line (no change) must the change be
# negative?

# %%
cl.predict("07.4", choices=("above", "below"))

# %%
state_figures.response_figure(policy, record, step=32, feature=1)

# %%
answers = phase.response_maps(policy, record, step=32, feature=1).maps  # (neurons, own state, angle)
cl.see("the change falls as the neuron's own state rises", bool((np.diff(answers, axis=1) < 0).mean() > 0.95))
print("negative: above the dashed line" + compared("07.4", "above"))

# %% [markdown]
# *Look at* the slope of the dashed lines, where each neuron would rest. *What you should see.* Negative above the line and
# positive below: alone, every neuron comes to rest. A flat line is a neuron that does not care about the angle; a steep one
# follows it. Where the colour is pale over a wide band the neuron is slow.

# %% [markdown]
# ## 4. What do the neurons tell?
#
# The simplest question first: which neuron correlates with which observation? For a fair sample we push at random.

# %%
kicks = states.random_pushes(steps=600, every=15, size=1.5, seed=0)
long = states.record(policy, seed=1, steps=600, pushes=kicks)
state_figures.correlation_figure(long)

# %% [markdown]
# *What you should see.* Hardly a row or a column has a single dark field. What the network knows is spread over several
# neurons, and every neuron mixes several things. A correlation does not show that the policy uses it. Section 6 asks that.
#
# ### How many directions?
# If every neuron mixes, perhaps mixtures of neurons are the better coordinates. Principal components are the directions
# in which the states vary most. *Predict.* Eight neurons, four observations: how many components will hold 95 % of the
# variance?

# %%
cl.predict("07.5", question="components")

# %%
components = states.pca(long.states)
print("share of the variance:", components.share.round(3))
cl.see("components for 95 %", int((np.cumsum(components.share) < 0.95).sum()) + 1, (2, 5), predicted="07.5")

# %% [markdown]
# *What you should see.* The states move on a sheet of few dimensions, about as many as the task has.
#
# ### A velocity nobody gave
# Now a policy that balances the pole without being shown any velocity: it sees position and angle only. A single
# observation cannot tell whether the pole falls or rises. If the network balances, the velocity must be in its state.
#
# *Predict.* A linear readout (a *linear probe*) of the eight states is fitted on the first half of an episode. Which share of
# the angular velocity's variance, R², will it explain in the second half? And a readout of the two observations?

# %%
cl.predict("07.6", question="R² from the state")

# %%
blind = cl.load("masked_pendulum_ltc")
gentle = states.random_pushes(steps=600, every=15, size=0.4, seed=0)  # it notices a push one step later than a policy that sees rates
seen = states.record(blind, seed=3, steps=600, pushes=gentle)
rate = seen.truth[:, 3]
guesses = {"from the state": states.decode(seen.states, rate), "from the observation": states.decode(seen.observations, rate)}
cl.see("R² from the state", guesses["from the state"][0], (0.6, 1.0), predicted="07.6")
cl.see("R² from the observation", guesses["from the observation"][0], (-0.3, 0.2))
state_figures.decoding_figure(seen, guesses, "angular velocity (rad/s)", steps=slice(300, 420))

# %% [markdown]
# *What you should see.* Most of the velocity is in the state, none of it in the observation. The network has learnt to
# differentiate: a neuron that follows the angle slowly and one that follows it fast differ by about the velocity. (R² can
# be below 0: worse than guessing the mean.)

# %%
state_figures.correlation_figure(seen)

# %% [markdown]
# *Look at* the rows marked hidden. No single neuron need be the velocity. The readout above found it in a mixture.

# %% [markdown]
# ## 5. Where would it come to rest?
#
# Hold the observation still, as if the world had stopped, and let the network run on. A state that stays is a
# **fixed point**: $F(h, x) = h$, for an ODE cell the same as
#
# $$\dot h = 0. \tag{7.6}$$
#
# `fixed_points` solves that with Newton's method from many starts.
#
# *Predict.* How many fixed points does the trained network have at the last observation of the episode?

# %%
cl.predict("07.7", question="fixed points")

# %%
found = fixed_points(policy.cell, record.x[-1], starts=record.states[::10])
print(found)
cl.see("fixed points", len(found), (1, 3), predicted="07.7")
cl.see("memory of the first", found.memory[0], (1, 6), "steps")

# %% [markdown]
# *What you should see.* For a network that balances a pole, as a rule one, and stable: if nothing happens, it forgets
# whatever it remembers in a few steps. A pole needs no more. Close to a fixed point the network is linear: a small
# disturbance $\delta h$ of the flow follows
#
# $$\frac{d}{dt}\,\delta h = J\,\delta h, \qquad J_{ij} = \frac{\partial \dot h_i}{\partial h_j}, \tag{7.7}$$
#
# and dies away if all eigenvalues of $J$ have negative real parts.
#
# ### Exercise 7.2: the Jacobian of an LTC (a derivation, checked numerically)
# Differentiate (7.2) by $h_j$. Two hints: $\sigma' = \sigma(1-\sigma)$, and $h_i$ stands in the bracket's
# factor *and*, through $W$, inside $f$.

# %% nbgrader={"grade": false, "grade_id": "ex-07-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ltc_jacobian(h, x, W, U, b, tau, A):
    """h, b, tau, A (n,), x (m,), W (n, n) [to, from], U (n, m) -> J (n, n) of eq. (7.7)."""
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
    gate = lambda h, x, W, U, b: sigmoid(W @ h + U @ x + b)  # noqa: E731
    return lambda h, x, W, U, b, tau, A: of_decay(gate(h, x, W, U, b), tau) + of_synapses(gate(h, x, W, U, b), W, h, A)

decay, gates = (lambda f, t: -np.diag(1 / t + f)), (lambda f, W, h, A: ((A - h) * f * (1 - f))[:, None] * W)
check(
    "7.2", "ltc_jacobian", oracle=by_differences, cases=[ltc_at(0), ltc_at(1), ltc_at(2)], tolerance=1e-5,
    mistakes={
        "the synapses are missing: f depends on h through W": slip(decay, lambda f, W, h, A: 0.0),
        "f stands in the bracket too, so its slope is multiplied by A - h, not by A alone": slip(decay, lambda f, W, h, A: (A * f * (1 - f))[:, None] * W),
        "the sign: f A - f h differentiates to (A - h) f', not (h - A) f'": slip(decay, lambda f, W, h, A: -gates(f, W, h, A)),
        "the slope of the sigmoid is f (1 - f)": slip(decay, lambda f, W, h, A: ((A - h) * f)[:, None] * W),
        "the factors A - h and f belong to the neuron that is driven, so to rows": slip(decay, lambda f, W, h, A: ((A - h) * f * (1 - f))[None, :] * W),
        "W is [to, from] already; it must not be transposed": slip(decay, lambda f, W, h, A: ((A - h) * f * (1 - f))[:, None] * W.T),
        "the decay is 1/τ + f; f is missing on the diagonal": slip(lambda f, t: -np.diag(1 / t), gates),
    },
)

# %% [markdown]
# ### From eigenvalues to memory
# The network does not flow, it steps: from one control step to the next, $\delta h_{t+1} = M\,\delta h_t$ with
# $M = \partial F/\partial h$. Differentiate the fused step (7.4) at a fixed point, with the rates of decay
# $D = \operatorname{diag}(1/\tau + f)$ and $\delta = 1$:
#
# $$M = I + (I + D)^{-1} J. \tag{7.8}$$
#
# The eigenvalues $\lambda$ of $M$ say which share of a disturbance is left after one step. *Inside the unit circle* means
# stable. For the exact solution $M$ would be $e^{J}$. Your $J$ from Exercise 7.2 gives both:

# %%
A, h, x = policy.cell.A.detach().numpy(), found.states[0], record.x[-1].numpy()
J = attempt(ltc_jacobian, h, x, *weights, tau, A)
if J is not None:
    D = 1 / tau + sigmoid(weights[0] @ h + weights[1] @ x + weights[2])
    M = np.eye(len(h)) + J / (1 + D)[:, None]
    cl.see("largest difference of (7.8) from the network", np.abs(M - found.jacobians[0]).max(), (0, 1e-4))
    cl.see("largest |λ| of the network", np.abs(np.linalg.eigvals(M)).max(), (0.4, 0.8))
    cl.see("largest |λ| of the exact solution", np.exp(np.linalg.eigvals(J).real.max()), (0.2, 0.7))
state_figures.eigenvalue_figure(found, "at the last observation")

# %% [markdown]
# *Look at* the dot furthest from 0: it decides how long anything is remembered. *What you should see.* All dots lie inside the
# circle. The fused step remembers longer than the exact solution of the same equation would. The policy was trained with
# this step, so this step is the network.
#
# ### Exercise 7.3: how long does it remember? (fill in)
# The slowest disturbance shrinks by $|\lambda|_{\max}$ a step. After how many steps is $1/e$ of it left? Eigenvalues of a real
# matrix can be complex; $|\lambda|$ is the modulus. Do not round: the answer need not be a whole number.

# %% nbgrader={"grade": false, "grade_id": "ex-07-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def memory_steps(M):
    """M (n, n): Jacobian of the step map at a stable fixed point -> control steps until 1/e is left, a number."""
    ### BEGIN SOLUTION
    return -1 / np.log(np.abs(np.linalg.eigvals(M)).max())
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-07-3", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
#@title Check 7.3
def stable_map(seed, largest, n=5):
    M = np.random.default_rng(seed).normal(size=(n, n))
    return M * largest / np.abs(np.linalg.eigvals(M)).max()

def by_stepping(M, steps=2000):  # disturb, let the start be forgotten, watch the rest shrink
    left, D = 0.0, np.eye(len(M))
    for k in range(2 * steps):
        left, D = left + np.log(np.linalg.norm(M @ D)) * (k >= steps), M @ D / np.linalg.norm(M @ D)
    return -steps / left

def leading(M, pick=np.max, of=np.abs):
    return pick(of(np.linalg.eigvals(M)))

check(
    "7.3", "memory_steps", oracle=by_stepping, tolerance=0.005,
    cases=[(stable_map(4, 0.85),), (np.diag([0.5, -0.7, 0.2]),), (stable_map(11, 0.97),)],  # two have complex eigenvalues
    matters="then more or less than 1/e of the slowest disturbance is left",
    mistakes={
        "that is the fastest direction; the slowest decides what is remembered": lambda M: -1 / np.log(leading(M, np.min)),
        "that is the half-life; asked is the time to 1/e": lambda M: np.log(0.5) / np.log(leading(M)),
        "that rule is for the flow, J; a step map multiplies, so take a logarithm": lambda M: -1 / leading(M, of=np.real),
        "1/(1 - |λ|) holds only for |λ| near 1, where log |λ| is nearly |λ| - 1": lambda M: 1 / (1 - leading(M)),
        "the sign: log of a number below 1 is negative, a time is not": lambda M: 1 / np.log(leading(M)),
        "do not round up: the time need not be a whole number of steps": lambda M: np.ceil(by_stepping(M)),
        "do not round: the time need not be a whole number of steps": lambda M: np.round(by_stepping(M)),
        "do not cut off the fraction: the time need not be a whole number of steps": lambda M: np.floor(by_stepping(M)),
        "the real part is not the size of a complex eigenvalue; take the modulus, np.abs": lambda M: -1 / np.log(leading(M, of=np.real)),
    },
)

# %% [markdown]
# ### Who remembers?
# Your formula says that the network forgets within a few steps. Section 1 measured many more. Both are right: the network is
# half of a loop. The push moves the cart, the cart moves the observation, and the observation moves the network again.
#
# To see the network alone, cut the loop. *Closed loop*: the episode with the push against the one without, as in section
# 1. *Open loop*: start from the state right after the push, and feed the network the observations of the episode without.
#
# *Predict.* After how many steps is a tenth left in the open loop? (Your formula gives the time to $1/e$.)

# %%
cl.predict("07.8", question="control steps")

# %%
cl.see("closed loop, steps until a tenth is left", lasting(closed), (8, 89))
cl.see("open loop, steps until a tenth is left", lasting(alone), (2, 8), predicted="07.8")
loop_figure(closed, alone)

# %% [markdown]
# *What you should see.* The orange line falls straight and fast: that is $|\lambda|_{\max}$. The blue one starts at the same
# place, and stays up. The long stripe in the heat map is not the network's memory. The cart has been moved and comes
# back slowly, and the network reports what it sees.

# %% [markdown]
# ### Chasing a moving target
# In the episode the observation never stands still, so the fixed point moves. `settle` finds, for every step, where the
# network would come to rest if that observation stayed.
#
# *Predict.* Will the state sit on its fixed point, or lag behind? Which share of the way to it does the state go in one step?

# %%
cl.predict("07.9", question="share of the way, 1 for all of it")

# %%
targets = settle(policy.cell, record.x, record.states)
way, gone = (targets - np.roll(record.states, 1, axis=0))[1:], np.diff(record.states, axis=0)
cl.see("share of the way gone in one step", (way * gone).sum() / (way * way).sum(), (0.4, 0.95), predicted="07.9")
distance = np.linalg.norm(record.states - targets, axis=1)
cl.see("distance to the fixed point, right after a push over before it", distance[31:36].mean() / distance[25:30].mean(), (4, np.inf))
state_figures.component_figure(record, targets)

# %% [markdown]
# *Look at* the grey lines from each state to the fixed point of that moment. *What you should see.* Long lines right after the
# pushes, short ones in calm stretches. The state runs after a target that the world moves, and each step covers only a part
# of the way. What is missing is what the network still knows of the past.

# %% [markdown]
# ## 6. Ablation: what is each neuron for?
#
# Hold one neuron still and let the rest do the work: an *ablation*. Before you do it, guess who will be missed. The
# weights of (7.1) are a first clue. Take care where you read them: the layer in the code standardises the states first,
#
# $$a = V\,\frac{h - c}{s} + v, \qquad\text{so}\qquad W_a = \frac{V}{s}, \quad b_a = v - W_a\,c, \tag{7.9}$$
#
# because the states of an LTC are neither centred nor of unit size. `readout.weight` is $V$. `readout.affine` gives
# $(W_a, b_a)$.

# %%
(w,), (b,) = (part.numpy() for part in policy.readout.affine)
print("neuron ", *[f"{k:6d}" for k in range(record.neurons)])
print("V      ", *[f"{v:6.2f}" for v in policy.readout.weight[0]])
print("W_a    ", *[f"{v:6.2f}" for v in w])
cl.see("largest difference of W_a h + b_a from the recorded action", np.abs(record.states @ w + b - record.actions[:, 0]).max(), (0, 1e-5))
cl.see("largest |W_a| over the second largest", np.divide(*np.sort(np.abs(w))[:-3:-1]), (3, 5))

# %% [markdown]
# *What you should see.* Rounding, so $W_a$ is the true weight. And one neuron stands out: it moves little, so its small $V$
# is divided by a small $s$. A weight alone says little, though. What counts is the weight times what the neuron does.
#
# Still *where*? If you hold a neuron at 0, you also take away its average, which acts like a constant push. If you hold it at
# its mean, you take away only its variation. The two questions have different answers.
#
# ### Exercise 7.4: predict the damage (an experiment with a hypothesis)
# Hypothesis: the damage is how much the action changes, at once, through the readout. Compute it from the recording alone:
# the root of the mean square, over time, of the change in $a = W_a h + b_a$ when neuron $k$ alone stands at `value`.

# %% nbgrader={"grade": false, "grade_id": "ex-07-4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def suspicion(readout, states, value):
    """readout of one action, states (T, n), value (n,): where each neuron would stand -> (n,), one number for each."""
    ### BEGIN SOLUTION
    weight = readout.affine[0][0].numpy()
    return np.abs(weight) * np.sqrt(np.mean((states - value) ** 2, axis=0))
    ### END SOLUTION


# %% [markdown]
# *Predict.* Hold each neuron at 0 in turn, and push the cart at random. Whose loss hurts most?

# %%
cl.predict("07.10", choices=tuple("01234567"))

# %%
mean = long.states.mean(0)
trials = {"pushes": kicks, "episodes": cl.budget(smoke=2, lite=8, full=32)}
at_zero = states.ablation_returns(policy, **trials)
worst = int(at_zero[:-1].argmin())
cl.see("neurons without which the pole falls", (at_zero[:-1] < 0.9 * at_zero[-1]).sum(), (2, 5))
print(f"neuron {worst} hurts most" + compared("07.10", str(worst)))
state_figures.ablation_figure(at_zero, attempt(suspicion, policy.readout, long.states, 0 * mean), trials["episodes"], "held at 0")

# %% [markdown]
# *Look at* whether the low bars are under the high dots. *What you should see.* The highest dot is over the lowest bar: the
# hypothesis names the right culprit. Below that it fails. A neuron with a high dot can go and nothing happens; others with
# lower dots cannot. The dots know only the direct way from a neuron to the action. They know nothing of neurons that
# act through other neurons, nor of what the others do to make up for a loss.

# %%
at_mean = states.ablation_returns(policy, at=dict(enumerate(mean)), **trials)
cl.see("neurons without whose variation the pole falls", (at_mean[:-1] < 0.9 * at_mean[-1]).sum(), (1, 2))
state_figures.ablation_figure(at_mean, attempt(suspicion, policy.readout, long.states, mean), trials["episodes"], "held at its own mean")

# %% [markdown]
# *What you should see.* Less damage than before. A neuron that is missed only at 0 was needed for its average, not for what
# it tells. The top suspect is missed at its mean too: what it tells is needed.

# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-07-4", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
#@title Check 7.4
def by_doing(readout, h, value):  # put every neuron there in turn, and let the layer read the action out again
    found = []
    for k in range(h.shape[1]):
        changed = np.where(np.arange(h.shape[1]) == k, value, h)
        found.append(np.sqrt(np.mean((read_out(readout, changed) - read_out(readout, h)) ** 2)))
    return np.array(found)

def rms(h, at):
    return np.sqrt(((h - at) ** 2).mean(0))

def size(v):  # a mistake in what the weight is multiplied by
    return lambda r, h, at: np.abs(r.affine[0][0].numpy()) * v(h, at)

net = cl.load("pendulum_ltc")
h = states.record(net, seed=3, steps=60, pushes={20: 2.0}).states.astype(float)
check(
    "7.4", "suspicion", oracle=by_doing, tolerance=1e-3, right="and the pole has told you how far the hypothesis goes",
    cases=[(net.readout, h, h.mean(0)), (net.readout, h, np.full(8, 0.5)), (relabelled(net.readout, 3), h, np.zeros(8))],
    mistakes={
        "readout.weight multiplies (h - c) / s, not h: divide by s, (7.9), or take readout.affine": lambda r, h, at: np.abs(r.weight.detach().numpy()[0]) * rms(h, at),
        "a standard deviation is about the mean; the neuron is held at `value`": size(lambda h, at: h.std(0)),
        "that is a neuron held at 0, wherever `value` is": size(lambda h, at: rms(h, 0)),
        "a neuron with a weight of 0 cannot change the action; the weight is missing": lambda r, h, at: rms(h, at),
        "the size of a change has no sign: |W_a|": lambda r, h, at: r.affine[0][0].numpy() * rms(h, at),
        "changes up and down cancel in this mean; square them first": size(lambda h, at: np.abs((h - at).mean(0))),
        "that is the mean of the absolute value; asked is the root of the mean square": size(lambda h, at: np.abs(h - at).mean(0)),
    },
)

# %% [markdown]
# The neuron whose loss hurts most, in the explorer. (On your machine the first explorer above is the same one: it moves along.)

# %%
explorer.ablate({worst: 0.0})
explorer

# %% [markdown]
# *Look at* the panel at the bottom left: grey is the action of the whole network, orange that of the network without the
# neuron. The orange line starts far from the grey one. At its average the neuron adds a constant push to the action. Without
# this constant the network pushes one way from the first step on, and soon the pole has fallen.
#
# *Predict.* Hold the neuron with the least suspicion at its mean, then the two with the least, then three, …: with how many
# does the pole still stand for 1,000 steps?

# %%
cl.predict("07.11", question="neurons held")

# %%
explorer.ablate({})
order = np.argsort(np.abs(w) * long.states.std(0))
lasted = [stands(policy, order[:count], mean, trials["episodes"]) for count in range(record.neurons + 1)]
for count, steps in enumerate(lasted):
    print(f"{count} held: stands {steps:6.0f} steps    live: {sorted(order[count:].tolist())}")
cl.see("most neurons held with which it stands", int(np.flatnonzero(np.array(lasted) > 900).max()), (6, 7), predicted="07.11")

# %% [markdown]
# *What you should see.* It stands with all but one held still. This policy sees angle and velocity, and pushing back against
# both is enough. One fast neuron can do that. It needs no memory.
#
# Is every neuron that good? And is it so for the policy that is not shown the velocities? Keep one neuron live at a time
# and hold all others at their means.

# %%
singles = {}
for name, which, at in (("sees velocities", policy, mean), ("does not", blind, seen.states.mean(0))):
    others = [[j for j in range(len(at)) if j != k] for k in range(len(at))]
    singles[name] = np.array([stands(which, held, at, trials["episodes"]) for held in others])
    print(f"{name:16s} steps with neuron 0, 1, … alone:", *[f"{steps:5.0f}" for steps in singles[name]])
cl.see("single neurons that balance, velocities seen", (singles["sees velocities"] > 900).sum(), (2, 3))
cl.see("single neurons that balance, velocities hidden", (singles["does not"] > 900).sum(), (0, 0))

# %% [markdown]
# *What you should see.* In the first network the top suspect is not the only neuron that can balance the pole alone. In the
# second no neuron can: a velocity has to be computed from the past, and that takes several.
#
# One more surprise. Neuron 3 is enough alone. So the other seven without it are not? Hold 3; then 3 and 1;
# then 3, 1 and 5.

# %%
for held in ([3], [3, 1], [3, 1, 5]):
    steps = stands(policy, held, mean, trials["episodes"])
    cl.see(f"held {held}", steps, (900, 1000) if held == [3, 1] else (0, 700), "steps")

# %% [markdown]
# *What you should see.* Without neuron 3 the pole falls, after a while. Without neurons 3 *and* 1 it stands. The second loss
# repairs the first. Take neuron 5 too, which is enough alone, and it falls at once. Damages do not add up: the weights of
# neuron 1 were learned beside a working neuron 3. An ablation says what a neuron is worth *while all others are as they
# are*. "Enough" and "needed" are two questions, and neither is answered by one neuron at a time.

# %% [markdown]
# ## 7. The graph
#
# All the weights at once: from the observations through the neurons to the action.

# %%
cl.topology(policy, observation_names=record.names, action_names=record.action_names, activations=record.states[32])

# %% [markdown]
# *Look at* the widest synapse into the action, and then at what drives the neuron it starts from. Red is positive, blue
# negative. The weights into the action are $W_a$. A weight is what a synapse *could* do; the suspicion of section 6
# multiplied it by what the neuron does.

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
# *Predict.* A pole at rest is a point in the plane of the first two components. What is a gait? And how many times a second
# does the first component swing?

# %%
cl.predict("07.12", question="swings of component 1 a second")

# %%
gait = states.record(cheetah, seed=0, steps=cl.budget(smoke=60, lite=400, full=400))
state_figures.component_figure(gait, steps=slice(-60, None))

# %% [markdown]
# *Look at* the last 3 seconds, on the right. You see a cycle. The path goes round, or, with few control steps in a stride,
# hops from side to side, and keeps coming back to the same places. How often?

# %%
score = states.pca(gait.states).scores[:, 0]
power = np.abs(np.fft.rfft(score - score.mean())) ** 2
often = np.fft.rfftfreq(len(score), gait.dt)[power.argmax()]
cl.see("component 1 swings", often, (1, 7), "times a second", predicted="07.12")
cl.see("control steps in a swing", 1 / (often * gait.dt), (3, 20))

# %% [markdown]
# *What you should see.* A stride or half of one: a *limit cycle* of network and body together. At a frozen observation the
# network alone need not swing at all:

# %%
resting = fixed_points(cheetah.cell, cheetah.encoder(gait.x[-1]), starts=gait.states[::20], tries=cl.budget(smoke=4, lite=32, full=64))
print(resting)
cl.see("stable fixed points", resting.stable.sum(), (1, 3))

# %% [markdown]
# *What you should see.* A stable fixed point, here too. So the rhythm is made by the loop through the body, not by the
# network alone. And the hidden joint velocities?

# %%
state_figures.correlation_figure(gait)

# %%
scores = {}
for i, name in enumerate(gait.truth_names):
    if name not in gait.names:
        scores[name] = states.decode(gait.states, gait.truth[:, i])[0]
        print(f"{name:28s} R² {scores[name]:5.2f}")
cl.see("joint velocities with R² above 0.4", sum(v > 0.4 for k, v in scores.items() if "thigh" in k or "shin" in k or "foot" in k), (4, 6))

# %% [markdown]
# *What you should see.* In the picture the hidden rows are paler than the others: hardly a neuron is a joint velocity by
# itself. And yet most R² are above 0.4: in mixtures, most of the joint velocities are there.
#
# ## 9. A neuron that never forgets
# With one fixed point nothing is kept for long, as everything decays to it. A network that should remember *that something
# happened* needs two. One neuron is enough:
#
# $$\dot h = -\Bigl[\frac1\tau + f\Bigr] h + f A, \qquad f = \sigma(w\,h + b). \tag{7.10}$$
#
# ### Exercise 7.5: one bit (open)
# Find $w$, $b$, $\tau$ and $A$ such that this neuron has two stable states at least 0.1 apart. Then ask: how large
# must a bump in the state be to switch it? What does a disturbance of $b$ (an input) do? Which of the two costs energy in an animal?
# Note what you tried.

# %% nbgrader={"grade": false, "grade_id": "ex-07-5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def one_bit():
    """-> (w, b, tau, A) of eq. (7.10), four numbers."""
    ### BEGIN SOLUTION
    return 40.0, -10.0, 1.0, 1.0  # rests at 0 with f near 0, and at A τ / (1 + τ) = 1/2 with f near 1; threshold 1/4
    ### END SOLUTION


# %% tags=["prelude"]
def bit_rate(h, w, b, tau, A):
    """Eq. (7.10): dh/dt of a single neuron."""
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
    ("w or A is 0, so the neuron does not excite itself: it has one stable state", lambda f: f()[0] * f()[3] != 0),
    ("w and A have opposite signs: the more the neuron fires, the more it silences itself", lambda f: f()[0] * f()[3] > 0),
    ("only one stable state: the synapse onto itself must be stronger, and b such that f is nearly 0 at rest and nearly 1 when excited", lambda f: len(rests(f)) == 2),
    ("the two states are less than 0.1 apart: raise A or τ", lambda f: np.ptp(rests(f)) >= 0.1),
    right="one neuron, one bit, kept for ever",
)

# %% [markdown]
# ## Your predictions
# How close were you? A number counts as close within a quarter of what came.

# %%
cl.calibration("07")

# %% [markdown]
# ## Summary
# - A liquid network's time constants follow from the moment, (7.3), and lie between $\tau/(1+\tau)$ and $\tau$. What is left
#   of a disturbance after a step also depends on the solver, (7.4).
# - At a frozen memory a recurrent policy is a map that can be drawn, (7.5). How the map moves is what it remembers.
# - States live on few dimensions, and hold what the policy needs, even what it was never shown.
# - Fixed points and eigenvalues say what the network remembers, and how long. One stable point: a filter. Two: a switch.
#   The loop through the body can keep a disturbance much longer than the network does.
# - Ablation tests a cause, in one context. Hold at 0 and at the mean, and predict first. "Enough" and "needed" are two
#   questions, and damages do not add up.
#
# ### What goes wrong, and how it looks
# | what you see | what it often is |
# |---|---|
# | a neuron that correlates with the velocity, and is not missed | a by-product; correlation is not use |
# | the weights name the wrong neuron | the layer standardises its input; fold the scale in, (7.9) |
# | ablation at 0 kills, at the mean it does not | the neuron's average is part of the bias |
# | a stripe that lasts longer than the eigenvalues allow | the body remembers; cut the loop |
# | portraits that flicker from step to step | colour ranges that follow each picture; fix them over the episode |
# | no fixed point is found | too few starts, or a cell that keeps integrating (a neural ODE without decay can) |
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
