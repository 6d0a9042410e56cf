"""A page of SVG and script as the output of a cell: in a frame, over a still picture for whoever takes frames out."""

from __future__ import annotations

import base64
import html
import io


def framed(page: str, picture: bytes, alt: str, width: int, height: int) -> str:
    """A piece of HTML that shows `page` in a frame over `picture`.

    Args:
        page: a whole page that fetches nothing.
        picture: PNG; GitHub and mail take frames out, and it is seen.
        alt: what the picture shows, for those who cannot see it.
        width, height: the largest of the frame, in px; the page itself must fit narrower windows.
    """
    place, alt = "position:absolute;left:0;top:0;width:100%", html.escape(alt)
    return (
        f'<div style="position:relative;max-width:{width}px;height:{height}px">'
        f'<img alt="{alt}" style="{place}" src="data:image/png;base64,{base64.b64encode(picture).decode()}">'
        f'<iframe title="{alt}" style="{place};height:100%;border:0" srcdoc="{_quoted(page)}"></iframe></div>'
    )


def _quoted(text: str) -> str:
    """`text` as the value of an attribute in double quotes; single ones stay, which keeps the page small."""
    return text.replace("&", "&amp;").replace('"', "&quot;")


def few_colours(figure, colours: int = 64, dpi: int = 84) -> bytes:
    """A matplotlib figure as PNG in few colours: a third of the size."""
    from PIL import Image

    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=dpi)
    Image.open(full).convert("RGB").quantize(colours).save(small, format="png", optimize=True)
    return small.getvalue()
