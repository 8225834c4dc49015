"""Linguistic features of a response: how often a kind of phrase or structure occurs in 100 of its words.

Phrases are lists beside this file (``phrases/*.txt``, each with its rule and source); structures are patterns
of Markdown, below. Rates are over the words outside of fenced code, so that length alone does not decide. The
lists are English: in another language a rate is 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.lexical_diversity import LexicalDiversity
from handpicked.scorers.text.prose import count_words, prose
from handpicked.scorers.text.readability import ReadingEase, Sentences

LISTS = Path(__file__).parent / "phrases"
STRUCTURES: Mapping[str, str] = {
    "questions": "[?]+[\"')\\]*_\u201d\u2019]*(?:\\s|\\z)",
    "list_items": r"(?m)^[ \t]*(?:[-*+\x{2022}]|\d{1,3}[.)])[ \t]+\S",
    "steps": r"(?m)^[ \t]*(?:\d{1,3}[.)][ \t]|[#*_]{0,4}[ \t]*[Ss]tep[ \t]+(?:\d+|one|two|three|four|five|six)\b)",
    "headings": r"(?m)^#{1,6}[ \t]+\S",
    "table_rows": r"(?m)^[ \t]*\|.*\|[ \t]*$",
    "bold": r"\*\*[^*\n]+\*\*",
}
"""RE2 patterns: question marks that end a sentence, bullets and numbers, numbered lines and "Step 1",
Markdown headings, rows of tables (with the rule under the head), and spans in bold.
"""


@dataclass(frozen=True)
class Rate(Scorer):
    """Occurrences of a list of phrases or of a structure per 100 words of prose (outside of fenced code).

    ``name`` is a file of ``phrases/`` or a key of ``STRUCTURES``. Each feature is
    described in docs/features.md.
    """

    name: str  # type: ignore[misc]  # one of the variants

    variants: ClassVar[Mapping[str, str]] = {
        "politeness": "courtesies: thanks, apologies, greetings, closings, offers of help",
        "hedges": "words that weaken a claim: may, perhaps, usually, I think",
        "contrast": "discourse markers of contrast: but, however, although",
        "cause": "discourse markers of cause and result: because, therefore, in order to",
        "elaboration": "discourse markers that add or give an example: also, for example, such as",
        "temporal": "discourse markers of order in time: then, after, finally",
        "conclusion": "discourse markers that sum up: overall, in conclusion",
        "first_person": "I, we, my, our and their forms",
        "second_person": "you, your and their forms",
        "questions": "question marks that end a sentence",
        "list_items": "bullets and numbered items",
        "steps": "numbered lines and lines that begin with Step 1",
        "headings": "Markdown headings",
        "table_rows": "rows of Markdown tables",
        "bold": "spans in bold",
    }
    unit: ClassVar[str] = "per 100 words"
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "pyarrow")
    missing: ClassVar[str] = "the response has no words outside of code"

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        texts = prose(batch["response"])
        pattern = STRUCTURES.get(self.name) or phrase_pattern(self.name)
        found = pc.count_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
        words = count_words(texts)
        return pa.array(100.0 * found / np.maximum(words, 1), pa.float64(), mask=words == 0)


@dataclass(frozen=True)
class CodeShare(Scorer):
    """The share of a response's characters that lie in fenced blocks of code, fences included: 0 to 1."""

    name: ClassVar[str] = "code"
    about: ClassVar[str] = "share of the characters in fenced code"
    unit: ClassVar[str] = "share of the characters, 0 to 1"
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "pyarrow")
    missing: ClassVar[str] = "the response is empty"

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        whole = pc.fill_null(pc.utf8_length(batch["response"]), 0).to_numpy(zero_copy_only=False)
        rest = pc.utf8_length(prose(batch["response"], instead="")).to_numpy(zero_copy_only=False)
        return pa.array((whole - rest) / np.maximum(whole, 1), pa.float64(), mask=whole == 0)


@cache
def phrase_pattern(name: str) -> str:
    """One RE2 pattern for the list ``phrases/<name>.txt``: its phrases between word
    boundaries, the longest first.

    A phrase matches as written or with its first letter in upper case (after ``=``: as written only); a space
    in it matches any white space, an apostrophe also the curly one.
    """
    listed = phrases(name)
    return rf"\b(?:{'|'.join(_one(phrase) for phrase in sorted(listed, key=lambda one: (-len(one), one)))})"


def phrases(name: str) -> tuple[str, ...]:
    """The phrases of a list, without its comments."""
    lines = (LISTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def _one(phrase: str) -> str:
    exact = phrase.startswith("=")
    text = phrase.removeprefix("=")
    first, rest = text[0], re.escape(text[1:]).replace(r"\ ", r"\s+").replace("'", "['\u2019]")
    head = first if exact or first.isupper() else f"[{first.upper()}{first}]"
    return head + rest + (r"\b" if text[-1].isalnum() else "")


PHRASES = (
    "politeness",
    "hedges",
    "contrast",
    "cause",
    "elaboration",
    "temporal",
    "conclusion",
    "first_person",
    "second_person",
)

FEATURES: Mapping[str, Callable[[], Scorer]] = {
    **{name: lambda name=name: Rate(name) for name in (*PHRASES, *STRUCTURES)},  # type: ignore[misc]
    "code": CodeShare,
    "lexical_diversity": LexicalDiversity,
    "reading_ease": ReadingEase,
    "sentences": Sentences,
}
"""All features by name."""
