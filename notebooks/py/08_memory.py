# %% [markdown]
# # Memory: control under partial observability
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/liquid-control/liquid-control/blob/main/notebooks/08_memory.ipynb)
#
# A camera shows where things are, not how fast they move. A sign at the roadside is read once and needed a minute
# later. A platform under water is only felt by who stands on it. In such tasks the best policy is not a function of
# what is seen *now*, and no amount of training makes it one. In this notebook SAC gets a memory. You see why it must
# have one, what padding, masks and half-forgotten beginnings do to its training, what the memory holds once it is
# trained, and a task where memory is not the hard part.

# %% [markdown]
# **You will be able to**
# 1. find two states that look the same and say what they cost a policy without memory, and find the way round that
#    such a policy may still have;
# 2. say where the summary enters in RDPG, RTD3 and RSAC, and which loss trains which network;
# 3. write losses over padded sequences that padding cannot change, and find a buffer that leaks;
# 4. choose between whole episodes, zero state, stored state and burn-in by measuring what each gets wrong;
# 5. probe a hidden state with the controls without which a probe proves nothing.
#
# **Before you start.** Notebook 05 (SAC, TD3) and section 3 of notebook 04 (sequences). Notebook 07 helps in section 8.
#
# **Time** on 2 cores: smoke (a test that every cell runs) under 1 minute; lite (the default) 3 to 5 minutes of
# computing, half of it one training; full about 6.

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
# A pendulum too heavy to be lifted at once, swung up by three policies. The first sees angle and rate. The other two
# see the angle only: one forgets everything from step to step, one is an LSTM.

# %%
from course_lib import viz

three = ("sac_full", "sac_memoryless", "rsac_lstm")
steps = cl.budget(smoke=6, lite=150, full=150)
clips = [viz.render(cl.load(f"memory_pendulum_{name}"), seed=5, steps=steps, width=240, height=200) for name in three]
cl.show(viz.montage(clips, ["sees angle and rate", "angle, no memory", "angle, LSTM"], columns=3), title="the same start")

# %% tags=["prelude"]
from dataclasses import replace
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import torch

import course_lib as cl
from course_lib import viz
from course_lib.course.exercises import attempt, check, check_that
from course_lib.evaluation.returns import run_episodes
from course_lib.lessons import nb08_memory as memory_figures
from course_lib.nets.summarizers import Summarizer, warmed
from course_lib.policies.actors import RecurrentDeterministicActor, RecurrentSquashedActor
from course_lib.policies.base import Policy
from course_lib.rl.recurrent_learner import RecurrentLearner
from course_lib.rl.sequence_replay import SequenceReplay

# %%
shipped = cl.result("memory")
memory_figures.share_figure(shipped, ("sac_full", "sac_memoryless", "rsac_lstm"))

# %% [markdown]
# *Look at* the second row against the third. A *share* says how far a policy has come from random actions (0) to what
# SAC reaches that sees everything (1). Bars: median over n seeds, lines: its 95 % bootstrap interval, dots: seeds.

# %% [markdown]
# ## 1. Two states that look the same
#
# The pendulum's state is an angle (0 is upright) and a rate. Its observation is the cosine and sine of the angle.
# Energy comes from the motor alone: with torque $u$ and rate $\omega$,
#
# $$\frac{dE}{dt} = u\,\omega. \tag{8.1}$$
#
# To swing up, energy must be pumped in, so the torque needs the sign of the rate. Two states:
#
# *Predict.* Which torque is right in A, which in B? What does a policy do that sees the angle only?

# %%
task = cl.make_task("MemoryPendulum-v0")


def energy(angle, rate):
    """J: of the motion, and 5 J times the cosine for the height."""
    return rate**2 / 6 + 5 * np.cos(angle)


for name, angle, rate in (("A", 2.9, 2.0), ("B", 2.9, -2.0)):
    state = task.start(np.array([[angle, 1.0]]), np.array([[rate, 0.0]]), last_action=np.zeros((1, 1)))
    print(f"{name}: rate {rate:+.0f} rad/s, observation {task.observe(state)[0].round(3)}", end="; ")
    for torque in (2.0, -2.0):
        faster = task.next_velocity(state, np.array([[torque]]))[0, 0]
        print(f"torque {torque:+.0f} N m: energy {energy(angle + task.dt * faster, faster) - energy(angle, rate):+.2f} J", end="; ")
    print()

# %%
memory_figures.alias_figure(cl.load("memory_pendulum_sac_full"), angle=2.9, rate=2.0)

# %% [markdown]
# *Look at* the dotted line: all states on it give one and the same observation. The colours are what SAC does that sees
# the rate. *What you should see.* Equal observations; the torque that gains energy in A loses it in B. Along the dotted
# line the colour changes: to act like this policy one has to know where on the line one is.
#
# ### What that costs
# Such states are called **aliased**. If the policy is in A with chance $w$ and in B with $1 - w$, and $r_A(a)$, $r_B(a)$
# say what an action is worth in each, then without memory the best it can do is one action (or one mixture) for both:
#
# $$\max_a \bigl[w\,r_A(a) + (1 - w)\,r_B(a)\bigr] \;\le\; w \max_a r_A(a) + (1 - w) \max_a r_B(a). \tag{8.2}$$
#
# With opposite right actions the left side is $\max(w, 1-w)$ where the right is 1. It does not matter how large the
# network is or how long it trains. The task is no longer a Markov decision process in what is seen; it is one in the
# **history** $(o_0, a_0, o_1, \dots, o_t)$, and a summary of that is what the policy needs.

# %% [markdown]
# ## 2. Six tasks, each with a twin that sees all
#
# Each hides something else, and says in its description what has to be remembered. The **twin** is the same task with
# `observation="full"`: what SAC reaches there is what perfect memory could be worth.

# %% tags=["prelude"]
TASKS = {  # title -> id, options of the partial form, of the twin
    "pendulum": ("MemoryPendulum-v0", {}, {"observation": "full"}),
    "cart-pole in wind": ("MemoryCartPole-v0", {"wind": 0.4}, {"wind": 0.4, "observation": "full"}),
    "car, heaven and hell": ("CarHeavenHell-v0", {"hide": "velocities"}, {"observation": "full"}),
    "reacher, goal shown once": ("ReacherOnce-v0", {}, {"observation": "full"}),
    "bumps": ("Bumps-v0", {}, {"observation": "full"}),
    "water maze": ("WaterMaze-v0", {}, {"observation": "full"}),
}

# %%
memory_figures.task_pictures(TASKS)

# %% [markdown]
# *Look at* how many numbers each shows of how many. On the pendulum and the cart-pole these are rates. The car reads
# the sign (the arrow) only on the yellow strip. The reacher's goal is shown in the first observation. The finger feels
# the slopes of two equal bumps and is to push the second. The swimmer knows where it is, and whether it stands on the
# platform.

# %%
for title, (env_id, *_) in TASKS.items():
    described = type(cl.make_task(env_id)).__doc__
    remember = described.split("What to remember:")[1].split("\n\n")[0]
    print(f"{title.upper()} ({env_id}, {cl.make_task(env_id).horizon} steps)\n {' '.join(remember.split())}\n")

# %% [markdown]
# ### The way round
# "Hidden" does not yet mean "needed". Look at what the description of the car says about its velocity, and that of the
# cart-pole about wind: policies without memory found these ways in training. A task tests memory only after the ways
# round are closed; that is why both are shown here as above. A task tests memory also only where the rest of it can be
# learned: in wind, SAC has trouble to stay between the ends of the track even if it sees all. So the comparison of
# section 7 takes the pendulum, the car, and for the second task Gymnasium's own pole on a cart,
# `cl.make("InvertedPendulum-v5", hide="velocities")`, whose twin is Gymnasium's task as it is.
#
# How much memory does the car need? One number. *Predict.* What does the same driver reach when it forgets?

