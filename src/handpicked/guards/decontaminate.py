"""Rows that contain an evaluation prompt."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import ClassVar, Literal

from handpicked.data import read_prompts
from handpicked.errors import ConfigError
from handpicked.guards.drop import Drop, Present
from handpicked.guards.guard import Guard
from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.overlap import PromptOverlap
from handpicked.selectors.selector import Scores


@dataclass(frozen=True)
class Decontaminate(Guard):
    """Drops rows that share 13 words in a row with an evaluation prompt, which would spoil the evaluation.

    Brown et al. (2020), Language Models are Few-Shot Learners, appendix C.
    """

    match: Literal["normalised", "exact"] = "normalised"
    """How words are compared: ``normalised`` ignores case and punctuation."""
    prompts: tuple[str, ...] = ()
    """The files of evaluation prompts; those of the selection (``prompts``) by default."""

    name: ClassVar[str] = "decontaminate"
    about: ClassVar[str] = "drops rows that share a 13-gram with an evaluation prompt (prompts)"
    source: ClassVar[str] = "GPT-3, Brown et al. 2020, arXiv 2005.14165"
    version: ClassVar[int] = 1  # raise it when other rows are dropped
    value: ClassVar[str] = "match"

    def check(self) -> None:
        if not self.prompts:
            raise ConfigError(
                "name the files of evaluation prompts to keep out of the selection (--prompts, or prompts: "
                "[...])."
            )
        _ = self._listed

    @cached_property
    def _listed(self) -> tuple[tuple[str, str], ...]:
        """Label and text of every user turn of every evaluation prompt."""
        return tuple(
            (f"{Path(file).name} #{number}", message.content)
            for file in self.prompts
            for number, prompt in enumerate(read_prompts(file, Path(file).stem), start=1)
            for message in prompt.messages
            if message.role == "user"
        )

    @property
    def _overlap(self) -> PromptOverlap:
        return PromptOverlap(self._listed, exact=self.match == "exact")

    @property
    def rule(self) -> str:
        words, column = PromptOverlap.n, "overlap_exact" if self.match == "exact" else "overlap"
        return f"it shares {words} words in a row with an evaluation prompt (named in column {column})"

    @property
    def scorers(self) -> tuple[Scorer, ...]:
        return (self._overlap,)

    @property
    def identity(self) -> str:
        return sha256(json.dumps(self._listed).encode()).hexdigest()

    def make(self, scores: Scores) -> Drop:
        return Present(self.name, self._overlap.name, self.rule)
