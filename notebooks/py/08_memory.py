# %% [markdown]
# # Memory: control under partial observability
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/liquid-control/liquid-control/blob/main/notebooks/08_memory.ipynb)
#
# A camera shows where things are, but not how fast they move. A road sign is read once and needed a minute later. A
# platform under water is felt only by a swimmer who stands on it. In such tasks the best policy is not a function of
# what is seen *now*, and no amount of training makes it one. In this notebook SAC gets a memory. You see why it needs
# one. You see what padding, masks and wrong beginnings do to its training. You read a trained memory, and then alter it
# to see whether the policy uses it. The last task is one in which memory is not the hard part.

# %% [markdown]
# **You will be able to**
# 1. find two states that look the same, say what they cost a policy without memory, and find the shortcut that such a
#    policy may still have;
# 2. say where the summary enters in RDPG, RTD3 and RSAC, and which loss trains which network;
# 3. write losses over padded sequences that padding cannot change, and find a leak in a buffer;
# 4. choose between whole episodes, zero state, stored state and burn-in by measuring what each gets wrong, and say how
#    far back each lets the gradient go;
# 5. probe a hidden state with the controls that a probe needs, and test by intervention whether the policy uses what
#    the probe found.
#
# **Before you start.** Notebook 05 (SAC, TD3) and sections 3 and 5 of notebook 04 (sequences, stale states). Notebook 07
# helps in section 8.
#
# **Time** on 2 cores: smoke (a test that every cell runs) under 1 minute; lite (the default) 3 to 5 minutes of
# computing, half of it in one training run; full about 6.
#
# **Exercises.** Write your answer where the cell says so, then run the check below it. `cl.solution("8.1")` shows
# the course's own answer once you have tried yours. Five questions for yourself are in `cl.quiz("08", "before")`, and
# five more for the end in `cl.quiz("08", "after")`.

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
# This pendulum is too heavy to be lifted in one go. Three policies try to swing it up. The first sees the angle and its
# rate of change (the angular velocity, from here on the *rate*). The other two see the angle only: one forgets
# everything from step to step, the other is an LSTM.

# %%
from course_lib import viz

three = ("sac_full", "sac_memoryless", "rsac_lstm")
steps = cl.budget(smoke=6, lite=150, full=150)
clips = [viz.render(cl.load(f"memory_pendulum_{name}"), seed=5, steps=steps, width=240, height=200) for name in three]
cl.show(
    viz.montage(clips, ["sees angle and rate", "angle, no memory", "angle, LSTM"], columns=3),
    title="three policies on one pendulum from the same start: with rate, without memory, with an LSTM",
)

# %% tags=["prelude"]
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import torch

import course_lib as cl
from course_lib import viz
from course_lib.course.exercises import attempt
from course_lib.course.predictions import compared
from course_lib.evaluation.returns import run_episodes
from course_lib.lessons import nb08_causes as causes
from course_lib.lessons import nb08_gradient as gradients
from course_lib.lessons import nb08_history as looking_back
from course_lib.lessons import nb08_inside as inside
from course_lib.lessons import nb08_memory as memory_figures
from course_lib.nets.summarizers import Summarizer, warmed
from course_lib.policies.actors import RecurrentDeterministicActor, RecurrentSquashedActor
from course_lib.policies.base import Policy
from course_lib.rl.q_losses import critic_loss
from course_lib.rl.recurrent_learner import RecurrentLearner
from course_lib.rl.sequence_replay import SequenceReplay

# %%
shipped = cl.result("memory")
cl.see("pendulum, median share with an LSTM", shipped["claims"]["rsac_share_pendulum"], (0.9, 1.1))
cl.see("pendulum, median share without memory", shipped["claims"]["memoryless_share_pendulum"], (-0.2, 0.2))
memory_figures.share_figure(shipped, ("sac_full", "sac_memoryless", "rsac_lstm"))

# %% [markdown]
# *Look at* the second row and the third, side by side. A *share* says how far a policy has come from random actions (0) to
# what SAC reaches when it sees everything (1). Bars are medians over n seeds, and dots are the single seeds. Lines are 95 %
# bootstrap intervals of the median; with fewer than five seeds they are the range. (The other two tasks come in section 2.)

# %% [markdown]
# ## 1. Two states that look the same
#
# The pendulum's state is an angle (0 is upright) and a rate. Its observation is the cosine and the sine of the angle.
# Its energy comes from the motor alone: with torque $u$ and rate $\omega$,
#
# $$\frac{dE}{dt} = u\,\omega. \tag{8.1}$$
#
# To swing up, the pendulum must gain energy, so the torque must have the sign of the rate. Take two states with the same
# angle, 2.9 rad. In A the rate is +2 rad/s, in B it is -2 rad/s.
#
# *Predict.* Which torque adds energy in A, and which in B?

# %%
cl.predict("08.1", choices=("+2 in both", "-2 in both", "+2 in A, -2 in B", "-2 in A, +2 in B"), question="torque in N m")

# %%
task = cl.make_task("MemoryPendulum-v0")


def energy(angle, rate):
    """Energy in J: kinetic, and 5 J times the cosine (potential)."""
    return rate**2 / 6 + 5 * np.cos(angle)


def gain(angle, rate, torque):
    """-> the observation, and the energy (J) that one step with this torque adds."""
    state = task.start(np.array([[angle, 1.0]]), np.array([[rate, 0.0]]), last_action=np.zeros((1, 1)))
    faster = task.next_velocity(state, np.array([[torque]]))[0, 0]
    return task.observe(state)[0], energy(angle + task.dt * faster, faster) - energy(angle, rate)


best = {}
for name, rate in (("A", 2.0), ("B", -2.0)):
    seen, gains = gain(2.9, rate, 0.0)[0], {torque: gain(2.9, rate, torque)[1] for torque in (2.0, -2.0)}
    best[name] = max(gains, key=gains.get)
    print(f"{name}: observation {seen.round(3)}, energy gained with +2 N m {gains[2.0]:+.2f} J, with -2 N m {gains[-2.0]:+.2f} J")
right_torques = f"{best['A']:+.0f} in A, {best['B']:+.0f} in B"
print(right_torques + compared("08.1", right_torques))
cl.see("the observations are equal", bool((gain(2.9, 2.0, 0.0)[0] == gain(2.9, -2.0, 0.0)[0]).all()))

# %%
full = cl.load("memory_pendulum_sac_full")
chosen = [full.act(np.array([[np.cos(2.9), np.sin(2.9), rate]]))[0].item() for rate in (2.0, -2.0)]
cl.see("torque in A less torque in B, of a policy that sees the rate", chosen[0] - chosen[1], (2, 4), "N m")
memory_figures.alias_figure(full, angle=2.9, rate=2.0)

# %% [markdown]
# *Look at* the dotted line: all states on it give one and the same observation. The colours show what SAC does when it sees
# the rate. *What you should see.* The observations are equal, and the torque that gains energy in A loses it in B. Along the
# dotted line the colour changes: to act like this policy, you have to know where on the line you are.
#
# ### What that costs
# Such states are **aliased** (perceptual aliasing: Whitehead and Ballard 1991). Say the policy is in A with probability
# $w$ and in B with $1 - w$, and $r_A(a)$, $r_B(a)$ say what an action is worth in each. Without memory the policy must
# do the same in both. Whatever action $a$ it takes, $r_A(a)$ is at most $\max_{a'} r_A(a')$, and $r_B(a)$ at most
# $\max_{a'} r_B(a')$. Weight the two inequalities by $w$ and $1 - w$ and add them. The result holds for every $a$, so
# for the best one too:
#
# $$\max_a \bigl[w\,r_A(a) + (1 - w)\,r_B(a)\bigr] \;\le\; w \max_a r_A(a) + (1 - w) \max_a r_B(a). \tag{8.2}$$
#
# Say the right action is worth 1 and the wrong one 0. If A and B need opposite actions, the left side is $\max(w, 1-w)$ and
# the right side is 1. In one such decision a mixture of actions does no better, since its worth is an average. It does not
# matter how large the network is or how long it trains. (Over an episode of many steps a random policy can do better than
# every deterministic one: by chance it may leave a loop in which a deterministic one is caught. Singh, Jaakkola and Jordan
# 1994.)
#
# Such a task is a **partially observable Markov decision process**, or POMDP (Kaelbling et al. 1998). What is seen
# now is not a Markov state. The whole **history** $(o_0, a_0, o_1, \dots, o_t)$ is one, and the policy needs a summary
# of it. The exact summary is the *belief*, the probability of every state given the history. A network has to
# learn a summary.

