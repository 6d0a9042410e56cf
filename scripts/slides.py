"""Slides of a notebook for the front of a class, with its own figures and outputs. `make slides NB=03`.

    python scripts/slides.py [03] [--out build/slides]

A section begins a slide. Headings, equations, lists, tables, predictions with their choices and exercises stand on
slides, and so do figures, short code and what longer code prints. All other prose goes into the speaker's notes (press
s). Cells that only prepare, such as imports, are left out. A cell's tag overrides that: "slide", "subslide",
"fragment", "notes" or "skip". The page takes reveal.js, require.js and MathJax from the network.
"""

from __future__ import annotations

import argparse
import ast
import copy
import re
import sys
from pathlib import Path

from nbformat.v4 import new_markdown_cell

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
import forms  # noqa: E402

import notebooks as pairs  # noqa: E402

KINDS, CONTINUES = ("slide", "subslide", "fragment", "notes", "skip"), "-"
SHORT = 12  # lines of code that fit on a slide
STYLE = """<style>
.reveal .slides section { font-size: 90%; text-align: left; overflow-y: auto; max-height: 100vh; }
.reveal .jp-RenderedHTMLCommon p, .reveal .jp-RenderedHTMLCommon li { font-size: 28px; line-height: 1.35; }
.reveal .jp-RenderedHTMLCommon table { font-size: 20px; }
.reveal pre, .reveal .jp-OutputArea pre { font-size: 20px; white-space: pre-wrap; }
.reveal img, .reveal video { max-height: 60vh; margin: auto; }
</style>"""
EQUATION = re.compile(r"^\$\$.*?\$\$", re.M | re.S)
SPOKEN = re.compile(r"\*Predict\.\*|\*Try this\.\*")
LISTED = re.compile(r"\||[-*] |\d+\. ")  # begins a table or a list
ASIDE = ("Further reading", "Your predictions", "What you predicted", "How well did you predict")  # not shown
FULL = 120  # words on one slide


def slides_of(learners):
    """The learner's notebook -> a notebook whose cells say what they are in slides."""
    nb = copy.deepcopy(learners)
    nb.cells = [
        part for cell in learners.cells for part in (told(cell) if cell.cell_type == "markdown" else shown(cell))
    ]
    join_headings(nb.cells)
    nb.cells[0].source = pairs.BADGE_LINE.sub("", nb.cells[0].source) + "\n\n" + STYLE
    return nb


def kind_of(cell) -> str:
    """What a tag of the cell asks for; "" where none does."""
    return next((tag for tag in cell.metadata.get("tags", []) if tag in KINDS), "")


def marked(cell, kind: str, source: str | None = None, part: str = ""):
    new = copy.deepcopy(cell)
    new.metadata["slideshow"] = {"slide_type": kind}
    if source is not None:
        new.source, new["id"] = source, f"{cell.id}-{part or kind}"
    return new


def join_headings(cells: list) -> None:
    """What comes after a heading that stands alone goes on the same slide, unless it begins a section."""
    alone = False
    for cell in cells:
        kind = cell.metadata["slideshow"]["slide_type"]
        if kind in ("notes", "skip"):
            continue
        if alone and kind == "subslide" and not kind_of(cell):
            cell.metadata["slideshow"]["slide_type"] = CONTINUES
        alone = cell.cell_type == "markdown" and cell.source.startswith("#") and "\n" not in cell.source.strip()


def told(cell) -> list:
    """A text: what stands on slides, and what is said."""
    if kind := kind_of(cell):
        return [marked(cell, kind)]
    out = []
    for k, part in enumerate(filter(str.strip, re.split(r"^(?=#{1,3} )", cell.source, flags=re.M))):
        heading, _, rest = part.partition("\n") if part.startswith("#") else ("", "", part)
        blocks = [block.strip() for block in re.split(r"\n\s*\n", rest) if block.strip()]
        if heading.lstrip("#. 0123456789").startswith(ASIDE):
            out.append(marked(cell, "skip", part, f"{k}-skip"))
        elif heading.startswith("### Exercise"):
            out += [marked(cell, "subslide", page, f"{k}-{i}") for i, page in enumerate(pages(heading, blocks))]
        else:
            out += section(cell, heading, blocks, k)
    return out


def pages(heading: str, blocks: list[str]) -> list[str]:
    """The blocks on as many slides as they need. Lists and tables are broken between items and rows."""
    out = [[heading] if heading else []]
    for piece in [piece for block in blocks for piece in pieces(block)]:
        if len(out[-1]) > bool(heading) and len(" ".join([*out[-1], piece]).split()) > FULL:
            out.append([f"{heading}, continued"] if heading else [])
        out[-1].append(piece)
    return ["\n\n".join(page) for page in out if page]


