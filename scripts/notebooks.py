"""Tools for the notebook pairs: sync, execute, run, repository.

`notebooks/py/NN_name.py` (percent format) is the source. `sync` makes from it `notebooks/complete/NN_name.ipynb`, with
solutions, and `notebooks/NN_name.ipynb`, what a learner opens; it keeps the outputs of unchanged cells. `execute` also
runs the complete one, in place; `run` runs a copy and writes HTML into build/. The badge line and the set-up cell are
the same in every notebook; `sync` writes them from here. scripts/forms.py says how the forms differ.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import os
import re
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
import forms  # noqa: E402

SETUP_TAG = "setup"
SETUP_CELL = """\
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("course_lib") is None:  # a fresh machine, such as Colab: about a minute
    source = "liquid-control @ git+https://github.com/{slug}{at}"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--root-user-action=ignore", source]
    done = subprocess.run(pip, capture_output=True, text=True)
    if done.returncode:
        raise ImportError("course_lib could not be installed: " + done.stderr[-2000:])
    importlib.invalidate_caches()

import course_lib as cl

cl.setup()"""
BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{slug}/blob/{ref}/notebooks/{stem}.ipynb)"
)
BADGE_LINE = re.compile(r"\[!\[[^\]]*\]\([^)\s]*colab-badge\.svg\)\]\([^)\s]*\)")
WIDGET = "application/vnd.jupyter.widget-view+json"
# What a stranger must not see in a committed output: paths of the machine it was made on.
FOLDERS = "home|root|tmp|Users|usr|opt|var|mnt|content|private|work"
ABSOLUTE_PATH = re.compile(rf"""(?:^|[\s"'(=:\[`>])(/(?:{FOLDERS})/[\w.~-]+)""")
WINDOWS_PATH = re.compile(r"\b[A-Z]:\\\\?\w+")
WARNING = re.compile(r"\b\w*Warning: |\bWARN(?:ING)?:")


class Trouble(Exception):
    """A sentence for the person at the terminal."""


# ------------------------------------------------------------------------------- the repository's name
def slug(root: Path = ROOT) -> str:
    """owner/name, from the Repository url of pyproject.toml."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^Repository = "https://github\.com/([^"/]+/[^"/]+)"', text, re.M)
    if not found:
        raise Trouble("pyproject.toml has no line 'Repository = \"https://github.com/owner/name\"'")
    return found.group(1)


def site(slug: str) -> str:
    """Address of the course's site, without what follows it."""
    owner, _, name = slug.partition("/")
    return f"https://{owner}.github.io/{name}"


def ref(root: Path = ROOT) -> str:
    """Branch or tag that badges and set-up cells name, from pyproject.toml."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^ref = "([^"]+)"', text, re.M)
    return found.group(1) if found else "main"


def setup_cell(root: Path = ROOT) -> str:
    """The set-up cell of every notebook."""
    here = ref(root)
    return SETUP_CELL.format(slug=slug(root), at="" if here == "main" else f"@{here}")


def badge(stem: str, root: Path = ROOT) -> str:
    """The line that opens a notebook in Colab."""
    return BADGE.format(slug=slug(root), ref=ref(root), stem=stem)


def repository(new: str, root: Path = ROOT, at: str | None = None) -> list[Path]:
    """Re-point badges, set-up cells and links to `new` (owner/name), at a branch or tag; returns the changed files."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+", new):
        raise Trouble(f"SLUG={new!r} is not accepted; it must read owner/name, as in SLUG={slug(root)}")
    at, before = at or ref(root), ref(root)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]*", at):
        raise Trouble(f"REF={at!r} is not accepted; it must be a branch or a tag, as in REF=autumn-2027")
    link = re.compile(r"(github(?:\.com)?/)" + re.escape(slug(root)) + r"(?![\w-]|\.\w)")
    pages = re.compile(re.escape(site(slug(root))) + r"(?![\w-]|\.\w)")
    install = re.compile(r"(git\+https://github\.com/" + re.escape(new) + r")(@[\w./-]+)?")
    names = ("pyproject.toml", "README.md", "CITATION.cff", "CONTRIBUTING.md", "docs/index.md")
    files = [root / name for name in names] + sorted((root / "notebooks").glob("**/*.ipynb"))
    changed = []
    for path in files + sorted((root / "notebooks" / "py").glob("*.py")):
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        replaced = link.sub(lambda m: m.group(1) + new, text)
        replaced = pages.sub(lambda m: site(new), replaced)
        replaced = replaced.replace(f"github/{new}/blob/{before}/", f"github/{new}/blob/{at}/")
        replaced = install.sub(lambda m: m.group(1) + ("" if at == "main" else f"@{at}"), replaced)
        if path.name == "pyproject.toml":
            replaced = re.sub(r'^ref = "[^"]+"', f'ref = "{at}"', replaced, flags=re.M)
        if replaced != text:
            write(path, replaced)
            changed.append(path)
    return changed


