"""Objects that hear of a training: `on_start(run)`, `on_update(run)` after each iteration, `on_end(run)`."""

from __future__ import annotations

import inspect
import types
import warnings
from collections.abc import Iterable

from course_lib.errors import ArgumentError

EVENTS = ("on_start", "on_update", "on_end")
_ACCEPTED = f"objects with any of {', '.join(f'{event}(run)' for event in EVENTS)}"


def check_callbacks(callbacks) -> list:
    """`callbacks` as a list, raising where one would never be called."""
    if not isinstance(callbacks, Iterable):
        raise ArgumentError(f"callbacks={callbacks!r:.80} is not accepted; it must be a tuple of {_ACCEPTED}")
    callbacks = list(callbacks)
    for callback in callbacks:
        if not any(_hears(callback, event) for event in EVENTS):
            raise ArgumentError(
                f"callbacks={callback!r:.80} is not accepted, as nothing would call it; accepted: {_ACCEPTED}"
            )
    return callbacks


def _hears(callback, event: str) -> bool:
    if isinstance(callback, type) and isinstance(inspect.getattr_static(callback, event, None), types.FunctionType):
        return False  # the class in place of an instance: `run` would be taken for `self`
    return callable(getattr(callback, event, None))


def notify(callbacks, event: str, subject) -> None:
    """Call the method named `event` ("on_update", …) of every callback that has it."""
    for callback in callbacks:
        if hasattr(callback, event):
            getattr(callback, event)(subject)


def notify_end(callbacks, run) -> None:
    """Call `on_end` of every callback. The training is over: an error in one is a warning, and Ctrl-C ends only that
    one, because the caller must get the run and the others must close their files."""
    for callback in callbacks:
        try:
            notify((callback,), "on_end", run)
        except KeyboardInterrupt:
            run.interrupted = run.interrupted or "stopped by the user"
        except Exception as error:
            warnings.warn(
                f"{type(callback).__name__}.on_end failed, and the run is whole: {type(error).__name__}: {error}",
                stacklevel=5,
            )
