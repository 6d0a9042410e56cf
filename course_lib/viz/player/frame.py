"""The player as HTML: a page that holds everything, and the frame over a picture in which a notebook shows it."""

from __future__ import annotations

import base64
import gzip
import html
import json
from pathlib import Path

from course_lib.viz.player.catalogue import ENGINE

CDN = f"https://cdn.jsdelivr.net/npm/@mujoco/mujoco@{ENGINE}/mujoco.wasm"

# The player is unpacked in the page. A blob is how a module is loaded from memory; where a page's rules forbid that (in
# VS Code), it becomes a script of the page, which they allow.
UNPACK = """
const packed = "%s";
const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
const text = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
let refused = false;
addEventListener("securitypolicyviolation", (event) => { refused ||= event.blockedURI.startsWith("blob"); });
const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
try {
  await import(address);
} catch (error) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  const script = Object.assign(document.createElement("script"), { type: "module", textContent: text });
  if (refused) document.body.append(script);
  else document.getElementById("live").textContent = `The player could not be started: ${error.message}`;
}
"""
FETCH = """
try {
  await import("%s");
} catch (error) {
  document.getElementById("live").textContent = `The player could not be fetched: ${error.message}`;
}
"""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>%(title)s</title>%(style)s<style>body{padding:8px}</style></head>
<body><div id="live" data-robot="%(robot)s"></div>
<noscript>The live player needs JavaScript.</noscript>
<script type="application/json" id="live-data">%(data)s</script>
<script type="module">%(script)s</script></body></html>
"""


def page(
    robot: dict,
    models: dict[str, str],
    policies: dict[str, bytes],
    start: dict,
    player: Path | str,
    title: str,
    address: str | None = None,
) -> str:
    """A page that holds a robot, its models and its policies.

    Args:
        robot: of the catalogue, with the policies that the page offers.
        models, policies: content by the names that the catalogue gives them.
        start: settings to begin with.
        player: folder of the built player, which the page then holds too and needs no network; or the address of one,
            from which the page takes it.
        address: of the same page on a site, where that has these policies: its links begin with it.
    """
    wasm = player / "mujoco.wasm.gz" if isinstance(player, Path) else None
    data = {
        "robot": robot,
        "models": models,
        "policies": {name: base64.b64encode(content).decode() for name, content in policies.items()},
        "wasm": base64.b64encode(wasm.read_bytes()).decode() if wasm and wasm.is_file() else None,
        "cdn": CDN,
        "start": start,
        "page": address,
    }
    if isinstance(player, Path):
        style = f"<style>{(player / 'player.css').read_text(encoding='utf-8')}</style>"
        script = UNPACK % base64.b64encode(gzip.compress((player / "player.js").read_bytes(), mtime=0)).decode()
    else:
        style = f'<link rel="stylesheet" href="{html.escape(player)}player.css">'
        script = FETCH % f"{player}player.js"
    text = json.dumps(data).replace("<", "\\u003c")  # nothing in it can end the script
    said = {"title": html.escape(title), "robot": robot["key"], "style": style, "script": script, "data": text}
    return PAGE % said


def pictured(picture: bytes, alt: str, link: str | None) -> str:
    """The picture (JPEG), with a link to the player where there is one."""
    shown = f'<img alt="{html.escape(alt)}" src="data:image/jpeg;base64,{base64.b64encode(picture).decode()}">'
    return f'<a href="{html.escape(link)}">{shown}</a>' if link else shown


def framed(content: str, picture: str, title: str, height: int) -> str:
    """A frame over `picture`, which is seen where frames are taken out. `content` is a page, or an address of one."""
    quoted = content.replace("&", "&amp;").replace('"', "&quot;")  # single ones stay, which keeps the page small
    where = f'src="{quoted}"' if content.startswith("https://") else f'srcdoc="{quoted}"'
    style = "position:absolute;left:0;top:0;width:100%;height:100%;border:0;background:#fff"
    allowed = 'allow="fullscreen; clipboard-write"'
    return (
        f'<div style="position:relative;height:{height}px;overflow:hidden">{picture}'
        f'<iframe title="{html.escape(title)}" style="{style}" {allowed} {where}></iframe></div>'
    )
