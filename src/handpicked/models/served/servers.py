"""The vLLM servers of a run: started when an arm first needs one, one at a time, or one that runs already."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handpicked.config import ModelSettings, ServerSettings
from handpicked.errors import EndpointError
from handpicked.models.load import dtype_of, is_folder, pinned, resolve
from handpicked.models.pickles import checked_adapter
from handpicked.models.served.client import Card, Client
from handpicked.models.served.lora import rank_limit
from handpicked.models.served.process import Process, program, start, wait_until

log = logging.getLogger(__name__)

AUTO = "auto"
"""The setting ``server`` where the server is started here."""
LOG = "vllm.log"


@dataclass(frozen=True)
class ArmModel:
    """What an arm is answered by: a model, the adapter on it, and the template that it was trained with
    (``auto``: the model's own).
    """

    model: ModelSettings
    adapter: Path | None = None
    template: str = "auto"

    @property
    def folder(self) -> str:
        """The model's absolute folder, or its name on the hub."""
        place = resolve(self.model)
        return str(place.absolute()) if isinstance(place, Path) else place


@dataclass(frozen=True)
class Served:
    """A model that answers: the server, the model's name there, its context in tokens, vLLM's release."""

    client: Client
    model: str
    context: int
    version: str | None

    def complete(
        self, bodies: Sequence[Mapping[str, Any]], step: Callable[[float], None]
    ) -> list[dict[str, Any]]:
        """See ``Client.complete``."""
        return self.client.complete([{"model": self.model, **body} for body in bodies], step)


@dataclass
class Servers:
    """The servers for ``arms``, by name, to be closed after the last of them."""

    settings: ServerSettings
    arms: Mapping[str, ArmModel]
    variables: Mapping[str, str] = field(default_factory=dict)
    say: Callable[[str], None] = log.info
    _running: tuple[str, Process] | None = None

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server that was started here, if one runs."""
        if self._running is not None:
            self._running[1].end()
            self._running = None

    def in_order(self) -> list[str]:
        """The arms, those of one model one after the other: no server is started twice."""
        first: dict[str, int] = {}
        for arm in self.arms.values():
            first.setdefault(arm.model.name, len(first))
        return sorted(self.arms, key=lambda name: first[self.arms[name].model.name])

    def served(self, arm: str, folder: Path) -> Served:
        """The server of an arm's model, which is started where it does not run; its log goes to
        ``folder/vllm.log``.

        Raises MissingPart without vLLM; WorkerError where the server dies or does not answer in time;
        EndpointError where a served one does not answer or serves another model.
        """
        arm_model = self.arms[arm]
        if self.settings.server == AUTO:
            client = self._started(arm_model, folder)
            name = arm_model.folder if arm_model.adapter is None else arm
            card = next((card for card in client.cards() if card.name == name), None)
        else:
            client = Client(root_of(self.settings.server or ""))
            card = _there(client, arm_model)
        if card is None:
            raise EndpointError(f"vLLM at {client.url} does not serve '{arm}', for which it was started.")
        context = card.context or next((one.context for one in client.cards() if one.context), 1 << 30)
        return Served(client, card.name, context, client.version())

    def _started(self, arm_model: ArmModel, folder: Path) -> Client:
        if self._running is not None and self._running[0] == arm_model.folder:
            process = self._running[1]
            return Client(process.url, process.death)
        self.close()
        words = [*program(self.settings.server_python, arm_model.folder), *self._options(arm_model)]
        _free_devices()
        self.say(f"vllm serve {arm_model.folder} is started; its log is {folder / LOG}")
        folder.mkdir(parents=True, exist_ok=True)
        process = start(words, folder / LOG, self.settings.server_python, self.variables)
        self._running = arm_model.folder, process
        client = Client(process.url, process.death)
        wait_until(process, client.healthy, self.settings.server_wait)
        return client

    def _options(self, arm_model: ArmModel) -> Iterator[str]:
        """The command line for a model and the adapters of all arms on it. The user's options come last."""
        yield from ("--load-format", "safetensors", "--generation-config", "vllm")
        yield from ("--dtype", str(dtype_of(arm_model.model)).removeprefix("torch."))
        if (commit := pinned(arm_model.model)) is not None:
            yield from ("--revision", commit, "--tokenizer-revision", commit)
        if arm_model.model.trust_remote_code:
            yield "--trust-remote-code"
        adapters = {
            name: checked_adapter(arm.adapter).absolute()
            for name, arm in self.arms.items()
            if arm.adapter is not None and arm.folder == arm_model.folder
        }
        if adapters:
            yield from ("--enable-lora", "--max-lora-rank", str(max(map(rank_limit, adapters.values()))))
            yield "--lora-modules"
            yield from (f"{name}={folder}" for name, folder in adapters.items())
        yield from self.settings.server_options


def root_of(url: str) -> str:
    """The address of a server without its ``/v1``."""
    return url.strip().rstrip("/").removesuffix("/v1")


def _there(client: Client, arm_model: ArmModel) -> Card:
    """What a running server calls the arm's model. It is made to load an adapter that it lacks."""
    cards = client.cards()
    base = next((card for card in cards if _same(card, arm_model)), None)
    if base is None:
        offered = ", ".join(f"'{card.name}' ({card.root})" for card in cards)
        raise EndpointError(
            f"vLLM at {client.url} serves {offered}, not {arm_model.model.name}. Serve that model there, or "
            "set server: auto, which serves the model that is needed."
        )
    if arm_model.adapter is None:
        return base
    folder = str(checked_adapter(arm_model.adapter).absolute())
    found = next((card for card in cards if card.root == folder), None)
    if found is None:
        client.load_adapter(folder, folder)
        found = Card(folder, folder, base.context)
    return found


def _same(card: Card, arm_model: ArmModel) -> bool:
    if is_folder(arm_model.model.name) or arm_model.folder.startswith("/"):
        return Path(card.root).expanduser() == Path(arm_model.folder)
    return arm_model.model.name in (card.root, card.name)


def _free_devices() -> None:
    """Give back the memory of a GPU that torch holds for later."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()
