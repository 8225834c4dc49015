"""The files of a report: results.json, report.md and report.html, written aside and renamed so that a reader never sees half of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handpicked.errors import StoreError
from handpicked.report.markdown import render_markdown
from handpicked.report.page import render
from handpicked.store import write_text

FORMAT = 3
"""The shape of results.json that this version renders."""


def read(folder: Path) -> dict[str, Any]:
    """The results that a run left in ``folder``, to render them again.

    Raises:
        StoreError: there are none, they are damaged, or another version of handpicked wrote them.
    """
    path = folder / "results.json"
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StoreError(
            f"{folder} has no results.json: either it is no run folder or its run has not finished. "
            "Run the experiment again with the same folder; what is done is kept."
        ) from error
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path} cannot be read ({error}). Delete it and run the experiment again: only the report is redone."
        ) from error
    found = results.get("format") if isinstance(results, dict) else None
    if found != FORMAT:
        raise StoreError(
            f"{path} has format {found!r}, and this version of handpicked renders format {FORMAT}. "
            "Run the experiment again with the same folder: only the report is redone."
        )
    return dict(results)


def write(results: Mapping[str, Any], folder: Path) -> Path:
    """Write results.json, report.md and report.html below ``folder`` and return the path of the page.

    Raises:
        StoreError: the folder cannot be written to.
    """
    write_text(folder / "results.json", json.dumps(results, indent=1, allow_nan=False) + "\n")
    write_text(folder / "report.md", render_markdown(results))
    write_text(folder / "report.html", render(results))
    return folder / "report.html"
