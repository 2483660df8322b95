"""Cores of the machine."""

import os


def cores() -> int:
    """Cores that this process may use: those it is bound to, not all of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
