"""Reads two files of answers and pairs them by prompt, never by position."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from handpicked.data.cells import kind_name
from handpicked.data.formats import RowFormat
from handpicked.data.logged import logged
from handpicked.data.recognise import recognise
from handpicked.data.spool import given_name
from handpicked.data.turns import said, speaker
from handpicked.errors import PoolError
from handpicked.judges.rows import Rows, fields_seen, first_text, rows_of, with_input
from handpicked.judges.tool_outputs import plain
from handpicked.records import Message, Pair, messages_id, prompt_text

PROMPT_NAMES = ("prompt", "instruction", "question", "text", "query")
ANSWER_NAMES = ("answer", "response", "output", "completion", "prediction", "generated_text")
IN_ANSWER = ("text", "generated_text", "content")
"""Fields of an object that is an answer which hold its text."""
TURN_NAMES = ("messages", "conversations")
SAMPLE = 1000
"""Rows that show the format of a file."""
ROLES = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a file. ``prompt_id`` is the hash of the prompt's messages, or ``question N`` where a
    file has no prompts (MT-Bench)."""

    prompt_id: str
    prompt: str
    text: str
    test_set: str = ""
    category: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """The answers of one model. ``without`` counts rows that have a prompt and no answer text."""

    name: str
    format: str
    answers: tuple[Answer, ...]
    without: int = 0


