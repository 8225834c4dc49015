"""Which options of ``vllm serve`` may change an answer."""

from __future__ import annotations

from collections.abc import Sequence

EXECUTION = frozenset({
    "tensor-parallel-size", "tp", "data-parallel-size", "dp", "pipeline-parallel-size", "pp",
    "gpu-memory-utilization", "max-num-seqs", "max-num-batched-tokens", "max-model-len", "swap-space",
    "cpu-offload-gb", "enforce-eager", "distributed-executor-backend", "api-server-count", "api-key",
    "disable-log-stats", "max-loras", "max-cpu-loras",
})  # fmt: skip
"""Options that say how work is spread, how much memory it takes and what is logged."""


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
