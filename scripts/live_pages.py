"""Pages about the live player: of each robot and the gallery, which `scripts/live.py` writes; and one of the site."""

from __future__ import annotations

import html
import json
import shutil
from pathlib import Path

from course_lib.viz.player.live import site
from course_lib.viz.player.robots import ROBOTS, Robot

NAME, ABOUT = (
    "Liquid Control, live",
    "Policies of the course at work in your browser. Pull at a robot, hold a neuron still.",
)
STYLE = """<style>
.poster { width: 100%; max-width: 640px; height: auto; border-radius: 8px; }
#live[data-ready] ~ .poster { display: none; }
</style>"""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%(title)s</title>
<meta name="description" content="%(about)s">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="player.css">
%(style)s
</head>
<body>
<main class="page">
<header><h1>%(name)s</h1><p>%(about)s</p>%(back)s</header>
%(body)s
</main>
</body>
</html>
"""
PLAYER = """<div id="live" data-robot="%(key)s"></div>
<noscript><p>The live player needs JavaScript.</p></noscript>
<img class="poster" src="posters/%(key)s.jpg" alt="%(alt)s" width="640" height="400">
<script type="module" src="player.js"></script>"""
CARD = """<li><a href="%(key)s.html"><img src="posters/%(key)s.jpg" alt="%(alt)s" loading="lazy">
<h2>%(title)s</h2><p>%(about)s</p></a></li>"""


def said(robot: Robot) -> dict[str, str]:
    """What a page says of a robot, as HTML."""
    texts = {"key": robot.key, "title": robot.title, "about": robot.about, "alt": robot.picture}
    return {name: html.escape(text) for name, text in texts.items()}


def robot_page(robot: Robot) -> str:
    words = said(robot)
    title, back = f"{words['title']} · {NAME}", '<a href="index.html">All robots</a>'
    facts = {"title": title, "name": words["title"], "about": words["about"], "style": STYLE, "back": back}
    return PAGE % (facts | {"body": PLAYER % words})


def gallery_page(keys: list[str]) -> str:
    cards = "\n".join(CARD % said(ROBOTS[key]) for key in keys)
    course = (site() or "").removesuffix("live/")
    back = f'<a href="{course}">The course</a>' if course else ""
    facts = {"title": NAME, "name": NAME, "about": html.escape(ABOUT), "style": "", "back": back}
    return PAGE % (facts | {"body": f'<ul class="gallery">\n{cards}\n</ul>'})


def write(keys: list[str], out: Path) -> None:
    for key in keys:
        (out / f"{key}.html").write_text(robot_page(ROBOTS[key]), encoding="utf-8")
    (out / "index.html").write_text(gallery_page(keys), encoding="utf-8")


SITE_PAGE = """# Live

Policies of the course act in your browser: the physics runs there, and so do the networks. Pull at a robot, hold a
neuron still, change gravity or the rate of control, put two policies side by side. In a notebook,
`cl.live("anymal_walk_ltc")` shows the same, also for a policy of your own.

"""
NOT_BUILT = "This copy of the site was built without the player. `make live` in a checkout builds and opens it.\n"


def site_page(out: Path, player: Path) -> str:
    """A page of the site, in MyST's Markdown: cards of the robots, whose pictures are put into `out`."""
    if not (player / "catalog.json").is_file():
        return SITE_PAGE + NOT_BUILT
    robots = json.loads((player / "catalog.json").read_text(encoding="utf-8"))["robots"]
    shutil.copytree(player / "posters", out / "_posters")
    lines = ["::::{grid} 1 2 2 3", ":gutter: 3", ":class-container: course-cards", ""]
    for robot in robots:
        lines += [
            f":::{{grid-item-card}} {robot['title']}",
            f":img-top: _posters/{robot['key']}.jpg",
            f":img-alt: {robot['picture']}",
            f":link: live/{robot['key']}.html",
            ":link-type: url",
            robot["about"],
            ":::",
        ]
    return SITE_PAGE + "\n".join([*lines, "::::"]) + "\n"
