# %% [markdown]
# # ODE cells and the adjoint method
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/liquid-control/liquid-control/blob/main/notebooks/03_ode_cells.ipynb)
#
# A recurrent network jumps from step to step. A *liquid* network has no steps: its state obeys a differential
# equation, and a solver follows it for as long as the clock says. That buys memory whose speed depends on what is seen,
# and time as an input like any other. It costs a solver, and a question that plain networks do not have: how do you
# differentiate through it? This notebook builds the cells, the solvers and three answers, and shows where each
# one breaks.

# %% [markdown]
# **You will be able to**
# 1. turn a recurrent step into an ODE, solve it with a method of known order, and measure that order;
# 2. fit a vector field to samples taken at irregular times;
# 3. tell CT-RNN, LTC and CfC apart by their response to a step, and compute an LTC's time constant;
# 4. derive the adjoint equation, build it in 30 lines, and say when its gradient is wrong although no line is;
# 5. say from which step size on an LTC is no longer the ODE it is named after, and what that does and does not matter for.
#
# **Before you start.** Derivatives and the chain rule in several variables; PyTorch's `backward`. Notebooks 01 and
# 02 are not needed.
#
# **Time** on 2 cores: smoke (a test that every cell runs) under half a minute; lite (the default) about 1 minute of
# computing; full about 3 minutes.

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
# The **gradient lab**: one ODE network, one loss, three ways to differentiate. Where sliders are shown, drag one and
# let go: everything is measured anew. At the end you will be able to explain each bar.

# %%
from course_lib.lessons import nb03_gradient_lab as gradient_lab

gradient_lab.show(stiffness=10.0, tolerance=1e-5, horizon=2.0)

# %% [markdown]
# *Look at* the second bar of the first panel: a gradient with an error of that size is not a gradient. Nothing is
# misprogrammed. Section 6 tells what happened.

# %% tags=["prelude"]
import time
from functools import partial

import numpy as np
import torch
import torchdiffeq
from scipy.integrate import solve_ivp
from torch import nn

import course_lib as cl
from course_lib.course.exercises import attempt, check, check_that
from course_lib.lessons import nb03_gradient_lab as gradient_lab
from course_lib.lessons import nb03_ode as ode_figures
from course_lib.nets.cells import LTC, CfC, CTRNN
from course_lib.nets.solvers import Counted, odeint
from course_lib.nets.synaptic import SynapticLTC

real = partial(torch.tensor, dtype=torch.float64)  # derivatives are compared below: single precision would blur them

# %% [markdown]
# ## 1. From a step to an equation
#
# A residual or recurrent network adds something to its state, $h \leftarrow h + \Delta\, f_\theta(h)$. Let the step
# $\Delta$ go to zero, and have more of them:
#
# $$\frac{dh}{dt} = f_\theta(t, h), \qquad h(0) = h_0. \tag{3.1}$$
#
# That is a **neural ODE** when $f_\theta$ is a network. The step comes back as the crudest solver of (3.1), Euler's.
# We begin with an equation whose solution is known, so that every error can be measured. A point in the
# plane spirals out (or in) to the unit circle:
#
# $$\frac{dh}{dt} = \tfrac12\,(1 - |h|^2)\,h + 2\,J h, \quad J = \begin{pmatrix}0&-1\\1&0\end{pmatrix};
# \qquad |h(t)|^2 = \frac{1}{1 + (|h_0|^{-2} - 1)\,e^{-t}}, \quad \text{angle}(t) = \text{angle}(0) + 2t. \tag{3.2}$$

# %% tags=["prelude"]
def spiral(t, h):
    """Left of eq. (3.2): h (…, 2) -> dh/dt (…, 2), 1/s."""
    turned = torch.stack([-h[..., 1], h[..., 0]], dim=-1)
    return 0.5 * (1 - h.square().sum(-1, keepdim=True)) * h + 2.0 * turned


# %% tags=["prelude"]
def spiral_exact(t, h0):
    """Right of eq. (3.2): t (K, B) s, h0 (B, 2) -> h(t) (K, B, 2)."""
    radius = (1 + (1 / h0.square().sum(-1) - 1) * torch.exp(-t)) ** -0.5
    angle = torch.atan2(h0[:, 1], h0[:, 0]) + 2.0 * t
    return radius[..., None] * torch.stack([angle.cos(), angle.sin()], dim=-1)


# %% [markdown]
# The formula should be trusted no more than the code. Three witnesses: the formula, `scipy`, and Euler.
#
# *Predict.* From (0.3, 0), after 3 s in 30 Euler steps of 0.1 s: will Euler end inside or outside the true spiral?

# %% tags=["prelude"]
def euler_step(field, t, h, dt):
    """h (B, n) at time t -> about h at t + dt: follow the tangent."""
    return h + dt * field(t, h)


def midpoint_step(field, t, h, dt):
    """The tangent in the middle of the step, where a half Euler step leads."""
    return h + dt * field(t + dt / 2, h + dt / 2 * field(t, h))


# %% tags=["prelude"]
def walk(step, field, h, T, steps):
    """`steps` equal steps from 0 to T -> h(T)."""
    dt = T / steps
    for k in range(steps):
        h = step(field, k * dt, h, dt)
    return h


# %%
h0, T = real([[0.3, 0.0]]), 3.0
exact = spiral_exact(real([[T]]), h0)[0]
by_scipy = solve_ivp(lambda t, h: spiral(t, real(h)).numpy(), (0, T), h0[0].numpy(), "DOP853", rtol=1e-12, atol=1e-13)
print("formula", exact[0].numpy().round(6), "  scipy differs by", f"{np.abs(by_scipy.y[:, -1] - exact[0].numpy()).max():.0e}")
for name, step in (("Euler", euler_step), ("midpoint", midpoint_step)):
    h = walk(step, spiral, h0, T, 30)
    print(f"{name:8s} {h[0].numpy().round(6)}   radius {h.norm():.4f} (true {exact.norm():.4f})")

# %% [markdown]
# *What you should see.* Formula and scipy agree to $10^{-10}$ or better. Euler ends outside, by 20 to 40 % of the
# radius: it follows the tangent of a curve that bends, and always lands on the outer side. The midpoint's radius is
# right within 2 %.
#
# ### Order
# A method has **order** $p$ if its error at a fixed end is proportional to $\Delta^p$. Euler looks at $f$ once a
# step and has order 1, the midpoint twice and 2. The classical method of Runge and Kutta looks four times:
#
# $$\begin{aligned}
# k_1 &= f(t, h), & k_2 &= f\bigl(t+\tfrac\Delta2,\, h + \tfrac\Delta2 k_1\bigr), \\
# k_3 &= f\bigl(t+\tfrac\Delta2,\, h + \tfrac\Delta2 k_2\bigr), & k_4 &= f(t+\Delta,\, h + \Delta k_3),
# \end{aligned} \qquad h \leftarrow h + \tfrac\Delta6\,(k_1 + 2k_2 + 2k_3 + k_4). \tag{3.3}$$
#
# ### Exercise 3.1: RK4 (fill in)
# Write one step of (3.3), in the manner of `midpoint_step`.

# %% nbgrader={"grade": false, "grade_id": "ex-03-1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def rk4_step(field, t, h, dt):
    """field(t, h) -> dh/dt; h (B, n) at time t -> h at t + dt (B, n), eq. (3.3)."""
    ### BEGIN SOLUTION
    k1 = field(t, h)
    k2 = field(t + dt / 2, h + dt / 2 * k1)
    k3 = field(t + dt / 2, h + dt / 2 * k2)
    k4 = field(t + dt, h + dt * k3)
    return h + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-03-1", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
