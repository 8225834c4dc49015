"""Multiple-choice rows: a question, its options, and which of them is right.

The prompt is the question with the options in lines of their own (``A. neon``), unless the question holds them
already; the response is the line of the right one. Which it is, is said by its text, by its label (its letter),
or by its number, which counts from 0; from 1 where some answer is the number of the options and none is 0. One
way is taken for the whole file, the one in which most of its first rows make sense.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from handpicked.data.formats.cells import BLANK, BadRow, Row, known, literal, number, text_of
from handpicked.data.formats.field_names import PROMPTS, RESPONSES, by_name
from handpicked.data.formats.row_format import RowFormat, instruction_turn
from handpicked.records import Message

QUESTIONS = (
    "question",
    *(name for name in PROMPTS if name not in ("question", "input")),
    "ctx",
    "goal",
    "stem",
    "input",
)
LISTS = ("choices", "options", "endings", "candidates", "answer_choices")
RIGHT = (
    "answer", "answerkey", "answer_key", "answer_idx", "answer_index", "answer_id", "correct_answer", "correct_option",
    "correct", "correct_idx", "gold", "label", "target", "cop", *RESPONSES,
)  # fmt: skip
"""Fields that say which option is right."""
CONTEXTS = ("context", "passage", "article")
APART = re.compile(r"(?i:option|choice|opt|op|ending|sol)[_ ]?([a-h]|\d)|([A-H])", re.ASCII)
"""The name of a field that holds one option."""
NO_COMMA = re.compile(r"(?<=['\"])\s+(?=['\"])")
"""What numpy writes between the texts of a list (``datasets`` does so in a CSV)."""
MARK = re.compile(r"\(?([A-Z])[).:]\s*")
"""The label that a list of options may write before each (AQuA)."""
LEAST = 0.9
"""The part of the first rows whose answer must be one of their options."""
Option = tuple[str, str]
"""A label and a text."""


@dataclass(frozen=True)
class Options(RowFormat):
    """A question with options. ``options`` is the field that lists them, or those that hold one each; ``right``
    says which one, ``by`` its text, its label, or its number from 0 or from 1.
    """

    question: str
    options: tuple[str, ...]
    right: str
    by: str
    context: str | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        context = (self.context,) if self.context else ()
        return (*dict.fromkeys((self.question, *self.options, self.right)), *context, *self.beside.fields)

    @property
    def required(self) -> tuple[str, ...]:
        return (self.question, self.right)

    def messages(self, row: Row) -> list[Message]:
        question, listed = _asked(row, self.question, self.options)
        if not listed:
            raise BadRow(f"field '{self.options[0]}' lists no options")
        place = WAYS[self.by](row.get(self.right), listed)
        if place is None:
            raise BadRow(
                f"field '{self.right}' is {str(row.get(self.right))[:60]!r}, which is none of the {len(listed)} options"
                f" (they are named by {WORDS[self.by]})"
            )
        lines = [f"{label}. {text}" for label, text in listed]
        text = text_of(question, self.question, row)
        if not text.strip(BLANK):
            raise BadRow("the prompt is empty")
        if not _holds(text, listed):
            text = "\n".join((f"{text}\n", *lines))
        context = text_of(row.get(self.context), self.context, row) if self.context else ""
        return self.beside.around([instruction_turn(text, context), Message("assistant", lines[place])], row)


def _by_text(answer: object, listed: Sequence[Option]) -> int | None:
    said = answer.strip(BLANK) if isinstance(answer, str) else None
    texts = [text.strip(BLANK) for _, text in listed]
    unmarked = said if said is None or said in texts else MARK.sub("", said, count=1)
    return texts.index(unmarked) if unmarked in texts else None


def _by_label(answer: object, listed: Sequence[Option]) -> int | None:
    said = answer.strip(f"{BLANK}().:").lower() if isinstance(answer, str) else None
    return next((place for place, (label, _) in enumerate(listed) if label.lower() == said), None)


def _by_number(answer: object, listed: Sequence[Option], first: int = 0) -> int | None:
    said = number(answer)
    place = int(said) - first if said is not None and said == int(said) else -1
    return place if 0 <= place < len(listed) else None


def _from_one(answer: object, listed: Sequence[Option]) -> int | None:
    return _by_number(answer, listed, 1)


WAYS: dict[str, Callable[[object, Sequence[Option]], int | None]] = {
    "label": _by_label, "text": _by_text, "number": _by_number, "number from 1": _from_one,
}  # fmt: skip
WORDS = {
    "label": "label", "text": "text", "number": "number, counted from 0", "number from 1": "number, counted from 1",
}  # fmt: skip


def multiple_choice(rows: Sequence[Row], fields: Sequence[str]) -> tuple[RowFormat, str] | None:
    """The format of rows with a question, options and which is right."""
    real = by_name(fields)
    for question in (real[name] for name in QUESTIONS if name in real):
        for options in _option_fields(question, real, fields, rows):
            asked = [(row, listed) for row in rows if (listed := _asked(row, question, options)[1])]
            for right in (
                real[name] for name in RIGHT if name in real and real[name] not in (question, *options)
            ):
                by = _way([(row.get(right), listed) for row, listed in asked])
                if by is not None:
                    context = next((real[name] for name in CONTEXTS if name in real), None)
                    why = f"'{question}' has options in {' '.join(options)}, and '{right}' is the {WORDS[by]} of the right one"
                    return Options("multiple choice", question, options, right, by, context), why
    return None


def _option_fields(
    question: str, real: Mapping[str, str], fields: Sequence[str], rows: Sequence[Row]
) -> list[tuple[str, ...]]:
    """The fields that may hold the options, the likeliest first."""
    apart = [field for field in fields if APART.fullmatch(field)]
    within = [(question,)] if any(isinstance(row.get(question), Mapping) for row in rows) else []
    return [
        *within,
        *((real[name],) for name in LISTS if name in real),
        *([tuple(apart)] if len(apart) > 1 else []),
    ]


def _way(answers: Sequence[tuple[object, Sequence[Option]]]) -> str | None:
    """How nearly all of these answers name one of their options."""
    filled = [(answer, listed) for answer, listed in answers if known(answer) is not None and answer != ""]
    said = [number(answer) for answer, _ in filled]
    last = any(one == len(listed) for one, (_, listed) in zip(said, filled, strict=True))
    ways = ("label", "text", "number from 1" if last and 0 not in said else "number")
    counts = {way: sum(WAYS[way](*one) is not None for one in filled) for way in ways}
    best = max(ways, key=lambda way: counts[way])
    return best if filled and counts[best] >= LEAST * len(filled) else None


def _asked(row: Row, question: str, options: tuple[str, ...]) -> tuple[object, list[Option]]:
    """The question and its options, by label and text; none where they cannot be read."""
    asked = row.get(question)
    if isinstance(asked, Mapping):  # as AI2 publishes ARC
        return asked.get("stem"), _labelled(asked.get("choices"))
    if len(options) == 1:
        return asked, _labelled(row.get(options[0]))
    texts = [row.get(name) for name in options]
    filled = [text for text in texts if known(text) is not None and text != ""]
    return asked, _labelled(filled)


def _labelled(value: object) -> list[Option]:
    """Options of a list of texts, of objects with label and text, or of an object of texts by label or of lists."""
    if isinstance(value, str):
        value = literal(NO_COMMA.sub(", ", value) if "', '" not in value else value)
    if isinstance(value, Mapping):
        texts, labels = value.get("text"), value.get("label")
        if isinstance(texts, list) and isinstance(labels, list) and len(texts) == len(labels):
            return [(str(label), str(text)) for label, text in zip(labels, texts, strict=True)]
        pairs = [(str(label), text) for label, text in value.items() if text is not None]
        return [(label, str(text)) for label, text in pairs] if all(_plain(text) for _, text in pairs) else []
    if not isinstance(value, list) or not 2 <= len(value) <= len(ascii_uppercase):
        return []
    if all(isinstance(one, Mapping) and "label" in one and "text" in one for one in value):
        return [(str(one["label"]), str(one["text"])) for one in value]
    if not all(map(_plain, value)):
        return []
    found = [MARK.match(str(text)) for text in value]
    marked = all(one and one[1] == letter for one, letter in zip(found, ascii_uppercase, strict=False))
    texts = [
        str(text)[one.end() :] if marked and one else str(text)
        for text, one in zip(value, found, strict=True)
    ]
    return list(zip(ascii_uppercase, texts, strict=False))


def _plain(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _holds(question: str, listed: Sequence[Option]) -> bool:
    """Whether a question lists its options itself."""
    return all(
        re.search(rf"\b{re.escape(label)}\W{{1,3}}{re.escape(text)}", question) for label, text in listed
    )
