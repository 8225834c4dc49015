"""Chat replies of a model that a vLLM server is started for: an endpoint for as long as it is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from handpicked.config import ModelSettings, ServerSettings
from handpicked.endpoint import Budget, Endpoint, Reply, Request, Retry, all_known, complete
from handpicked.errors import EndpointError, WorkerError
from handpicked.models.load import dtype_of, identity
from handpicked.models.served.client import KEY, Client
from handpicked.models.served.options import by_vllm
from handpicked.models.served.servers import ArmModel, Servers
from handpicked.progress import SILENT, Progress

NOWHERE = "http://127.0.0.1/v1"
"""The address of a server that is not started yet: nothing is sent there."""
NAME = "chat"
TRIES = Retry(attempts=4)
"""A server on this machine that does not answer four times is gone."""


class Complete(Protocol):
    """``endpoint.complete``, as far as it is used here."""

    def __call__(
        self,
        requests: Sequence[Request],
        settings: Endpoint,
        cache: Path,
        progress: Progress = ...,
        *,
        label: str = ...,
        budget: Budget | None = ...,
    ) -> list[Reply]: ...


@contextmanager
def replies_from(
    model: str | None, serving: ServerSettings, folder: Path, variables: Mapping[str, str] | None = None
) -> Iterator[Complete]:
    """What sends requests: ``endpoint.complete``, or, where ``serving`` has one started, the same with a vLLM
    server of ``model``. It is started for the first request that the cache does not answer, with further
    environment ``variables``, its log goes to ``folder``, and it is ended with the block.
    """
    if serving.server is None:
        yield complete
        return
    arm_model = ArmModel(ModelSettings(name=model or ""), None)
    with Servers(serving, {NAME: arm_model}, variables or {}) as servers:
        yield _Served(servers, arm_model, folder)


def served_identity(model: str | None, serving: ServerSettings) -> str:
    """What replies of a served model depend on besides the requests: its content, number type and options."""
    settings = ModelSettings(name=model or "")
    number = str(dtype_of(settings)).removeprefix("torch.")
    return f"{identity(settings)}, {number}, {by_vllm(serving.server_options)}"


@dataclass(frozen=True)
class _Served:
    servers: Servers
    model: ArmModel
    folder: Path

    def __call__(
        self,
        requests: Sequence[Request],
        settings: Endpoint,
        cache: Path,
        progress: Progress = SILENT,
        *,
        label: str = "requests",
        budget: Budget | None = None,
    ) -> list[Reply]:
        """See ``endpoint.complete``. Raises WorkerError where the server has died, MissingPart and
        WorkerError as ``Servers.served`` does.
        """
        there = _At(NOWHERE, self.model.folder, settings)
        client = Client(NOWHERE)
        if not all_known(requests, there, cache, self._known_as):
            served = self.servers.served(NAME, self.folder)
            there, client = _At(f"{served.client.url}/v1", served.model, settings), served.client
        try:
            replies = complete(
                requests,
                there,
                cache,
                progress,
                label=label,
                retry=TRIES,
                budget=budget,
                known_as=self._known_as,
            )
        except EndpointError as error:
            _tell_of(client.death(), error)
            raise
        if any(reply.lost for reply in replies):
            _tell_of(client.death(), None)
        return replies

    @cached_property
    def _known_as(self) -> str:
        return served_identity(self.model.model.name, self.servers.settings)


def _tell_of(death: str | None, error: EndpointError | None) -> None:
    """Raise WorkerError where the server has died: then that is why replies are missing."""
    if death is not None:
        raise WorkerError(f"{death}. Finished work is kept; the same command continues.") from error


@dataclass(frozen=True)
class _At:
    """A served model as an endpoint. What else it ``has`` is that of the settings; it costs nothing unless
    they have prices.
    """

    base_url: str
    model: str
    has: Endpoint
    key_env: str = KEY

    @property
    def concurrency(self) -> int:
        return self.has.concurrency

    @property
    def timeout(self) -> float:
        return self.has.timeout

    @property
    def max_cost(self) -> float | None:
        return self.has.max_cost

    @property
    def price_in(self) -> float:
        return self.has.price_in or 0.0

    @property
    def price_out(self) -> float:
        return self.has.price_out or 0.0
