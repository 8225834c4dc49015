"""The model under test as an ``lm_eval`` model: loaded by transformers, in vLLM, or behind an endpoint."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from handpicked.bench.listening import hushed
from handpicked.config import ModelSettings
from handpicked.endpoint.reading import said_in
from handpicked.endpoint.request import authorization_of, base_url_of, url_of
from handpicked.errors import ConfigError, MissingPart
from handpicked.models.load import dtype_of, load_model, load_tokenizer, pinned, resolve
from handpicked.models.sandbox import dated
from handpicked.models.served.lora import rank_limit
from handpicked.models.template import load_template

UNKNOWN_LENGTH = 10**9
"""transformers gives a tokenizer that knows no length one beyond this."""


@dataclass(frozen=True)
class ServedModel:
    """An OpenAI-compatible endpoint (``http://host:8000/v1``). ``chat`` uses its chat completions, which
    return no likelihoods.

    ``tokenizer`` (a name or a folder) is needed where likelihoods are compared; requests are then sent as its
    tokens, so that the endpoint cannot cut them elsewhere. ``max_length`` is what the model takes at once, in
    tokens: lm-eval leaves out the beginning of longer prompts (None: what the tokenizer says, else lm-eval's
    2,048). The key stays in the environment.
    """

    base_url: str
    model: str
    chat: bool = False
    tokenizer: str | None = None
    key_env: str = "OPENAI_API_KEY"
    concurrency: int = 8
    timeout: float = 300.0
    max_length: int | None = None


def open_model(model: ModelSettings, adapter: Path | None, tokenizer: Any, batch_size: int) -> Any:
    """lm-eval's view of a local model, with the ``tokenizer`` of ``open_tokenizer``.

    Raises MissingPart without lm-eval, and what loading the model raises.
    """
    kind = _hflm()
    loaded = load_model(model, adapter=adapter)
    with hushed():  # it warns that the model is loaded already, which is meant
        return kind(pretrained=loaded, tokenizer=tokenizer, backend="causal", batch_size=batch_size)


def open_tokenizer(model: ModelSettings, template: str | None) -> Any:
    """The model's tokenizer. ``template`` is the chat template of answers in free text, None where none is
    used.
    """
    tokenizer = load_tokenizer(model)
    if template is not None:
        tokenizer.chat_template = dated(load_template(template, tokenizer).source)
    return tokenizer


def as_prompt(tokenizer: Any, conversation: list[dict[str, str]], add_generation_prompt: bool) -> str:
    """A conversation as lm-eval's model writes it by the tokenizer's chat template. Needs no model."""
    view = SimpleNamespace(tokenizer=tokenizer, chat_template_args={})
    return str(_hflm().apply_chat_template(view, conversation, add_generation_prompt))


def _hflm() -> Any:
    try:
        from lm_eval.models.huggingface import HFLM
    except ImportError:
        raise MissingPart("Benchmarks need lm-evaluation-harness: pip install 'handpicked[bench]'") from None
    return HFLM


def open_vllm(model: ModelSettings, adapter: Path | None) -> Any:
    """lm-eval's view of a model in vLLM, which chooses its own batches, and uses the tokenizer's own chat
    template for free text. Raises MissingPart without vLLM.
    """
    try:
        import vllm  # noqa: F401
        from lm_eval.models.vllm_causallms import VLLM
    except ImportError:
        raise MissingPart(
            "evaluate.bench.engine is vllm, which is not installed: pip install vllm (it needs a "
            "GPU), or set it to transformers."
        ) from None
    return VLLM(**vllm_arguments(model, adapter))


def vllm_arguments(model: ModelSettings, adapter: Path | None) -> dict[str, Any]:
    """What lm-eval's vLLM model is made with. vLLM refuses adapters of a higher rank than it is set to
    accept.
    """
    arguments: dict[str, Any] = {
        "pretrained": str(resolve(model)),
        "revision": pinned(model),
        "trust_remote_code": model.trust_remote_code,
        "load_format": "safetensors",  # never a pickle, which could run any code
        "dtype": str(dtype_of(model)).removeprefix("torch."),
        "batch_size": "auto",
    }
    if adapter is not None:
        arguments |= {"lora_local_path": str(adapter), "max_lora_rank": rank_limit(adapter)}
    return arguments


def open_endpoint(endpoint: ServedModel) -> Any:
    """lm-eval's view of an endpoint: completions, or chat completions. Raises MissingPart
    for what its client lacks.
    """
    from lm_eval.models.openai_completions import LocalChatCompletion, LocalCompletionsAPI

    by_header = bool(os.environ.get(endpoint.key_env, "").strip()) or "@" in endpoint.base_url
    shared: dict[str, Any] = {
        "model": endpoint.model,
        "num_concurrent": endpoint.concurrency,
        "timeout": round(endpoint.timeout),
        "header": {"Authorization": authorization_of(endpoint)}
        if by_header
        else {"Content-Type": "application/json"},
        "tokenized_requests": endpoint.tokenizer is not None and not endpoint.chat,
        "max_length": endpoint.max_length or _known_length(endpoint.tokenizer) or 2048,
    }
    try:
        if endpoint.chat:
            return LocalChatCompletion(base_url=url_of(endpoint, "chat/completions"), **shared)
        backend = None if endpoint.tokenizer is None else "huggingface"
        return LocalCompletionsAPI(
            base_url=url_of(endpoint, "completions"),
            tokenizer=endpoint.tokenizer,
            tokenizer_backend=backend,
            **shared,
        )
    except ModuleNotFoundError as error:
        raise MissingPart(f"Benchmarks through an endpoint: {error}") from error


class _Refusals(logging.Handler):
    """Keeps an endpoint's last message about a refused request."""

    def __init__(self) -> None:
        super().__init__()
        self.words = ""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        for before in ("Response text: ", "failed with error message: "):
            said = message.partition(before)[2].removesuffix(". Retrying...")
            self.words = said_in(said.encode("utf-8", "replace")) or self.words


@contextmanager
def caught_refusals() -> Iterator[_Refusals]:
    """Within it, lm-eval's log of refused requests is caught and not shown: it holds the whole request,
    headers included. The error that lm-eval raises lacks the endpoint's own message.
    """
    logger, refused = logging.getLogger("lm_eval.models.api_models"), _Refusals()
    level, propagate = logger.level, logger.propagate
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    logger.addHandler(refused)
    try:
        yield refused
    finally:
        logger.removeHandler(refused)
        logger.setLevel(level)
        logger.propagate = propagate


def what_to_check(endpoint: ServedModel, words: str) -> str:
    """What an endpoint said of a request that it refused, and the settings that may be wrong."""
    said = f". {base_url_of(endpoint)} says: {words}" if words else ""
    return (
        f"{said}. Check --base-url ({base_url_of(endpoint)}), the name {endpoint.model}, "
        "and the key in the environment "
        f"variable {endpoint.key_env} (--key-env)"
    )


def _known_length(tokenizer: str | None) -> int | None:
    """The tokens that the tokenizer says its model takes, where it says so."""
    if tokenizer is None:
        return None
    known = load_tokenizer(ModelSettings(name=tokenizer)).model_max_length
    return known if known < UNKNOWN_LENGTH else None


def refuse_likelihoods(endpoint: ServedModel, names: Sequence[str]) -> None:
    """Raise ConfigError when benchmarks that compare likelihoods of given answers meet an
    endpoint that does not return them.
    """
    if not names:
        return
    listed = ", ".join(names)
    if endpoint.chat:
        raise ConfigError(
            f"{listed}: compares the likelihoods of given answers, which chat completions do "
            "not return. Use an endpoint with "
            "completions and logprobs (leave out --chat), a local model, or benchmarks that "
            "generate (gsm8k, bbh, ifeval)."
        )
    if endpoint.tokenizer is None:
        raise ConfigError(
            f"{listed}: compares the likelihoods of given answers, for which the "
            "model's tokenizer must be here too. "
            "Give it with --tokenizer (a folder or a name)."
        )
