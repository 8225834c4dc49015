"""What other installed packages add to handpicked, by their entry points."""

from __future__ import annotations

from importlib.metadata import entry_points

from handpicked.errors import ConfigError


def names(group: str) -> list[str]:
    """The names that installed packages give to entry points of ``group``, such as ``handpicked.judges``."""
    return sorted({point.name for point in entry_points(group=group)})


def load(group: str, name: str) -> object | None:
    """The object of the entry point ``name``; None where no installed package has it.

    Raises:
        ConfigError: the package cannot be imported, or lacks the object.
    """
    point = next(iter(entry_points(group=group, name=name)), None)
    if point is None:
        return None
    try:
        return point.load()  # type: ignore[no-any-return]
    except Exception as error:  # the code of another package: anything can come out of it
        raise ConfigError(
            f"'{name}' of the entry points {group} cannot be loaded from {point.value}: {error}"
        ) from error
