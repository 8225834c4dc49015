"""Where the user wants the work done, checked before anything is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handpicked.records import Runner

if TYPE_CHECKING:
    from handpicked.workers import Workers


def workplace(runner: Runner, address: str | None, devices: str) -> Workers:
    """The workers of ``--runner``, ``--address`` and ``--devices``; with Ray this process is connected.

    Raises ConfigError and MissingPart: a cluster that does not answer, a device that is not there.
    """
    from handpicked.data.engine import choose
    from handpicked.workers import Workers
    from handpicked.workers.devices import parse_devices

    if runner == "ray":
        choose(runner, address)
    elif devices != "all":
        parse_devices(devices)
    return Workers(runner, address, devices)
