"""Wirings: which synapses a cell has. Full, random sparse, and neural circuit policies (NCP). Numpy only.

Masks are [to, from]: `recurrent[i, j] = 1` means that neuron j drives neuron i. Motor neurons come last.

If no input can reach a motor neuron, training would silently end in a constant action. Such a wiring is refused, never
repaired: a repaired wiring is no longer a random one with the density you asked for. `random(…, attempts=n)` draws
whole wirings until one passes, so every passing wiring is equally likely. The type and its three makers are in one file
because each maker relies on what the type checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from course_lib.errors import ArgumentError, check_count

ROLES = ("inter", "command", "motor")
_SYMBOLS = {"-": -1.0, "0": 0.0, "+": 1.0}


@dataclass(frozen=True, eq=False, repr=False)
class Wiring:
    """The synapses of a cell with n neurons.

    Args:
        recurrent: (n, n) mask of 0 and 1, [to, from].
        sensory: (n, inputs) mask of 0 and 1, [to, from].
        recurrent_sign, sensory_sign: polarity of each synapse, +1 (excitatory) or -1; 0 where there is none.
            None: all excitatory.
        motor: indices of the neurons that drive the actions; None: the last one.
        roles: "inter", "command" or "motor" for each neuron; None: "motor" for the motor neurons, else "inter".
        name: for titles and messages.

    Raises:
        ArgumentError: shapes that disagree, or entries other than those above. Reachability is left to `check`,
            so you can make a broken wiring and look at it.
    """

    recurrent: np.ndarray
    sensory: np.ndarray
    recurrent_sign: np.ndarray | None = None
    sensory_sign: np.ndarray | None = None
    motor: Sequence[int] | None = None
    roles: Sequence[str] | None = None
    name: str = "custom"

    def __post_init__(self):
        recurrent, sensory = _matrix("recurrent", self.recurrent), _matrix("sensory", self.sensory)
        n = len(recurrent)
        if recurrent.shape != (n, n) or n == 0:
            raise ArgumentError(f"recurrent has shape {recurrent.shape}; it must be (neurons, neurons), [to, from]")
        if len(sensory) != n or sensory.shape[1] == 0:
            raise ArgumentError(f"sensory has shape {sensory.shape}; it must be ({n}, inputs), [to, from]")
        motor = [n - 1] if self.motor is None else np.ravel(self.motor).tolist()
        motor = tuple(check_count("motor", m, 0) for m in motor)
        if not motor or len(set(motor)) < len(motor) or max(motor) >= n:
            raise ArgumentError(f"motor={motor} is not accepted; it must name different neurons from 0 to {n - 1}")
        roles = self.roles
        roles = tuple("motor" if i in motor else "inter" for i in range(n)) if roles is None else tuple(roles)
        if len(roles) != n or not all(role in ROLES for role in roles):
            raise ArgumentError(f"roles={roles!r} is not accepted; it must name one of {ROLES} for each of {n} neurons")
        settled = dict(recurrent=recurrent, sensory=sensory, motor=motor, roles=roles, name=str(self.name))
        settled["recurrent_sign"] = _signed("recurrent", recurrent, self.recurrent_sign)
        settled["sensory_sign"] = _signed("sensory", sensory, self.sensory_sign)
        for field, value in settled.items():
            object.__setattr__(self, field, value)

    @property
    def neurons(self) -> int:
        return len(self.recurrent)

    @property
    def inputs(self) -> int:
        return self.sensory.shape[1]

    @property
    def synapses(self) -> int:
        """Sensory and recurrent synapses together."""
        return int(self.recurrent.sum() + self.sensory.sum())

    @property
    def density(self) -> float:
        """Share of the possible synapses that exist, in (0, 1]."""
        return self.synapses / (self.recurrent.size + self.sensory.size)

    def __repr__(self) -> str:
        return (
            f"Wiring({self.name}: {self.inputs} inputs, {self.neurons} neurons, {self.synapses} synapses "
            f"({int(self.sensory.sum())} sensory, {int(self.recurrent.sum())} recurrent), density {self.density:.0%})"
        )

    @property
    def sign(self) -> tuple[np.ndarray, np.ndarray]:
        """Polarities of the recurrent and of the sensory synapses: +1, -1, and 0 where there is none."""
        return self.recurrent_sign, self.sensory_sign

    def __eq__(self, other) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, Wiring) else NotImplemented

    __hash__ = None  # arrays can change

    def reached(self) -> np.ndarray:
        """(neurons,) bool: whether some input drives the neuron, directly or through others."""
        return _closure(self.recurrent, self.sensory.any(axis=1))

    def check(self, inputs: int | None = None, neurons: int | None = None) -> Wiring:
        """Return this wiring, if it has the given sizes (None: any) and some input drives every motor neuron.

        Raises:
            ArgumentError: a size differs, or no input reaches some motor neuron; the message names the first.
        """
        for label, wanted, has in (("inputs", inputs, self.inputs), ("neurons", neurons, self.neurons)):
            if wanted is not None and wanted != has:
                raise ArgumentError(f"wiring {self.name!r} has {has} {label}; this cell has {wanted}: they must agree")
        lost = [m for m in self.motor if not self.reached()[m]]
        if lost:
            sources = np.flatnonzero(self.recurrent[lost[0]])
            why = "it has no incoming synapse" if not len(set(sources) - {lost[0]}) else "so are all that drive it"
            also = f" (neuron {', '.join(map(str, lost[1:]))} too)" if len(lost) > 1 else ""
            raise ArgumentError(
                f"wiring {self.name!r} leaves motor neuron {lost[0]} unreachable from every input: {why}{also}; "
                "raise the density or the fan-in, give another seed, or for random() attempts=100"
            )
        return self

    def to_dict(self) -> dict:
        """Plain JSON: one string per neuron with "+", "-" or "0" for each synapse onto it, and the roles."""
        return {
            "name": self.name,
            "recurrent": _rows(self.recurrent_sign),
            "sensory": _rows(self.sensory_sign),
            "motor": list(self.motor),
            "roles": list(self.roles),
        }

    @classmethod
    def from_dict(cls, settings: Mapping) -> Wiring:
        """The wiring that `to_dict` described. Raises ArgumentError if the description is incomplete or not valid."""
        fields = ("name", "recurrent", "sensory", "motor", "roles")
        missing = [f for f in fields if f not in settings] if isinstance(settings, Mapping) else list(fields)
        if missing:
            raise ArgumentError(f"wiring settings lack {', '.join(missing)}; accepted: what Wiring.to_dict() gives")
        recurrent, sensory = (_parse(label, settings[label]) for label in ("recurrent", "sensory"))
        return cls(
            abs(recurrent), abs(sensory), recurrent, sensory,
            motor=settings["motor"], roles=settings["roles"], name=settings["name"],
        )  # fmt: skip


def full(inputs: int, neurons: int, motors: int = 1, *, excitatory: float = 0.5, seed: int = 0) -> Wiring:
    """A full wiring: every input drives every neuron, and every neuron drives every neuron, itself included.

    Args:
        inputs, neurons: sizes; the last `motors` neurons are the motor neurons.
        excitatory: probability of a positive sign, in [0, 1].
        seed: seeds the signs.
    """
    inputs, neurons, motors = _sizes(inputs, neurons, motors)
    rng = np.random.default_rng(check_count("seed", seed, 0))
    return _make(np.ones((neurons, neurons)), np.ones((neurons, inputs)), motors, excitatory, rng, f"full {neurons}")


def random(
    inputs: int,
    neurons: int,
    density: float,
    motors: int = 1,
    seed: int = 0,
    *,
    attempts: int = 1,
    excitatory: float = 0.5,
) -> Wiring:
    """A random wiring: a share `density` of the sensory and of the recurrent synapses, drawn without replacement.

    Args:
        inputs, neurons: sizes; the last `motors` neurons are the motor neurons.
        density: share of the possible synapses that exist, in (0, 1]; counts are rounded, and at least 1.
        seed: seeds the synapses and signs.
        attempts: whole wirings to draw, one after the other, until one passes `Wiring.check`.
        excitatory: probability of a positive sign, in [0, 1].

    Raises:
        ArgumentError: a bad argument, or each of the `attempts` draws leaves some motor neuron out of reach.
    """
    inputs, neurons, motors = _sizes(inputs, neurons, motors)
    density = _share("density", density, zero=False)
    rng = np.random.default_rng(check_count("seed", seed, 0))
    name = f"random {neurons} at {density:.3g} density"
    for attempt in range(check_count("attempts", attempts)):
        recurrent, sensory = (_sprinkle(rng, (neurons, m), density) for m in (neurons, inputs))
        wiring = _make(recurrent, sensory, motors, excitatory, rng, name)
        if wiring.reached()[list(wiring.motor)].all() or attempt == attempts - 1:
            break
    return wiring.check()


def ncp(
    inputs: int,
    inter: int,
    command: int,
    motors: int,
    *,
    sensory_fanout: int,
    inter_fanout: int,
    recurrent_command: int,
    motor_fanin: int,
    excitatory: float = 0.5,
    seed: int = 0,
) -> Wiring:
    """Neural circuit policy: inputs -> inter -> command -> motor neurons, sparse between consecutive layers.

    It follows the design rules of Lechner et al. (2020), "Neural circuit policies enabling auditable autonomy", Nature
    Machine Intelligence 2, section on NCP design. Every source gets its fan-out, to targets drawn without replacement.
    A target left without a synapse gets as many as the targets of its layer have on average. Command neurons are
    recurrent. The motor layer is drawn by fan-in. Neurons are ordered inter, command, motor.

    Args:
        inputs, inter, command, motors: sizes of the layers; motors is the number of actions.
        sensory_fanout: inter neurons that each input drives, 1 … inter.
        inter_fanout: command neurons that each inter neuron drives, 1 … command.
        recurrent_command: synapses among the command neurons (those onto themselves included), 0 … command².
        motor_fanin: command neurons that drive each motor neuron, 1 … command. A command neuron that would drive
            no motor neuron, not even through others, gets one more synapse, so a fan-in can be larger than this.
        excitatory: probability of a positive sign, in [0, 1].
        seed: seeds the synapses and signs.
    """
    layers = dict(inputs=inputs, inter=inter, command=command, motors=motors)
    inputs, inter, command, motors = (check_count(k, v) for k, v in layers.items())
    _within("sensory_fanout", sensory_fanout, 1, inter, "inter neurons")
    _within("inter_fanout", inter_fanout, 1, command, "command neurons")
    _within("recurrent_command", recurrent_command, 0, command**2, "pairs of command neurons")
    _within("motor_fanin", motor_fanin, 1, command, "command neurons")
    rng = np.random.default_rng(check_count("seed", seed, 0))
    n = inter + command + motors
    to_inter, to_command = slice(0, inter), slice(inter, inter + command)
    sensory, recurrent = np.zeros((n, inputs)), np.zeros((n, n))
    sensory[to_inter] = _fan_out(rng, inter, inputs, sensory_fanout)
    recurrent[to_command, to_inter] = _fan_out(rng, command, inter, inter_fanout)
    loops = np.zeros(command**2)
    loops[rng.choice(command**2, recurrent_command, replace=False)] = 1
    recurrent[to_command, to_command] = loops.reshape(command, command)
    for m in range(n - motors, n):
        recurrent[m, inter + rng.choice(command, motor_fanin, replace=False)] = 1
    motor = np.arange(n) >= n - motors
    for c in range(inter, inter + command):
        if not _closure(recurrent.T, motor)[c]:  # backwards, from the motor neurons
            recurrent[rng.integers(n - motors, n), c] = 1
    roles = ("inter",) * inter + ("command",) * command + ("motor",) * motors
    name = f"NCP {inter}-{command}-{motors}"
    return _make(recurrent, sensory, motors, excitatory, rng, name, roles).check()


def _fan_out(rng, targets: int, sources: int, fan_out: int) -> np.ndarray:
    """Mask (targets, sources): `fan_out` targets for each source, and no target without a synapse."""
    mask = np.zeros((targets, sources))
    for j in range(sources):
        mask[rng.choice(targets, fan_out, replace=False), j] = 1
    average = int(np.clip(round(sources * fan_out / targets), 1, sources))
    for i in np.flatnonzero(~mask.any(axis=1)):
        mask[i, rng.choice(sources, average, replace=False)] = 1
    return mask


def _closure(recurrent: np.ndarray, start: np.ndarray) -> np.ndarray:
    """(n,) bool: neurons at the end of some path that begins in `start` (n,) bool; `recurrent` is [to, from]."""
    reached = start.copy()
    for _ in range(len(recurrent)):
        reached = reached | (recurrent[:, reached] > 0).any(axis=1)
    return reached


def _sprinkle(rng, shape: tuple[int, int], density: float) -> np.ndarray:
    size = shape[0] * shape[1]
    mask = np.zeros(size)
    mask[rng.choice(size, max(1, round(density * size)), replace=False)] = 1
    return mask.reshape(shape)


def _make(recurrent, sensory, motors: int, excitatory: float, rng, name: str, roles=None) -> Wiring:
    """The wiring with random signs; the last `motors` neurons are the motor neurons."""
    excitatory = _share("excitatory", excitatory, zero=True)
    signs = (np.where(rng.random(mask.shape) < excitatory, 1.0, -1.0) for mask in (recurrent, sensory))
    n = len(recurrent)
    return Wiring(recurrent, sensory, *signs, motor=tuple(range(n - motors, n)), roles=roles, name=name)


def _sizes(inputs, neurons, motors) -> tuple[int, int, int]:
    inputs, neurons = check_count("inputs", inputs), check_count("neurons", neurons)
    return inputs, neurons, _within("motors", motors, 1, neurons, "neurons")


def _within(argument: str, value, least: int, most: int, what: str) -> int:
    value = check_count(argument, value, least)
    if value > most:
        raise ArgumentError(f"{argument}={value} is not accepted; there are only {most} {what}: {least} to {most}")
    return value


def _share(argument: str, value, zero: bool) -> float:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not (0 <= value <= 1) or (value == 0 and not zero):
        raise ArgumentError(f"{argument}={value!r} is not accepted; it must be in {'[' if zero else '('}0, 1]")
    return float(value)


def _matrix(argument: str, value) -> np.ndarray:
    value = value.detach().cpu() if hasattr(value, "detach") else value
    try:
        matrix = np.array(value, dtype=np.float32)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    if matrix.ndim != 2:
        raise ArgumentError(f"{argument} is not accepted; it must be a matrix of numbers, [to, from]")
    return matrix


def _signed(argument: str, mask: np.ndarray, sign) -> np.ndarray:
    """`sign` where `mask` has a synapse, 0 elsewhere."""
    if not np.isin(mask, (0, 1)).all():
        odd = mask[~np.isin(mask, (0, 1))][0]
        raise ArgumentError(f"{argument} holds {odd:g}; a mask holds 0 (no synapse) and 1 (synapse)")
    sign = mask if sign is None else _matrix(f"{argument}_sign", sign)
    if sign.shape != mask.shape or not np.isin(sign[mask == 1], (-1, 1)).all():
        raise ArgumentError(
            f"{argument}_sign must have the shape {mask.shape} of {argument} and hold +1 or -1 for every synapse"
        )
    return np.where(mask == 1, sign, np.float32(0))


def _rows(sign: np.ndarray) -> list[str]:
    return ["".join("-0+"[int(s) + 1] for s in row) for row in sign]


def _parse(label: str, rows: Sequence[str]) -> np.ndarray:
    whole = isinstance(rows, (list, tuple)) and rows and all(isinstance(row, str) for row in rows)
    if not whole or len({len(row) for row in rows}) != 1 or not set("".join(rows)) <= set(_SYMBOLS):
        raise ArgumentError(f'wiring settings: {label} must be a list of equally long strings of "+", "-" and "0"')
    return np.array([[_SYMBOLS[s] for s in row] for row in rows])
