"""Which seeds `benchmarks/ranges.py` moves in a copy of a notebook."""

import ast
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from ranges import shifted  # noqa: E402


@pytest.mark.parametrize(
    ("code", "moved"),
    [
        ("play(seed=3)", "play(seed=13)"),
        ("start = {'seed': 3, 'steps': 3}", "start = {'seed': 13, 'steps': 3}"),
        ("given = {**known, 'seed': 2}", "given = {**known, 'seed': 12}"),  # as `play(**given)` would move with it
        ("seeds = [0, 1]", "seeds = [10, 11]"),
        ("for seed in range(5): play(seed)", "for seed in range(0 + 10, 5 + 10): play(seed)"),
        ("rng = np.random.default_rng(0)", "rng = np.random.default_rng(10)"),
        ("play(seed=3)  # seed kept", "play(seed=3)"),
        ("play(steps=3, seed=chosen)", "play(steps=3, seed=chosen)"),
    ],
)
def test_literal_seeds_move_and_nothing_else(code, moved):
    assert ast.unparse(ast.parse(shifted(code, 10))) == ast.unparse(ast.parse(moved))
