"""Settings of the course's site. `make site` builds it: scripts/website.py gathers the pages first."""

import re
import sys
from pathlib import Path

from docutils import nodes

sys.path.insert(0, str(Path(__file__).resolve().parent))  # pages and settings stand in the folder that is built

project = "Liquid Control"
author = "Liquid Control contributors"
copyright = "Liquid Control contributors, MIT licence"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx-mathjax-offline",  # equations without a network
]
exclude_patterns = ["**/.ipynb_checkpoints"]
html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"
html_css_files = ["course.css"]
html_js_files = ["course.js"]
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
nb_execution_mode = "off"  # notebooks are shown as they were executed
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 3
myst_update_mathjax = False
autodoc_typehints = "none"  # signatures have them
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_use_ivar = True
copybutton_exclude = ".linenos, .gp, .go"
suppress_warnings = ["mystnb.unknown_mime_type", "myst.header", "misc.highlighting_failure", "ref.python"]
autodoc_inherit_docstrings = False


def as_rst(app, what, name, obj, options, lines: list[str]) -> None:
    """Docstrings of the course are plain text; make reStructuredText of them, before napoleon reads their sections."""
    if what in ("property", "attribute") and lines:
        lines[0] = lines[0].replace(": ", " – ", 1)  # napoleon would take what stands before for a type
    out, listed = [], False
    for line in lines:
        code = re.split(r"(`[^`]*`)", line)
        line = "".join(f"``{t[1:-1]}``" if k % 2 else re.sub(r"([*|\\]|_\b)", r"\\\1", t) for k, t in enumerate(code))
        entry = re.match(r"([a-z_]\w*(?:, \w+)*): (.*)", line)
        if entry:  # a list of names at the margin
            out += [] if listed else [""]
            out.append(f"- **{entry[1]}**: {entry[2]}")
            listed = True
        elif listed and line.startswith("    "):
            out.append(f"  {line.strip()}")
        else:
            out += [""] if listed and line else []
            listed = False if line else listed
            out.append(line)
    lines[:] = out


def equations_as_they_are(app, tree, name: str) -> None:
    """Sphinx puts an equation with line breaks into a `split`, in which MathJax allows no number: leave it as it is."""
    for node in tree.findall(nodes.math_block):
        if "\\tag" in node.astext():
            node.children = [nodes.Text(f"\\[{node.astext()}\\]")]
            node["nowrap"] = node["no-wrap"] = True


def setup(app):
    app.connect("doctree-resolved", equations_as_they_are)
    app.connect("autodoc-process-docstring", as_rst, priority=400)
