"""A pass of PPO over a rollout in one call of C, and acting: `ppo_epoch.c`, for networks without memory.

At minibatches of 64 a gradient step takes 60 µs of arithmetic, and torch a millisecond to be told what to do. Results
agree with `PPO.loss` and `FlatAdam.step` to rounding, which a test holds against each other. `COURSE_NATIVE=0` keeps to
torch.
"""

from __future__ import annotations

import ctypes
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.errors import ArgumentError
from course_lib.machine import Pace
from course_lib.nets.compiled import Program
from course_lib.nets.dense import HEADERS, kind_of
from course_lib.policies.actor_critics import MLPActorCritic
from course_lib.rl.optim import FlatAdam
from course_lib.rl.ppo_config import PPOConfig

POINTER = ctypes.c_void_p
INPUTS = ("x", "action", "log_prob", "advantage", "target")


class _Job(ctypes.Structure):
    """`job` of ppo_epoch.c."""

    _fields_ = [
        *((name, ctypes.c_long) for name in ("batch", "minibatch")),
        *((name, ctypes.c_int) for name in ("obs", "act", "layers", "activation", "normalize", "threads")),
        *((name, POINTER) for name in ("sizes", "params", "first", "second", "order", *INPUTS)),
        *((name, ctypes.c_double) for name in ("clip", "value_coef", "entropy_coef", "lr", "eps", "max_norm")),
        ("steps", ctypes.c_long),
        *((name, POINTER) for name in ("log_ratio", "losses")),
    ]


def _declare(lib: ctypes.CDLL) -> None:
    lib.ppo_epoch.argtypes, lib.ppo_epoch.restype = [ctypes.POINTER(_Job)], ctypes.c_int
    given = [ctypes.c_int, ctypes.c_int, *[POINTER] * 4, ctypes.c_double, POINTER, POINTER]
    lib.acting_begin.argtypes, lib.acting_begin.restype = given, POINTER
    lib.acting_step.argtypes, lib.acting_step.restype = [POINTER, ctypes.c_long, *[POINTER] * 5], None
    lib.acting_end.argtypes, lib.acting_end.restype = [POINTER], None


_HERE = Path(__file__).parent
PROGRAM = Program([_HERE / "ppo_epoch.c", *(_HERE.parent / "nets" / name for name in HEADERS)], _declare)


def _alike(policy: MLPActorCritic) -> bool:
    """Whether actor and critic are plain networks of one depth and one activation, as C takes them to be."""
    kinds = {kind_of(network) for network in (policy.actor, policy.critic)}
    return len(kinds) == 1 and None not in kinds and len(policy.actor) == len(policy.critic)


def _sizes(network: nn.Sequential) -> list[int]:
    linear = [m for m in network if isinstance(m, nn.Linear)]
    return [linear[0].in_features, *(m.out_features for m in linear)]


class Acting:
    """The policy as it is now, acting for a rollout: normaliser, network, noise and bounds in one call.

    Args:
        policy, epoch: of the agent. noise (T, n, act): added to the means.
        x (T, n, obs), actions (T, n, act): where normalised observations and what is drawn go.
    """

    def __init__(self, policy: MLPActorCritic, epoch: Epoch, noise: Tensor, x: Tensor, actions: Tensor):
        self.noise, self.x, self.actions = noise.contiguous(), x, actions
        self.bounded = np.empty(actions.shape, np.float32)
        # Address of step 0 and bytes of a step: slicing tensors in every step would take longer than acting.
        given = [self.noise, x, actions, torch.from_numpy(self.bounded)]
        self.rows = [(tensor.data_ptr(), 4 * tensor[0].numel()) for tensor in given]
        normal, obs = policy.normalizer, policy.obs_dim
        on = normal.enabled
        self.kept = (  # what C points to
            (normal._mean if on else torch.zeros(obs)).contiguous(),
            (normal._scale if on else torch.ones(obs)).contiguous(),
            *(self._bound(*end) for end in ((policy.action_low, -np.inf), (policy.action_high, np.inf))),
        )
        mean, scale, low, high = (t.data_ptr() for t in self.kept)
        start = epoch.optimizer.flat.data_ptr() + 4 * epoch.act  # behind log σ
        clip = normal.clip if on else float("inf")
        self.library, self.handle = PROGRAM.library(), None
        self.handle = self.library.acting_begin(
            epoch.layers, epoch.kind, ctypes.addressof(epoch.sizes), start, mean, scale, clip, low, high
        )

    def _bound(self, given: np.ndarray | None, free: float) -> Tensor:
        """(act,): C reads one bound for each action; a policy has as many, or one for all, or none."""
        count = self.actions.shape[-1]
        return torch.from_numpy(np.broadcast_to(free if given is None else given, count).astype(np.float32))

    def __call__(self, t: int, observation: np.ndarray) -> np.ndarray:
        """Step t with observations (n, obs) -> actions (n, act) within the bounds."""
        observation = np.ascontiguousarray(observation, np.float64)
        if observation.shape != self.x.shape[1:]:
            raise ArgumentError(
                f"observations of shape {observation.shape} are not accepted; they must be {tuple(self.x.shape[1:])}"
            )
        addresses = [base + t * stride for base, stride in self.rows]
        self.library.acting_step(self.handle, len(observation), observation.ctypes.data, *addresses)
        return self.bounded[t]

    def __del__(self):
        if self.handle:
            self.library.acting_end(self.handle)


