# %% [markdown]
# # Looking inside: hidden states
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/liquid-control/liquid-control/blob/main/notebooks/07_hidden_states.ipynb)
#
# A liquid network of eight neurons turns observations into actions. Its memory is eight numbers, the hidden state. In this
# notebook you look inside. You watch the eight numbers while the pole is pushed. You freeze them and ask what the network
# would do elsewhere. You find the states in which it would come to rest. You hold single neurons still and play the same
# episode again. You can follow all of it with one slider.

# %% [markdown]
# **You will be able to**
# 1. compute the effective time constants of a liquid network, and the share of a disturbance that one step leaves;
# 2. read a phase portrait of a policy at a frozen memory, and separate the effect of the memory from that of the present
#    observation;
# 3. find the fixed points of a cell, linearise there, compute a length of memory from eigenvalues, and distinguish the
#    memory of the network from that of the loop through the body;
# 4. show that a network has computed a velocity it was never given;
# 5. design an ablation, predict it, and say what it does not prove.
#
# **Before you start.** Notebook 03 (cells and solvers) and 04 (a liquid network balances a pole); eigenvalues.
#
# **Time** on 2 cores: smoke (a test that every cell runs) under 1 minute; lite (the default) 1 to 2 minutes of
# computing; full about 4 minutes. Nothing is trained: the policies ship with the course.
#
# **Exercises.** Write your answer where the cell says so, then run the check below it. `cl.solution("7.1")` shows
# the course's own answer once you have tried yours. Five questions for yourself are in `cl.quiz("07", "before")`, and
# five more for the end in `cl.quiz("07", "after")`.

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
# An LTC network of eight neurons balances the pole, and the cart is pushed hard three times. **Drag the slider**, or press ▶:
# video, states, time constants and phase portraits move together. **Click a neuron** to hold it still: the same episode is
# then played again with that neuron held. Where widgets do not run (on GitHub, in print) the picture shows one moment.

# %%
from course_lib.viz.states.explorer import Explorer

policy = cl.load("pendulum_ltc")
pushes = {30: 2.0, 60: -2.0, 90: 2.0}  # control step -> added to the action there, in units of 100 N
explorer = Explorer(policy, seed=3, steps=120, step=32, pushes=pushes, reset_noise_scale=0.05)
explorer

# %% [markdown]
# *Look at* the yellow dot in the four portraits. It marks where the pole and the cart are now. In the two portraits of
# the policy, a dashed line marks where the policy would not push at all. (A portrait without a line has no such place.)
# After a push the line itself moves. The same angle and velocity now lead to another action. A part of this is memory;
# section 3 separates it from the influence of the cart. The rest of the notebook explains this picture part by
# part. In the maps of the policy and of the states, negative is blue and positive is red. In the maps of the value,
# yellow is high.

# %% tags=["prelude"]
import numpy as np

import course_lib as cl
from course_lib.course.exercises import attempt
from course_lib.course.predictions import compared
from course_lib.lessons.nb07_bifurcation import bifurcation_slider, folds, followed
from course_lib.lessons.nb07_loops import (
    change_of_action, decay_rates, echoes, lasting, loop_figure, share_left, spectral_radius, stands, untrained_states,
)
from course_lib.viz.states import flow, phase, state_figures, states
from course_lib.viz.states.fixed_points import fixed_points, settle


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# %% [markdown]
# ## 1. One episode in detail
#
# At every control step the cell computes a new state from its old state $h$ and the normalised observation $x$. A linear
# layer, the readout, computes the action from the new state:
#
# $$h_t = F(h_{t-1}, x_t), \qquad a_t = W_a h_t + b_a. \tag{7.1}$$
#
# `states.record` plays an episode and keeps everything that the network computed.

# %%
record = states.record(policy, seed=3, steps=120, pushes=pushes, reset_noise_scale=0.05)
print("observations  ", record.observations.shape, ", ".join(record.names))
print("hidden states ", record.states.shape)
print("time constants", record.time_constants.shape)
print("actions       ", record.actions.shape, ", ".join(record.action_names))

# %% [markdown]
# *Predict.* A push lasts one control step, and it changes the hidden state. Compare this state with that of an
# episode without the push. After how many control steps does the difference stay below a tenth of its largest value?

# %%
cl.predict("07.1", question="control steps until a tenth of the change is left")

# %%
state_figures.episode_figure(record)

# %% [markdown]
# *Look at* the rows of the heat map at the green triangles, where the pushes are. You see a stripe in several neurons at
# once, and after it a slow drift. Most neurons change together with others. Rows 2 and 3 hardly change colour. You will
# meet row 3 again in section 6.
#
# To measure how long the effect of a push lasts, play the episode twice: without any push, and with one. Then compare the
# states, step by step.

# %%
start = {"seed": 3, "steps": 120, "reset_noise_scale": 0.05}
calm = states.record(policy, **start)
pushed = states.record(policy, pushes={30: 2.0}, **start)
closed, alone = echoes(policy, calm, pushed, first=31)  # the first observation that shows the push
cl.see("steps until a tenth is left", lasting(closed), (8, 88), predicted="07.1")
cl.see("the two neurons that move least are 2 and 3", set(record.states.std(0).argsort()[:2]) == {2, 3})

# %% [markdown]
# *What you should see.* The push can be seen for many control steps. (The difference hardly changes while it is near a
# tenth. So the number depends strongly on this threshold; section 5 shows the curve.) Section 5 asks what remembers it for
# so long.

# %% [markdown]
# ## 2. Liquid time constants
#
# Between two observations a liquid time-constant network (LTC) obeys the differential equation (Hasani et al. 2021, eq. 1)
#
# $$\dot h = -\Bigl[\frac1\tau + f(h, x)\Bigr] h + f(h, x)\,A, \qquad f = \sigma(W h + U x + b). \tag{7.2}$$
#
# The bracket is a rate of decay. If $f$ were constant, a disturbance of neuron $i$ would fall to $1/e$ in the *effective
# time constant*
#
# $$\tau^{\text{eff}}_i = \frac{1}{1/\tau_i + f_i(h, x)}. \tag{7.3}$$
#
# It depends on the state and on the observation, so it changes from moment to moment. That is what *liquid* means. Here
# time is counted in control steps.
#
# Our network does not solve (7.2) exactly. It takes one step of the **fused solver** (Hasani et al. 2021, eq. 3), a
# semi-implicit Euler step: the decay is taken at the end of the step, $f$ at its beginning. With $\delta = 1$ control step,
#
# $$h_t = \frac{h_{t-1} + \delta f A}{1 + \delta\,[1/\tau + f]}, \qquad f = f(h_{t-1}, x_t). \tag{7.4}$$
#
# So with $f$ frozen, one step leaves the share $1 / (1 + \delta/\tau^{\text{eff}})$ of a disturbance. The exact solution
# would leave $e^{-\delta/\tau^{\text{eff}}}$, which is less.