# ------------------------------------------------------------------------------------------- the pairs
def write(path: Path, text: str) -> None:
    """Write whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def sources(wanted: str | None = None, root: Path = ROOT) -> list[Path]:
    """The percent scripts, all or those whose number or name is in `wanted` (comma-separated: "01,02")."""
    present = sorted((root / "notebooks" / "py").glob("[0-9][0-9]_*.py"))
    if not wanted:
        return present
    chosen = []
    for word in wanted.split(","):
        word = word.strip()
        number = word.zfill(2) if word.isdigit() else word
        hits = [path for path in present if path.stem == number or path.stem.startswith(f"{number}_")]
        if not hits:
            listed = ", ".join(path.stem for path in present) or "none yet"
            raise Trouble(f"NB={word!r} is no notebook; there are: {listed}")
        chosen += hits
    return chosen


def paired(source: Path) -> Path:
    """notebooks/py/NN_name.py -> notebooks/NN_name.ipynb, the learner's form"""
    return source.parent.parent / f"{source.stem}.ipynb"


def completed(source: Path) -> Path:
    """notebooks/py/NN_name.py -> notebooks/complete/NN_name.ipynb"""
    return source.parent.parent / "complete" / f"{source.stem}.ipynb"


def freshen(source: Path, root: Path = ROOT) -> None:
    """Rewrite the badge line and the set-up cell of a percent script from the texts above."""
    text = source.read_text(encoding="utf-8")
    line = badge(source.stem, root)
    fresh = BADGE_LINE.sub(lambda m: line, text)
    setup = re.compile(r'^(# %% [^\n]*tags=\["' + SETUP_TAG + r'"\][^\n]*\n).*?(?=^# %%|\Z)', re.M | re.S)
    fresh = setup.sub(lambda m: m.group(1) + setup_cell(root) + "\n\n", fresh)
    fresh = fresh.rstrip("\n") + "\n"
    if fresh != text:
        write(source, fresh)


def read_script(source: Path):
    """The percent script as a notebook without outputs, with stable cell ids and the kernel named python3."""
    import jupytext

    nb = jupytext.read(source)
    nb.metadata = type(nb.metadata)(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
    )
    nb.nbformat, nb.nbformat_minor = 4, 5
    used: dict[str, int] = {}
    for cell in nb.cells:
        # An id that follows from the text: a cell that was not touched makes no line of diff.
        base = SETUP_TAG if is_setup(cell) else hashlib.sha1(cell.source.encode()).hexdigest()[:10]
        used[base] = used.get(base, 0) + 1
        cell["id"] = base if used[base] == 1 else f"{base}-{used[base]}"
    return nb


def is_setup(cell) -> bool:
    """Whether this is the cell that installs the library where it is missing."""
    return cell.cell_type == "code" and SETUP_TAG in cell.metadata.get("tags", [])


def sync(source: Path, root: Path = ROOT) -> Path:
    """Make or refresh both .ipynb of a script; outputs of cells whose text did not change stay -> the complete one."""
    import nbformat

    freshen(source, root)
    nb, target = read_script(source), completed(source)
    if target.is_file():
        old = {cell.get("id"): cell for cell in nbformat.read(target, as_version=4).cells}
        for cell in nb.cells:
            before = old.get(cell["id"])
            if cell.cell_type == "code" and before is not None and before.source == cell.source:
                cell.outputs, cell.execution_count = before.outputs, before.execution_count
    write_forms(source, nb)
    return target


def write_forms(source: Path, nb) -> None:
    """Write the complete notebook, and the learner's made from it."""
    write(completed(source), as_text(nb))
    write(paired(source), as_text(forms.learners(nb)))


def pack_solutions(root: Path = ROOT) -> None:
    """assets/solutions.b64 from all scripts: what `cl.solution` shows and grading knows."""
    from course_lib.course.packed import pack

    text = forms.packed_texts({source.stem[:2]: read_script(source) for source in sources(root=root)})
    write(root / "assets" / "solutions.b64", pack(text))


def as_text(nb) -> str:
    """Notebook -> the text of its file, always written the same way."""
    import nbformat

    return nbformat.writes(nb, version=4).rstrip("\n") + "\n"


