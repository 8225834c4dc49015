"""Reads one row of a file of answers: its prompt, and what the model said."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from handpicked.data.formats.cells import kind_name, literal
from handpicked.data.formats.logged import logged
from handpicked.data.formats.recognise import recognise
from handpicked.data.formats.row_format import RowFormat, history_turns
from handpicked.data.formats.turns import said, speaker, turns_of
from handpicked.errors import PoolError
from handpicked.judges.questions import unknown_question
from handpicked.judges.rows import Rows, fields_seen, first_text, with_input
from handpicked.records import Message, messages_id, prompt_text
from handpicked.records.response_parts import thought_and_answer

PROMPT_NAMES = ("prompt", "instruction", "question", "text", "query")
ANSWER_NAMES = ("prediction", "generated_text", "completion", "response", "output", "answer")
"""Where a row has several of these, what comes first is what a model said; ``answer`` is then the good answer,
as benchmarks call it.
"""
IN_ANSWER = ("text", "generated_text", "content")
"""Fields of an object that is an answer which hold its text."""
TURN_NAMES = ("messages", "conversations")
SAMPLE = 1000
"""Rows that show the format of a file."""
FAILED = "$ERROR$"
"""What FastChat and Arena-Hard write for an answer that never came."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a file. ``prompt_id`` is the hash of the prompt's messages, or ``question N`` where a
    file has no prompts (MT-Bench). ``text`` is without the thought at its start; ``thought`` says whether there
    was one.
    """

    prompt_id: str
    prompt: str
    text: str
    test_set: str = ""
    category: str | None = None
    reference: str | None = None
    thought: bool = False
    words: str = ""
    """What a user asked, without the system prompt and with single blanks: prompts that agree in it are paired
    where nothing else decides."""


Reader = Callable[[Mapping[str, object], Mapping[str, str]], "Answer | None"]
"""Reads a row; ``None`` where it lacks prompt or answer. Raises ValueError saying what is wrong with it."""


def reader_of(part: Rows) -> tuple[str, Reader]:
    """The name of the format of a file's rows, and what reads one. Raises PoolError with the fields seen."""
    fields = part.fields
    if {"question_id", "choices"} <= fields:
        return "MT-Bench", _mt_bench
    if {"instruction", "output", "generator"} <= fields:
        return "AlpacaEval", partial(_plain, _answer_fields(part))
    if (stored := logged(part.rows, tuple(fields))) is not None:
        return stored[0].name, partial(_as_in_a_pool, stored[0])
    if _has_turns(part) or (fields & set(PROMPT_NAMES) and fields & set(ANSWER_NAMES)):
        return "prompt and answer", partial(_plain, _answer_fields(part))
    try:
        shape, _ = recognise(part.rows[:SAMPLE], str(part.file))
    except PoolError:
        raise PoolError(
            f"{part.file} holds no answers in a known format. Fields seen: "
            f"{fields_seen(part.rows)}. A row needs a "
            f"prompt ({', '.join(PROMPT_NAMES)} or messages) and an answer ({', '.join(ANSWER_NAMES)})."
        ) from None
    return shape.name, partial(_as_in_a_pool, shape)


def _has_turns(part: Rows) -> bool:
    return any(isinstance(row.get(name), list) for row in part.rows[:SAMPLE] for name in TURN_NAMES)


def _as_in_a_pool(shape: RowFormat, row: Mapping[str, object], _: Mapping[str, str]) -> Answer | None:
    """A row in any format of a pool: its response is the answer, without a thought that is kept apart."""
    turns = shape.messages(row)
    if turns[-1].role != "assistant" or not turns[:-1]:
        return None
    thought, text = thought_and_answer(turns[-1].content)
    asked = turns[:-1]
    return Answer(
        messages_id(asked),
        prompt_text(asked),
        text,
        category=first_text(row, "category"),
        reference=first_text(row, "reference", "reference_answer"),
        thought=bool(thought),
        words=_words(asked),
    )


def _answer_fields(part: Rows) -> tuple[str, ...]:
    """The fields in which the rows of a file have answers."""
    return tuple(name for name in ANSWER_NAMES if any(row.get(name) is not None for row in part.rows))


def _plain(fields: Sequence[str], row: Mapping[str, object], _: Mapping[str, str]) -> Answer | None:
    turns = _turns(row)
    last = turns[-1] if turns and turns[-1].role == "assistant" else None
    asked = (turns[:-1] if last else turns) if turns else _prompt_of(row)
    field, answer = _answer_text(row, fields)
    answer = answer if answer is not None or last is None else last.content
    if not asked or answer is None or answer == FAILED:
        return None
    thought, text = thought_and_answer(answer)
    return Answer(
        str(row.get("prompt_id") or messages_id(asked)),
        prompt_text(asked),
        text,
        str(row.get("test_set") or row.get("dataset") or ""),
        first_text(row, "category"),
        first_text(row, "reference", "reference_answer", *(("answer",) if field != "answer" else ())),
        bool(thought),
        _words(asked),
    )