#@title Check 3.1
def windy(t, h):  # depends on t as well as on h
    return torch.sin(3 * h) + t**2 * h.flip(-1)


def tableau(a, b, c):  # any explicit method: kᵢ = f(t + cᵢ Δ, h + Δ Σ aᵢⱼ kⱼ), then h + Δ Σ bᵢ kᵢ
    def step(field, t, h, dt):
        k = []
        for row, at in zip(a, c, strict=True):
            k.append(field(t + at * dt, h + dt * sum(w * each for w, each in zip(row, k, strict=True))))
        return h + dt * sum(w * each for w, each in zip(b, k, strict=True))
    return step


A4, B4, C4, S = ((), (0.5,), (0, 0.5), (0, 0, 1)), (1/6, 1/3, 1/3, 1/6), (0, 0.5, 0.5, 1), real([[0.2, -0.4], [1.0, 0.3]])
check(
    "3.1", "rk4_step", oracle=lambda f, t, h, dt: odeint(f, h, real([t, t + dt]), method="rk4")[-1],
    cases=[(windy, 0.5, S, 0.4), (windy, 1.0, -S, 0.1), (spiral, 0.0, S, 0.5)], tolerance=1e-9,
    mistakes={
        "that is the midpoint method, order 2: k3 and k4 are missing": midpoint_step,
        "the four slopes do not count alike: the two in the middle count twice": tableau(A4, (0.25,) * 4, C4),
        "k3 starts from k2, not from k1 once more": tableau(((), (0.5,), (0.5, 0), (0, 0, 1)), B4, C4),
        "k4 looks a whole step ahead, not half": tableau(((), (0.5,), (0, 0.5), (0, 0, 0.5)), B4, (0, 0.5, 0.5, 0.5)),
        "time stands still: f must be asked at t + Δ/2 and t + Δ too": tableau(A4, B4, (0,) * 4),
        "divide by 6: four slopes with weights 1, 2, 2, 1": tableau(A4, (1, 2, 2, 1), C4),
    },
)

# %% [markdown]
# *Predict.* Halve the step of RK4. By which factor does the error fall?

# %%
counts = np.array([8, 16, 32, 64, 128])
errors = {}
for method in ("euler", "midpoint", "rk4"):
    ends = [odeint(spiral, h0, real([0.0, T]), method=method, substeps=int(n))[-1] for n in counts]
    errors[method] = (T / counts, [(h - exact).norm().item() for h in ends])
    print(f"{method:8s}", *[f"{error:.1e}" for error in errors[method][1]])

# %%
mine = [attempt(lambda n=n: (walk(rk4_step, spiral, h0, T, n) - exact).norm().item()) for n in counts]
if all(mine):
    errors["your RK4"] = (T / counts, mine)
ode_figures.power_figure(errors, "step Δ (s)", "error of h(3 s)")

# %% [markdown]
# *Look at* the slopes in the legend. *What you should see.* Within 0.3 of 1, 2 and 4: half the step, a sixteenth of
# the error for RK4. (At large steps lines bend: order is a promise about small ones.) `odeint` is the library's
# solver. Its method "dopri5" looks at its own error, compares it with a tolerance, and chooses each step itself:

# %%
for tolerance in (1e-3, 1e-6, 1e-9):
    counted = Counted(spiral)
    h = odeint(counted, h0, real([0.0, T]), method="dopri5", rtol=tolerance, atol=tolerance)[-1]
    print(f"tolerance {tolerance:.0e}: error {(h - exact).norm():.1e} with {counted.evaluations} evaluations of f")

# %% [markdown]
# *What you should see.* The error follows the tolerance within a factor of 100 or so (the tolerance is meant *per
# step*), and nine digits cost about ten times as many evaluations as three.

# %% [markdown]
# ## 2. Learning a vector field from irregular samples
#
# Now forget (3.2). We have 24 paths, each seen 10 times at moments of its own. A recurrent network would want them on
# a common grid. An ODE does not care: to get from one sample to the next, each path is solved for *its own*
# $\Delta t$.

# %% tags=["prelude"]
def sample_paths(paths, samples, T, rng):
    """-> t (samples, paths) s, the first row 0, and exact states (samples, paths, 2), starts between radius 0.3 and 1.6."""
    radius, angle = rng.uniform(0.3, 1.6, paths), rng.uniform(0, 2 * np.pi, paths)
    start = real(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1))
    t = real(np.vstack([np.zeros(paths), np.sort(rng.uniform(0.05, T, (samples - 1, paths)), axis=0)]))
    return t, spiral_exact(t, start)


