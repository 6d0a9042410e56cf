"""What all configs have in common: fields that are checked, settings to begin with on some tasks, changes by name."""

from __future__ import annotations

from collections.abc import Mapping

from course_lib.errors import check_fields
from course_lib.policies.saved import nested
from course_lib.rl.tuned import TUNED


class Config:
    """Hyperparameters of an algorithm. Subclasses are dataclasses whose annotations say what a field accepts."""

    def __post_init__(self):
        check_fields(self)

    @classmethod
    def recommended(cls, env_id: str, **changes):
        """The settings found to work best here on `env_id` (the defaults where none were sought), with `changes`.

        Of a `cell` or a `plan` given as a dict or a name, the other fields stay as found.
        """
        known = TUNED.get(env_id.removeprefix("course/"), {}) if isinstance(env_id, str) else {}
        tuned = known.get(cls.__name__, {})
        return cls(**{**tuned, **{name: _merged(tuned.get(name), change) for name, change in changes.items()}})

    @classmethod
    def from_dict(cls, facts: Mapping):
        """A config from what `dataclasses.asdict` gave, today or in an older version."""
        return cls(**nested(dict(facts)))


def _merged(tuned, change):
    if not isinstance(tuned, dict) or not isinstance(change, (str, dict)):
        return change
    return {**tuned, **({"name": change} if isinstance(change, str) else change)}
