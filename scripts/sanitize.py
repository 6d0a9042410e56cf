"""The C files under AddressSanitizer and UndefinedBehaviorSanitizer: random cases through every function.

    python scripts/sanitize.py [--cases 1500] [--seed 0]

C reads and writes where it is told to, and one number too far goes unnoticed on most days. Here every allocation has
a fence. The cases are in `sanitize_cases.py`: sequences of cells, ensembles, passes of PPO and acting, updates of
off-policy learners, and what is small. Some hand over wrong sizes, which must be refused. That fences work is tried
first, with an overflow on purpose. The exit status is 1 after any error, and 0 after none or where there is no compiler
that can do it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sanitize_cases import PROGRAMS, inside, overflow  # noqa: E402

from course_lib.nets import compiled  # noqa: E402


def runtime(compiler: str) -> tuple[tuple[str, ...], list[str]] | None:
    """Flags, and the libraries to load before all others; None where the compiler has none."""

    def path(name: str) -> str | None:
        done = subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True)
        found = done.stdout.strip()
        return found if os.path.isabs(found) and Path(found).exists() else None

    version = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout
    flags = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g")
    name = "libasan.so"
    if "clang" in version:
        flags, name = (*flags, "-shared-libsan"), f"libclang_rt.asan-{os.uname().machine}.so"
    fences = path(name)
    # Without the C++ library beside them they cannot follow an exception of torch.
    return None if fences is None else (flags, list(filter(None, (fences, path("libstdc++.so.6")))))


def report(text: str) -> str:
    """What a sanitizer says, without the map of memory."""
    lines = text.splitlines()
    first = next(
        (i for i, line in enumerate(lines) if "ERROR: " in line or "runtime error" in line), max(0, len(lines) - 15)
    )
    return "\n".join(lines[first : first + 15])


def outside(cases: int, seed: int) -> int:
    compiler = compiled.find_compiler()
    found = compiler and runtime(compiler)
    if not found:
        print("nothing was checked: this needs gcc or clang with the library of AddressSanitizer")
        return 0
    flags, preload = found
    compiled.FLAGS = (*compiled.FLAGS, *flags)
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "XDG_CACHE_HOME": folder, "LD_PRELOAD": " ".join(preload), "OMP_NUM_THREADS": "1",
            # Python and torch leave memory to the end of the process on purpose.
            "ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1", "SANITIZE_FLAGS": " ".join(flags),
        }  # fmt: skip
        environment.pop("COURSE_NATIVE", None)
        os.environ["XDG_CACHE_HOME"] = folder
        try:
            for program, defines in PROGRAMS:  # not inside, where fences would be around the compiler
                program.compile(compiler, compiled.folder() / program.file(compiler, *defines), *defines)
        except OSError as error:
            print(f"nothing was checked: {error}")
            return 1
        run = [sys.executable, __file__, "--cases", str(cases), "--seed", str(seed), "--inside"]
        tried = subprocess.run([*run, "overflow"], env=environment, capture_output=True, text=True)
        if tried.returncode == 0 or "heap-buffer-overflow" not in tried.stderr:
            print(f"fences do not work here, an overflow on purpose went unnoticed:\n{report(tried.stderr)}")
            return 1
        done = subprocess.run([*run, "cases"], env=environment, capture_output=True, text=True)
    errors = sum(done.stderr.count(mark) for mark in ("ERROR: AddressSanitizer", "runtime error:"))
    print(done.stdout.strip() or "the process ended before it could report")
    print(f"errors found by the sanitizers: {errors} (an overflow on purpose was found)")
    if done.returncode:
        print(report(done.stderr))
    return int(done.returncode != 0 or errors > 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inside", choices=("cases", "overflow"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        compiled.FLAGS = (*compiled.FLAGS, *os.environ["SANITIZE_FLAGS"].split())  # under which it was compiled
        return inside(args.cases, args.seed) if args.inside == "cases" else overflow() or 0
    return outside(args.cases, args.seed)


if __name__ == "__main__":
    sys.exit(main())