# %%
tau = policy.cell.tau.detach().numpy()
print(f"τ of neuron 2: {tau[2]:.2f} control steps")

# %% [markdown]
# *Predict.* What share of a disturbance is left in neuron 2 after one step?

# %%
cl.predict("07.2", question="share that is left, from 0 to 1")

# %%
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
fused, exact = 1 / (1 + 1 / constants[:, 2]), np.exp(-1 / constants[:, 2])
cl.see("the same share by the exact solution", exact.max(), (0.0, 0.02))
cl.see("share by the fused step / share by the exact solution", np.median(fused / exact), (10, 40))
cl.see("longest over shortest τ_eff of a neuron, largest", (constants.max(0) / constants.min(0)).max(), (1.3, 4.0))

# %% [markdown]
# *What you should see.* In each column the first four numbers fall, or are equal after rounding. Because $f$ lies between 0
# and 1, $\tau$ is an upper bound of $\tau^{\text{eff}}$ and $1/(1/\tau + 1)$ is a lower bound (Hasani et al. 2021, theorem
# 1). The solver matters: in a fast neuron the fused step keeps many times as much as the exact solution would. Some neurons
# change their time constant a lot during the episode. (Here $f$ is taken at the state after each step, in (7.4) at the state
# before it. The difference is small.) A neuron whose $1/\tau + f$ hardly changes, because $1/\tau$ is the
# larger part, is nearly a leaky integrator: a neuron with a constant rate of decay, driven by $f A$.
#
# ### Exercise 7.1: effective time constants (fill in)
# Write (7.3) for one moment, from the weights. Then compute what share of a disturbance one step of (7.4) leaves, with $f$
# frozen and $\delta = 1$.

# %% nbgrader={"grade": false, "grade_id": "ex-07-1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def time_constants(h, x, W, U, b, tau):
    """h (n,), x (m,), W (n, n) [to, from], U (n, m), b, tau (n,) -> eq. (7.3) (n,), share left after one step (n,)."""
    ### BEGIN SOLUTION
    f = sigmoid(W @ h + U @ x + b)
    constants = 1 / (1 / tau + f)
    return constants, 1 / (1 + 1 / constants)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-07-1", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
cl.check("7.1", time_constants)

# %% [markdown]
# Does the library's cell do the same as your function? Compare its time constants at every state of the episode. Then
# disturb the state by 1 before a step, with $f$ frozen.

# %%
weights = [w.detach().numpy() for w in (policy.cell.recurrent_weight, policy.cell.input_weight, policy.cell.bias)]
mine = attempt(lambda: np.array([time_constants(h, x, *weights, tau) for h, x in zip(record.states, record.x.numpy(), strict=True)]))
if np.shape(mine) == (len(record), 2, record.neurons):
    left = share_left(policy.cell, record.states, record.x)
    cl.see("largest difference of τ_eff", np.abs(mine[:, 0] - constants).max(), (0, 1e-5), otherwise="see the hint of the check")
    cl.see("largest difference of the share that is left", np.abs(mine[:, 1] - left).max(), (0, 1e-5), otherwise="see the hint of the check")

# %% [markdown]
# *What you should see.* The differences are rounding errors: the network's cell does what the equations say, and so does
# your function.

# %% [markdown]
# ## 3. Portraits at a frozen memory
#
# What would the network do if the pole were somewhere else *right now*? Keep the memory $h_{t-1}$ as it is, imagine
# another observation $x$, and take one step:
#
# $$a_t(x) = W_a\,F(h_{t-1}, x) + b_a. \tag{7.5}$$
#
# Vary the pole's angle and angular velocity, and leave the other two observations as they are at that moment. The plane
# of angle and angular velocity is the *phase plane* of the pole. The map of $a_t(x)$ over it is here called a **phase
# portrait** of the policy. The same map of the critic's output is a phase portrait of the value. The critic of this policy
# is an ordinary network: it sees the present observation and has no memory. So only the other two observations can change
# its map, and the rest of this section is about the policy. (Elsewhere a phase portrait is a drawing of trajectories.)
#
# *Predict.* Set the pole upright and still in the middle of the track, and try every memory of the episode. A network without
# memory would choose the same action every time. How wide is the range of our network's actions here, as a share of the range
# of its actions in the episode?

# %%
cl.predict("07.3", question="share of the episode's range, from 0 to 1")

# %%
state_figures.portrait_figure(policy, record, steps=[29, 31, 33, 50])

# %% [markdown]
# *Look at* the dashed line, where the policy does not push: just before the push (which comes at step 30), at steps 31 and
# 33, and later. The map is red above the line and blue below: the policy pushes the way the pole is falling. After the push the
# line moves and turns, and then it comes back. Two things move it. At step 31 it is the cart alone, which is faster now: the
# memory was made before the push could be seen. At step 33 the memory has changed, too. The next cell removes the influence
# of the cart: it uses the same observation with every memory.

# %%
spread = phase.memory_spread(policy, record, {0: 0.0, 1: 0.0, 2: 0.0, 3: 0.0})[:, 0]
print(f"with {len(spread)} memories: actions from {spread.min():+.2f} to {spread.max():+.2f}")
print(f"in the episode:     actions from {record.actions.min():+.2f} to {record.actions.max():+.2f}")
moved = [(record.before[step] - record.before[29]).abs().max().item() for step in (31, 33)]
cl.see("largest change of the memory since step 29, at step 31", moved[0], (0, 0.02))
cl.see("largest change of the memory since step 29, at step 33", moved[1], (0.1, np.inf))
cl.see("share", np.ptp(spread) / np.ptp(record.actions), (0.1, 0.9), predicted="07.3")

# %% [markdown]
# *What you should see.* The observation is always the same, and yet the actions differ. Only the memory can make this
# difference. (The range comes from a few memories just after the disturbance. Most of the others give nearly the same
# action.)
#
# ### Response maps
# Now vary the memory instead. Let one neuron's own state run from -1 to 1, leave the rest as it is, and compute how much one
# control step changes that state, for every angle of the pole.
#
# *Predict.* Equation (7.2) pulls a neuron towards a state of rest. The map below has a dashed line where there is no
# change. (The neuron's own state is drawn upwards, the angle to the right.) On which side of the line is the change
# negative in this network?