class Field(nn.Module):
    """dh/dt = network(h): h (B, 2) -> (B, 2)."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 2)).double()

    def forward(self, t, h):
        return self.net(h)


# %%
t, seen = sample_paths(paths=24, samples=10, T=4.0, rng=np.random.default_rng(0))
print("times", tuple(t.shape), " states", tuple(seen.shape))
print("Δt of the first three paths (s):")
print(t.diff(dim=0)[:, :3].T.numpy().round(2))

# %% [markdown]
# *What you should see.* Steps between nearly 0 and 1.5 s, different in each row. Each sample is a start, the next one
# of the same path the goal, and the loss compares where the field leads with what was seen,
#
# $$L(\theta) = \frac{1}{n}\sum_{k,b}\bigl|\,\phi_\theta(h_{kb},\, \Delta t_{kb}) - h_{k+1,b}\,\bigr|^2, \tag{3.4}$$
#
# where $\phi_\theta(h, \Delta t)$ is the solution of (3.1) after $\Delta t$ from $h$. All 216 pieces are solved in one batch, and PyTorch
# differentiates through the solver's steps as through any other code.

# %%
def fit(t, seen, updates):
    """Adam on eq. (3.4); t (K, B) s, seen (K, B, 2) -> field, losses."""
    field, losses = Field(), []
    optimizer = torch.optim.Adam(field.parameters(), lr=0.03)
    start, goal = seen[:-1].flatten(0, 1), seen[1:].flatten(0, 1)
    span = torch.stack([t[:-1].flatten(), t[1:].flatten()])  # (2, pieces): each piece has its own begin and end
    for _ in range(updates):
        loss = (odeint(field, start, span, method="rk4", substeps=2)[-1] - goal).square().sum(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return field, losses


# %% [markdown]
# *Predict.* A second network gets the same states and is told that they came at even intervals, as a recurrent network
# would take them. Will its paths be right but early or late, or will they go somewhere else?

# %%
updates = cl.budget(smoke=15, lite=600, full=2000)
even = torch.linspace(0, 4, 10, dtype=torch.float64)[:, None].expand_as(t)
start = time.perf_counter()
(knows, loss_knows), (ignores, loss_ignores) = fit(t, seen, updates), fit(even, seen, updates)
print(f"two trainings of {updates} steps in {time.perf_counter() - start:.0f} s")
ode_figures.fit_figure({"times known": loss_knows, "times taken as even": loss_ignores}, "loss, eq. (3.4)")

# %% [markdown]
# *Look at* where the second line stops falling: no vector field explains these samples at even times. *What you should
# see* in the lite budget: about 0.3 against 0.001 or less. Now paths that neither has seen:

# %%
t_new, h_new = sample_paths(paths=3, samples=12, T=4.0, rng=np.random.default_rng(7))
many, truth = sample_paths(paths=200, samples=12, T=8.0, rng=np.random.default_rng(8))
print("to be judged by", tuple(truth.shape), "new samples, up to", f"{many.max():.1f} s")

# %%
dense, panels = torch.linspace(0, 4, 120, dtype=torch.float64), []
for title, field in (("before training", Field()), ("times known", knows), ("times taken as even", ignores)):
    with torch.no_grad():
        paths = odeint(field, h_new[0], dense)
        rms = (odeint(field, truth[0], many, substeps=4) - truth).square().sum(-1).mean().sqrt()
    panels.append(dict(title=f"{title}: error {rms:.3f}", field=ode_figures.as_field(field), paths=paths, samples=h_new))
ode_figures.field_figure(panels)

# %% [markdown]
# *Look at* the crosses, true states of three paths that no network has seen, and at the arrows. The error in the
# title is the root mean square over 200 new paths, at new moments, for twice as long as the training lasted. *What
# you should see* in the lite budget: before, arrows that mean nothing. Times known: an error under 0.15, for a circle
# of radius 1. Times taken as even: the paths spiral into the middle, with an error above 0.5. From one place it was
# shown ends a little way and ends far along the circle; it learns their average, and the average of places on a
# circle lies inside it.

# %% [markdown]
# ## 3. Cells with a clock
#
# A neural ODE becomes a recurrent cell when an input $x$ enters. Within a control step $x$ is held. The
# **CT-RNN** (Funahashi and Nakamura, 1993) forgets with fixed time constants $\tau$, one for each neuron:
#
# $$\frac{dh}{dt} = -\frac{h}{\tau} + \tanh(W h + U x + b). \tag{3.5}$$
#
# The **liquid time-constant cell**, LTC (Hasani et al., 2021, their eq. 1) lets the input decide how fast:
#
# $$\frac{dh}{dt} = -\Bigl[\frac1\tau + f\Bigr] \odot h + f \odot A, \qquad f = \sigma(W h + U x + b). \tag{3.6}$$
#
# $f$ is a *conductance*: it opens a channel that pulls $h$ towards the level $A$, against a leak that pulls it to 0.
#
# *Predict.* One neuron of each, $\tau$ = 10 s (LTC) and 2 s (CT-RNN). The input is switched on, and off again. Which
# state rises faster than it falls?

# %% tags=["prelude"]
def with_values(cell, **values):
    """The cell with the named parameters filled with one number each; `tau` in s."""
    values["raw_tau"] = float(np.log(np.expm1(values.pop("tau"))))
    with torch.no_grad():
        for name, value in values.items():
            getattr(cell, name).fill_(value)
    return cell.double()


def staircase(t):
    """t (T,) s -> input (T,): off, half from 2 s, full from 8 s, off from 14 s."""
    return 0.5 * (t > 2).double() + 0.5 * (t > 8).double() - 1.0 * (t > 14).double()


# %%
seconds = torch.arange(0, 40, 0.1, dtype=torch.float64)
drive = staircase(seconds)
toys = {
    "CT-RNN": with_values(CTRNN(1, 1), tau=2.0, input=0.6, recurrent=0.0, bias=0.0),
    "LTC": with_values(LTC(1, 1, substeps=20), tau=10.0, input=8.0, recurrent=0.0, bias=-4.0, A=1.0),
}
states, constants = {}, {}
with torch.no_grad():
    for name, cell in toys.items():
        h = cell.sequence(drive[:, None, None], cell.initial_state(1).double(), dt=0.1)
        states[name], constants[name] = h[:, 0, 0], cell.time_constants(h, drive[:, None, None])[:, 0, 0]
ode_figures.response_figure(seconds, drive, states, constants)

# %% [markdown]
# *Look at* the third panel. The CT-RNN's time constant is a line; the LTC's drops from about 8 s to about 1 s when
# the input comes, and returns. *What you should see* in the second panel: the CT-RNN goes up and down in the same
# time; the LTC goes up within 2 s or 3 s and takes 20 s to forget. Quick to notice, slow to forget: a memory, made by
# one neuron without any feedback.
#
# ### Exercise 3.2: the time constant of an LTC (a derivation, checked numerically)
# While $f$ does not change, (3.6) is linear in $h$. Bring it into the form
#
# $$\frac{dh}{dt} = \frac{h_\infty - h}{\tau_{\text{sys}}} \tag{3.7}$$
#
# and give $\tau_{\text{sys}}$ and $h_\infty$.

# %% nbgrader={"grade": false, "grade_id": "ex-03-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ltc_unit(f, A, tau):
    """f in 1/s, A, tau in s, arrays (n,) -> (tau_sys (n,) in s, h_inf (n,)), eq. (3.7)."""
    ### BEGIN SOLUTION
    tau_sys = 1 / (1 / tau + f)
    return tau_sys, f * A * tau_sys
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-03-2", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
#@title Check 3.2
def by_looking(f, A, tau):  # the right-hand side of (3.6) is a straight line in h: take its slope and its zero
    low, high = (-(1 / tau + f) * h + f * A for h in (0.0, 1.0))
    return -1 / (high - low), low / (low - high)


def sys(f, tau):
    return 1 / (1 / tau + f)


check(
    "3.2", "ltc_unit", oracle=by_looking,
    cases=[tuple(np.array([[0.1, 0.9, 0.5], [1.0, -2.0, 0.5], [10.0, 2.0, 0.3]])), tuple(np.array([[0.7], [3.0], [5.0]]))],
    mistakes={
        "the first is a rate, 1/s; its inverse is the time constant": lambda f, A, tau: (1 / sys(f, tau), f * A * sys(f, tau)),
        "τ alone: f empties the state too, so it forgets faster than τ": lambda f, A, tau: (tau, f * A * tau),
        "rates add up, 1/τ + f; times do not": lambda f, A, tau: (tau + 1 / f, f * A * (tau + 1 / f)),
        "τ/(1 + f) is right for τ = 1 s only: mind the units": lambda f, A, tau: (tau / (1 + f), f * A * tau / (1 + f)),
        "h∞ is not A: the leak 1/τ holds against it": lambda f, A, tau: (sys(f, tau), A + 0 * f),
        "f A is the flow in; h∞ is where it balances the flow out, h / τ_sys": lambda f, A, tau: (sys(f, tau), f * A),
    },
)

# %% [markdown]
# ### Bounded, whatever comes in
# As $0<f<1$ (1/s), $\tau_{\text{sys}}$ lies between $\tau/(1+\tau)$ and $\tau$. And $h$ cannot leave the interval
# between 0 and $A$: at $h = A$ the leak points inwards, at $h = 0$ the pull does. No clipping, no tanh on the state.
#
# A student report on the same system prints another equation (the code that came with it had the paper's):
#
# $$\text{printed there:}\quad \frac{dh}{dt} = -\Bigl[\frac1\tau + A f\Bigr] \odot h + f. \tag{3.8}$$
#
# For $A = 1$ the two are one. *Predict.* And for $A = -1.5$, $\tau$ = 2 s, with the channel open?

# %%
def forms(f, A, tau, h0=0.0, T=5.0):
    """Eqs. (3.6) and (3.8) with a constant f, by scipy -> times, states by name."""
    times = np.linspace(0, T, 100)
    rates = {"paper, (3.6)": lambda t, h: -(1 / tau + f) * h + f * A, "printed, (3.8)": lambda t, h: -(1 / tau + A * f) * h + f}
    return times, {name: solve_ivp(rate, (0, T), [h0], t_eval=times, rtol=1e-8).y[0] for name, rate in rates.items()}


ode_figures.forms_figure(*forms(f=0.9, A=-1.5, tau=2.0), bound=-1.5)

# %% [markdown]
# *What you should see.* The paper's state settles inside the band, below zero: an inhibitory synapse. In the printed
# form a negative $A$ makes the bracket negative, and the state runs away in the wrong direction. With $A>0$ it is
# stable, but then every neuron is pushed upwards only. **We build the paper's.** (`LTC(form="writeup")` is there for
# comparison.)

# %% [markdown]
# ### A step that cannot leave the bounds either
# Explicit steps know nothing of bounds. The LTC paper's **fused** step takes $f$ from the old state, and the state
# that decays from the *new* one:
#
# $$h' = h + \Delta\Bigl(-\bigl[\tfrac1\tau + f\bigr]\,h' + f A\Bigr). \tag{3.9}$$
#
# Usually an implicit equation needs an iteration. This one is linear in $h'$, neuron by neuron, so collect and divide:
#
# $$h'\,\bigl(1 + \Delta[\tfrac1\tau + f]\bigr) = h + \Delta f A
# \quad\Longrightarrow\quad h' = \frac{h + \Delta f A}{1 + \Delta\,(1/\tau + f)}. \tag{3.10}$$
#
# Read it as an average: of $h$ with weight 1, of $A$ with weight $\Delta f$, of 0 with weight $\Delta/\tau$. An
# average of three numbers lies between them, for *every* $\Delta$. (For the CT-RNN the same idea gives
# $h' = (h + \Delta\tanh)/(1 + \Delta/\tau)$.)

# %%
def ltc_conductance(cell, h, x):
    """f of eq. (3.6): h (B, n), x (B, inputs) -> (B, n)."""
    return torch.sigmoid(h @ cell.recurrent.T + x @ cell.input.T + cell.bias)


def fused_step(cell, h, x, dt):
    """Eq. (3.10)."""
    f = ltc_conductance(cell, h, x)
    return (h + dt * f * cell.A) / (1 + dt * (1 / cell.tau + f))


# %% [markdown]
# *Predict.* Sixteen neurons, inputs of size 1,000, 500 steps of 1 s. How large do the states get with (3.10)? With
# Euler?

# %%
torch.manual_seed(0)
cell = LTC(4, 16).double()
x = 1000 * torch.randn(500, 1, 4, dtype=torch.float64)
h = euler = cell.initial_state(1).double()
inside, largest = [], 0.0
with torch.no_grad():
    for each in x:
        h, euler = fused_step(cell, h, each, 1.0), euler + 1.0 * cell.derivative(euler, each)
        inside.append(h / cell.A)
        largest = max(largest, euler.abs().max().item())
    library = cell.sequence(x, cell.initial_state(1).double(), dt=1.0)
inside = torch.stack(inside)
print(f"fused: h / A between {abs(inside.min()):.3f} and {inside.max():.3f}; largest |h| of Euler {largest:.3g}")
print(f"inline and library differ by {(inside * cell.A - library).abs().max():.0e}")
assert 0 <= inside.min() and inside.max() <= 1 and torch.allclose(inside * cell.A, library)

# %% [markdown]
# *What you should see.* Between 0 and 1 for (3.10). Euler leaves it and runs away, to $10^{10}$ and beyond: with
# $\tau$ = 0.5 s and the channel open, one step of 1 s multiplies by $1 - 3 = -2$. Inline and library agree to
# $10^{-12}$ or better.
#
# ### CfC: the answer instead of the equation
# The **closed-form** cell (Hasani et al., 2022) skips the solver. It learns the *solution* as a function of
# time, a gate that slides from $g$ to $k$, both $\tanh$ layers of $h$ and $x$, like $f$ without one:
#
# $$h(t) = \sigma(-f\,t) \odot g + \bigl(1 - \sigma(-f\,t)\bigr) \odot k. \tag{3.11}$$
#
# Let eight CfC neurons imitate our one LTC neuron, at random inputs, for random durations between 0.1 and 2 s.
#
# *Predict.* At $t = 0$ the state should not have moved. What does (3.11) say at $t = 0$?

# %%
def pupil(teacher, updates, steps=40, batch=64):
    """CfC(1, 8) and a readout, trained to follow the LTC `teacher` -> cell, readout, error at the end."""
    torch.manual_seed(0)
    level = torch.rand(steps // 5, batch, 1, dtype=torch.float64)
    x = (level * (torch.rand_like(level) < 0.6)).repeat_interleave(5, 0)  # five samples on each level, often 0
    dt = 0.1 + 1.9 * torch.rand(steps, batch, dtype=torch.float64)
    with torch.no_grad():
        target = teacher.sequence(x, torch.zeros(batch, 1, dtype=torch.float64), dt=dt)
    cfc, readout = CfC(1, 8).double(), nn.Linear(8, 1).double()
    optimizer = torch.optim.Adam([*cfc.parameters(), *readout.parameters()], lr=0.01)
    for _ in range(updates):
        loss = (readout(cfc.sequence(x, cfc.initial_state(batch).double(), dt=dt)) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return cfc, readout, loss.item() ** 0.5


# %%
cfc, readout, rms = pupil(toys["LTC"], updates=cl.budget(smoke=10, lite=600, full=2000))
each_second = staircase(torch.arange(40, dtype=torch.float64) + 0.5)[:, None, None]
with torch.no_grad():
    followed = readout(cfc.sequence(each_second, cfc.initial_state(1).double(), dt=1.0))[:, 0, 0]
states["CfC, 1 s steps"] = np.repeat([0.0, *followed[:-1]], 10)  # each state from the end of its step
print(f"error {rms:.3f} (root mean square), one evaluation a step instead of {toys['LTC'].substeps}")
ode_figures.response_figure(seconds, drive, states, constants)

# %% [markdown]
# *What you should see.* In the lite budget an error under 0.05 and a staircase along the LTC's curve: one value a
# second, computed in one go. Two things to keep in mind. At $t=0$ the gate stands at ½ and (3.11) gives $(g+k)/2$,
# which is the old state only if training made it so. And two steps of ½ s need not equal one of 1 s. A CfC *takes
# time as an input*; it is not the solution of an ODE. We shall meet that distinction again.

# %% [markdown]
# ## 4. The gradient of a solution
#
# A loss looks at the end, $L(h(T))$. How does it depend on $\theta$ and $h_0$? Three ways:
#
# - **Backprop** through the solver: its steps are operations like any others. Exact for *what was computed*; keeps
#   every intermediate result until the backward pass.
# - **Finite differences**: nudge each parameter, solve again. Needs no derivative, and a solve or two for each
#   parameter.
# - **Adjoint**: derive a second ODE for the gradient itself and solve that. Keeps nothing but the end state.
#
# ### The adjoint equation
# Let $a(t) = \partial L/\partial h(t)$, a row vector: how much the loss would change if the state were nudged at time
# $t$ and then left to run. Over a short time $\varepsilon$ the state moves by
# $h(t+\varepsilon) = h(t) + \varepsilon f(t, h(t)) + O(\varepsilon^2)$, so by the chain rule
#
# $$a(t) = a(t+\varepsilon)\,\frac{\partial h(t+\varepsilon)}{\partial h(t)}
# = a(t+\varepsilon)\Bigl(I + \varepsilon\,\frac{\partial f}{\partial h}\Bigr) + O(\varepsilon^2). \tag{3.12}$$
#
# Bring $a(t+\varepsilon)$ to the left, divide by $\varepsilon$, let it go to zero:
#
# $$\frac{da}{dt} = -\,a\,\frac{\partial f}{\partial h}, \qquad a(T) = \frac{\partial L}{\partial h(T)}. \tag{3.13}$$
#
# It starts at the *end* and runs backwards; $a(0) = dL/dh_0$. The parameters act in every short piece: there $\theta$
# moves the state by $\varepsilon\,\frac{\partial f}{\partial\theta}$, which changes the loss by $a$ times that.
# Adding up the pieces,
#
# $$\frac{dL}{d\theta} = \int_0^T a\,\frac{\partial f}{\partial\theta}\,dt = -\int_T^0 a\,\frac{\partial f}{\partial\theta}\,dt. \tag{3.14}$$
#
# Both need $h(t)$, at moments that the solver chooses. Instead of storing it, solve (3.1) backwards along with them,
# from $h(T)$. One ODE for all three; with $s = T - t$ it runs forwards:
#
# $$\frac{d}{ds}\bigl(h,\; a,\; g\bigr) = \Bigl(-f,\;\; a\,\frac{\partial f}{\partial h},\;\; a\,\frac{\partial f}{\partial\theta}\Bigr), \qquad
# \text{from } \bigl(h(T),\, a(T),\, 0\bigr) \text{ to } \bigl(h_0,\, dL/dh_0,\, dL/d\theta\bigr). \tag{3.15}$$
#
# Products of a row vector with a Jacobian are what `torch.autograd.grad` computes, without ever forming the Jacobian.
#
# ### Exercise 3.3: an adjoint by hand (a derivation, checked numerically)
# One neuron, $\dot h = -k h + u$, and $L = \tfrac12 (h(T) - y)^2$. Its solution is
# $h(t) = \frac uk + (h_0 - \frac uk)\,e^{-kt}$. Solve (3.13), then do the integrals (3.14) for $\theta = u$ and
# $\theta = k$. The check compares with differences of $L$.

# %% nbgrader={"grade": false, "grade_id": "ex-03-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def neuron_gradient(k, u, h0, y, T):
    """Five numbers -> (a(0), dL/du, dL/dk)."""
    ### BEGIN SOLUTION
    fade = np.exp(-k * T)
    a_T = u / k + (h0 - u / k) * fade - y
    through_u = (1 - fade) / k  # the integral of exp(-k (T - t))
    through_k = -(u / k * through_u + (h0 - u / k) * T * fade)  # of exp(-k (T - t)) · (-h(t))
    return a_T * fade, a_T * through_u, a_T * through_k
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-03-3", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 3.3
def loss_of(k, u, h0, y, T):
    return 0.5 * (u / k + (h0 - u / k) * np.exp(-k * T) - y) ** 2

def by_nudging(k, u, h0, y, T, e=1e-5):
    ends = [(loss_of(k + e*dk, u + e*du, h0 + e*dh, y, T), loss_of(k - e*dk, u - e*du, h0 - e*dh, y, T))
            for dk, du, dh in ((0, 0, 1), (0, 1, 0), (1, 0, 0))]
    return tuple((up - down) / (2 * e) for up, down in ends)

def slip(**wrong):  # a mistake: the true gradient with one part put wrong
    def answer(k, u, h0, y, T):
        a0, du, dk = by_nudging(k, u, h0, y, T)
        names = dict(k=k, u=u, h0=h0, y=y, T=T, a0=a0, du=du, dk=dk, aT=a0 * np.exp(k * T))
        return tuple(wrong[part](names) if part in wrong else names[part] for part in ("a0", "du", "dk"))
    return answer

check(
    "3.3", "neuron_gradient", oracle=by_nudging, cases=[(0.8, 1.0, 0.3, 2.0, 1.5), (2.0, -1.0, 1.0, 0.5, 0.7), (0.3, 0.4, -1.0, 0.0, 2.0)],
    tolerance=1e-6,
    mistakes={
        "a runs from T back to 0 and shrinks on the way, as a nudge to h(0) is mostly forgotten: e^(-kT), not e^(+kT)":
            slip(a0=lambda v: v["aT"] * np.exp(v["k"] * v["T"])),
        "a(T) is given as a(0); it must be taken back to t = 0": slip(a0=lambda v: v["aT"]),
        "a starts from ∂L/∂h(T) = h(T) - y, not from 1": lambda k, u, h0, y, T: tuple(p / (by_nudging(k, u, h0, y, T)[0] * np.exp(k * T)) for p in by_nudging(k, u, h0, y, T)),
        "the sign of dL/dk: ∂f/∂k = -h": slip(dk=lambda v: -v["dk"]),
        "in dL/dk the state was held at h0; ∂f/∂k = -h(t) moves": slip(dk=lambda v: -v["h0"] * v["du"]),
        "dL/du is an integral over a(t), which is not constant": slip(du=lambda v: v["a0"] * v["T"]),
    },
)

# %% [markdown]
# ### Built
# The rates (3.15), on one flat row so that any solver can take it:

# %% tags=["prelude"]
def augmented(field, params, T, shape):
    """Rates of eq. (3.15): (s, y (1, 2·B·n + p)) -> dy/ds; y holds h, a and g one after the other."""
    size = shape.numel()

    def rates(s, y):
        with torch.enable_grad():
            h = y[0, :size].reshape(shape).detach().requires_grad_()
            f = field(T - s, h)
            products = torch.autograd.grad(f, (h, *params), y[0, size : 2 * size].reshape(shape))
        return torch.cat([-f.detach().flatten(), *(p.flatten() for p in products)])[None]

    return rates


# %% [markdown]
# and the method as an operation that PyTorch can differentiate, because we tell it how:

# %% tags=["prelude"]
class Solve(torch.autograd.Function):
    """h(T) (B, n) from h0 (B, n); the gradient by eq. (3.15)."""

    @staticmethod
    def forward(ctx, field, T, options, h0, *params):
        h = odeint(field, h0, real([0.0, T]), **options)[-1]
        ctx.field, ctx.T, ctx.options = field, T, options
        ctx.save_for_backward(h, *params)  # all that is kept: the end
        return h

    @staticmethod
    def backward(ctx, a):
        h, *params = ctx.saved_tensors
        y = torch.cat([h.flatten(), a.flatten(), *(torch.zeros(p.numel(), dtype=h.dtype) for p in params)])[None]
        with torch.no_grad():
            y = odeint(augmented(ctx.field, params, ctx.T, h.shape), y, real([0.0, ctx.T]), **ctx.options)[-1, 0]
        _, a, *g = y.split([h.numel(), h.numel(), *(p.numel() for p in params)])
        return None, None, None, a.reshape(h.shape), *(part.reshape(p.shape) for part, p in zip(g, params, strict=True))


# %% [markdown]
# The network: four leaky neurons $\dot h = k\,(\tanh(Wh+b) - h)$, whose rates $k$ go from 1/s up to the
# **stiffness**, here 2/s. First, is $a(t)$ what it was said to be?
#
# *Predict.* Nudge the state early, or late: when does the loss $\tfrac12|h(T)|^2$ care more?

# %%
field, T = gradient_lab.Leaky(stiffness=2.0, seed=0), 2.0
params = tuple(field.parameters())
times = torch.linspace(0, T, 21, dtype=torch.float64)
with torch.no_grad():
    states = odeint(field, field.h0, times, substeps=10)  # (21, 1, 4)
    y = torch.cat([states[-1], states[-1], torch.zeros(1, 20, dtype=torch.float64)], dim=1)  # here a(T) = h(T)
    back = odeint(augmented(field, params, T, states[-1].shape), y, times, substeps=10).flip(0)
print("a(0) by (3.15)     ", back[0, 0, 4:8].numpy().round(6))

# %%
with torch.no_grad():
    at = range(0, 20, 4)
    nudges = 1e-5 * torch.cat([torch.eye(4), -torch.eye(4)]).double()
    ends = torch.stack([odeint(field, states[i] + nudges, times[i:], substeps=10)[-1] for i in at])
    slopes = (gradient_lab.half_square(ends)[:, :4] - gradient_lab.half_square(ends)[:, 4:]) / 2e-5
print("a(0) by nudging h0 ", slopes[0].numpy().round(6))
ode_figures.adjoint_figure(times, states[:, 0], back[:, 0, 4:8], (times[list(at)], slopes))

# %% [markdown]
# *Look at* the dots: for each of them the state was nudged at that time and the equation solved again. *What you
# should see.* Every dot on its line, and lines that shrink towards $t = 0$: what happens early is mostly forgotten.
# That is also the vanishing gradient of recurrent networks.
#
# ### Six witnesses
# The same gradient by six roads that share little: ours, the library's adjoint, torchdiffeq's, backprop, finite
# differences, and as the reference *forward sensitivities*
# $dS/dt = \frac{\partial f}{\partial h}S + \frac{\partial f}{\partial\theta}$, written in numpy and solved by scipy.

# %%
rk4 = dict(method="rk4", substeps=100)


def gradient_by(solve):
    """`solve` maps h(0) to h(T) -> dL/d(W, b, h(0)) in one row."""
    h0 = field.h0.clone().requires_grad_()
    loss = gradient_lab.half_square(solve(h0)).sum()
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, (*params, h0))]).numpy()


# %%
tight = dict(method="dopri5", rtol=1e-10, atol=1e-10)
found = {
    "adjoint, inline": gradient_by(lambda h0: Solve.apply(field, T, rk4, h0, *params)),
    "adjoint, library": gradient_by(lambda h0: odeint(field, h0, real([0, T]), gradient="adjoint", **rk4)[-1]),
    "adjoint, torchdiffeq": gradient_by(lambda h0: torchdiffeq.odeint_adjoint(field, h0, real([0, T]), **tight)[-1]),
    "backprop": gradient_by(lambda h0: odeint(field, h0, real([0, T]), **rk4)[-1]),
    "finite differences": gradient_lab.finite_differences(field, 1e-12, T)[0],
}

# %%
reference = gradient_lab.reference_gradient(field, T)
for name, gradient in found.items():
    error = np.linalg.norm(gradient - reference) / np.linalg.norm(reference)
    print(f"{name:21s} differs from forward sensitivities by {error:.0e}")
    assert error < 1e-6
gap = np.abs(found["adjoint, inline"] - found["adjoint, library"]).max()
print(f"inline and library adjoint differ by {gap:.0e}")
assert gap < 1e-12

# %% [markdown]
# *What you should see.* Everything below $10^{-6}$, most far below. Inline and library agree to rounding, since they
# solve the same equation by the same steps.
#
# A loss that looks at several times $t_1 < t_2 < \dots$ adds its slope at each of them as the backward solution
# passes by,
#
# $$a(t_k) \leftarrow a(t_k) + \frac{\partial L}{\partial h(t_k)}, \tag{3.16}$$
#
# and restarts $h$ from the state that was kept there. The library does so; it will turn out to matter.

# %% [markdown]
# ## 5. The gradient lab
#
# One measurement behind each bar: `evaluations` counts calls of $f$ for one trajectory, forwards and backwards;
# `kept` is the most that autograd held at any moment for the backward pass (counted by hooks on every tensor it
# saves, parameters left out).
#
# *Predict.* A gentle field: stiffness 1, tolerance $10^{-5}$. Which way has the largest error? Which one needs most
# evaluations? Most memory?

# %%
gradient_lab.print_table(gradient_lab.gradient_lab(stiffness=1.0, tolerance=1e-5, horizon=2.0, seed=0))

# %% [markdown]
# *What you should see.* All three errors below 0.001. Backprop needs least evaluations and keeps most; the adjoint
# about twice as many and keeps almost nothing; finite differences keep nothing and need about 50 times as many: two
# solves for each of 24 numbers. (Their wall-clock time is short nevertheless: all copies run in one batch, without
# autograd. A network with 10,000 weights ends that.)
#
# Now the lab. Questions to take to the sliders: Which of them makes the adjoint worse? Does a tighter tolerance cure
# it, and at what price? Can you find a corner where the adjoint is the best of the three?

# %%
gradient_lab.show(stiffness=3.0, tolerance=1e-5, horizon=2.0)

# %% [markdown]
# Without sliders, a walk along one of them. *Predict.* Stiffness from 1 to 30: which line leaves the others?

# %%
values = cl.budget(smoke=[1.0, 10.0], lite=[1.0, 3.0, 10.0, 30.0], full=[1.0, 2.0, 4.0, 8.0, 15.0, 30.0])
seeds = range(cl.budget(smoke=2, lite=5, full=20))
stiff = gradient_lab.sweep(values, seeds, tolerance=1e-5, horizon=2.0)
gradient_lab.sweep_figure(values, stiff, "tolerance 1e-5, horizon 2 s; ")

# %% [markdown]
# *Look at* the first panel. *What you should see.* Up to a stiffness of about 3 the adjoint is as good as the others.
# At 10 its median error is above 0.1 although every step kept to a tolerance of $10^{-5}$, and it spends more
# evaluations the worse it gets.

# %% [markdown]
# ## 6. When the adjoint fails
#
# The forward equation *forgets*: two states $\delta$ apart are only $\delta\,e^{-\lambda t}$ apart after a time $t$,
# where $\lambda$ is a rate of decay, the negative of an eigenvalue of $\partial f/\partial h$. That is what makes it
# easy to solve: errors die out. Now run the film backwards. What shrank must grow:
#
# $$\delta(t) \approx \delta(T)\,e^{\,\lambda\,(T-t)}. \tag{3.17}$$
#
# *Predict.* The fastest rate is a little above 10/s, the solver's error about $10^{-5}$. How far back does the
# backward solution stay within 0.1 of the true one?

# %%
field, T = gradient_lab.Leaky(stiffness=10.0, seed=0), 2.0
times = torch.linspace(0, T, 101, dtype=torch.float64)
loose = dict(method="dopri5", rtol=1e-5, atol=1e-5)
with torch.no_grad():  # torchdiffeq's own loop: it takes what steps it likes and reads off the rest in between
    forward = torchdiffeq.odeint(field, field.h0, times, **loose)[:, 0]
    backward = torchdiffeq.odeint(lambda s, h: -field(T - s, h), forward[-1:], times, **loose)[:, 0].flip(0)
for name, states in (("h(0) as it was", forward), ("h(0) solved back to", backward)):
    print(f"{name:20s}", *[f"{value:10.3g}" for value in states[0].tolist()])

# %%
jacobian = torch.autograd.functional.jacobian(lambda h: field(T, h), forward[-1])
rate = -torch.linalg.eigvals(jacobian).real.min().item()
ode_figures.drift_figure(times, forward, backward, rate)

# %% [markdown]
# *Look at* the dotted line on the right: (3.17). *What you should see.* The backward state follows the forward one
# for half a second or so, while their distance grows tenfold every 0.2 s, and then leaves for good. From there on
# $\partial f/\partial h$ in (3.15) is taken at states that never were. No bug, no warning; only the gradient is
# wrong. A tolerance ten times tighter buys $\ln(10)/\lambda$, about 0.2 s.
#
# ### A cure: keep a few states
# (3.16) already restarts $h$ wherever a state was kept. Keep $m$ of them on the way, though the loss needs only the
# last: errors then grow over $T/m$ instead of $T$.
#
# *Predict.* How many states does it take at stiffness 10 and $T$ = 2 s?

# %%
reference, params = gradient_lab.reference_gradient(field, T), tuple(field.parameters())
for kept in (1, 2, 4, 8, 16):
    t = torch.linspace(0, T, kept + 1, dtype=torch.float64)
    with gradient_lab.SavedBytes() as memory:
        gradient = gradient_by(lambda h0, t=t: odeint(field, h0, t, gradient="adjoint", **loose)[-1])
    error = np.linalg.norm(gradient - reference) / np.linalg.norm(reference)
    print(f"kept {kept:2d}: error {error:.1e}, {memory.peak:,} bytes")

# %% [markdown]
# *What you should see.* From an error near 1 to below 0.001 with 8 states, for less than twice the memory. (A cell
# that takes control steps keeps a state every step anyway: over one step with $k\,\Delta t$ around 1 the adjoint is
# harmless.)
#
# ### What it buys
# Memory. *Predict.* RK4 with twice the steps: what happens to the bytes kept by backprop? By the adjoint?

# %%
counts, kept = (8, 16, 32, 64, 128, 256), {"backprop": [], "adjoint": []}
field = gradient_lab.Leaky(stiffness=2.0, seed=0)
for way, column in kept.items():
    for n in counts:
        with gradient_lab.SavedBytes() as memory:
            h = odeint(field, field.h0.clone().requires_grad_(), real([0.0, 2.0]), method="rk4", substeps=n, gradient=way)
            gradient_lab.half_square(h[-1]).sum().backward()
        column.append(memory.peak)
ode_figures.power_figure({way: (counts, column) for way, column in kept.items()}, "solver steps", "kept for the gradient (bytes)")

# %% [markdown]
# *What you should see.* Slopes of 1 and 0. For our small cells and a few solver steps a control step, backprop's
# memory is no problem: it is what the course trains with. The adjoint is for large states solved in many steps, on
# fields that are not stiff.
#
# | | backprop | adjoint | finite differences |
# |---|---|---|---|
# | differentiates | what was computed | the ODE | what was computed |
# | memory | grows with the steps | constant | none |
# | evaluations | as the forward solve | forward solve + a backward one of its own | two solves a parameter |
# | breaks | memory runs out | stiff or forgetful fields: backward solution drifts | noise of the solver over the size of the nudge |

# %% [markdown]
# ## 7. When does an LTC stop being an ODE?
#
# In control, LTCs run with the fused step (3.10), a few substeps for each control step. Is that still the solution of
# (3.6)? We have the tools: an LTC of 8 neurons with random weights, in states that random inputs brought it to; the
# truth by scipy at tolerance $10^{-10}$; the error of the fused step in units of how far the state moves in
# $\Delta t$.

# %% tags=["prelude"]
def true_step(cell, h, x, dt):
    """The solution of the cell's own ODE after dt, by scipy: h (B, n), x (B, inputs) -> (B, n)."""
    def rates(t, y):
        return cell.derivative(torch.from_numpy(y).reshape(h.shape), x).numpy().ravel()

    with torch.no_grad():
        y = solve_ivp(rates, (0, dt), h.numpy().ravel(), "DOP853", rtol=1e-10, atol=1e-12).y[:, -1]
    return torch.from_numpy(y).reshape(h.shape)


