"""The course's site: gathers the pages, and builds them with Sphinx. `make site`.

What is written by hand stands in docs/. Notebooks are taken as they were executed; the tables of results and of
hyperparameters, the reference and the page for contributors are made from the repository. Where Node is, the live
player is built and put into live/.

    python scripts/website.py            build/site/index.html
    python scripts/website.py --sources  the gathered pages alone, in build/docs
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import inspect
import math
import re
import shutil
import sys
import types
import typing
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
import live  # noqa: E402
import live_pages  # noqa: E402
import numpy as np  # noqa: E402
import readme_table  # noqa: E402

import notebooks as pairs  # noqa: E402
from course_lib.errors import Between, OneOf, Whole  # noqa: E402

PAGES, SITE = ROOT / "build" / "docs", ROOT / "build" / "site"
PLAYER = ROOT / "web" / "dist"
HIDDEN = "hide-input"  # tag of cells that stand folded
ALGORITHMS = ("PPO", "DDPG", "TD3", "SAC", "RDPG", "RTD3", "RSAC")
CONFIGS = {  # config -> what a notebook that uses it holds
    **{f"{name}Config": rf"\bcl\.{name}\b|\b{name}Config\b" for name in ALGORITHMS},
    "CellConfig": r"\bCellConfig\b|\bPPOConfig\b.*\bcell=|\bcell\.name\b",
    "SummarizerConfig": r"\bSummarizerConfig\b",
    "PlanConfig": r"\bPlanConfig\b",
}
REFERENCE = {  # page -> what it is about, modules whose public names it lists
    "training": ("Training", "rl.ppo rl.ppo_config rl.offpolicy rl.offpolicy_config rl.recurrent rl.recurrent_config "
                 "rl.run course.session rl.imitation rl.gae rl.q_losses"),
    "evaluation": ("Evaluation and statistics", "evaluation.returns evaluation.rollout evaluation.statistics"),
    "cells": ("Cells, solvers, wirings", "nets.config nets.base nets.cells nets.synaptic nets.windows nets.solvers "
              "nets.wiring nets.summarizers nets.dmp"),
    "policies": ("Policies", "policies.base policies.actor_critics policies.actors policies.chunks policies.plans "
                 "policies.saved"),
    "environments": ("Environments", "envs envs.engine.task envs.engine.batched envs.engine.single "
                     "envs.engine.disturbance envs.engine.partial envs.adopt"),
    "sweeps": ("Sweeps", "sweeps sweeps.space sweeps.results sweeps.importance"),
    "pictures": ("Pictures", "viz.curves viz.video viz.sliders viz.described viz.states.states viz.states.explorer "
                 "viz.player.live viz.topology.html viz.topology.paint viz.sweeps.figures"),
    "course": ("The course's own tools", "course.budget course.seeing course.predictions course.exercises "
               "course.doctor"),
}  # fmt: skip


# --- notebooks ----------------------------------------------------------------------------------


def page_of(source: Path, out: Path) -> str:
    """Copy an executed notebook, with folded checks and texts for its pictures -> its title."""
    import nbformat

    nb = nbformat.read(pairs.paired(source), as_version=4)
    for cell in nb.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "markdown":
            continue
        if cell.metadata.get("jupyter", {}).get("source_hidden") or pairs.SETUP_TAG in tags:
            cell.metadata["tags"] = sorted({*tags, HIDDEN})
        texts = [o.metadata[m]["alt"] for o in cell.outputs for m in o.get("metadata", {}) if "alt" in o.metadata[m]]
        if texts:
            cell.metadata["mystnb"] = {"image": {"alt": texts[0]}}
    first = nb.cells[0].source
    nb.cells[0].source = pairs.BADGE_LINE.sub(lambda badge: buttons(source.stem), first)
    (out / f"{source.stem}.ipynb").write_text(pairs.as_text(nb), encoding="utf-8")
    return first.splitlines()[0].lstrip("# ")


def buttons(stem: str) -> str:
    """Where the notebook can be run: Colab, Kaggle, Binder. Plain links: a page fetches nothing from elsewhere."""
    path = f"notebooks/{stem}.ipynb"
    slug, ref = pairs.slug(), pairs.ref()
    colab = f"https://colab.research.google.com/github/{slug}/blob/{ref}/{path}"
    kaggle = f"https://kaggle.com/kernels/welcome?src=https://github.com/{slug}/blob/{ref}/{path}"
    binder = f"https://mybinder.org/v2/gh/{slug}/{ref}?urlpath=lab/tree/{path}"
    source = f"https://github.com/{slug}/blob/{ref}/{path}"
    return f"Run it on [Colab]({colab}), [Kaggle]({kaggle}) or [Binder]({binder}) · [Source]({source})"


# --- pages that are made ------------------------------------------------------------------------


def results_page() -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    part = text[text.index("## Results") : text.index("## Licence")]
    part = re.sub(r"<!-- \w+:(begin|end) -->\n?", "", part)
    return "# Results\n" + part.partition("\n")[2].replace("\n### ", "\n## ")


def contribute_page() -> str:
    return (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def hyperparameters_page() -> str:
    """A table for each config: field, default, what it accepts, what it is."""
    import course_lib as cl

    lines = [
        "# Hyperparameters", "",
        "Every field of every config, made from the code. `recommended(env_id)` changes some of them for known tasks.",
    ]  # fmt: skip
    for name in CONFIGS:
        config = getattr(cl, name)
        first = inspect.getdoc(config).splitlines()[0]
        lines += ["", f"## {name}", "", first, "", where_used(name), ""]
        lines += ["| field | default | accepts | meaning |", "|---|---|---|---|"]
        texts = documented(config)
        hints = typing.get_type_hints(config, include_extras=True)
        for field in dataclasses.fields(config):
            cells = (f"`{field.name}`", f"`{default_of(field)}`", accepts(hints[field.name]), texts.get(field.name, ""))
            lines.append("| " + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in cells) + " |")
    return "\n".join(lines) + "\n"


def where_used(config: str) -> str:
    """The notebooks that use a config, or that only describe its algorithm, as a sentence."""
    texts = {source.stem[:2]: source.read_text(encoding="utf-8") for source in pairs.sources()}
    for verb, pattern in (("Used", CONFIGS[config]), ("Described", rf"\b{config.removesuffix('Config')}\b")):
        if found := [number for number, text in texts.items() if re.search(pattern, text)]:
            return f"{verb} in notebook{'s' * (len(found) > 1)} {', '.join(found)}."
    return "No notebook uses it."


def default_of(field: dataclasses.Field):
    if field.default is not dataclasses.MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else "none"


def accepts(hint) -> str:
    """What `check_fields` accepts for an annotation, in words."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join("`None`" if part is type(None) else accepts(part) for part in inside)
    if origin is typing.Annotated:
        return rule_in_words(next(rule for rule in inside if hasattr(rule, "check")))
    if origin is typing.Literal:
        return rule_in_words(OneOf(inside))
    if origin is tuple:
        return f"several: {accepts(inside[0])}"
    if dataclasses.is_dataclass(hint):
        return f"a `{hint.__name__}`, or a dict of its fields"
    return {bool: "`True`, `False`", dict: "a dict"}.get(hint, f"`{getattr(hint, '__name__', hint)}`")


