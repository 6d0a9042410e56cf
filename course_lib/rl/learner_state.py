"""What a learner of the off-policy family saves, with memory or without."""

from __future__ import annotations

import torch
from torch import Tensor


class LearnerState:
    """`state_dict` and `load_state_dict` of a learner with actor, critics, their targets and optimisers."""

    def _parts(self) -> dict:
        parts = {"policy": self.actor, "critics": self.critics, "target_critics": self.target_critics.module}
        if self.target_actor is not None:
            parts["target_actor"] = self.target_actor.module
        return parts | {"actor_adam": self.actor_optimizer, "critic_adam": self.critic_optimizer}

    def state_dict(self) -> dict[str, Tensor]:
        """Networks, targets, moments of Adam, log α, the count of updates."""
        tensors = {f"{name}.{k}": v for name, part in self._parts().items() for k, v in part.state_dict().items()}
        if self.log_temperature is not None:
            tensors["log_temperature"] = self.log_temperature.detach()
        return tensors | {"updates": torch.tensor(self.updates)}

    def load_state_dict(self, tensors: dict[str, Tensor]) -> None:
        """Back to what `state_dict` gave."""
        for name, part in self._parts().items():
            mark = f"{name}."
            part.load_state_dict({k.removeprefix(mark): v for k, v in tensors.items() if k.startswith(mark)})
        if self.log_temperature is not None:
            self.log_temperature.data.copy_(tensors["log_temperature"])
        self.updates = int(tensors["updates"])
