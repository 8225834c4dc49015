"""A page that only this machine can open: served on 127.0.0.1, with a random token in every address.

Python's own server is enough here: a few people on one machine, a few routes, nothing to configure.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
import secrets
import sys
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from handpicked.errors import ConfigError, HandpickedError, StoreError, first_line

if TYPE_CHECKING:
    from importlib.abc import Traversable

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
LOOPBACK = (HOST, "localhost", "::1")
LONGEST_BODY = 64 * 1024
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Query = Callable[[Mapping[str, str]], object]
"""Answers a GET by the fields of its query with a value for JSON."""
Action = Callable[[Mapping[str, object]], object]
"""Answers a POST by its JSON object with a value for JSON."""
Download = tuple[Callable[[], str], str]
"""What makes the text of a file, and its media type."""


@dataclass(frozen=True)
class Site:
    """What a page consists of. ``command`` is how it was started, for messages.

    ``page`` is the folder with its files, of which ``page.html`` is the first; ``queries``, ``actions`` and
    ``downloads`` are what it may request, by name.
    """

    command: str
    page: Traversable
    queries: Mapping[str, Query] = field(default_factory=dict)
    actions: Mapping[str, Action] = field(default_factory=dict)
    downloads: Mapping[str, Download] = field(default_factory=dict)

    def file(self, where: str) -> tuple[str, str] | None:
        """The text of one of the page's files and its media type, or ``None`` where there is no such file."""
        name = where or "page.html"
        kind = KINDS.get(name[name.rfind(".") :]) if "/" not in name and "\\" not in name else None
        if kind is None or not (file := self.page.joinpath(name)).is_file():
            return None
        return file.read_text(encoding="utf-8"), kind


class LocalServer(ThreadingHTTPServer):
    """Serves one site until it is shut down."""

    daemon_threads = True

    def __init__(self, site: Site, port: int) -> None:
        """Raises ConfigError when the port is taken. Port 0 takes a free one."""
        self.site = site
        self.token = secrets.token_urlsafe(24)
        try:
            super().__init__((HOST, port), Handler)
        except OSError as error:
            raise ConfigError(
                f"--port {port} cannot be used: {error.strerror}. Leave it out for a free one."
            ) from error

    def handle_error(self, request: object, client_address: object) -> None:
        """Log an early disconnect of the browser without a traceback."""
        log.debug("a connection ended early", exc_info=True)

    @property
    def address(self) -> str:
        """Where the page is; whoever knows it may use it."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"


class Handler(BaseHTTPRequestHandler):
    """One request. Anything without the token is refused before it is read."""

    server: LocalServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "handpicked", ""
    timeout = 60

    def do_GET(self) -> None:
        """Files of the page, what it asks for, and downloads."""
        where = self._inside()
        if where is None:
            return
        site = self.server.site
        if where in site.queries:
            query = dict(reversed(parse_qsl(self.path.partition("?")[2])))
            self._answer(lambda: site.queries[where](query))
        elif where in site.downloads:
            make, kind = site.downloads[where]
            self._answer(make, kind)
        elif (file := site.file(where)) is not None:
            self._send(HTTPStatus.OK, *file)
        else:
            self._send(HTTPStatus.NOT_FOUND, "There is no such page.", "text/plain")

    def do_POST(self) -> None:
        """Actions and larger questions. Only JSON is taken: a form on another site cannot send it."""
        where = self._inside()
        if where is None:
            return
        actions = self.server.site.actions
        length = self.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() and len(length) < 10 else -1
        if where not in actions:
            self._refuse(HTTPStatus.NOT_FOUND, "There is no such request.")
        elif self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send JSON.")
        elif not 0 <= size <= LONGEST_BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Send at most {LONGEST_BODY:,} bytes.")
        else:
            body = self.rfile.read(size)
            if len(body) == size:  # else its sender has gone
                self._answer(lambda: actions[where](_object(body)))

    def _inside(self) -> str | None:
        """What follows the token in the path; ``None`` when the request has been answered already.

        A page elsewhere whose name is made to lead here (DNS rebinding) still sends its
        own name as Host or Origin.
        """
        hosts = self.headers.get_all("Host") or [""]
        origins = [urlsplit(origin).netloc for origin in self.headers.get_all("Origin") or []]
        if not all(_is_here(name) for name in (*hosts, *origins)):
            self._refuse(HTTPStatus.FORBIDDEN, f"Open this page as {HOST} or localhost.")
            return None
        _, _, path = self.path.partition("?")[0].partition("/")
        token, inside, where = path.partition("/")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            command = self.server.site.command
            self._refuse(HTTPStatus.FORBIDDEN, f"Open the whole address that '{command}' printed.")
            return None
        if not inside:
            self._send(HTTPStatus.PERMANENT_REDIRECT, "", "text/plain", {"Location": self.server.address})
            return None
        return where

    def _answer(self, make: Callable[[], object], kind: str = "application/json") -> None:
        """The boundary to the browser: the user's mistakes and the disk's refusals
        become messages on the page.
        """
        try:
            made = make()
            text = made if isinstance(made, str) else json.dumps(made, allow_nan=False)
        except StoreError as error:
            self._error(HTTPStatus.INSUFFICIENT_STORAGE, str(error))
        except HandpickedError as error:
            self._error(HTTPStatus.BAD_REQUEST, str(error))
        except Exception as error:  # shown on the page; the server goes on
            log.exception("a request failed")
            self._error(HTTPStatus.INTERNAL_SERVER_ERROR, f"This did not work: {first_line(error)}")
        else:
            self._send(HTTPStatus.OK, text, kind)

    def _error(self, status: HTTPStatus, message: str) -> None:
        self._send(status, json.dumps({"error": message}), "application/json")

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Answer without reading the body; the connection cannot be used again."""
        self.close_connection = True
        self._send(status, message, "text/plain", {"Connection": "close"})

    def _send(self, status: HTTPStatus, text: str, kind: str, more: Mapping[str, str] | None = None) -> None:
        content = text.encode("utf-8", "backslashreplace")
        self.send_response(status)
        for name, value in {**HEADERS, **(more or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *words: object) -> None:
        """Requests are not logged: their paths hold the token."""
        log.debug("%s answered", getattr(self, "command", None))  # a silent connection has none


@contextmanager
def until_ctrl_c(say: Callable[[str], None]) -> Iterator[None]:
    """Ctrl-C ends what is inside, and is no failure. The address is printed inside too: whoever reads
    it may press Ctrl-C at once.
    """
    try:
        yield
    except KeyboardInterrupt:
        say("")


def serve_in_browser(server: LocalServer, open_browser: bool) -> None:
    """Serve the page until something ends it, in a browser if one can be opened."""
    if open_browser and _has_screen():
        webbrowser.open(server.address)
    server.serve_forever()


def _has_screen() -> bool:
    """Without one, ``webbrowser`` would start a text browser in this very terminal."""
    return sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


def _is_here(netloc: str) -> bool:
    """Whether a Host (or the host of an Origin) is this machine under a name that nobody
    else can own, at any port.
    """
    try:
        return urlsplit(f"//{netloc}").hostname in LOOPBACK
    except ValueError:
        return False


def _object(body: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"The request is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise ConfigError("The request is not a JSON object.")
    return found
