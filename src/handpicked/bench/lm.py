"""The model under test as lm-evaluation-harness sees it: loaded here, in vLLM, or behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from handpicked.bench.listening import listening
from handpicked.config import ModelSettings
from handpicked.errors import ConfigError, MissingPart
from handpicked.models.load import dtype_of, load_model, load_tokenizer, pinned, resolve
from handpicked.models.pickles import checked_adapter
from handpicked.models.template import load_template
from handpicked.progress import SILENT

UNKNOWN_LENGTH = 10**9
"""transformers gives a tokenizer that knows no length one beyond this."""

VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The limits of an adapter's rank that vLLM can be told."""


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible endpoint (``http://host:8000/v1``). ``chat`` asks its chat completions, which tell no likelihoods.

    ``tokenizer`` (a name or a folder) is needed where likelihoods are compared; requests are then sent as its tokens, so that
    the endpoint cannot cut them elsewhere. ``max_length`` is what the model takes at once, in tokens: lm-eval leaves out the
    beginning of longer prompts (None: what the tokenizer says, else lm-eval's 2,048). The key stays in the environment.
    """

    base_url: str
    model: str
    chat: bool = False
    tokenizer: str | None = None
    key_env: str = "OPENAI_API_KEY"
    concurrency: int = 8
    timeout: float = 300.0
    max_length: int | None = None


def open_model(
    model: ModelSettings,
    adapter: Path | None,
    template: str | None,
    *,
    engine: Literal["transformers", "vllm"] = "transformers",
    batch_size: int = 8,
) -> Any:
    """lm-eval's view of a local model. ``template`` is the chat template of answers in free text, None where none is asked.

    Raises MissingPart without lm-eval or vLLM, and what loading the model raises.
    """
    if engine == "vllm":
        return _vllm(model, adapter)
    try:
        from lm_eval.models.huggingface import HFLM
    except ImportError:
        raise MissingPart("Benchmarks need lm-evaluation-harness: pip install 'handpicked[bench]'") from None
    tokenizer = load_tokenizer(model)
    if template is not None:
        tokenizer.chat_template = load_template(template, tokenizer).source
    loaded = load_model(model, adapter=adapter)
    with listening(SILENT, ""):  # it warns that the model is loaded already, which is meant
        return HFLM(pretrained=loaded, tokenizer=tokenizer, backend="causal", batch_size=batch_size)


def _vllm(model: ModelSettings, adapter: Path | None) -> Any:
    """vLLM chooses its own batches. It writes free text in the tokenizer's own chat template."""
    try:
        import vllm  # noqa: F401
        from lm_eval.models.vllm_causallms import VLLM
    except ImportError:
        raise MissingPart(
            "evaluate.bench.engine is vllm, which is not installed: pip install vllm (it needs a GPU), or set it to transformers."
        ) from None
    return VLLM(**vllm_arguments(model, adapter))


def vllm_arguments(model: ModelSettings, adapter: Path | None) -> dict[str, Any]:
    """What lm-eval's vLLM model is made with. vLLM refuses adapters of a higher rank than it was told to expect."""
    arguments: dict[str, Any] = {
        "pretrained": str(resolve(model)),
        "revision": pinned(model),
        "trust_remote_code": model.trust_remote_code,
        "load_format": "safetensors",  # never a pickle, which could run any code
        "dtype": str(dtype_of(model)).removeprefix("torch."),
        "batch_size": "auto",
    }
    if adapter is not None:
        config = json.loads((checked_adapter(adapter) / "adapter_config.json").read_text(encoding="utf-8"))
        rank = max([config["r"], *(config.get("rank_pattern") or {}).values()])
        known = next((one for one in VLLM_RANKS if one >= rank), rank)
        arguments |= {"lora_local_path": str(adapter), "max_lora_rank": known}
    return arguments


def open_endpoint(endpoint: Endpoint) -> Any:
    """lm-eval's view of an endpoint: completions, or chat completions. Raises MissingPart for what its client lacks."""
    from lm_eval.models.openai_completions import LocalChatCompletion, LocalCompletionsAPI

    key = os.environ.get(endpoint.key_env)
    shared: dict[str, Any] = {
        "model": endpoint.model,
        "num_concurrent": endpoint.concurrency,
        "timeout": round(endpoint.timeout),
        "header": {"Authorization": f"Bearer {key}"} if key else {"Content-Type": "application/json"},
        "tokenized_requests": endpoint.tokenizer is not None and not endpoint.chat,
        "max_length": endpoint.max_length or _known_length(endpoint.tokenizer) or 2048,
    }
    base = endpoint.base_url.rstrip("/")
    try:
        if endpoint.chat:
            return LocalChatCompletion(base_url=f"{base}/chat/completions", **shared)
        backend = None if endpoint.tokenizer is None else "huggingface"
        return LocalCompletionsAPI(
            base_url=f"{base}/completions", tokenizer=endpoint.tokenizer, tokenizer_backend=backend, **shared
        )
    except ModuleNotFoundError as error:
        raise MissingPart(f"Benchmarks through an endpoint: {error}") from error


def _known_length(tokenizer: str | None) -> int | None:
    """The tokens that the tokenizer says its model takes, where it says so."""
    if tokenizer is None:
        return None
    known = load_tokenizer(ModelSettings(name=tokenizer)).model_max_length
    return known if known < UNKNOWN_LENGTH else None


def refuse_likelihoods(endpoint: Endpoint, names: Sequence[str]) -> None:
    """Raise ConfigError when benchmarks that compare likelihoods of given answers meet an endpoint that cannot tell them."""
    if not names:
        return
    listed = ", ".join(names)
    if endpoint.chat:
        raise ConfigError(
            f"{listed}: compares the likelihoods of given answers, which chat completions do not tell. Ask an endpoint with "
            "completions and logprobs (leave out --chat), a local model, or benchmarks that generate (gsm8k, bbh, ifeval)."
        )
    if endpoint.tokenizer is None:
        raise ConfigError(
            f"{listed}: compares the likelihoods of given answers, for which the model's tokenizer must be here too. "
            "Give it with --tokenizer (a folder or a name)."
        )