# %%
cl.predict("07.4", choices=("above", "below"))

# %%
state_figures.response_figure(policy, record, step=32, feature=1)

# %%
answers = phase.response_maps(policy, record, step=32, feature=1).maps  # (neurons, own state, angle)
cl.see("the change falls as the neuron's own state rises", bool((np.diff(answers, axis=1) < 0).mean() > 0.95))
print("negative: above the dashed line" + compared("07.4", "above"))

# %% [markdown]
# *Look at* the slope of the dashed lines, where each neuron would rest. *What you should see.* In these eight maps the
# change is negative above the line and positive below it: with everything else frozen, each neuron comes to rest. (Section
# 9 shows a neuron that does not, because it excites itself strongly.) Where the line is flat, the angle has little direct
# effect on the neuron, compared with its whole range from -1 to 1. (Such a neuron may move by less than that, and still
# follow the angle.) Where it is steep, the neuron follows the angle. A wide pale band around the line means that the neuron
# is slow.

# %% [markdown]
# ## 4. What do the neurons encode?
#
# The simplest question comes first: which neuron correlates with which observation? The pushes are now random, so that
# the pole visits many different states.

# %%
kicks = states.random_pushes(steps=600, every=15, size=1.5, seed=0)
long = states.record(policy, seed=1, steps=600, pushes=kicks)
strong = abs(np.corrcoef(long.states.T, long.observations.T)[: long.neurons, long.neurons :]) > 0.5
cl.see("observations that correlate with two neurons or more", (strong.sum(0) >= 2).sum(), (3, 4))
cl.see("neurons that correlate with two observations or more", (strong.sum(1) >= 2).sum(), (3, 8))
state_figures.correlation_figure(long)

# %% [markdown]
# *What you should see.* (Here "correlate" means a coefficient above 0.5 or below -0.5.) Most observations are spread over
# several neurons, and several neurons mix more than one observation. This is called a **distributed representation**
# (Hinton et al. 1986). (Be careful with this count: a push moves cart and pole together, so in this episode their two
# velocities are nearly proportional. Neurons 6 and 7 follow just these two.) A correlation does not show that the policy
# uses what the neuron encodes. Section 6 tests this.
#
# ### How many directions?
# If the neurons mix several things, perhaps mixtures of neurons are better coordinates. **Principal components** (Pearson
# 1901) are the directions in which the states vary most.
#
# *Predict.* There are eight neurons and four observations. How many components hold 95 % of the variance?

# %%
cl.predict("07.5", question="components")

# %%
components = states.pca(long.states)
print("share of the variance:", components.share.round(3))
cl.see("components for 95 %", int((np.cumsum(components.share) < 0.95).sum()) + 1, (2, 5), predicted="07.5")

# %% [markdown]
# *What you should see.* The eight states vary in a few directions only, in about as many as there are independent
# observations.
#
# ### A velocity that was never given
# Now take a policy that balances the pole without any velocity: it observes position and angle only. A single observation
# does not say whether the pole is falling or rising. If the network balances, its state must hold something about
# the past, probably the velocity.
#
# *Predict.* A linear readout of the eight states (a *linear probe*, Alain and Bengio 2017) is fitted on the first half of an
# episode. What share of the angular velocity's variance, R², will it explain in the second half? And what share will a
# readout of the two observations explain? (Write down the first.)

# %%
cl.predict("07.6", question="R² from the state")

# %%
blind = cl.load("masked_pendulum_ltc")
gentle = states.random_pushes(steps=600, every=15, size=0.4, seed=0)  # gentler: this policy notices a push one step later
seen = states.record(blind, seed=3, steps=600, pushes=gentle)
rate = seen.truth[:, 3]
guesses = {"from the state": states.decode(seen.states, rate), "from the observation": states.decode(seen.observations, rate)}
cl.see("R² from the state", guesses["from the state"][0], (0.6, 1.0), predicted="07.6")
cl.see("R² from the observation", guesses["from the observation"][0], (-0.3, 0.2))
never = [states.decode(untrained_states(seen, seen.neurons, seed=s), rate)[0] for s in range(5)]
cl.see("R² from the states of five untrained cells, median", np.median(never), (-0.5, 0.5))
state_figures.decoding_figure(seen, guesses, "angular velocity (rad/s)", steps=slice(300, 420))

# %% [markdown]
# *What you should see.* Most of the velocity is in the state, and nearly none of it is in the observation. Cells that were
# never trained and see the same observations hold much less of it. So the network has learned to differentiate. How could it?
# If one neuron follows the angle slowly and another follows it fast, their difference is roughly proportional to the
# velocity. (Whether these neurons do it in this way was not tested. R² can be below 0. Then the readout is worse than
# guessing the mean.)

# %%
both = np.corrcoef(seen.states.T, seen.truth.T)[: seen.neurons, seen.neurons :]
angle, hidden = abs(both[:, 1]).max(), abs(both[:, 2:]).max()
cl.see("strongest correlation with a hidden velocity / with the angle", hidden / angle, (0.2, 0.8))
state_figures.correlation_figure(seen)

# %% [markdown]
# *Look at* the rows marked hidden. Their colours are paler: no single neuron encodes a velocity as strongly as some neuron
# encodes the angle. The readout above found the velocity in a mixture of neurons.

# %% [markdown]
# ## 5. Where would it come to rest?
#
# Hold the observation constant, as if the world had stopped, and let the network run on. A state that no longer changes is
# a **fixed point**: $F(h, x) = h$. A cell that solves a differential equation rests where
#
# $$\dot h = 0. \tag{7.6}$$
#
# `fixed_points` solves $F(h, x) = h$ with Newton's method from many starting points. (For the fused step this has the same
# solutions as (7.6): set $h_t = h_{t-1}$ in (7.4). Sussillo and Barak 2013 made the
# search for fixed points a standard way to understand recurrent networks.)
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
# *What you should see.* For this observation there is one fixed point, and it is stable. If nothing happens, the network
# forgets in a few steps. (The printed memory is the time until $1/e$ of a disturbance is left. The next two exercises
# derive it.) For a pole that is enough. Close to a fixed point you can **linearise** the network: a small disturbance
# $\delta h$ of the differential equation follows
#
# $$\frac{d}{dt}\,\delta h = J\,\delta h, \qquad J_{ij} = \frac{\partial \dot h_i}{\partial h_j}, \tag{7.7}$$
#
# and it dies away if all eigenvalues of $J$ have negative real parts.
#
# ### Exercise 7.2: the Jacobian of an LTC (a derivation, checked numerically)
# Differentiate (7.2) with respect to $h_j$. Two hints: $\sigma' = \sigma(1-\sigma)$, and $h$ occurs twice. $h_i$ is
# multiplied by the bracket, *and*, through $W$, every $h_j$ is inside $f$.