# %%
class Driver(Policy):
    """Goes to the sign, then where it points. `keeps`: whether it remembers what the sign said."""

    state_dim = 1  # what the sign said; 0 at first

    def __init__(self, keeps):
        super().__init__(obs_dim=2, act_dim=1)
        self.keeps = keeps

    def choose(self, obs, state, rng):
        sign = obs[:, 1:]
        said = torch.where(sign != 0, sign, state * self.keeps)
        return torch.where(said == 0, 1.0, said), said


for keeps in (True, False):
    envs = cl.make("CarHeavenHell-v0", 200, seed=1, hide="velocities")
    print("remembers" if keeps else "forgets  ", "the sign: return", run_episodes(Driver(keeps), envs, seed=1).mean)

# %% [markdown]
# *What you should see.* 1 with memory. About half without: it turns round in sight of the sign, and once that is out of
# sight it does what it did before, and swings to and fro. Half is (8.2) with $w$ = ½.

# %% [markdown]
# ## 3. A summary in place of the observation
#
# RDPG, RTD3 and RSAC (Heess et al. 2015; Yang and Nguyen 2021) are DDPG, TD3 and SAC of notebook 05. A recurrent network,
# here called the **summarizer**, reads the history step by step, and what used to see the state sees the summary:
#
# $$h_t = f_\psi(h_{t-1}, o_t), \qquad a_t \sim \pi_\theta(\cdot \mid h_t), \qquad Q_\phi(h'_t, a_t). \tag{8.3}$$
#
# $h$ is the actor's summary and $h'$ that of the critics. The action joins at the critics' head; it need not be
# remembered to be judged. (`previous_action=True` and `previous_reward=True` let the summarizer read $a_{t-1}$ and
# $r_{t-1}$ too, for tasks that can be told by them.) The target is that of notebook 05 with summaries of what came
# *next*:
#
# $$y_t = r_t + \gamma\,(1 - d_t)\,\Bigl[\min_i Q_{\bar\phi_i}(\bar h'_{t+1}, a') - \alpha \log \pi(a' \mid h_{t+1})\Bigr],
# \quad a' \sim \pi(\cdot\mid h_{t+1}). \tag{8.4}$$
#
# | | actor | critics | targets | what is added to the one above |
# |---|---|---|---|---|
# | RDPG | deterministic | 1 | actor and critic | DDPG with summaries |
# | RTD3 | deterministic | 2 | actor and critics | the least of two, smoothed target action, delayed actor |
# | RSAC | Gaussian, squashed | 2 | critics only | entropy, learned temperature |
#
# The summarizer has the interface of a cell in notebook 03. *Predict.* A summary after each of 5 steps of 2 histories,
# 3 numbers wide: its shape? And does it matter whether the steps are taken one by one?

# %%
torch.manual_seed(0)
summarizer = Summarizer(inputs=2, config=cl.SummarizerConfig("lstm", neurons=3))
history, state = torch.randn(5, 2, 2), summarizer.initial_state(2)
at_once, _ = summarizer.sequence(history, state)
for x in history:
    one, state = summarizer.step(x, state)
print(f"summaries {tuple(at_once.shape)}, state {tuple(state.shape)} (an LSTM's has two parts)")
print("last summary, at once    ", at_once[-1, 0].detach().numpy().round(4))
print("last summary, step by step", one[0].detach().numpy().round(4))

# %% [markdown]
# ### Who trains what
# Separate summarizers (the paper's choice) see the gradient of their own network's loss. One summarizer for both critics
# costs half the time. One for all is trained by the critics' loss alone: the actor's loss would pull the ground
# from under them.

# %%
for sharing in ("separate", "critics", "shared"):
    config = cl.RSACConfig(cell=dict(name="lstm", neurons=64), hidden=(64, 64), summarizers=sharing)
    learner = RecurrentLearner(RecurrentSquashedActor(2, 1, config.hidden, cell=config.cell), config)
    many = sum(p.numel() for p in learner.critics.parameters())
    actor = "its own head alone" if learner.shared else "head and own summarizer"
    print(f"{sharing:9s} {len(learner.sizes)} summarizer(s); the critics' loss trains {many:7,d} numbers, the actor's: {actor}")

# %% [markdown]
# *What you should see.* Three, two, one. And if the summarizer is the identity, (8.3) and (8.4) are notebook 05's: a
# test of the library asks for exactly that, weight for weight.

# %% [markdown]
# ## 4. Episodes into batches
#
# Episodes have different lengths and a batch is one block of numbers. So sequences are **padded** to the longest, and a
# **mask** $m$ says which steps count. A loss is the mean over those:
#
# $$L = \frac{\sum_{t,b} m_{tb}\,\ell_{tb}}{\sum_{t,b} m_{tb}}. \tag{8.5}$$
#
# A toy buffer with episodes of 3, 6 and 4 steps, whose observations say where they come from: 10 · episode + step.

# %% tags=["prelude"]
def toy(**how):
    """The library's buffer with three episodes, one number each step: 10 · episode + step."""
    replay, zero = SequenceReplay(64, 1, obs_dim=1, act_dim=1, **how), np.zeros((1, 1))
    replay.begin(np.array([[10.0]]))
    for episode, steps in ((1, 3), (2, 6), (3, 4)):
        for t in range(1, steps + 1):
            over, seen = np.array([t == steps]), np.array([[10.0 * episode + t]])
            fresh = np.array([[10.0 * episode + 10.0]]) if over else seen
            replay.add(zero, seen, np.array([0.1 * t]), over, over, fresh)
    return replay


def all_episodes(replay, begin=0):
    """Every finished episode once, learned from step `begin` (a number, or one for each) on."""
    first = torch.from_numpy(np.flatnonzero(replay.length))
    length = torch.from_numpy(replay.length)[first].long()
    return replay.batch(first, length, torch.as_tensor(begin).expand(len(first)))


# %%
ways = {
    "whole episodes": all_episodes(toy()),
    "segments of 3 steps, begun at steps 0, 2 and 3": all_episodes(toy(sequence_length=3), [0, 2, 3]),
    "the same after a burn-in of 2 steps": all_episodes(toy(sequence_length=5, burn_in=2), [0, 2, 3]),
}
memory_figures.sequence_figure({name: (b.observation[:-1, :, 0], b.mask, b.burn_in) for name, b in ways.items()})

# %% [markdown]
# *Look at* the colours: blue is learned from, yellow only brings the memory up to date, grey is padding and holds a
# copy of some row of the same episode. A burn-in that reaches back before the beginning repeats the first row; the
# memory is set to zero where the episode begins. Not drawn: each sequence has one observation more than steps,
# because its last step leads somewhere.
#
# ### Exercise 8.1: a loss that padding cannot change (fill in)
# The critics' loss, half the squared error, summed over the critics. Padding may hold any number.

# %% nbgrader={"grade": false, "grade_id": "ex-08-1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def masked_loss(q, target, mask):
    """q (E, T, B), target (T, B), mask (T, B) of 0 and 1, tensors -> a number: eq. (8.5) of ½ Σ_e (Q_e - y)²."""
    ### BEGIN SOLUTION
    return (0.5 * (q - target).square().sum(0) * mask).sum() / mask.sum()
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-08-1", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
#@title Check 8.1
def step_by_step(q, target, mask):  # another road: only what counts is ever looked at
    counted = [(t, b) for t, b in np.ndindex(*mask.shape) if mask[t, b]]
    return sum(0.5 * (float(each[t, b]) - float(target[t, b])) ** 2 for each in q for t, b in counted) / len(counted)


