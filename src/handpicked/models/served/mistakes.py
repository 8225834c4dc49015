"""Settings of a server that have no effect, found before anything is started."""

from __future__ import annotations

from collections.abc import Iterator

from handpicked.config import ServerSettings
from handpicked.endpoint import Endpoint
from handpicked.errors import MissingPart, did_you_mean
from handpicked.models.served.process import program
from handpicked.models.served.servers import AUTO


def server_mistakes(serving: ServerSettings) -> Iterator[tuple[str, str]]:
    """The name of each setting that contradicts another one or can be no server, and what is wrong."""
    server = serving.server
    if server is not None and server != AUTO and not server.startswith(("http://", "https://")):
        yield (
            "server",
            f"server: '{server}' is neither auto nor an address such as http://localhost:8000."
            f"{did_you_mean(server, [AUTO])}",
        )
    if server != AUTO:
        for name in ("server_python", "server_options"):
            if getattr(serving, name):
                yield name, f"{name}: is for a server that is started here: set server: auto."


def endpoint_mistakes(
    endpoint: Endpoint, serving: ServerSettings, batch: bool = False
) -> Iterator[tuple[str, str]]:
    """The same where the server answers chat requests in place of an endpoint. ``batch``: by batch files."""
    if serving.server is not None and serving.server != AUTO:
        yield (
            "server",
            f"server: '{serving.server}' is not auto, which serves the model here. The address of a server "
            "that is already running goes into base_url.",
        )
        return
    yield from server_mistakes(serving)
    if serving.server == AUTO:
        if endpoint.base_url is not None:
            yield (
                "server",
                "server: auto serves the model here, and base_url is the address of another endpoint: leave "
                "one of them out.",
            )
        if not endpoint.model:
            yield "model", "model: server: auto needs the model that it is to serve: a folder or a hub name."
        if batch:
            yield "batch", "batch: a server that is started here has no batch files: leave batch out."


def missing_server(serving: ServerSettings) -> str:
    """What there is to install where the server cannot be started; empty where it can, and where none is to be
    started.
    """
    try:
        check_program(serving)
    except MissingPart as error:
        return str(error)
    return ""


def check_program(serving: ServerSettings) -> None:
    """Raise MissingPart, which says how to get it, where the vLLM that is to be started is not there."""
    if serving.server == AUTO:
        program(serving.server_python, "")
