"""The cache of every test is its own."""

from __future__ import annotations

import pytest
from made_pools import alpaca, write


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("HANDPICKED_CACHE", str(folder))
    return folder


@pytest.fixture
def pool(tmp_path):
    return write(tmp_path / "pool.jsonl", alpaca())