@dataclass(frozen=True, slots=True)
class Paired:
    """Pairs, and what could not be paired: prompts that only one file answers, and later answers to a prompt
    again.
    """

    pairs: tuple[Pair, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    repeated: tuple[str, ...]


def read_answers(path: Path, prompts: Mapping[str, str] | None = None) -> AnswerFile:
    """A file of one model's answers: AlpacaEval, MT-Bench, or plain prompt and answer; JSON, JSON lines, CSV
    (also packed by gzip or bzip2) or Parquet.

    ``prompts`` gives texts by question id, for MT-Bench files, which hold none. Raises PoolError when the
    fields are not recognised, a row cannot be read, or the file holds answers of several models.
    """
    parts, tool = _of_tool(rows_of(path))
    rows = [row for part in parts for row in part.rows]
    name, read = _recognised(Rows(Path(given_name(path)), rows, {}))
    models = {
        str(m)
        for row in [*rows, *(part.about for part in parts)]
        if (m := row.get("generator") or row.get("model_id") or row.get("model"))
    }
    if len(models) > 1:
        raise PoolError(
            f"{given_name(path)} holds answers of {len(models)} models "
            f"({', '.join(' '.join(name.split()) for name in sorted(models)[:5])}): split it, one file "
            "per model."
        )
    answers = [
        _read(part, number, row, read, prompts or {})
        for part in parts
        for number, row in enumerate(part.rows, 1)
    ]
    found = tuple(answer for answer in answers if answer is not None)
    if not found:
        raise PoolError(f"{given_name(path)} holds no row with both a prompt and an answer.")
    without = len(answers) - len(found)
    return AnswerFile(models.pop() if models else parts[0].stem, tool or name, found, without)


def _of_tool(parts: list[Rows]) -> tuple[list[Rows], str]:
    """The rows in plain fields where an inference tool wrote them, and the name of the tool."""
    found = []
    for part in parts:
        try:
            found.append(plain(part.rows))
        except ValueError as error:
            raise PoolError(f"{part.file}: {error}.") from error
    if not all(found):
        return parts, ""
    plainly = [one for one in found if one is not None]
    rewritten = [replace(part, rows=list(rows)) for part, (_, rows) in zip(parts, plainly, strict=True)]
    return rewritten, plainly[0][0]


def _read(
    part: Rows, number: int, row: Mapping[str, object], read: Reader, prompts: Mapping[str, str]
) -> Answer | None:
    try:
        return read(row, prompts)
    except ValueError as error:
        raise PoolError(f"{part.file}, row {number}: {error}.") from error


def pair_up(a: AnswerFile, b: AnswerFile) -> Paired:
    """Answers to the same prompt, in the order of ``a``. Of several answers to one prompt the first counts.

    Raises PoolError when nothing pairs.
    """
    left, again_left = _by_prompt(a)
    right, again_right = _by_prompt(b)
    names = (a.name, b.name) if a.name != b.name else (f"{a.name} (A)", f"{b.name} (B)")
    pairs = tuple(_pair(left[key], right[key], names) for key in left if key in right)
    if not pairs:
        raise PoolError(
            f"The two files have no prompt in common ({len(left)} and {len(right)} "
            "prompts). Answers are paired by the "
            f"exact text of their prompts, or by question id in MT-Bench files. First prompts: "
            f"{a.answers[0].prompt[:80]!r} and {b.answers[0].prompt[:80]!r}."
        )
    only_a = tuple(left[key].prompt for key in left if key not in right)
    only_b = tuple(right[key].prompt for key in right if key not in left)
    return Paired(pairs, only_a, only_b, (*again_left, *again_right))


def _pair(a: Answer, b: Answer, names: tuple[str, str]) -> Pair:
    return Pair(
        a.prompt_id,
        a.prompt,
        *names,
        a.text,
        b.text,
        a.test_set or b.test_set,
        a.category or b.category,
        a.reference if a.reference is not None else b.reference,
    )


def _by_prompt(file: AnswerFile) -> tuple[dict[str, Answer], list[str]]:
    first: dict[str, Answer] = {}
    again = []
    for answer in file.answers:
        if answer.prompt_id in first:
            again.append(answer.prompt)
        else:
            first[answer.prompt_id] = answer
    return first, again


Reader = Callable[[Mapping[str, object], Mapping[str, str]], "Answer | None"]
"""Reads a row; ``None`` where it lacks prompt or answer. Raises ValueError saying what is wrong with it."""


def _recognised(part: Rows) -> tuple[str, Reader]:
    fields = part.fields
    if {"question_id", "choices"} <= fields:
        return "MT-Bench", _mt_bench
    if {"instruction", "output", "generator"} <= fields:
        return "AlpacaEval", _plain
    if (stored := logged(part.rows, tuple(fields))) is not None:
        return stored[0].name, partial(_as_in_a_pool, stored[0])
    if fields & set(TURN_NAMES) or (fields & set(PROMPT_NAMES) and fields & set(ANSWER_NAMES)):
        return "prompt and answer", _plain
    try:
        shape, _ = recognise(part.rows[:SAMPLE], str(part.file))
    except PoolError:
        raise PoolError(
            f"{part.file} holds no answers in a known format. Fields seen: "
            f"{fields_seen(part.rows)}. A row needs a "
            f"prompt ({', '.join(PROMPT_NAMES)} or messages) and an answer ({', '.join(ANSWER_NAMES)})."
        ) from None
    return shape.name, partial(_as_in_a_pool, shape)


def _as_in_a_pool(shape: RowFormat, row: Mapping[str, object], _: Mapping[str, str]) -> Answer | None:
    """A row in any format of a pool: its response is the answer, without a thought that is kept apart."""
    turns = shape.messages(row)
    if turns[-1].role != "assistant" or not turns[:-1]:
        return None
    return Answer(messages_id(turns[:-1]), prompt_text(turns[:-1]), turns[-1].content)


def _plain(row: Mapping[str, object], _: Mapping[str, str]) -> Answer | None:
    turns = _turns(row)
    last = turns[-1].content if turns and turns[-1].role == "assistant" else None
    messages = (turns[:-1] if turns[-1].role == "assistant" else turns) if turns else _prompt_of(row)
    text = _answer_text(row)
    text = last if text is None else text
    if not messages or text is None:
        return None
    return Answer(
        str(row.get("prompt_id") or messages_id(messages)),
        prompt_text(messages),
        text,
        str(row.get("test_set") or row.get("dataset") or ""),
        first_text(row, "category"),
        first_text(row, "reference", "reference_answer"),
    )


def _prompt_of(row: Mapping[str, object]) -> tuple[Message, ...]:
    prompt = first_text(row, *PROMPT_NAMES)
    return () if prompt is None else (Message("user", with_input(prompt, row)),)


def _turns(row: Mapping[str, Any]) -> tuple[Message, ...]:
    """The turns of a conversation; without its last one where that is an assistant's without a text."""
    name = next((name for name in TURN_NAMES if isinstance(row.get(name), list) and row[name]), None)
    if name is None:
        return ()
    turns = [_turn(turn, name, place) for place, turn in enumerate(row[name], 1)]
    empty = [place for place, (_, text) in enumerate(turns, 1) if text is None]
    if empty == [len(turns)] and turns[-1][0] == "assistant":
        turns.pop()
    elif empty:
        raise ValueError(f"turn {empty[0]} of '{name}' has no text")
    return tuple(Message(role, text or "") for role, text in turns)


def _turn(turn: object, field: str, place: int) -> tuple[str, str | None]:
    """Role and text of a turn, of role and content or of from and value; blocks of text are joined."""
    role = speaker(turn) if isinstance(turn, Mapping) else None
    if not isinstance(turn, Mapping) or not isinstance(role, str):
        raise ValueError(f"turn {place} of '{field}' is not an object with a role and content")
    content = said(turn)
    if isinstance(content, Mapping):  # Arena-Hard 2
        content = content.get("answer", content.get("text"))
    if isinstance(content, list):
        blocks = [block.get("text") if isinstance(block, Mapping) else block for block in content]
        if not all(isinstance(block, str) for block in blocks):
            raise ValueError(f"turn {place} of '{field}' has a content block that is not text")
        content = "".join(map(str, blocks))
    if content is not None and not isinstance(content, str):
        raise ValueError(f"turn {place} of '{field}' has content that is not text")
    role = role.strip().lower()
    return ROLES.get(role, role), content


def _answer_text(row: Mapping[str, object]) -> str | None:
    """An answer may be empty; it is a text, a list of one, an object with a text, or where there is none of
    these a number.
    """
    spare: str | None = None
    fault = ""
    for name in ANSWER_NAMES:
        value = row.get(name)
        if isinstance(value, list) and len(value) > 1 and all(isinstance(text, str) for text in value):
            raise ValueError(
                f"'{name}' is a list of {len(value)} texts; one answer to a prompt is judged: keep one"
            )
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, Mapping):
            value = next((value[inner] for inner in IN_ANSWER if isinstance(value.get(inner), str)), value)
        if isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            spare = spare or json.dumps(value)
        elif value is not None:
            fault = fault or f"'{name}' is {kind_name(value)}, not text"
    if fault and spare is None and not any(isinstance(row.get(name), list) for name in TURN_NAMES):
        raise ValueError(fault)
    return spare


def _mt_bench(row: Mapping[str, object], prompts: Mapping[str, str]) -> Answer | None:
    """The first choice; its turns joined by blank lines."""
    question, choices = str(row.get("question_id", "")), row.get("choices")
    if not question or not choices:
        return None
    turns = choices[0].get("turns") if isinstance(choices, list) and isinstance(choices[0], Mapping) else None
    if isinstance(turns, list):  # of Arena-Hard each is an object
        turns = [turn.get("content") if isinstance(turn, Mapping) else turn for turn in turns]
    if not isinstance(turns, list) or not all(isinstance(turn, str) for turn in turns):
        raise ValueError("'choices' must be a list of objects with 'turns', a list of texts")
    return Answer(
        f"question {question}",
        prompts.get(question, f"MT-Bench question {question}"),
        "\n\n".join(turns),
        "mt-bench",
    )
