"""Known good answers for prompts and pairs that come without, from a file of prompts and responses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from handpicked import data
from handpicked.config import ReferenceSettings
from handpicked.errors import PoolError
from handpicked.records import Pair, messages_id, prompt_text


def references(settings: ReferenceSettings) -> dict[str, str]:
    """Known good answers by prompt id.

    Raises PoolError for a file that cannot be read, or in which no row is as ``where`` says.
    """
    known: dict[str, str] = {}
    for example in data.read(settings.path).examples():
        if all(str(example.original.get(field)) == value for field, value in settings.where.items()):
            known.setdefault(messages_id(example.messages[:-1]), example.messages[-1].text)
    if not known:
        raise PoolError(
            f"{settings.path}: no row has {settings.where}, so there are no references; check 'where'."
        )
    return known


def referenced(pairs: Sequence[Pair], path: str) -> list[Pair]:
    """The pairs, each that has no reference with that of its prompt in the file ``path``; a prompt that differs
    only in white space or its system prompt is the same. Thoughts of references are left out.

    Raises PoolError for a file that cannot be read, or that holds none of the prompts.
    """
    known: dict[str, str] = {}
    by_words: dict[str, str] = {}
    for example in data.read(path).examples():
        asked, good = example.messages[:-1], example.messages[-1].answer
        known.setdefault(messages_id(asked), good)
        by_words.setdefault(_words(prompt_text(asked)), good)
    good_answers = [known.get(pair.prompt_id, by_words.get(_words(pair.prompt))) for pair in pairs]
    if not any(good is not None for good in good_answers):
        raise PoolError(
            f"{path} holds references for {len(known):,} prompts, and none of them is one of the "
            f"{len(pairs):,} that were answered. They are joined by the text of the prompt."
        )
    return [
        replace(pair, reference=pair.reference or good)
        for pair, good in zip(pairs, good_answers, strict=True)
    ]


SYSTEM = re.compile(r"\Asystem: .*?\n\n(?=user: )", re.DOTALL)
"""The system prompt at the beginning of a prompt's text."""


def _words(text: str) -> str:
    """A prompt's text without its system prompt, with single blanks."""
    asked, with_system = SYSTEM.subn("", text)
    if with_system and "\n\nassistant: " not in asked:
        asked = asked.removeprefix("user: ")
    return " ".join(asked.split())
