"""Plausible wrong answers to the exercises of notebook 02, and words of the hint each must get."""

RATIO = "ratio = (log_prob - old_log_prob).exp()"
WRONG = {
    "02-1": [
        (
            "pessimist",
            f"""def clipped_surrogate(log_prob, old_log_prob, advantage, clip):
    {RATIO}
    return torch.maximum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()""",
        ),
        (
            "no way back",
            f"""def clipped_surrogate(log_prob, old_log_prob, advantage, clip):
    {RATIO}
    return (ratio.clamp(1 - clip, 1 + clip) * advantage).mean()""",
        ),
        (
            "not clipped at all",
            f"""def clipped_surrogate(log_prob, old_log_prob, advantage, clip):
    {RATIO}
    return (ratio * advantage).mean()""",
        ),
        (
            "negative",
            f"""def clipped_surrogate(log_prob, old_log_prob, advantage, clip):
    {RATIO}
    return -torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()""",
        ),
        (
            "upside down",
            """def clipped_surrogate(log_prob, old_log_prob, advantage, clip):
    ratio = (old_log_prob - log_prob).exp()
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()""",
        ),
    ],
    "02-2": [
        (
            "on both sides",
            """def surrogate_slope(ratio, advantage, clip):
    return np.where(abs(ratio - 1) < clip, ratio * advantage, 0.0)""",
        ),
        (
            "factor ρ is missing",
            """def surrogate_slope(ratio, advantage, clip):
    done = np.where(advantage > 0, ratio > 1 + clip, ratio < 1 - clip)
    return np.where(done, 0.0, advantage)""",
        ),
        (
            "nothing is silenced",
            """def surrogate_slope(ratio, advantage, clip):
    return ratio * advantage""",
        ),
        (
            "swapped",
            """def surrogate_slope(ratio, advantage, clip):
    done = np.where(advantage > 0, ratio < 1 - clip, ratio > 1 + clip)
    return np.where(done, 0.0, ratio * advantage)""",
        ),
    ],
    "02-3": [
        ("never is", "def kl_exponent():\n    return 1.0"),
        ("root", "def kl_exponent():\n    return 0.5"),
        ("changes its sign", "def kl_exponent():\n    return 3.0"),
    ],
    "02-4": [
        (
            "treated as a fall",
            """def advantages(rewards, values, next_values, terminated, truncated, gamma, lam):
    advantage, following, over = np.zeros(len(rewards)), 0.0, terminated | truncated
    for t in reversed(range(len(rewards))):
        following = rewards[t] + (1 - over[t]) * (gamma * next_values[t] + gamma * lam * following) - values[t]
        advantage[t] = following
    return advantage""",
        ),
        (
            "no γ V",
            """def advantages(rewards, values, next_values, terminated, truncated, gamma, lam):
    advantage, following, over = np.zeros(len(rewards)), 0.0, terminated | truncated
    for t in reversed(range(len(rewards))):
        following = rewards[t] + gamma * next_values[t] - values[t] + (1 - over[t]) * gamma * lam * following
        advantage[t] = following
    return advantage""",
        ),
        (
            "end of a truncated episode",
            """def advantages(rewards, values, next_values, terminated, truncated, gamma, lam):
    advantage, following = np.zeros(len(rewards)), 0.0
    for t in reversed(range(len(rewards))):
        following = rewards[t] + (1 - terminated[t]) * gamma * (next_values[t] + lam * following) - values[t]
        advantage[t] = following
    return advantage""",
        ),
        (
            "λ is missing",
            """def advantages(rewards, values, next_values, terminated, truncated, gamma, lam):
    advantage, following = np.zeros(len(rewards)), 0.0
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + (1 - terminated[t]) * gamma * next_values[t] - values[t]
        following = delta + (not (terminated[t] or truncated[t])) * gamma * following
        advantage[t] = following
    return advantage""",
        ),
        (
            "another episode's state",
            """def advantages(rewards, values, next_values, terminated, truncated, gamma, lam):
    advantage, following = np.zeros(len(rewards)), 0.0
    after = np.append(values[1:], next_values[-1])
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + (1 - terminated[t]) * gamma * after[t] - values[t]
        following = delta + (not (terminated[t] or truncated[t])) * gamma * lam * following
        advantage[t] = following
    return advantage""",
        ),
    ],
    "02-5": [
        ("innocent everywhere", 'def diagnosis():\n    return {"A": 4, "B": 6, "C": 1, "D": 2}'),
        ("never was 1", 'def diagnosis():\n    return {"A": 4, "B": 6, "C": 5, "D": 3}'),
        ("one number only", 'def diagnosis():\n    return {"A": 3, "B": 6, "C": 1, "D": 4}'),
        ("dies early", 'def diagnosis():\n    return {"A": 4, "B": 3, "C": 1, "D": 6}'),
        ("letters A to D", 'def diagnosis():\n    return {"A": 4}'),
    ],
    "02-6": [
        ("hardly moves", "def my_settings():\n    return dict(minibatch_size=512, learning_rate=1e-6)"),
        (
            "throws away",
            "def my_settings():\n    return dict(minibatch_size=256, learning_rate=0.1, clip=1e6)",
        ),
        ("fewer than six", "def my_settings():\n    return dict(rollout_steps=1000, minibatch_size=1000)"),
        ("dict of settings", "def my_settings():\n    return 3"),
    ],
}
