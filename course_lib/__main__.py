"""`python -m course_lib`: runs `course.commands`, and says in a sentence what ended a command early."""

import os
import signal
import sys

STOPPED = "stopped; what was saved before stands"


def main(argv: list[str] | None = None) -> int:
    """Run one command -> exit status: 0 good, 1 trouble, 2 a refused argument, 130 interrupted, 141 nobody reads."""
    if argv is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        from course_lib.classroom import commands  # here, because it takes a second in which Ctrl-C may be pressed
        from course_lib.course.commands import run

        status = run(sys.argv[1:] if argv is None else argv, commands.COMMANDS)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        if argv is None:  # it ends the process, in which one more Ctrl-C would still be heard
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        print(f"\n{STOPPED}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # such as `… | head`: the end of the pipe is closed, and nothing more can be said there
        _leave_unsaid()
        return 141
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        print(f"error: {error.strerror or error}{where}", file=sys.stderr)
        _leave_unsaid()
        return 1


def _interrupt(signum, frame) -> None:
    """Ctrl-C raises KeyboardInterrupt, but ends the process where a module is half imported.

    Libraries turn an interrupt in the midst of their import into errors of every kind, or swallow it.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os.write(2, f"\n{STOPPED}\n".encode())
            os._exit(130)
        frame = frame.f_back
    raise KeyboardInterrupt


def _leave_unsaid() -> None:
    """What Python still holds for the standard output goes nowhere, or it would complain once more at its end."""
    try:
        sys.stdout.flush()
    except (OSError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    ended = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # one more Ctrl-C while Python shuts down
    sys.exit(ended)
