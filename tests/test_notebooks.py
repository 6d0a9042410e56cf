"""Every notebook present: its forms agree, its outputs are clean, its cells are short, it has exercises, none leaks."""

import importlib
import importlib.util
import re
import statistics
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parent.parent
_spec = importlib.util.spec_from_file_location("notebooks", ROOT / "scripts" / "notebooks.py")
tool = importlib.util.module_from_spec(_spec)
sys.modules["notebooks"] = tool
_spec.loader.exec_module(tool)

forms = tool.forms
slides = importlib.import_module("slides")  # scripts/ is on the path now
SOURCES = tool.sources()
each_notebook = pytest.mark.parametrize("source", SOURCES, ids=[path.stem for path in SOURCES])


def load(source):
    """(script as a notebook, committed complete notebook)"""
    return tool.read_script(source), nbformat.read(tool.completed(source), as_version=4)


def code_cells(nb):
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def lines(cell):
    """Lines of a cell that a reader reads."""
    return [line for line in cell.source.splitlines() if line.strip()]


def test_every_notebook_has_its_script():
    scripts = {path.stem for path in SOURCES}
    for folder in (ROOT / "notebooks", ROOT / "notebooks" / "complete"):
        assert {path.stem for path in folder.glob("*.ipynb")} == scripts


@each_notebook
def test_pair_agrees(source):
    script, nb = load(source)
    for ours, theirs in zip(nb.cells, script.cells, strict=True):
        assert (ours.cell_type, ours.source) == (theirs.cell_type, theirs.source), "make notebooks"
    assert [c.metadata for c in nb.cells] == [c.metadata for c in script.cells]
    assert [c.id for c in nb.cells] == [c.id for c in script.cells]
    assert nb.metadata.kernelspec.name == "python3"


@each_notebook
def test_learners_form_is_made_from_the_complete_one(source):
    _, nb = load(source)
    text = tool.paired(source).read_text(encoding="utf-8")
    assert text == tool.as_text(forms.learners(nb)), "make sync"
    learners = nbformat.reads(text, as_version=4)
    assert tool.problems(learners) == [] and "BEGIN SOLUTION" not in text
    said = ["".join(output.text for output in cell.outputs) for cell in learners.cells if forms.is_check(cell)]
    assert len(said) >= 5 and all(re.fullmatch(r"○ \d+\.\d \w+: not done yet\n", line) for line in said)
    assert not any(cell.outputs for cell in learners.cells if forms.is_exercise(cell))


@each_notebook
def test_outputs_of_the_learners_form_give_no_answer_away(source):
    learners = nbformat.read(tool.paired(source), as_version=4)
    code = [cell for cell in learners.cells if cell.cell_type == "code"]
    shown = "\n".join(str(output) for cell in code for output in cell.outputs)
    assert not re.findall(r"your (?:prediction|answer),.{20}|used below: yours|\(your answer\)", shown)
    using = [cell for cell in code if forms.ANSWER.search(cell.source) and not forms.is_check(cell)]
    assert using and all(cell.outputs[0].text == forms.HELD_BACK for cell in using if cell.outputs)


@each_notebook
def test_no_cell_after_an_exercise_gives_its_answer_away(source):
    script, _ = load(source)
    code = [cell for cell in script.cells if cell.cell_type == "code"]
    for k, cell in enumerate(code):
        for other in code[k + 1 :] if forms.is_exercise(cell) else ():
            if not forms.is_exercise(other):
                line = forms.gives_away(cell.source, other.source)
                assert not line, f"{forms.number_of(cell)}: {line}"


def test_solutions_that_ship_are_those_of_the_scripts():
    from course_lib.course.packed import read_packed

    text = forms.packed_texts({source.stem[:2]: tool.read_script(source) for source in SOURCES})
    assert read_packed("solutions.b64") == text, "make sync"


@each_notebook
def test_outputs_are_whole_and_clean(source):
    _, nb = load(source)
    nbformat.validate(nb)
    assert tool.problems(nb) == []
    assert "widgets" not in nb.metadata


@each_notebook
def test_executed_from_top_to_bottom(source):
    _, nb = load(source)
    counts = [cell.execution_count for cell in code_cells(nb) if cell.source.strip()]
    assert counts == list(range(1, len(counts) + 1))


@each_notebook
def test_file_is_small(source):
    assert tool.completed(source).stat().st_size < 3_000_000


