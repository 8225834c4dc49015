"""Row formats: which fields of a row hold the conversation, and how they were recognised.

``Pairs``: a prompt field and a response field, with an optional further input, system text and history
(Alpaca, Dolly, TRL prompt/completion, question/answer, preferences). ``Chat``: one field holding the turns
(ShareGPT, messages). ``Answers``: a prompt with several answers that are rated (UltraFeedback, Nectar).
``Templated``: one text in a chat template. Each turns one row into messages, or raises ``BadRow`` saying why
it cannot. What a row says beside its turns is in ``Beside``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from handpicked.data import templated
from handpicked.data.turns import (
    BLANK,
    BadRow,
    kind_name,
    listed_turns,
    literal,
    read_turn,
    text_of_blocks,
    tools_in,
    turns_of,
    zipped,
)
from handpicked.records import Message, Turns, prompt_text

Row = Mapping[str, object]
UNWANTED = "'{field}' is false: the answer was not wanted, so it is not a demonstration"
HIGHER = ("overall_score", "score", "rating", "reward", "fine-grained_score")
"""The fields of one of several answers that rate it, higher for a better one."""
ANSWER_TEXTS = ("response", "answer", "text", "content", "completion", "output")


@dataclass(frozen=True)
class Beside:
    """The fields of a row beside its turns that belong to the conversation; each may be absent.

    ``label`` is true for an answer that was wanted and false for one that was not (KTO). ``rejected`` holds
    the other side of a preference, ``ratings`` the fields with the ratings of the chosen and the rejected
    answer.
    """

    system: str | None = None
    tools: str | None = None
    label: str | None = None
    reasoning: str | None = None
    rejected: str | None = None
    ratings: tuple[str, str] | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """Those that are read to understand a row."""
        named = (self.system, self.tools, self.label, self.reasoning)
        return tuple(field for field in named if field is not None)

    @property
    def derived(self) -> tuple[str, ...]:
        """Columns that are made of the fields."""
        return () if self.ratings is None else ("margin",)

    @property
    def known(self) -> tuple[str, ...]:
        """All fields that are understood, also those that a conversation does not need."""
        return tuple(
            dict.fromkeys((*self.fields, *((self.rejected,) if self.rejected else ()), *(self.ratings or ())))
        )

    def check(self, row: Row) -> None:
        """Raises BadRow for an answer that was not wanted."""
        label = row.get(self.label) if self.label is not None else None
        if label is False or (isinstance(label, str) and label.strip(BLANK).lower() == "false"):
            raise BadRow(UNWANTED.format(field=self.label))

    def around(self, turns: list[Message], row: Row) -> list[Message]:
        """The turns with the row's system text before them, its thought in the response, and
        its tools on the first turn.
        """
        system = _system(row, self.system)
        if system and turns[0].content != system[0].content:
            turns = system + turns
        thought = self.thought(row)
        if thought and turns[-1].role == "assistant" and not turns[-1].reasoning:
            turns = [*turns[:-1], replace(turns[-1], reasoning=thought)]
        tools = tools_in(row.get(self.tools)) if self.tools is not None else ""
        return [replace(turns[0], tools=tools), *turns[1:]] if tools else turns

    def thought(self, row: Row) -> str:
        """The row's thought, which may be the only one of a list (s1K); blank where there is none."""
        said = row.get(self.reasoning) if self.reasoning is not None else None
        if isinstance(said, list) and len(said) == 1:
            said = said[0]
        return said if isinstance(said, str) and said.strip(BLANK) else ""

    def value(self, row: Row, column: str) -> float | None:
        """The value of a ``derived`` column: by how much the chosen answer is rated
        higher than the rejected one.
        """
        if self.ratings is None or column != "margin":
            return None
        chosen, rejected = (_number(row.get(field)) for field in self.ratings)
        return None if chosen is None or rejected is None else chosen - rejected


NOTHING = Beside()


