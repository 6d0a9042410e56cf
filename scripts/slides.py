"""Slides of a notebook for the front of a class, with its own figures and outputs. `make slides NB=03`.

    python scripts/slides.py [03] [--out build/slides]

A section begins a slide. Headings, equations, predictions and exercises stand on slides, and so do figures and short
code. All other prose goes into the speaker's notes (press s). Cells that only prepare, such as imports, are left out. A
cell's tag overrides that: "slide", "subslide", "fragment", "notes" or "skip". The page takes reveal.js, require.js and
MathJax from the network.
"""

from __future__ import annotations

import argparse
import copy
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
import forms  # noqa: E402

import notebooks as pairs  # noqa: E402

KINDS = ("slide", "subslide", "fragment", "notes", "skip")
SHORT = 12  # lines of code that fit on a slide
STYLE = """<style>
.reveal .slides section { font-size: 90%; text-align: left; overflow-y: auto; max-height: 100vh; }
.reveal .jp-RenderedHTMLCommon p, .reveal .jp-RenderedHTMLCommon li { font-size: 28px; line-height: 1.35; }
.reveal pre, .reveal .jp-OutputArea pre { font-size: 20px; white-space: pre-wrap; }
.reveal img, .reveal video { max-height: 60vh; margin: auto; }
</style>"""
EQUATION = re.compile(r"^\$\$.*?\$\$", re.M | re.S)
SPOKEN = re.compile(r"^(\*Predict\.\*|\*Try this\.\*|### Exercise)", re.M)


def slides_of(learners):
    """The learner's notebook -> a notebook whose cells say what they are in slides."""
    nb = copy.deepcopy(learners)
    nb.cells = [
        part for cell in learners.cells for part in (told(cell) if cell.cell_type == "markdown" else shown(cell))
    ]
    nb.cells[0].source = pairs.BADGE_LINE.sub("", nb.cells[0].source) + "\n\n" + STYLE
    return nb


def kind_of(cell) -> str:
    """What a tag of the cell asks for; "" where none does."""
    return next((tag for tag in cell.metadata.get("tags", []) if tag in KINDS), "")


def marked(cell, kind: str, source: str | None = None):
    new = copy.deepcopy(cell)
    new.metadata["slideshow"] = {"slide_type": kind}
    if source is not None:
        new.source, new["id"] = source, f"{cell.id}-{kind}"
    return new


def told(cell) -> list:
    """A text: what stands on a slide, and what is said."""
    if kind := kind_of(cell):
        return [marked(cell, kind)]
    parts = re.split(r"^(?=#{1,3} )", cell.source, flags=re.M)
    out = []
    for k, part in enumerate(filter(str.strip, parts)):
        heading = part.startswith("#")
        kind = {"# ": "slide", "##": "slide" if part.startswith("## ") else "subslide"}.get(part[:2], "")
        front = [line for line in part.splitlines()[:1] if heading]
        blocks = re.split(r"\n\s*\n", part.partition("\n")[2] if heading else part)
        if part.startswith("### Exercise"):
            front += blocks
        else:
            front += [block for block in blocks if EQUATION.search(block) or SPOKEN.match(block.strip())]
        said = "\n\n".join(block for block in blocks if block not in front)
        if front:
            kind = kind or ("subslide" if any(SPOKEN.match(block.strip()) for block in front) else "fragment")
            out.append(marked(cell, kind, "\n\n".join(front)))
            out[-1]["id"] = f"{cell.id}-{k}"
        if said.strip():
            out.append(marked(cell, "notes", said))
            out[-1]["id"] = f"{cell.id}-{k}-notes"
    return out


def shown(cell) -> list:
    """Code: on a slide of its own where it is short or shows something."""
    if kind := kind_of(cell):
        return [marked(cell, kind)]
    prepares = {pairs.SETUP_TAG, forms.PRELUDE} & set(cell.metadata.get("tags", []))
    pictures = any(set(o.get("data", {})) & {"image/png", "text/html"} for o in cell.get("outputs", []))
    long = len(cell.source.splitlines()) > SHORT
    if prepares or forms.is_check(cell) or cell.source.startswith(("cl.predict", "cl.calibration")):
        return []
    if long and not pictures and not forms.is_exercise(cell):
        return []
    new = marked(cell, "subslide")
    if long and pictures:
        new.metadata["tags"] = [*cell.metadata.get("tags", []), "remove_input"]
    return [new]


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