# %% tags=["prelude"]
def random_cell(kind=LTC, seed=0, samples=64):
    """A cell of 8 neurons with random weights, its states after ten random inputs (samples, 8), new inputs (samples, 4)."""
    torch.manual_seed(seed)
    cell, x = kind(4, 8).double(), torch.randn(11, samples, 4, dtype=torch.float64)
    with torch.no_grad():
        h = cell.sequence(x[:10], cell.initial_state(samples).double())[-1]
    return cell, h, x[10]


def relative_error(found, true, h):
    """Median over samples of |found - true| / |true - h|, all (B, n)."""
    return ((found - true).norm(dim=1) / (true - h).norm(dim=1)).median().item()


# %% [markdown]
# ### Exercise 3.4: more substeps (an experiment with a hypothesis)
# Suppose that the error is proportional to (substeps)$^p$. Enter your $p$ **before** you run the measurement; the
# figure draws your line through the first point. A hint: (3.10) looks at $f$ once a step, at its beginning.

# %% nbgrader={"grade": false, "grade_id": "ex-03-4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def substep_exponent():
    """-> p, so that the error of the fused step is proportional to (substeps) ** p."""
    ### BEGIN SOLUTION
    return -1.0
    ### END SOLUTION


# %%
cell, h, x = random_cell()
counts, errors = [1, 2, 4, 8, 16, 32, 64], {}
for dt in (5.0, 1.0, 0.2, 0.05):
    true, column = true_step(cell, h, x, dt), []
    for cell.substeps in counts:
        with torch.no_grad():
            column.append(relative_error(cell(x, h, dt), true, h))
    errors[f"Δt = {dt:g}"] = (counts, column)