def sequences(seed, *lengths):
    g = torch.Generator().manual_seed(seed)
    mask = (torch.arange(9)[:, None] < torch.tensor(lengths)).double()
    return torch.randn(2, 9, 3, generator=g).double() + 50 * (1 - mask), torch.randn(9, 3, generator=g).double(), mask


def half(q, y):
    return 0.5 * (q - y).square().sum(0)


check(
    "8.1", "masked_loss", oracle=step_by_step, cases=[sequences(0, 7, 2, 4), sequences(1, 9, 1, 1), sequences(2, 3, 3, 8)],
    mistakes={
        "the mean over all steps is taken, padding too": lambda q, y, m: half(q, y).mean(),
        "padding adds nothing to the sum now, but is still counted in the mean: divide by mask.sum()": lambda q, y, m: (half(q, y) * m).mean(),
        "each sequence counts the same here, so a step of a short one more: take one mean over all steps": lambda q, y, m: ((half(q, y) * m).sum(0) / m.sum(0)).mean(),
        "the critics are averaged; they are summed, each with its own gradient": lambda q, y, m: (half(q, y) * m).sum() / m.sum() / len(q),
        "the factor ½ is missing": lambda q, y, m: 2 * (half(q, y) * m).sum() / m.sum(),
    },
)

# %% [markdown]
# (The library's `q_losses.masked_mean` chooses with `torch.where` instead of multiplying, because 0 · ∞ is not a number.)
#
# Now the whole way, from the buffer through summarizers, heads and targets to the loss. We append rows of rubbish to the
# batch, with a mask of 0. *Predict.* Which of the two losses changes, and where does it go?

# %% tags=["prelude"]
def with_padding(b, rows, junk=3.0):
    """The sequences of `b` with so many more rows, which hold `junk` and do not count."""
    more = {"mask": 0.0, "starts": False}
    fields = {k: v for k, v in vars(b).items() if k not in ("state", "burn_in")}
    grown = {k: torch.cat([v, torch.full((rows, *v.shape[1:]), more.get(k, junk), dtype=v.dtype)]) for k, v in fields.items()}
    return replace(b, **grown)


def both_losses(learner, b):
    """The critics' loss of eq. (8.5), and what a mean over all rows would give."""
    x = learner.inputs(b)
    states = [s.initial_state(b.mask.shape[1]) for s in learner.critics.summarizers]
    q = learner.critics([h[:-1] for h in learner.critics.summaries(x, b, states)], b.action)
    error = 0.5 * (q - learner.target(b, x, torch.Generator())).square().sum(0)
    return (error * b.mask).sum() / b.mask.sum(), error.mean()


# %%
torch.manual_seed(0)
config = cl.RDPGConfig(cell=dict(name="lstm", neurons=8), hidden=(16,))  # its target draws no noise, so losses can be compared
learner = RecurrentLearner(RecurrentDeterministicActor(1, 1, config.hidden, cell=config.cell), config)
batch = all_episodes(toy())
for rows in (0, 5, 50):
    masked, plain = both_losses(learner, with_padding(batch, rows))
    size = torch.cat([g.flatten() for g in torch.autograd.grad(masked, list(learner.critics.parameters()))]).norm()
    print(f"{rows:2d} rows of rubbish: masked {masked.item():.6f} (gradient {size.item():.6f}), mean over all rows {plain.item():9.3f}")

# %% [markdown]
# *What you should see.* The masked loss and its gradient stay the same to the last digit or nearly so; the other
# becomes whatever the rubbish says. The rows themselves need no cleaning: they come after the steps that count, and
# time runs forwards.
#
# ### Exercise 8.2: the leak (find the planted bug)
# Another buffer lays the observations of all episodes one after the other. An episode of n steps has n + 1 of them.
# Here is how it cuts a segment. It runs, shapes fit, losses are finite, and training is a little worse than it should be.

# %% tags=["prelude"]
def leaky_segment(seen, first, steps, episode, begin, length):
    """seen (rows, obs); first, steps: of each episode its first row, its number of steps -> observations (length + 1, obs), mask (length,)"""
    t = begin + np.arange(length + 1)
    row = np.minimum(first[episode] + t, len(seen) - 1)
    mask = t[:-1] <= steps[episode]
    return seen[row], mask


def end_to_end(lengths):
    """Observations 10 · episode + step, one after the other -> seen (rows, 1), first, steps."""
    seen = np.concatenate([10.0 * (e + 1) + np.arange(n + 1) for e, n in enumerate(lengths)])[:, None]
    return seen, np.cumsum([0, *(n + 1 for n in lengths[:-1])]), np.array(lengths)


# %%
store = end_to_end((3, 6, 4))
print("all rows:", store[0][:, 0].astype(int))
parts = [leaky_segment(*store, episode, begin, 5) for episode, begin in ((0, 0), (1, 3), (2, 1))]
rows, masks = (np.stack(part, axis=1) for part in zip(*parts, strict=True))
memory_figures.sequence_figure({"observation before the step": (rows[:-1, :, 0], masks, 0), "observation after it": (rows[1:, :, 0], masks, 0)})

# %% [markdown]
# *Look at* the blue boxes that stand over one another. Which step leads from one episode into the next, as if the agent
# had done it? (With a bootstrap across it, the value of an episode's end becomes that of some other episode's start.)
#
# Write `segment` so that only steps that were taken count, all of them, and so that padding repeats the episode's last
# observation.

# %% nbgrader={"grade": false, "grade_id": "ex-08-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def segment(seen, first, steps, episode, begin, length):
    """As `leaky_segment`, without the leak -> observations (length + 1, obs), mask (length,)"""
    ### BEGIN SOLUTION
    t = begin + np.arange(length + 1)
    return seen[first[episode] + np.minimum(t, steps[episode])], t[:-1] < steps[episode]
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-08-2", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 8.2
def from_a_list(seen, first, steps, episode, begin, length):  # the episode alone, as a list that ends
    own = list(seen[first[episode] : first[episode] + steps[episode] + 1])
    rows = [own[begin + k] if begin + k < len(own) else own[-1] for k in range(length + 1)]
    return np.array(rows), np.array([begin + k + 1 < len(own) for k in range(length)])


def other(row, counts):  # a mistake: which row is read, which step counts
    def wrong(seen, first, steps, episode, begin, length):
        t, n = begin + np.arange(length + 1), steps[episode]
        return seen[np.minimum(first[episode] + row(t, n), len(seen) - 1)], counts(t[:-1], n)
    return wrong


kept = np.minimum
cases = [(*end_to_end((3, 6, 4)), e, begin, length) for e, begin, length in ((0, 0, 5), (1, 3, 4), (2, 0, 3), (1, 0, 6))]
check(
    "8.2", "segment", oracle=from_a_list, cases=cases,
    mistakes={
        "that is the buffer as it was: step n of an episode of n steps (they begin at 0) was never taken": other(lambda t, n: t, lambda t, n: t <= n),
        "padding is right now, but step n still counts: it leads from the last observation to itself": other(kept, lambda t, n: t <= n),
        "the mask is right now; padding still shows the next episode": other(lambda t, n: t, lambda t, n: t < n),
        "the last step is lost, the only one that says how an episode ends": other(kept, lambda t, n: t < n - 1),
        "nothing is masked": other(kept, lambda t, n: t > -1),
    },
)

