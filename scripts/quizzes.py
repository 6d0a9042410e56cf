"""The questions of the quizzes, packed so that neither a search engine nor a search in the repository finds answers.

    python scripts/quizzes.py unpack            build/quizzes.txt, to read and to edit
    python scripts/quizzes.py pack FILE …       assets/quizzes.b64 from such files

A file has parts that begin with "## 02 before" or "## 02 after". A question is five or more lines: "Q …" asks, "+ …" is
the right answer, "- …" are wrong ones, "? …" explains.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from course_lib.course.packed import pack, unpack  # noqa: E402
from course_lib.course.quiz import PACKED, parse  # noqa: E402


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("pack", "unpack"))
    parser.add_argument("files", nargs="*", type=Path)
    args = parser.parse_args(argv)
    packed = ROOT / "assets" / PACKED
    if args.what == "unpack":
        out = ROOT / "build" / "quizzes.txt"
        out.parent.mkdir(exist_ok=True)
        out.write_text(unpack(packed.read_text(encoding="ascii")), encoding="utf-8")
        print(f"{out.relative_to(ROOT)}: {len(parse(out.read_text(encoding='utf-8')))} quizzes")
        return 0
    text = "\n".join(file.read_text(encoding="utf-8").strip() for file in args.files) + "\n"
    found = parse(text)
    packed.write_text(pack(text), encoding="ascii")
    print(f"{packed.relative_to(ROOT)}: {len(found)} quizzes, {sum(map(len, found.values()))} questions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