# %% [markdown]
# ## 2. Six tasks, each with a twin that sees everything
#
# Each task hides something different, and its description says what has to be remembered. The **twin** is the same task with
# `observation="full"`. What SAC reaches on the twin is about the most that a memory can be worth.

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
# *Look at* how many of the numbers each task shows. The pendulum, the cart-pole and the car hide velocities. The car also
# reads the sign (the arrow) only on the yellow strip. Elsewhere that number is 0. The reacher's goal is among its 8
# numbers, but is 0 after the first observation. (The two numbers that are left out would give the goal away.) The finger
# feels the slopes of two equal bumps and has to push the second one. The swimmer knows where it is, and whether it stands
# on the platform.

# %%
for title, (env_id, *_) in TASKS.items():
    described = type(cl.make_task(env_id)).__doc__
    remember = described.split("What to remember:")[1].split("\n\n")[0]
    print(f"{title.upper()} ({env_id}, {cl.make_task(env_id).horizon} steps)\n {' '.join(remember.split())}\n")

# %% [markdown]
# ### Shortcuts
# "Hidden" does not yet mean "needed". Look at what the descriptions say about the car's velocity and about the wind on the
# cart-pole. Each describes a way to do without memory. A policy without memory can learn such a way. It is called a
# *shortcut* (Geirhos et al. 2020). A task tests memory only after its shortcuts are closed, so both are closed here.
#
# The rest of the task must also be learnable. In wind, SAC often leaves the track even when it sees everything. So the
# comparison of section 7 takes three tasks: the pendulum, the car, and Gymnasium's own pole on a cart,
# `cl.make("InvertedPendulum-v5", hide="velocities")`, in place of the one in wind. Its twin is Gymnasium's task as it is.
#
# How much memory does the car need? One number: what the sign said. Here is a driver written by hand: it goes to the sign,
# and then where the sign points. *Predict.* What mean return does the same driver reach if it forgets the sign once it is
# out of sight? Heaven pays 1, hell 0.

# %%
cl.predict("08.2", question="mean return of the driver that forgets")

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


drives = {}
for keeps in (True, False):
    envs = cl.make("CarHeavenHell-v0", 200, seed=1, hide="velocities")
    drives[keeps] = run_episodes(Driver(keeps), envs, seed=1).mean
cl.see("return of the driver that remembers", drives[True], (0.98, 1.0))
cl.see("return of the driver that forgets", drives[False], (0.36, 0.64), predicted="08.2")

# %% [markdown]
# *What you should see.* The driver with memory always arrives in heaven, the other in about half of the episodes. Where
# heaven is on the left, the forgetful driver turns round in sight of the sign. Once the sign is out of sight it goes
# right again, as it did at first, and so it swings to and fro. If the side is decided once, a half is what (8.2) gives for
# $w$ = ½.

# %% [markdown]
# ## 3. A summary in place of the observation
#
# RDPG, RTD3 and RSAC (Heess et al. 2015; Yang and Nguyen 2021) are the DDPG, TD3 and SAC of notebook 05 with one change. A
# recurrent network, here called the **summarizer**, reads the history step by step, and the networks that used to see the
# state now see the summary:
#
# $$h_t = f_\psi(h_{t-1}, o_t), \qquad a_t \sim \pi_\theta(\cdot \mid h_t), \qquad Q_\phi(h'_t, a_t). \tag{8.3}$$
#
# A common choice for $f_\psi$ is the **LSTM** (Hochreiter and Schmidhuber 1997). It keeps two vectors, a cell state $c_t$
# and the summary $h_t$:
#
# $$c_t = f_t \odot c_{t-1} + i_t \odot \tilde c_t, \qquad h_t = q_t \odot \tanh c_t.$$
#
# The *gates* $f_t$, $i_t$ and $q_t$ lie between 0 and 1: each is a sigmoid of a linear function of $h_{t-1}$ and $o_t$,
# plus a bias. The candidate $\tilde c_t$ is a tanh of such a function. The forget gate $f_t$ says which share of the cell
# state is kept. The **GRU** (Cho et al. 2014) has gates, too, and keeps one vector:
# $h_t = (1 - z_t) \odot h_{t-1} + z_t \odot \tilde h_t$.
#
# $h$ is the actor's summary and $h'$ that of the critics. A bar marks the target networks, as in notebook 05. The action
# enters after the summary, in the layers that give $Q$ (the critic's *head*): an action need not be remembered to be
# judged. (With `previous_action=True` and `previous_reward=True` the summarizer also reads $a_{t-1}$ and $r_{t-1}$, for
# tasks in which these carry information.) The target of RSAC is that of SAC in notebook 05, with summaries of what came
# *next*:
#
# $$y_t = r_t + \gamma\,(1 - d_t)\,\Bigl[\min_i Q_{\bar\phi_i}(\bar h'_{t+1}, a') - \alpha \log \pi(a' \mid h_{t+1})\Bigr],
# \quad a' \sim \pi(\cdot\mid h_{t+1}). \tag{8.4}$$
#
# | | actor | critics | target networks | what is new |
# |---|---|---|---|---|
# | RDPG | deterministic | 1 | actor and critic | (DDPG with summaries) |
# | RTD3 | deterministic | 2 | actor and critics | clipped double Q-learning, target policy smoothing, delayed policy updates |
# | RSAC | Gaussian, squashed | 2 | critics only | an entropy term and a learned temperature; no smoothing and no delay |
#
# The summarizer works like a cell of notebook 03, with three differences. It is told no `dt`. One step is `step(x, state)`.
# And `step` and `sequence` both return two things: the summary or summaries, and the state to go on from. *Predict.* Take 2
# histories of 5 steps and a summary of 3 numbers after each step. What is the shape of all summaries, time first?

# %%
cl.predict("08.3", choices=("(5, 2, 3)", "(2, 5, 3)", "(2, 3)"))

# %%
torch.manual_seed(0)
summarizer = Summarizer(inputs=2, config=cl.SummarizerConfig("lstm", neurons=3))
history, state = torch.randn(5, 2, 2), summarizer.initial_state(2)
at_once, _ = summarizer.sequence(history, state)
for x in history:
    one, state = summarizer.step(x, state)
print(f"summaries {tuple(at_once.shape)}" + compared("08.3", str(tuple(at_once.shape))))
print(f"state {tuple(state.shape)}: the two parts of an LSTM, hidden and cell state")
cl.see("last summary, all at once or step by step: largest difference", (at_once[-1] - one).abs().max().item(), (0, 1e-5))

# %% [markdown]
# *What you should see.* The two differ by rounding at most. Acting goes step by step, training goes over whole sequences,
# and both compute the same.
#
# ### Who trains what
# Separate summarizers (the choice of Yang and Nguyen) each get the gradient of their own network's loss. One summarizer for
# both critics takes half the time. One summarizer for all networks is trained by the critics' loss alone: if the actor's
# loss changed it as well, the critics would have to judge a summary that the actor keeps changing.

# %%
counts = []
for sharing in ("separate", "critics", "shared"):
    config = cl.RSACConfig(cell=dict(name="lstm", neurons=64), hidden=(64, 64), summarizers=sharing)
    learner = RecurrentLearner(RecurrentSquashedActor(2, 1, config.hidden, cell=config.cell), config)
    many, actor = sum(p.numel() for p in learner.critics.parameters()), "its own head alone" if learner.shared else "its head and summarizer"
    counts.append(len(learner.sizes))
    print(f"{sharing:9s} {counts[-1]} summarizer(s); the critics' loss trains {many:,d} numbers, the actor's loss {actor}")
cl.see("three, two, one summarizers", counts == [3, 2, 1])

# %% [markdown]
# If the summarizer passes the observation on unchanged (`cell="identity"`), (8.3) and (8.4) become the equations of
# notebook 05. A test of the library checks exactly that, weight for weight.

