# %% [markdown]
# # ODE cells and the adjoint method
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/liquid-control/liquid-control/blob/main/notebooks/03_ode_cells.ipynb)
#
# A recurrent network jumps from step to step. The state of a *liquid* network follows a differential equation instead, and
# a solver computes it for as long a time as you ask for. This gives you a memory that forgets at a rate set by the input.
# It also makes the time between two observations an input like any other. The price is a solver, and a question that plain
# networks do not raise: how do you differentiate through it? In this notebook you build solvers, the step of a liquid cell
# and the adjoint method, and compare them with other programs. You also see where each of them breaks.

# %% [markdown]
# **You will be able to**
# 1. turn a recurrent step into an ODE, solve it with a method of known order, measure that order, and say when an
#    equation is stiff;
# 2. fit a vector field to samples taken at irregular times;
# 3. tell three recurrent cells (CT-RNN, LTC and CfC, section 3) apart by their response to a step, and compute the time
#    constant of an LTC;
# 4. derive the adjoint equation, write the augmented system, and explain when correct code still gives a wrong gradient;
# 5. say how the step size decides whether an LTC still follows the ODE it is named after, and when that matters.
#
# **Before you start.** Derivatives and the chain rule in several variables; PyTorch's `backward`. You do not need
# notebooks 01 and 02.
#
# **Time** on 2 cores: smoke (a test that every cell runs) under half a minute; lite (the default) about 1 minute of
# computing, plus your time for the exercises; full about 3 minutes.
#
# **Predictions.** Before most results you are asked what you expect. Write your answer with
# `cl.predict("03.2", your_number)`, or click where there is a menu. The result then shows what you said. You can also
# skip every prediction.
#
# **Exercises.** Write your answer where the cell says so, then run the check below it. `cl.solution("3.1")` shows
# the course's own answer once you have tried yours. Five questions for yourself are in `cl.quiz("03", "before")`, and
# five more for the end in `cl.quiz("03", "after")`.

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
# This is the **gradient lab**: one ODE network, one loss, three ways to differentiate. "Stiffness" is the largest of the
# neurons' own rates $k$ divided by the smallest; section 1 explains why it matters. Where you see sliders, drag one and let
# go: everything is measured again. At the end you will be able to explain every dot.

# %%
from course_lib.lessons import nb03_gradient_lab as gradient_lab

gradient_lab.show(stiffness=10.0, tolerance=1e-5, horizon=2.0)

# %% [markdown]
# *Look at* the square in the first panel, the error of the adjoint gradient. It is more than half of the gradient itself,
# and yet the code has no bug. Section 6 explains what happened.

# %% tags=["prelude"]
import time
from functools import partial

import numpy as np
import torch
import torchdiffeq
from scipy.integrate import solve_ivp
from torch import nn

import course_lib as cl
from course_lib.course.exercises import attempt
from course_lib.lessons import nb03_adjoint
from course_lib.lessons import nb03_gradient_lab as gradient_lab
from course_lib.lessons import nb03_ode as ode_figures
from course_lib.lessons.nb03_neuron import neuron_slider
from course_lib.nets.cells import LTC, CfC, CTRNN
from course_lib.nets.solvers import Counted, odeint
from course_lib.nets.synaptic import SynapticLTC

real = partial(torch.tensor, dtype=torch.float64)  # derivatives are compared below: single precision is too coarse

# %% [markdown]
# ## 1. From a step to an equation
#
# A residual network adds something to its state in every step, and so do some recurrent networks: $h \leftarrow h +
# \Delta\,f_\theta(h)$. Let $\Delta$ go to zero and take correspondingly more steps. In the limit the state obeys an ordinary
# differential equation (ODE),
#
# $$\frac{dh}{dt} = f_\theta(t, h), \qquad h(0) = h_0. \tag{3.1}$$
#
# When $f_\theta$ is a network, this is a **neural ODE** (Chen et al., 2018). Read in the other direction, the step of
# the residual network is the simplest solver of (3.1), **Euler's method**.
#
# Start with an equation whose solution is known, so that you can measure every error. A point in the plane spirals out
# (or in) to the unit circle:
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
# A formula can be wrong, and so can code. So compare the formula with `scipy`. Then see how close Euler and the midpoint
# method come.

# %% tags=["prelude"]
def euler_step(field, t, h, dt):
    """h (B, n) at time t -> about h at t + dt: follow the tangent."""
    return h + dt * field(t, h)


def midpoint_step(field, t, h, dt):
    """Follow the slope found in the middle of the step; half an Euler step leads there."""
    return h + dt * field(t + dt / 2, h + dt / 2 * field(t, h))


# %% tags=["prelude"]
def walk(step, field, h, T, steps):
    """`steps` equal steps from 0 to T -> h(T)."""
    dt, h = T / steps, h.clone()  # a step may work in place
    for k in range(steps):
        h = step(field, k * dt, h, dt)
    return h


# %% [markdown]
# *Predict.* From (0.3, 0), after 3 s in 30 Euler steps of 0.1 s: does Euler end nearer to the origin than the true point
# (inside) or further out (outside)?

# %%
cl.predict("03.1", choices=("inside", "outside"), question="where Euler ends")

# %%
h0, end = real([[0.3, 0.0]]), 3.0
exact = spiral_exact(real([[end]]), h0)[0]
by_scipy = solve_ivp(lambda t, h: spiral(t, real(h)).numpy(), (0, end), h0[0].numpy(), "DOP853", rtol=1e-12, atol=1e-13)
cl.see("largest difference of formula and scipy", np.abs(by_scipy.y[:, -1] - exact[0].numpy()).max(), (0, 1e-9))
euler, middle = (walk(step, spiral, h0, end, 30) for step in (euler_step, midpoint_step))
for name, h in (("exact", exact), ("Euler", euler), ("midpoint", middle)):
    print(f"{name:8s} {h[0].numpy().round(6)}   radius {h.norm():.4f}")

# %%
off = [100 * (h.norm() / exact.norm() - 1).item() for h in (euler, middle)]
cl.see("Euler ends", "outside" if off[0] > 0 else "inside", ("outside",), predicted="03.1")
cl.see("radius of Euler, off by", off[0], (25, 35), "%")
cl.see("radius of the midpoint method, off by", off[1], (-2, 2), "%")

# %% [markdown]
# *What you should see.* The formula and scipy agree. Euler follows the tangent of a curve that bends, so every step
# lands on the outer side. The midpoint method takes the slope in the middle of the step, where it fits better.
#
# ### Order
# A method has **order** $p$ if its error at a fixed end time is proportional to $\Delta^p$ for small $\Delta$. Euler
# evaluates $f$ once a step and has order 1. The midpoint method evaluates it twice and has order 2. The classical
# **Runge–Kutta method**, RK4 (Kutta, 1901), evaluates it four times and has order 4:
#
# $$\begin{aligned}
# k_1 &= f(t, h), & k_2 &= f\bigl(t+\tfrac\Delta2,\, h + \tfrac\Delta2 k_1\bigr), \\
# k_3 &= f\bigl(t+\tfrac\Delta2,\, h + \tfrac\Delta2 k_2\bigr), & k_4 &= f(t+\Delta,\, h + \Delta k_3),
# \end{aligned} \qquad h \leftarrow h + \tfrac\Delta6\,(k_1 + 2k_2 + 2k_3 + k_4). \tag{3.3}$$
#
# ### Exercise 3.1: RK4 (fill in)
# Write one step of (3.3). Use `midpoint_step` as a pattern.

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


# %% nbgrader={"grade": true, "grade_id": "check-03-1", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
cl.check("3.1", rk4_step)

# %% [markdown]
# *Predict.* Halve the step of RK4. By what factor does the error fall? (In the cell below, `odeint` makes `substeps` equal
# steps between two given times.)

# %%
cl.predict("03.2", question="error before, divided by the error after")

# %%
counts = np.array([8, 16, 32, 64, 128])
errors = {}
for method in ("euler", "midpoint", "rk4"):
    ends = [odeint(spiral, h0, real([0.0, end]), method=method, substeps=int(n))[-1] for n in counts]
    errors[method] = (end / counts, [(h - exact).norm().item() for h in ends])
    print(f"{method:8s}", *[f"{error:.1e}" for error in errors[method][1]])
cl.see("RK4: error before halving the step, over error after", errors["rk4"][1][-2] / errors["rk4"][1][-1], (13, 19), predicted="03.2")

# %%
for (name, (steps, error)), order in zip(errors.items(), (1, 2, 4), strict=True):
    cl.see(f"order of {name}", ode_figures.slope(steps, error), (order - 0.3, order + 0.3))
