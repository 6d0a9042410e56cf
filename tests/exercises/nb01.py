"""Wrong answers to the exercises of notebook 01, each with words of the hint it must get."""

WRONG = {
    "01-1": [
        (
            "look backwards",
            """
def rewards_to_go(rewards, gamma):
    returns, total = np.zeros(len(rewards)), 0.0
    for t in range(len(rewards)):
        total = rewards[t] + gamma * total
        returns[t] = total
    return returns
""",
        ),
        (
            "none is discounted",
            """
def rewards_to_go(rewards, gamma):
    return np.cumsum(rewards[::-1])[::-1]
""",
        ),
        (
            "one step late",
            """
def rewards_to_go(rewards, gamma):
    returns, following = np.zeros(len(rewards)), 0.0
    for t in reversed(range(len(rewards))):
        returns[t] = gamma * following
        following = rewards[t] + gamma * following
    return returns
""",
        ),
        (
            "start its discount anew",
            """
def rewards_to_go(rewards, gamma):
    return np.array([sum(gamma**k * rewards[k] for k in range(t, len(rewards))) for t in range(len(rewards))])
""",
        ),
        (
            "shape (); (3,) is expected",
            """
def rewards_to_go(rewards, gamma):
    return sum(gamma**k * r for k, r in enumerate(rewards))
""",
        ),
        (
            "only the next reward is added",
            """
def rewards_to_go(rewards, gamma):
    following = np.append(rewards[1:], 0.0)
    return rewards + gamma * following
""",
        ),
        (
            "r_t itself is discounted",
            """
def rewards_to_go(rewards, gamma):
    returns, following = np.zeros(len(rewards)), 0.0
    for t in reversed(range(len(rewards))):
        following = gamma * (rewards[t] + following)
        returns[t] = following
    return returns
""",
        ),
        (
            "is expected",
            """
def rewards_to_go(rewards, gamma):
    return np.cumsum(rewards * gamma ** np.arange(len(rewards)))[::-1]
""",
        ),
    ],
    "01-2": [
        (
            "the sign of the first",
            """
def score(action, mean, log_std):
    var = np.exp(2 * log_std)
    return (mean - action) / var, (action - mean) ** 2 / var - 1
""",
        ),
        (
            "divided by σ once",
            """
def score(action, mean, log_std):
    z = (action - mean) / np.exp(log_std)
    return z, z**2 - 1
""",
        ),
        (
            "lacks the -1",
            """
def score(action, mean, log_std):
    var = np.exp(2 * log_std)
    return (action - mean) / var, (action - mean) ** 2 / var
""",
        ),
        (
            "with respect to σ",
            """
def score(action, mean, log_std):
    s = np.exp(log_std)
    return (action - mean) / s**2, (action - mean) ** 2 / s**3 - 1 / s
""",
        ),
        (
            "another order; d log π / d mean, d log π / d log_std is expected",
            """
def score(action, mean, log_std):
    z = (action - mean) / np.exp(log_std)
    return z**2 - 1, z / np.exp(log_std)
""",
        ),
        (
            "of π, not of log π",
            """
def score(action, mean, log_std):
    s = np.exp(log_std)
    z = (action - mean) / s
    density = np.exp(-0.5 * z**2) / (s * np.sqrt(2 * np.pi))
    return density * z / s, density * (z**2 - 1)
""",
        ),
        (
            "the sign of the second",
            """
def score(action, mean, log_std):
    z = (action - mean) / np.exp(log_std)
    return z / np.exp(log_std), 1 - z**2
""",
        ),
        (
            "is expected",
            """
def score(action, mean, log_std):
    z = (action - mean) / log_std
    return z / log_std, z**2 - 1
""",
        ),
    ],
    "01-3": [
        ("that is the mean return", "def best_baseline(scores, returns):\n    return np.mean(returns)\n"),
        (
            "the weights are scores",
            "def best_baseline(scores, returns):\n    return (scores * returns).sum() / scores.sum()\n",
        ),
        (
            "the weights are |scores|",
            "def best_baseline(scores, returns):\n    w = np.abs(scores)\n    return (w * returns).sum() / w.sum()\n",
        ),
        ("divide it by", "def best_baseline(scores, returns):\n    return np.mean(scores**2 * returns)\n"),
        (
            "the numerator needs the squared score",
            "def best_baseline(scores, returns):\n    return (scores * returns).mean() / (scores**2).mean()\n",
        ),
        (
            "R is squared here",
            "def best_baseline(scores, returns):\n    return ((scores * returns) ** 2).mean() / (scores**2).mean()\n",
        ),
        (
            "the sign: set the derivative",
            "def best_baseline(scores, returns):\n    return -(scores**2 * returns).sum() / (scores**2).sum()\n",
        ),
        ("the answer is too", "def best_baseline(scores, returns):\n    return np.median(returns)\n"),
        (
            "the answer is too",
            "def best_baseline(scores, returns):\n    return np.cov(scores, returns)[0, 1] / scores.var()\n",
        ),
    ],
    "01-4": [
        ("how the variance falls", "def batch_exponent():\n    return -1\n"),
        ("more episodes would mean more noise", "def batch_exponent():\n    return 0.5\n"),
        ("does not fall", "def batch_exponent():\n    return 0\n"),
        ("is too small: hold your line", "def batch_exponent():\n    return -2\n"),
        ("is too large: hold your line", "def batch_exponent():\n    return -0.25\n"),
        ("numbers or arrays are expected", "def batch_exponent():\n    return '-1/2'\n"),
        ("numbers or arrays are expected", "def batch_exponent():\n    return lambda n: n**-0.5\n"),
    ],
    "01-5": [
        (
            "one column",
            "def controller(obs):\n    return obs @ np.array([0.5, 8.0, 0.5, 1.0])\n",
        ),
        (
            "push to that side",
            "def controller(obs):\n    return -obs @ np.array([[0.5], [8.0], [0.5], [1.0]])\n",
        ),
        (
            "gets no push to that side",
            "def controller(obs):\n    return obs @ np.array([[0.0], [8.0], [0.0], [0.0]])\n",
        ),
        (
            "of the other sign",
            "def controller(obs):\n    return obs @ np.array([[-0.5], [4.0], [-0.5], [0.8]])\n",
        ),
        (
            "no sign is wrong",
            "def controller(obs):\n    return obs @ np.array([[0.01], [0.2], [0.01], [0.02]])\n",
        ),
        (
            "the cart drifts away",
            "def controller(obs):\n    return obs @ np.array([[0.0], [0.2], [0.0], [0.02]])\n",
        ),
        ("a pole that leans", "def controller(obs):\n    return np.zeros((len(obs), 1))\n"),
        ("gets no push to that side", "def controller(obs):\n    return 3 * np.sign(obs[:, 1:2])\n"),
        ("it stops with", "def controller(obs):\n    return np.array([[0.5], [8.0], [0.5], [1.0]]) @ obs\n"),
    ],
}
ALSO_RIGHT = {
    "01-5": [  # found by random search: the pole stands although a rate has no weight, or one of the other sign
        "def controller(obs):\n    return obs @ np.array([[0.54], [5.78], [0.02], [0.0]])",
        "def controller(obs):\n    return obs @ np.array([[0.06], [4.94], [-0.01], [-0.01]])",
        "def controller(obs):\n    return [[0.5 * x + 8 * th + 0.5 * v + w] for x, th, v, w in obs]",
    ],
}
