"""Notebook 03: how much memory autograd keeps for a backward pass."""

from __future__ import annotations

import torch
from torch import Tensor


class SavedBytes:
    """Measures what autograd keeps for backward passes inside the `with` block; `peak` in bytes.

    A tensor counts from the moment autograd saves it until the graph lets go of it, once however often it is saved;
    parameters and other leaves (they exist anyway) are left out.
    """

    def __init__(self):
        self.peak = self._now = 0
        self._users: dict[int, int] = {}

    def __enter__(self) -> SavedBytes:
        pack, unpack = (lambda tensor: _Kept(tensor, self)), (lambda kept: kept.tensor)
        self._hooks = torch.autograd.graph.saved_tensors_hooks(pack, unpack)
        self._hooks.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._hooks.__exit__(*error)

    def change(self, tensor: Tensor, users: int) -> None:
        """One user more (+1) or less (-1) of the memory of `tensor`."""
        storage = tensor.untyped_storage()
        before = self._users.get(storage.data_ptr(), 0)
        after = self._users[storage.data_ptr()] = before + users
        if (before == 0) != (after == 0):
            self._now += users * storage.nbytes()
            self.peak = max(self.peak, self._now)


class _Kept:
    """A saved tensor; Python ends its life when the graph that saved it goes."""

    def __init__(self, tensor: Tensor, meter: SavedBytes):
        self.tensor, self.meter = tensor, None if tensor.is_leaf and tensor.requires_grad else meter
        if self.meter:
            meter.change(tensor, +1)

    def __del__(self):
        if self.meter:
            self.meter.change(self.tensor, -1)