mine = [attempt(lambda n=n: (walk(rk4_step, spiral, h0, end, n) - exact).norm().item()) for n in counts]
if all(mine):
    errors["your RK4"] = (end / counts, mine)
ode_figures.power_figure(errors, "step Δ (s)", "error of h(3 s)")

# %% [markdown]
# *Look at* the slopes in the legend. *What you should see.* The orders 1, 2 and 4, nearly. Order 4 means that half the step
# gives an error $2^4$ times smaller. At large steps the slopes are a little smaller, because order describes small steps.
#
# `odeint` is the library's solver. Its method "dopri5" (Dormand and Prince, 1980) is **adaptive**: it estimates its
# own error, compares it with a tolerance, and chooses each step itself.

# %%
found = {}
for tolerance in (1e-3, 1e-6, 1e-9):
    counted = Counted(spiral)
    h = odeint(counted, h0, real([0.0, end]), method="dopri5", rtol=tolerance, atol=tolerance)[-1]
    found[tolerance] = ((h - exact).norm().item() / tolerance, counted.evaluations)
    print(f"tolerance {tolerance:.0e}: error {(h - exact).norm():.1e} with {counted.evaluations} evaluations of f")
cl.see("error over tolerance", [error for error, _ in found.values()], (0.01, 100))
cl.see("evaluations at 1e-9 over those at 1e-3", found[1e-9][1] / found[1e-3][1], (4, 20))

# %% [markdown]
# *What you should see.* The error follows the tolerance, but is not equal to it: the tolerance applies to *each step*.
# Six more digits cost more than ten times as many evaluations.

# %% [markdown]
# ### Stiffness
# A solver must be accurate. It must also be **stable**: it must not blow up where the true solution decays. Take one part
# of the state, a *mode*, that decays at the rate $k$ (Dahlquist's test equation, 1963), and one step of Euler's method:
#
# $$\frac{dh}{dt} = -k\,h, \qquad h' = h - \Delta\,k\,h = (1 - k\Delta)\,h. \tag{3.4}$$
#
# Here $h'$ is the state after the step. The true solution shrinks by the factor $e^{-k\Delta}$ in that time. Euler's
# shrinks only if $|1 - k\Delta| < 1$.
#
# *Predict.* $k$ = 100/s. What is the largest step at which Euler does not blow up?

# %%
cl.predict("03.3", question="largest stable Euler step at k = 100/s, in s")

# %%
def largest_stable_step(step, k):
    """The largest Δ (s), on a fine grid, at which one step of (3.4) does not make the state larger."""
    grid = np.linspace(0.1, 5, 4901) / k
    factors = np.array([abs(step(lambda t, h: -k * h, 0.0, torch.ones(1), dt).item()) for dt in grid])
    return grid[factors <= 1 + 1e-9].max()


cl.see("largest stable Euler step", largest_stable_step(euler_step, 100.0), (0.0199, 0.0201), "s", predicted="03.3")
for name, step in (("midpoint", midpoint_step), ("your RK4", rk4_step)):
    limit = attempt(largest_stable_step, step, 100.0)
    print(f"{name}:", f"{limit:.4f} s" if limit else "not written yet")

# %% [markdown]
# *What you should see.* $2/k$ for Euler and for the midpoint method, and about 40 % more for RK4 (2.8/$k$), which evaluates
# $f$ four times a step. A higher order hardly helps here. (These solvers are *explicit*: they compute the new state
# directly from the old one.)
#
# Now take two modes, one with the rate 1/s and one with the rate $k$. After a few $1/k$ the fast mode has decayed and only
# the slow one is left. Accuracy would allow long steps then. But an explicit solver must still keep $\Delta$ below about
# $2/k$, or else the fast mode grows back. An equation is **stiff** if stability, and not accuracy, dictates the step. (The
# word is from Curtiss and Hirschfelder, 1952.) A common measure is the *stiffness ratio*: the fastest rate of decay over
# the slowest. The "stiffness" of the lab is this ratio for the neurons without their connections. The slowest rate there is
# 1/s, so the ratio equals the rate of the fastest neuron in 1/s.
#
# The remedy is an **implicit** step. It takes the slope at the *end* of the step. For (3.4):
#
# $$h' = h - \Delta\,k\,h' \quad\Longrightarrow\quad h' = \frac{h}{1 + k\Delta}. \tag{3.5}$$
#
# This shrinks for every $\Delta > 0$. It is called **implicit Euler**. The price: in general you must solve an equation
# for $h'$ at every step. In section 3 you will meet a cell for which this equation is solved by one division.
#
# Count evaluations for the two modes over 5 s: an adaptive explicit solver ("RK45", the same method as "dopri5")
# against an implicit one ("Radau").

# %%
rates, spent = (1, 10, 100, 1000), {"RK45, explicit": [], "Radau, implicit": []}
for k in rates:
    for name, column in spent.items():
        two_modes = lambda t, h, k=k: [-h[0], -k * (h[1] - h[0])]  # noqa: E731
        solved = solve_ivp(two_modes, (0, 5), [1.0, 0.0], name.split(",")[0], rtol=1e-5, atol=1e-7)
        column.append(solved.nfev)
for (name, column), between in zip(spent.items(), ((6, 12), (0.5, 2)), strict=True):
    cl.see(f"{name}: evaluations at stiffness 1000 over those at 100", column[3] / column[2], between)

# %%
ode_figures.power_figure({name: (rates, column) for name, column in spent.items()}, "stiffness", "evaluations of f", slopes=False)

# %% [markdown]
# *What you should see.* On the right of the figure, stability dictates the step: there, ten times the stiffness costs the
# explicit solver about ten times as many evaluations, although the solution hardly changes. The count of the implicit solver
# hardly changes either. (But each of its steps costs more, because it has to solve an equation.)

# %% [markdown]
# ## 2. Learning a vector field from irregular samples
#
# Now pretend that you do not know (3.2). You have 24 paths, each observed 10 times, at moments of its own. A plain recurrent
# network, which does not know the time, would need the samples on a common grid. An ODE does not: to get from one sample to
# the next, each path is solved for *its own* $\Delta t$ (Chen et al., 2018; Rubanova et al., 2019).

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
gaps = t.diff(dim=0)
cl.see("longest Δt", gaps.max().item(), (1.0, 3.5), "s")
cl.see("longest Δt over shortest", (gaps.max() / gaps.min()).item(), (50, np.inf))

# %% [markdown]
# *What you should see.* Each path has its own time steps, from almost nothing to more than a second. Each sample is a start,
# and the next sample of the same path is the goal. The loss compares the end of the solved path with the goal:
#
# $$L(\theta) = \frac{1}{n}\sum_{k,b}\bigl|\,\phi_\theta(h_{kb},\, \Delta t_{kb}) - h_{k+1,b}\,\bigr|^2. \tag{3.6}$$
#
# Here $h_{kb}$ is sample $k$ of path $b$, and $\phi_\theta(h, \Delta t)$ is the solution of (3.1) after $\Delta t$,
# started at $h$. It is called the **flow** of the field. All $n$ = 24 · 9 such pairs are solved in one batch, and
# PyTorch differentiates through the solver's steps as through any other code.

