"""``handpicked explore``: serves the page to look at data until Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

from handpicked.explore.opened import Opened
from handpicked.explore.session import Session
from handpicked.pages.local_page import LocalServer, Site, serve_in_browser, until_ctrl_c


def site_of(opened: Opened) -> Site:
    """The page with the requests that it may send."""
    session = Session(opened)
    actions = {
        "rows": session.rows,
        "row": session.row,
        "histogram": session.histogram,
        "counts": session.counts,
        "spread": session.spread,
        "scatter": session.scatter,
        "overlap": session.overlap,
        "pairs": session.pairs,
        "pair": session.pair,
        "note": session.note,
    }
    return Site(
        "handpicked explore",
        resources.files("handpicked.explore").joinpath("page"),
        queries={"about": session.about},
        actions=actions,
        downloads={"notes.jsonl": (session.export, "application/x-ndjson")},
    )


def serve(
    opened: Opened,
    port: int,
    open_browser: bool,
    say: Callable[[str], None],
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve the page until Ctrl-C. ``ready`` is called with its address. Notes are on the disk as
    they are made.

    Raises ConfigError when the port is taken.
    """
    with LocalServer(site_of(opened), port) as server, until_ctrl_c(say):
        what = f"{opened.table.rows:,} rows" if opened.table is not None else "judged pairs"
        say(f"{opened.title} ({opened.kind}, {what}): {server.address}")
        ready(server.address)
        say(f"Ctrl-C stops it. Notes are kept in {opened.notes.path}.")
        serve_in_browser(server, open_browser)