# %% [markdown]
# ## 4. Episodes into batches
#
# A training sequence is a whole episode, or a **segment**: some consecutive steps of an episode. Sequences have
# different lengths, and a batch is one block of numbers. So the sequences are **padded** to the longest, and a **mask**
# $m$ says which steps count. A loss is the mean over those:
#
# $$L = \frac{\sum_{t,b} m_{tb}\,\ell_{tb}}{\sum_{t,b} m_{tb}}. \tag{8.5}$$
#
# Here is a toy buffer with episodes of 3, 6 and 4 steps. Its observations say where they come from: 10 · episode + step.

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
# *Look at* the colours. Blue steps are learned from. Yellow ones, the *burn-in*, only bring the memory up to date. Grey
# is padding, a copy of some row of the same episode. If a burn-in would begin before the episode does, the first
# row is repeated. The memory is set to zero where the episode begins. Not drawn: each sequence has one observation more than
# steps, the one after its last step.
#
# ### Exercise 8.1: a loss that padding cannot change (fill in)
# The critics' loss is half the squared error, summed over the critics. Padding may hold any finite number.

# %% nbgrader={"grade": false, "grade_id": "ex-08-1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def masked_loss(q, target, mask):
    """q (E, T, B), target (T, B), mask (T, B) of 0 and 1, tensors -> a number: eq. (8.5) of ½ Σ_e (Q_e - y)²."""
    ### BEGIN SOLUTION
    return (0.5 * (q - target).square().sum(0) * mask).sum() / mask.sum()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-08-1", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
cl.check("8.1", masked_loss)

# %% [markdown]
# (The library's `critic_loss` chooses with `torch.where` instead of multiplying, because 0 · ∞ is not a number. That saves
# the loss and not its gradient, since backpropagation multiplies 0 by ∞ again. So the buffer fills padding with finite
# rows.)
#
# Now go the whole way, from the buffer through summarizers and heads to the loss. The next cells append rows of rubbish
# to the batch, with a mask of 0, and compute (8.5) and also the mean over all rows.
#
# *Predict.* Which of the two losses changes?

# %%
cl.predict("08.4", choices=("neither", "the masked loss", "the mean over all rows", "both"))

# %% tags=["prelude"]
def with_padding(b, rows, junk=3.0):
    """The sequences of `b` with `rows` more rows, which hold `junk` and do not count."""
    more = {"mask": 0.0, "starts": False}
    fields = {k: v for k, v in vars(b).items() if k not in ("state", "burn_in")}
    grown = {k: torch.cat([v, torch.full((rows, *v.shape[1:]), more.get(k, junk), dtype=v.dtype)]) for k, v in fields.items()}
    return replace(b, **grown)


def both_losses(learner, b):
    """The critics' loss of eq. (8.5), and what a mean over all rows would give."""
    x = learner.inputs(b)
    states = [s.initial_state(b.mask.shape[1]) for s in learner.critics.summarizers]
    q = learner.critics([h[:-1] for h in learner.critics.summaries(x, b, states)], b.action)
    target = learner.target(b, x, torch.Generator())
    return critic_loss(q, target, b.mask), critic_loss(q, target)


# %%
torch.manual_seed(0)
config = cl.RDPGConfig(cell=dict(name="lstm", neurons=8), hidden=(16,))  # its target draws no noise, so losses can be compared
learner = RecurrentLearner(RecurrentDeterministicActor(1, 1, config.hidden, cell=config.cell), config)
batch, found = all_episodes(toy()), []
for rows in (0, 5, 50):
    masked, plain = both_losses(learner, with_padding(batch, rows))
    size = torch.cat([g.flatten() for g in torch.autograd.grad(masked, list(learner.critics.parameters()))]).norm()
    found.append((masked.item(), size.item(), plain.item()))
    print(f"{rows:2d} rows of rubbish: masked {found[-1][0]:.6f} (gradient {found[-1][1]:.6f}), mean over all rows {found[-1][2]:.3f}")
off = np.abs(np.array(found) / found[0] - 1).max(0)
cl.see("largest relative change of the masked loss and its gradient", off[:2], (0, 1e-4))
cl.see("relative change of the mean over all rows", off[2], (0.5, np.inf))
print("the mean over all rows changes" + compared("08.4", "the mean over all rows"))

# %% [markdown]
# *What you should see.* The masked loss and its gradient stay the same up to rounding. The other loss becomes whatever the
# rubbish makes it. The rows themselves need no cleaning, as long as they are finite: they come after the steps that count,
# and a summary depends only on what came before it.
#
# ### Exercise 8.2: the leak (find the planted bug)
# Another buffer stores the observations of all episodes one after the other. An episode of n steps has n + 1 of them.
# Here is how it cuts a segment. The code runs, shapes fit, losses are finite, and training is a little worse than it
# should be.

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
# *Look at* each blue box in the upper picture and the box at the same place in the lower one. Which steps lead from one
# episode into the next, as if the agent had done them? And which step of the last sequence was never taken? (With a
# bootstrap across such a step, the value of an episode's end becomes that of another episode's start.)
#
# Write `segment` so that only steps that were taken count, and all of them. Padding should repeat the episode's last
# observation.

# %% nbgrader={"grade": false, "grade_id": "ex-08-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def segment(seen, first, steps, episode, begin, length):
    """As `leaky_segment`, without the leak -> observations (length + 1, obs), mask (length,)"""
    ### BEGIN SOLUTION
    t = begin + np.arange(length + 1)
    return seen[first[episode] + np.minimum(t, steps[episode])], t[:-1] < steps[episode]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-08-2", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("8.2", segment)

# %% [markdown]
# ## 5. Where a sequence begins
#
# A whole episode begins where the memory is zero, in training as in acting. A segment that begins at step 60 does not:
# the agent that acted there remembered 60 steps. Three answers are in use:
#
# - **zero state**: pretend that the episode begins here;
# - **stored state**: begin with the memory that the agent had when it acted, kept in the buffer. It was right for the
#   weights of that time. For the present weights it is *stale* (notebook 04, section 5);
# - **burn-in**: begin some steps earlier, from zero or from a stored state, and learn nothing until the memory has
#   caught up (Kapturowski et al. 2019, whose agent is called R2D2).
#
# You can measure how wrong each answer is, because the right summary is known. It is what the present weights make of the
# *whole* episode. The next cells train for a moment with stored states, and measure how far off each answer is, step by
# step.
#
# *Predict.* How far off is a zero state after its first step, in standard deviations of a summary?

# %%
cl.predict("08.5", question="standard deviations, after one step from zero")

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
trained, fresh = start_errors(network, x, stored), start_errors(slow, x)
cl.see("trained LSTM: zero state, after 1 step", trained["zero"][0], (0.5, 5), "sd", predicted="08.5")
cl.see("trained LSTM: zero state, after 40 steps", trained["zero"][39], (0, 0.05), "sd")
cl.see("trained LSTM: burn-in of 10, after 1 step", trained["zero, burn-in of 10"][0], (0, 0.5), "sd")
cl.see("trained LSTM: stored over zero state, after 1 step", trained["stored"][0] / trained["zero"][0], (0, 0.7))
cl.see("remember=80: zero state, after 40 steps", fresh["zero"][39], (0.3, 10), "sd")
memory_figures.start_figure({"LSTM, trained for a moment": trained, "fresh LSTM with remember=80": fresh})

# %% [markdown]
# *Look at* the left ends of the lines (the vertical axis is logarithmic), then at how fast they fall. *What you should
# see.* On the left, a zero state is wrong by as much as a summary varies, or more, and this LSTM forgets the mistake within
# ten or twenty steps, as it forgets everything. Ten steps of burn-in remove most of the error. The stored state begins
# nearer to the right summary, and costs no step. On the right, `remember=80` sets the biases of the LSTM so that its memory
# lasts for up to 80 steps. (Section 6 says how.) Ten steps of burn-in do little there, and no segment of 50 steps is long
# enough to forget its wrong beginning. So the rule is: *the burn-in must be as long as the memory*. Where it cannot be,
# begin with the stored state or take whole episodes.
#
# ### What a burn-in does not do
# A burn-in and a stored state bring the memory up to date. Neither lets a *gradient* flow back through the steps before
# the segment. This is truncated backpropagation through time (Williams and Peng 1990). Measure both directions for 60
# steps of a slow LSTM. Forwards: change one input a little and see how much the last summary changes. Backwards: ask
# autograd for the same derivative.
#
# *Predict.* 20 steps are learned from, after a burn-in of 40. How many of the 60 inputs does the gradient reach?

