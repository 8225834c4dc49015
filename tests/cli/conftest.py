"""What several tests of the command line share."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def pool(tmp_path):
    path = tmp_path / "pool.jsonl"
    rows = [{"prompt": f"question {i}", "response": "word " * (i + 1)} for i in range(20)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
