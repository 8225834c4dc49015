"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets: ``HANDPICKED_DATA``, or ``../shared/data`` beside the repository."""
    folder = Path(os.environ.get("HANDPICKED_DATA") or REPOSITORY.parent / "shared" / "data")
    if not (folder / "MANIFEST.tsv").is_file():
        pytest.skip(f"the real data sets are not at {folder}; set HANDPICKED_DATA to their folder")
    return folder