# %%
cl.predict("08.6", question="inputs that the gradient reaches")

# %%
torch.manual_seed(0)
slow, long = Summarizer(1, dict(name="lstm", neurons=32, remember=80)), torch.randn(60, 16, 1)
reached = {
    "all 60 steps learned from": gradients.reach(slow, long, learned=60),
    "20 learned, burn-in of 40": gradients.reach(slow, long, learned=20, burn_in=40),
    "20 learned, from zero": gradients.reach(slow, long, learned=20),
}
acted, learned = reached["20 learned, burn-in of 40"]
cl.see("after a burn-in: inputs on which the last summary depends", (acted > 1e-5).sum(), (50, 60))
cl.see("after a burn-in: inputs that the gradient reaches", (learned > 0).sum(), (20, 20), predicted="08.6")
gradients.reach_figure(reached)

# %% [markdown]
# *Look at* where the two lines part. *What you should see.* Where all steps are learned from, both are the same line.
# After a burn-in the state still depends on all 60 inputs, but the gradient ends at the border. So a network can *use*
# what it has kept from before the border. It cannot learn that something from before the border should have been *kept*.
#
# ### Does it matter in training?
# A wrong beginning need not hurt. On the pendulum a few angles in a row are enough to tell the rate. On the car a
# segment may begin after the sign. Such a segment, begun with a memory of zero, does not contain what the sign said. Unless
# the car's own motion gives the side away (section 8), it teaches the critics to expect the mean of both sides.
#
# *Predict.* On the car, which way to begin a sequence leads to heaven in every episode with every seed? ("burn" is a
# burn-in as long as the segment; on the car 40 + 40 steps.)

# %%
WAYS = ("whole", "zero", "zero_burn", "stored", "stored_burn")
cl.predict("08.7", choices=WAYS)

# %%
starts = cl.result("memory_starts")["per_seed"]


def returns(rows, task, *settings):
    """Setting -> its returns, one a seed."""
    return {s: [r["return_deterministic"] for r in rows if (r["task"], r["setting"]) == (task, s)] for s in settings}


swings = returns(starts, "pendulum", *WAYS)
medians = [np.median(each) for each in swings.values()]
cl.see("pendulum, best median less worst", max(medians) - min(medians), (0, 100))
viz.bars(swings, title="pendulum: segments of 16 learned steps, or whole episodes")

# %%
car = {"whole": returns(shipped["per_seed"], "car", "rsac_lstm")["rsac_lstm"], **returns(starts, "car", *WAYS[1:])}
(always,) = [way for way, each in car.items() if min(each) == 1]
print(f"heaven in every episode of every seed: {always}" + compared("08.7", always))
cl.see("car, mean return of the seeds of the four other ways", [np.mean(each) for way, each in car.items() if way != always], (0.2, 0.9))
viz.bars(car, title="car: segments of 40 learned steps, or whole episodes")

# %% [markdown]
# *Look at* whether the lines overlap before you rank anything: there are few seeds. A return of 1 on the car is heaven
# in every episode. *What you should see.* On the pendulum some lines do not overlap, but the medians are close, compared
# with the distance from random actions to success (section 7). On the car, segments hardly ever reach a return of 1, and
# whole episodes do with every seed. But the other settings of the car were tuned with whole episodes. Before that, whole
# episodes reached 0.0 to 0.8 (`tried` in the result file), and segments might gain from settings of their own. If a
# difference remains after such tuning, the gradient is a possible reason. Even a fast drive from the sign to the far
# heaven takes most of a segment. On a slower drive the sign lies more than a segment before the arrival, and then no
# gradient reaches back to it. (How often this happens in training was not counted. Stored states are also stale. How
# much that costs was not tested separately.) The library's recommended settings are segments on the pendulum and the
# pole, and whole episodes on the car.
#
# Now the length of a segment, from zero state. A few angles in a row are enough to tell the rate. *Predict.* Are
# segments of 4 steps enough on the pendulum?

# %%
cl.predict("08.8", choices=("4 steps do as well", "4 steps do worse"))

# %%
names = {"length_4": "4 steps", "zero": "16 steps", "whole": "200 (whole)"}
lengths = {names[k]: v for k, v in returns(starts, "pendulum", *names).items()}
lost = np.median(lengths["16 steps"]) - np.median(lengths["4 steps"])
cl.see("median return of 16 steps less that of 4", lost, (300, np.inf))
print("4 steps do worse" + compared("08.8", "4 steps do worse"))
viz.bars(lengths, title="pendulum, zero state, about 2,000 learned steps in each update")

# %% [markdown]
# *What you should see.* A few angles in a row tell the rate, and yet segments of four steps are too short. In acting, the
# memory runs on for 200 steps. Two likely reasons: the memory comes into states that need many steps to build up, and no
# training sequence of four steps ever reached them; and all four steps of a segment are still affected by its wrong start.
# (Above, another network took ten or twenty steps to forget a zero state.) The two were not tested apart.

# %% [markdown]
# ## 6. How long must it remember?
#
# How long a fresh LSTM remembers is decided mainly by one number in each neuron, the bias of its *forget gate* (Gers et al.
# 2000). With nothing coming in, the gate multiplies the cell's state by $\sigma(b_f)$ at each step:
#
# $$c_{t+1} = \sigma(b_f)\, c_t. \tag{8.6}$$
#
# Along the cell's own path, the gradient is multiplied by the same number, $\partial c_{t+1} / \partial c_t = \sigma(b_f)$.
#
# *Predict.* torch starts with $b_f$ near 0. What share of a state is left after 10 steps?

# %%
cl.predict("08.9", choices=("below 5 %", "5 % to 50 %", "above 50 %"), question="left after 10 steps")

# %%
silence = torch.zeros(101, 64, 1)
silence[0, :, 0] = torch.linspace(-2, 2, 64)  # 64 different inputs, then nothing
left = {}
for remember in (0, 80):
    torch.manual_seed(0)
    fresh = Summarizer(1, dict(name="lstm", neurons=32, remember=remember))
    spread = fresh.sequence(silence, fresh.initial_state(64))[0].std(1).mean(1).detach()
    left[remember] = (spread / spread[0]).numpy()
    print(f"remember={remember:2d}: left of the difference after", *[f"{k} steps {left[remember][k]:.1e};" for k in (1, 10, 40, 100)])
share = "below 5 %" if left[0][10] < 0.05 else "5 % to 50 %" if left[0][10] <= 0.5 else "above 50 %"
cl.see("torch's start, left after 10 steps", left[0][10], (1e-4, 0.05))
cl.see("torch's start, share left after 10 steps", share, ("below 5 %",), predicted="08.9")
cl.see("remember=80, left after 10 steps", left[80][10], (0.25, 0.8))
cl.see("remember=80, left after 100 steps", left[80][100], (0.01, 0.3))

# %% [markdown]
# *What you should see.* For torch's start a few thousandths are left after 10 steps. The biases alone, which are at most
# 0.35 here, would leave about $2^{-10}$, a thousandth. The rest comes through the recurrent weights, which (8.6) leaves
# out. After 40 steps only rounding is left. Gradients vanish in the same way (Hochreiter 1991; Bengio et al. 1994): at the
# rate of the first ten steps, a sign from 100 steps ago would have a gradient below $10^{-22}$. `remember=80` is *chrono
# initialisation* (Tallec and Ollivier 2018): it sets the biases so that neurons forget in anything from 1 to 80 steps. For
# an LTC `options=LTC.SLOW` does the same with time constants.
#
# ### Exercise 8.3: the bias for a memory (a derivation, checked numerically)
# Apply (8.6) k times. Which $b_f$ leaves the share $s$ of a state after k steps? Solve for the gate's value first, then
# undo the sigmoid. The check unrolls torch's LSTM.

