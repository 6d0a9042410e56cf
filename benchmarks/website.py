"""The site in a browser: every page opens without errors, every link leads somewhere, and everyone can read it.

    python benchmarks/website.py [--quick]

Builds the site with `scripts/website.py` and opens each page in headless Chromium: at 1,280 px in the light theme, at
390 px in the dark one. axe-core, fetched from npm, looks for what shuts people out. What is written:
    pages           pages of the site
    console_errors  errors that pages wrote to the console, or requests that failed
    broken_links    links within the site that lead to no page, or to no place on it
    axe_serious     violations that axe-core calls serious or critical, over all pages and both sizes
    too_wide        pages that are wider than a phone
    largest_mb      the largest page in MB, without its videos
    build_seconds   time to build it
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from urllib.parse import unquote, urljoin, urlparse

from _browser import chromium, served
from _report import Table, cli, run_all

ROOT = Path(__file__).resolve().parents[1]
NAME, SITE = "website", ROOT / "build" / "site"
VIEWS = {"desktop": dict(width=1280, height=900, theme="light"), "phone": dict(width=390, height=800, theme="dark")}
SERIOUS = ("serious", "critical")
# Pages inside of frames are drawings under sliders, with a text of their own; the equations of MathJax are read out by
# its own hidden MathML.
AXE = "async () => (await axe.run(document, {iframes: false, resultTypes: ['violations']})).violations"


def axe_core() -> str:
    """The text of axe-core's script, from npm."""
    folder = ROOT / "build" / "axe"
    script = folder / "package" / "axe.min.js"
    if not script.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "axe-core@4", "--silent"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(folder.glob("axe-core-*.tgz"))) as archive:
            archive.extract("package/axe.min.js", folder, filter="data")
    return script.read_text(encoding="utf-8")


def pages_of(site: Path) -> list[str]:
    return sorted(str(path.relative_to(site)) for path in site.rglob("*.html") if "_static" not in path.parts)


def broken(site: Path, page: str, links: list[str], places: dict[str, set[str]]) -> list[str]:
    """Those of a page's links that stay on the site and lead nowhere."""
    found = []
    for link in links:
        target = urlparse(urljoin(page, link))
        if target.scheme or not link or link.startswith(("//", "data:")):
            continue
        path = unquote(target.path) or page
        path = path + "index.html" if path.endswith("/") else path
        at = unquote(target.fragment)
        if not (site / path).exists() or (at and path in places and at not in places[path]):
            found.append(link)
    return found


def look(browser, address: str, page: str, view: dict, axe: str) -> dict:
    """Open one page -> errors, violations, links, whether it is wider than the window."""
    tab = browser.new_page(viewport=dict(width=view["width"], height=view["height"]))
    tab.add_init_script(
        f"localStorage.setItem('mode', '{view['theme']}'); localStorage.setItem('theme', '{view['theme']}')"
    )
    errors: list[str] = []
    tab.on("console", lambda m: errors.append(m.text[:200]) if m.type == "error" else None)
    tab.on("pageerror", lambda e: errors.append(str(e)[:200]))
    tab.on("requestfailed", lambda r: errors.append(f"failed: {r.url[:150]}") if r.url.startswith(address) else None)
    tab.route("**/*", lambda route: route.continue_() if local(route.request.url, address) else route.abort())
    tab.goto(address + page, wait_until="load")
    tab.wait_for_timeout(300)
    links = tab.eval_on_selector_all("a[href]", "all => all.map(a => a.getAttribute('href'))")
    places = tab.eval_on_selector_all("[id]", "all => all.map(e => e.id)")
    wide = tab.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1")
    tab.evaluate(axe)
    violations = [
        f"{v['id']} ({len(v['nodes'])}): {v['nodes'][0]['target']}" for v in tab.evaluate(AXE) if v["impact"] in SERIOUS
    ]
    tab.close()
    return dict(errors=errors, links=links, places=places, wide=wide, violations=violations)


def local(url: str, address: str) -> bool:
    return url.startswith((address, "data:", "blob:", "about:"))


def one_run(args, seed: int) -> dict:
    from playwright.sync_api import sync_playwright

    began = time.perf_counter()
    subprocess.run([sys.executable, "scripts/website.py"], cwd=ROOT, check=True)
    seconds, axe, pages = round(time.perf_counter() - began, 1), axe_core(), pages_of(SITE)
    pages = pages[: args.pages] if args.pages else pages
    out, places, links = [], {}, {}
    with served(SITE) as address, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for page in pages:
            for name, view in VIEWS.items():
                seen = look(browser, address, page, view, axe)
                places[page], links[page] = set(seen.pop("places")), seen.pop("links")
                out.append(dict(page=page, view=name, **seen))
        browser.close()
    lost = [f"{page}: {link}" for page in pages for link in broken(SITE, page, links[page], places)]
    text = {page: (SITE / page).read_text(encoding="utf-8") for page in pages}
    sizes = {page: len(re.sub(r"data:video/[^\"']+", "", t).encode()) / 1e6 for page, t in text.items()}
    return dict(seed=seed, pages=len(pages), looked=out, broken=lost, largest=max(sizes, key=sizes.get),
                largest_mb=round(max(sizes.values()), 2), build_seconds=seconds, train_seconds=0.0)  # fmt: skip


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    row = rows[-1]
    claims = dict(
        pages=row["pages"],
        console_errors=sum(len(v["errors"]) for v in row["looked"]),
        broken_links=len(row["broken"]),
        axe_serious=sum(len(v["violations"]) for v in row["looked"]),
        too_wide=sum(v["wide"] for v in row["looked"]),
        largest_mb=row["largest_mb"],
        build_seconds=row["build_seconds"],
    )
    return claims, {name: [value, value] for name, value in claims.items()}


def report(rows: list[dict]) -> list:
    table = Table("page", "view", "errors", "violations", "too wide")
    for v in rows[-1]["looked"]:
        if v["errors"] or v["violations"] or v["wide"]:
            table.add(v["page"], v["view"], "; ".join(v["errors"][:2]), "; ".join(v["violations"]), "yes" * v["wide"])
    return [table, *(f"broken: {line}" for line in rows[-1]["broken"])]


if __name__ == "__main__":
    args = cli(NAME, __doc__, seeds=[0], fixed=dict(pages=0), quick=dict(pages=3))
    run_all(  # anew: a site that was looked at once is not the one of today
        args, one_run, [(seed,) for seed in args.seeds], key=("seed",), config={}, claims_of=claims_of, report=report,
        says="{pages} pages in {build_seconds} s", anew=True,
    )  # fmt: skip
