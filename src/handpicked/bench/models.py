"""The model under test, wherever it is: opened when it is first used, once in each process that uses it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from handpicked.bench.lm import (
    ServedModel,
    as_prompt,
    open_endpoint,
    open_model,
    open_tokenizer,
    open_vllm,
)
from handpicked.config import ModelSettings
from handpicked.workers import THIS_PROCESS, Workers


class BenchModel(Protocol):
    """A model under test. It travels to the workers that use it, without what it has opened."""

    @property
    def lm(self) -> Any:
        """lm-eval's view of it, opened at first use."""
        ...

    @property
    def endpoint(self) -> ServedModel | None:
        """Where it is served; None for a local model."""
        ...

    def prompt(self, conversation: list[dict[str, str]], add_generation_prompt: bool) -> Any:
        """A conversation by the chat template. Opens a tokenizer at most, where it can."""
        ...

    def workers(self, wanted: Workers) -> Workers:
        """Where it is to be run, of the workers that the user wants."""
        ...


@dataclass(frozen=True)
class LocalModel:
    """A model by transformers; each worker loads it. ``template`` is the chat template of answers in free
    text, None where none is used.
    """

    model: ModelSettings
    adapter: Path | None = None
    template: str | None = None
    batch_size: int = 8
    endpoint: None = None

    @cached_property
    def lm(self) -> Any:
        """See ``BenchModel``."""
        return open_model(self.model, self.adapter, self._tokenizer, self.batch_size)

    @cached_property
    def _tokenizer(self) -> Any:
        return open_tokenizer(self.model, self.template)

    def prompt(self, conversation: list[dict[str, str]], add_generation_prompt: bool) -> Any:
        """See ``BenchModel``."""
        return as_prompt(self._tokenizer, conversation, add_generation_prompt)

    def workers(self, wanted: Workers) -> Workers:
        """See ``BenchModel``."""
        return wanted

    def __getstate__(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(frozen=True)
class VllmModel:
    """A model in vLLM, which takes all devices itself."""

    model: ModelSettings
    adapter: Path | None = None
    endpoint: None = None

    @cached_property
    def lm(self) -> Any:
        """See ``BenchModel``."""
        return open_vllm(self.model, self.adapter)

    def prompt(self, conversation: list[dict[str, str]], add_generation_prompt: bool) -> Any:
        """See ``BenchModel``."""
        return self.lm.apply_chat_template(conversation, add_generation_prompt)

    def workers(self, wanted: Workers) -> Workers:
        """See ``BenchModel``."""
        del wanted
        return THIS_PROCESS


@dataclass(frozen=True)
class EndpointModel:
    """A model behind an endpoint, which this process sends requests to."""

    endpoint: ServedModel

    @cached_property
    def lm(self) -> Any:
        """See ``BenchModel``."""
        return open_endpoint(self.endpoint)

    def prompt(self, conversation: list[dict[str, str]], add_generation_prompt: bool) -> Any:
        """See ``BenchModel``."""
        return self.lm.apply_chat_template(conversation, add_generation_prompt)

    def workers(self, wanted: Workers) -> Workers:
        """See ``BenchModel``."""
        del wanted
        return THIS_PROCESS