# %% nbgrader={"grade": false, "grade_id": "ex-08-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def forget_bias(k, share):
    """k steps, share between 0 and 1, numbers -> the b that leaves `share` of a state after k steps of (8.6)."""
    ### BEGIN SOLUTION
    gate = share ** (1 / k)
    return np.log(gate / (1 - gate))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-08-3", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("8.3", forget_bias)

# %% [markdown]
# ### Exercise 8.4: how long a memory does a task need? (an experiment with a hypothesis)
# Suppose someone remembers the last k observations (and torques) perfectly, and nothing before. How much of what is hidden
# can be told from them?
#
# - **pendulum**: the rate;
# - **rods**: the length of the rod, 0.2 m or 1 m, drawn anew for each episode; its torque is shown
#   (`observation="pa", length="varied"`), and is drawn at random at each step;
# - **car**: what the sign said, on arriving in heaven. Only the sign itself counts: an episode counts as told if the sign was
#   in sight in one of the last k observations. (The place on arrival would give the side away; section 8 comes back to
#   this.) The driver starts at rest near the middle, drives at full throttle to the sign and from there at full throttle
#   to heaven (0.6 m/s² either way, 20 steps a second; heaven and hell are at ±1 m, and the sign can be read from 0.3 m
#   to 0.7 m);
# - **reacher**: the goal, at the last of 50 steps.
#
# **Before** you run the next cells: return, for each task, the smallest k (the present observation included) at which the
# score is at least 0.8. The score is
#
# - for the pendulum, the R² of the rate;
# - for car and reacher, the share of episodes in which the last k observations contain what was hidden;
# - for the rods, 2 · (share of right guesses − ½).

# %% nbgrader={"grade": false, "grade_id": "ex-08-4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def memory_needed():
    """-> {"pendulum": k, "rods": k, "car": k, "reacher": k}"""
    ### BEGIN SOLUTION
    return {"pendulum": 2, "rods": 3, "car": 30, "reacher": 50}
    ### END SOLUTION


# %%
guess = attempt(memory_needed)
told = {name: {k: share(k) for k in looking_back.LOOKBACKS} for name, share in looking_back.TOLD.items()}
cl.see("told by 8 observations, pendulum and rods", [told["pendulum"][8], told["rods"][8]], (0.8, 1.0))
cl.see("side of heaven, told by 16 observations", told["car"][16], (0.35, 0.65))
memory_figures.history_figure(told, guess)

# %% [markdown]
# *Look at* where each line rises, and at your own numbers, dotted. *What you should see.* A length takes more observations
# than a rate, because it shows in how the rate changes. (At the limit of the rate a torque changes nothing, so such a
# moment does not show the length, and the line goes on rising. It begins at 3, because this guess needs a change of the
# rate. Fewer observations tell something too: a short rod turns faster under the same torques.) The memories of these two
# are short, and an ordinary network that is shown the last few observations would do. The car's line has a flat middle
# part. A memory of that length is enough where heaven is on the right, because the sign was read a moment ago. It is too
# short where heaven is on the left. A driver at half speed needs a longer memory for the same task. How long a memory must
# be depends on the task and on what the policy does.

# %% nbgrader={"grade": true, "grade_id": "check-08-4", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("8.4", memory_needed)

# %% [markdown]
# ## 7. Train it
#
# Now train RSAC with an LSTM of 64 neurons, and SAC without memory, on the pendulum that shows its angle only. Both take the
# same number of environment steps, each with its recommended settings. Those of the LSTM differ from the defaults of
# `RSACConfig`:

# %%
lstm = cl.RSACConfig.recommended("MemoryPendulum-v0", cell=dict(name="lstm", neurons=64), seed=1)
usual = cl.RSACConfig()
for field in vars(usual):
    if getattr(lstm, field) != getattr(usual, field) and field != "seed":
        print(f"{field:16s} default {getattr(usual, field)!s:12} here {getattr(lstm, field)}")
seeing = returns(shipped["per_seed"], "pendulum", "sac_full")["sac_full"]
print(f"for comparison: return of random torques {shipped['random']['pendulum']:.0f}, of SAC that sees everything {np.median(seeing):.0f}")

# %% [markdown]
# | setting | why |
# |---|---|
# | `hidden`, `learning_rate` | narrow heads are enough for a small task, and allow larger steps |
# | `lr_schedule` | the learning rate falls to 0, so that the last updates settle |
# | `learning_starts` | episodes have 200 steps; one finished episode of each of the four copies is enough to begin |
# | `batch_size`, `sequence_length` | an update learns from 32 segments of 64 steps, from zero state; in section 5, segments of 16 steps did no harm here |
# | `updates_per_step` | such an update costs much more than one of SAC, so there are half as many as SAC makes here |
# | `summarizers` | one for both critics, for half the time |
#
# *Predict.* What return, noise off, will your LSTM have at the end of training? The cell above printed two others to
# compare with.

# %%
cl.predict("08.10", question="return of the LSTM, noise off")

# %%
steps = cl.budget(smoke=1_100, lite=16_000, full=24_000)
run = cl.train(cl.RSAC(cl.make("MemoryPendulum-v0", num_envs=4, seed=1), lstm), steps, live=True)
run

# %%
forgetful = cl.SACConfig.recommended("MemoryPendulum-v0", seed=1)
without = cl.train(cl.SAC(cl.make("MemoryPendulum-v0", num_envs=4, seed=1), forgetful), steps, progress=False)
cl.compare({"yours, LSTM": [run], "yours, no memory": [without]})

# %%
outcomes = {}
for name, each in (("LSTM", run), ("no memory", without)):
    outcomes[name] = cl.evaluate(each, episodes=cl.budget(smoke=2, lite=100, full=100)).deterministic
    low, high = outcomes[name].interval
    print(f"{name:9s} mean return over episodes {outcomes[name].mean:7.0f} [{low:.0f}, {high:.0f}], noise off")
again = "training got stuck with this seed; try another in the cell above"
cl.see("return, LSTM", outcomes["LSTM"].mean, (-600, -100), otherwise=again, predicted="08.10")
cl.see("return, no memory", outcomes["no memory"].mean, (-1500, -800))

# %% [markdown]
# *What you should see.* The LSTM's return is far above that of random torques. Without memory the return stays near that of
# random torques. (The curve is lower than the evaluation. It is a mean over the last 100 episodes, and in lite there are
# only 80. So the first ones are still in it, and so is the noise.) You trained one seed of each, and the interval is over
# episodes, not over seeds. Here are the shipped ones:

# %%
curves = [row for row in shipped["per_seed"] if row["task"] == "pendulum"]
cl.compare({memory_figures.SETTINGS[s]: [r for r in curves if r["setting"] == s] for s in ("sac_full", "rsac_lstm", "sac_memoryless")})

# %% [markdown]
# ### Three tasks, three kinds of memory
# A share is $(R - R_{\text{random}}) / (R_{\text{full}} - R_{\text{random}})$. All settings of a task get the same
# number of environment steps. The LTC's summarizer has at most a quarter of the LSTM's parameters. Its heads see the
# present observation beside the states, because the states lag behind it. (On the pole and the car the heads of the LSTM
# and the GRU see it too.) On the first two tasks the LTC makes two updates where the LSTM and the GRU make one.
#
# *Predict.* On which task is the share of the policy without memory nearest to 1?

# %%
cl.predict("08.11", choices=("pendulum", "pole on a cart", "car, heaven and hell"))

# %%
found = {key: middle for key, (middle, *_) in memory_figures.shares(shipped).items()}
alone = {memory_figures.TASKS[task]: middle for (task, setting), middle in found.items() if setting == "sac_memoryless"}
nearest = max(alone, key=alone.get)
print(f"without memory nearest to 1: {nearest}" + compared("08.11", nearest))
cl.see("median share without memory on the car", alone["car, heaven and hell"], (0.2, 0.7))
cl.see("median shares with memory, all tasks and cells", [v for (_, setting), v in found.items() if setting.startswith("rsac")], (0.9, 1.1))
memory_figures.share_figure(shipped)