# ------------------------------------------------------------------------------------------- execution
def execute(nb, budget: str, folder: Path, timeout: int, label: str = "") -> None:
    """Run all cells in `folder` under COURSE_BUDGET=budget, printing a line for each; fills in `nb`.

    Of the live player only a picture with a link is put out: files stay small.
    """
    from nbclient import NotebookClient

    codes = [i for i, cell in enumerate(nb.cells) if cell.cell_type == "code"]
    started = time.monotonic()

    def announce(cell, cell_index):
        if cell_index in codes:
            first = next((line for line in cell.source.splitlines() if line.strip()), "")[:60]
            seconds = time.monotonic() - started
            print(f"{label} {codes.index(cell_index) + 1:3d}/{len(codes)} {seconds:6.0f} s  {first}", flush=True)

    before = {name: os.environ.get(name) for name in ("COURSE_BUDGET", "COURSE_LIVE", "PYTHONPATH")}
    os.environ["COURSE_BUDGET"], os.environ["COURSE_LIVE"] = budget, "picture"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), before["PYTHONPATH"]]))
    try:
        NotebookClient(
            nb,
            timeout=timeout,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
            record_timing=False,
            store_widget_state=False,
            extra_arguments=["--log-level=40"],  # its warning about unencrypted local sockets is no news here
            on_cell_start=announce,
        ).execute()
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
        tidy(nb)


def tidy(nb) -> None:
    """Drop widget state and views (they mean nothing without a kernel) and what changes from run to run."""
    nb.metadata.pop("widgets", None)
    for cell in nb.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        kept = []
        for output in cell.outputs:
            if WIDGET in output.get("data", {}):
                output.data.pop(WIDGET)
                if set(output.data) <= {"text/plain"}:
                    continue
            if output.output_type == "stream" and kept and kept[-1].output_type == "stream":
                if kept[-1].name == output.name:
                    kept[-1]["text"] += output.text
                    continue
            output.get("metadata", {}).pop(WIDGET, None)
            kept.append(output)
        for output in kept:
            if output.output_type == "stream":
                output["text"] = overwrite(output["text"])
        cell.outputs = kept


def overwrite(text: str) -> str:
    """Text as a terminal would leave it: of a line that was begun anew (\\r), what was written last."""
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1].rstrip() for line in text.split("\n"))


