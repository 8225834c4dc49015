"""Two or more answers in a field each (``response_a`` and ``response_b``), and which of them was preferred."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from handpicked.data.formats.cells import BadRow, Row, known, literal, number
from handpicked.data.formats.field_names import INPUTS, PROMPTS, by_name
from handpicked.data.formats.row_format import Chat, Pairs, RowFormat
from handpicked.data.formats.several import undecided
from handpicked.data.formats.turns import turns_of
from handpicked.records import Message

ONE_OF = re.compile(
    r"(?P<stem>.*(?:response|answer|completion|output|conversation|messages|generation|summary|human_ref|reply"
    r"|solution))(?:_(?P<letter>[a-d])|_?(?P<number>\d))"
)
"""The name of a field that holds one of several answers, and its label."""
QUESTIONS = (*PROMPTS, "context", "history", "post")
"""Fields of the prompt, which may be a list of turns (HelpSteer3)."""
PREFERRED = (
    "winner", "preference", "preferred", "better_response_id", "better", "choice", "chosen", "selected", "verdict", "label",
    "human_preference",
)  # fmt: skip
"""Fields that name the preferred answer."""
STRENGTHS = ("preference_strength", "overall_preference")
"""Fields that are below 0 where the first of two answers is preferred, and above 0 where the second is
(HelpSteer).
"""
RATED = ("score", "rating", "reward")
ONE_HOT = ("winner_model", "winner")
"""The beginnings of fields of which that of the preferred answer is 1 or true (LMSYS)."""
NO_WINNER = ("tie", "both", "equal", "same", "neither", "none", "draw", "bothbad")
PLACES = {"left": 0, "first": 0, "right": 1, "second": 1}
NAMED = re.compile(r"\W*(?:model|response|answer|assistant|completion|output|option)?[_ ]?([a-d]|\d)\W*")


@dataclass(frozen=True)
class Verdict(ABC):
    """Which of several answers is preferred, by the fields of a row."""

    fields: tuple[str, ...]

    @abstractmethod
    def best(self, row: Row) -> int | None:
        """The place of the preferred answer; ``None`` where none is."""

    def margin(self, row: Row) -> float | None:
        """By how much it is rated higher than the next."""
        return None


class Rated(Verdict):
    """A field with a rating for each answer; of equally good ones the first is taken."""

    def best(self, row: Row) -> int | None:
        found = [number(row.get(field)) for field in self.fields]
        rated = [one for one in found if one is not None]
        return found.index(max(rated)) if rated else None

    def margin(self, row: Row) -> float | None:
        rated = sorted(
            (one for field in self.fields if (one := number(row.get(field))) is not None), reverse=True
        )
        return rated[0] - rated[1] if len(rated) > 1 else None


class OneHot(Verdict):
    """A field for each answer that is 1 or true for the preferred one."""

    def best(self, row: Row) -> int | None:
        return next((place for place, field in enumerate(self.fields) if _is_true(row.get(field))), None)


class Strength(Verdict):
    """A number below 0 for the first of two answers, above 0 for the second."""

    def best(self, row: Row) -> int | None:
        strength = number(row.get(self.fields[0]))
        return int(strength > 0) if strength else None


@dataclass(frozen=True)
class Named(Verdict):
    """A field that names the preferred answer by its label, its number (counted from ``first``), its field or
    its model.
    """

    answers: tuple[str, ...]
    labels: tuple[str, ...]
    first: int | None

    def best(self, row: Row) -> int | None:
        said = row.get(self.fields[0])
        counted = number(said)
        if counted is not None and self.first is None:
            field = f"'{self.fields[0]}' is {counted:g}"
            raise BadRow(
                f"{field}, and no row shows whether it counts answers from 0 or from 1: name them, such as a"
            )
        if counted is not None:
            place = int(counted) - (self.first or 0)
            return place if 0 <= place < len(self.answers) else None
        text = said.strip().lower() if isinstance(said, str) else ""
        models = [str(row.get(f"model_{label}")).lower() for label in self.labels]
        for names in ([one.lower() for one in self.answers], models):
            if text in names and names.count(text) == 1:
                return names.index(text)
        found = NAMED.fullmatch(text)
        if found is not None and found[1] in self.labels:
            return self.labels.index(found[1])
        place = PLACES.get(text, -1)
        return place if 0 <= place < len(self.answers) else None


@dataclass(frozen=True)
class Compared(RowFormat):
    """Answers in a field each, of which the preferred one is read. An answer may be a text, turns, or the whole
    conversation, in which case there is no ``prompt``.
    """

    prompt: str | None
    answers: tuple[str, ...]
    verdict: Verdict | None
    input: str | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        asked = [field for field in (self.prompt, self.input) if field is not None]
        judged = self.verdict.fields if self.verdict is not None else ()
        return (*dict.fromkeys((*asked, *self.answers, *judged)), *self.beside.fields)

    @property
    def required(self) -> tuple[str, ...]:
        return (*((self.prompt,) if self.prompt is not None else ()), *self.answers)

    @property
    def derived(self) -> tuple[str, ...]:
        return ("margin",) if isinstance(self.verdict, Rated) else self.beside.derived

    def value(self, row: Row, column: str) -> float | None:
        rated = column == "margin" and self.verdict is not None
        return self.verdict.margin(row) if rated and self.verdict else super().value(row, column)

    def messages(self, row: Row) -> list[Message]:
        """The prompt and the preferred answer. Raises BadRow where none is preferred."""
        self.beside.check(row)
        answer = self.answers[self._best(row)]
        if self.prompt is None:
            return Chat(self.name, answer, beside=self.beside).messages(row)
        asked, said = (
            literal(text) if isinstance(text := row.get(name), str) else None
            for name in (self.prompt, answer)
        )
        if _are_texts(asked) and _are_texts(said) and len(asked) == len(said):  # LMSYS: a list of each
            rounds = [text for both in zip(asked, said, strict=True) for text in both]
            return self.beside.around(turns_of(rounds, answer), row)
        listed = isinstance(asked, list) or isinstance(said, list)
        return Pairs(self.name, self.prompt, answer, self.input, listed=listed, beside=self.beside).messages(
            row
        )

    def _best(self, row: Row) -> int:
        if self.verdict is None:
            raise undecided(", ".join(self.answers), len(self.answers))
        best = self.verdict.best(row)
        if best is None:
            said = ", ".join(f"'{field}' is {str(row.get(field))[:40]!r}" for field in self.verdict.fields)
            raise BadRow(f"none of the {len(self.answers)} answers is preferred ({said})")
        return best


def compared(rows: Sequence[Row], fields: Sequence[str]) -> tuple[RowFormat, str] | None:
    """The format of rows with a field for each of several answers."""
    real = by_name(fields)
    answers = _answers(real)
    prompt = next(
        (real[name] for name in QUESTIONS if name in real and real[name] not in answers.values()), None
    )
    if len(answers) < 2 or (prompt is None and not any(_is_chat(row, answers) for row in rows)):
        return None
    verdict = _verdict(rows, real, answers)
    best = (
        f"the one preferred by {', '.join(verdict.fields)} is read"
        if verdict
        else "it is not known which is preferred"
    )
    listed = tuple(answers.values())
    further = next((real[name] for name in INPUTS.get(prompt or "", ()) if name in real), None)
    return Compared(
        "compared", prompt, listed, verdict, further
    ), f"answers are in {', '.join(listed)}; {best}"


def _answers(real: Mapping[str, str]) -> dict[str, str]:
    """The fields of the answers by their labels: those of the stem that has most."""
    stems: dict[str, dict[str, str]] = {}
    for name, field in real.items():
        if (found := ONE_OF.fullmatch(name)) is not None:
            stems.setdefault(found["stem"], {})[found["letter"] or found["number"]] = field
    most = max(stems.values(), key=len, default={})
    return {label: most[label] for label in sorted(most)}


def _verdict(rows: Sequence[Row], real: Mapping[str, str], answers: Mapping[str, str]) -> Verdict | None:
    for stem in RATED:
        rated = [real.get(f"{stem}_{label}") for label in answers]
        if all(rated):
            return Rated(tuple(field for field in rated if field))
    for stem in ONE_HOT:
        flags = [real.get(f"{stem}_{label}") for label in answers]
        if all(flags):
            return OneHot(tuple(field for field in flags if field))
    for name in (*STRENGTHS, *PREFERRED):
        if name not in real:
            continue
        said = [number(row.get(real[name])) for row in rows]
        if name in STRENGTHS or any(one is not None and one < 0 for one in said):
            return Strength((real[name],))
        labels = tuple(answers)
        first = int(labels[0]) if labels[0].isdigit() else _first_number(said, len(labels))
        return Named((real[name],), tuple(answers.values()), labels, first)
    return None


def _first_number(said: Sequence[float | None], answers: int) -> int | None:
    """From which number answers with letters are counted; ``None`` where the first rows do not tell."""
    if 0 in said:
        return 0
    return 1 if answers in said else None


def _is_chat(row: Row, answers: Mapping[str, str]) -> bool:
    """Whether the answers of a row are whole conversations."""
    value = row.get(next(iter(answers.values())))
    listed = literal(value) if isinstance(value, str) else value
    return isinstance(listed, list) and bool(listed) and isinstance(listed[0], Mapping)


def _are_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def _is_true(value: object) -> bool:
    return known(value) is not None and str(value).strip().lower() in ("true", "1", "1.0")
