"""Which settings of a vLLM server, and which options of ``vllm serve``, may change an answer."""

from __future__ import annotations

from collections.abc import Sequence

from handpicked.config import ServerSettings, result_settings
from handpicked.records import Json

EXECUTION = frozenset({
    "tensor-parallel-size", "tp", "data-parallel-size", "dp", "pipeline-parallel-size", "pp",
    "gpu-memory-utilization", "max-num-seqs", "max-num-batched-tokens", "max-model-len", "swap-space",
    "cpu-offload-gb", "enforce-eager", "distributed-executor-backend", "api-server-count", "api-key",
    "disable-log-stats", "max-loras", "max-cpu-loras",
})  # fmt: skip
"""Options that say how work is spread, how much memory it takes and what is logged."""


def result_settings_of_server(settings: ServerSettings) -> Json:
    """``config.result_settings`` of a section that may use a server, with only the options that count."""
    found: Json = result_settings(settings)
    found["server_options"] = counting_options(settings.server_options)
    if not found["server_options"]:
        del found["server_options"]  # earlier versions had none
    return found


def by_vllm(options: Sequence[str]) -> str:
    """What an identity says of values that a vLLM server computes, started with ``options``."""
    return " ".join(["by vLLM", *counting_options(options)])


def counting_options(options: Sequence[str]) -> list[str]:
    """The options with their values, without those of ``EXECUTION``."""
    found: list[str] = []
    counts = True
    for word in options:
        if word.startswith("-"):
            name = word.lstrip("-").partition("=")[0].replace("_", "-")
            counts = name not in EXECUTION
        if counts:
            found.append(word)
    return found
