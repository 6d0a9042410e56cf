"""Imitation: a policy is its own expert, a known rule is found again, bad data is refused."""

import numpy as np
import pytest
import torch
from test_chunks import config_of, lively

import course_lib as cl
from course_lib.envs.tabletop.experts import demonstrations
from course_lib.errors import ArgumentError, NonFiniteError
from course_lib.rl.imitation import clone, means


def policy_of(kind, task="Push-v0", **changes):
    """Of the `KINDS` of `test_chunks`; `changes`: see `config_of`."""
    return cl.PPO(cl.make(task, 2, threads=1), config_of(kind, **changes)).policy


def play(policy, copies=3, seed=0, task="Push-v0"):
    """What `policy` does without noise, as `demonstrations` gives it; its actions before they are clipped."""
    envs, state, rows = cl.make(task, copies, seed=seed, threads=1), policy.initial_state(copies), []
    obs, _ = envs.reset()
    for _ in range(envs.task.horizon):
        x = policy.normalizer(torch.from_numpy(obs).float())
        with torch.no_grad():
            action, state = policy.step(x, state)
        rows.append((obs, action.numpy()))
        obs = envs.step(np.clip(action.numpy(), -1, 1))[0]
    observations, actions = (np.stack(part, axis=1) for part in zip(*rows, strict=True))
    return {"observations": np.concatenate([observations, observations[:, -1:]], axis=1), "actions": actions}


@pytest.mark.parametrize("kind", ["mlp", "direct", "dmp", "ltc"])
def test_a_policy_imitates_itself_without_error(kind):
    policy = lively(policy_of("direct", plan=dict(chunk=1)) if kind == "mlp" else policy_of(kind))
    data = play(policy)
    observation, action = (torch.from_numpy(data[k]).float().transpose(0, 1) for k in ("observations", "actions"))
    again = means(policy, policy.normalizer(observation[:-1]), action)
    assert action.abs().max() > 0.01 and torch.allclose(again, action, atol=1e-5)


def test_later_decisions_begin_at_the_speed_of_the_demonstration():
    """Oracle: a path of constant speed, which a DMP with its goal straight ahead keeps from its first step on only if
    it begins at that speed."""
    policy = policy_of("dmp", plan=dict(alpha=1e-6))  # no spring to speak of, so that the path goes on as it began
    x, action = torch.zeros(20, 2, 15), torch.full((20, 2, 3), 0.3)
    went = means(policy, x, action, first=3)
    assert torch.allclose(went[:5], torch.full((5, 2, 3), 0.3), atol=1e-3)
    assert means(policy, x, action, first=0)[:5].abs().max() < 1e-3


@pytest.mark.parametrize("kind, chunk", [("direct", 1), ("direct", 5), ("dmp", 5)])
def test_a_known_rule_is_found_again(kind, chunk):
    """Oracle: the rule itself, actions that are slow functions of the observation, on episodes that were not shown."""
    rng, mix = np.random.default_rng(0), np.random.default_rng(1).normal(size=(15, 3))

    def episodes(n):
        seen = np.repeat(rng.normal(size=(n, 1, 15)), 11, axis=1)
        return {"observations": seen, "actions": 0.3 * np.tanh(seen[:, :10] @ mix / 4)}

    policy = policy_of(kind, plan=dict(chunk=chunk), hidden=(64,))
    losses = clone(policy, episodes(400), updates=400, episodes=64)
    test = episodes(50)
    x, action = (torch.from_numpy(test[k]).float().transpose(0, 1) for k in ("observations", "actions"))
    with torch.no_grad():
        error = (means(policy, policy.normalizer(x[:-1]), action) - action)[-5:].square().mean()
    assert losses[-20:].mean() < 0.1 * losses[:5].mean() and error < 0.15 * action.square().mean()


def test_equal_seeds_give_equal_clones():
    data = demonstrations("Push-v0", 4)
    one, two, other = (clone(policy_of("dmp"), data, 3, episodes=2, seed=s) for s in (0, 0, 1))
    assert (one == two).all() and (one != other).any()


def test_what_imitation_refuses():
    data = demonstrations("Push-v0", 2)
    with pytest.raises(ArgumentError, match="explore='plan'"):
        clone(policy_of("dmp-plan"), data)
    with pytest.raises(ArgumentError, match=r"15 observations and 3 actions; this policy needs \(16, 4\)"):
        clone(policy_of("dmp", "Throw-v0"), data)
    with pytest.raises(ArgumentError, match="updates=0"):
        clone(policy_of("dmp"), data, 0)
    with pytest.raises(NonFiniteError, match="at update 1"):
        clone(policy_of("dmp"), data, 2, lr=1e30)


@pytest.mark.parametrize("name, place", [("observations", (1, 3, 4)), ("actions", (0, 7, 2))])
def test_data_that_is_not_finite_leaves_the_policy_as_it_was(name, place):
    policy, data = policy_of("dmp"), demonstrations("Push-v0", 2)
    before = {key: value.clone() for key, value in policy.state_dict().items()}
    for wrong in (np.nan, np.inf, 1e300):  # which single precision has not
        data[name] = data[name].astype(np.float64)
        data[name][place] = wrong
        with pytest.raises(NonFiniteError, match=rf"data\['{name}'\]\[{place[0]}, {place[1]}, {place[2]}\] is"):
            clone(policy, data, 2)
    assert all(torch.equal(value, before[key]) for key, value in policy.state_dict().items())


def test_episodes_that_do_not_go_together_are_refused():
    policy, data = policy_of("dmp"), demonstrations("Push-v0", 4)
    seen, done = data["observations"], data["actions"]
    for observations, actions in (
        (seen[:3], done),  # torch would take the first three of both
        (seen[:, :1], done),  # and would stretch one observation over all steps
        (seen[:, :-1], done),
        (seen, done[:, :-1]),
        (seen[:0], done[:0]),
        (seen[0], done[0]),
        (seen[:, :4], done[:, :3]),  # shorter than a plan of five
    ):
        with pytest.raises(ArgumentError, match=r"observations \(.*\) and actions \(.*\) are not accepted"):
            clone(policy, {"observations": observations, "actions": actions}, 2)
    with pytest.raises(ArgumentError, match="data lacks 'actions'"):
        clone(policy, {"observations": seen}, 2)
    assert not policy.normalizer.count
    assert len(clone(policy, {"observations": seen[:, :6], "actions": done[:, :5]}, 2)) == 2