# %% nbgrader={"grade": false, "grade_id": "ex-07-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ltc_jacobian(h, x, W, U, b, tau, A):
    """h, b, tau, A (n,), x (m,), W (n, n) [to, from], U (n, m) -> J (n, n) of eq. (7.7)."""
    ### BEGIN SOLUTION
    f = sigmoid(W @ h + U @ x + b)
    return -np.diag(1 / tau + f) + ((A - h) * f * (1 - f))[:, None] * W
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-07-2", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("7.2", ltc_jacobian)

# %% [markdown]
# ### From eigenvalues to memory
# The network does not follow the differential equation exactly. It makes steps: from one control step to the next,
# $\delta h_{t+1} = M\,\delta h_t$ with $M = \partial F/\partial h$. Differentiate the fused step (7.4) at a fixed point,
# with the rates of decay $D = \operatorname{diag}(1/\tau + f)$ and $\delta = 1$:
#
# $$M = I + (I + D)^{-1} J. \tag{7.8}$$
#
# The eigenvalues $\lambda$ of $M$ say what share of a disturbance is left after one step. The fixed point is stable if all
# of them lie *inside the unit circle*. For the exact solution $M$ would be $e^{J}$. Your $J$ from Exercise 7.2 gives both:

# %%
A, h, x = policy.cell.A.detach().numpy(), found.states[0], record.x[-1].numpy()
J = attempt(ltc_jacobian, h, x, *weights, tau, A)
if J is not None:
    D = decay_rates(policy.cell, h, record.x[-1])  # the diagonal
    M = np.eye(len(h)) + J / (1 + D)[:, None]
    cl.see("largest difference of (7.8) from the network", np.abs(M - found.jacobians[0]).max(), (0, 1e-4))
    cl.see("largest |λ| of the network", spectral_radius(M), (0.4, 0.8))
    cl.see("largest |λ| of the exact solution", np.exp(np.linalg.eigvals(J).real.max()), (0.2, 0.7))
state_figures.eigenvalue_figure(found, "at the last observation")

# %% [markdown]
# *Look at* the dot furthest from 0: it decides how long anything is remembered. *What you should see.* All dots lie
# inside the circle. The fused step remembers longer than the exact solution of the same equation would. The policy was
# trained with the fused step, so its memory is that of the fused step.
#
# ### Exercise 7.3: how long does it remember? (fill in)
# In each step the slowest disturbance is multiplied by $|\lambda|_{\max}$. After how many steps is $1/e$ of it left?
# Eigenvalues of a real matrix can be complex; $|\lambda|$ is the modulus. Do not round: the answer need not be a whole
# number.

# %% nbgrader={"grade": false, "grade_id": "ex-07-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def memory_steps(M):
    """M (n, n): Jacobian of the step map at a stable fixed point -> control steps until 1/e is left, a number."""
    ### BEGIN SOLUTION
    return -1 / np.log(np.abs(np.linalg.eigvals(M)).max())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-07-3", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
cl.check("7.3", memory_steps)

# %% [markdown]
# ### What remembers?
# Your formula says that the network forgets within a few steps. Section 1 measured many more. Both are right, because the
# network is only half of a loop. The push moves the cart, the cart changes the observation, and the observation changes the
# state of the network again.
#
# To see the network alone, cut the loop. *Closed loop*: compare the episode with the push and the one without, as in section
# 1. *Open loop*: start from the state right after the push, and give the network the observations of the episode without a
# push.
#
# *Predict.* After how many steps is a tenth left in the open loop? (Your formula gives the time to $1/e$.)

# %%
cl.predict("07.8", question="control steps")

# %%
cl.see("closed loop, steps until a tenth is left", lasting(closed), (8, 88))
cl.see("open loop, steps until a tenth is left", lasting(alone), (2, 8), predicted="07.8")
loop_figure(closed, alone)

# %% [markdown]
# *What you should see.* The vertical axis is logarithmic. The orange line falls fast and nearly straight, with a slope set
# by $|\lambda|_{\max}$. The blue line starts at the same place, moves up and down, and then hardly changes for a long time.
# (So the number of steps until a tenth is left depends strongly on the threshold: until a fifth is left, it is only a
# fraction of that.) The slow drift after a stripe in the heat map is not the network's own memory. The cart has been moved
# and comes back slowly, and the state of the network follows what the network observes.

# %% [markdown]
# ### Chasing a moving target
# During the episode the observation keeps changing, so the fixed point moves. `settle` finds, for every step, where the
# network would come to rest if the observation of that step stayed.
#
# *Predict.* At each step the state moves towards the fixed point of that step. What share of the way does it go?

# %%
cl.predict("07.9", question="share of the way, 1 for all of it")

# %%
targets = settle(policy.cell, record.x, record.states)
way, gone = (targets - np.roll(record.states, 1, axis=0))[1:], np.diff(record.states, axis=0)
cl.see("share of the way gone in one step", (way * gone).sum() / (way * way).sum(), (0.4, 0.95), predicted="07.9")
distance = np.linalg.norm(record.states - targets, axis=1)
cl.see("distance to the fixed point: right after a push / right before it", distance[31:36].mean() / distance[25:30].mean(), (4, np.inf))
state_figures.component_figure(record, targets)

# %% [markdown]
# *Look at* the grey lines that end at an orange cross. Each leads from a state to the fixed point of that moment. *What you
# should see.* The lines are long right after the pushes, and short when little happens. The state follows a moving target,
# and each step covers only a part of the way. The remaining part is the influence of the past, so it is the network's
# memory.

