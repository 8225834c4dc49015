"""A prompt with several answers: the best of them is the demonstration, where it is known which that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from handpicked.data.formats import templated
from handpicked.data.formats.calls import calls_in
from handpicked.data.formats.cells import (
    BadRow,
    Row,
    absent,
    kind_name,
    known,
    literal,
    number,
    text_in,
    text_of,
    zipped,
)
from handpicked.data.formats.field_names import INPUTS, PROMPTS, SEVERAL, VERDICTS
from handpicked.data.formats.row_format import Pairs, RowFormat
from handpicked.data.formats.turns import is_turn, read_turn, round_of, turns_of
from handpicked.records import Message

HIGHER = ("overall_score", "score", "rating", "reward", "fine-grained_score", "pm_score", "upvotes")
"""The fields of one of several answers that rate it, higher for a better one."""
Listed = Sequence[object]


@dataclass(frozen=True)
class Answers(RowFormat):
    """A prompt with several answers: the best-rated one is read, the first of equally good ones, or the only
    one there is.

    ``answers`` is a list of texts, of turns, or of objects with a text and perhaps a rating (UltraFeedback:
    the highest ``overall_score``) or a ``rank`` (Nectar: the lowest). ``ratings`` is a further list, one value
    for each answer: numbers (distilabel), or true and false (OpenR1), of which no false one is read. The
    columns ``rating`` and ``margin`` are the rating of the best one and by how much it leads. A list of calls
    of tools (xLAM) is one answer.
    """

    prompt: str
    answers: str
    input: str | None = None
    ratings: str | None = None
    history: str | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        named = (self.prompt, self.input, self.answers, self.ratings, self.history)
        return (*(field for field in named if field is not None), *self.beside.fields)

    @property
    def required(self) -> tuple[str, ...]:
        return (self.prompt, self.answers)

    @property
    def derived(self) -> tuple[str, ...]:
        return ("rating", "margin")

    def messages(self, row: Row) -> list[Message]:
        """The prompt and its best answer. Raises BadRow where it is not known which is the best."""
        asked = row.get(self.prompt)
        if isinstance(asked, list) and any(isinstance(one, str) for one in asked):
            raise BadRow(
                f"'{self.prompt}' and '{self.answers}' are both lists of texts; a row holds one prompt"
            )
        best = self._best(row)
        pair = Pairs(self.name, self.prompt, "", self.input, self.history, beside=self.beside)
        turns = pair.asked(row, _parted(asked))
        return self.beside.around([*turns, *best], row)

    def value(self, row: Row, column: str) -> float | None:
        listed = listed_answers(row.get(self.answers))
        ratings = sorted((one for one, _ in self._rated(row, listed or ())), reverse=True)
        if column == "rating":
            return ratings[0] if ratings else None
        return ratings[0] - ratings[1] if column == "margin" and len(ratings) > 1 else None

    def _best(self, row: Row) -> list[Message]:
        self.beside.check(row)
        value = row.get(self.answers)
        listed = listed_answers(value)
        if listed is None:
            if known(value) is None:
                raise BadRow(absent(self.answers, row))
            return [Message("assistant", text_of(value, self.answers, row))]
        if calls := calls_in(listed) if listed else ():
            return [Message("assistant", "", calls=calls)]
        rated = self._rated(row, listed)
        if rated:
            rating, best = max(rated, key=lambda one: one[0])
            if isinstance(rating, bool) and not rating:
                raise BadRow(f"no answer in '{self.answers}' is right by '{self.ratings}'")
            return self._said(best)
        filled = [one for one in listed if known(one) is not None]
        if not filled:
            raise BadRow(f"field '{self.answers}' is an empty list")
        if any(one != filled[0] for one in filled[1:]) and len({text_in(one) for one in filled}) > 1:
            raise undecided(self.answers, len(filled))
        return self._said(filled[0])

    def _said(self, answer: object) -> list[Message]:
        if isinstance(answer, list):
            return turns_of(answer, self.answers)
        if is_turn(answer):
            return read_turn(answer, self.answers, 0)
        text = text_in(answer)
        if text is None:
            raise BadRow(f"an answer in '{self.answers}' is {kind_name(answer)} without a text")
        return [Message("assistant", text)]

    def _rated(self, row: Row, listed: Listed) -> list[tuple[float, object]]:
        """Rating (higher is better) of each answer that has one, with the answer."""
        if self.ratings is not None:
            ratings = listed_answers(row.get(self.ratings)) or ()
            if ratings and len(ratings) != len(listed):
                raise BadRow(
                    f"'{self.ratings}' has {len(ratings)} values for the {len(listed)} of '{self.answers}'"
                )
            judged = [one if isinstance(one, bool) else number(one) for one in ratings]
            return [(one, answer) for one, answer in zip(judged, listed, strict=False) if one is not None]
        return [
            (rating, one)
            for one in listed
            if isinstance(one, Mapping) and text_in(one) is not None and (rating := _rating(one)) is not None
        ]


def undecided(field: str, answers: int) -> BadRow:
    """Why a row with several answers and no rating of them cannot be read."""
    return BadRow(
        f"'{field}' holds {answers} answers and no rating of them, so it is not known which is to be learned: "
        "keep one, or give each a row of its own (--by best-response chooses then)"
    )


def listed_answers(value: object) -> list[object] | None:
    """The answers that a field lists, also as a text (a CSV) or one list a field (``datasets``)."""
    if isinstance(value, str):
        value = literal(value)
    if isinstance(value, Mapping):
        value = [value] if text_in(value) is not None else zipped(value)
    return value if isinstance(value, list) else None


def several(pairs: Pairs, rows: Sequence[Row], fields: Sequence[str]) -> RowFormat:
    """``pairs``, or where its response field lists texts, or is an object with a text, the format of several
    answers.
    """
    if not any(_texts(row.get(pairs.response)) for row in rows):
        return pairs
    ratings = _ratings(rows, pairs.response, fields)
    return Answers(pairs.name, pairs.prompt, pairs.response, pairs.input, ratings, pairs.history)


def rated(rows: Sequence[Row], fields: Sequence[str]) -> tuple[RowFormat, str] | None:
    """A prompt with a list of objects that are answers, of which one at least is rated."""
    prompt = next((name for name in PROMPTS if name in fields), None)
    for answers in SEVERAL if prompt is not None else ():
        for row in rows:
            one = next(iter(listed_answers(row.get(answers)) or ()), None)
            if not isinstance(one, Mapping) or "role" in one or text_in(one) is None:
                continue
            rating = next((name for name in (*HIGHER, "rank") if name in one), None)
            if rating is not None:
                best = "lowest" if rating == "rank" else "highest"
                why = f"field '{answers}' lists several answers to '{prompt}'; the one with the {best} {rating} is read"
                return Answers(f"{prompt}-{answers}", str(prompt), answers, _input(str(prompt), fields)), why
    return None


def unrated(rows: Sequence[Row], fields: Sequence[str]) -> tuple[RowFormat, str] | None:
    """A prompt with a list of answers, which may be rated by a list beside them."""
    prompt = next((name for name in PROMPTS if name in fields), None)
    for answers in SEVERAL if prompt is not None else ():
        if answers not in fields or not any(_answer_like(row.get(answers)) for row in rows):
            continue
        ratings = _ratings(rows, answers, fields)
        best = f"the best by '{ratings}' is read" if ratings else "it is read where it is the only one"
        why = f"field '{answers}' lists answers to '{prompt}'; {best}"
        further = _input(str(prompt), fields)
        return Answers(f"{prompt}-{answers}", str(prompt), answers, further, ratings), why
    return None


def _input(prompt: str, fields: Sequence[str]) -> str | None:
    return next((name for name in INPUTS.get(prompt, ()) if name in fields), None)


def _answer_like(value: object) -> bool:
    listed = listed_answers(value)
    return bool(listed) and all(
        isinstance(one, str) or is_turn(one) or text_in(one) is not None or bool(calls_in(one))
        for one in listed or ()
        if one is not None
    )


def _texts(value: object) -> bool:
    """Whether a value lists answers, and is no list of turns; a text that looks like a list (code) is one answer."""
    if isinstance(value, Mapping):
        return text_in(value) is not None and not is_turn(value) and round_of(value) is None
    return isinstance(value, list) and bool(value) and all(one is None or _alone(one) for one in value)


def _alone(one: object) -> bool:
    if isinstance(one, Mapping):
        return not is_turn(one) and round_of(one) is None and text_in(one) is not None and "type" not in one
    return isinstance(one, str)


def _ratings(rows: Sequence[Row], answers: str, fields: Sequence[str]) -> str | None:
    """The field that lists a number, or true or false, for each answer."""

    def values(name: str) -> Iterator[object]:
        for row in rows:
            found, listed = listed_answers(row.get(name)), listed_answers(row.get(answers))
            if found and listed and len(found) == len(listed):
                yield from found

    for name in VERDICTS:
        found = [one for one in values(name) if one is not None] if name in fields else []
        if found and all(isinstance(one, bool) or number(one) is not None for one in found):
            return name
    return None


def _rating(answer: Mapping[str, object]) -> float | None:
    rating = next((value for name in HIGHER if (value := number(answer.get(name))) is not None), None)
    rank = number(answer.get("rank"))
    return -rank if rating is None and rank is not None else rating


def _parted(question: object) -> list[Message] | None:
    """The turns of a prompt that is a conversation ending in "Assistant:" (Nectar)."""
    parted = templated.split(f"{question.rstrip()} .") if isinstance(question, str) else None
    return [*parted[1][:-1]] if parted is not None and parted[1][-1].content == "." else None