@dataclass(frozen=True)
class Pairs:
    """A prompt field and a response field; either may itself hold a list of turns (TRL's conversational
    form), which is a text where ``listed`` (in a CSV).
    """

    name: str
    prompt: str
    response: str
    input: str | None = None
    history: str | None = None
    listed: bool = False
    beside: Beside = NOTHING

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that are read, of those a row may have."""
        named = (self.prompt, self.input, self.response, self.history)
        return (*(field for field in named if field is not None), *self.beside.fields)

    @property
    def required(self) -> tuple[str, ...]:
        return (self.prompt, self.response)

    def messages(self, row: Row) -> list[Message]:
        """The row's turns, in order: system, history, prompt with its input after a blank line, response."""
        self.beside.check(row)
        before = _history(row.get(self.history)) if self.history is not None else []
        question, answer = _value(row.get(self.prompt)), _value(row.get(self.response))
        if self.listed:
            question, answer = listed_turns(question), listed_turns(answer)
        if isinstance(answer, list):
            said = turns_of(answer, self.response)
        elif isinstance(answer, Mapping):
            said = read_turn(answer, self.response, 0)
        else:
            if answer is None and not self.beside.thought(row):
                raise BadRow(_absent(self.response, row))
            said = [Message("assistant", self._undoubled(_text(answer, self.response, row), question, row))]
        if any(turn.role == "user" for turn in said):  # the whole conversation, with its prompt
            before = self._prompt_turns(question, row)[:1] if isinstance(question, list) else []
            system = [turn for turn in before if turn.role == "system" and said[0].role != "system"]
            return self.beside.around([*system, *said], row)
        return self.beside.around([*before, *self._prompt_turns(question, row), *said], row)

    def _prompt_turns(self, question: object, row: Row) -> list[Message]:
        if isinstance(question, list):
            return turns_of(question, self.prompt)
        text = _text(question, self.prompt, row)
        further = _text(row.get(self.input), self.input, row) if self.input is not None else ""
        if question is None and not further:
            raise BadRow(_absent(self.prompt, row))
        return [instruction_turn(text, further)]

    def _undoubled(self, answer: str, question: object, row: Row) -> str:
        """The chosen answer without the prompt that it begins with, where the rejected
        one begins with it as well.
        """
        if self.beside.rejected is None or not isinstance(question, str) or not question.strip(BLANK):
            return answer
        other = row.get(self.beside.rejected)
        both = answer.startswith(question) and isinstance(other, str) and other.startswith(question)
        return answer.removeprefix(question) if both else answer


@dataclass(frozen=True)
class Chat:
    """One field holding the turns; ``answer`` is a further field with the last turn
    (preference data: the chosen one).
    """

    name: str
    turns: str
    answer: str | None = None
    beside: Beside = NOTHING

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that are read, of those a row may have."""
        return (self.turns, *((self.answer,) if self.answer else ()), *self.beside.fields)

    @property
    def required(self) -> tuple[str, ...]:
        return (self.turns,)

    def messages(self, row: Row) -> list[Message]:
        """The row's turns, in order."""
        self.beside.check(row)
        listed = row.get(self.turns)
        if isinstance(listed, str):
            listed = _parsed(listed, self.turns)
        if isinstance(listed, Mapping):
            listed = zipped(listed)
        if _value(listed) is None:
            raise BadRow(_absent(self.turns, row))
        if not isinstance(listed, list):
            raise BadRow(f"field '{self.turns}' is {kind_name(listed)}, not a list of turns")
        turns = turns_of(listed, self.turns)
        return self.beside.around(self._answered(turns, row), row)

    def _answered(self, turns: list[Message], row: Row) -> list[Message]:
        """The turns with the chosen answer after them, unless they end with it or it
        is the whole conversation.
        """
        chosen = row.get(self.answer) if self.answer is not None else None
        if isinstance(chosen, str) and chosen:
            chosen = listed_turns(chosen)
        if isinstance(chosen, Mapping):
            said = read_turn(chosen, self.answer or "", 0)
        elif isinstance(chosen, list) and chosen:
            said = turns_of(chosen, self.answer or "")
        elif isinstance(chosen, str) and chosen:
            said = [Message("assistant", chosen)]
        else:
            return turns
        if any(turn.role == "user" for turn in said):
            return said if said[0].role == "system" or turns[0].role != "system" else [turns[0], *said]
        return turns if turns[-len(said) :] == said else [*turns, *said]


