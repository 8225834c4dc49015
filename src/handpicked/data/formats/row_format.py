"""Row formats: which fields of a row hold the conversation, and how they were recognised.

``Pairs``: a prompt field and a response field, with an optional further input, system text and history
(Alpaca, Dolly, TRL prompt/completion, question/answer, preferences). ``Chat``: one field holding the turns
(ShareGPT, messages). ``Answers``: a prompt with several answers that are rated (UltraFeedback, Nectar).
``Templated``: one text in a chat template. Each turns one row into messages, or raises ``BadRow`` saying why
it cannot. What a row says beside its turns is in ``Beside``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from handpicked.data.formats import templated
from handpicked.data.formats.blocks import text_of_blocks
from handpicked.data.formats.calls import tools_in
from handpicked.data.formats.cells import (
    BLANK,
    BadRow,
    Row,
    absent,
    kind_name,
    known,
    number,
    parsed_turns,
    text_in,
    text_of,
    zipped,
)
from handpicked.data.formats.turns import is_turn, listed_turns, read_turn, round_of, turns_of, unread_fields
from handpicked.records import Message, Turns, prompt_text

NO_INPUT = ("nan", "NaN", "<noinput>")
"""What pandas and Self-Instruct write where an instruction has no further input."""
UNWANTED = "'{field}' is false: the answer was not wanted, so it is not a demonstration"


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
        if label is False or (label is not None and str(label).strip(BLANK).lower() in ("false", "0", "0.0")):
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
        chosen, rejected = (number(row.get(field)) for field in self.ratings)
        return None if chosen is None or rejected is None else chosen - rejected


NOTHING = Beside()


@dataclass(frozen=True)
class RowFormat(ABC):
    """How the rows of one file are read; ``name`` is shown to users."""

    name: str
    beside: Beside = field(default=NOTHING, kw_only=True)

    @property
    @abstractmethod
    def fields(self) -> tuple[str, ...]:
        """The fields that are read, of those a row may have."""

    @property
    @abstractmethod
    def required(self) -> tuple[str, ...]:
        """The fields without which a row cannot be read."""

    @property
    def derived(self) -> tuple[str, ...]:
        """Columns that are made of the fields."""
        return self.beside.derived

    def value(self, row: Row, column: str) -> float | None:
        """The value of a ``derived`` column."""
        return self.beside.value(row, column)

    @property
    def has_response_field(self) -> bool:
        """Whether the response has a field of its own, beside which its thought may have one."""
        return False

    @abstractmethod
    def messages(self, row: Row) -> list[Message]:
        """The row's turns, in order. Raises BadRow saying why it cannot be read."""

    def unread(self, row: Row) -> Iterator[str]:
        """The fields inside of those that are read which hold something and are not understood."""
        for name in self.required:
            yield from (f"{name}[].{field}" for field in unread_fields(row.get(name)))


@dataclass(frozen=True)
class Pairs(RowFormat):
    """A prompt field and a response field; either may itself hold a list of turns (TRL's conversational
    form), which is a text where ``listed`` (in a CSV).
    """

    prompt: str
    response: str
    input: str | None = None
    history: str | None = None
    listed: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        named = (self.prompt, self.input, self.response, self.history)
        return (*(field for field in named if field is not None), *self.beside.fields)

    @property
    def required(self) -> tuple[str, ...]:
        return (self.prompt, self.response)

    @property
    def has_response_field(self) -> bool:
        return True

    def messages(self, row: Row) -> list[Message]:
        """The row's turns, in order: system, history, prompt with its input after a blank line, response."""
        self.beside.check(row)
        question, answer = known(row.get(self.prompt)), known(row.get(self.response))
        if self.listed:
            question, answer = listed_turns(question), listed_turns(answer)
        if isinstance(answer, list):
            said = turns_of(answer, self.response)
        elif isinstance(answer, Mapping) and (is_turn(answer) or round_of(answer)):
            said = read_turn(answer, self.response, 0)
        else:
            if answer is None and not self.beside.thought(row):
                raise BadRow(absent(self.response, row))
            said = [Message("assistant", self._undoubled(text_of(answer, self.response, row), question, row))]
        if any(turn.role == "user" for turn in said):  # the whole conversation, with its prompt
            before = self._prompt_turns(question, row)[:1] if isinstance(question, list) else []
            system = [turn for turn in before if turn.role == "system" and said[0].role != "system"]
            return self.beside.around([*system, *said], row)
        asked = self._prompt_turns(question, row) if isinstance(question, list) else None
        return self.beside.around([*self.asked(row, asked), *said], row)

    def asked(self, row: Row, turns: list[Message] | None = None) -> list[Message]:
        """The turns before the response: the history and the prompt, or ``turns`` in its place."""
        before = history_turns(row.get(self.history)) if self.history is not None else []
        return [*before, *(turns or self._prompt_turns(known(row.get(self.prompt)), row))]

    def _prompt_turns(self, question: object, row: Row) -> list[Message]:
        if isinstance(question, list):
            return turns_of(question, self.prompt)
        asked = text_in(question) if isinstance(question, Mapping) else None
        text = text_of(question, self.prompt, row) if asked is None else asked
        further = text_of(row.get(self.input), self.input, row) if self.input is not None else ""
        if further in NO_INPUT:
            further = ""
        if question is None and not further:
            raise BadRow(absent(self.prompt, row))
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
class Chat(RowFormat):
    """One field holding the turns; ``answer`` is a further field with the last turn
    (preference data: the chosen one).
    """

    turns: str
    answer: str | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.turns, *((self.answer,) if self.answer else ()), *self.beside.fields)

    @property
    def required(self) -> tuple[str, ...]:
        return (self.turns,)

    @property
    def has_response_field(self) -> bool:
        return self.answer is not None

    def messages(self, row: Row) -> list[Message]:
        """The row's turns, in order."""
        self.beside.check(row)
        listed = row.get(self.turns)
        if isinstance(listed, str):
            listed = parsed_turns(listed, self.turns)
        if isinstance(listed, Mapping):
            listed = zipped(listed)
        if known(listed) is None:
            raise BadRow(absent(self.turns, row))
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
class Templated(RowFormat):
    """One text that is a whole conversation in a chat template, cut at the marks of the template."""

    text: str

    @property
    def fields(self) -> tuple[str, ...]:
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
                absent(self.text, row)
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


def history_turns(history: object) -> list[Message]:
    """The turns before the current one: a list of [question, answer] pairs (LLaMA-Factory), or of turns.
    Raises BadRow.
    """
    turns: list[Message] = []
    if isinstance(history, str):
        history = parsed_turns(history, "history") if history.strip(BLANK) else None
    if known(history) is None:
        return turns
    if not isinstance(history, list):
        raise BadRow(f"field 'history' is {kind_name(history)}, not a list of [question, answer] pairs")
    if history and all(isinstance(one, Mapping) for one in history):
        return turns_of(history, "history")
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
        text = text_of(said, field, row)
    return [Message("system", text)] if text else []
