"""Texts that ship so that no search finds them by accident: questions of the quizzes, solutions of the exercises."""

from __future__ import annotations

import base64
import textwrap
import zlib

from course_lib.files import assets_folder


def pack(text: str) -> str:
    return "\n".join(textwrap.wrap(base64.b64encode(zlib.compress(text.encode(), 9)).decode(), 100)) + "\n"


def unpack(packed: str) -> str:
    return zlib.decompress(base64.b64decode(packed)).decode()


def read_packed(name: str) -> str:
    """The text of a packed file among the shipped assets."""
    return unpack((assets_folder() / name).read_text(encoding="ascii"))