ode_figures.power_figure(errors, "fused substeps in Δt", "error / how far the state moves", exponent=attempt(substep_exponent),
                         span=(1, 6, "usual in control"))

# %% [markdown]
# *Look at* the left end of each line, where control runs, and at the slopes. *What you should see.* For $\Delta t=1$
# an error between 5 and 40 % with one substep and of a few per cent with six; 64 substeps are still not $10^{-3}$.
# For $\Delta t$ = 0.05 one substep is right to a few per cent.

# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-03-4", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
#@title Check 3.4
check(
    "3.4", "substep_exponent", oracle=lambda: -1.0, cases=[()], tolerance=0.15,
    right="order 1, as Euler: stable at every step, accurate only at small ones. Stability is not accuracy",
    mistakes={
        "the size is right, the sign is not: more substeps, less error": lambda: 1.0,
        "order 2 needs a look at the middle of the step, or at both its ends; (3.10) looks at f once": lambda: -2.0,
        "order 4 is RK4's, with four looks at f": lambda: -4.0,
        "that would be an error that does not fall": lambda: 0.0,
    },
)

# %% [markdown]
# Nor is it a quirk of this cell. The package `ncps`, from which most people know the LTC, gives every synapse a
# sigmoid of its own and takes 6 fused substeps. The library's `SynapticLTC` is that cell. *Predict.* With a sigmoid a
# synapse: better, or worse?

