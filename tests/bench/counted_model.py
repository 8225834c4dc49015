"""A model that notes every part that it is asked, and is killed or refuses where a test wants it to."""

from __future__ import annotations

import hashlib
import os
import signal
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from handpicked.bench import LocalModel


@dataclass(frozen=True)
class CountedModel(LocalModel):
    """Notes in ``log``. When so many parts as ``at`` were begun, ``mishap`` happens, once."""

    log: Path = Path("begun")
    at: int = 0
    mishap: str = ""

    @cached_property
    def lm(self) -> Any:
        lm = super().lm
        type(lm).max_gen_toks = 8  # 256 take minutes
        for kind in ("loglikelihood", "generate_until"):
            setattr(lm, kind, self.noting(getattr(lm, kind)))
        return lm

    @property
    def begun(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []

    def noting(self, asked: Any) -> Any:
        def noted(requests: list[Any]) -> Any:
            part = hashlib.sha256(repr([request.args for request in requests]).encode()).hexdigest()
            with self.log.open("a") as log:
                log.write(part + "\n")
            if self.mishap and len(self.begun) == self.at:
                if self.mishap == "killed":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise RuntimeError(self.mishap)
            return asked(requests)

        return noted