@each_notebook
def test_badge_names_its_own_file(source):
    _, nb = load(source)
    badges = [hit for cell in nb.cells for hit in tool.BADGE_LINE.findall(cell.source)]
    assert badges == [tool.badge(source.stem)]
    assert badges[0] in nb.cells[0].source


@each_notebook
def test_setup_cell_is_the_one_all_share(source):
    _, nb = load(source)
    setups = [cell for cell in code_cells(nb) if tool.is_setup(cell)]
    assert [cell.source for cell in setups] == [tool.setup_cell()]
    assert code_cells(nb).index(setups[0]) <= 1  # only the result, shown up front, may come before it
    assert len(tool.output_texts(setups[0])) == 1 and setups[0].outputs[0].text.count("\n") == 1


@each_notebook
def test_cells_are_short(source):
    _, nb = load(source)
    assert max(len(cell.source.splitlines()) for cell in code_cells(nb)) <= 30  # blank lines count too
    assert statistics.median(len(lines(cell)) for cell in code_cells(nb)) <= 8


@each_notebook
def test_has_exercises_with_solutions_and_checks(source):
    script, _ = load(source)
    meta = [cell.metadata.get("nbgrader", {}) for cell in script.cells]
    solutions = [m for m in meta if m.get("solution")]
    assert len(solutions) >= 4
    assert any(m.get("grade") and not m.get("solution") for m in meta)
    ids = [m["grade_id"] for m in meta if m]
    assert len(ids) == len(set(ids))
    for cell in script.cells:
        begin, end = cell.source.count("### BEGIN SOLUTION"), cell.source.count("### END SOLUTION")
        assert begin == end
        if begin:
            assert cell.metadata.get("nbgrader", {}).get("solution"), cell.source[:80]


@each_notebook
def test_no_plotting_code(source):
    script, _ = load(source)
    drawing = re.compile(r"\b(plt|ax|axes)\.(plot|bar|scatter|set_xlabel|legend)\(")
    for cell in code_cells(script):
        assert not drawing.search(cell.source), cell.source[:80]


# -------------------------------------------------------------------------------- the tools themselves
SOLVED = """def mean_square(values, weight):
    \"\"\"What it does.\"\"\"
    ### BEGIN SOLUTION
    total = sum(weight * v**2 for v in values)
    return total / (len(values) * weight + 1e-8 * len(values))
    ### END SOLUTION
"""


@pytest.mark.parametrize(
    "code, leaks",
    [
        ("def f(x, w):\n    s = sum(w * a**2 for a in x)\n    return s / (len(x) * w + 1e-8 * len(x))", True),
        ("if True:\n    t = 0\n    s = sum(w * a**2 for a in x)\n    print(s / (len(x) * w + 1e-8 * len(x)))", True),
        ("g = lambda s, x, w: s / (len(x) * w + 1e-8 * len(x))", True),
        ("s = sum(w * a**3 for a in x)", False),
        ("g = lambda s, x, w: s / (len(x) * w + 1e-8 * len(w))", False),
        ("mean_square([1], 2)", False),
        ("%matplotlib inline", False),
    ],
)
def test_leaks_are_found(code, leaks):
    assert bool(forms.gives_away(SOLVED, code)) is leaks


def test_a_stub_and_a_solution_as_one_reads_it():
    assert forms.stub(SOLVED).endswith("\n    # YOUR CODE HERE\n    raise NotImplementedError()\n")
    assert "total" not in forms.stub(SOLVED) and "What it does" in forms.stub(SOLVED)
    assert "###" not in forms.without_marks(SOLVED) and "return total" in forms.without_marks(SOLVED)


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def executed(*outputs, source="x"):
    return new_notebook(cells=[new_code_cell(source, execution_count=1, outputs=list(outputs))])


@pytest.mark.parametrize(
    "output, word",
    [
        (stream("a line", "stderr"), "stderr"),
        (stream("saved in /home/ann/runs/x"), "absolute path"),
        (stream("File '/tmp/abc.py'"), "absolute path"),
        (stream(r"saved in C:\Users\ann"), "absolute path"),
        (stream("x.py:3: UserWarning: do not"), "warning"),
        (stream("<Thing object at 0x7f12ab34cd56>"), "memory address"),
        (new_output("error", ename="ValueError", evalue="no", traceback=["ValueError: no"]), "error"),
        (new_output("display_data", data={"text/html": "<b>/root/x</b>"}), "absolute path"),
        (new_output("display_data", data={"image/png": "iVBORw0KGgo"}), "picture (image/png) without a text"),
        (new_output("display_data", data={"text/html": "<video src='x'></video>"}), "picture (video) without a text"),
        (new_output("display_data", data={"text/html": "<img alt='' src='x'>"}), "picture (img) without a text"),
    ],
)
def test_problems_are_found(output, word):
    assert any(word in sentence for sentence in tool.problems(executed(output)))