# %% [markdown]
# ## 5. Where a sequence begins
#
# A whole episode begins where the memory is zero, in training as in acting. A segment that begins at step 60 does not:
# the agent that acted there remembered 60 steps. Three answers are in use:
#
# - **zero state**: pretend that the episode begins here;
# - **stored state**: begin with the memory that the agent had when it acted, kept in the buffer. It is right for the
#   weights of then, not for those of now (notebook 04 calls that stale);
# - **burn-in**: begin some steps earlier, from zero or from a stored state, and learn nothing until the memory has
#   caught up (Kapturowski et al. 2019).
#
# They need not be argued about: the right summary is known. It is what the present weights make of the *whole*
# episode. We train for a moment with stored states, and measure how far each answer is off, step by step.
#
# *Predict.* Zero state after one step, after 10, after 40: off by how many standard deviations of a summary? Is the
# stored state nearer at first?

# %% tags=["prelude"]
def begun(network, x, begin, steps, burn_in=0, state=None):
    """Summaries (steps, B, width) of x (T, B, inputs) from row `begin` on; memory is `state` or zero `burn_in` rows before."""
    x = x[begin - burn_in : begin + steps]
    state = network.initial_state(x.shape[1]) if state is None else state
    return warmed(network, x, torch.zeros(x.shape[:2], dtype=torch.bool), state, burn_in)


@torch.no_grad()
def start_errors(network, x, stored=None, begin=60, steps=50, burn_in=10):
    """Way to begin -> distance from the summaries of whole episodes, in their standard deviations, (steps,)."""
    true = begun(network, x, begin, steps, burn_in=begin)
    ways = {"zero": begun(network, x, begin, steps), f"zero, burn-in of {burn_in}": begun(network, x, begin, steps, burn_in)}
    if stored is not None:
        ways["stored"] = begun(network, x, begin, steps, 0, stored(begin))
        ways[f"stored, burn-in of {burn_in}"] = begun(network, x, begin, steps, burn_in, stored(begin - burn_in))
    return {k: ((h - true).square().mean((1, 2)).sqrt() / true.std()).numpy() for k, h in ways.items()}


# %%
size = cl.budget(smoke=16, lite=128, full=128)
how = dict(cell=dict(name="lstm", neurons=64), memory_start="stored", sequence_length=16, batch_size=size)
agent = cl.RSAC(cl.make("MemoryPendulum-v0", num_envs=4, seed=0), cl.RSACConfig.recommended("MemoryPendulum-v0", **how))
cl.train(agent, cl.budget(smoke=1_100, lite=4_000, full=4_000), progress=False)
whole = SequenceReplay(agent.replay.capacity, 4, 2, 1, agent.replay.state_dim)  # the same rows, uncut
whole.load_state_dict(agent.replay.state_dict())
network, x = agent.policy.summarizer, agent.learner.inputs(all_episodes(whole))
print(f"{agent.learner.updates:,} updates, {x.shape[1]} episodes of {len(x) - 1} steps")

# %%
def stored(begin):
    """The actor's memory in the buffer before row `begin` of each episode."""
    return all_episodes(whole, begin).state[:, : network.state_dim]


torch.manual_seed(0)
slow = Summarizer(2, dict(name="lstm", neurons=64, remember=80))
memory_figures.start_figure({
    "LSTM, trained for a moment": start_errors(network, x, stored),
    "fresh LSTM with remember=80": start_errors(slow, x),
})

# %% [markdown]
# *Look at* the left ends of the lines (the vertical axis is logarithmic), then at how fast they fall. *What you
# should see.* On the left, a zero state is off by one or two standard deviations and is forgotten within ten or
# twenty steps, as this LSTM forgets everything; ten steps of burn-in remove most of the error, and the stored state
# begins nearer without costing a step. On the right, with a memory made to last for 80 steps, ten steps of burn-in do
# little, and no segment of 50 steps is long enough to get rid of its beginning. So the rule is not "burn-in is right"
# but: *the burn-in must be as long as the memory*, and where it cannot, begin with the stored state or take whole
# episodes.
#
# ### Does it matter in training?
# A wrong beginning need not hurt. On the pendulum two angles tell the rate. On the car a segment that begins after the
# sign, from zero, does not know where heaven is: it teaches the network to expect the average.
#
# *Predict.* Which of the five ways fails on the pendulum, which on the car?

# %%
starts = cl.result("memory_starts")["per_seed"]


def returns(rows, task, *settings):
    """Setting -> its returns, one a seed."""
    return {s: [r["return_deterministic"] for r in rows if (r["task"], r["setting"]) == (task, s)] for s in settings}


ways = ("zero", "zero_burn", "stored", "stored_burn")
viz.bars(returns(starts, "pendulum", "whole", *ways), title="pendulum, 16 learned steps a segment")

# %%
car = {"whole": returns(shipped["per_seed"], "car", "rsac_lstm")["rsac_lstm"], **returns(starts, "car", *ways)}
viz.bars(car, title="car, 40 learned steps a segment")

# %% [markdown]
# *Look at* whether the intervals overlap before you rank anything: few seeds. A return of 1 on the car is heaven in
# every episode. "burn" is a burn-in as long as the segment, which on the car makes 80 steps in all. *What you should
# see.* On the pendulum no way stands out. On the car, segments find the right side in some seeds, and in all of them
# only whole episodes do. (Likely reasons: stored states are those of weights long gone, and from many an arrival no
# gradient reaches back to the sign.) The library's recommended settings are segments on the pendulum and the pole, whole
# episodes on the car. Now the length of a segment, from zero state:

# %%
lengths = {**returns(starts, "pendulum", "length_4", "zero", "whole")}
names = {"length_4": "4 steps", "zero": "16 steps", "whole": "200 (whole)"}
viz.bars({names[k]: v for k, v in lengths.items()}, title="pendulum, zero state, 2,000 steps an update")

# %% [markdown]
# *What you should see.* Two angles tell a rate, and yet four steps are too short. In acting, the memory runs on for 200
# steps, which no sequence of four has ever shown to the network, and most of each segment is beginning.

# %% [markdown]
# ## 6. How long must it remember?
#
# How long an LSTM *can* remember is decided before training by one number in each neuron, the bias of its forget
# gate. With nothing coming in, the cell's state shrinks by the gate's value at each step:
#
# $$c_{t+1} = \sigma(b_f)\, c_t. \tag{8.6}$$
#
# *Predict.* torch starts with $b_f$ near 0. What is left after 10 steps?

# %%
silence = torch.zeros(101, 64, 1)
silence[0, :, 0] = torch.linspace(-2, 2, 64)  # 64 different inputs, then nothing
for remember in (0, 80):
    torch.manual_seed(0)
    fresh = Summarizer(1, dict(name="lstm", neurons=32, remember=remember))
    spread = fresh.sequence(silence, fresh.initial_state(64))[0].std(1).mean(1).detach()
    print(f"remember={remember:2d}: left of the difference after", *[f"{k} steps {spread[k] / spread[0]:.1e};" for k in (1, 10, 40, 100)])

# %% [markdown]
# *What you should see.* Less than a hundredth after 10 steps for torch's start, and nothing after 40. Gradients
# shrink alike: an LSTM that is to learn that a sign mattered 100 steps ago is told so by a gradient of about
# $2^{-100}$. `remember=80` sets the biases so that neurons forget in anything from 1 to 80 steps (Tallec and Ollivier
# 2018); for an LTC `options=LTC.SLOW` does the like.
#
# ### Exercise 8.3: the bias for a memory (a derivation, checked numerically)
# From (8.6): which $b_f$ leaves the share $s$ of a state after k steps? The check unrolls torch's LSTM.