def output_texts(cell) -> list[tuple[str, str]]:
    """(kind, text) of everything readable in a code cell's outputs; pictures and videos are left out."""
    found = []
    for output in cell.outputs:
        if output.output_type == "stream":
            found.append((output.name, output.text))
        elif output.output_type == "error":
            found.append(("error", "\n".join(output.traceback)))
        for mime, value in output.get("data", {}).items():
            if mime.startswith("text/") and isinstance(value, str):
                found.append((mime, re.sub(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=\s]+", "data:", value)))
    return found


def untold(cell) -> list[str]:
    """Pictures among a cell's outputs that those who cannot see have no text for."""
    found = []
    for output in cell.outputs:
        data, metadata = output.get("data", {}), output.get("metadata", {})
        for mime in data:
            if mime in ("image/png", "image/jpeg") and "text/html" not in data:
                if not metadata.get(mime, {}).get("alt"):
                    found.append(mime)
        page = data.get("text/html", "")
        page = re.sub(r'srcdoc="[^"]*"', "", page if isinstance(page, str) else "".join(page))
        for tag in re.findall(r"<(?:img|video|svg|iframe)\b[^>]*>", page):
            if not re.search(r"""\b(?:alt|aria-label|title|aria-hidden)=["'][^"']+["']""", tag):
                found.append(re.match(r"<\w+", tag).group()[1:])
    return found


def problems(nb) -> list[str]:
    """What must not be in a committed notebook, as sentences; empty when all is well."""
    found = []
    for number, cell in enumerate(nb.cells, 1):
        if cell.cell_type != "code":
            continue
        if cell.source.strip() and cell.execution_count is None:
            found.append(f"cell {number} was not executed")
        found += [
            f"cell {number} shows a picture ({kind}) without a text for those who cannot see" for kind in untold(cell)
        ]
        for kind, text in output_texts(cell):
            shown = re.sub(r"\s+", " ", text.strip())[:200]
            if kind == "error":
                found.append(f"cell {number} raised an error: {shown[-200:]}")
            if kind == "stderr":
                found.append(f"cell {number} wrote to stderr: {shown}")
            if hit := WARNING.search(text):
                around = text[max(0, hit.start() - 40) : hit.end() + 100]
                found.append(f"cell {number} shows a warning: {around!r}")
            if hit := ABSOLUTE_PATH.search(text) or WINDOWS_PATH.search(text):
                found.append(f"cell {number} shows an absolute path: {hit.group(0).strip()!r}")
            if hit := re.search(r"\bat 0x[0-9a-f]{6,}", text):
                found.append(f"cell {number} shows a memory address: {hit.group(0)!r}")
    return found


def to_html(nb, title: str, offline: bool = False) -> str:
    """The notebook as one HTML page; `offline` leaves out the scripts that would come from the network."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="lab")
    if offline:
        exporter.mathjax_url = exporter.require_js_url = exporter.mermaid_js_url = ""
    body, _ = exporter.from_notebook_node(nb, resources={"metadata": {"name": title}})
    texts = {
        "".join(output.data[mime].split()): output.metadata[mime]["alt"]
        for cell in nb.cells
        for output in cell.get("outputs", [])
        for mime in output.get("metadata", {})
        if mime in output.get("data", {}) and "alt" in output.metadata[mime]
    }

    def told(match: re.Match) -> str:  # the template leaves the texts of pictures out
        alt = texts.get("".join(match[2].split()), "")
        return f'<img alt="{html.escape(alt)}"{match[1]}{match[2]}' if alt else match[0]

    return re.sub(r'<img alt="No description[^"]*"([^>]*?src="data:image/\w+;base64,)([^"]+)', told, body)


def execute_in_place(source: Path, budget: str, timeout: int) -> list[str]:
    """`make notebooks` for one pair; returns the problems found in the outputs."""
    target = sync(source)
    done = read_script(source)
    execute(done, budget, ROOT / "notebooks", timeout, source.stem[:2])
    write_forms(source, done)
    size = target.stat().st_size / 1e6
    print(f"{source.stem}: executed, {size:.2f} MB")
    return problems(done) + ([f"the file is {size:.1f} MB, 3 MB are allowed"] if size > 3 else [])


def run_to_html(source: Path, budget: str, timeout: int, out: Path) -> tuple[Path, list[str]]:
    """`make run` for one notebook -> its page, written also when a cell fails, and the problems in its outputs."""
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    nb = read_script(source)
    page, error = out / f"{source.stem}.html", None
    try:
        execute(nb, budget, ROOT / "notebooks", timeout, source.stem[:2])
    except CellTimeoutError:
        sentence = f"a cell of {source.stem} ran longer than {timeout} s; allow more with TIMEOUT=SECONDS"
        raise Trouble(sentence) from None
    except CellExecutionError as failure:
        error = failure
    write(page, to_html(nb, source.stem))
    if error is not None:
        raise Trouble(f"{source.stem} stopped: {error.ename}: {error.evalue}")
    return page, problems(nb)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="notebooks.py", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("sync", "make each .ipynb from its script, keeping outputs of unchanged cells"),
        ("execute", "sync, execute in place and check the outputs"),
        ("run", "execute a copy and write HTML under build/"),
    ):
        sub = commands.add_parser(name, help=text)
        sub.add_argument("nb", nargs="?", default=None, help="numbers or names, comma-separated (default: all)")
        if name != "sync":
            sub.add_argument("--budget", default="lite", choices=("smoke", "lite", "full"))
            sub.add_argument("--timeout", type=int, default=3600, help="seconds allowed to one cell")
        if name == "run":
            sub.add_argument("--out", type=Path, default=ROOT / "build", help="folder of the HTML")
            sub.add_argument("--check", action="store_true", help="fail where an output holds a warning, as `execute`")
    sub = commands.add_parser("repository", help="re-point badges, set-up cells and links to a fork")
    sub.add_argument("slug", help="owner/name")
    sub.add_argument("ref", nargs="?", default=None, help="branch or tag (default: the one named now)")
    sub.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    try:
        return perform(args)
    except Trouble as trouble:
        print(f"notebooks.py: {trouble}", file=sys.stderr)
        return 1


def perform(args: argparse.Namespace) -> int:
    """Carry out a parsed command; returns the exit status."""
    if args.command == "repository":
        for path in repository(args.slug, args.root, args.ref):
            print(f"now names {args.slug}: {path.relative_to(args.root)}")
        return 0
    status = 0
    if args.command != "run":
        pack_solutions()
    for source in sources(args.nb):
        if args.command == "sync":
            print(f"synced {sync(source).name}")
        elif args.command == "run":
            page, found = run_to_html(source, args.budget, args.timeout, args.out)
            print(f"wrote {page}")
            status |= args.check and report(source, found)
        else:
            status |= report(source, execute_in_place(source, args.budget, args.timeout))
    return status


def report(source: Path, found: list[str]) -> int:
    """Print the problems of a notebook's outputs -> 1 where there are any, else 0."""
    for problem in found:
        print(f"{source.stem}: {problem}", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
