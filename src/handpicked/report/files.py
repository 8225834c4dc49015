"""The files of a report: results.json, report.md and report.html, each written atomically."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from handpicked.errors import StoreError
from handpicked.report.markdown import render_markdown
from handpicked.report.page import render
from handpicked.results.schema import FORMAT, READ, Results, from_json, to_json
from handpicked.store import write_text


def read(folder: Path) -> Results:
    """The results that a run left in ``folder``, to render them again.

    Raises:
        StoreError: there are none, they are damaged, or another version of handpicked wrote them.
    """
    path = folder / "results.json"
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StoreError(
            f"{folder} has no results.json: either it is not a run folder or its run has not finished. "
            "Run the experiment again with the same folder; finished work is kept."
        ) from error
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path} cannot be read ({error}). Delete it and run the experiment again: only the report "
            "is redone."
        ) from error
    found = plain.get("format") if isinstance(plain, dict) else None
    if not isinstance(plain, dict) or found not in READ:
        raise StoreError(
            f"{path} has format {found!r}, and this version of handpicked renders format {FORMAT}. "
            "Run the experiment again with the same folder: only the report is redone."
        )
    try:
        return from_json(plain)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StoreError(
            f"{path} does not fit the format: {place}: {first['msg']}. "
            "Delete it and run the experiment "
            "again: only the report is redone."
        ) from error


def write(results: Results, folder: Path) -> Path:
    """Write results.json, report.md and report.html below ``folder`` and return the path of the page.

    Raises:
        StoreError: the folder cannot be written to.
    """
    write_text(folder / "results.json", to_json(results))
    write_text(folder / "report.md", render_markdown(results))
    write_text(folder / "report.html", render(results))
    return folder / "report.html"
