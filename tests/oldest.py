"""What `make test-minimum` cannot do, because releases that old differ."""

from __future__ import annotations

import os

import pytest

OLDEST = "HANDPICKED_MINIMUM" in os.environ
"""Whether the oldest versions that pyproject.toml allows are installed."""

same_words = pytest.mark.skipif(
    OLDEST, reason="pydantic and Typer put the same descriptions otherwise in older releases"
)
"""For a published file that is compared to the letter with what is generated."""