# %% [markdown]
# ## 6. Ablation: what is each neuron for?
#
# Hold one neuron still and let the others do the work. This is called an **ablation** (Meyes et al. 2019). Before you do
# it, guess which neurons the policy cannot do without. The weights of (7.1) are a first clue. But be careful which weights
# you read. The layer in the code standardises the states first, because the states of an LTC are neither centred nor of
# unit size:
#
# $$a = V\,\frac{h - c}{s} + v, \qquad\text{so}\qquad W_a = \frac{V}{s}, \quad b_a = v - W_a\,c. \tag{7.9}$$
#
# Here $c$ and $s$ are the mean and the standard deviation of each state. They were measured once, before training, on random
# observations. `readout.weight` is $V$.
# `readout.affine` gives $(W_a, b_a)$.

# %%
(w,), (b,) = (part.numpy() for part in policy.readout.affine)
print("neuron ", *[f"{k:6d}" for k in range(record.neurons)])
print("V      ", *[f"{v:6.2f}" for v in policy.readout.weight[0]])
print("s      ", *[f"{v:6.2f}" for v in policy.readout.scale])
print("W_a    ", *[f"{v:6.2f}" for v in w])
cl.see("largest difference of W_a h + b_a from the recorded action", np.abs(record.states @ w + b - record.actions[:, 0]).max(), (0, 1e-5))
cl.see("largest |W_a| over the second largest", np.divide(*np.sort(np.abs(w))[:-3:-1]), (3, 5))
cl.see("the neuron with the largest |W_a| has the smallest s", int(np.abs(w).argmax()) == int(policy.readout.scale.argmin()))

# %% [markdown]
# *What you should see.* $W_a h + b_a$ is the recorded action up to rounding errors, so $W_a$ is the true weight. One neuron
# stands out. It moved little even before training, so its $s$ is small, and its $V$ is divided by this small $s$. Its $V$ is
# the largest as well. But a weight alone says little. What counts is the weight times the change of the neuron's state.
#
# You must also choose *at which value* you hold a neuron. If you hold it at 0, you also remove its average, which acts like
# a constant push. If you hold it at its mean, you remove only its variation. The two choices answer different questions.
#
# ### Exercise 7.4: predict the damage (an experiment with a hypothesis)
# Hypothesis: the more a held neuron changes the action at once, through the readout, the sooner the pole falls. This change
# is the *suspicion* of the neuron. Compute it from the recording alone: the root mean square, over time, of the change in
# $a = W_a h + b_a$ when neuron $k$ alone is held at `value`.

# %% nbgrader={"grade": false, "grade_id": "ex-07-4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def suspicion(readout, states, value):
    """readout of one action, states (T, n), value (n,): where each neuron would be held -> (n,), one number for each."""
    ### BEGIN SOLUTION
    weight = readout.affine[0][0].numpy()
    return np.abs(weight) * np.sqrt(np.mean((states - value) ** 2, axis=0))
    ### END SOLUTION


# %% [markdown]
# *Predict.* Hold each neuron at 0 in turn, and push the cart at random. With which neuron held does the pole fall first?

# %%
cl.predict("07.10", choices=tuple("01234567"))

# %%
mean = long.states.mean(0)
trials = {"pushes": kicks, "episodes": cl.budget(smoke=2, lite=8, full=32)}
at_zero = states.ablation_returns(policy, **trials)
worst = int(at_zero[:-1].argmin())
cl.see("neurons without which the pole falls", (at_zero[:-1] < 0.9 * at_zero[-1]).sum(), (2, 5))
print(f"with neuron {worst} held it falls first" + compared("07.10", str(worst)))
state_figures.ablation_figure(at_zero, attempt(suspicion, policy.readout, long.states, 0 * mean), trials["episodes"], "held at 0")

# %% [markdown]
# *Look at* whether the low bars (few steps) are under the high dots (a large suspicion). The next cell compares them. It
# measures each neuron's suspicion through the layer itself, so it does not need your function.

# %%
direct = change_of_action(policy.readout, long.states, 0 * mean)
falls = at_zero[:-1] < 0.9 * at_zero[-1]
cl.see("the most suspect neuron hurts most", int(direct.argmax()) == worst)
cl.see("a neuron that can be held is more suspect than one that cannot", bool(direct[~falls].max(initial=0) > direct[falls].min(initial=9)))

# %% [markdown]
# *What you should see.* The hypothesis names the most important neuron correctly, and the neurons with the lowest dots can
# be held. In between it is unreliable. One neuron has a high dot, and yet the pole stands when it is held. Another one has
# a lower dot, and the pole falls when it is held. (All episodes here have the same pushes. With other pushes, a few neurons
# may move to the other group.) The suspicion measures only the direct effect of a neuron on the action. It ignores that a
# neuron acts through other neurons too, and that other neurons can compensate for a loss.

# %%
at_mean = states.ablation_returns(policy, at=dict(enumerate(mean)), **trials)
cl.see("neurons without whose variation the pole falls", (at_mean[:-1] < 0.9 * at_mean[-1]).sum(), (1, 2))
state_figures.ablation_figure(at_mean, attempt(suspicion, policy.readout, long.states, mean), trials["episodes"], "held at its own mean")

# %% [markdown]
# *What you should see.* There is less damage than before. If the pole falls only when a neuron is held at 0, the policy needs
# the average of that neuron, and can do without its variation while the others work. When the most suspect neuron is held at
# its mean, the pole falls too. But look at *how* it falls, in an episode without pushes:

# %%
drift = states.record(policy, steps=1000, held={worst: mean[worst]})
cl.see("the cart's distance from the middle at the end", abs(drift.truth[-1, 0]), (0.9, 1.1), "m")
cl.see("largest angle of the pole until twenty steps before", np.abs(drift.truth[:-20, 1]).max(initial=0), (0, 0.05), "rad")

# %% [markdown]
# *What you should see.* The track ends at 1 m. Without the variation of this neuron the network still balances the pole,
# but no longer keeps the cart on the track: it drifts away, and the pole falls when the cart hits the end. A count of steps
# mixes the two failures. So control of the cart's position is lost first.

# %% nbgrader={"grade": true, "grade_id": "check-07-4", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
cl.check("7.4", suspicion)

# %% [markdown]
# Here is the explorer again. The neuron whose loss hurts most is now held at 0. (It is the same explorer as the first one
# above. On your machine both change together.)

# %%
explorer.ablate({worst: 0.0})
explorer

# %%
without = states.record(policy, held={worst: 0.0}, pushes=pushes, **start)
cl.see("mean push of the neuron, W_a times its average", w[worst] * mean[worst], (-1.2, -0.7))
cl.see("first action without it, less the first action with it", without.actions[0, 0] - record.actions[0, 0], (0.3, 1.5))
cl.see("steps until the pole falls", len(without), (3, 119))