@dataclass(frozen=True)
class Answers:
    """A prompt with several answers that are rated: the best of them is the demonstration, the
    first of equally good ones.

    ``answers`` is a list of objects with a text and a rating (UltraFeedback: the highest ``overall_score``)
    or a ``rank`` (Nectar: the lowest). The columns ``rating`` and ``margin`` are the rating of the best one
    and by how much it leads.
    """

    name: str
    prompt: str
    answers: str
    beside: Beside = NOTHING

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that are read, of those a row may have."""
        return (self.prompt, self.answers, *self.beside.fields)

    @property
    def required(self) -> tuple[str, ...]:
        return (self.prompt, self.answers)

    @property
    def derived(self) -> tuple[str, ...]:
        """Columns that are made of the fields."""
        return ("rating", "margin")

    def messages(self, row: Row) -> list[Message]:
        """The prompt and its best answer. Raises BadRow where no answer is rated."""
        answers = row.get(self.answers)
        if isinstance(answers, str):
            answers = _parsed(answers, self.answers)
        if not isinstance(answers, list):
            raise BadRow(f"field '{self.answers}' is {kind_name(answers)}, not a list of answers")
        rated = self._rated(answers)
        if not rated:
            raise BadRow(f"no answer in '{self.answers}' is rated, so there is no best one")
        best = max(rated, key=lambda one: one[0])[1]
        question = _text(row.get(self.prompt), self.prompt, row)
        parted = templated.split(f"{question.rstrip()} .")  # Nectar's prompts end in "Assistant:"
        turns = (
            [*parted[1][:-1]]
            if parted is not None and parted[1][-1].content == "."
            else [Message("user", question)]
        )
        return self.beside.around([*turns, Message("assistant", best)], row)

    def value(self, row: Row, column: str) -> float | None:
        """The value of a ``derived`` column."""
        answers = row.get(self.answers)
        ratings = sorted(
            (one[0] for one in self._rated(answers if isinstance(answers, list) else ())), reverse=True
        )
        if column == "rating":
            return ratings[0] if ratings else None
        return ratings[0] - ratings[1] if column == "margin" and len(ratings) > 1 else None

    @staticmethod
    def _rated(answers: Sequence[object]) -> list[tuple[float, str]]:
        """Rating (higher is better) and text of each answer that has both."""
        found: list[tuple[float, str]] = []
        for one in answers:
            if not isinstance(one, Mapping):
                continue
            text = next((one[name] for name in ANSWER_TEXTS if isinstance(one.get(name), str)), None)
            rating = next((value for name in HIGHER if (value := _number(one.get(name))) is not None), None)
            rank = _number(one.get("rank"))
            rating = -rank if rating is None and rank is not None else rating
            if text is not None and rating is not None:
                found.append((rating, text))
        return found


@dataclass(frozen=True)
class Templated:
    """One text that is a whole conversation in a chat template, cut at the marks of the template."""

    name: str
    text: str
    beside: Beside = NOTHING

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that are read, of those a row may have."""
        return (self.text, *self.beside.fields)

    @property
    def required(self) -> tuple[str, ...]:
        return (self.text,)

    def messages(self, row: Row) -> list[Message]:
        """The row's turns. Raises BadRow where the text shows no known template."""
        self.beside.check(row)
        text = row.get(self.text)
        if not isinstance(text, str):
            raise BadRow(
                _absent(self.text, row)
                if text is None
                else f"field '{self.text}' is {kind_name(text)}, not text"
            )
        found = templated.split(text)
        if found is None:
            raise BadRow(
                f"field '{self.text}' shows no chat template that is known, so its "
                "prompt and response are not apart"
            )
        return self.beside.around(found[1], row)


RowFormat = Pairs | Chat | Answers | Templated


def derived_columns(shape: RowFormat) -> tuple[str, ...]:
    """The columns that a format makes of its fields."""
    return shape.derived if isinstance(shape, Answers) else shape.beside.derived