# %%
print(shipped["command"], "·", shipped["machine"]["cores"], "cores · seeds", shipped["seeds"])
size = {row["run"]: row["parameters_summarizer"] for row in shipped["per_seed"]}
for (task_name, setting), (middle, low, high, seeds) in memory_figures.shares(shipped).items():
    many = size[f"{task_name} {setting}"]
    print(f"{task_name:9s} {memory_figures.SETTINGS[setting]:15s} share {middle:6.2f}, {'interval' if len(seeds) >= 5 else 'range'} {low:5.2f} to {high:5.2f}, seeds: {len(seeds)}, memory of {many:6,d} parameters")

# %%
difference, (low, high) = shipped["claims"]["ltc_vs_lstm"], shipped["intervals"]["ltc_vs_lstm"]
print(f"LTC minus LSTM, mean over the tasks of the median shares: {difference:+.2%} [{low:+.2%}, {high:+.2%}]")
cl.see("equality is inside the interval", bool(low <= 0 <= high))
cl.see("width of the interval", high - low, (0, 0.1))

# %% [markdown]
# *Look at* the width of the interval too. An interval that contains 0 and has a width of 1 would say that nothing was
# found, not that the two are equal. This one is narrow, and for a plain reason: on two of the three tasks every seed of
# both reaches a share of 1, so these tasks cannot tell the memories apart. The width comes from the pendulum alone, and is
# a third of the width there. Settings were tuned on the LSTM, which favours the LSTM. The additional updates were chosen
# for the LTC, which favours the LTC. The GRU has one seed on the first two tasks and three on the car, so its ranges say
# little. (The result file lists what was tried, under "tried".) The policy without memory has a return of about one half on
# the car, like the driver that forgets. Its share is a little lower, because random actions arrive in heaven now and then.

# %% [markdown]
# ## 8. What does the summary hold?
#
# A **linear probe** (Alain and Bengio 2017) asks: is there a linear readout of the hidden state that gives what is
# hidden from the policy? It is fitted by ridge regression,
#
# $$w = (X^\top X + \lambda I)^{-1} X^\top y, \tag{8.7}$$
#
# with the state of one time step in each row of $X$, and judged by $R^2$ on *other episodes*. (On other steps of the same
# episodes it could also score by recognising an episode.) Each column of $X$ is standardised, a column of ones is the
# offset, and $\lambda$ is a thousandth of the number of rows. First watch some episodes:

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


def clock(running):
    """The number of the step as a vector with a single 1: (T, N, T), the same in all episodes."""
    return np.broadcast_to(np.eye(len(running))[:, None], (*running.shape, len(running)))


# %% [markdown]
# A score alone says little. Compare it with the scores of controls. (Hewitt and Liang 2019 compare with a probe that is
# fitted to random labels, and call that difference *selectivity*.)
#
# - **the observation**: how much of it is in plain sight;
# - **the last two observations and their products**: what a few lines of arithmetic would give;
# - **a fresh network** of the same kind, never trained, that reads the same observations: random dynamics remember too;
# - **another episode's states**, at the same step: what a probe can make of states that belong to other observations;
# - **the clock alone**: what the number of the step tells, with no state at all. Another episode's states tell the step too.
#
# *Predict.* The rate of the pendulum, read from a *fresh* LSTM: what is $R^2$?

# %%
cl.predict("08.12", question="R² of the rate from a network that was never trained")

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
        "another episode's states": np.roll(states, 1, axis=1), "the clock alone": clock(w.running),
    }  # fmt: skip
    return {source: probe(x, truth(w), kept)[0] for source, x in sources.items()} if kept.sum() > 20 else {}


scores = {name: probes(*asked) for name, asked in PROBES.items()}
inside.probe_figure({name: row for name, row in scores.items() if row})

# %%
swing, pole, rod, side = (lambda source, row=row: row.get(source, np.nan) for row in scores.values())
cl.see("pendulum, the observation", swing("the observation"), (-0.2, 0.3))
cl.see("pendulum, a fresh network", swing("a fresh network"), (0.6, 1), predicted="08.12")
cl.see("pendulum, pole and rods, its states", [each("its states") for each in (swing, pole, rod)], (0.85, 1))
cl.see("pole, the last two and products; a fresh network", [pole("the last two and products"), pole("a fresh network")], (0.05, 0.6))
cl.see("car, its states less a fresh network", side("its states") - side("a fresh network"), (-0.1, 0.1))
cl.see("car, the clock alone", side("the clock alone"), (0.15, 0.8))

# %% [markdown]
# *Look at* each row from left to right. *What you should see.* The observation tells little or nothing about a rate, and
# the trained states tell nearly all of it. On the pendulum the fresh network tells most of it as well. A random
# recurrent network mixes successive observations, and a linear readout finds their difference in the mixture (the idea
# of echo state networks, Jaeger 2001). So on the pendulum most of the information is there without training. On the pole
# the fresh network tells little, and two observations were not enough either. Why not?
#
# The rod's length shows in how gravity and the torque change the rate. To see a change of the rate you need three angles.
# So two observations do not determine the length. They tell something about it all the same, and so does one alone. A short
# rod turns faster under the same torques. And the policy brings the short rod upright soon, but the long one rarely. The
# fresh network tells most of the length, and the trained states still more.
#
# The car's row needs care, for three reasons.
# - The *clock alone* already predicts a good part of the side. Where heaven is on the right, the episode is over early,
#   so among the late steps there are only episodes with heaven on the left. Another episode's states tell the step as
#   well. That is why this control does not score 0, and why a score on the car counts only above the clock's.
# - The side can be read off *place and motion*, because a policy that has read "left" drives left: memory that has become
#   position. Two observations and their products score nearly as high as any state.
# - The *fresh network* scores as high as the trained one. It reads place and motion, or with `remember=80` it keeps the sign
#   without any training, or both.
#
# So this probe cannot say what training did, nor what the policy uses. First look at the clock:

# %%
w = watch(cl.load("memory_car_rsac_lstm"), episodes=cl.budget(smoke=8, lite=64, full=128))
kept, left = sign_left(w), w.position[0, :, 1] < 0
for t in range(40, min(100, len(w.seen)), 10):
    print(f"step {t}: {kept[t].sum():3d} episodes count, heaven is on the left in {np.mean(left[kept[t]]) if kept[t].any() else np.nan:4.0%}")
