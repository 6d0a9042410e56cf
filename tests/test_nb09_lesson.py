"""Exercises of notebook 09: answers are read in any sensible form, and the oracles agree with another road."""

import numpy as np
import pytest
import torch

import course_lib as cl
from course_lib.lessons import nb09_lesson as lesson
from course_lib.lessons import nb09_oracles as oracles
from course_lib.nets.dmp import DMP


@pytest.mark.parametrize(
    "answer",
    [
        (0.5, {}),
        [0.5, {}],
        np.array([0.5, {}], dtype=object),
        (np.float32(0.5), {}),
        (np.array([0.5]), {}),
        (torch.tensor(0.5), {}),
        (torch.tensor([0.5], requires_grad=True), {}),
        {"noise": 0.5, "settings": {}},
        {"settings": {}, "noise": 0.5},
        {"noise": 0.5},
        (0.5, {"hidden": [128, 128]}),
        (0.5, cl.PPOConfig(hidden=(128, 128))),
    ],
)
def test_a_lesson_is_read_in_any_form(answer):
    noise, config = lesson.read_lesson(answer)
    assert noise == pytest.approx(0.5) and tuple(config.hidden) == (128, 128) and lesson.chunk(answer) == 1
    assert lesson.readable(answer)


@pytest.mark.parametrize(
    "answer",
    [0.5, None, "half", (0.5,), (0.5, {}, 1), ("much", {}), (0.5, {"hiden": 3}), (0.5, 3), {"settings": {}}, {}],
)
def test_what_is_no_lesson(answer):
    assert not lesson.readable(answer)


def test_plans_are_read_too():
    assert lesson.chunk((0.5, {"plan": {"chunk": 5}})) == 5


def test_the_spring_of_the_oracle_is_the_library():
    path = DMP(1, 1, steps=50, duration=1.0, alpha=10.0)(
        torch.ones(1, 1).double(), torch.zeros(1, 1, 1).double(), torch.zeros(1, 1).double()
    ).position[0, :, 0]
    assert oracles.by_powers(0.0, 1.0, 10.0, 50, 0.02) == pytest.approx(path.numpy())
    assert oracles.stepped(0.0, 1.0, 10.0, 50, 0.02) == pytest.approx(path.numpy())


def test_the_covariance_is_that_of_drawn_paths():
    torch.manual_seed(0)
    for dmp, sigma in oracles.noise_cases():
        goal = sigma * torch.randn(40_000, 1).double()
        weights = sigma * dmp.stiffness * torch.randn(40_000, 1, dmp.basis).double()
        paths = dmp(goal, weights, torch.zeros(40_000, 1).double()).position[..., 0]
        exact = oracles.covariance(dmp, sigma)
        assert torch.cov(paths.T).numpy() == pytest.approx(exact.numpy(), abs=0.04 * float(exact.max()))


def test_the_factor_of_noise_that_is_held():
    rng = np.random.default_rng(0)
    for k in (1, 4, 10):
        walks = rng.normal(size=(20_000, 300 // k)).repeat(k, axis=1).sum(1)
        assert np.sqrt(np.mean(walks**2) / 300) == pytest.approx(oracles.by_pieces(k), rel=0.03)
