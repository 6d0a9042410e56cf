"""What the benchmarks that look at pages share: a folder that is served, and a browser."""

from __future__ import annotations

import contextlib
import http.server
import os
import threading
from functools import partial
from pathlib import Path


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args) -> None:
        pass


@contextlib.contextmanager
def served(folder: Path):
    """The address at which `folder` can be read."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


def chromium() -> str | None:
    """Path of the browser: what COURSE_CHROMIUM says, or the system's; None: playwright's own."""
    return os.environ.get("COURSE_CHROMIUM") or next(filter(os.path.exists, ["/usr/bin/chromium"]), None)
