"""Pages of the site that are made from the code: no hint twice, none changed, and each config with its notebooks."""

import sys
from pathlib import Path

import numpy as np
import pytest

import course_lib as cl
from course_lib.classroom.checks import exercise_of

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
import website  # noqa: E402

import notebooks as pairs  # noqa: E402


def test_hints_stand_on_the_page_as_the_checks_say_them(monkeypatch):
    """A first letter may be a symbol: λ is not Λ, and cl is not Cl."""
    monkeypatch.setattr(pairs, "sources", lambda of=pairs.sources: of("02"))
    page = website.mistakes_page()
    part = page[page.index("### 2.5") : page.index("### 2.6")].splitlines()
    listed = [line for line in part if line.startswith("- ")]
    assert len(listed) == 11 == len(set(listed))
    for words in ("the clip: what does the minus", "its log is a sum", "it is data of the old critic"):
        assert sum(words in line for line in listed) == 1
    for number in ("2.1", "2.3", "2.4"):
        for hint in exercise_of(number).build(np.random.default_rng(0)).mistakes:
            assert f"\n- {hint}\n" in page


@pytest.mark.parametrize(
    "hints, left",
    [
        (["no, A", "no, B", "no, A; B"], ["no, A", "no, B"]),
        (["no, A", "no, B", "no, C", "no, A; C.", "no, A; B; C", "no, B; C"], ["no, A", "no, B", "no, C"]),
        (["λ A", "λ A."], ["λ A"]),
        (["one; two", "one", "three"], ["one; two", "one", "three"]),  # "two" stands nowhere else
        ([], []),
    ],
)
def test_a_hint_that_joins_others_is_left_out(hints, left):
    assert website.single(hints) == left


def test_every_config_has_a_table_and_says_where_it_is_used():
    exported = {name for name in dir(cl) if name.endswith("Config")}
    assert exported == set(website.CONFIGS)
    code = {
        source.stem[:2]: [line for line in source.read_text().splitlines() if not line.startswith("#")]
        for source in pairs.sources()
    }
    for name in website.CONFIGS:
        named = [number for number, lines in code.items() if any(f"cl.{name}" in line for line in lines)]
        assert all(number in website.where_used(name) for number in named), name
    assert website.where_used("TD3Config") == "Used in notebook 05."  # through cl.TD3
    assert website.where_used("RTD3Config") == "Described in notebook 08."
    assert website.where_used("CellConfig") == "Used in notebooks 04, 06, 10."