# %% [markdown]
# *Look at* the panel at the bottom left. Grey is the action of the whole network, and orange is the action without the
# neuron. *What you should see.* The orange line starts far above the grey one. On average the neuron adds a negative push to
# the action. Without it the first push goes the wrong way: to the right, although the pole leans to the left. The pole tips
# further to the left, and soon it has fallen.
#
# *Predict.* Now hold several neurons at their means: first the one with the least suspicion, then the two with the least,
# then three, and so on. What is the largest number of held neurons with which the pole still stands for 1,000 steps? (Here
# it gets no pushes.)

# %%
cl.predict("07.11", question="neurons held")

# %%
explorer.ablate({})
order = np.argsort(change_of_action(policy.readout, long.states, mean))
lasted = [stands(policy, order[:count], mean, trials["episodes"]) for count in range(record.neurons + 1)]
for count, steps in enumerate(lasted):
    print(f"{count} held: stands {steps:6.0f} steps    live: {sorted(order[count:].tolist())}")
cl.see("most neurons held with which it stands", int(np.flatnonzero(np.array(lasted) > 900).max()), (6, 7), predicted="07.11")
cl.see("share that the last neuron keeps in a step, at most", (1 / (1 + 1 / constants[:, order[-1]])).max(), (0.1, 0.35))

# %% [markdown]
# *What you should see.* As long as nothing pushes it, the pole stands even when all neurons but one are held. This policy
# observes the angle and the velocity, and a push that follows a mixture of both is enough. The neuron that is left is fast:
# it keeps only a small share of its state from one step to the next. So it balances the pole almost without memory.
#
# Can every single neuron do this? What about the policy that does not observe the velocities? Keep one neuron live at a
# time, and hold all others at their means.

# %%
singles = {}
for name, which, at in (("sees velocities", policy, mean), ("does not", blind, seen.states.mean(0))):
    others = [[j for j in range(len(at)) if j != k] for k in range(len(at))]
    singles[name] = np.array([stands(which, held, at, trials["episodes"]) for held in others])
    print(f"{name:16s} steps with neuron 0, 1, … alone:", *[f"{steps:5.0f}" for steps in singles[name]])
cl.see("single neurons that balance, velocities seen", (singles["sees velocities"] > 900).sum(), (2, 3))
cl.see("single neurons that balance, velocities hidden", (singles["does not"] > 900).sum(), (0, 0))
weak = np.argsort(change_of_action(blind.readout, seen.states, seen.states.mean(0)))[:4]
cl.see("the four least suspect held, velocities hidden", stands(blind, weak, seen.states.mean(0), trials["episodes"]), (0, 500), "steps")

# %% [markdown]
# *What you should see.* In the first network more than one neuron can balance the undisturbed pole alone. In the second
# network no neuron can, and the four most suspect together are not enough either: at least one of the other four is needed.
# This does not say what it is needed for. It may be the velocity, which this policy must compute from the past, or the
# place of the cart.
#
# One more question about the first network. Neuron 3 is sufficient, as long as nothing pushes: it balances the pole alone. Is
# it also necessary? And do the answers hold when the pole is pushed? Hold no neuron, then neuron 3, then neurons 3 and 1,
# then neurons 3, 1 and 5, and last all *but* neuron 3: each undisturbed, and then with several random sequences of pushes.

# %%
rough = [states.random_pushes(steps=600, every=15, size=1.5, seed=s) for s in range(cl.budget(smoke=1, lite=6, full=10))]
others, pushed = [0, 1, 2, 4, 5, 6, 7], {}
for label, held in {"nothing": [], "3": [3], "3 and 1": [3, 1], "3, 1 and 5": [3, 1, 5], "all but 3": others}.items():
    steps = stands(policy, held, mean, trials["episodes"])
    cl.see(f"held: {label}", steps, (900, 1000) if label in ("nothing", "3 and 1", "all but 3") else (0, 700), "steps")
    pushed[label] = np.array([stands(policy, held, mean, 2, pushes=each) for each in rough])
    print("   with pushes:", *[f"{steps:.0f}" for steps in pushed[label]], "steps")
cl.see("with pushes: share in which 3 and 1 falls before 3", np.mean(pushed["3 and 1"] < pushed["3"]), (0.7, 1))
cl.see("with pushes, all but 3: median", np.median(pushed["all but 3"]), (0, 500), "steps")

# %% [markdown]
# *What you should see.* The whole network withstands all pushes. Undisturbed, with neuron 3 held, the cart drifts off the
# track after a while. With neurons 3 *and* 1 held, it stays: the second loss repairs the first. Neuron 5, like neuron 3,
# balances the pole alone; hold it as well, and the pole falls at once. So damages need not add up. But with pushes the
# second loss makes things *worse*: the episode ends sooner. (The number of steps does not say whether the pole or the cart
# failed.) Neuron 3 alone is not sufficient either: with most of the sequences the pole falls within 400 steps. So an
# ablation answers for the test that was made, and for no other. An ablation of one neuron says what it contributes *while
# no other neuron is held*. And whether a neuron is sufficient and whether it is necessary are two questions. If you hold
# one neuron at a time, you answer neither in full.

# %% [markdown]
# ## 7. The graph
#
# The drawing shows all weights at once: from the observations through the neurons to the action.

# %%
cl.topology(policy, observation_names=record.names, action_names=record.action_names, activations=record.states[32])

# %% [markdown]
# *Look at* the widest synapse (a line: one weight) into the action, and then at the synapses into the neuron that it
# starts from. Red is positive, blue is negative. The weights into the action are $W_a$. A weight shows the effect that a
# synapse *could* have. The suspicion of section 6 multiplied it by the change of the neuron's state, which shows the
# effect it *has*.

# %% [markdown]
# ## 8. The same for the cheetah
#
# A larger cell controls a cheetah whose velocities are hidden. The tools are the same.

# %%
cheetah = cl.load("halfcheetah_masked_ltc")
run = Explorer(cheetah, seed=0, steps=cl.budget(smoke=20, lite=120, full=120), step=15, action=0)
run

# %% [markdown]
# *Look at* the heat map: a gait is a pattern that repeats.
#
# *Predict.* How many times a second does the first principal component of the states swing back and forth?

# %%
cl.predict("07.12", question="swings of component 1 a second")

# %%
gait = states.record(cheetah, seed=0, steps=cl.budget(smoke=60, lite=400, full=400))
state_figures.component_figure(gait, steps=slice(-60, None))