# %% nbgrader={"grade": false, "grade_id": "ex-08-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def forget_bias(k, share):
    """k steps, share between 0 and 1, numbers -> b with σ(b)^k = share."""
    ### BEGIN SOLUTION
    gate = share ** (1 / k)
    return np.log(gate / (1 - gate))
    ### END SOLUTION


# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-08-3", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 8.3
@torch.no_grad()
def left_after(bias, k):  # torch's LSTM, inputs shut out: what is left of a cell state of 1
    lstm = torch.nn.LSTM(1, 1).double()
    for p in lstm.parameters():
        p.zero_()
    lstm.bias_ih_l0[0], lstm.bias_ih_l0[1] = -60.0, bias  # input gate, forget gate
    zero, one = torch.zeros(1, 1, 1).double(), torch.ones(1, 1, 1).double()
    return lstm(torch.zeros(k, 1, 1).double(), (zero, one))[1][1].item()


def by_search(k, share, low=-20.0, high=20.0):
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if left_after(middle, k) < share else (low, middle)
    return middle


check(
    "8.3", "forget_bias", oracle=by_search, tolerance=1e-6, cases=[(1, 0.3), (10, 0.5), (80, 0.5)],
    mistakes={
        "that is the gate's value; the bias is what the sigmoid makes it from": lambda k, s: s ** (1 / k),
        "that is log σ(b): the sigmoid is still to be undone": lambda k, s: np.log(s) / k,
        "that bias leaves the share after one step; the gate is applied k times, so take a root": lambda k, s: np.log(s / (1 - s)),
        "the sign: a large bias keeps the gate open": lambda k, s: -np.log(s ** (1 / k) / (1 - s ** (1 / k))),
        "log k is a rule of thumb (about 1/e is left); asked is the bias for any share": lambda k, s: np.log(k),
    },
)

# %% [markdown]
# ### Exercise 8.4: how long a memory does a task need? (an experiment with a hypothesis)
# Someone remembers the last k observations (and torques), perfectly, and nothing before. How much of what is hidden
# can be told from them?
#
# - **pendulum**: the rate;
# - **rods**: the length of the rod, 0.2 m or 1 m, drawn anew for each episode; its torque is shown (`observation="pa",
#   length="varied"`);
# - **car**: the side of heaven, on arriving there, by a driver that holds the pedal down all the way (20 steps a
#   second, $v = 0.6\,t$);
# - **reacher**: the goal, at the last of 50 steps.
#
# **Before** you run it: the smallest k, the present observation counted, with which at least eight tenths can be told.

# %% nbgrader={"grade": false, "grade_id": "ex-08-4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def memory_needed():
    """-> {"pendulum": k, "rods": k, "car": k, "reacher": k}"""
    ### BEGIN SOLUTION
    return {"pendulum": 2, "rods": 3, "car": 30, "reacher": 50}
    ### END SOLUTION


# %% tags=["prelude"]
@lru_cache
def wanders(env_id, steps=60, copies=64, **options):
    """Random actions -> what happens: seen (T, N, obs), position, velocity (T, N, ·), torque (T, N)."""
    envs, rng, rows = cl.make(env_id, copies, seed=3, **options), np.random.default_rng(3), []
    seen, _ = envs.reset(seed=3)
    for _ in range(steps):
        torque = rng.uniform(-2, 2, (copies, 1))
        rows.append((seen, envs.state.qpos.copy(), envs.state.qvel.copy(), torque[:, 0]))
        seen = envs.step(torque)[0]
    return SimpleNamespace(**{k: np.stack(v) for k, v in zip(("seen", "position", "velocity", "torque"), zip(*rows, strict=True), strict=True)})


def turned(seen):
    """Angles moved from step to step, from the cosine and sine that are shown (T, N, 2 or more) -> (T - 1, N)"""
    angle = np.arctan2(seen[..., 1], seen[..., 0])
    return (np.diff(angle, axis=0) + np.pi) % (2 * np.pi) - np.pi


# %% tags=["prelude"]
def rate_told(k):
    """R² of the best guess of the rate from k angles: the last turn over 0.05 s, or nothing better than the mean."""
    w = wanders("MemoryPendulum-v0")
    true = w.velocity[1:, :, 0]
    return float(1 - np.square(true - turned(w.seen) / 0.05).mean() / true.var()) if k > 1 else 0.0


def length_told(k):
    """Of random rods: how much more often than by chance the length is right whose equation explains k angles."""
    if k < 3:
        return 0.0  # two angles give a rate; a change of rate takes three
    k = min(k, 40)  # more tell no more
    w, off = wanders("MemoryPendulum-v0", observation="pa", length="varied"), {}
    rate, sine = turned(w.seen) / 0.05, w.seen[1:-1, :, 1]
    for rod in (0.2, 1.0):
        then = np.clip(rate[:-1] + 0.05 * (15 / rod * sine + 3 / rod**2 * w.torque[1:-1]), -8, 8)
        off[rod] = np.abs(rate[1:] - then)
    wrong = [sum(off[rod][i : len(rate) - 1 - (k - 3) + i] for i in range(k - 2)) for rod in (0.2, 1.0)]
    told = np.where(wrong[0] < wrong[1], 0.2, 1.0) == w.position[: len(wrong[0]), :, 1]
    return float(2 * told.mean() - 1)


# %% tags=["prelude"]
@lru_cache
def ages_of_the_sign(copies=200):
    """Steps from the last sight of the sign to the arrival, both counted, of a driver at full speed: (copies,)"""
    envs = cl.make("CarHeavenHell-v0", copies, seed=4, hide="velocities")
    seen, said = envs.reset(seed=4)[0], np.zeros(copies)
    last, arrived = np.zeros(copies, int), np.zeros(copies, int)
    for t in range(160):
        last = np.where((seen[:, 1] != 0) & (arrived == 0), t, last)
        said = np.where(seen[:, 1] != 0, seen[:, 1], said)
        seen, _, over, _, _ = envs.step(np.where(said == 0, 1.0, said)[:, None])
        arrived = np.where(over & (arrived == 0), t, arrived)
    return arrived - last + 1


LOOKBACKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 50, 64)
TOLD = {
    "pendulum": rate_told, "rods": length_told,
    "car": lambda k: float((ages_of_the_sign() <= k).mean()), "reacher": lambda k: float(k >= 50),
}  # fmt: skip


# %%
guess = attempt(memory_needed)
memory_figures.history_figure({name: {k: told(k) for k in LOOKBACKS} for name, told in TOLD.items()}, guess)

# %% [markdown]
# *Look at* the steps of each line. *What you should see.* Two observations for a rate, three for a length (a change
# of rate needs three angles; a rod that turns at its largest rate says nothing, so the line goes on rising): these
# memories are short, and an ordinary network that is shown the last few observations would do. The car's line has a
# middle part: where heaven is near, the sign was read a moment ago. A driver at half speed needs a longer memory for
# the same task: how long is not a matter of the task alone.

# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-08-4", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 8.4
def shortest(name):
    return next(k for k in range(1, 200) if TOLD[name](k) >= 0.8)


def at_most(f, name, factor):
    return f()[name] <= factor * shortest(name)


