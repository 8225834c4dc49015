"""The settings of a vLLM server as settings of a scorer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handpicked.config import EXECUTION, ServerSettings
from handpicked.method import LATER, parts

SERVER: Mapping[str, Any] = {
    **EXECUTION,
    **LATER,
    **parts(**{name: name for name in ServerSettings.model_fields}),
}
"""Metadata of a scorer's field of them. They are in no fingerprint themselves: the scorer's identity says what
counts of them.
"""