# %%
def fit(t, seen, updates):
    """Adam on eq. (3.6); t (K, B) s, seen (K, B, 2) -> field, losses."""
    field, losses = Field(), []
    optimizer = torch.optim.Adam(field.parameters(), lr=0.03)
    start, goal = seen[:-1].flatten(0, 1), seen[1:].flatten(0, 1)
    span = torch.stack([t[:-1].flatten(), t[1:].flatten()])  # (2, pieces): each piece has its own start and end
    for _ in range(updates):
        loss = (odeint(field, start, span, method="rk4", substeps=2)[-1] - goal).square().sum(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return field, losses


# %% [markdown]
# *Predict.* A second network gets the same states with wrong times: even intervals, as a plain recurrent network would
# assume. Where do its paths lead?

# %%
cl.predict("03.4", choices=("to the circle, early or late", "elsewhere"), question="times taken as even: the paths lead")

# %%
updates = cl.budget(smoke=15, lite=600, full=2000)
even = torch.linspace(0, 4, 10, dtype=torch.float64)[:, None].expand_as(t)
start = time.perf_counter()
(knows, loss_knows), (ignores, loss_ignores) = fit(t, seen, updates), fit(even, seen, updates)
print(f"two trainings of {updates} steps in {time.perf_counter() - start:.0f} s")
cl.see("last loss, times known", loss_knows[-1], (0, 0.005))
cl.see("last loss, times taken as even", loss_ignores[-1], (0.05, 1.0))
ode_figures.fit_figure({"times known": loss_knows, "times taken as even": loss_ignores}, "loss, eq. (3.6)")

# %% [markdown]
# *What you should see.* The second line stops falling early: no vector field explains these samples at even times. Now
# try both networks on paths that neither has seen.

# %%
t_new, h_new = sample_paths(paths=3, samples=12, T=4.0, rng=np.random.default_rng(7))
many, truth = sample_paths(paths=200, samples=12, T=8.0, rng=np.random.default_rng(8))
dense, panels, errors, radius = torch.linspace(0, 4, 120, dtype=torch.float64), [], {}, {}
for title, field in (("before training", Field()), ("times known", knows), ("times taken as even", ignores)):
    with torch.no_grad():
        paths, ends = odeint(field, h_new[0], dense), odeint(field, truth[0], many, substeps=4)
    errors[title] = (ends - truth).square().sum(-1).mean().sqrt().item()
    radius[title] = ends[-1].norm(dim=1).mean().item()
    panels.append(dict(title=f"{title}: error {errors[title]:.3f}", field=ode_figures.as_field(field), paths=paths, samples=h_new))
ode_figures.field_figure(panels)

# %%
cl.see("error, times known", errors["times known"], (0, 0.4))
cl.see("error, times taken as even", errors["times taken as even"], (0.4, 2))
where = "elsewhere" if radius["times taken as even"] < 0.8 else "to the circle, early or late"
print(f"times taken as even: mean radius at the end {radius['times taken as even']:.2f}")
cl.see("times taken as even: the paths lead", where, ("elsewhere",), predicted="03.4")

# %% [markdown]
# *Look at* the arrows, and at the crosses: true states of three new paths. The error in the title is the root mean square
# over 200 other new paths, at new moments, over twice the time that the training paths cover. *What you should see.* Before
# training the arrows mean nothing. With the true times the paths run through the crosses or close to them. With even times
# they spiral into the middle. Here is why: from one place, a sample may be followed by a near one (after a short time) or
# by one far along the circle (after a long time). A network that does not know the time learns the average, and the average
# of places on a circle lies inside the circle.

# %% [markdown]
# ## 3. Cells that know the time
#
# A neural ODE becomes a recurrent cell when an input $x$ enters. In control, the network gets a new input at fixed
# intervals, the *control steps*, and $x$ is held constant during each. The **continuous-time recurrent network**, CT-RNN
# (Funahashi and Nakamura, 1993), forgets with fixed time constants $\tau$, one for each neuron:
#
# $$\frac{dh}{dt} = -\frac{h}{\tau} + \tanh(W h + U x + b). \tag{3.7}$$
#
# In the **liquid time-constant cell**, LTC (Hasani et al., 2021, their eq. 1), the input also decides how fast a neuron
# reacts and forgets:
#
# $$\frac{dh}{dt} = -\Bigl[\frac1\tau + f\Bigr] \odot h + f \odot A, \qquad f = \sigma(W h + U x + b). \tag{3.8}$$
#
# Here $W$ and $U$ are the recurrent and the input weights, $b$ is the bias, $\sigma$ is the sigmoid, and $\odot$
# multiplies neuron by neuron. $f$ is a *conductance*, like that of an ion channel. When the channel opens, it pulls $h$
# towards the level $A$ (the *reversal potential*). The leak $1/\tau$ pulls $h$ to 0.
#
# **Units of time.** $f$ is a rate: between 0 and 1 *per unit of time*. So the unit matters. In this section it is the
# second. In the library's policies (networks that choose a robot's actions) it is one **control step**, and a step has
# $\Delta t = 1$; section 7 explains why.
#
# *Predict.* Take one neuron of each kind, $\tau$ = 10 s (LTC) and 2 s (CT-RNN). The input is switched on, and off again.
# Which state rises much faster than it falls?

# %%
cl.predict("03.5", choices=("LTC", "CT-RNN", "both", "neither"), question="rises faster than it falls")

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
seconds = torch.arange(0, 60, 0.1, dtype=torch.float64)
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

# %%
slower = {}
for name, state in states.items():
    rise, fall = ode_figures.time_to(seconds, state, 2, 8), ode_figures.time_to(seconds, state, 14, 59)
    slower[name] = fall / rise
    print(f"{name:7s} 63 % of the way up within {rise:.1f} s, 63 % of the way down within {fall:.1f} s")
cl.see("CT-RNN: time to fall over time to rise", slower["CT-RNN"], (0.8, 1.25))
cl.see("LTC: time to fall over time to rise", slower["LTC"], (3, 8))
cl.see("rises faster than it falls", "both" if min(slower.values()) > 2 else max(slower, key=slower.get), ("LTC",), predicted="03.5")
cl.see("LTC: longest over shortest time constant", (constants["LTC"].max() / constants["LTC"].min()).item(), (7, 12))

# %% [markdown]
# *Look at* the third panel. The time constant of the CT-RNN is a flat line. The LTC's becomes short when the input comes
# and long again when it goes. *What you should see* in the second panel: the CT-RNN goes up about as fast as it goes down.
# (The first step of the input ends before its state has quite settled.) The LTC is quick to notice and slow to forget. That
# is a memory, made by one neuron without any feedback.
#
# Did you notice that the LTC's state rises a little *before* the input comes? Its channel is never quite shut. With the
# bias $-4$, $f$ is $\sigma(-4)$ and not 0 even at $x = 0$, so the state creeps up from 0 towards a small resting
# level. The next exercise lets you compute that level.
#
# ### Exercise 3.2: the time constant of an LTC (a derivation, checked numerically)
# While $f$ does not change, (3.8) is linear in $h$. Bring it into the form
#
# $$\frac{dh}{dt} = \frac{h_\infty - h}{\tau_{\text{sys}}} \tag{3.9}$$
#
# and give $\tau_{\text{sys}}$, the *effective time constant*, and $h_\infty$, the *fixed point*.

# %% nbgrader={"grade": false, "grade_id": "ex-03-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ltc_unit(f, A, tau):
    """f in 1/s; A, the level; tau in s, arrays (n,) -> (tau_sys (n,) in s, h_inf (n,)), eq. (3.9)."""
    ### BEGIN SOLUTION
    tau_sys = 1 / (1 / tau + f)
    return tau_sys, f * A * tau_sys
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-03-2", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
cl.check("3.2", ltc_unit)

# %% [markdown]
# Here is the neuron of the figure above, with sliders. *Try this.* Set the input to 0 and watch the resting level. Then find
# out which slider mainly shortens the *rise*, which changes the time of the *fall*, and which changes neither time.

# %%
neuron_slider()

# %% [markdown]
# ### Bounded for every input
# Since $0<f<1$ (1/s), $\tau_{\text{sys}}$ lies between its values for $f=1$ and $f=0$. And once $h$ is between 0 and $A$,
# it cannot leave this interval. At $h = A$ the leak points inwards, and at $h = 0$ the channel does. No clipping is needed,
# and no tanh on the state.
#
# The report of a student project, from which this course grew, prints another equation. (Its code used the paper's.)
#
# $$\text{printed there:}\quad \frac{dh}{dt} = -\Bigl[\frac1\tau + A f\Bigr] \odot h + f. \tag{3.10}$$
#
# For $A = 1$ both equations are the same.
#
# *Predict.* What does (3.10) do for $A = -1.5$, $\tau$ = 2 s, with an open channel, $f$ = 0.9/s?

# %%
cl.predict("03.6", choices=("it settles below 0", "it settles above 0", "it runs away"), question="the printed form, A = -1.5")

# %%
def forms(f, A, tau, h0=0.0, T=5.0):
    """Eqs. (3.8) and (3.10) with a constant f, by scipy -> times, states by name."""
    times = np.linspace(0, T, 100)
    rates = {"paper, (3.8)": lambda t, h: -(1 / tau + f) * h + f * A, "printed, (3.10)": lambda t, h: -(1 / tau + A * f) * h + f}
    return times, {name: solve_ivp(rate, (0, T), [h0], t_eval=times, rtol=1e-8).y[0] for name, rate in rates.items()}


times, solved = forms(f=0.9, A=-1.5, tau=2.0)
end = {name: state[-1] for name, state in solved.items()}
cl.see("paper's form after 5 s", end["paper, (3.8)"], (-1.5, 0))
does = "it runs away" if abs(end["printed, (3.10)"]) > 20 else f"it settles {'above' if end['printed, (3.10)'] > 0 else 'below'} 0"
print(f"printed form after 5 s: {end['printed, (3.10)']:.0f}")
cl.see("printed form", does, ("it runs away",), predicted="03.6")
ode_figures.forms_figure(times, solved, bound=-1.5)

# %% [markdown]
# *What you should see.* The paper's state settles inside the band, below zero, as with an inhibitory synapse (a
# connection that pushes its neuron down). In the printed form this negative $A$ makes the bracket negative,
# $\frac1\tau + A f < 0$, and the state runs away in the wrong direction. With $A>0$ the printed form is stable, but then
# it pushes every neuron upwards only. **This course builds the paper's form.** (`LTC(form="writeup")` is there for
# comparison.)

# %% [markdown]
# ### A step that cannot leave the bounds either
# Explicit steps can leave the bounds of the equation that they solve. So the LTC paper uses a **fused** step (Hasani et
# al., 2021, their eq. 3). It is a *semi-implicit* Euler step: it takes $f$ from the old state, and the decaying state
# from the *new* one, as in (3.5):
#
# $$h' = h + \Delta\Bigl(-\bigl[\tfrac1\tau + f\bigr]\,h' + f A\Bigr). \tag{3.11}$$
#
# An implicit equation usually needs an iteration. This one is linear in $h'$, neuron by neuron, so collect the terms
# with $h'$ and divide:
#
# $$h'\,\bigl(1 + \Delta[\tfrac1\tau + f]\bigr) = h + \Delta f A
# \quad\Longrightarrow\quad h' = \frac{h + \Delta f A}{1 + \Delta\,(1/\tau + f)}. \tag{3.12}$$
#
# Read it as an average of three numbers: of $h$ with weight 1, of $A$ with weight $\Delta f$, and of 0 with weight
# $\Delta/\tau$. An average of three numbers lies between the smallest and the largest of them, for *every* $\Delta$.
# (For the CT-RNN the same idea gives $h' = (h + \Delta\tanh(\cdot))/(1 + \Delta/\tau)$.)

# %%
def ltc_conductance(cell, h, x):
    """f of eq. (3.8): h (B, n), x (B, inputs) -> (B, n)."""
    return torch.sigmoid(h @ cell.recurrent.T + x @ cell.input.T + cell.bias)


def fused_step(cell, h, x, dt):
    """Eq. (3.12)."""
    f = ltc_conductance(cell, h, x)
    return (h + dt * f * cell.A) / (1 + dt * (1 / cell.tau + f))


# %% [markdown]
# *Predict.* Take sixteen neurons, inputs of size 1,000, and 500 steps of 1 s. The levels $A$ are at most 3 in size. How
# large do the states get with *explicit* Euler?

# %%
cl.predict("03.7", choices=("below 3", "3 to 1,000", "above 1,000"), question="largest |h| of explicit Euler")

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
cl.see("fused step: smallest and largest h / A", [inside.min().item(), inside.max().item()], (0, 1))
size = "below 3" if largest < 3 else "3 to 1,000" if largest < 1000 else "above 1,000"
print(f"Euler: largest |h| {largest:.0e}")
cl.see("Euler: largest |h|", size, ("above 1,000",), predicted="03.7")
cl.see("largest difference of the inline step and the library's", (inside * cell.A - library).abs().max().item(), (0, 1e-12))

# %% [markdown]
# *What you should see.* The fused step stays inside. Explicit Euler runs away, because a step of 1 s is longer than twice the
# effective time constant: with $\tau$ = 0.5 s and an open channel, one step multiplies the distance from the fixed point by
# $1 - (2 + 1) = -2$. (With small inputs it would run away as well.)
#
# ### CfC: the answer instead of the equation
# The **closed-form continuous-time cell**, CfC (Hasani et al., 2022), skips the solver. It learns the *solution* as a
# function of time. A gate $\sigma(-f\,t)$ mixes two levels, $g$ and $k$, and the mixture changes with $t$, the time since
# the step began. Both levels are $\tanh$ layers of $h$ and $x$, and $f$ is a linear one. ($f$ and $g$ are the paper's
# letters; $k$ is its $h$, because $h$ is the state here. In (3.13), $f$ is the output of a linear layer and may have either
# sign. It is not the conductance of (3.8), and $k$ is not the rate of (3.4).)
#
# $$h(t) = \sigma(-f\,t) \odot g + \bigl(1 - \sigma(-f\,t)\bigr) \odot k. \tag{3.13}$$
#
# Let eight CfC neurons imitate the one LTC neuron, at random inputs, for random durations between 0.1 and 2 s.
#
# *Predict.* In an ODE, the state at $t = 0$ is the old state. What does (3.13) give at $t = 0$?

# %%
cl.predict("03.8", choices=("the old state", "g", "k", "(g + k)/2"), question="a CfC's state at t = 0")

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
each_second = staircase(torch.arange(60, dtype=torch.float64) + 0.5)[:, None, None]
with torch.no_grad():
    followed = readout(cfc.sequence(each_second, cfc.initial_state(1).double(), dt=1.0))[:, 0, 0]
states["CfC, 1 s steps"] = np.repeat([0.0, *followed[:-1]], 10)  # each state from the end of its step
cl.see("CfC: error on what it was trained on (root mean square)", rms, (0, 0.06))
print(f"one evaluation a step instead of {toys['LTC'].substeps}")
ode_figures.response_figure(seconds, drive, states, constants)

# %%
x, h = torch.full((1, 1), 0.5).double(), 0.3 * torch.ones(1, 8).double()
with torch.no_grad():
    f, g, k = (cfc.drive(x) + h @ cfc.recurrent.T).chunk(3, dim=-1)
    at_0, whole, halves = cfc(x, h, 1e-9), cfc(x, h, 1.0), cfc(x, cfc(x, h, 0.5), 0.5)
answers = {"the old state": h, "g": g.tanh(), "k": k.tanh(), "(g + k)/2": (g.tanh() + k.tanh()) / 2}
came = min(answers, key=lambda name: (at_0 - answers[name]).abs().max())
cl.see("a CfC's state at t = 0", came, ("(g + k)/2",), predicted="03.8")
apart = ((whole - halves).norm() / (whole - h).norm()).item()
cl.see("one step of 1 s and two of 0.5 s differ by this share of the way", apart, (0.005, 2))

# %% [markdown]
# *What you should see.* A staircase along the LTC's curve: one value a second, each from one evaluation. Keep two
# limitations in mind. At $t=0$ the gate is at ½, so (3.13) gives $(g+k)/2$. That is the old state only if training made it
# so. And two steps of ½ s need not equal one of 1 s. A CfC *takes time as an input*, but it is not the solution of an ODE.
# Section 7 comes back to this distinction.

# %% [markdown]
# ## 4. The gradient of a solution
#
# Take a loss of the end state, $L(h(T))$. How does it depend on $\theta$ and $h_0$? Here are three ways to find out:
#
# - **Backprop** through the solver ("discretise, then optimise"). The solver's steps are operations like any others. The
#   gradient is exact for *what was computed*. Every intermediate result is kept until the backward pass.
# - **Finite differences**. Nudge each parameter and solve again. This needs no derivatives, but it needs one or two
#   solves for every parameter.
# - **The adjoint method** ("optimise, then discretise"; Pontryagin et al., 1962; Chen et al., 2018). Derive a second ODE
#   for the gradient itself and solve that. Only the end state is kept.
#
# ### The adjoint equation
# Let $a(t) = \partial L/\partial h(t)$, a row vector. It says how much the loss would change if you nudged the state at
# time $t$ and then let the equation run. It is called the **adjoint** state.
#
# *Step 1.* In a short time $\varepsilon$ the state moves by
# $h(t+\varepsilon) = h(t) + \varepsilon f(t, h(t)) + O(\varepsilon^2)$. A nudge at $t$ reaches the loss through
# $h(t+\varepsilon)$. So by the chain rule
#
# $$a(t) = a(t+\varepsilon)\,\frac{\partial h(t+\varepsilon)}{\partial h(t)}
# = a(t+\varepsilon)\Bigl(I + \varepsilon\,\frac{\partial f}{\partial h}\Bigr) + O(\varepsilon^2). \tag{3.14}$$
#
# *Step 2.* Subtract $a(t)$ and $\varepsilon\,a\,\partial f/\partial h$ from both sides and divide by $\varepsilon$:
# $\;\bigl(a(t+\varepsilon) - a(t)\bigr)/\varepsilon = -a(t+\varepsilon)\,\partial f/\partial h + O(\varepsilon)$.
#
# *Step 3.* Let $\varepsilon$ go to zero:
#
# $$\frac{da}{dt} = -\,a\,\frac{\partial f}{\partial h}, \qquad a(T) = \frac{\partial L}{\partial h(T)}. \tag{3.15}$$
#
# This equation starts at the *end* and runs backwards. At $t = 0$ it has reached $a(0) = dL/dh_0$.
#
# ### The parameters
# Cut $[0, T]$ into short pieces of length $\varepsilon$. Change $\theta$ by $d\theta$ *in one piece only*, the one that
# begins at $t$. At its end the state is off by $\varepsilon\,\frac{\partial f}{\partial\theta}\,d\theta$, to first order.
# From there on this is a nudge of the state, and it changes the loss by
# $a(t+\varepsilon)\,\varepsilon\,\frac{\partial f}{\partial\theta}\,d\theta$. A change of $\theta$ in all pieces changes
# the loss by the sum, again to first order. As $\varepsilon$ goes to zero the sum becomes an integral:
#
# $$\frac{dL}{d\theta} = \int_0^T a\,\frac{\partial f}{\partial\theta}\,dt. \tag{3.16}$$
#
# ### Exercise 3.3: an adjoint by hand (a derivation, checked numerically)
# Take one neuron, $\dot h = -k h + u$, and $L = \tfrac12 (h(T) - y)^2$. Its solution is
# $h(t) = \frac uk + (h_0 - \frac uk)\,e^{-kt}$. Solve (3.15) first. Then do the integral (3.16) for $\theta = u$ and for
# $\theta = k$. The check compares your answer with finite differences of $L$.

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


# %% nbgrader={"grade": true, "grade_id": "check-03-3", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("3.3", neuron_gradient)

# %% [markdown]
# ### One system for all three
# (3.15) and (3.16) need $h(t)$, at moments that the solver chooses. You could store it. The adjoint method does not: it
# solves (3.1) *backwards*, together with the two others, from $h(T)$. Let $g$ be the part of the integral (3.16) that
# has been collected so far. Count time from the end, $s = T - t$. Then $\frac{d}{ds} = -\frac{d}{dt}$, and the
# **augmented system** runs forwards in $s$:
#
# $$\frac{d}{ds}\bigl(h,\; a,\; g\bigr) = \Bigl(-f,\;\; a\,\frac{\partial f}{\partial h},\;\; a\,\frac{\partial f}{\partial\theta}\Bigr), \qquad
# \text{from } \bigl(h(T),\, a(T),\, 0\bigr) \text{ to } \bigl(h_0,\, dL/dh_0,\, dL/d\theta\bigr). \tag{3.17}$$
#
# Both products are a row vector times a Jacobian, a **vector–Jacobian product**. `torch.autograd.grad(f, inputs, a)`
# computes it for all inputs at once and never forms the Jacobian.
#
# ### Exercise 3.4: the augmented system (write)
# Write the rates of (3.17). The first lines are given: the solver calls this function with autograd switched off, so
# they switch it on for $f$.

# %% nbgrader={"grade": false, "grade_id": "ex-03-4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def adjoint_rates(field, t, h, a, params):
    """field(t, h) -> (B, n), which depends on the tensors `params`; h, a (B, n) -> one tuple: dh/ds, da/ds, then dg/ds for each of `params`."""
    with torch.enable_grad():
        h = h.detach().requires_grad_()
        f = field(t, h)
    ### BEGIN SOLUTION
    products = torch.autograd.grad(f, [h] + list(params), a)  # a ∂f/∂h, then a ∂f/∂θ for each of the parameters
    return (-f.detach(),) + products
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-03-4", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("3.4", adjoint_rates)

# %% [markdown]
# ### Putting it together
# The solver wants one flat row, so `augmented` packs your rates. If yours are not right yet, the cells below use the
# course's.

# %%
rates_used, whose = nb03_adjoint.yours_or_ours(adjoint_rates)
print("rates used below:", whose)


def augmented(field, params, T, shape):
    """Rates of eq. (3.17): (s, y (1, 2·B·n + p)) -> dy/ds; y holds h, a and g one after the other."""
    size = shape.numel()

    def rates(s, y):
        h, a = (part.reshape(shape) for part in (y[0, :size], y[0, size : 2 * size]))
        return torch.cat([torch.as_tensor(part).flatten() for part in rates_used(field, T - s, h, a, params)])[None]

    return rates


# %% [markdown]
# The next cell wraps the solver as an operation with its own `backward`, so that PyTorch can differentiate it:

# %%
class Solve(torch.autograd.Function):
    """h(T) (B, n) from h0 (B, n); the gradient by eq. (3.17)."""

    @staticmethod
    def forward(ctx, field, T, options, h0, *params):
        h = odeint(field, h0, real([0.0, T]), **options)[-1]
        ctx.field, ctx.T, ctx.options = field, T, options
        ctx.save_for_backward(h, *params)  # nothing else is kept: only the end
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
# The network to try it on has four leaky neurons, $\dot h = k\,(\tanh(Wh+b) - h)$. Their rates $k$ run from 1/s to the
# stiffness times 1/s, here 2/s. First check that $a(t)$ has the meaning given above.
#
# *Predict.* Nudge the state early, or late. When does the loss $\tfrac12|h(T)|^2$ change more?

# %%
cl.predict("03.9", choices=("early", "late"), question="the loss changes more after a nudge that comes")

# %%
field, T = gradient_lab.Leaky(stiffness=2.0, seed=0), 2.0
params = tuple(field.parameters())
times = torch.linspace(0, T, 21, dtype=torch.float64)
with torch.no_grad():
    states = odeint(field, field.h0, times, substeps=10)  # (21, 1, 4)
    y = torch.cat([states[-1], states[-1], torch.zeros(1, 20, dtype=torch.float64)], dim=1)  # here a(T) = h(T)
    back = odeint(augmented(field, params, T, states[-1].shape), y, times, substeps=10).flip(0)
    at = range(0, 20, 4)
    nudges = 1e-5 * torch.cat([torch.eye(4), -torch.eye(4)]).double()
    ends = torch.stack([odeint(field, states[i] + nudges, times[i:], substeps=10)[-1] for i in at])
    slopes = (gradient_lab.half_square(ends)[:, :4] - gradient_lab.half_square(ends)[:, 4:]) / 2e-5
a = back[:, 0, 4:8]
ode_figures.adjoint_figure(times, states[:, 0], a, (times[list(at)], slopes))

# %%
cl.see("largest distance of a dot from its line", (a[list(at)] - slopes).abs().max().item(), (0, 1e-5))
cl.see("|a(T)| over |a(0)|", (a[-1].norm() / a[0].norm()).item(), (1.2, 100))
cl.see("the loss changes more after a nudge that comes", "late" if a[-1].norm() > a[0].norm() else "early", ("late",), predicted="03.9")

# %% [markdown]
# *Look at* the dots. For each of them the state was nudged at that time and the equation solved again. *What you should
# see.* Every dot lies on its line, and taken together the lines are smaller at $t = 0$ than at $T$: what happens early is
# mostly forgotten. The same effect is known as the **vanishing gradient** of recurrent networks (Bengio et al., 1994).
#
# ### Six ways to the same gradient
# Now compute one gradient in six ways: the adjoint written above, the library's adjoint,
# torchdiffeq's adjoint, backprop, finite differences, and *forward sensitivities*. The last is the reference, which shares
# no code with the others. It solves
# $dS/dt = \frac{\partial f}{\partial h}S + \frac{\partial f}{\partial\theta}$ for $S = \partial h/\partial\theta$ with
# numpy and scipy.

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
distance = {name: np.linalg.norm(g - reference) / np.linalg.norm(reference) for name, g in found.items()}
for name, error in distance.items():
    print(f"{name:21s} differs from forward sensitivities by {error:.0e}")
cl.see("largest relative difference", max(distance.values()), (0, 1e-6))
cl.see("inline and library adjoint", np.abs(found["adjoint, inline"] - found["adjoint, library"]).max(), (0, 1e-12))

# %% [markdown]
# *What you should see.* All agree. The inline and the library's adjoint agree to rounding, because they solve the same
# equation by the same steps.
#
# A loss may look at several times $t_1 < t_2 < \dots < t_m$. Then the backward solution adds the slope of the loss at
# each of them as it passes by,
#
# $$a(t_k) \leftarrow a(t_k) + \frac{\partial L}{\partial h(t_k)}, \tag{3.18}$$
#
# and restarts $h$ from the state that was kept there. The library does so. You will need this in section 6.

# %% [markdown]
# ## 5. The gradient lab
#
# Every dot of the lab is one measurement. `evaluations` counts the evaluations of $f$, forwards and backwards. Finite
# differences solve 48 nudged trajectories, two for each of the 24 numbers in $W$, $b$ and $h(0)$, and the evaluations of
# all of them count. `kept` is the most that autograd held at any moment for the backward pass. It is counted by hooks on
# every tensor that autograd saves; parameters are left out.
#
# *Predict.* A gentle field: stiffness 1, tolerance $10^{-5}$. Which way needs the most evaluations? Which one keeps the
# most memory?

# %%
cl.predict("03.10", choices=gradient_lab.METHODS, question="most evaluations")

# %%
cl.predict("03.11", choices=gradient_lab.METHODS, question="most memory")

# %%
rows = gradient_lab.gradient_lab(stiffness=1.0, tolerance=1e-5, horizon=2.0, seed=0)
gradient_lab.print_table(rows)
most = {name: max(rows, key=lambda row, name=name: row[name])["method"] for name in ("evaluations", "saved_bytes")}
cl.see("most evaluations", most["evaluations"], ("finite differences",), predicted="03.10")
cl.see("most memory", most["saved_bytes"], ("backprop",), predicted="03.11")
cl.see("relative errors", [row["error"] for row in rows], (0, 5e-3))
cl.see("evaluations: adjoint over backprop", rows[1]["evaluations"] / rows[0]["evaluations"], (1.5, 4))

# %% [markdown]
# *What you should see.* All three gradients are good. Backprop needs the fewest evaluations and keeps the most. The adjoint
# solves a second equation, so it needs about twice as many evaluations here, and it keeps almost nothing. (The backward
# pass of backprop calls no $f$, so it adds nothing to this count. It still costs about one product with a Jacobian for each
# forward evaluation, as the adjoint's does. So the adjoint really costs less than twice as much.) Finite differences keep
# nothing, but they solve the equation twice for each of the 24 numbers. (Their wall-clock time is short nevertheless: all
# solves run in one batch, without autograd. With 10,000 weights this no longer works.)
#
# Now the lab again. Questions to take to the sliders: Which of them makes the adjoint worse? Does a tighter tolerance cure
# it, and what does that cost? Can you find a setting where the adjoint has the smallest error of the three?

# %%
gradient_lab.show(stiffness=3.0, tolerance=1e-5, horizon=2.0)

# %% [markdown]
# Now put the sliders aside, and change one setting systematically.
#
# *Predict.* Stiffness goes from 1 to 30. Which method's error rises far above those of the other two?

# %%
cl.predict("03.12", choices=gradient_lab.METHODS, question="largest error at stiffness 30")

# %%
values = cl.budget(smoke=[1.0, 10.0], lite=[1.0, 3.0, 10.0, 30.0], full=[1.0, 3.0, 10.0, 15.0, 30.0])
seeds = range(cl.budget(smoke=2, lite=5, full=20))
stiff = gradient_lab.sweep(values, seeds, tolerance=1e-5, horizon=2.0)
gradient_lab.sweep_figure(values, stiff, "tolerance 1e-5, horizon 2 s; ")

# %%
middle = {way: np.median(table["error"], axis=1) for way, table in stiff.items()}
ten = values.index(10.0)
cl.see("largest error at the largest stiffness", max(middle, key=lambda way: middle[way][-1]), ("adjoint",), predicted="03.12")
cl.see("adjoint: median error at stiffness 10", middle["adjoint"][ten], (0.01, 10))
cl.see("backprop: median error at stiffness 10", middle["backprop"][ten], (0, 0.003))
cl.see("adjoint: median error at stiffness 1", middle["adjoint"][0], (0, 0.001))
asked = np.median(stiff["adjoint"]["evaluations"], axis=1)
cl.see("adjoint: evaluations at the largest stiffness over those at 1", asked[-1] / asked[0], (4, np.inf))

# %% [markdown]
# *Look at* the first panel. *What you should see.* In a gentle field the adjoint is as good as the others. At stiffness 10
# its median error is a large share of the gradient, although every step kept to a tolerance of $10^{-5}$. (The error
# differs a lot from field to field. In the lite budget it is below two thousandths in one of the five.) And the worse it
# gets, the more evaluations it spends.

# %% [markdown]
# ## 6. When the adjoint fails
#
# The forward equation *forgets*. Two states at a distance $\delta$ are only $\delta\,e^{-\lambda t}$ apart after a time
# $t$, where $\lambda$ is a rate of decay (minus the real part of an eigenvalue of $\partial f/\partial h$). That makes the
# equation easy to solve, because errors die out. Now let time run backwards. What shrank must grow:
#
# $$\delta(T - s) \approx \delta(T)\,e^{\,\lambda s}. \tag{3.19}$$
#
# *Predict.* The fastest rate is about 12/s (more than the largest $k$, because of $W$), and the solver's error is about
# $10^{-5}$. For how long, counted back from $T$, does the backward solution stay within 0.1 of the forward one?

# %%
cl.predict("03.13", question="s, counted back from T = 2 s")

# %%
field, T = gradient_lab.Leaky(stiffness=10.0, seed=0), 2.0
times = torch.linspace(0, T, 101, dtype=torch.float64)
loose = dict(method="dopri5", rtol=1e-5, atol=1e-5)
with torch.no_grad():  # torchdiffeq's own loop: it chooses its steps and interpolates between them
    forward = torchdiffeq.odeint(field, field.h0, times, **loose)[:, 0]
    backward = torchdiffeq.odeint(lambda s, h: -field(T - s, h), forward[-1:], times, **loose)[:, 0].flip(0)
for name, states in (("h(0) as it was", forward), ("h(0) solved back to", backward)):
    print(f"{name:20s}", *[f"{value:10.3g}" for value in states[0].tolist()])

# %%
jacobian = torch.autograd.functional.jacobian(lambda h: field(T, h), forward[-1])
rate = -torch.linalg.eigvals(jacobian).real.min().item()
together = ode_figures.grown_beyond(times, forward, backward, limit=0.1)
print(f"fastest rate {rate:.1f}/s; (3.19) from 1e-5 to 0.1: {np.log(0.1 / 1e-5) / rate:.2f} s")
cl.see("the backward solution stays within 0.1 for", together, (0.4, 1.8), "s", predicted="03.13")
cl.see("measured rate of growth over the fastest rate", ode_figures.growth_rate(times, forward, backward) / rate, (0.75, 1.2))
print(f"a tolerance ten times tighter adds about ln(10) / λ = {np.log(10) / rate:.2f} s")
ode_figures.drift_figure(times, forward, backward, rate)

# %% [markdown]
# *Look at* the dotted line on the right. Its slope is that of (3.19); it is drawn through the measured distance at three
# quarters of the time. *What you should see.* The backward state follows the forward one for about as long as (3.19) says.
# After a few tenths of a second their distance grows exponentially, at first at this rate and later more slowly, and the
# backward state never comes back. From there on $\partial f/\partial h$ in (3.17) is taken at states that never occurred.
# There is no bug and no warning, but the gradient is wrong. A tighter tolerance helps little: each factor of ten adds only
# $\ln(10)/\lambda$ to that time. Here $\lambda$ is 12/s, and even $10^{-8}$ leaves a large error. In a field whose fastest
# rate is half as large, it would be enough.
#
# ### A cure: keep a few states
# As said after (3.18), $h$ restarts wherever a state was kept. So keep $m$ states, the last one included, although the loss
# needs only the last one. Errors then grow over $T/m$ instead of $T$. This is related to **checkpointing** (Griewank, 1992;
# for neural ODEs, Gholami et al., 2019), which computes the forward solution again from each kept state.
#
# *Predict.* At stiffness 10 and $T$ = 2 s, what is the smallest number of states that brings the error below 0.001?
# (Tried: 1, 2, 4, 8, 16.)

# %%
cl.predict("03.14", question="states to keep")

# %%
reference, params = gradient_lab.reference_gradient(field, T), tuple(field.parameters())
error, held = {}, {}
for kept in (1, 2, 4, 8, 16):
    t = torch.linspace(0, T, kept + 1, dtype=torch.float64)
    with gradient_lab.SavedBytes() as memory:
        gradient = gradient_by(lambda h0, t=t: odeint(field, h0, t, gradient="adjoint", **loose)[-1])
    error[kept], held[kept] = np.linalg.norm(gradient - reference) / np.linalg.norm(reference), memory.peak
    print(f"kept {kept:2d}: error {error[kept]:.1e}, {memory.peak:,} bytes")
cl.see("states for an error below 0.001", min((k for k in error if error[k] < 1e-3), default=99), (2, 8), predicted="03.14")
cl.see("error with one state over that with 8", error[1] / error[8], (100, np.inf))
cl.see("memory with 8 states over that with one", held[8] / held[1], (1.2, 2.0))

# %% [markdown]
# *What you should see.* A few kept states turn a bad gradient into a good one, for less than twice the memory. A cell that
# takes control steps keeps a state every step anyway. Over one step with $k\,\Delta t$ around 1 the adjoint is harmless.
#
# ### What the adjoint saves
# It saves memory. *Predict.* Solve by RK4, and double the number of steps. By what factor do the bytes that backprop
# keeps grow? And the bytes that the adjoint keeps?

# %%
cl.predict("03.15", question="backprop: bytes at twice the steps, over bytes before")

# %%
cl.predict("03.16", question="adjoint: bytes at twice the steps, over bytes before")

# %%
counts, kept = (8, 16, 32, 64, 128, 256), {"backprop": [], "adjoint": []}
field = gradient_lab.Leaky(stiffness=2.0, seed=0)
for way, column in kept.items():
    for n in counts:
        with gradient_lab.SavedBytes() as memory:
            h = odeint(field, field.h0.clone().requires_grad_(), real([0.0, 2.0]), method="rk4", substeps=n, gradient=way)
            gradient_lab.half_square(h[-1]).sum().backward()
        column.append(memory.peak)
for way, number, between in (("backprop", "03.15", (1.8, 2.2)), ("adjoint", "03.16", (0.95, 1.05))):
    cl.see(f"{way}: bytes at twice the steps over bytes before", kept[way][-1] / kept[way][-2], between, predicted=number)
ode_figures.power_figure({way: (counts, column) for way, column in kept.items()}, "solver steps", "kept for the gradient (bytes)")

# %% [markdown]
# *What you should see.* Twice the steps take twice the bytes with backprop, a slope of 1. With the adjoint the bytes do not
# change, a slope of 0. With small cells and a few solver steps per control step, backprop's memory is no problem, and this
# course trains with backprop. The adjoint is for large states that are solved in many steps, where the fastest rate times the
# time between two kept states is small.
#
# | | backprop | adjoint | finite differences |
# |---|---|---|---|
# | differentiates | what was computed | the ODE | what was computed |
# | memory | grows with the steps | constant in the steps; one state for each kept time | none |
# | evaluations | those of the forward solve | the forward solve, and a backward solve of its own | two solves per parameter |
# | breaks when | memory runs out | the field forgets fast: the backward solution drifts | the nudge is so small that the solver's noise dominates |

# %% [markdown]
# ## 7. When does an LTC stop being an ODE?
#
# In control, LTCs run with the fused step (3.12), with one or a few substeps per control step: the control step is cut
# into that many equal solver steps. Is the result still the solution of (3.8)?
#
# **Why $\Delta t = 1$.** The library's policies count time in control steps, so one call of the cell lasts $\Delta t = 1$.
# With a control step of 0.04 s, $\tau = 0.5$ means 0.02 s. There are two reasons for this unit:
# - *Speed.* $f$ lies between 0 and 1 per unit of time, so $\tau_{\text{sys}}$ cannot be shorter than $\tau/(1+\tau)$. With
#   the control step as unit, a fully open channel makes a neuron react within about one step. With the second as unit and
#   25 steps a second, opening the channel would change a state by a few per cent per step: the "liquid" part would hardly
#   act.
# - *Scale.* A policy gets one observation per step. That is the time scale it knows, whatever the robot's clock says. The
#   same initial $\tau$ and the same learning rates then suit many tasks.
#
# The package `ncps`, from which most people know the LTC, does the same: elapsed time 1 per step unless you pass another.
#
# The settings of this course's policies, next to those used for the explanations above:
#
# | setting | above | policies of the course | why |
# |---|---|---|---|
# | solver | several | fused, (3.12) | stable and bounded at every $\Delta$ |
# | substeps | 20 | 1 | cheap; the map itself is trained (see below) |
# | unit of time | s | control step | see above |
# | initial $\tau$ | 2 and 10 | by default drawn between 0.2 and 2 | neurons that react within a few steps |
# | gradient | three ways | backprop | memory is small, and the gradient is exact for the map |
#
# Now measure. Take an LTC of 8 neurons with random weights, in states reached with random inputs. The truth comes from scipy
# at tolerance $10^{-10}$. The error is given as a share of the distance that the state moves in $\Delta t$.

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
# ### Exercise 3.5: more substeps (an experiment with a hypothesis)
# Suppose that the error is proportional to (substeps)$^p$. Enter your $p$ **before** you run the measurement. The figure
# draws your line through the first point of the line $\Delta t = 1$. A hint: (3.12) evaluates $f$ once a step, at its
# beginning.

# %% nbgrader={"grade": false, "grade_id": "ex-03-5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def substep_exponent():
    """-> p, so that the error of the fused step is proportional to (substeps) ** p."""
    ### BEGIN SOLUTION
    return -1.0
    ### END SOLUTION


# %%
cell, h, x = random_cell(seed=0)
counts, errors = [1, 2, 4, 8, 16, 32, 64], {}
for dt in (1.0, 5.0, 0.2, 0.05):
    true, column = true_step(cell, h, x, dt), []
    for cell.substeps in counts:
        with torch.no_grad():
            column.append(relative_error(cell(x, h, dt), true, h))
    errors[f"Δt = {dt:g}"] = (counts, column)
ode_figures.power_figure(errors, "fused substeps in Δt", "error / how far the state moves", exponent=attempt(substep_exponent),
                         span=(1, 6, "usual in control"))

# %%
at = {name: dict(zip(*line, strict=True)) for name, line in errors.items()}
cl.see("error at Δt = 1, one substep", 100 * at["Δt = 1"][1], (10, 40), "%")
cl.see("error at Δt = 1, eight substeps", 100 * at["Δt = 1"][8], (1.5, 6), "%")
cl.see("error at Δt = 1, 64 substeps", 100 * at["Δt = 1"][64], (0.2, 0.8), "%")
cl.see("error at Δt = 0.05, one substep", 100 * at["Δt = 0.05"][1], (3, 10), "%")

# %% [markdown]
# *Look at* the left end of each line, where control runs, and at the slopes. *What you should see.* At $\Delta t=1$ one
# substep misses by a large share of the distance, and even 64 substeps leave a small error. At $\Delta t$ = 0.05 one
# substep is much better, but not exact either. At $\Delta t = 5$ the true state is almost at rest. The fused step has the
# same resting level at every step length, so a few substeps arrive there too, and this line falls faster than the others.
# Now check your $p$, which is meant for the other lines:

# %% nbgrader={"grade": true, "grade_id": "check-03-5", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
cl.check("3.5", substep_exponent)

# %% [markdown]
# Is this a peculiarity of our cell? In `ncps` every synapse has a sigmoid of its own, and a step takes 6 fused substeps.
# The library's `SynapticLTC` is that cell.
#
# *Predict.* Give both cells 6 substeps at $\Delta t = 1$. Is the error of the synaptic cell larger or smaller than that of
# our LTC?

# %%
cl.predict("03.17", choices=("larger", "smaller"), question="error of the synaptic cell")

# %%
middle = {}
for kind in (LTC, SynapticLTC):
    for dt in (1.0, 0.05):
        column = []
        for seed in range(cl.budget(smoke=2, lite=9, full=25)):
            cell, h, x = random_cell(kind, seed)
            cell.substeps = 6
            with torch.no_grad():
                column.append(100 * relative_error(cell(x, h, dt), true_step(cell, h, x, dt), h))
        low, middle[kind, dt], high = np.quantile(column, (0, 0.5, 1))
        print(f"{kind.__name__:12s} Δt = {dt:4.2f}: median {middle[kind, dt]:.1f} %, {len(column)} cells from {low:.1f} to {high:.1f} %")
cl.see("LTC, median at Δt = 1", middle[LTC, 1.0], (3.5, 6), "%")
cl.see("LTC, median at Δt = 0.05", middle[LTC, 0.05], (0.7, 1.5), "%")
cl.see("synaptic, median at Δt = 1", middle[SynapticLTC, 1.0], (4.5, 15), "%")
cl.see("synaptic, median at Δt = 0.05", middle[SynapticLTC, 0.05], (1, 2.2), "%")
larger = middle[SynapticLTC, 1.0] > middle[LTC, 1.0]
cl.see("error of the synaptic cell", "larger" if larger else "smaller", ("larger",), predicted="03.17")

# %% [markdown]
# *What you should see.* The synaptic cell has the same fault, and more of it. A likely reason: in that cell many channels act
# on a neuron at once, their rates add up, and so a step of the same length is longer in units of $\tau_{\text{sys}}$.
#
# ### A map, not a flow
# The solution of an ODE has the **flow property** (or semigroup property): one step of 1 equals two steps of ½,
#
# $$\phi_{\Delta}(h) = \phi_{\Delta/2}\bigl(\phi_{\Delta/2}(h)\bigr). \tag{3.20}$$
#
# A general map lacks it.
#
# *Predict.* Take a cell with 1 substep, made for $\Delta t = 1$, and call it every half step instead, with the input
# unchanged. By how much does the state at time 1 differ, in per cent of the distance that it moves in one whole step?

# %%
cl.predict("03.18", question="per cent of the way, one substep")

# %%
cell, h, x = random_cell(seed=0)
with torch.no_grad():
    for cell.substeps, between in ((1, (6, 18)), (6, (1, 4)), (64, (0.1, 0.4))):
        whole, halves = cell(x, h, 1.0), cell(x, cell(x, h, 0.5), 0.5)
        label = f"substeps {cell.substeps}: one step of 1 and two of ½ differ by"
        cl.see(label, 100 * relative_error(halves, whole, h), between, "%", predicted="03.18" if cell.substeps == 1 else None)

# %% [markdown]
# *What you should see.* A clear difference with one substep, a small one with six, and almost none with 64. So the LTC of a
# control policy, with one to six substeps at $\Delta t$ = 1, is a *map*, and it differs from the solution of the ODE that it
# is named after. It is a bounded, gated recurrent network in its own right. Is that bad?
#
# - For control at a fixed rate: no. The map itself is trained, its gradient is exact, and its bounds hold. Nothing requires
#   an ODE.
# - For statements about continuous time: yes. "Runs at any control rate", "handles irregular samples", "this neuron has a
#   time constant of 0.8 s" are statements about (3.8). Before you make one, do what you did here: add substeps until the
#   answer no longer changes. Or let the cell solve (3.8) itself: `LTC(4, 8, solver="rk4", substeps=4)`, or "dopri5".

# %% [markdown]
# ### Where does the error come from?
# The fused step makes two approximations: it holds $f$ at its value at the beginning, and it treats the *decay* as
# implicit Euler does, by the factor $1/(1+\Delta/\tau_{\text{sys}})$, which is not exact. To tell them apart, remove one
# of them.
#
# ### Exercise 3.6: an exponential step (derive)
# Hold $f$ at its value at the beginning of the step, but solve (3.9) *exactly* over $\Delta$. This takes one evaluation
# of $f$. It is called **exponential Euler** (Certaine, 1960; Hochbruck and Ostermann, 2010).

# %% nbgrader={"grade": false, "grade_id": "ex-03-6", "locked": false, "schema_version": 3, "solution": true, "task": false}
def exponential_step(f, A, tau, h, dt):
    """f: function (B, n) -> (B, n); A, tau (n,); h (B, n) -> h after dt (B, n), with f(h) held and (3.9) solved exactly."""
    ### BEGIN SOLUTION
    conductance = f(h)
    tau_sys = 1 / (1 / tau + conductance)
    target = conductance * A * tau_sys
    return target + (h - target) * torch.exp(-dt / tau_sys)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-03-6", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
cl.check("3.6", exponential_step)

# %% [markdown]
# *Predict.* Which of the two approximations causes most of the error of one fused step at $\Delta t = 1$?

# %%
cl.predict("03.19", choices=("f is held", "the decay is that of implicit Euler"), question="most of the error")

# %%
cell, h, x = random_cell(seed=0)
with torch.no_grad():
    mine = attempt(exponential_step, partial(ltc_conductance, cell, x=x), cell.A.detach(), cell.tau.detach(), h.clone(), 1.0)
if mine is None:
    print("write exponential_step (exercise 3.6) first")
else:
    with torch.no_grad():
        true, fused = true_step(cell, h, x, 1.0), fused_step(cell, h, x, 1.0)
        both, alone = (100 * relative_error(torch.as_tensor(found), true, h) for found in (fused, mine))
    cl.see("one fused step, both approximations", both, (10, 40), "%")
    cl.see("one exponential step, f held only", alone, (1, 10), "%")
    source = "the decay is that of implicit Euler" if alone < both / 2 else "f is held"
    cl.see("most of the error", source, ("the decay is that of implicit Euler",), predicted="03.19")

# %% [markdown]
# *What you should see.* The exponential step costs one evaluation of $f$, like the fused step, and is several times more
# accurate. It is bounded too: it is an average of $h$ and $h_\infty$. The extra cost is one exponential for each neuron.
#
# ### Exercise 3.7: a better step (open)
# Six exponential steps of $\Delta t/6$ cost 6 evaluations of $f$. Invent a step with at most 6 evaluations. At $\Delta t$ =
# 1 its error must be at most 60 % of the error of these six, and its states must stay between 0 and $A$ at *every* $\Delta
# t$. A way to begin:
# 1. Predict the state at the end, or in the middle, with one exponential step.
# 2. Evaluate $f$ there. Which conductance would you hold over the step now?
# 3. How many such steps can you afford?
#
# Other ideas: extrapolate from two step sizes (Richardson, 1911); use the $f$ of the previous substep. Write down what you
# tried, and why the first attempt failed.

# %% nbgrader={"grade": false, "grade_id": "ex-03-7", "locked": false, "schema_version": 3, "solution": true, "task": false}
def better_step(f, A, tau, h, dt):
    """f: function (B, n) -> (B, n), eq. (3.8), input held; A, tau (n,); h (B, n) -> h after dt (B, n)."""
    ### BEGIN SOLUTION
    def relax(h, conductance, dt):  # eq. (3.9), solved exactly while f is held
        tau_sys = 1 / (1 / tau + conductance)
        target = conductance * A * tau_sys
        return target + (h - target) * torch.exp(-dt / tau_sys)

    for _ in range(3):
        middle = relax(h, f(h), dt / 6)
        h = relax(h, f(middle), dt / 3)
    return h
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-03-7", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("3.7", better_step)

# %% [markdown]
# ## Summary
# - A recurrent step $h \leftarrow h + \Delta f(h)$ is a step of Euler's method. With an ODE and a solver, the duration of a step
#   becomes an input, (3.1). The order of a method says how its error falls with the step.
# - An equation is stiff when stability, and not accuracy, dictates the step of an explicit solver. Implicit steps avoid
#   that.
# - CT-RNN: fixed time constants. LTC: time constants that depend on input and state, and bounded states. CfC: a learned answer
#   without a solver.
# - The fused step (3.12) is a weighted average. It is bounded for every $\Delta$, but accurate only to first order. At
#   $\Delta$ = 1 most of its error comes from how it treats the decay.
# - The adjoint (3.15) is exact as an equation. But if the state forgets and is solved backwards, it drifts, (3.19). A few
#   kept states cure that.
# - Backprop differentiates what was computed. For small cells and few solver steps it is the right choice.
# - An LTC with few substeps is a map, not a flow, (3.20). That is fine for control, but not for claims about continuous time.
#
# ### What goes wrong, and how it looks
# | what you see | what it often is |
# |---|---|
# | NaN or huge states after a few steps | an explicit solver whose step is longer than about $2\,\tau_{\text{sys}}$: take more substeps, or the fused step |
# | the adaptive solver gets slower and slower during training | the field becomes stiff: bound the rates, or change the solver |
# | training with the adjoint stalls, with backprop it does not | backward drift: compare the two gradients once, keep more states |
# | the gradients of two methods differ in the third digit | the tolerance of the solver: a gradient is no better than its solution |
# | LTC states grow without limit | the printed form (3.10) with a negative $A$, or a $\tau$ that became negative: use a softplus |
# | good at the control rate of training, bad at another | a map, not a flow: use more substeps in training, or train at several rates |
#
# ### Further reading
# - R. T. Q. Chen et al., "Neural ordinary differential equations", NeurIPS 2018: section 2 and appendix B, the adjoint.
# - Y. Rubanova, R. T. Q. Chen, D. Duvenaud, "Latent ODEs for irregularly-sampled time series", NeurIPS 2019.
# - R. Hasani et al., "Liquid time-constant networks", AAAI 2021: eqs. 1 to 3, theorems 1 and 2 (bounds).
# - R. Hasani et al., "Closed-form continuous-time neural networks", *Nature Machine Intelligence* 4, 2022.
# - K. Funahashi, Y. Nakamura, "Approximation of dynamical systems by continuous time recurrent neural networks",
#   *Neural Networks* 6, 1993.
# - E. Hairer, S. P. Nørsett, G. Wanner, *Solving Ordinary Differential Equations I*, 2nd ed., 1993: II.1
#   (Runge–Kutta), II.4 (step size); E. Hairer, G. Wanner, *II*, 2nd ed., 1996: IV.1 to IV.3 (stiffness).
# - M. Hochbruck, A. Ostermann, "Exponential integrators", *Acta Numerica* 19, 2010.
# - A. Gholami, K. Keutzer, G. Biros, "ANODE: unconditionally accurate memory-efficient gradients for neural ODEs",
#   IJCAI 2019: why solving backwards fails.

# %% [markdown]
# ## Your predictions
# How close were you? A number counts as close if it is within a quarter of the result.

# %%
cl.calibration("03")