def test_the_page_of_a_notebook_has_the_texts_of_its_pictures():
    head = "iVBORw0KGgo" + "A" * 80  # pictures of one size begin alike
    said = {"B": 'returns & "costs"', "C": "a fall"}
    shown = [
        new_output("display_data", data={"image/png": head + end}, metadata={"image/png": {"alt": alt}})
        for end, alt in said.items()
    ]
    page = tool.to_html(executed(*shown), "x", offline=True)
    found = dict(re.findall(r'<img alt="([^"]*)"[^>]*base64,[^"]*([BC])"', page))
    assert found == {"returns &amp; &quot;costs&quot;": "B", "a fall": "C"} and "No description" not in page


def test_clean_outputs_have_no_problems():
    data, told = {"image/png": "iVBORw0KGgo", "text/plain": "<Figure size 640x480>"}, {"image/png": {"alt": "a curve"}}
    picture = new_output("display_data", data=data, metadata=told)
    page = '<video aria-label="a cheetah" src="data:video/mp4;base64,AA/tmp/x0tmp+/root/a">'
    video = new_output("display_data", data={"text/html": page})
    assert tool.problems(executed(stream("5,734 steps/s, runs/cheetah, 1/2"), picture, video)) == []
    assert tool.problems(new_notebook(cells=[new_code_cell("x")])) == ["cell 1 was not executed"]


def test_tidy_drops_widgets_and_overwritten_lines():
    view = {tool.WIDGET: {"model_id": "a"}, "text/plain": "Box()"}
    nb = executed(stream("1 %\r50 %\r100 %\n"), stream("end\n"), new_output("display_data", data=view))
    nb.metadata["widgets"] = {"state": {}}
    tool.tidy(nb)
    assert [o.text for o in nb.cells[0].outputs] == ["100 %\nend\n"] and "widgets" not in nb.metadata


SCRIPT = """\
# %% [markdown]
# # A title
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](x)

# %% tags=["setup"]
old text

# %%
import os

print(os.environ["COURSE_BUDGET"], os.path.basename(os.getcwd()))

# %%
1 + 1
"""


@pytest.fixture
def small(tmp_path):
    """A little repository with one notebook."""
    root = tmp_path / "small"
    (root / "notebooks" / "py").mkdir(parents=True)
    (root / "pyproject.toml").write_text('Repository = "https://github.com/some-one/course"\n')
    source = root / "notebooks" / "py" / "07_small.py"
    source.write_text(SCRIPT)
    return root, source


def test_sync_writes_badge_and_setup_cell_once(small):
    root, source = small
    target = tool.sync(source, root)
    nb = nbformat.read(target, as_version=4)
    assert "some-one/course/blob/main/notebooks/07_small.ipynb" in nb.cells[0].source
    assert nb.cells[1].source == tool.setup_cell(root)
    assert [cell.source for cell in nb.cells[2:]][-1] == "1 + 1"
    first = source.read_text(), target.read_text()
    tool.sync(source, root)
    assert (source.read_text(), target.read_text()) == first


def test_sync_keeps_outputs_of_unchanged_cells(small):
    root, source = small
    target = tool.sync(source, root)
    nb = nbformat.read(target, as_version=4)
    nb.cells[2].outputs, nb.cells[2].execution_count = [stream("kept\n")], 2
    nb.cells[3].outputs, nb.cells[3].execution_count = [stream("stale\n")], 3
    target.write_text(tool.as_text(nb))
    source.write_text(source.read_text().replace("1 + 1", "1 + 2"))
    after = nbformat.read(tool.sync(source, root), as_version=4)
    assert after.cells[2].outputs[0].text == "kept\n" and after.cells[3].outputs == []
    assert after.cells[2].id == nb.cells[2].id and after.cells[3].id != nb.cells[3].id


def test_run_writes_a_page_in_the_budget_asked_for(small, monkeypatch, capsys):
    root, source = small
    monkeypatch.setattr(tool, "ROOT", root)
    source.write_text(source.read_text().replace('# %% tags=["setup"]\nold text\n\n', ""))
    page, found = tool.run_to_html(source, "full", 60, root / "build")
    assert found == [] and "full notebooks" in page.read_text() and str(root) not in page.read_text()
    assert "2/2" in capsys.readouterr().out


