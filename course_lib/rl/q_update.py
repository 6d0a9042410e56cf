"""An update of DDPG, TD3 or SAC in one call of C: `q_update.c`.

Between its matrix products torch spends a third of the time on a hundred small operations. Results agree with what
`QLearner` does in torch to rounding, which a test holds against each other. `COURSE_NATIVE=0` keeps to torch.
"""

from __future__ import annotations

import ctypes
import math
import time
from pathlib import Path

import torch
from torch import Tensor

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
    """What C keeps of a config: fields that may be changed between two updates."""
    c = learner.config
    return dict(
        stochastic=c.stochastic, entropy=bool(c.temperature), smoothing=bool(c.smoothing),
        first=c.actor_critic == "first", gamma=learner.gamma, tau=c.tau, sd=c.smoothing, clip=c.smoothing_clip,
        target_entropy=learner.target_entropy,
    )  # fmt: skip


class Update:
    """The updates of one `QLearner`, for batches of one size."""

    def __init__(self, learner, batch: int):
        self.learner, self.batch, self.pace = learner, batch, Pace()
        self.library, self.handle = PROGRAM.library(), None
        if self.library is None:
            return
        c, numbers, self.made_with = learner.config, self._numbers(), _constants(learner)
        self.kept = (INT * max(len(c.hidden), 1))(*c.hidden)
        setting = _Setting(
            obs=learner.actor.obs_dim, act=learner.act_dim, batch=batch, critics=c.critics, hidden=len(c.hidden),
            widths=ctypes.addressof(self.kept), learned=c.learn_temperature, eps=learner.critic_optimizer.eps,
            **self.made_with,
            **{name: None if tensor is None else tensor.data_ptr() for name, tensor in numbers.items()},
        )  # fmt: skip
        self.handle = self.library.q_begin(ctypes.byref(setting))

    def _numbers(self) -> dict[str, Tensor | None]:
        """Where the numbers lie that C reads and moves."""
        it = self.learner
        adam, last = it.actor_optimizer, len(it.actor_optimizer.params) - 1  # log α comes first, where it is learned
        found = {
            "actor": it.actor.network.flat, "critic": it.critics.flat, "actor_first": adam.first[last],
            "actor_second": adam.second[last], "critic_first": it.critic_optimizer.first[0],
            "critic_second": it.critic_optimizer.second[0], "next_actor": it._acting_next().network.flat,
            "target_critic": it.target_critics.module.flat,
            "target_actor": None if it.target_actor is None else it.target_actor.module.network.flat,
            "log_temperature": it.log_temperature,
        }  # fmt: skip
        learned = it.config.learn_temperature
        return found | {f"temperature_{m}": getattr(adam, m)[0] if learned else None for m in ("first", "second")}

    @staticmethod
    def fits(learner) -> bool:
        """Whether C can do what this learner needs."""
        c, actor = learner.config, learner.actor
        plain = type(actor) in (DeterministicActor, SquashedActor) and not actor.normalizer.enabled
        # A policy to start from may have other widths than the config, which its critics have.
        alike = actor.network.sizes[:-1] == [actor.obs_dim, *c.hidden]
        flats = [actor.network.flat, learner.critics.flat]
        here = all(f.dtype == torch.float32 and f.is_cpu and f.is_contiguous() for f in flats)
        factors = c.products == "float32" or not bfloat16_is_fast()
        return plain and alike and here and factors and c.max_grad_norm == math.inf and len(c.hidden) < MOST_LAYERS

    def is_for(self, batch: int) -> bool:
        """Whether batches of this size are meant, and nothing that C keeps was changed since."""
        return batch == self.batch and self.made_with == _constants(self.learner)

    def ready(self, batch: Batch) -> bool:
        """Whether there is memory for it, and the batch lies as rows of the buffer do."""
        return self.handle is not None and self._is_row(batch)

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
