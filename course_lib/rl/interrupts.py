"""Ctrl-C, or ■ in a notebook, while an agent is trained."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


class Interrupts:
    """While active, Ctrl-C or ■ asks to stop after the iteration in hand; a second one stops at once.

    Attributes:
        asked: whether to stop.
    """

    def __init__(self):
        self.asked, self._held = False, False

    def __enter__(self):
        self._old = None
        if threading.current_thread() is threading.main_thread():
            self._old = signal.signal(signal.SIGINT, self._handle)
        return self

    def _handle(self, number, frame):
        if self.asked and not self._held:
            self._held = True  # who stops at once does so once; what is done about it must not be stopped, too
            raise KeyboardInterrupt
        self.asked = True

    def hold(self) -> None:
        """From now on further ones are only noted."""
        self._held = True

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Inside the `with` block they are only noted: a checkpoint is written to its end."""
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before

    def __exit__(self, *exc):
        if self._old is not None:
            signal.signal(signal.SIGINT, self._old)
