"""An update of DDPG, TD3 or SAC in one call of C: `q_update.c`.

Between its matrix products torch spends a third of the time on a hundred small operations. Results agree with what
`QLearner` does in torch to rounding, which a test holds against each other. `COURSE_NATIVE=0` keeps to torch.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from course_lib.machine import Pace
from course_lib.nets.compiled import Program
from course_lib.nets.dense import HEADERS, MOST_LAYERS
from course_lib.nets.ensemble import bfloat16_is_fast
from course_lib.policies.actors import DeterministicActor, SquashedActor
from course_lib.rl.replay import Batch

INT, LONG, DOUBLE, POINTER = ctypes.c_int, ctypes.c_long, ctypes.c_double, ctypes.c_void_p
WEIGHTS = ("actor", "critic", "actor_first", "actor_second", "critic_first", "critic_second")
WEIGHTS += ("next_actor", "target_critic", "target_actor", "log_temperature", "temperature_first", "temperature_second")


class _Setting(ctypes.Structure):
    """`setting` of q_update.c."""

    _fields_ = [
        *((name, INT) for name in ("obs", "act", "batch", "critics", "hidden")),
        ("widths", POINTER),
        *((name, INT) for name in ("stochastic", "entropy", "learned", "smoothing", "first")),
        *((name, POINTER) for name in WEIGHTS),
        *((name, DOUBLE) for name in ("gamma", "tau", "eps", "sd", "clip", "target_entropy")),
    ]


class _Call(ctypes.Structure):
    """`call` of q_update.c."""

    _fields_ = [
        ("rows", POINTER),
        *((name, LONG) for name in ("width", "critic_steps", "actor_steps")),
        ("noise", POINTER * 3),
        ("improve_actor", INT),
        ("threads", INT),
        ("lr", DOUBLE),
        ("told", DOUBLE * 4),
    ]


def _declare(lib: ctypes.CDLL) -> None:
    lib.q_begin.argtypes, lib.q_begin.restype = [ctypes.POINTER(_Setting)], POINTER
    lib.q_update.argtypes, lib.q_update.restype = [POINTER, ctypes.POINTER(_Call)], None
    lib.q_end.argtypes, lib.q_end.restype = [POINTER], None


_HERE = Path(__file__).parent
_NETS = _HERE.parent / "nets"
PROGRAM = Program([_HERE / "q_update.c", *(_NETS / name for name in HEADERS)], _declare)


def _constants(learner) -> dict[str, float | bool]:
    """What C keeps of a learner but addresses and sizes: fields that may be changed between two updates."""
    c = learner.config
    return dict(
        stochastic=c.stochastic, entropy=bool(c.temperature) and learner.log_temperature is not None,
        learned=isinstance(learner.log_temperature, nn.Parameter), smoothing=bool(c.smoothing),
        first=c.actor_critic == "first", gamma=learner.gamma, tau=c.tau, eps=learner.critic_optimizer.eps,
        sd=c.smoothing, clip=c.smoothing_clip, target_entropy=learner.target_entropy,
    )  # fmt: skip


def _count(sizes) -> int:
    """Numbers in one network."""
    return sum((a + 1) * b for a, b in itertools.pairwise(sizes))


class Update:
    """The updates of one `QLearner`, for batches of one size."""

    def __init__(self, learner, batch: int):
        self.learner, self.batch, self.pace = learner, batch, Pace()
        self.library, self.handle, self.made_with = PROGRAM.library(), None, self._state()
        if self.library is None or not self.fits(learner):
            return
        widths = learner.critics.sizes[1:-1]
        self.kept = (INT * max(len(widths), 1))(*widths)
        setting = _Setting(
            obs=learner.actor.obs_dim, act=learner.act_dim, batch=batch, critics=learner.critics.members,
            hidden=len(widths), widths=ctypes.addressof(self.kept), **_constants(learner), **self._addresses(),
        )  # fmt: skip
        self.handle = self.library.q_begin(ctypes.byref(setting))

    @staticmethod
    def _numbers(it) -> dict[str, Tensor | None]:
        """Where the numbers of a learner lie that C reads and moves."""
        adam, last = it.actor_optimizer, len(it.actor_optimizer.params) - 1  # log α comes first, where it is learned
        found = {
            "actor": it.actor.network.flat, "critic": it.critics.flat, "actor_first": adam.first[last],
            "actor_second": adam.second[last], "critic_first": it.critic_optimizer.first[0],
            "critic_second": it.critic_optimizer.second[0], "next_actor": it._acting_next().network.flat,
            "target_critic": it.target_critics.module.flat,
            "target_actor": None if it.target_actor is None else it.target_actor.module.network.flat,
            "log_temperature": it.log_temperature,
        }  # fmt: skip
        learned = isinstance(it.log_temperature, nn.Parameter)
        return found | {f"temperature_{m}": getattr(adam, m)[0] if learned else None for m in ("first", "second")}

    def _addresses(self) -> dict[str, int | None]:
        return {
            name: None if tensor is None else tensor.data_ptr() for name, tensor in self._numbers(self.learner).items()
        }

    def _state(self) -> tuple:
        """All that `__init__` and `fits` go by and that may be changed between two updates, or moved in memory."""
        it, c = self.learner, self.learner.config
        norms = it.actor_optimizer.max_grad_norm, it.critic_optimizer.max_grad_norm, it.actor_optimizer.eps
        sizes = tuple(it.actor.network.sizes), tuple(it.critics.sizes), it.critics.members
        return _constants(it), self._addresses(), norms, sizes, it.actor.normalizer.enabled, c.products

    @staticmethod
    def fits(learner) -> bool:
        """Whether C can do what this learner needs."""
        actor, critics, optimizers = learner.actor, learner.critics, (learner.actor_optimizer, learner.critic_optimizer)
        kind = SquashedActor if learner.config.stochastic else DeterministicActor
        plain = type(actor) is kind and not actor.normalizer.enabled
        # A policy to start from may have other widths than the critics.
        obs, act, widths = actor.obs_dim, learner.act_dim, critics.sizes[1:-1]
        alike = list(actor.network.sizes) == [obs, *widths, actor.outputs * act]
        alike = alike and critics.sizes[0] == obs + act and len(widths) < MOST_LAYERS
        numbers = {name: t for name, t in Update._numbers(learner).items() if t is not None}
        here = all(t.dtype == torch.float32 and t.is_cpu and t.is_contiguous() for t in numbers.values())
        counts = {"actor": actor.network, "critic": critics}
        fit = all(len(t) == len(counts[part].flat) for name, t in numbers.items() for part in counts if part in name)
        fit = fit and all(len(n.flat) == n.members * _count(n.sizes) for n in counts.values())
        factors = learner.config.products == "float32" or not bfloat16_is_fast()
        steps = all(o.max_grad_norm == math.inf and o.eps == optimizers[0].eps for o in optimizers)
        return plain and alike and here and fit and factors and steps

    def is_for(self, batch: int) -> bool:
        """Whether batches of this size are meant, and nothing that C keeps was changed or moved since."""
        return batch == self.batch and self.made_with == self._state()

    def ready(self, batch: Batch) -> bool:
        """Whether there is memory for it, the batch lies as rows of the buffer do, and both step sizes are one."""
        alike = self.learner.actor_optimizer.lr == self.learner.critic_optimizer.lr
        return self.handle is not None and alike and self._is_row(batch)

    def run(self, batch: Batch, noise: list[Tensor | None], improve_actor: bool, rate: float) -> list[float]:
        """One update on a batch that is `ready` -> critic loss, mean Q, actor loss, mean of -log π.

        noise: for the next action, its smoothing, the action, each (B, act) or None.
        """
        rows, it = batch.observation, self.learner
        noise = [None if e is None else e.contiguous() for e in noise]
        addresses = (POINTER * 3)(*(e if e is None else e.data_ptr() for e in noise))
        number, began = self.pace.choose(), time.perf_counter()
        it.critic_optimizer.steps += 1
        it.actor_optimizer.steps += improve_actor
        call = _Call(
            rows=rows.data_ptr(), width=rows.stride(0), critic_steps=it.critic_optimizer.steps,
            actor_steps=it.actor_optimizer.steps, noise=addresses,
            improve_actor=improve_actor, threads=number, lr=rate,
        )  # fmt: skip
        self.library.q_update(self.handle, ctypes.byref(call))
        self.pace.took(number, time.perf_counter() - began)
        return list(call.told)

    def _is_row(self, batch: Batch) -> bool:
        """Whether the parts lie in memory as the buffer has them."""
        o, a = self.learner.actor.obs_dim, self.learner.act_dim
        start, at = batch.observation.data_ptr(), 2 * o + a
        parts = {"action": o, "next_observation": o + a, "reward": at, "terminated": at + 1}
        shapes = {"observation": (o,), "action": (a,), "next_observation": (o,), "reward": (), "terminated": ()}
        return (
            all(getattr(batch, name).data_ptr() == start + 4 * place for name, place in parts.items())
            and all(getattr(batch, name).shape == (self.batch, *shape) for name, shape in shapes.items())
            and len({getattr(batch, name).stride(0) for name in shapes}) == 1
            and batch.observation.dtype == torch.float32
        )

    def __del__(self):
        if getattr(self, "handle", None):
            self.library.q_end(self.handle)

    def __reduce__(self):
        return type(None), ()  # a copy of a learner makes its own