check_that(
    "8.4", "memory_needed",
    ("give a dict with a whole number of at least 1 for pendulum, rods, car, reacher",
        lambda f: sorted(f()) == sorted(TOLD) and all(int(k) == k and k > 0 for k in f().values())),
    ("pendulum: one angle tells no rate. How many do?", lambda f: TOLD["pendulum"](f()["pendulum"]) >= 0.8),
    ("rods: from two angles comes one rate. The length shows in how the rate changes", lambda f: TOLD["rods"](f()["rods"]) >= 0.8),
    ("car: too short for those who drive back from the sign to the far end: 1.3 m, at 0.6 m/s² and 0.6 m/s at first", lambda f: TOLD["car"](f()["car"]) >= 0.8),
    ("reacher: the first of 50 observations must still be among those remembered at the last step", lambda f: TOLD["reacher"](f()["reacher"]) >= 0.8),
    ("pendulum and rods: enough, and more than enough: count the angles that a rate takes, and a change of rate",
        lambda f: at_most(f, "pendulum", 1) and at_most(f, "rods", 1)),
    ("car: enough, but a driver at full speed is there in two thirds of that", lambda f: at_most(f, "car", 1.5)),
    ("reacher: there is nothing before the first observation", lambda f: at_most(f, "reacher", 1)),
    right="from a tenth of a second to the whole episode",
)

# %% [markdown]
# ## 7. Train it
#
# RSAC with an LSTM of 64 neurons against SAC without memory, on the pendulum that shows its angle only: equal steps, the
# recommended settings of each. *Predict.* The curves. Random torques earn what the last line of the next cell says.

# %%
steps = cl.budget(smoke=1_100, lite=16_000, full=24_000)
lstm = cl.RSACConfig.recommended("MemoryPendulum-v0", cell=dict(name="lstm", neurons=64), seed=1)
run = cl.train(cl.RSAC(cl.make("MemoryPendulum-v0", num_envs=4, seed=1), lstm), steps, live=True)
print(f"return of random torques: {shipped['random']['pendulum']:.0f}")
run

# %%
forgetful = cl.SACConfig.recommended("MemoryPendulum-v0", seed=1)
without = cl.train(cl.SAC(cl.make("MemoryPendulum-v0", num_envs=4, seed=1), forgetful), steps, progress=False)
cl.compare({"yours, LSTM": [run], "yours, no memory": [without]})

# %%
for name, each in (("LSTM", run), ("no memory", without)):
    outcome = cl.evaluate(each, episodes=cl.budget(smoke=2, lite=100, full=100)).deterministic
    low, high = outcome.interval
    print(f"{name:9s} return {outcome.mean:7.0f} [{low:.0f}, {high:.0f}] over episodes, noise off")

# %% [markdown]
# *What you should see* in the lite budget: the LSTM's curve leaves the other within the first ten thousand steps, and
# its pendulum stands in most episodes (a return above about -400); without memory it stays near where random torques
# are. Yours is one seed each, and the interval is over episodes, not over seeds. The shipped ones:

# %%
curves = [row for row in shipped["per_seed"] if row["task"] == "pendulum"]
cl.compare({memory_figures.SETTINGS[s]: [r for r in curves if r["setting"] == s] for s in ("sac_full", "rsac_lstm", "sac_memoryless")})

# %% [markdown]
# ### Three tasks, three kinds of memory
# A share is $(R - R_{\text{random}}) / (R_{\text{full}} - R_{\text{random}})$. All of a task take as many environment
# steps; the LTC's summarizer has at most a quarter of the LSTM's parameters. Its heads see the present observation
# beside the states, which lag behind it, and on the first two tasks it makes two updates where the others make one.
#
# *Predict.* On which task is the policy without memory nearest to 1? Which memory wins?

# %%
memory_figures.share_figure(shipped)

# %%
print(shipped["command"], "·", shipped["machine"]["cores"], "cores · seeds", shipped["seeds"])
size = {row["run"]: row["parameters_summarizer"] for row in shipped["per_seed"]}
for (task_name, setting), (middle, low, high, seeds) in memory_figures.shares(shipped).items():
    many = size[f"{task_name} {setting}"]
    print(f"{task_name:9s} {memory_figures.SETTINGS[setting]:15s} share {middle:6.2f} [{low:5.2f}, {high:5.2f}], seeds: {len(seeds)}, memory of {many:6,d} parameters")

# %%
difference, (low, high) = shipped["claims"]["ltc_vs_lstm"], shipped["intervals"]["ltc_vs_lstm"]
print(f"LTC less LSTM, mean over the tasks of the median shares: {difference:+.1%} [{low:+.1%}, {high:+.1%}]")
print("equality is inside the interval" if low <= 0 <= high else "equality is outside the interval")

# %% [markdown]
# *Look at* the width of the interval as well: an interval that contains 0 and is as wide as a share says that nothing
# was found, not that the two are equal. Settings were sought with the LSTM, which favours it; the additional updates
# were sought for the LTC, which favours that (the file lists what was tried, under "tried"). The share of the policy without memory is not 0 everywhere: that is what the present
# observation is worth.

# %% [markdown]
# ## 8. What does the summary hold?
#
# A **linear probe**: is there a linear readout of the hidden state that gives what is hidden from the policy? Fitted
# by ridge regression,
#
# $$w = (X^\top X + \lambda I)^{-1} X^\top y, \tag{8.7}$$
#
# with the state of one time step in each row of $X$, and judged by $R^2$ on *other episodes*. (On other steps of the same
# episodes it would also score for recognising an episode.) First watch some episodes:

# %% tags=["prelude"]
def watch(policy, episodes, seed=50):
    """Episodes without noise -> seen (T, N, obs), position, velocity (T, N, ·) of the physics, running (T, N), action."""
    envs = cl.make(policy.env_id, episodes, seed=seed, **policy.env_options)
    seen, _ = envs.reset(seed=seed)
    memory, running, rows = None, np.ones(episodes, bool), []
    while running.any():
        action, memory = policy.act(seen, memory)
        rows.append((seen, envs.state.qpos.copy(), envs.state.qvel.copy(), running.copy(), action))
        seen, _, terminated, truncated, _ = envs.step(action)
        running &= ~(terminated | truncated)
    names = ("seen", "position", "velocity", "running", "action")
    return SimpleNamespace(**{name: np.stack(part) for name, part in zip(names, zip(*rows, strict=True), strict=True)})


@torch.no_grad()
def states_of(policy, seen, fresh=False):
    """States (T, N, neurons) of the policy's summarizer, or of a `fresh` one of its kind, along observations (T, N, obs)."""
    network = policy.summarizer
    if fresh:
        torch.manual_seed(0)
        network = Summarizer(network.inputs, policy.settings["cell"])
    x = policy.normalizer(torch.as_tensor(seen, dtype=torch.float32))
    return network.sequence(x, network.initial_state(x.shape[1]))[0][..., : network.neurons].numpy()


# %% tags=["prelude"]
def probe(features, target, counts, ridge=1e-3):
    """Eq. (8.7) on the first half of the episodes -> R² on the others, readout (T, N). features (T, N, k); target, counts (T, N)"""
    half = features.shape[1] // 2
    mine, rest = counts.copy(), counts.copy()
    mine[:, half:], rest[:, :half] = False, False
    centre, spread = features[mine].mean(0), features[mine].std(0) + 1e-6
    x = np.concatenate([(features - centre) / spread, np.ones((*target.shape, 1))], axis=-1)
    a, b = x[mine], target[mine]
    w = np.linalg.solve(a.T @ a + ridge * len(a) * np.eye(a.shape[1]), a.T @ b)
    readout = x @ w
    error = np.square(target - readout)[rest].sum() / max(np.square(target[rest] - b.mean()).sum(), 1e-9)
    return float(1 - error), readout


def with_products(x):
    """The last two observations and all their products: (T, N, k) -> (T, N, more)"""
    two = np.concatenate([x, np.roll(x, 1, axis=0)], axis=-1)
    pairs = np.triu_indices(two.shape[-1])
    return np.concatenate([two, (two[..., :, None] * two[..., None, :])[..., pairs[0], pairs[1]]], axis=-1)


