"""What this process may use of the machine."""

from __future__ import annotations

import os


def cores() -> int:
    """Processor cores this process may use (a container often gets fewer than the machine has)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