# %%
for kind in (LTC, SynapticLTC):
    for dt in (1.0, 0.05):
        column = []
        for seed in range(cl.budget(smoke=2, lite=9, full=25)):
            cell, h, x = random_cell(kind, seed)
            cell.substeps = 6
            with torch.no_grad():
                column.append(relative_error(cell(x, h, dt), true_step(cell, h, x, dt), h))
        low, middle, high = np.quantile(column, (0, 0.5, 1))
        print(f"{kind.__name__:12s} Δt = {dt:4.2f}: median {middle:.1%} of the way, {len(column)} cells from {low:.1%} to {high:.1%}")

# %% [markdown]
# *What you should see.* At $\Delta t = 1$ about 4 to 6 % for the LTC and 4 to 13 % for the synaptic one; at 0.05
# under 1 % and 1 to 2 %.
#
# ### A map, not a flow
# The solution of an ODE has a property that maps in general lack: one step of 1 is two steps of ½,
#
# $$\phi_{\Delta}(h) = \phi_{\Delta/2}\bigl(\phi_{\Delta/2}(h)\bigr). \tag{3.18}$$
#
# *Predict.* Take a cell with 1 substep, or with 6, made for $\Delta t = 1$, and ask it every ½ instead, with the input
# unchanged. By how much does the state at time 1 differ?

