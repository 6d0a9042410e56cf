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


def swims(body: str) -> str:
    lines = "\n".join("    " + line for line in body.strip().splitlines())
    return f"def swimmer(seen, memory, rng):\n{lines}"


WRONG = {
    "08-1": [
        ("padding too", loss("error.mean()")),
        ("still counted in the mean", loss("(error * mask).mean()")),
        ("each sequence counts the same", loss("((error * mask).sum(0) / mask.sum(0)).mean()")),
        ("critics are averaged", loss("(error * mask).sum() / mask.sum() / 2")),
        ("factor ½", loss("2 * (error * mask).sum() / mask.sum()")),
    ],
    "08-2": [
        ("as it was", segment("t", "t[:-1] <= n")),
        ("step n still counts", segment("np.minimum(t, n)", "t[:-1] <= n")),
        ("still shows the next episode", segment("t", "t[:-1] < n")),
        ("last step is lost", segment("np.minimum(t, n)", "t[:-1] < n - 1")),
        ("nothing is masked", segment("np.minimum(t, n)", "t[:-1] >= 0")),
    ],
    "08-3": [
        ("gate's value", bias("gate")),
        ("still to be undone", bias("np.log(share) / k")),
        ("take a root", bias("np.log(share / (1 - share))")),
        ("the sign", bias("np.log((1 - gate) / gate)")),
        ("rule of thumb", bias("np.log(k)")),
    ],
    "08-4": [
        ("give a dict", 'def memory_needed():\n    return {"pendulum": 2, "car": 30}'),
        ("tells no rate", needed(1, 3, 30, 50)),
        ("how the rate changes", needed(2, 2, 30, 50)),
        ("too short for those", needed(2, 3, 8, 50)),
        ("must still be among", needed(2, 3, 30, 10)),
        ("count the angles", needed(4, 3, 30, 50)),
        ("two thirds", needed(2, 3, 160, 50)),
        ("nothing before", needed(2, 3, 30, 200)),
    ],
    "08-5": [
        ("return two things", swims("return np.zeros((len(seen), 2))")),
        ("does not get around", swims("return rng.uniform(-1, 1, (len(seen), 2)), memory")),
        (
            "leaves the platform",
            swims(
                "turn = 0.0 if memory is None else memory\n"
                "goal = 0.5 * np.array([np.cos(turn), np.sin(turn)])\n"
                "return (goal - seen[:, :2]) / 0.1, turn + 0.15"
            ),
        ),
        ("looks for it anew", swims("return circle(seen, memory, rng)")),
    ],
}
