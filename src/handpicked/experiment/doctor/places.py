"""Keys, the hub and where files go. A key is never shown: only whether it is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from handpicked.data import hub
from handpicked.data.named import FOLDER
from handpicked.data.remote import cache_folder
from handpicked.experiment.doctor.finding import Finding, found
from handpicked.secrets import masked

LEAST = 2**31
"""Free bytes below which a disk is said to be nearly full: a 135M model is written in a quarter of them."""


def keys_and_hub() -> Iterator[Finding]:
    """Which services can be reached."""
    from huggingface_hub import constants, get_token

    there = bool(os.environ.get("OPENAI_API_KEY"))
    said = "set" if there else "not set; only needed for judges and scorers that ask an endpoint"
    yield found("Hub and keys", "OPENAI_API_KEY", there, said)
    offline = " and ".join(name for name in hub.OFFLINE if os.environ.get(name)) if hub.is_offline() else ""
    endpoint = masked(constants.ENDPOINT)
    yield found(
        "Hub and keys", "hub", not offline, f"{endpoint}{f'; not asked: {offline} is set' * bool(offline)}"
    )
    from_variable = os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN")
    token = bool(get_token())
    where = "in HF_TOKEN" if from_variable else f"in {constants.HF_TOKEN_PATH}"
    none = "none; only needed for private and gated repositories: hf auth login"
    yield found("Hub and keys", "hub token", token, f"there is one, {where}" if token else none)


def places(folder: Path) -> Iterator[Finding]:
    """The disks of the results (below ``folder``), of our cache and of the hub's."""
    from huggingface_hub import constants

    yield _disk("results", folder)
    yield _disk("cache", cache_folder())
    yield _disk("hub cache", Path(constants.HF_HUB_CACHE))
    given = os.environ.get(FOLDER)
    if given is None:
        yield found("Disk", FOLDER, False, "not set; named data sets are fetched into the cache")
    elif Path(given).expanduser().is_dir():
        yield found("Disk", FOLDER, True, given)
    else:
        yield Finding("Disk", FOLDER, "wrong", f"{given} is no folder")


def _disk(what: str, folder: Path) -> Finding:
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    said = f"{folder.absolute()}: {free / 2**30:.1f} GiB free"
    if not os.access(existing, os.W_OK):
        return Finding("Disk", what, "wrong", f"{folder.absolute()} cannot be written to")
    return Finding("Disk", what, "ok" if free > LEAST else "wrong", said)