# %%
cell, h, x = random_cell()
with torch.no_grad():
    for cell.substeps in (1, 6, 64):
        whole = cell(x, h, 1.0)
        halves = cell(x, cell(x, h, 0.5), 0.5)
        print(f"{cell.substeps:2d} substeps: one step of 1 and two of ½ differ by {relative_error(halves, whole, h):.1%} of the way")

# %% [markdown]
# *What you should see.* About a tenth with one substep, two or three per cent with six, and little with 64. So the
# LTC of a control policy, with one to six substeps at $\Delta t$ = 1, is a *different map* from the ODE that it is
# named after, a bounded, gated recurrent network of its own. Is that bad?
#
# - For control at a fixed rate: no. The map itself is trained, its gradient is exact, its bounds hold. Nothing
#   requires an ODE.
# - For statements about continuous time: yes. "Runs at any control rate", "handles irregular samples", "this neuron
#   has a time constant of 0.8 s" are statements about (3.6). Before making one, do what you did here: add substeps
#   until the answer stands still. Or let the cell solve (3.6) itself: `LTC(4, 8, solver="rk4", substeps=4)`, or
#   "dopri5".

# %% [markdown]
# ### Exercise 3.5: a better step (open)
# At the price of 6 evaluations of $f$ the fused step is off by a few per cent at $\Delta t$ = 1. Invent a step with
# at most 6 evaluations, an error at most half as large, and states that stay between 0 and $A$ even for $\Delta t$ =
# 50. Ideas: average two looks at $f$; solve (3.7) exactly over a substep; extrapolate. Write down what you tried, and
# why the first attempt failed.

