"""Files that handpicked did not write are never overwritten."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from handpicked.errors import StoreError


def refuse_foreign(out: Path, names: Iterable[str], ours: bool) -> None:
    """Refuse to write files of these names into ``out`` where some are there already, unless the folder is
    ``ours``: something in it shows that handpicked wrote it.

    Raises:
        StoreError: names the first such file.
    """
    taken = next((name for name in names if (out / name).exists()), None)
    if taken is not None and not ours:
        raise StoreError(
            f"{out} already holds {taken}, which handpicked did not write there. "
            "Choose another folder with -o, or move it away."
        )