def rule_in_words(rule) -> str:
    """What a rule of a config's field lets through."""
    if isinstance(rule, Whole):
        return f"a whole number, at least {rule.least:,}" + (
            f", at most {rule.most:,}" if rule.most and rule.most < 1e9 else ""
        )
    if isinstance(rule, OneOf):
        return ", ".join(f"`{name!r}`" for name in rule.names)
    if isinstance(rule, Between):
        if rule.low == -math.inf:
            return "a finite number"
        if rule.high == math.inf:
            return f"a number {'above' if rule.open_low else 'of at least'} {rule.low:g}" + " or `inf`" * rule.or_inf
        return f"a number {'above' if rule.open_low else 'from'} {rule.low:g} {'up ' * rule.open_low}to {rule.high:g}"
    text = inspect.getdoc(rule).splitlines()[0].rstrip(".")
    return text[0].lower() + text[1:]


def documented(config: type) -> dict[str, str]:
    """Field -> the text that stands under it in the source, in the class and in those it derives from."""
    found = {}
    for each in reversed(config.__mro__):
        try:
            source = inspect.getsource(each)
        except (OSError, TypeError):
            continue
        for name, text in re.findall(r'^    (\w+):[^\n]*(?:\n        [^\n]*)*\n    """(.*?)"""', source, re.M | re.S):
            found[name] = " ".join(text.split())
    return found


def mistakes_page() -> str:
    """What the checks of all exercises know that people get wrong."""
    from course_lib.classroom.checks import exercise_of
    from course_lib.course.exercises import Compare

    lines = [
        "# What students get wrong",
        "The hints of the checks, exercise by exercise: what each says when it meets the mistake. The authors "
        "expected these mistakes. No class has been counted yet. Nearly all are tested with a wrong answer.",
    ]
    for source in pairs.sources():
        text = "\n".join(cell.source for cell in pairs.read_script(source).cells if cell.cell_type == "markdown")
        lines.append(f"## {source.stem[:2]} {text.splitlines()[0].lstrip('# ')}")
        for number, title in re.findall(r"^### Exercise (\d+\.\d+): (.+)$", text, re.M):
            made = exercise_of(number).build(np.random.default_rng(0))
            hints = made.mistakes if isinstance(made, Compare) else [hint for hint, _ in made.demands]
            lines += [
                f"### {number} {title[0].upper()}{title[1:]}",
                "\n".join(f"- {hint}" for hint in single(filter(None, hints))),  # a first letter may be a symbol
            ]
    return "\n\n".join(lines) + "\n"


