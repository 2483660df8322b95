"""All examinations, in order."""

from collections.abc import Iterator

from aft.diagnosis._disk import examine_disks
from aft.diagnosis._extras import examine_extras
from aft.diagnosis._finding import Finding
from aft.diagnosis._machine import examine_devices, examine_network, examine_versions


def examine() -> Iterator[Finding]:
    """Look at the installation and the machine.

    Yields:
        What was found. The first findings are there at once, and all of them within a minute.
    """
    yield from examine_versions()
    yield from examine_extras()
    yield from examine_devices()
    yield from examine_disks()
    yield from examine_network()
