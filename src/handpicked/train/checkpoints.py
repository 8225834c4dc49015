"""Finds the checkpoint that a training goes on from."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

from handpicked.store import read_json, write_json

log = logging.getLogger(__name__)

MARK = "training.json"


def newest_checkpoint(folder: Path, fingerprint: str, processes: int) -> str | None:
    """The newest whole checkpoint in ``folder`` of the same training by as many processes. Torn ones, and all
    of another training, are removed.
    """
    mark = folder / MARK
    same = mark.is_file() and read_json(mark)["fingerprint"] == fingerprint
    newest = None
    for path in sorted(folder.glob("checkpoint-*"), key=_step):
        if same and is_whole(path, processes):
            newest = path
        else:
            shutil.rmtree(path)
    if not same:
        write_json(mark, {"fingerprint": fingerprint})
    if newest is not None:
        log.info("training resumes from %s", newest)
    return str(newest) if newest else None


def is_whole(checkpoint: Path, processes: int = 1) -> bool:
    """Whether a checkpoint was written to its end: the first process writes its trainer_state.json last, and
    each its random state.
    """
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return len(list(checkpoint.glob("rng_state*.pth"))) >= processes


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])
