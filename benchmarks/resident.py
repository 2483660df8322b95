"""The largest memory of this process over a time: its own, and that of mapped files, which the system may drop."""

import threading
from pathlib import Path


class Resident:
    """Watches the memory of this process from a thread, while its block runs."""

    def __init__(self) -> None:
        self._finished, self._largest = threading.Event(), {"anonymous_mb": 0.0, "mapped_mb": 0.0}
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Resident":
        self._watcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._finished.set()
        self._watcher.join()

    def largest(self) -> dict[str, float]:
        """The largest memory in MB since this was last asked."""
        self._look()
        found, self._largest = self._largest, {"anonymous_mb": 0.0, "mapped_mb": 0.0}
        return found

    def _watch(self) -> None:
        while not self._finished.wait(0.01):
            self._look()

    def _look(self) -> None:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in status.splitlines() if line.startswith("Rss")}
        for name, part in (("anonymous_mb", "RssAnon"), ("mapped_mb", "RssFile")):
            self._largest[name] = max(self._largest[name], round(1024 * kilobytes[part] / 1e6, 1))
