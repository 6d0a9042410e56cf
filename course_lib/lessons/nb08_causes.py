"""Notebook 08: a trained memory is altered during an episode, and the episode goes on: does the policy use it?"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from course_lib import envs as environments
from course_lib.errors import ArgumentError, check_choice
from course_lib.viz.sliders import Curve, Panel, SliderPlot
from course_lib.viz.style import COLOURS

WAYS = (
    "left alone",
    "zeroed once",
    "kept at zero",
    "held still",
    "negated once",
    "sides exchanged once",
    "moved at random once",
)
NETWORKS = ("LSTM", "GRU", "LTC")
MOMENTS = (0, 15, 30, 40, 50, 55, 60, 65, 70, 80)  # control steps
START = 65  # where the sign has been read and is left behind
EPISODES, DRAWN = 20, 2  # of each setting; drawn of each side
SIGHT, LAST = (0.3, 0.7), 160  # m: where the sign can be read; control steps in an episode
SIDES = ((1, "+1 m", COLOURS[0]), (-1, "-1 m", COLOURS[1]))


def play_altered(policy, settings: Sequence[tuple[str, int]], episodes: int = EPISODES, seed: int = 0) -> list:
    """Episodes of the car from the same starts, once for each setting (way, first step at which it acts).

    Returns one namespace for each setting: place (T, episodes) m, NaN once an episode is over; heaven (episodes,)
    whether it arrived there; side (episodes,) ±1; steps (episodes,).

    "sides exchanged once" moves each state by the difference between the mean states of both sides in episodes that are
    left alone, at that step or at the last one before it at which three episodes of each side were still running.
    "moved at random once" moves it as far in a direction drawn for each episode.
    """
    for way, moment in settings:
        check_choice("way", way, WAYS)
        if moment < 0:
            raise ArgumentError(f"moment={moment!r} is not accepted; it is a control step, 0 or later")
    rows = ["left alone", *(way for way, _ in settings)]  # the first block is left alone: the others are measured by it
    starts = np.array([0, *(moment for _, moment in settings)])
    envs = environments.make(policy.env_id, len(rows) * episodes, **policy.env_options)
    seen, _ = envs.reset(seed=[seed + n for _ in rows for n in range(episodes)])
    side, state = envs.state.qpos[:, 1].copy(), policy.initial_state(len(seen))
    running, heaven, place, steps = np.ones(len(seen), bool), np.zeros(len(seen), bool), [], np.zeros(len(seen), int)
    held, apart = {}, Apart(policy, side[:episodes])
    for t in range(envs.horizon):
        apart.look(state[:episodes], running[:episodes])
        for k in np.flatnonzero(t >= starts):
            block = slice(k * episodes, (k + 1) * episodes)
            if t == starts[k]:
                held[k] = state[block].clone()
            state[block] = apart.altered(rows[k], state[block], held[k], first=t == starts[k])
        place.append(np.where(running, envs.state.qpos[:, 0], np.nan))
        action, state = policy.act(seen, state)
        seen, reward, terminated, truncated, _ = envs.step(action)
        heaven |= running & (reward > 0)
        steps += running
        running &= ~(terminated | truncated)
        if not running.any():
            break
    envs.close()
    found = dict(place=np.array(place), heaven=heaven, side=side, steps=steps)
    blocks = [slice(k * episodes, (k + 1) * episodes) for k in range(1, len(rows))]
    return [SimpleNamespace(**{name: value[..., block] for name, value in found.items()}) for block in blocks]


class Apart:
    """What tells the two sides apart in the states of episodes that are left alone, step by step."""

    def __init__(self, policy, side: np.ndarray, least: int = 3):
        self.side, self.least = torch.as_tensor(side, dtype=torch.float32), least
        self.between = torch.zeros(policy.state_dim)
        anywhere = torch.as_tensor(np.random.default_rng(0).normal(size=(len(side), policy.state_dim))).float()
        self.anywhere = anywhere / anywhere.norm(dim=1, keepdim=True)

    def look(self, state: Tensor, running: np.ndarray) -> None:
        """Take the states (episodes, k) before a step; those of before stay where a side has few episodes left."""
        on = torch.as_tensor(running)
        right, left = state[on & (self.side > 0)], state[on & (self.side < 0)]
        if min(len(right), len(left)) >= self.least:
            self.between = right.mean(0) - left.mean(0)

    def altered(self, way: str, state: Tensor, held: Tensor, first: bool) -> Tensor:
        """The states (episodes, k) of a block after the alteration; `held` are those of its first step."""
        if way == "kept at zero" or (way == "zeroed once" and first):
            return torch.zeros_like(state)
        if way == "held still":
            return held
        if way == "negated once" and first:
            return -state
        if way == "sides exchanged once" and first:
            return state - self.side[:, None] * self.between
        if way == "moved at random once" and first:
            return state + self.anywhere * self.between.norm()
        return state


def share(played, side: int) -> float:
    """Of the episodes with heaven at `side` (±1 m): the share that arrived there."""
    return float(played.heaven[played.side == side].mean())


def by_sight(played: Sequence, ways: Sequence[str], moment: int) -> str:
    """Of the episodes with heaven on the left: who arrived, cars that saw the sign at `moment` apart from others."""
    place = played[0].place[moment]
    left = (played[0].side < 0) & np.isfinite(place)  # and on the way
    seen = left & (SIGHT[0] <= place) & (place <= SIGHT[1])
    parts = []
    for name, part in (("sign in sight", seen), ("out of sight", left & ~seen)):
        shares = (f"{way} {each.heaven[part].mean():.0%}" for way, each in zip(ways, played, strict=True))
        parts.append(f"{name} ({part.sum()} episodes): {', '.join(shares)}" if part.any() else f"{name}: none")
    return "; ".join(parts)


def read_again(played, moment: int) -> float:
    """Of the episodes with heaven on the left: the share in which the car is in sight of the sign again after having
    been out of sight, later than `moment`."""
    gone = np.cumsum(played.place[moment:] < SIGHT[0], axis=0) > 0
    return float((gone & (played.place[moment:] >= SIGHT[0])).any(0)[played.side < 0].mean())


def altered_plot(moments: Sequence[int] = MOMENTS, episodes: int = EPISODES, seed: int = 0) -> SliderPlot:
    """The car's memory altered by sliders: paths, and how many episodes still reach heaven."""
    from course_lib import load

    settings = [("left alone", 0), *((way, moment) for way in WAYS[1:] for moment in moments)]
    found = {}
    for network in NETWORKS:
        played = play_altered(load(f"memory_car_rsac_{network.lower()}"), settings, episodes, seed)
        found |= {(network, *setting): each for setting, each in zip(settings, played, strict=True)}

    def result(network: str, way: str, moment: int):
        return found[network, way, 0 if way == "left alone" else moment]

    def draw(network: str, way: str, moment: int):
        now = result(network, way, moment)
        for side, name, colour in SIDES:
            yield Curve(f"heaven at {name}", *_paths(now, side), colour=colour)
            shares = [share(result(network, way, each), side) for each in moments]
            yield Curve(f"heaven at {name}", moments, shares, panel=1, colour=colour)
            yield Curve(f"{name}, this setting", [moment], [share(now, side)], 1, "dots", colour)
        for edge in SIGHT:
            yield Curve("the sign can be read between", (0, LAST), (edge, edge), kind="faint", colour="#b07d00")
        yield Curve("altered here", (moment, moment), (-1.1, 1.1), kind="dashes", colour="#444444")
        yield _said(now, network, way, moment)

    return SliderPlot(
        {"network": NETWORKS, "the memory is": WAYS, "at step": moments},
        [
            Panel("control step", "place of the car (m)", (0, LAST), (-1.2, 1.2), title="paths"),
            Panel("step at which it is altered", "episodes that reach heaven (share)", (-3, 83), (-0.06, 1.06)),
        ],
        draw,
        start={"network": "GRU", "the memory is": "zeroed once", "at step": START if START in moments else moments[0]},
        alt="The car's memory is altered at a step chosen by slider: its paths to heaven at +1 m or -1 m, and the "
        "share of episodes that still reach heaven, over the step at which the memory is altered.",
    )


def _paths(played, side: int, every: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Some of the paths to a side, one after the other with a gap between: steps, places."""
    steps, places = [], []
    for n in np.flatnonzero(played.side == side)[:DRAWN]:
        at = np.arange(0, len(played.place), every)
        kept = at[np.isfinite(played.place[at, n])]
        steps += [*kept, np.nan]
        places += [*played.place[kept, n], np.nan]
    return np.array(steps), np.array(places)


def _said(played, network: str, way: str, moment: int) -> str:
    """A sentence on what became of the episodes."""
    when = "" if way == "left alone" else f" at step {moment}" if way.endswith("once") else f" from step {moment} on"
    counts = [f"{name}: {int(played.heaven[played.side == side].sum())} of {(played.side == side).sum()}"
              for side, name, _ in SIDES]  # fmt: skip
    return f"{network}, {way}{when}. Episodes that reach heaven, where it is at {counts[0]}; at {counts[1]}."
