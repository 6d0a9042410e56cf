"""What all configs share: fields that are checked, recommended settings for some tasks, and changes by name."""

from __future__ import annotations

from collections.abc import Mapping

from course_lib.errors import check_fields, check_known
from course_lib.policies.saved import nested
from course_lib.rl.tuned import TUNED


class Config:
    """Hyperparameters of an algorithm. Subclasses are dataclasses whose annotations say what a field accepts."""

    def __post_init__(self):
        self.check()

    def __setattr__(self, name: str, value: object) -> None:
        check_known(self, name)
        super().__setattr__(name, value)

    def check(self) -> None:
        """Raise unless every field is accepted, alone and beside the others. An agent asks again before it is built."""
        check_fields(self)
        self.check_together()

    def check_together(self) -> None:
        """Raise where fields exclude each other. Each of them is accepted by then."""

    @classmethod
    def recommended(cls, env_id: str, **changes):
        """The settings that worked best here on `env_id` (for a task that was not tuned, the defaults), with `changes`.

        If you give a `cell` or a `plan` as a dict or a name, its other fields keep their recommended values.
        """
        known = TUNED.get(env_id.removeprefix("course/"), {}) if isinstance(env_id, str) else {}
        tuned = known.get(cls.__name__, {})
        return cls(**{**tuned, **{name: _merged(tuned.get(name), change) for name, change in changes.items()}})

    @classmethod
    def from_dict(cls, facts: Mapping):
        """A config from the dict that `dataclasses.asdict` returned, in this version or an older one."""
        return cls(**nested(dict(facts)))


def _merged(tuned, change):
    if not isinstance(tuned, dict) or not isinstance(change, (str, dict)):
        return change
    return {**tuned, **({"name": change} if isinstance(change, str) else change)}
