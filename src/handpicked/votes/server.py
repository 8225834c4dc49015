"""The page's server: which request is answered by what of a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import resources

from handpicked.pages.local_page import Handler, LocalServer, Site
from handpicked.votes.session import Session

__all__ = ["Handler", "InspectServer"]


class InspectServer(LocalServer):
    """Serves one session until it is shut down. ``downloads`` maps a file name to what makes
    its content and its type.
    """

    def __init__(
        self, session: Session, port: int, downloads: Mapping[str, tuple[Callable[[], str], str]]
    ) -> None:
        """Raises ConfigError when the port is taken. Port 0 takes a free one."""
        site = Site(
            "handpicked inspect",
            resources.files("handpicked.votes").joinpath("page"),
            queries={
                "about": lambda _: session.about(),
                "state": lambda query: session.state(query.get("annotator", "")),
                "results": lambda query: session.results(query.get("annotator", "")),
            },
            actions={"vote": session.vote, "undo": session.undo, "unveil": session.unveil},
            downloads=downloads,
        )
        super().__init__(site, port)
