"""The options of vLLM for LoRA adapters."""

from __future__ import annotations

import json
from pathlib import Path

from handpicked.models.pickles import checked_adapter

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The limits of an adapter's rank that vLLM takes."""


def rank_limit(adapter: Path) -> int:
    """The smallest limit that the adapter keeps. Raises ConfigError for a folder without its safetensors."""
    config = json.loads((checked_adapter(adapter) / "adapter_config.json").read_text(encoding="utf-8"))
    rank: int = max([config["r"], *(config.get("rank_pattern") or {}).values()])
    return next((one for one in RANKS if one >= rank), rank)
