"""A client of vLLM's completions API: prompts as token ids, answers as token ids, log-probabilities."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from handpicked.endpoint.body import BodyError, read_body
from handpicked.endpoint.reading import said_in
from handpicked.endpoint.request import LOCAL_HOSTS, header_value
from handpicked.endpoint.sync import run_to_end
from handpicked.endpoint.wire import Fault, fault_of
from handpicked.errors import EndpointError, WorkerError
from handpicked.secrets import protect

if TYPE_CHECKING:
    from aiohttp import ClientSession

KEY = "VLLM_API_KEY"
"""Environment variable of the key, as ``vllm serve`` reads it; a server without a key needs none."""
TOGETHER = 256
"""Requests in flight at most: vLLM makes its own batches of them."""
PATIENCE, SHORT = 3600.0, 10.0
"""Seconds that a completion may take, which waits behind others, and a question about the server itself."""
PAUSES = (1.0, 2.0, 4.0)
"""Seconds before each further try of a request."""


@dataclass(frozen=True)
class Card:
    """A model that a server offers: its name, the folder or name on the hub it comes from, and its context in
    tokens (None: unknown).
    """

    name: str
    root: str
    context: int | None


@dataclass(frozen=True)
class Client:
    """One server at ``url`` (without ``/v1``). ``death`` says why it is gone, where that is known."""

    url: str
    death: Callable[[], str | None] = lambda: None

    def healthy(self) -> bool:
        """Whether it answers that it is ready."""
        try:
            return not isinstance(run_to_end(self._ask("GET", "/health", None, SHORT)), Fault)
        except EndpointError:
            return False

    def version(self) -> str | None:
        """The release of vLLM; None where it does not say."""
        found = run_to_end(self._ask("GET", "/version", None, SHORT))
        return str(found["version"]) if isinstance(found, dict) and "version" in found else None

    def cards(self) -> list[Card]:
        """What it serves. Raises EndpointError where it does not answer."""
        found = run_to_end(self._ask("GET", "/v1/models", None, SHORT))
        if isinstance(found, Fault) or not isinstance(found.get("data"), list):
            why = found.hopeless or found.reason if isinstance(found, Fault) else "it lists no models"
            raise EndpointError(f"There is no vLLM at {self.url}: {why}.")
        return [
            Card(str(one.get("id")), str(one.get("root")), one.get("max_model_len")) for one in found["data"]
        ]

    def load_adapter(self, name: str, folder: str) -> None:
        """Have it load the LoRA adapter in ``folder``, which it must see under this path. Raises
        EndpointError where it refuses.
        """
        body = {"lora_name": name, "lora_path": folder}
        found = run_to_end(self._ask("POST", "/v1/load_lora_adapter", body, PATIENCE))
        if isinstance(found, Fault):
            raise EndpointError(
                f"vLLM at {self.url} does not serve the adapter {folder} and does not load it "
                f"({found.said or found.hopeless or found.reason}). Start it with --enable-lora, "
                "--max-lora-rank and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True where it sees this folder, or set "
                "server: auto."
            )

    def complete(
        self, bodies: Sequence[Mapping[str, Any]], step: Callable[[float], None]
    ) -> list[dict[str, Any]]:
        """The first choice of each completion, in order; ``step`` counts those that are done.

        Raises WorkerError where the server has died, EndpointError where it refuses or fails repeatedly.
        """
        found: list[dict[str, Any]] = run_to_end(self._complete(bodies, step))
        return found

    async def _complete(
        self, bodies: Sequence[Mapping[str, Any]], step: Callable[[float], None]
    ) -> list[dict[str, Any]]:
        gate = asyncio.Semaphore(TOGETHER)
        async with self._session() as http:

            async def one(body: Mapping[str, Any]) -> dict[str, Any]:
                async with gate:
                    choice = await self._patiently(http, body)
                step(1)
                return choice

            return list(await asyncio.gather(*map(one, bodies)))

    async def _patiently(self, http: ClientSession, body: Mapping[str, Any]) -> dict[str, Any]:
        fault = Fault("it was not asked")
        for pause in (0.0, *PAUSES):
            await asyncio.sleep(pause)
            found = await self._once(http, body)
            if not isinstance(found, Fault):
                return found
            fault = found
            if (death := self.death()) is not None:
                raise WorkerError(f"{death}. Finished work is kept; the same command continues.")
            if not fault.again:
                break
        raise EndpointError(
            f"vLLM at {self.url} did not complete a prompt of {len(body['prompt'])} tokens for the model "
            f"'{body['model']}': {fault.hopeless or fault.reason}. Finished work is kept; the same command "
            "goes on."
        )

    async def _once(self, http: ClientSession, body: Mapping[str, Any]) -> dict[str, Any] | Fault:
        found = await _send(http, "POST", f"{self.url}/v1/completions", body, PATIENCE)
        if isinstance(found, Fault):
            return found
        choices = found.get("choices")
        whole = isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], dict)
        return dict(choices[0]) if choices and whole else Fault("no completion in its answer")

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None, seconds: float) -> Any:
        async with self._session() as http:
            return await _send(http, method, f"{self.url}{path}", body, seconds)

    def _session(self) -> ClientSession:
        """A session that keeps nothing; a server on this machine is reached without any proxy."""
        from aiohttp import ClientSession, DummyCookieJar, TCPConnector

        key = header_value(KEY)
        protect(key)
        local = urlsplit(self.url).hostname in LOCAL_HOSTS
        return ClientSession(
            connector=TCPConnector(limit=0, force_close=True),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            headers={"Authorization": f"Bearer {key}"} if key else None,
            trust_env=not local,
        )


async def _send(
    http: ClientSession, method: str, url: str, body: Mapping[str, Any] | None, seconds: float
) -> dict[str, Any] | Fault:
    """The JSON object of a success (empty where it has no body), or why there is none."""
    from aiohttp import ClientError, ClientTimeout

    limit = ClientTimeout(total=seconds, sock_connect=SHORT)
    try:
        async with http.request(method, url, json=body, timeout=limit, allow_redirects=False) as response:
            content = await read_body(response)
    except asyncio.TimeoutError:
        return Fault(f"no answer within {seconds:g} s")
    except (ClientError, OSError) as error:
        return Fault(f"connection failed ({type(error).__name__})")
    except BodyError as error:
        return Fault(str(error), again=False)
    if response.status != 200:
        return fault_of(response.status, said_in(content))
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
