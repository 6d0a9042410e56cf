"""The learning of RDPG, RTD3 and RSAC: `q_learner` with summaries in place of observations, by autograd."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from course_lib.nets.ensemble import Ensemble, products
from course_lib.nets.summarizers import Summarizer, warmed
from course_lib.policies.actors import RecurrentActor
from course_lib.rl.fused_adam import FusedAdam
from course_lib.rl.learner_state import LearnerState
from course_lib.rl.q_losses import actor_loss, critic_loss, masked_mean, smooth, td_target, temperature_loss
from course_lib.rl.recurrent_config import RDPGConfig
from course_lib.rl.sequence_replay import Sequences
from course_lib.rl.targets import Target


class Critics(nn.Module):
    """Q networks on summaries: each group has a summarizer, and heads that all read it.

    Args:
        summarizers: one for each group. heads: Q networks in each group.
        act_dim, hidden: width of the action, of the ReLU layers.
    """

    def __init__(self, summarizers: list[Summarizer], heads: int, act_dim: int, hidden: tuple[int, ...]):
        super().__init__()
        self.summarizers = nn.ModuleList(summarizers)
        self.heads = nn.ModuleList(Ensemble(heads, [s.width + act_dim, *hidden, 1]) for s in summarizers)

    def summaries(self, x: Tensor, b: Sequences, states: list[Tensor], first: bool = False) -> list[Tensor]:
        """x (T + 1, B, inputs), states before it -> of each group (or the first alone) (T + 1 - burn-in, B, width)."""
        groups = list(zip(self.summarizers, states, strict=True))[: 1 if first else None]
        return [warmed(s, x, b.starts, state, b.burn_in) for s, state in groups]

    def forward(self, summaries: list[Tensor], action: Tensor, fixed: bool = False, first: bool = False) -> Tensor:
        """Summaries (T, B, width) of the groups, action (T, B, act) -> Q (E, T, B); see `Ensemble.forward`."""
        groups = list(zip(self.heads, summaries, strict=not first))[: 1 if first else None]
        q = [head(torch.cat([h, action], dim=-1), fixed=fixed, first=first) for head, h in groups]
        return (q[0] if len(q) == 1 else torch.cat(q)).squeeze(-1)


class RecurrentLearner(LearnerState):
    """Improves `actor`, in place, from batches of sequences. Attributes: see `QLearner`.

    The memory of all the summarizers is one tensor (n, memory_dim): the actor's, then that of each group of critics
    (that of the actor alone where the summarizer is shared).
    """

    def __init__(self, actor: RecurrentActor, config: RDPGConfig):
        self.actor, self.config, self.act_dim, c = actor, config, actor.act_dim, config
        self.gamma = c.gamma
        self.shared = c.summarizers == "shared"
        groups, heads = (c.critics, 1) if c.summarizers == "separate" else (1, c.critics)
        inputs = actor.summarizer.inputs
        own = [actor.summarizer] if self.shared else [Summarizer(inputs, actor.settings["cell"]) for _ in range(groups)]
        self.critics = Critics(own, heads, self.act_dim, c.hidden)
        self.log_temperature = torch.tensor(float(c.temperature)).log() if c.temperature else None
        trained = nn.Module()
        if c.learn_temperature:
            trained.log_temperature = self.log_temperature = nn.Parameter(self.log_temperature)
        trained.network = actor.network
        if not self.shared:
            trained.summarizer = actor.summarizer
        self.actor_optimizer = FusedAdam(trained, c.learning_rate, max_grad_norm=c.max_grad_norm)
        self.critic_optimizer = FusedAdam(self.critics, c.learning_rate, max_grad_norm=c.max_grad_norm)
        self.target_critics = Target(self.critics)
        self.target_actor = Target(actor) if c.target_actor else None
        self.updates = 0
        remembering = [actor.summarizer] if self.shared else [actor.summarizer, *self.critics.summarizers]
        self.sizes = [s.state_dim for s in remembering]
        self.memory_dim = sum(self.sizes)

    @property
    def temperature(self) -> Tensor | float:
        """α, as a constant."""
        return 0.0 if self.log_temperature is None else self.log_temperature.detach().exp()

    @property
    def target_entropy(self) -> float:
        """The entropy, in nats, that a learned temperature aims at."""
        return -float(self.act_dim) if self.config.target_entropy is None else self.config.target_entropy

    # --- memory -----------------------------------------------------------------------------

    @torch.no_grad()
    def remember(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """One step of acting: x (n, inputs), memory (n, memory_dim), or narrower where only the actor's is wanted
        -> the actor's summary (n, width), next memory."""
        summary, state = self.actor.summarizer.step(x, memory[:, : self.sizes[0]])
        if self.shared or memory.shape[1] < self.memory_dim:
            return summary, state
        parts = memory.split(self.sizes, dim=1)[1:]
        others = [s.step(x, part)[1] for s, part in zip(self.critics.summarizers, parts, strict=True)]
        return summary, torch.cat([state, *others], dim=1)

    def _states(self, b: Sequences) -> tuple[Tensor, list[Tensor]]:
        """Memory before the first row: of the actor, of each group of critics."""
        memory = b.state if b.state.shape[1] else torch.zeros(b.mask.shape[1], self.memory_dim)
        actor, *critics = memory.split(self.sizes, dim=1)
        return actor, [actor] if self.shared else critics

    def inputs(self, b: Sequences) -> Tensor:
        """What summarizers see, (T + 1, B, inputs)."""
        return self.actor.inputs(self.actor.normalizer(b.observation), b.last_action, b.last_reward)

    # --- an update --------------------------------------------------------------------------

    def update(self, batch: Sequences, generator: torch.Generator, report: bool = True) -> dict[str, Tensor]:
        """One step of the critics; every `policy_delay`-th time also of the actor and log α, and all targets follow.

        Returns, if `report`, the losses, the mean Q and the mean of -log π, 0-d. `generator` draws the noise.
        """
        c, x, mask = self.config, self.inputs(batch), batch.mask[batch.burn_in :]
        with products(c.products):
            acting = self._acting(batch, x)
            target = self.target(batch, x, generator, acting)
            q, loss = self.improve_critics(batch, x, target)
            info = {"critic_loss": loss, "q_mean": masked_mean(q.mean(0), mask)} if report else {}
            self.updates += 1
            if self.updates % c.policy_delay:
                return info
            loss, log_prob = self.improve_actor(batch, x, generator, acting)
        self.target_critics.follow(c.tau)
        if self.target_actor is not None:
            self.target_actor.follow(c.tau)
        if report:
            info["actor_loss"] = loss
            info |= {} if log_prob is None else {"entropy_mean": -masked_mean(log_prob, mask)}
        return info

    def _acting(self, b: Sequences, x: Tensor) -> Tensor | None:
        """The actor's own summaries (T + 1 - burn-in, B, width), differentiable; None where an update cannot use them
        twice: where targets act with another actor, or the critics' step changes the summarizer."""
        if self.shared or self.target_actor is not None or (self.updates + 1) % self.config.policy_delay:
            return None
        return warmed(self.actor.summarizer, x, b.starts, self._states(b)[0], b.burn_in)

    @torch.no_grad()
    def target(self, b: Sequences, x: Tensor, generator: torch.Generator, acting: Tensor | None = None) -> Tensor:
        """What Q should be, (T - burn-in, B): summaries of what followed, those after a burn-in."""
        c, k = self.config, b.burn_in
        actor = self.actor if self.target_actor is None else self.target_actor.module
        state, states = self._states(b)
        summary = (warmed(actor.summarizer, x, b.starts, state, k) if acting is None else acting)[1:]
        action, log_prob = actor.unit(summary, self._noise(summary, generator) if c.stochastic else None)
        if c.smoothing:
            action = smooth(action, self._noise(summary, generator), c.smoothing, c.smoothing_clip)
        critics = self.target_critics.module
        q = critics([h[1:] for h in critics.summaries(x, b, states)], action)
        log_prob = log_prob if c.temperature else None
        return td_target(b.reward[k:], b.terminated[k:], q, self.gamma, log_prob, self.temperature)

    def improve_critics(self, b: Sequences, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """One step down `critic_loss`; target (T - burn-in, B) -> Q (E, T - burn-in, B) and the loss before it."""
        summaries = [h[:-1] for h in self.critics.summaries(x, b, self._states(b)[1])]
        q = self.critics(summaries, b.action[b.burn_in :])
        loss = critic_loss(q, target, b.mask[b.burn_in :])
        self.critic_optimizer.step(loss)
        return q.detach(), loss.detach()

    def improve_actor(
        self, b: Sequences, x: Tensor, generator: torch.Generator, acting: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """One step down `actor_loss`, and down `temperature_loss` -> the former and log π (T - burn-in, B), before."""
        c, mask, first = self.config, b.mask[b.burn_in :], self.config.actor_critic == "first"
        state, states = self._states(b)
        with torch.no_grad():  # anew: those of before the critics' step would be read by heads that they no longer fit
            summaries = [h[:-1] for h in self.critics.summaries(x, b, states, first)]
        if self.shared:
            summary = summaries[0]
        else:
            own = warmed(self.actor.summarizer, x, b.starts, state, b.burn_in) if acting is None else acting
            summary = own[:-1]
        action, log_prob = self.actor.unit(summary, self._noise(summary, generator) if c.stochastic else None)
        q = self.critics(summaries, action, fixed=True, first=first)
        loss = actor_loss(q, log_prob if c.temperature else None, self.temperature, mask)
        both = loss
        if c.learn_temperature:
            both = loss + temperature_loss(self.log_temperature, log_prob, self.target_entropy, mask)
        self.actor_optimizer.step(both)
        return loss.detach(), None if log_prob is None else log_prob.detach()

    def _noise(self, like: Tensor, generator: torch.Generator) -> Tensor:
        return torch.randn(*like.shape[:-1], self.act_dim, generator=generator)