def single(hints: typing.Iterable[str]) -> list[str]:
    """The hints without those that join others ("still wrong, A; B" beside "still wrong, A" and "still wrong, B")."""
    listed = list(dict.fromkeys(hint.removesuffix(".") for hint in hints))

    def joined(hint: str) -> bool:
        rests = [hint[len(other) + 2 :] for other in listed if hint.startswith(f"{other}; ")]
        return any(other.endswith(rest) for rest in rests for other in listed if other != hint)

    return [hint for hint in listed if not joined(hint)]


def reference_pages(out: Path) -> None:
    """A page for each part of the library, from the docstrings."""
    out.mkdir()
    listed = "\n".join(REFERENCE)
    index = "# Reference\n\nThe public names of `course_lib`. A notebook writes `import course_lib as cl`.\n\n"
    (out / "index.md").write_text(f"{index}```{{toctree}}\n{listed}\n```\n", encoding="utf-8")
    for page, (title, modules) in REFERENCE.items():
        lines = [f"# {title}", ""]
        for short in modules.split():
            module = importlib.import_module(f"course_lib.{short}")
            names = public(module)
            lines += [f"## `course_lib.{short}`", "", *summary(module), ""]
            for name in names:
                kind = "autoclass" if inspect.isclass(getattr(module, name)) else "autofunction"
                options = "\n:members:\n" if kind == "autoclass" else "\n"
                lines += [f"```{{eval-rst}}\n.. {kind}:: {module.__name__}.{name}"]
                lines[-1] += options.replace("\n:", "\n   :") + "```"
        (out / f"{page}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def public(module) -> list[str]:
    """Classes and functions of a module that are its own, documented and not private, in the order of the source."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", "") == module.__name__
        and (inspect.isclass(value) or inspect.isfunction(value))
        and inspect.getdoc(value)
    ]


def summary(module) -> list[str]:
    return [(module.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")]


def gallery(titles: dict[str, str]) -> str:
    """Cards of the notebooks for the first page."""
    cards = ["::::{grid} 1 2 2 3", ":gutter: 3", ":class-container: course-cards", ""]
    for (stem, title), (_, what) in zip(titles.items(), readme_table.NOTEBOOKS, strict=True):
        cards += [
            f":::{{grid-item-card}} {stem[:2]} · {title}",
            f":link: notebooks/{stem}",
            ":link-type: doc",
            what,
            ":::",
        ]
    return "\n".join([*cards, "::::"])


# --- all of it ----------------------------------------------------------------------------------


def gather(out: Path = PAGES, player: Path = PLAYER) -> Path:
    """All pages as Sphinx wants them, in `out`."""
    if out.exists():
        shutil.rmtree(out)
    shutil.copytree(ROOT / "docs", out)
    (out / "notebooks").mkdir()
    titles = {source.stem: page_of(source, out / "notebooks") for source in pairs.sources()}
    listed = "\n".join(titles)
    index = "# Notebooks\n\nEach is shown as it was executed, in the lite budget, on two cores.\n\n"
    (out / "notebooks" / "index.md").write_text(
        f"{index}```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n", encoding="utf-8"
    )
    for name, text in (
        ("results.md", results_page()),
        ("contribute.md", contribute_page()),
        ("hyperparameters.md", hyperparameters_page()),
        ("handbook/mistakes.md", mistakes_page()),
        ("live.md", live_pages.site_page(out, player)),
        ("changelog.md", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")),
    ):
        (out / name).write_text(text, encoding="utf-8")
    reference_pages(out / "reference")
    first = out / "index.md"
    first.write_text(first.read_text(encoding="utf-8").replace("%gallery%", gallery(titles)), encoding="utf-8")
    return out


def build(pages: Path = PAGES, site: Path = SITE) -> int:
    """Sphinx -> exit status; a warning is a failure."""
    from sphinx.cmd.build import build_main

    return build_main(["-b", "html", "-W", "--keep-going", "-q", str(pages), str(site)])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", action="store_true", help="gather the pages and stop")
    args = parser.parse_args(argv)
    if not args.sources:
        try:
            live.build()
        except live.Trouble as trouble:
            told = "the site gets what was built before" if PLAYER.is_dir() else "the site is built without the player"
            print(f"{told}: {trouble}")
    pages = gather()
    if args.sources:
        print(f"pages in {pages.relative_to(ROOT)}")
        return 0
    status = build(pages)
    if not status:
        shutil.rmtree(SITE / "live", ignore_errors=True)
        if PLAYER.is_dir():
            shutil.copytree(PLAYER, SITE / "live")
        print(f"open {(SITE / 'index.html').relative_to(ROOT)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
