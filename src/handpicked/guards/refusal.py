"""Responses that refuse, or that speak of being an AI."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from handpicked.errors import ConfigError
from handpicked.guards.lint import Lint, found_in
from handpicked.records.response_parts import thought_and_answer

SHIPPED = Path(__file__).with_name("refusal.txt")


@dataclass(frozen=True)
class Refusal(Lint):
    """Drops responses whose answer refuses, or speaks of being an AI ("As an AI language model"): a few of
    them teach a model to refuse often.

    By a list of English phrases. Some count anywhere in the answer, those after ``^`` at its beginning only.
    """

    phrases: str = ""
    """A text file of phrases in place of the shipped ones, one a line; ``^`` before those that count only at
    the beginning of an answer."""

    name: ClassVar[str] = "refusal"
    about: ClassVar[str] = "drops responses that refuse or say that an AI wrote them, by a list of phrases"
    version: ClassVar[int] = 1  # raise it when other rows are dropped
    value: ClassVar[str] = "phrases"
    audited: ClassVar[bool] = True
    fault: ClassVar[str] = "it refuses, or says that an AI wrote it"

    def check(self) -> None:
        if not self._patterns:
            raise ConfigError(f"{self.phrases} holds no phrase; write one a line.")

    @property
    def identity(self) -> str:
        return sha256(self._text.encode()).hexdigest() if self.phrases else ""

    @cached_property  # once: workers of a cluster have no such file
    def _text(self) -> str:
        """The phrases as the file has them. Raises ConfigError where it cannot be read."""
        file = Path(self.phrases).expanduser() if self.phrases else SHIPPED
        try:
            return file.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"the phrases {file} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"the phrases {file} are not UTF-8 text; save the file as UTF-8.") from error

    @property
    def _patterns(self) -> tuple[str, ...]:
        lines = (line.strip() for line in self._text.splitlines())
        return tuple(map(_pattern, (line for line in lines if line and not line.startswith("#"))))

    def find(self, batch: pa.RecordBatch) -> pa.Array:
        patterns = self._patterns
        anywhere = "(?i)" + "|".join(one.removeprefix(_BEGINNING).removeprefix(_WORD) for one in patterns)
        return found_in(batch["response"], anywhere, lambda text: _phrase_in(text, patterns))


_BEGINNING, _WORD = r"\A\W*", r"\b"


def _pattern(phrase: str) -> str:
    """A phrase as a regular expression that Python and RE2 read."""
    words = (re.escape(word).replace("'", "['’]") for word in phrase.removeprefix("^").split())
    whole = _WORD + r"\s+".join(words)
    return f"{_BEGINNING}{whole}" if phrase.startswith("^") else whole


def _phrase_in(text: str, patterns: Sequence[str]) -> str | None:
    """The first of the phrases in the answer of a response."""
    found = _compiled(tuple(patterns)).search(thought_and_answer(text)[1])
    return None if found is None else " ".join(found.group().split())


@lru_cache(maxsize=8)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)
