"""Pictures: learning curves, live plots, videos. Names are imported when they are first used."""

import importlib

_PLACES = {
    "compare": "curves",
    "learning_curve": "curves",
    "bars": "curves",
    "prediction_overlay": "curves",
    "style": "curves",
    "show": "video",
    "render": "video",
    "montage": "video",
    "save_video": "video",
    "rollout_states": "video",
}
__all__ = [*_PLACES]


def __getattr__(name: str):
    if name not in _PLACES:
        raise AttributeError(f"course_lib.viz has no {name!r}; it has: {', '.join(_PLACES)}")
    value = getattr(importlib.import_module(f"course_lib.viz.{_PLACES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *_PLACES])