# %% [markdown]
# A number alone says little. Four controls stand beside each probe:
#
# - **the observation**: how much of it is in plain sight;
# - **the last two observations and their products**: what a few lines of arithmetic would give;
# - **a fresh network** of the same kind, never trained, that reads the same observations: random dynamics remember too;
# - **another episode's states**, at the same step: what a probe makes of nothing.
#
# *Predict.* The rate of the pendulum: R² from each of the five.

# %% tags=["prelude"]
def in_sight(w):
    """Where the car reads the sign: (T, N)"""
    return w.seen[..., -1] != 0


def sign_left(w):
    """Where the sign has been read and is out of sight."""
    return w.running & (np.cumsum(in_sight(w), axis=0) > 0) & ~in_sight(w)


PROBES = {  # what is asked -> policy, the truth, the steps that count
    "pendulum: rate": ("memory_pendulum_rsac_lstm", lambda w: w.velocity[..., 0], lambda w: w.running),
    "pole on a cart: rate": ("memory_cartpole_rsac_lstm", lambda w: w.velocity[..., 1], lambda w: w.running),
    "rods: length": ("memory_rods_rsac_lstm", lambda w: w.position[..., 1], lambda w: w.running),
    "car: side of heaven,\nthe sign out of sight": ("memory_car_rsac_lstm", lambda w: w.position[..., 1], sign_left),
}


# %%
def probes(name, truth, counts):
    """Source -> R², for one policy."""
    policy = cl.load(name)
    w = watch(policy, episodes=cl.budget(smoke=8, lite=64, full=128))
    kept, states = counts(w).copy(), states_of(policy, w.seen)
    kept[:3] = False  # two observations, or three, are needed for any of this
    sources = {
        "the observation": w.seen, "the last two and products": with_products(w.seen),
        "a fresh network": states_of(policy, w.seen, fresh=True), "its states": states,
        "another episode's states": np.roll(states, 1, axis=1),
    }  # fmt: skip
    return {source: probe(x, truth(w), kept)[0] for source, x in sources.items()} if kept.sum() > 20 else {}


scores = {name: probes(*asked) for name, asked in PROBES.items()}
memory_figures.probe_figure({name: row for name, row in scores.items() if row})

# %% [markdown]
# *Look at* each row from left to right. *What you should see.* The observation tells little or nothing of a rate, and
# the trained states nearly all of it. On the pendulum so does the fresh network, to a good part: a random recurrent
# network mixes successive observations, and a linear readout finds their difference in the mixture. There training is
# needed less for the information to be there than for the heads to get it in a usable form. On the pole it made the
# difference, and two observations did not do either. Why not? *Predict,* then run the cell after this one.
#
# The rod's length shows in how a torque changes the rate, which is a product, and no linear mixture of observations
# holds it. What the observation alone knows of it, it owes to the policy: the short rod is soon upright, the long one
# rarely.
#
# The car's row needs care. The side can also be read off the *place*, because whoever has read "left" drives left:
# that is memory that has become position. A probe shows that the information is there, not that the policy uses it
# (notebook 07: for that, change the state and see what the policy does).

# %%
w = watch(cl.load("memory_cartpole_rsac_lstm"), episodes=cl.budget(smoke=8, lite=64, full=128))
two = np.concatenate([w.seen, np.roll(w.seen, 1, axis=0)], axis=-1)
later = w.running & (np.arange(len(w.seen)) > 3)[:, None]
for title, x in {"two observations": two, "and the force between them": np.concatenate([two, np.roll(w.action, 1, axis=0)], axis=-1)}.items():
    print(f"{title:26s} R² of the pole's rate {probe(x, w.velocity[..., 1], later)[0]:.2f}")

# %% [markdown]
# *What you should see.* Two places tell the *mean* rate between them. This policy pushes hard to and fro, and what the
# rate is at the end is decided by its own last push. Nobody shows it that push; it knows it, because it chose it from a
# state that it still remembers. What one has done oneself is part of the history.

# %%
policy = cl.load("memory_car_rsac_lstm")
w = watch(policy, episodes=24)
_, readout = probe(states_of(policy, w.seen), w.position[..., 1], w.running)
last = max(int(w.running.any(1).sum()), 2)
memory_figures.side_figure(readout[:last], w.position[0, :, 1], in_sight(w)[:last], w.running[:last], dt=0.05)

# %% [markdown]
# *Look at* the moment where a line grows thick: the sign comes into sight. *What you should see.* Before it the two
# colours lie on one another, for nothing can tell them apart. At the sign they part, and stay apart when it is left
# behind.

# %%
for cell in ("lstm", "gru", "ltc"):
    policy = cl.load(f"memory_pendulum_rsac_{cell}")
    w = watch(policy, episodes=cl.budget(smoke=8, lite=64, full=128))
    score, _ = probe(states_of(policy, w.seen), w.velocity[..., 0], w.running)
    print(f"{cell:4s}: {policy.summarizer.neurons} neurons, R² of the rate {score:.2f}, from one policy")

# %% [markdown]
# ## 9. The water maze: where memory is not the hard part
#
# A round pool, a platform of 0.3 m under water, elsewhere in each episode. Each step on it pays 1; after 5 steps in a
# row the swimmer is thrown somewhere else and has to come back. It knows where it is and whether it stands on the
# platform. Memory would pay twice: to search without visiting a place again, and to come back.
#
# *Predict.* Of 200 random steps, how many are on the platform, which covers nine hundredths of the pool?

# %% tags=["prelude"]
def swim(rule, episodes=100, seed=6, **options):
    """rule(seen (n, 3 or 5), memory, rng) -> (action (n, 2), memory) -> place (T, n, 2), on (T, n) bool, platform (n, 2)."""
    envs, rng = cl.make("WaterMaze-v0", episodes, seed=seed, **options), np.random.default_rng(seed)
    seen, _ = envs.reset(seed=seed)
    memory, platform, rows = None, envs.state.qpos[:, 2:].copy(), []
    for _ in range(199):  # the step after that begins the next episode
        action, memory = rule(seen, memory, rng)
        seen = envs.step(np.clip(action, -1, 1))[0]
        rows.append((seen[:, :2], seen[:, 2] > 0))
    place, on = (np.stack(part) for part in zip(*rows, strict=True))
    return SimpleNamespace(place=place, on=on, platform=platform, score=float(on.sum(0).mean()))


def at_random(seen, memory, rng):
    return rng.uniform(-1, 1, (len(seen), 2)), memory


def sees_all(seen, memory, rng):
    return (seen[:, 3:] - seen[:, :2]) / 0.1, memory


def circle(seen, memory, rng):
    """No memory: round the pool at 0.4 m, and stay where the flag is 1."""
    away = np.linalg.norm(seen[:, :2], axis=1, keepdims=True) + 1e-9
    out = seen[:, :2] / away
    go = np.column_stack([-out[:, 1], out[:, 0]]) + 4 * (0.4 - away) * out
    return np.where(seen[:, 2:3] > 0, 0.0, go / (np.linalg.norm(go, axis=1, keepdims=True) + 1e-9)), memory


# %%
by_chance = swim(at_random, episodes=500)
found = by_chance.on.any(0)
stays = np.lib.stride_tricks.sliding_window_view(by_chance.on, 5, axis=0).all(-1)  # five steps in a row: thrown after that
back = [by_chance.on[t + 6 :, n].any() for n, t in enumerate(stays.argmax(0)) if stays[:, n].any()]
print(f"at random: {by_chance.score:.1f} of 200 steps on the platform; it is found at all in {found.mean():.0%} of the episodes")
print(f"stayed until thrown in {stays.any(0).mean():.0%}; of those, back on it before the end: {np.mean(back):.0%}")