# %% nbgrader={"grade": false, "grade_id": "ex-03-5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def better_step(f, A, tau, h, dt):
    """f: function (B, n) -> (B, n), eq. (3.6), input held; A, tau (n,); h (B, n) -> h after dt (B, n)."""
    ### BEGIN SOLUTION
    def relax(h, conductance, dt):  # eq. (3.7), solved exactly while f stands still
        tau_sys = 1 / (1 / tau + conductance)
        target = conductance * A * tau_sys
        return target + (h - target) * torch.exp(-dt / tau_sys)

    for _ in range(3):
        first = f(h)
        last = f(relax(h, first, dt / 3))
        h = relax(h, (first + last) / 2, dt / 3)
    return h
    ### END SOLUTION


# %% tags=["prelude"]
def trial(step, dt, seed):
    """-> result, h, true or fused states after dt, calls of f."""
    cell, h, x = random_cell(LTC, seed)
    calls = []

    def f(state):
        calls.append(1)
        return torch.sigmoid(state @ cell.recurrent.T + x @ cell.input.T + cell.bias)

    with torch.no_grad():
        return step(f, cell.A.detach(), cell.tau.detach(), h, dt), cell, h, x, len(calls)


def six_fused(f, A, tau, h, dt):
    for _ in range(6):
        g = f(h)
        h = (h + dt / 6 * g * A) / (1 + dt / 6 * (1 / tau + g))
    return h


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-03-5", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 3.5
def error_of(step, seed, dt=1.0):
    found, cell, h, x, _ = trial(step, dt, seed)
    return relative_error(found, true_step(cell, h, x, dt), h)

def bounded(step, seed):
    found, cell, *_ = trial(step, 50.0, seed)
    return bool(((found / cell.A >= -1e-9) & (found / cell.A <= 1 + 1e-9)).all())

check_that(
    "3.5", "better_step",
    ("the answer needs the shape of h", lambda s: trial(s, 1.0, 0)[0].shape == (64, 8)),
    ("it asks for f more than 6 times", lambda s: trial(s, 1.0, 0)[4] <= 6),
    ("at Δt = 50 states leave the interval between 0 and A: which part of the step is explicit?", lambda s: all(bounded(s, i) for i in range(3))),
    ("it is not more accurate than half the error of six fused substeps, at Δt = 1, for each of three cells",
        lambda s: all(error_of(s, i) <= 0.5 * error_of(six_fused, i) for i in range(3))),
    right="more accurate at the same price, and still bounded",
)

# %% [markdown]
# ## Summary
# - A recurrent step is Euler's method. With an ODE and a solver, the duration of a step is an input, (3.1); order
#   says how the error falls with it.
# - CT-RNN, LTC, CfC: fixed time constants; time constants that the input sets, $1/(1/\tau+f)$, and bounded states; a
#   learned answer without a solver.
# - The fused step (3.10) is a weighted average: bounded for every $\Delta$, accurate to first order only.
# - The adjoint (3.13) is exact as an equation. Solved backwards together with a state that forgets, it drifts,
#   (3.17); a few kept states cure it.
# - Backprop differentiates what was computed. For small cells and short steps it is the right choice.
# - An LTC with few substeps is a map, not a flow, (3.18). Fine for control; not for claims about continuous time.
#
# ### What goes wrong, and how it looks
# | what you see | what it often is |
# |---|---|
# | NaN or huge states after a few steps | an explicit solver whose step is longer than about $2\,\tau_{\text{sys}}$; more substeps, or the fused step |
# | the adaptive solver gets slower and slower during training | the field becomes stiff; bound the rates, or change the solver |
# | training with the adjoint stalls, with backprop it does not | backward drift; compare the two gradients once, keep more states |
# | gradients differ between runs in the third digit | the tolerance of the solver; a gradient is not better than its solution |
# | LTC states grow without limit | the printed form (3.8) with a negative $A$; or a $\tau$ that could become negative: use a softplus |
# | good at the control rate of training, bad at another | a map, not a flow: more substeps in training, or train at several rates |
#
# ### Further reading
# - R. T. Q. Chen et al., "Neural ordinary differential equations", NeurIPS 2018: section 2 and appendix B, the adjoint.
# - R. Hasani et al., "Liquid time-constant networks", AAAI 2021: eqs. 1 to 3, theorems 1 and 2 (bounds).
# - R. Hasani et al., "Closed-form continuous-time neural networks", *Nature Machine Intelligence* 4, 2022.
# - K. Funahashi, Y. Nakamura, "Approximation of dynamical systems by continuous time recurrent neural networks",
#   *Neural Networks* 6, 1993.
# - E. Hairer, S. P. Nørsett, G. Wanner, *Solving Ordinary Differential Equations I*, 2nd ed., 1993: II.1
#   (Runge–Kutta), II.4 (step size).
# - A. Gholami, K. Keutzer, G. Biros, "ANODE: unconditionally accurate memory-efficient gradients for neural ODEs",
#   IJCAI 2019: why solving backwards fails.