# %% [markdown]
# *Look at* the last 3 seconds, on the right. A pole at rest would be a point. Here you see a cycle: the path keeps coming
# back to the same places. (A stride has few control steps, so the path looks angular.) How often does it come back?

# %%
score = states.pca(gait.states).scores[:, 0]
power = np.abs(np.fft.rfft(score - score.mean())) ** 2
often = np.fft.rfftfreq(len(score), gait.dt)[power.argmax()]
cl.see("component 1 swings", often, (1, 7), "times a second", predicted="07.12")
cl.see("control steps in a swing", 1 / (often * gait.dt), (3, 20))

# %% [markdown]
# *What you should see.* If one swing is one stride, the cheetah makes about as many strides a second. (You can check it in
# the video.) An isolated cycle is called a **limit cycle**, and it is stable if the system returns to it after a
# disturbance (Strogatz 2015, chapter 7). The gait looks like a stable limit cycle of network and body together. (Here you
# have seen it repeat. No disturbance was tried.) Does the network also swing without the body? Freeze the last observation
# and look for fixed points:

# %%
resting = fixed_points(cheetah.cell, cheetah.encoder(gait.x[-1]), starts=gait.states[::20], tries=cl.budget(smoke=4, lite=32, full=64))
print(resting)
cl.see("stable fixed points", resting.stable.sum(), (1, 3))

# %% [markdown]
# *What you should see.* There is a stable fixed point here too. So at this observation the network alone can come to rest,
# and the rhythm probably needs the loop through the body. (The search finds fixed points only. It would not see a cycle.)
# And what about the hidden joint velocities?

# %%
of_neurons = abs(np.corrcoef(gait.states.T, gait.truth.T)[: gait.neurons, gait.neurons :]).max(0)
shown = np.array([name in gait.names for name in gait.truth_names])
cl.see("strongest correlation with one neuron, mean over the hidden / over the observed", of_neurons[~shown].mean() / of_neurons[shown].mean(), (0.6, 0.95))
state_figures.correlation_figure(gait)