# %% [markdown]
# *What you should see.* A random walk hardly leaves its place: with steps of 0.1 m in all directions it gets about a
# metre far in the whole episode. In about half of the episodes it never finds the platform at all. And what memory is
# for, coming *back after a throw*, happens in fewer than one episode in five, and then by the luck of where it was
# thrown. A learner can only credit a memory with what has happened. That is the sense in which memory does not solve
# exploration: the loss of (8.4) tells the summarizer what to keep once keeping it has been paid, and not before.
#
# ### A way round, once more
# How much is memory worth here? Compare with `circle` above, which has none: a *fixed field of directions* sweeps the
# pool, and stops where the flag is 1. *Predict.* Its score, beside that of a swimmer that sees the platform.

# %%
rules = {"at random": (at_random, {}), "circle, no memory": (circle, {}), "sees the platform": (sees_all, {"observation": "full"})}
swims = {name: swim(rule, **options) for name, (rule, options) in rules.items()}
print(*[f"{name}: {s.score:.1f}" for name, s in swims.items()], sep="\n")
memory_figures.maze_figure({name: (s.place[:, 1], s.on[:, 1], s.platform[1]) for name, s in swims.items()})

# %% [markdown]
# *Look at* the throws: the path breaks off and goes on elsewhere. *What you should see.* The circle has more than
# half of what perfect sight gives, ten times what a random walk has, and not a bit of memory. So the order of gains
# in this task is: first a search, then a memory. A benchmark that only counts returns would call the circle a success
# of whatever memory was in the network.
#
# What did training find? SAC and RSAC for the same number of steps, with settings that nobody sought for this task:

# %%
maze = returns(starts, "maze", "sac_full", "sac_memoryless", "rsac_lstm")
named = {memory_figures.SETTINGS[s]: values for s, values in maze.items()}
viz.bars(named, ylabel="steps", title="water maze, steps on the platform; dotted: the circle", target=swims["circle, no memory"].score)

# %% [markdown]
# *Look at* where the two that must search lie with respect to the dotted line, which a rule of three lines reaches.
# *What you should see.* Both are left of it, and the memory made no difference that three seeds could show. Read that
# with the two numbers above: what was there to be found, and what a rule without memory gets.

# %% [markdown]
# ### Exercise 8.5: come back (open)
# Write a swimmer with a memory by hand. It is on the platform for at least **80** of 200 steps. Then go on: what
# is the least memory (how many numbers) with which you reach 80? What would a policy have to try by chance to
# discover yours? Could RSAC be led there, by noise that keeps its direction, by starting episodes on the platform, or by
# paying for new places?

# %% nbgrader={"grade": false, "grade_id": "ex-08-5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def swimmer(seen, memory, rng):
    """seen (n, 3): x, y, flag; memory: what the last call returned, None at first -> action (n, 2), memory"""
    ### BEGIN SOLUTION
    memory = np.zeros((len(seen), 3)) if memory is None else memory.copy()  # steps on the platform, sum of x, of y
    on = seen[:, 2] > 0
    memory[on] += np.column_stack([np.ones(len(seen)), seen[:, :2]])[on]
    known = memory[:, :1] > 0
    middle = memory[:, 1:] / np.maximum(memory[:, :1], 1)
    search, _ = circle(seen, None, rng)
    return np.where(known, (middle - seen[:, :2]) / 0.1, search), memory
    ### END SOLUTION


# %%
mine = attempt(swim, swimmer)
print("your swimmer:", "not done yet" if mine is None else f"{mine.score:.1f} of 200 steps on the platform")

# %% cellView="form" jupyter={"source_hidden": true} nbgrader={"grade": true, "grade_id": "check-08-5", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
#@title Check 8.5
def answer(f):
    return f(np.zeros((4, 3)), None, np.random.default_rng(0))


check_that(
    "8.5", "swimmer",
    ("return two things: actions of shape (n, 2) and a memory", lambda f: len(answer(f)) == 2 and np.shape(answer(f)[0]) == (4, 2)),
    ("hardly ever on the platform: the search does not get around. A circle, a spiral, or waypoints do", lambda f: swim(f).score > 20),
    ("it leaves the platform while the flag is 1: stay there until you are thrown", lambda f: swim(f).on.sum() / max(swim(f).on.any(0).sum(), 1) > 35),
    ("it finds the platform, and after a throw looks for it anew: keep where the flag was 1", lambda f: swim(f).score >= 80),
    right="first a search, then a memory",
)

# %% [markdown]
# ## Summary
# - Aliased states cost a policy without memory what (8.2) says, whatever its size and training. But look for ways round
#   before you call a task a test of memory: velocity, place, and fixed fields of directions all carry information.
# - RDPG, RTD3, RSAC: DDPG, TD3, SAC on summaries. Targets are made from the summary of what came next.
# - One mean over the steps that count. Padding needs a mask, not care about what it holds.
# - Where a sequence begins matters as long as the memory lasts. Measure it against whole episodes.
# - How long a fresh network can remember is set by its biases before the first update; a gradient cannot find what
#   has been forgotten.
# - A probe needs its controls: the observation, simple arithmetic, a fresh network, another episode.
# - Memory keeps what was found. It does not find.
#
# ### What goes wrong, and how it looks
# | what you see | what it often is |
# |---|---|
# | the return stays where that of a policy without memory is, losses healthy | the actor or the critics do not see the summary; or the memory is too short at the start |
# | Q grows slowly without bound, worse with short episodes | steps across an episode's end are learned from; a truncation counts as, or hides, a termination |
# | the loss changes with the batch's longest episode | padding is in the mean |
# | good on short tasks, on long ones as if blind after L steps | segments from zero state: no memory beyond L was ever trained |
# | the agent acts well in training and badly in evaluation, or the other way | the state is not zeroed at an episode's start, or in one of the two only |
# | the first steps of each segment have a large loss | zero state: add a burn-in or stored states, or do not learn from them |
# | memory seems to help, and a shuffled memory helps as much | the observation tells it, or the extra parameters do |
# | a memory task is "solved" by a network without memory | a way round: velocity, position or a clock in the observation |
# | the return is 0 for long, for every kind of memory | exploration: nothing was found that could be remembered |
#
# ### Further reading
# - N. Heess, J. Hunt, T. Lillicrap, D. Silver, "Memory-based control with recurrent neural networks", 2015: RDPG,
#   section 3; a water maze.
# - Z. Yang, H. Nguyen, "Recurrent off-policy baselines for memory-based continuous control", 2021: RTD3, RSAC, the tasks.
# - S. Kapturowski et al., "Recurrent experience replay in distributed reinforcement learning", ICLR 2019: sections 3
#   and 5, stored state and burn-in.
# - T. Ni, B. Eysenbach, R. Salakhutdinov, "Recurrent model-free RL can be a strong baseline for many POMDPs", ICML
#   2022: which choices matter.
# - D. Wierstra, A. Förster, J. Peters, J. Schmidhuber, "Solving deep memory POMDPs with recurrent policy gradients",
#   2007: the car.
# - C. Tallec, Y. Ollivier, "Can recurrent neural networks warp time?", ICLR 2018: biases for long memories.
# - L. Kaelbling, M. Littman, A. Cassandra, "Planning and acting in partially observable stochastic domains", 1998:
#   beliefs, the exact form of a summary.
# - J. Hewitt, P. Liang, "Designing and interpreting probes with control tasks", EMNLP 2019: why controls.