late = kept[len(kept) * 3 // 4 :].sum(0)
cl.see("among the last quarter of the steps, share with heaven on the left", late[left].sum() / max(late.sum(), 1), (0.9, 1))

# %% [markdown]
# Now the pole. *Predict.* What is missing when two observations do not give the rate?

# %%
cl.predict("08.13", choices=("a third observation", "the force between them", "a wider network"))

# %%
w = watch(cl.load("memory_cartpole_rsac_lstm"), episodes=cl.budget(smoke=8, lite=64, full=128))
later = w.running & (np.arange(len(w.seen)) > 3)[:, None]
earlier = [np.roll(part, k, axis=0) for part, k in ((w.seen, 1), (w.seen, 2), (w.action, 1))]
for title, more, low, high in (
    ("two observations", earlier[:1], 0.05, 0.6),
    ("three observations", earlier[:2], 0.05, 0.95),
    ("two and the force between them", [earlier[0], earlier[2]], 0.95, 1),
):
    x = np.concatenate([w.seen, *more], axis=-1)
    cl.see(f"R² of the pole's rate, {title}", probe(x, w.velocity[..., 1], later)[0], (low, high))
print("missing: the force between them" + compared("08.13", "the force between them"))

# %% [markdown]
# *What you should see.* Two positions give the *mean* rate between them. This policy pushes hard to and fro, and its own
# last push decides what the rate is at the end. Nobody shows it that push. But it chose the push itself, from a state that
# it still remembers. What an agent has done itself is part of the history. (The fresh network above read the same
# observations, and they determine the push, since the policy acts without noise. But random weights do not compute the push
# of this policy.)

# %%
policy = cl.load("memory_car_rsac_lstm")
w = watch(policy, episodes=24)
_, readout = probe(states_of(policy, w.seen), w.position[..., 1], w.running)
last, right = max(int(w.running.any(1).sum()), 2), w.position[0, :, 1] > 0
for when, counts, low, high in (
    ("before the sign", w.running & (np.cumsum(in_sight(w), axis=0) == 0), -0.8, 0.8),
    ("after it", sign_left(w), 1.2, 2.8),
):
    apart = readout[:, right][counts[:, right]].mean() - readout[:, ~right][counts[:, ~right]].mean()
    cl.see(f"readout of the two sides, {when}: difference of the means", apart, (low, high))
inside.side_figure(readout[:last], w.position[0, :, 1], in_sight(w)[:last], w.running[:last], dt=0.05)

# %% [markdown]
# *Look at* the moment where a line grows thick: the sign comes into sight. *What you should see.* Before it the two colours
# lie on top of each other, because nothing can tell them apart yet. At the sign they part, and they stay apart when the sign
# is left behind. (The readout was fitted to the first half of these episodes. Both halves are drawn.)

# %%
rates = {}
for cell in ("lstm", "gru", "ltc"):
    policy = cl.load(f"memory_pendulum_rsac_{cell}")
    w = watch(policy, episodes=cl.budget(smoke=8, lite=64, full=128))
    rates[cell], _ = probe(states_of(policy, w.seen), w.velocity[..., 0], w.running)
    print(f"{cell:4s}: {policy.summarizer.neurons} neurons, R² of the rate {rates[cell]:.2f}, from one policy")
cl.see("R² of the pendulum's rate, all three cells", list(rates.values()), (0.8, 1))

# %% [markdown]
# ### Does the policy use it?
# A probe shows that information is there. Whether the policy uses it is a question of cause, and needs an **intervention**:
# change the state in the middle of an episode, let the episode go on, and watch. (Notebook 07 did this to single neurons.)
#
# Take the car with a GRU, at step 65. The sign has been read. Where heaven is on the right, the car has already arrived.
# Where it is on the left, the car has turned round and left the sign behind in nearly all episodes. *Predict.* At this step
# set the whole memory to zero, once. In what share of the episodes with heaven on the left does the car still reach it?

# %%
cl.predict("08.14", question="share of the episodes that reach heaven on the left, from 0 to 1")

# %%
gru, moment = cl.load("memory_car_rsac_gru"), causes.START
ways = ("left alone", "zeroed once", "kept at zero")
played = causes.play_altered(gru, [(way, moment) for way in ways], episodes=cl.budget(smoke=8, lite=100, full=200), seed=0)
calm, once, always = played
cl.see("left alone: heaven reached, both sides", [causes.share(calm, 1), causes.share(calm, -1)], (0.95, 1))
cl.see("zeroed once: heaven on the left reached", causes.share(once, -1), (0.85, 1), predicted="08.14")
cl.see("zeroed once: share that comes back to the sign", causes.read_again(once, moment), (0, 0.25))
cl.see("kept at zero from then on: heaven on the left reached", causes.share(always, -1), (0, 0.3))

# %% [markdown]
# *What you should see.* One loss of memory does next to nothing to this GRU, and the car does not even drive back to the
# sign. It goes on where it was going. A likely reason is the *motion*. The car moves left, and two observations of its
# place show it. A network that remembers two steps can read the lost side from there. So the body holds the memory too.
# `hide="velocities"` closes that shortcut for a policy without memory, and a short memory opens it again. If the memory
# is kept at zero, the car does not arrive. That alone is weak evidence, because so strong a change may break more than
# the comparison of two places. The plot below has other moments and other networks: not all of them take one loss so
# lightly.
#
# Zeroing removes everything. A sharper intervention changes only *what differs between the sides*: move each state by
# the difference between the mean states of the two sides. (The cars of the two sides are also at different places then,
# and move differently. So the difference holds more than what the sign said.) If the policy acts on what lies in this
# direction, it should now believe the opposite.
#
# ### Exercise 8.5: exchange the sides (fill in)
# Given the states of many episodes at one step and the side of heaven in each, move every state by the difference between
# the two mean states, so that each side has the mean of the other. What differs *within* a side must stay as it is.

# %% nbgrader={"grade": false, "grade_id": "ex-08-5", "locked": false, "schema_version": 3, "solution": true, "task": false}
def exchanged(states, side):
    """states (N, k), side (N,) of +1 and -1, arrays -> (N, k): the mean states of the two sides exchanged."""
    ### BEGIN SOLUTION
    between = states[side > 0].mean(0) - states[side < 0].mean(0)
    return states - side[:, None] * between
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "check-08-5", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
cl.check("8.5", exchanged)

# %% [markdown]
# An intervention needs a control as well: any push may throw a network off. So the same episodes are played again with a
# move of the *same length* in a random direction. `play_altered` computes both, for three networks. (The difference between
# the sides is taken at this step, or at the last one before it at which at least three episodes of each side were still
# running.)
#
# *Predict.* In which network does the exchange do no more harm than the random move?

# %%
cl.predict("08.15", choices=("LSTM", "GRU", "LTC", "in none"))

# %%
ways, reaches, played_by = ("sides exchanged once", "moved at random once"), {}, {}
for name in causes.NETWORKS:
    policy = cl.load(f"memory_car_rsac_{name.lower()}")
    played = causes.play_altered(policy, [(way, moment) for way in ways], episodes=cl.budget(smoke=8, lite=100, full=200), seed=0)
    reaches[name], played_by[name] = [causes.share(each, -1) for each in played], played
    print(f"{name:4s} heaven on the left reached: sides exchanged {reaches[name][0]:.0%}, moved at random {reaches[name][1]:.0%}")
harm = {name: at_random - exchange for name, (exchange, at_random) in reaches.items()}
cl.see("harm of the exchange beyond the random move, GRU and LTC", [harm["GRU"], harm["LTC"]], (0.25, 1))
cl.see("the same, LSTM", harm["LSTM"], (-0.35, 0.24))
least = min(harm, key=harm.get)
came = least if harm[least] < 0.25 else "in none"
print("no more harm than the random move: " + came + compared("08.15", came))
print("LSTM, heaven on the left, by what the car saw at this step:", causes.by_sight(played_by["LSTM"], ways, moment))

# %% [markdown]
# *What you should see.* After the exchange the GRU's car hardly ever reaches heaven on the left, and the LTC's does in a
# minority of the episodes. A random move of the same length harms them much less. In these two, moving the state along the
# direction from one side's mean to the other's changes where the car drives. So the policy uses something that lies in this
# direction. At this step the LSTM does not differ from its control on average, although the probe above reads the side from
# it. The last line splits its episodes. Some of its cars still see the sign at this step, because they turn later than
# those of the GRU. All of these arrive after the exchange, and fewer after the random move. Reading the sign again may
# repair the exchange. Why it does not repair every random move is open. Of the other cars, fewer arrive after the exchange
# than after a random move. These are hints, from few episodes. (This is one policy of each kind, at one step. A few steps
# later, in the plot below, the exchange harms the LSTM more.)
#
# ### Alter the memory yourself
# Every setting was played beforehand, with the same 20 starts. The left plot draws two paths to each side. *Try this.* Play "kept
# at zero" from step 0 in all three networks: each then reaches one side at most. Then find the first step from which the
# GRU no longer needs its memory: "kept at zero" does not harm it any more. Is a random move harmless there as well? And
# compare "sides exchanged once" with "moved at random once".

# %%
causes.altered_plot(moments=cl.budget(smoke=(0, causes.START), lite=causes.MOMENTS, full=causes.MOMENTS))

# %% [markdown]
# ## 9. The water maze: where memory is not the hard part
#
# A round pool hides a platform of 0.3 m radius under water, at a different place in each episode. Each step on it pays 1.
# After 5 steps in a row the swimmer is thrown somewhere else and has to come back. It knows where it is and whether it
# stands on the platform. Memory would pay twice: to search without visiting a place again, and to come back.
#
# *Predict.* The platform covers nine hundredths of the pool. How many of 200 random steps are on the platform, on
# average over many episodes?

# %%
cl.predict("08.16", question="steps of 200")

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
by_chance = swim(at_random, episodes=500, seed=6)
stays = np.lib.stride_tricks.sliding_window_view(by_chance.on, 5, axis=0).all(-1)  # five steps in a row: thrown after that
back = np.mean([by_chance.on[t + 6 :, n].any() for n, t in enumerate(stays.argmax(0)) if stays[:, n].any()])
cl.see("at random, steps of 200 on the platform", by_chance.score, (3, 6.5), predicted="08.16")
cl.see("episodes in which the platform is found at all", by_chance.on.any(0).mean(), (0.4, 0.65))
cl.see("of those thrown, share that is back before the end", back, (0.25, 0.6))
cl.see("episodes that hold a way back after a throw", stays.any(0).mean() * back, (0.08, 0.25))

# %% [markdown]
# *What you should see.* Much less than nine hundredths, which would be 18 steps. The likely reason: a random walk would
# stay on the platform for a long time once it is there, but after 5 steps it is thrown off. Its way back is slow: with
# steps of up to 0.1 m in random directions it takes a hundred of them to get about 0.7 m away. In about half
# of the episodes it never finds the platform. And what memory is for, coming *back after a throw*, happens in fewer than
# one episode in four, and then by the luck of where the swimmer was thrown. A learner can give credit to a memory only
# for what has happened. In that sense memory does not solve exploration: the loss with the targets (8.4) tells the
# summarizer to keep something only where the stored data hold a reward that depends on it.
#
# ### A shortcut, once more
# How much is memory worth here? Compare with `circle` above, which has none: a *fixed field of directions* sweeps the
# pool, and stops where the flag is 1. *Predict.* For how many of 200 steps is
# `circle` on the platform? Count: 5 steps on it, a throw, and a new search, over and over.

# %%
cl.predict("08.17", question="steps of 200 on the platform")

# %%
rules = {"at random": (at_random, {}), "circle, no memory": (circle, {}), "sees the platform": (sees_all, {"observation": "full"})}
swims = {name: swim(rule, seed=6, **options) for name, (rule, options) in rules.items()}
cl.see("circle, no memory", swims["circle, no memory"].score, (45, 65), "steps of 200", predicted="08.17")
cl.see("sees the platform", swims["sees the platform"].score, (84, 100), "steps of 200")
inside.maze_figure({name: (s.place[:, 1], s.on[:, 1], s.platform[1]) for name, s in swims.items()})

# %% [markdown]
# *Look at* the throws: the path breaks off and goes on elsewhere. *What you should see.* The circle reaches more than
# half of the score with perfect sight, and many times that of a random walk, without any memory. So in this task a good
# search comes first, and a memory adds to it. If a benchmark only counts returns, it credits the memory with what a mere
# circle could do.
#
# What did training find? Here are SAC and RSAC after the same number of steps, RSAC with half as many updates, with settings
# that were not tuned on this task:

# %%
maze = returns(starts, "maze", "sac_full", "sac_memoryless", "rsac_lstm")
searching = [np.median(maze[s]) for s in ("sac_memoryless", "rsac_lstm")]
cl.see("median steps on the platform, without memory and with an LSTM", searching, (10, swims["circle, no memory"].score))
cl.see("LSTM less no memory", searching[1] - searching[0], (-15, 15))
named = {memory_figures.SETTINGS[s]: values for s, values in maze.items()}
viz.bars(named, ylabel="steps", title="water maze, steps on the platform; dotted: the circle", target=swims["circle, no memory"].score)

# %% [markdown]
# *Look at* where the two that must search lie with respect to the dotted line, which a rule of four lines reaches. *What
# you should see.* Both stay below it, and the memory made no difference that three seeds could show. The likely reason: at
# the start of training a way back is rare, so there is little to learn a memory from. The shipped policies (one of each)
# still miss the platform altogether in many episodes: in more than half without memory, in about a quarter to a third with
# the LSTM. Once thrown off, both come back in most episodes. Perhaps a better search, without memory, was the easier thing
# to learn.
#
# ### Exercise 8.6: come back (open)
# Write a swimmer with a memory by hand. It should be on the platform for at least **75** of 200 steps, on average over
# the episodes. You can get there in steps:
# 1. Call `circle` and return its action with a memory of your own. The score stays that of the circle.
# 2. Let the memory hold, for each swimmer, a place where the flag was 1, and whether there is one yet.
# 3. Where there is one, swim straight there. Otherwise keep searching.
#
# Then go on: what is the least memory (how many numbers) with which you reach 75? What would a policy have to try by
# chance to discover yours? Could RSAC be led there by noise that keeps its direction, by starting episodes on the
# platform, or by paying for new places?

# %% nbgrader={"grade": false, "grade_id": "ex-08-6", "locked": false, "schema_version": 3, "solution": true, "task": false}
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

# %% nbgrader={"grade": true, "grade_id": "check-08-6", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
cl.check("8.6", swimmer)

# %% [markdown]
# ## Your predictions
# How close were you? A number counts as close if it is within a quarter of the result.

# %%
cl.calibration("08")

# %% [markdown]
# ## Summary
# - In one decision, aliased states cost a policy without memory what (8.2) says, whatever its size and training. But look
#   for shortcuts before you call a task a test of memory: velocity, place, fixed fields of directions and chance all help.
# - RDPG, RTD3 and RSAC are DDPG, TD3 and SAC on summaries. Targets are made from the summary of what came next.
# - A loss is one mean over the steps that count. Padding needs a mask, and finite numbers under it. Which numbers does not
#   matter.
# - Where a sequence begins matters for as many steps as the memory lasts. Measure it against whole episodes. A burn-in
#   corrects the state, and lets no gradient through.
# - How long a fresh network can remember is set by its biases before the first update. A gradient cannot find what
#   has been forgotten.
# - A probe needs its controls: the observation, simple arithmetic, a fresh network, another episode, the clock. Only an
#   intervention, with a control of its own, shows that the policy uses what lies in the direction that was changed.
# - Motion can be a memory: a policy that lost its state may read what it needs from where the body is going.
# - A memory is learned from what was found. Until something has been found, there is nothing to learn it from.
#
# ### What goes wrong, and how it looks
# | what you see | what it often is |
# |---|---|
# | the return stays at that of a policy without memory, and the losses look healthy | the actor or the critics do not see the summary; or the memory is too short at the start |
# | Q drifts far beyond any return of an episode, towards r/(1 − γ) | steps across an episode's end are learned from; a termination is stored as a truncation |
# | the loss changes with the batch's longest episode | padding is in the mean |
# | good on short tasks, and on long ones as if blind after some number of steps | segments of that length from zero state: no longer memory was ever trained |
# | the same with a burn-in | the gradient ends where the burn-in ends |
# | the agent acts well in training and badly in evaluation, or the other way | the state is not set to zero at an episode's start, or in only one of the two |
# | the first steps of each segment have a large loss | zero state: add a burn-in or stored states, or do not learn from these steps |
# | memory seems to help, and a shuffled memory helps as much | the observation already contains the information, or the extra parameters help |
# | a probe scores on another episode's states | the clock predicts the target |
# | a memory task is "solved" by a network without memory | a shortcut: velocity, position or a clock in the observation |
# | the return is 0 for a long time, for every kind of memory | exploration: nothing was found that could be remembered |
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
# - S. Whitehead, D. Ballard, "Learning to perceive and act by trial and error", *Machine Learning* 7, 1991: aliased states.
# - R. Williams, J. Peng, "An efficient gradient-based algorithm for on-line training of recurrent network trajectories",
#   *Neural Computation* 2, 1990: truncated backpropagation through time.
# - F. Gers, J. Schmidhuber, F. Cummins, "Learning to forget: continual prediction with LSTM", *Neural Computation* 12, 2000.
# - S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 1997; K. Cho et al., "Learning phrase
#   representations using RNN encoder-decoder for statistical machine translation", EMNLP 2014: the GRU.
# - S. Hochreiter, diploma thesis, TU Munich, 1991, and Y. Bengio, P. Simard, P. Frasconi, "Learning long-term dependencies
#   with gradient descent is difficult", 1994: vanishing gradients.
# - H. Jaeger, "The 'echo state' approach to analysing and training recurrent neural networks", 2001: untrained networks that
#   remember.
# - R. Geirhos et al., "Shortcut learning in deep neural networks", *Nature Machine Intelligence* 2, 2020.
# - G. Alain, Y. Bengio, "Understanding intermediate layers using linear classifier probes", *ICLR workshop* 2017.
# - J. Hewitt, P. Liang, "Designing and interpreting probes with control tasks", EMNLP 2019: why controls.
# - A. Geiger, H. Lu, T. Icard, C. Potts, "Causal abstractions of neural networks", NeurIPS 2021: interventions on states.