# %%
settled = slice(len(gait) // 4, None)  # without the start from rest
never = untrained_states(gait, gait.neurons, seed=0)
print(f"{'R² from':24s} all states | states from step {settled.start} on | all observations | states of an untrained cell")
scores = {}
for i, name in enumerate(gait.truth_names):
    if name not in gait.names:
        sources = (gait.states, gait.states[settled], gait.observations, never)
        scores[name] = [states.decode(x, gait.truth[-len(x) :, i])[0] for x in sources]
        print(f"{name:24s} {scores[name][0]:10.2f} | {scores[name][1]:18.2f} | {scores[name][2]:16.2f} | {scores[name][3]:10.2f}")
limbs = np.array([v for k, v in scores.items() if "thigh" in k or "shin" in k or "foot" in k])
speed, late = gait.truth[settled, gait.truth_names.index("speed (m/s)")], {}
for source, x in (("states", gait.states), ("observations", gait.observations), ("states of an untrained cell", never)):
    late[source] = states.decode(x[settled], speed)[0]
print(f"speed from step {settled.start} on: R² " + ", ".join(f"{value:.2f} from the {source}" for source, value in late.items()))
cl.see("joint velocities with R² above 0.7 from the states", (limbs[:, 0] > 0.7).sum(), (4, 6))
cl.see("R² from the states less R² from an untrained cell's, mean over the joints", (limbs[:, 0] - limbs[:, 3]).mean(), (-0.15, 0.15))

# %% [markdown]
# *What you should see.* On average, the hidden rows of the picture are paler than the others. And yet the joint velocities
# can be read from mixtures of neurons. But be careful: in a steady gait the angles alone tell much about the velocities,
# and the states of one untrained cell (a single draw) tell as much as those of the trained one, on average over the joints.
# A probe shows what can be read from a state. It does not show what was learned. (In section 4 the untrained cells held
# much less. There the claim passed the same test.) The forward speed has an R² below 0 because the readout was fitted on
# the start from rest and tested on the steady run. Without the start, more than half of it can be read. But the last
# printed line has the controls: in the steady run the observed angles and an untrained cell tell about as much.
#
# ### The same, while it runs
# The frame runs in your browser, without this notebook's kernel. Click neurons in the graph to hold them at 0 while the
# cheetah runs, and let them go again. How many can you take away before it stops?

# %%
cl.live("halfcheetah_masked_ltc")

# %% [markdown]
# ## 9. A neuron that never forgets
# If all states decay to one stable fixed point, the network keeps nothing for ever. A network that
# should remember *that something happened* can do so with two stable states. One neuron is enough for that:
#
# $$\dot h = -\Bigl[\frac1\tau + f\Bigr] h + f A, \qquad f = \sigma(w\,h + b). \tag{7.10}$$
#
# ### Exercise 7.5: one bit (open)
# Return $w$, $b$, $\tau$ and $A$ such that this neuron has two stable states at least 0.1 apart. Then answer two questions
# for yourself; they are not checked. How large must a sudden change of the state be to switch the neuron? And what does a
# change of $b$ do? (It acts like an input.)

# %% nbgrader={"grade": false, "grade_id": "ex-07-5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def one_bit():
    """-> (w, b, tau, A) of eq. (7.10), four numbers."""
    ### BEGIN SOLUTION
    return 40.0, -10.0, 1.0, 1.0  # rests near 0 with f near 0, and near A τ / (1 + τ) = 1/2 with f near 1; the threshold is a little below 1/4
    ### END SOLUTION


# %% tags=["prelude"]
def bit_rate(h, w, b, tau, A):
    """Eq. (7.10): dh/dt of a single neuron."""
    f = sigmoid(w * h + b)
    return -(1 / tau + f) * h + f * A


# %%
neurons = {"no synapse": (0.0, 0.0, 1.0, 1.0), "a weak one": (8.0, -2.0, 1.0, 1.0), "yours": attempt(one_bit)}
fields = {name: (lambda h, p=p: bit_rate(h, *p)) for name, p in neurons.items() if p is not None}
flow.flow_figure(fields)

# %% [markdown]
# *Look at* the dots: filled ones attract, hollow ones repel. From any state between two filled dots, the neuron moves to
# one of them. The hollow dot decides which. So a sudden change switches the neuron if it carries the state past the hollow
# dot.

# %% nbgrader={"grade": true, "grade_id": "check-07-5", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("7.5", one_bit)

# %% [markdown]
# ### Change the input
# The next plot answers the second question for every input. It shows the neuron (7.10) with $\tau = A = 1$. The left panel is
# its **phase line**, $\dot h$ over $h$: the neuron rests where the curve crosses zero, and this state is stable if the curve
# falls there. The right panel is its **bifurcation diagram**: the fixed points for every input $b$. You can compute the
# fixed points by hand. Set $\dot h = 0$ and solve for $f$, then for $b$:
#
# $$f = \frac{h}{1 - h}, \qquad b = \log\frac{h}{1 - 2h} - w\,h, \qquad 0 < h < \tfrac12. \tag{7.11}$$
#
# *Try this.* Start at $w = 4$ and move the input. There is always one fixed point. Then go to $w = 16$. When you move the input
# up, where does a second stable state appear, and where does the first one disappear?

# %%
bifurcation_slider()

# %% [markdown]
# At the two ends of the dashed line a stable and an unstable fixed point meet and disappear. This is a **saddle-node
# bifurcation**, also called a fold (Strogatz 2015, chapter 3). There the slope of (7.11), $db/dh = 1/(h(1-2h)) - w$, is zero.
# The smallest value of $1/(h(1-2h))$ is 8, at $h = 1/4$. So below $w = 8$ no input gives two stable states. The point where
# the two folds meet is called a **cusp**. Beer (1995) maps such points for networks of one and two neurons.
#
# *Predict.* Let $w = 16$. The input rises slowly from -10 to 0, and then it falls slowly back to -10. Each way the neuron
# jumps once from one state to the other. Is the input at which it jumps the same both ways?

# %%
cl.predict("07.13", choices=("the same both ways", "higher on the way up", "higher on the way down"))

# %%
inputs = np.linspace(-10, 0, 101)
up = followed(16.0, inputs)
down = followed(16.0, inputs[::-1], start=up[-1])[::-1]
jumps = [float(inputs[np.diff(path).argmax()]) for path in (up, down)]
gap = jumps[0] - jumps[1]
came = "the same both ways" if abs(gap) < 0.2 else "higher on the way up" if gap > 0 else "higher on the way down"
print(f"jumps at {jumps[0]:.1f} on the way up, {jumps[1]:.1f} on the way down: {came}" + compared("07.13", came))
cl.see("largest distance of the jumps from the two folds", np.abs(np.array(jumps) - folds(16.0)[1]).max(), (0, 0.2))

# %% [markdown]
# *What you should see.* The neuron stays in its state until this state disappears at a fold, and the two folds lie at
# different inputs. Between them the state depends on the past. This is called **hysteresis**. It is the memory of this
# neuron: a short strong input switches it, and it stays switched when the input has returned to a value between the folds.

# %% [markdown]
# ## Your predictions
# How close were you? A number counts as close if it differs from the result by no more than a quarter of the result.

# %%
cl.calibration("07")

# %% [markdown]
# ## Summary
# - The time constants of a liquid network depend on its state and input, (7.3). They lie between $\tau/(1+\tau)$ and $\tau$.
#   The share of a disturbance that is left after a step also depends on the solver, (7.4).
# - At a frozen memory a recurrent policy is a map that can be drawn, (7.5). If its action at one and the same observation
#   changes, the policy remembers something.
# - The states vary in few directions. They can encode a velocity that the policy needs and never observes.
# - Fixed points and eigenvalues say what the network remembers, and for how long. With one stable fixed point it is a filter,
#   with two it is a switch. The loop through the body can keep a disturbance much longer than the network does.
# - Holding one neuron still tests whether the policy needs it while all the others are free. Predict first, and hold the
#   neuron at 0 and at its mean. Sufficient and necessary are two questions, and the answers hold for the test that was made:
#   without pushes the loss of a second neuron repaired what the first had broken, with pushes it did not. Look at how the
#   episode ends, not only when: a neuron may keep the pole up, or the cart on its track.
# - A probe needs controls: the observation, and a cell that was never trained.
#
# ### What goes wrong, and how it looks
# | what you see | what it often is |
# |---|---|
# | a neuron correlates with the velocity, but the policy works without it | a by-product, or a neuron whose loss others cover: correlation does not prove use, one ablation does not disprove it |
# | the weights point to the wrong neuron | the layer standardises its input; use $W_a$ of (7.9) |
# | the pole falls with a neuron held at 0, but not at its mean | the neuron's average acts like a part of the bias |
# | a stripe that lasts longer than the eigenvalues allow | the loop through the body keeps it; cut the loop |
# | portraits flicker from step to step | each picture has its own colour range; use one range for the episode |
# | no fixed point is found | too few starts, or a cell that keeps integrating (a neural ODE without decay can) |
# | R² of a readout is near 1 in the fit and below 0 afterwards | the two parts differ (a start, a drift), or the states change too little in the episode: push more |
# | the first component only grows with time | a slow drift of the cart; look at the second and third, or start later |
#
# ### Further reading
# - R. Hasani, M. Lechner, A. Amini, D. Rus, R. Grosu, "Liquid time-constant networks", *AAAI* 2021: section 2 (the cell),
#   theorem 1 (bounds of the time constant).
# - D. Sussillo, O. Barak, "Opening the black box: low-dimensional dynamics in high-dimensional recurrent neural
#   networks", *Neural Computation* 25, 2013: fixed points by optimisation.
# - K. Pearson, "On lines and planes of closest fit to systems of points in space", *Philosophical Magazine* 2, 1901.
# - G. E. Hinton, J. L. McClelland, D. E. Rumelhart, "Distributed representations", in *Parallel Distributed Processing* 1,
#   MIT Press 1986.
# - K. Funahashi, Y. Nakamura, "Approximation of dynamical systems by continuous time recurrent neural networks",
#   *Neural Networks* 6, 1993.
# - R. D. Beer, "On the dynamics of small continuous-time recurrent neural networks", *Adaptive Behavior* 3, 1995: one and two
#   neurons, exhaustively.
# - G. Alain, Y. Bengio, "Understanding intermediate layers using linear classifier probes", *ICLR workshop* 2017.
# - R. Meyes, M. Lu, C. Waubert de Puiseau, T. Meisen, "Ablation studies in artificial neural networks", arXiv 1901.08644,
#   2019.
# - S. H. Strogatz, *Nonlinear Dynamics and Chaos*, 2nd ed., 2015: chapters 2 (phase line), 3 (bifurcations), 6 and 7.
