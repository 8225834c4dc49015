"""``report.md``: the answer and its figures as plain tables, for a pull request or a terminal."""

from __future__ import annotations

import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from handpicked.pages.table import markdown, plain
from handpicked.report import tables
from handpicked.report.control import near_note
from handpicked.report.headline import headline_comparisons
from handpicked.report.selected import scored_rows
from handpicked.report.selected_tables import selected_tables
from handpicked.results.schema import Results


def render_markdown(results: Results) -> str:
    """The short report of one run as Markdown. ``plain`` keeps foreign text on one line, so that blank lines
    are ours.
    """
    text = (
        _environment()
        .get_template("report.md.j2")
        .render(
            results=results,
            main=headline_comparisons(results),
            selected=list(selected_tables(results)),
        )
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


@cache
def _environment() -> Environment:
    # Markdown is escaped by ``plain``, not as HTML.
    made = Environment(
        loader=PackageLoader("handpicked.report"),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(plain=plain, markdown=markdown, scored_rows=scored_rows, near_note=near_note)
    made.globals["tables"] = tables
    return made