class Epoch:
    """The passes of one agent, and how it acts.

    Args:
        policy, optimizer, config: of the agent.
    """

    def __init__(self, policy: MLPActorCritic, optimizer: FlatAdam, config: PPOConfig):
        self.policy, self.optimizer, self.config, self.pace = policy, optimizer, config, Pace()
        self.shape = actor, critic = _sizes(policy.actor), _sizes(policy.critic)
        self.sizes = (ctypes.c_int * len(actor + critic))(*actor, *critic)
        self.layers, self.obs, self.act = len(actor) - 1, actor[0], len(policy.log_std)
        self.kind = kind_of(policy.actor)

    @staticmethod
    def fits(policy: nn.Module, optimizer: FlatAdam) -> bool:
        """Whether C can do what this policy needs: two plain networks, their numbers one after another in memory."""
        if type(policy) is not MLPActorCritic or type(optimizer) is not FlatAdam or not _alike(policy):
            return False
        ours, there = [policy.log_std, *policy.actor.parameters(), *policy.critic.parameters()], optimizer.params
        flat = optimizer.flat
        plain = flat.dtype == torch.float32 and flat.is_cpu and flat.is_contiguous()
        if not plain or len(ours) != len(there) or any(a is not b for a, b in zip(ours, there, strict=True)):
            return False
        actor, critic = _sizes(policy.actor), _sizes(policy.critic)
        alike = actor[0] == critic[0] and (len(policy.log_std), 1) == (actor[-1], critic[-1])
        place = flat.data_ptr()
        for p in ours:
            if p.data_ptr() != place or not p.is_contiguous():
                return False
            place += 4 * p.numel()
        return alike and place == flat.data_ptr() + 4 * flat.numel()

    def is_for(self, policy: nn.Module, optimizer: FlatAdam, config: PPOConfig) -> bool:
        """Whether nothing was replaced since this was made: neither policy, layers nor optimiser, nor their memory."""
        same = policy is self.policy and optimizer is self.optimizer and config is self.config
        if not same or not self.fits(policy, optimizer):
            return False
        return (_sizes(policy.actor), _sizes(policy.critic)) == self.shape and kind_of(policy.actor) == self.kind

    def acting(self, noise: Tensor, x: Tensor, actions: Tensor) -> Acting | None:
        """See `Acting`; None where there is no compiler."""
        if any(t.dtype != torch.float32 for t in (noise, x, actions)) or PROGRAM.library() is None:
            return None
        found = Acting(self.policy, self, noise, x, actions)
        return found if found.handle else None

    def run(self, rollout, order: Tensor, minibatch: int, entropy_coef: float) -> tuple[float, float, Tensor] | None:
        """All minibatches of `order`, int64 (B,) -> policy loss and value loss, means over the minibatches, log ρ (B,).

        rollout: a `Rollout` of single steps, each (1, B, …). entropy_coef: weight of the entropy bonus in this pass.
        None, and nothing is done, where there is no compiler.
        """
        if (library := PROGRAM.library()) is None:
            return None
        c, adam, batch = self.config, self.optimizer, order.numel()
        given = {name: getattr(rollout, name).contiguous() for name in INPUTS}
        widths = {"x": (self.obs,), "action": (self.act,)}
        for name, value in given.items():  # C checks nothing
            wanted = (1, batch, *widths.get(name, ()))
            if value.shape != wanted or value.dtype != torch.float32 or not value.is_cpu:
                raise ArgumentError(
                    f"{name} of shape {tuple(value.shape)}, {value.dtype}, is not accepted; it must be {wanted}, "
                    "torch.float32, on cpu"
                )
        order = order.contiguous()
        if order.dtype != torch.int64 or not batch or not 0 <= int(order.min()) <= int(order.max()) < batch:
            raise ArgumentError(f"order is not accepted; it must be a permutation of 0 to {batch - 1}, torch.int64")
        number = self.pace.choose()
        log_ratio, losses = torch.empty(batch, dtype=torch.float32), torch.empty(2, dtype=torch.float64)
        pointers = {name: value.data_ptr() for name, value in given.items()}
        job = _Job(
            batch=batch, minibatch=minibatch, obs=self.obs, act=self.act, layers=self.layers, activation=self.kind,
            normalize=c.normalize_advantage, threads=number, sizes=ctypes.addressof(self.sizes),
            params=adam.flat.data_ptr(), first=adam.first.data_ptr(), second=adam.second.data_ptr(),
            order=order.data_ptr(), clip=c.clip, value_coef=c.value_coef, entropy_coef=entropy_coef, lr=adam.lr,
            eps=adam.eps, max_norm=adam.max_grad_norm, steps=adam.steps, log_ratio=log_ratio.data_ptr(),
            losses=losses.data_ptr(), **pointers,
        )  # fmt: skip
        began = time.perf_counter()
        if library.ppo_epoch(ctypes.byref(job)):
            return None
        self.pace.took(number, time.perf_counter() - began)
        minibatches = -(-batch // minibatch)
        adam.steps += minibatches
        return float(losses[0]) / minibatches, float(losses[1]) / minibatches, log_ratio
