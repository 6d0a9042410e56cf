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
            "the derivative by σ",
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
    ],
    "01-4": [
        ("so falls the variance", "def batch_exponent():\n    return -1\n"),
        ("more episodes would mean more noise", "def batch_exponent():\n    return 0.5\n"),
        ("does not fall", "def batch_exponent():\n    return 0\n"),
        ("is too small: hold your line", "def batch_exponent():\n    return -2\n"),
        ("is too large: hold your line", "def batch_exponent():\n    return -0.25\n"),
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
            "its swing grows",
            "def controller(obs):\n    return obs @ np.array([[0.0], [8.0], [0.0], [0.0]])\n",
        ),
        (
            "try the other sign",
            "def controller(obs):\n    return obs @ np.array([[-0.5], [4.0], [-0.5], [0.8]])\n",
        ),
        (
            "no sign is wrong",
            "def controller(obs):\n    return obs @ np.array([[0.0], [0.2], [0.0], [0.02]])\n",
        ),
    ],
}
