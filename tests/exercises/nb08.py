"""Plausible wrong answers to the exercises of notebook 08, and words of the hint each must get."""


def loss(body: str) -> str:
    return f"def masked_loss(q, target, mask):\n    error = 0.5 * (q - target).square().sum(0)\n    return {body}"


def segment(rows: str, mask: str) -> str:
    return (
        "def segment(seen, first, steps, episode, begin, length):\n"
        "    t, n = begin + np.arange(length + 1), steps[episode]\n"
        f"    return seen[np.minimum(first[episode] + {rows}, len(seen) - 1)], {mask}"
    )


def bias(body: str) -> str:
    return f"def forget_bias(k, share):\n    gate = share ** (1 / k)\n    return {body}"


def needed(pendulum: int, rods: int, car: int, reacher: int) -> str:
    answer = {"pendulum": pendulum, "rods": rods, "car": car, "reacher": reacher}
    return f"def memory_needed():\n    return {answer}"


def exchange(body: str) -> str:
    return (
        "def exchanged(states, side):\n"
        "    right, left = states[side > 0].mean(0), states[side < 0].mean(0)\n"
        f"    return {body}"
    )


def swims(body: str) -> str:
    lines = "\n".join("    " + line for line in body.strip().splitlines())
    return f"def swimmer(seen, memory, rng):\n{lines}"


KNOWS = """memory = np.full((len(seen), 2), np.nan) if memory is None else memory.copy()
on = seen[:, 2] > 0
memory[on] = seen[on, :2]
known = np.isfinite(memory[:, :1])
home = (np.nan_to_num(memory) - seen[:, :2]) / 0.1
"""