def test_run_keeps_the_page_of_a_notebook_that_fails(small, monkeypatch):
    root, source = small
    monkeypatch.setattr(tool, "ROOT", root)
    source.write_text("# %%\nprint('so far')\n\n# %%\n1 / 0\n")
    with pytest.raises(tool.Trouble, match="07_small stopped: ZeroDivisionError"):
        tool.run_to_html(source, "smoke", 60, root / "build")
    assert "so far" in (root / "build" / "07_small.html").read_text()


def test_an_unknown_notebook_gets_a_sentence(small):
    root, source = small
    assert tool.sources("7", root) == tool.sources("07_small", root) == [source]
    with pytest.raises(tool.Trouble, match="'11' is no notebook; there are: 07_small"):
        tool.sources("11", root)


# ---------------------------------------------------------------------------------------------------- slides
@each_notebook
def test_slides_hold_equations_figures_and_exercises_but_no_answers(source):
    learners = forms.learners(load(source)[1])
    nb = slides.slides_of(learners)
    kinds = [cell.metadata["slideshow"]["slide_type"] for cell in nb.cells]
    on_slides = "\n".join(cell.source for cell, kind in zip(nb.cells, kinds, strict=True) if kind != "notes")
    whole = "\n".join(cell.source for cell in learners.cells if cell.cell_type == "markdown")
    assert kinds[0] == "slide" and kinds.count("slide") >= 5 and len({cell.id for cell in nb.cells}) == len(nb.cells)
    assert all(equation in on_slides for equation in slides.EQUATION.findall(whole))
    assert on_slides.count("### Exercise") >= 5 and "BEGIN SOLUTION" not in on_slides and "cl.check" not in on_slides
    for prompt in ("*Predict.*", "*Try this.*"):
        assert on_slides.count(prompt) == whole.count(prompt)
    asked = [cell for cell in learners.cells if re.match(r"cl\.predict\(.*choices=\(", cell.source)]
    assert sum(cell.id.endswith("-choices") for cell in nb.cells) == len(asked)
    visible = [cell for cell, kind in zip(nb.cells, kinds, strict=True) if kind not in ("notes", "skip")]
    bare = [re.fullmatch(r"##+ .*", cell.source.strip()) is not None for cell in visible]
    joined = [cell.metadata["slideshow"]["slide_type"] == slides.CONTINUES for cell in visible]
    assert sum(alone and not below for alone, below in zip(bare, [*joined[1:], False], strict=True)) <= 1


def test_what_does_not_fit_on_a_slide_goes_on_on_the_next():
    words = " ".join(["word"] * 50)
    table = "\n".join(["| a | b |", "|---|---|", *[f"| {k} | {words} |" for k in range(4)]])
    items = "\n".join(f"- {k} {words}" for k in range(4))
    nb = slides.slides_of(
        new_notebook(cells=[nbformat.v4.new_markdown_cell(f"# T\n\n## Summary\n\n{table}\n\n{items}")])
    )
    texts = [cell.source for cell in nb.cells[1:]]
    assert len(texts) == 4 and all("Summary" in text and len(text.split()) < 150 for text in texts)
    assert [text.count("|---|---|") for text in texts] == [1, 1, 0, 0]
    assert all(f"| {k} |" in "".join(texts[:2]) and f"- {k} " in "".join(texts[2:]) for k in range(4))


def test_a_tag_says_what_a_cell_is_in_slides():
    cells = [new_code_cell("x", metadata={"tags": [kind]}) for kind in slides.KINDS]
    nb = slides.slides_of(new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title\n\n## Part\n\nSaid."), *cells]))
    assert [cell.metadata["slideshow"]["slide_type"] for cell in nb.cells] == ["slide", "slide", "notes", *slides.KINDS]
    # also right after a heading that stands alone, which code without a tag joins
    for tags, kind in ((["subslide"], "subslide"), ([], slides.CONTINUES)):
        after = new_code_cell("x", metadata={"tags": tags})
        nb = slides.slides_of(new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title\n\n## Part"), after]))
        assert nb.cells[-1].metadata["slideshow"]["slide_type"] == kind


@each_notebook
def test_only_the_complete_notebook_is_paired_with_the_script(source, capsys):
    """What a learner saves in JupyterLab must not overwrite the source."""
    from jupytext.cli import jupytext

    for path, other in ((tool.paired(source), ""), (tool.completed(source), source), (source, tool.completed(source))):
        jupytext(["--paired-paths", str(path)])
        assert capsys.readouterr().out.strip() == str(other)