def derived_value(shape: RowFormat, row: Row, column: str) -> float | None:
    """The value of one of ``derived_columns``."""
    return shape.value(row, column) if isinstance(shape, Answers) else shape.beside.value(row, column)


def texts(messages: Sequence[Message], turns: Turns) -> tuple[str, str]:
    """Prompt and response of a conversation by the rule of ``turns`` (see ``records.Example``).

    Raises BadRow where there is nothing to learn: no assistant turn, a blank response, or a blank prompt.
    """
    answers = learned(messages, turns)
    if turns == "last":
        prompt: Sequence[Message] = messages[: answers[-1]]
        response = messages[answers[-1]].text
    else:
        prompt = [message for message in messages if not message.learned]
        response = "\n\n".join(messages[index].text for index in answers)
    if not response.strip(BLANK):
        raise BadRow("the response is empty")
    if all(not message.text.strip(BLANK) for message in prompt):
        raise BadRow("the prompt is empty")
    return prompt_text(prompt), response


def learned(messages: Sequence[Message], turns: Turns) -> list[int]:
    """The positions of the turns that are the response. Raises BadRow where there is none."""
    answers = [index for index, message in enumerate(messages) if message.learned]
    if not answers:
        if any(message.role == "assistant" for message in messages):
            raise BadRow("every assistant turn has weight 0, so nothing is learned from it")
        raise BadRow("no assistant turn")
    return answers[-1:] if turns == "last" else answers


def thought_and_answer_of(messages: Sequence[Message], turns: Turns) -> tuple[str, str]:
    """The thoughts and the answers of a response, each joined by blank lines where it has several turns."""
    chosen = [messages[index] for index in learned(messages, turns)]
    thoughts = (turn.thought for turn in chosen)
    return "\n\n".join(filter(None, thoughts)), "\n\n".join(filter(None, (turn.answer for turn in chosen)))


def instruction_turn(instruction: str, further: str) -> Message:
    """An instruction and its further input as one user turn, a blank line between them where both are there."""
    if instruction and further:
        return Message("user", f"{instruction}\n\n{further}", further)
    return Message("user", instruction or further)


def _history(history: object) -> list[Message]:
    """LLaMA-Factory history: a list of [question, answer] pairs before the current one."""
    turns: list[Message] = []
    if isinstance(history, str):
        history = _parsed(history, "history") if history.strip(BLANK) else None
    if _value(history) is None:
        return turns
    if not isinstance(history, list):
        raise BadRow(f"field 'history' is {kind_name(history)}, not a list of [question, answer] pairs")
    for pair in history:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            raise BadRow("field 'history' is not a list of [question, answer] pairs")
        turns += [Message("user", pair[0]), Message("assistant", pair[1])]
    return turns


def _system(row: Row, field: str | None) -> list[Message]:
    said = row.get(field) if field is not None else None
    if isinstance(said, list | Mapping):
        text = text_of_blocks(said, f"field '{field}'")
    else:
        text = _text(said, field, row)
    return [Message("system", text)] if text else []


def _text(value: object, field: str | None, row: Row) -> str:
    """A field as text: null (and NaN) is blank, a number is its JSON text, anything else is not text."""
    if isinstance(value, str):
        return value
    if _value(value) is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return json.dumps(value)
    raise BadRow(f"field '{field}' is {kind_name(value)}, not text")


def _number(value: object) -> float | None:
    """A number, or a text that is one (a CSV cell); NaN is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _absent(field: str, row: Row) -> str:
    if field in row:
        return f"field '{field}' is null"
    return f"field '{field}' is missing (fields: {', '.join(map(str, row))[:200] or 'none'})"


def _value(value: object) -> object:
    """The value, or ``None`` for NaN, which is none."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _parsed(text: str, field: str) -> object:
    """A list that a CSV or a text column holds as JSON or as a Python literal."""
    found = literal(text)
    if found is None:
        raise BadRow(f"field '{field}' is text that is not a JSON list of turns")
    return found
