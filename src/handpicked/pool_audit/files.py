"""The files of an audit: audit.json and audit.html."""

from __future__ import annotations

import json
from pathlib import Path

from handpicked.errors import StoreError
from handpicked.pool_audit.page import page
from handpicked.pool_audit.record import Audit, to_json
from handpicked.store import write_text

JSON, PAGE = "audit.json", "audit.html"


def check_out(out: Path) -> None:
    """Check that the folder can take an audit, before one is made.

    Raises:
        StoreError: it is a file, or holds an audit.json or audit.html that handpicked did not write.
    """
    if out.exists() and not out.is_dir():
        raise StoreError(f"{out} is a file; -o names a folder for audit.json and audit.html.")
    if any((out / name).exists() for name in (JSON, PAGE)) and not _is_ours(out / JSON):
        raise StoreError(
            f"{out} already holds {JSON} or {PAGE}, which handpicked did not write there. "
            "Choose another folder with -o, or move it away."
        )


def write(audit: Audit, out: str | Path) -> Path:
    """Write audit.html and audit.json below ``out`` and return the path of the page.

    Raises:
        StoreError: the folder cannot be written to, or what ``check_out`` raises.
    """
    folder = Path(out)
    check_out(folder)
    write_text(folder / JSON, to_json(audit))
    write_text(folder / PAGE, page(audit))
    return folder / PAGE


def _is_ours(file: Path) -> bool:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and isinstance(found.get("handpicked"), str)