def pieces(block: str) -> list[str]:
    """A list or a table in pieces that fit on a slide; anything else as it is."""
    if not LISTED.match(block):
        return [block]
    table = block.startswith("|")
    lines = block.splitlines() if table else re.split(r"\n(?=[-*] |\d+\. )", block)
    top, lines = (lines[:2], lines[2:]) if table else ([], lines)
    out = [[*top]]
    for line in lines:
        if len(out[-1]) > len(top) and len(" ".join([*out[-1], line]).split()) > FULL:
            out.append([*top])
        out[-1].append(line)
    return ["\n".join(piece) for piece in out]


def section(cell, heading: str, blocks: list[str], k: int) -> list:
    """Its heading, and of its text the equations, lists, tables, predictions and what to try; all else is said."""
    front, said = [], []
    for i, block in enumerate(blocks):
        if asks := SPOKEN.search(block):
            front.append(block[asks.start() :])
            said.append(block[: asks.start()].strip())
        elif EQUATION.search(block):
            if not front and i and block.startswith("$$"):
                front.append(last_sentence(blocks[i - 1]))
            front.append(block)
        elif LISTED.match(block):
            front.append(block)
        else:
            said.append(block)
    said = "\n\n".join(filter(None, said))
    kind = "slide" if re.match("##? ", heading) else "subslide"
    return [
        *(marked(cell, "subslide" if i else kind, page, f"{k}-{i}") for i, page in enumerate(pages(heading, front))),
        *([marked(cell, "notes", said, f"{k}-notes")] if said else []),
    ]


def last_sentence(text: str) -> str:
    return re.split(r"(?<=[.?!:]) (?=[A-Z$*])", " ".join(text.split()))[-1]


def shown(cell) -> list:
    """Code: on a slide of its own where it is short; of longer code only what it shows."""
    if kind := kind_of(cell):
        return [marked(cell, kind)]
    if cell.source.startswith("cl.predict"):
        return choices(cell)
    prepares = {pairs.SETUP_TAG, forms.PRELUDE} & set(cell.metadata.get("tags", []))
    if prepares or forms.is_check(cell) or cell.source.startswith("cl.calibration"):
        return []
    long = len(cell.source.splitlines()) > SHORT and not forms.is_exercise(cell)
    if long and not cell.outputs:
        return []
    new = marked(cell, "subslide")
    if long:
        new.metadata["tags"] = [*cell.metadata.get("tags", []), "remove_input"]
    return [new]


def choices(cell) -> list:
    """What a prediction may choose from, under its question."""
    call = ast.parse(cell.source).body[0].value
    given = next((keyword.value for keyword in call.keywords if keyword.arg == "choices"), None)
    if not isinstance(given, (ast.Tuple, ast.List)):
        return []
    words = [ast.literal_eval(choice) for choice in given.elts]
    return [
        new_markdown_cell(
            "\n".join(f"- {word}" for word in words), id=f"{cell.id}-choices",
            metadata={"slideshow": {"slide_type": CONTINUES}},
        )
    ]  # fmt: skip


def to_html(nb, title: str, reveal: str) -> str:
    """The page, which takes reveal.js from the address `reveal`."""
    from nbconvert import SlidesExporter
    from traitlets.config import Config

    settings = Config()
    settings.TagRemovePreprocessor.remove_input_tags = {"remove_input"}
    settings.TagRemovePreprocessor.enabled = True
    exporter = SlidesExporter(config=settings, reveal_url_prefix=reveal, reveal_scroll=True, reveal_width="1280")
    body, _ = exporter.from_notebook_node(nb, resources={"metadata": {"name": title}})
    return body


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="?", default=None, help="numbers, comma-separated (default: all)")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "slides")
    parser.add_argument("--reveal", default="https://unpkg.com/reveal.js@4.6.1", help="where reveal.js is")
    args = parser.parse_args(argv)
    import nbformat

    for source in pairs.sources(args.notebooks):
        nb = slides_of(nbformat.read(pairs.paired(source), as_version=4))
        pairs.write(args.out / f"{source.stem}.html", to_html(nb, source.stem, args.reveal))
        kinds = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in nb.cells]
        print(f"{args.out / source.stem}.html: {kinds.count('slide')} slides, {kinds.count('subslide')} below them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
