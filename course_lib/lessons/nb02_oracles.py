"""Oracles of the exercises of notebook 02, the cases they are asked, and mistakes that the checks know."""

from __future__ import annotations

import numpy as np
import torch

import course_lib as cl
from course_lib.course.answers import Wrong
from course_lib.evaluation.returns import run_episodes

# --- 2.1: the clipped surrogate -------------------------------------------------------------------------


def _pays(ratio, advantage, clip):
    """Transition by transition, in words: good ones pay up to 1 + ε, bad ones down to 1 - ε; arrays (n,)."""
    pairs = zip(ratio, advantage, strict=True)
    return [min(r, 1 + clip) * a if a > 0 else max(r, 1 - clip) * a for r, a in pairs]


def surrogate_by_cases(log_prob, old_log_prob, advantage, clip):
    return np.mean(_pays(np.exp((log_prob - old_log_prob).numpy()), advantage.numpy(), clip))


def batch_of(seed, n=9):
    """log π, log π_old and advantage of n transitions, tensors (n,)."""
    new, old, a = torch.randn(3, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return 0.4 * new, 0.4 * old, a


def of_ratio(made, upside_down=False):
    """A mistake in what is made of ρ, A and ε."""
    return lambda new, old, a, e: made((old - new if upside_down else new - old).exp(), a, e)


def terms(r, a, e):
    return torch.minimum(r * a, r.clamp(1 - e, 1 + e) * a)


# --- 2.2: its slope -------------------------------------------------------------------------------------


def slope_by_differences(ratio, advantage, clip, h=1e-6):
    def term(log_ratio):
        ratio = np.exp(log_ratio)
        return np.minimum(ratio * advantage, np.clip(ratio, 1 - clip, 1 + clip) * advantage)

    return (term(np.log(ratio) + h) - term(np.log(ratio) - h)) / (2 * h)


def far_enough(r, a, e):
    """Far enough, in the direction that the advantage asks for."""
    return np.where(a > 0, r > 1 + e, r < 1 - e)


def ratios(rng):
    """ρ and A (n,), ε. No ρ lies where the surrogate has its kink: the differences see both sides there."""
    n, clip = rng.integers(10, 40), rng.uniform(0.05, 0.3)
    ratio = rng.uniform(0.5, 1.6, n)
    return np.where(abs(abs(ratio - 1) - clip) < 1e-3, 1.0, ratio), rng.normal(size=n), clip


# --- 2.3: KL and the step -------------------------------------------------------------------------------


def exponent_by_measuring(step=1e-2):
    """Two Gaussians, apart by a step and by twice that."""
    still, moved = torch.distributions.Normal(0.0, 1.0), [torch.distributions.Normal(k * step, 1.0) for k in (1, 2)]
    once, twice = [torch.distributions.kl_divergence(still, each).item() for each in moved]
    return np.log2(twice / once)


# --- 2.4: generalised advantages ------------------------------------------------------------------------


def by_definition(rewards, values, next_values, terminated, over, gamma, lam):
    """Every advantage as a sum of its own over the TD errors up to the end of its episode; all (T,) -> (T,)."""
    delta = rewards + gamma * np.where(terminated, 0.0, next_values) - values
    advantage = np.zeros(len(rewards))
    for t in range(len(rewards)):
        for k in range(t, len(rewards)):
            advantage[t] += (gamma * lam) ** (k - t) * delta[k]
            if over[k]:
                break
    return advantage


def episodes(rng, falls, clocks, T=12):
    """rewards, values, next values, terminated and truncated (T,): ends by a fall, or by the clock, at these steps."""
    r, v, following = rng.normal(size=(3, T))
    ends = [np.isin(np.arange(T), at) for at in (falls, clocks)]
    return r, v, np.where(ends[0] | ends[1], following, np.append(v[1:], following[-1])), *ends


def drawn_episodes(rng):
    T = int(rng.integers(8, 25))
    ends = rng.permutation(T - 1)[:5]
    falls = rng.integers(2, 4)  # one of them at the moment at which the time is over, too
    return *episodes(rng, ends[:falls], ends[falls - 1 :], T), rng.uniform(0.8, 0.99), rng.uniform(0.3, 0.95)


def gae_with(**changes):
    """A mistake: the definition with some of its arguments made otherwise, each from all seven of the answer."""

    def mistaken(*case):
        names = ("rewards", "values", "next_values", "terminated", "truncated", "gamma", "lam")
        given = dict(zip(names, case, strict=True))
        right = {**given, "over": given["terminated"] | given["truncated"]}
        made = {**right, **{name: change(right) for name, change in changes.items()}}
        del made["truncated"]
        return by_definition(**made)

    return mistaken


# --- 2.5: a colleague's loss ----------------------------------------------------------------------------


def loss_step_by_step(log_prob, old_log_prob, value, advantage, target, clip):
    ratio = np.exp(log_prob.numpy().sum(1) - old_log_prob.numpy())
    scaled = (advantage - advantage.mean()).numpy() / advantage.numpy().std(ddof=1)
    return -np.mean(_pays(ratio, scaled, clip)) + 0.25 * np.mean((value - target).numpy() ** 2)


def lot(rng, n=8, motors=3):
    """log π of each motor (n, motors), log π_old, V, Â and the critic's target (n,)."""
    shapes = (n, motors), (n, motors), (3, n)
    new, old, (value, advantage, error) = (torch.from_numpy(rng.normal(size=shape)) for shape in shapes)
    return 0.3 * new - 1, (0.3 * old - 1).sum(-1), value, advantage, value + 0.3 * error + advantage


def slopes_by_differences(loss, step=1e-6):
    """The loss and its gradients on log_prob and value, without autograd: central differences of every entry."""

    def asked(log_prob, old_log_prob, value, advantage, target, clip):
        def made(new, v):
            return float(loss(new, old_log_prob, v, advantage, target, clip))

        def slopes(x, total):
            out = torch.zeros_like(x)
            for i in range(x.numel()):
                nudge = torch.zeros_like(x).view(-1)
                nudge[i] = step
                nudge = nudge.view(x.shape)
                out.view(-1)[i] = (total(x + nudge) - total(x - nudge)) / (2 * step)
            return out

        on_policy = slopes(log_prob, lambda new: made(new, value))
        return made(log_prob, value), on_policy, slopes(value, lambda v: made(log_prob, v))

    return asked


def with_slopes(loss):
    """The same by autograd, of a learner's loss."""

    def asked(log_prob, old_log_prob, value, advantage, target, clip):
        new, v = (x.clone().requires_grad_() for x in (log_prob, value))
        made = loss(new, old_log_prob, v, advantage, target, clip)
        if made is None or made is Ellipsis:
            return None
        if not getattr(made, "requires_grad", False):
            raise Wrong("the loss has no gradient: is there an .item( ), a .detach( ) or a no_grad too many?")
        slopes = torch.autograd.grad(made.sum(), (new, v), allow_unused=True)
        return made.detach(), *(torch.zeros_like(x) if s is None else s for x, s in zip((new, v), slopes, strict=True))

    return asked


def loss_with(
    joint=torch.sum, later="", worse=torch.minimum, sign=-1, weight=0.25, scale=True, ddof=1, still=""
):  # fmt: skip
    """The loss, with the parts named put wrong."""

    def loss(new, old, value, advantage, target, eps):
        ratio = (joint(new, -1) - old).exp()
        if later:  # "new" or "detached"
            advantage = target - (value if later == "new" else value.detach())
        ratio = ratio.detach() if still == "policy" else ratio
        a = advantage - advantage.mean() if scale else advantage
        a = a / advantage.std(correction=ddof) if scale is True else a
        part = sign * worse(ratio * a, ratio.clamp(1 - eps, 1 + eps) * a).mean()
        return part + weight * ((value.detach() if still == "critic" else value) - target).square().mean()

    return loss


def left_wrong():
    """hint -> loss, for all that a learner may have left as the colleague wrote it."""
    kinds = dict(joint=torch.mean), dict(later="new"), dict(worse=torch.maximum)
    says = (
        "the motors' log-probabilities: a joint density is a product, so its log is a sum",
        "the advantage: it is data of the old critic, and handed to you (.detach() on target - value still takes the"
        " new one)",
        "the clip: what does the minus do to a minimum?",
    )
    for which in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)):
        wrong = {name: value for k in which for name, value in kinds[k].items()}
        hint = "still wrong, " + "; ".join(says[k] for k in which)
        yield hint, loss_with(**wrong)
        if 1 in which:  # the same numbers, and another gradient
            yield hint + ".", loss_with(**{**wrong, "later": "detached"})


# --- 2.7: settings of one's own -------------------------------------------------------------------------


_trained: dict[str, tuple] = {}


def pole_run(changes):
    """Train the pole with `changes` to PPOConfig, a dict -> curve, mean return of 16 noisy episodes; kept for the next
    call."""
    config = cl.PPOConfig(**changes)
    if repr(config) not in _trained:
        agent = cl.PPO(cl.make("InvertedPendulum-v5", num_envs=16, seed=0), config)
        run = cl.train(agent, 12_288, progress=False)
        test = cl.make("InvertedPendulum-v5", num_envs=16, seed=50)
        _trained[repr(config)] = run.curve, run_episodes(run.policy, test, deterministic=False).mean
    return _trained[repr(config)]