def _words(asked: Sequence[Message]) -> str:
    return " ".join(prompt_text([turn for turn in asked if turn.role != "system"]).split())


def _prompt_of(row: Mapping[str, object]) -> tuple[Message, ...]:
    """The prompt: a text with its input, or turns (TRL)."""
    turns = _listed(row.get("prompt"))
    if turns:
        return tuple(turns_of(turns, "prompt"))
    prompt = first_text(row, *PROMPT_NAMES)
    if prompt is None:
        return ()
    system = first_text(row, "system", "system_prompt")
    before = [Message("system", system)] if system else []
    return (*before, *history_turns(row.get("history")), Message("user", with_input(prompt, row)))


def _turns(row: Mapping[str, Any]) -> tuple[Message, ...]:
    """The turns of a conversation; without its last one where that is an assistant's without a text."""
    name = next((name for name in TURN_NAMES if isinstance(row.get(name), list) and row[name]), None)
    if name is None:
        return ()
    turns = [_unwrapped(turn) for turn in row[name]]
    last = turns[-1]
    if isinstance(last, Mapping) and said(last) is None and set(last) <= {"role", "content", "from", "value"}:
        turns = turns[:-1] if str(speaker(last)).strip().lower() in ASSISTANTS else turns
    return tuple(turns_of(turns, name)) if turns else ()


ASSISTANTS = ("assistant", "gpt", "model", "chatgpt", "bot")


def _unwrapped(turn: object) -> object:
    """A turn whose content is an object with the answer (Arena-Hard 2), as one whose content is its text."""
    content = said(turn) if isinstance(turn, Mapping) else None
    if not isinstance(turn, Mapping) or not isinstance(content, Mapping) or "answer" not in content:
        return turn
    return {"role": speaker(turn), "content": content["answer"]}


def _listed(value: object) -> list[Any]:
    """Turns of a list, or of the text of one; else nothing."""
    found = literal(value) if isinstance(value, str) and value[:1] == "[" else value
    listed = found if isinstance(found, list) else []
    return listed if listed and all(isinstance(turn, Mapping) and speaker(turn) for turn in listed) else []


def _answer_text(row: Mapping[str, object], fields: Sequence[str]) -> tuple[str, str | None]:
    """The field of the answer and its text. An answer may be empty; it is a text, a list of one, an object with
    a text, the last turn of a conversation, or where there is none of these a number.
    """
    spare: tuple[str, str | None] = ("", None)
    fault = ""
    for name in (name for name in fields if name in row):
        value = row[name]
        if value is None and name != "answer":
            break  # what another field holds is not what this model said
        if turns := _listed(value):
            value = turns_of(turns, name)[-1].content
        if isinstance(value, list) and len(value) > 1 and all(isinstance(text, str) for text in value):
            raise ValueError(
                f"'{name}' is a list of {len(value)} texts; one answer to a prompt is judged: keep one"
            )
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, Mapping):
            value = next((value[inner] for inner in IN_ANSWER if isinstance(value.get(inner), str)), value)
        if isinstance(value, str):
            return name, value
        if isinstance(value, int | float) and not isinstance(value, bool):
            spare = spare if spare[0] else (name, json.dumps(value))
        elif value is not None:
            fault = fault or f"'{name}' is {kind_name(value)}, not text"
    if fault and not spare[0] and not any(isinstance(row.get(name), list) for name in TURN_NAMES):
        raise ValueError(fault)
    return spare


def _mt_bench(row: Mapping[str, object], prompts: Mapping[str, str]) -> Answer | None:
    """The first choice; its turns joined by blank lines. One with a turn that failed is no answer."""
    question, choices = str(row.get("question_id", "")), row.get("choices")
    if not question or not choices:
        return None
    turns = choices[0].get("turns") if isinstance(choices, list) and isinstance(choices[0], Mapping) else None
    if isinstance(turns, list):  # of Arena-Hard each is an object
        turns = [turn.get("content") if isinstance(turn, Mapping) else turn for turn in turns]
    if not isinstance(turns, list) or not all(turn is None or isinstance(turn, str) for turn in turns):
        raise ValueError("'choices' must be a list of objects with 'turns', a list of texts")
    if not turns or any(turn in (None, FAILED) for turn in turns):
        return None
    parts = [thought_and_answer(turn) for turn in turns]
    return Answer(
        f"question {question}",
        prompts.get(question, unknown_question(question)),
        "\n\n".join(text for _, text in parts),
        "mt-bench",
        thought=any(thought for thought, _ in parts),
    )
