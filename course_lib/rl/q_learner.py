"""The learning of DDPG, TD3 and SAC: one update of critics, actor, temperature and targets.

The losses are those of `q_losses`. Their gradients are written out here, a line each, because autograd's bookkeeping
would take a quarter as long as the matrix products; a test holds both together.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from course_lib.nets.ensemble import Ensemble, Pass, products
from course_lib.policies.actors import Actor
from course_lib.rl.fused_adam import FusedAdam
from course_lib.rl.learner_state import LearnerState
from course_lib.rl.offpolicy_config import DDPGConfig
from course_lib.rl.q_losses import actor_loss, critic_loss, least, smooth, td_target
from course_lib.rl.q_update import PROGRAM, Update
from course_lib.rl.replay import Batch
from course_lib.rl.targets import Target


class QLearner(LearnerState):
    """Improves `actor`, in place, from batches of transitions.

    Args:
        actor: the policy. config: hyperparameters.

    Attributes:
        gamma: discount of a step: the config's, or another where the agent's control steps are longer or shorter.
        critics: the ensemble of Q networks.
        target_critics, target_actor: slow copies, `Target`; the latter None where targets use the actor itself.
        log_temperature: log α, 0-d, or None without entropy.
        updates: critic updates made.
    """

    def __init__(self, actor: Actor, config: DDPGConfig):
        self.actor, self.config, c, self.gamma = actor, config, config, config.gamma
        obs_dim, self.act_dim = actor.obs_dim, actor.act_dim
        self.critics = Ensemble(c.critics, [obs_dim + self.act_dim, *c.hidden, 1])
        self.log_temperature = torch.tensor(float(c.temperature)).log() if c.temperature else None
        trained = nn.Module()  # one optimiser for both, as Adam moves each number by itself
        if c.learn_temperature:
            trained.log_temperature = self.log_temperature = nn.Parameter(self.log_temperature)
        trained.network = actor.network
        self.actor_optimizer = FusedAdam(trained, c.learning_rate, max_grad_norm=c.max_grad_norm)
        self.critic_optimizer = FusedAdam(self.critics, c.learning_rate, max_grad_norm=c.max_grad_norm)
        self.target_critics = Target(self.critics)
        self.target_actor = Target(actor) if c.target_actor else None
        self.updates = 0
        memory: dict = {}  # no two of these are under way at once but the actor's and the critics'
        self._critics = Pass(self.critics, memory)
        self._target_critics = Pass(self.target_critics.module, memory)
        self._actor = Pass(actor.network)
        self._next_actor = Pass(self._acting_next().network, self._actor.memory)
        self._update: Update | None = None

    def _acting_next(self) -> Actor:
        return self.actor if self.target_actor is None else self.target_actor.module

    @property
    def temperature(self) -> Tensor | float:
        """α, as a constant."""
        return 0.0 if self.log_temperature is None else self.log_temperature.detach().exp()

    @property
    def target_entropy(self) -> float:
        """The entropy, in nats, that a learned temperature aims at."""
        return -float(self.act_dim) if self.config.target_entropy is None else self.config.target_entropy

    @torch.inference_mode()
    def update(self, batch: Batch, generator: torch.Generator, report: bool = True) -> dict[str, Tensor]:
        """One step of the critics; every `policy_delay`-th time also of the actor and log α, and all targets follow.

        Returns, if `report`, the losses, the mean Q and the mean of -log π, 0-d. `generator` draws the noise.
        """
        c = self.config
        if (done := self._in_c(batch, generator)) is not None:
            return done if report else {}
        x, x_next, x_action = self._inputs(batch)
        with products(c.products):
            target = self.target(batch, x_next, generator)
            q = self.improve_critics(x_action, target)
            info = {"critic_loss": critic_loss(q, target), "q_mean": q.mean()} if report else {}
            self.updates += 1
            if self.updates % c.policy_delay:
                return info
            q, log_prob = self.improve_actor(x, self._noise(x, generator) if c.stochastic else None)
        self.target_critics.follow(c.tau)
        if self.target_actor is not None:
            self.target_actor.follow(c.tau)
        if report:
            info["actor_loss"] = actor_loss(q, log_prob if c.temperature else None, self.temperature)
            info |= {} if log_prob is None else {"entropy_mean": -log_prob.mean()}
        return info

    def _in_c(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor] | None:
        """The whole update in one call of C, where there is one for this learner; else None, and nothing is done."""
        c, size = self.config, len(batch.reward)
        if type(self) is not QLearner or PROGRAM.library() is None:
            return None
        if self._update is None or not self._update.is_for(size):
            self._update = Update(self, size)
        climbs, like = (self.updates + 1) % c.policy_delay == 0, batch.observation
        if not self._update.ready(batch):
            return None
        # Drawn in the order of the lines below.
        noise = [self._noise(like, generator) if wanted else None
                 for wanted in (c.stochastic, c.smoothing, c.stochastic and climbs)]  # fmt: skip
        told = self._update.run(batch, noise, climbs, self.critic_optimizer.lr)
        self.updates += 1
        names = ("critic_loss", "q_mean", "actor_loss", "entropy_mean")[: 2 + climbs + (climbs and c.stochastic)]
        return {name: torch.tensor(value) for name, value in zip(names, told, strict=False)}

    def target(self, batch: Batch, x_next: Tensor, generator: torch.Generator) -> Tensor:
        """What Q should be, (B,); x_next (B, obs) are the normalised next observations."""
        c, noise = self.config, self._noise(x_next, generator) if self.config.stochastic else None
        action, log_prob = self._acting_next().forward(self._next_actor, x_next, noise)
        if c.smoothing:
            action = smooth(action, self._noise(x_next, generator), c.smoothing, c.smoothing_clip)
        q = self._target_critics.forward(torch.cat([x_next, action], dim=-1)).squeeze(-1)
        log_prob = log_prob if c.temperature else None
        return td_target(batch.reward, batch.terminated, q, self.gamma, log_prob, self.temperature)

    def improve_critics(self, x_action: Tensor, target: Tensor) -> Tensor:
        """One step down `critic_loss`; x_action (B, obs + act), target (B,) -> Q before it (E, B)."""
        q = self._critics.forward(x_action).squeeze(-1)
        d_q = (q - target).div_(len(target))  # of Σ_e ½ E[(Q_e - target)²]
        self.critic_optimizer.apply([self._critics.backward(d_q.unsqueeze(-1))[0]])
        return q

    def improve_actor(self, x: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """One step down `actor_loss`, and down `temperature_loss`; x (B, obs) normalised, noise (B, act)
        -> Q of the actor's actions (E, B) and their log π (B,), before it."""
        c, temperature = self.config, torch.as_tensor(self.temperature)
        action, log_prob = self.actor.forward(self._actor, x, noise)
        q = self._critics.forward(torch.cat([x, action], dim=-1), first=c.actor_critic == "first").squeeze(-1)
        d_q = (q == least(q)).to(q.dtype).div_(-len(x))  # of E[α log π - min_e Q_e]
        _, d_action = self._critics.backward(d_q.unsqueeze(-1), wanted=False, wanted_x=self.act_dim)
        grads = [self.actor.backward(self._actor, d_action, temperature / len(x))]
        if c.learn_temperature:
            grads.insert(0, -(log_prob.mean() + self.target_entropy))  # of -log α E[log π + target entropy]
        self.actor_optimizer.apply(grads)
        return q, log_prob

    def _noise(self, like: Tensor, generator: torch.Generator) -> Tensor:
        return torch.randn(len(like), self.act_dim, generator=generator, dtype=torch.float32)

    def _inputs(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised observation, next observation, and observation beside action."""
        if not self.actor.normalizer.enabled:  # as in acting; a policy to start from may do otherwise than the config
            return batch.observation, batch.next_observation, batch.observation_action
        x, x_next = self.actor.normalizer(batch.observation), self.actor.normalizer(batch.next_observation)
        return x, x_next, torch.cat([x, batch.action], dim=-1)