WRONG = {
    "08-1": [
        ("padding too", loss("error.mean()")),
        ("still counted in the mean", loss("(error * mask).mean()")),
        ("each sequence counts the same", loss("((error * mask).sum(0) / mask.sum(0)).mean()")),
        ("critics are averaged", loss("(error * mask).sum() / mask.sum() / 2")),
        ("factor ½", loss("2 * (error * mask).sum() / mask.sum()")),
        ("that is the sum", loss("(error * mask).sum()")),
        ("number of sequences", loss("(error * mask).sum(0).mean()")),
        ("only one of the critics", loss("(0.5 * (q[0] - target).square() * mask).sum() / mask.sum()")),
        ("each critic has an error of its own", loss("(0.5 * (q.sum(0) - target).square() * mask).sum() / mask.sum()")),
        ("the answer has shape", loss("(error * mask).sum(0) / mask.sum(0)")),
        ("the mean of ½ Σ_e", loss("((q - target).abs().sum(0) * mask).sum() / mask.sum()")),
    ],
    "08-2": [
        ("as it was", segment("t", "t[:-1] <= n")),
        ("step n still counts", segment("np.minimum(t, n)", "t[:-1] <= n")),
        ("still shows the next episode", segment("t", "t[:-1] < n")),
        ("last step is lost", segment("np.minimum(t, n)", "t[:-1] < n - 1")),
        ("nothing is masked", segment("np.minimum(t, n)", "t[:-1] >= 0")),
        ("last observation is lost", segment("np.minimum(t, n - 1)", "t[:-1] < n")),
        ("counts from the start of the segment", segment("np.minimum(t, n)", "np.arange(length) < n")),
        ("mask has shape", segment("np.minimum(t, n)", "t < n")),
        (
            "padding holds zeros",
            "def segment(seen, first, steps, episode, begin, length):\n"
            "    t, n = begin + np.arange(length + 1), steps[episode]\n"
            "    rows = np.zeros((length + 1, seen.shape[1]))\n"
            "    own = seen[first[episode] + begin : first[episode] + n + 1][: length + 1]\n"
            "    rows[: len(own)] = own\n"
            "    return rows, t[:-1] < n",
        ),
        ("observations has shape", segment("np.minimum(t, n)", "t[:-1] < n").replace("return ", "return (").replace(
            ", t[:-1] < n", ", t[:-1] < n)[::-1]")),
    ],
    "08-3": [
        ("gate's value; the bias", bias("gate")),
        ("still to be undone", bias("np.log(share) / k")),
        ("after one step", bias("np.log(share / (1 - share))")),
        ("the sign", bias("np.log((1 - gate) / gate)")),
        ("rule of thumb", bias("np.log(k)")),
        ("root belongs to the share", bias("np.log(share / (1 - share)) / k")),
        ("the share is divided by k", bias("np.log(share / k / (1 - share / k))")),
        ("raised to the power k", bias("np.log(share**k / (1 - share**k))")),
        ("another base", bias("np.log10(gate / (1 - gate))")),
        ("does not keep that share", bias("gate / (1 - gate)")),
    ],
    "08-4": [
        ("give a dict", 'def memory_needed():\n    return {"pendulum": 2, "car": 30}'),
        ("tells no rate", needed(1, 3, 30, 50)),
        ("how the rate changes", needed(2, 2, 30, 50)),
        ("too short where the car drives back", needed(2, 3, 8, 50)),
        ("must still be among", needed(2, 3, 30, 10)),
        ("that a rate takes", needed(4, 3, 30, 50)),
        ("that a change of rate takes", needed(2, 5, 30, 50)),
        ("needs less", needed(2, 3, 160, 50)),
        ("needs less", needed(2, 3, 42, 50)),  # 1.3 = 0.3 t², from rest
        ("nothing before", needed(2, 3, 30, 200)),
    ],
    "08-5": [
        ("the sign", exchange("states + side[:, None] * (right - left)")),
        ("half of the way", exchange("states - side[:, None] * (right - left) / 2")),
        ("mean state of the other side", exchange("np.where(side[:, None] > 0, left, right)")),
        ("mirrors each state", exchange("2 * states.mean(0) - states")),
        ("all episodes are moved the same way", exchange("states - (right - left)")),
        ("heaven on the right are moved", exchange("states - (side > 0)[:, None] * (right - left)")),
        ("heaven on the left are moved", exchange("states + (side < 0)[:, None] * (right - left)")),
        ("negated", exchange("-states")),
        ("order of the episodes", exchange("states[::-1]")),
        ("mean over both sides", exchange("states - side[:, None] * states.mean(0)")),
        ("is expected", exchange("states - side[:, None] * (right - left)[0]")),
    ],
    "08-6": [
        ("return two things", swims("return np.zeros((len(seen), 2))")),
        ("never gets there", swims("return rng.uniform(-1, 1, (len(seen), 2)), memory")),
        (
            "swims off the platform",
            swims(
                "turn = 0.0 if memory is None else memory\n"
                "goal = 0.5 * np.array([np.cos(turn), np.sin(turn)])\n"
                "return (goal - seen[:, :2]) / 0.1, turn + 0.15"
            ),
        ),
        ("to come back", swims("return circle(seen, memory, rng)")),
        # Goes round on the platform, over its edge at times, and after a throw searches anew.
        (
            "in 1",  # … % of its visits
            swims(
                "turn = 0.0 if memory is None else memory + 1.0\n"
                "search, _ = circle(seen, None, rng)\n"
                "round = 0.1 * np.array([np.cos(turn), np.sin(turn)])\n"
                "return np.where(seen[:, 2:] > 0, round, search), turn"
            ),
        ),
        # Knows the place, and swims there at a third of the speed.
        (
            "m is allowed",
            swims(KNOWS + "slow = np.where(known, 0.3 * home, circle(seen, None, rng)[0] / 3)\nreturn slow, memory"),
        ),
        # Confuses x and y on the way home.
        (
            "it does not move in",
            swims(KNOWS + "return np.where(known, home[:, ::-1], circle(seen, None, rng)[0]), memory"),
        ),
        # One memory for all swimmers: they come to rest where the platform of another is.
        (
            "it does not move, at rest",
            swims(
                "memory = seen[0, :2].copy() if seen[0, 2] > 0 else memory\n"
                "search, _ = circle(seen, None, rng)\n"
                "go = search if memory is None else (memory - seen[:, :2]) / 0.1\n"
                "return np.where(seen[:, 2:] > 0, 0.0, go), memory"
            ),
        ),
        # Writes the place down at every step, so that it is lost with the flag.
        (
            "to come back",
            swims(
                "on = seen[:, 2:] > 0\n"
                "known = np.zeros_like(on) if memory is None else np.isfinite(memory[:, :1])\n"
                "home = 0 if memory is None else (np.nan_to_num(memory) - seen[:, :2]) / 0.1\n"
                "search, _ = circle(seen, None, rng)\n"
                "return np.where(known, home, search), np.where(on, seen[:, :2], np.nan)"
            ),
        ),
    ],
}  # fmt: skip
ALSO_RIGHT = {
    "08-3": ["def forget_bias(k, share):\n    return torch.logit(torch.tensor(share) ** (1 / k))"],
    "08-4": [
        f'def memory_needed():\n    return {{"pendulum": 2, "rods": 3, "car": {k}, "reacher": 50}}'
        for k in (27, 28, 30)
    ],
}
