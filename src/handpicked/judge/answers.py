"""Two files of answers, paired by prompt and never by position."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handpicked.errors import PoolError
from handpicked.judge.rows import Rows, fields_seen, first_text, rows_of
from handpicked.records import Message, Pair, messages_id, prompt_text

PROMPT_NAMES = ("prompt", "instruction", "question", "text", "query")
ANSWER_NAMES = ("answer", "response", "output", "completion", "prediction", "generated_text")


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
    """A file of one model's answers: AlpacaEval, MT-Bench, or plain prompt and answer; JSON, JSON lines or
    Parquet.

    ``prompts`` gives texts by question id, for MT-Bench files, which hold none. Raises PoolError when the
    fields are not recognised, or the file holds answers of several models.
    """
    parts = rows_of(path)
    rows = [row for part in parts for row in part.rows]
    name, read = _recognised(Rows(path, rows, {}))
    models = {
        str(m) for row in rows if (m := row.get("generator") or row.get("model_id") or row.get("model"))
    }
    if len(models) > 1:
        raise PoolError(
            f"{path} holds answers of {len(models)} models ({', '.join(sorted(models)[:5])}): split it, one file a model."
        )
    answers = [read(row, prompts or {}) for row in rows]
    found = tuple(answer for answer in answers if answer is not None)
    if not found:
        raise PoolError(f"{path} holds no row with both a prompt and an answer.")
    return AnswerFile(models.pop() if models else path.stem, name, found, len(answers) - len(found))


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
            f"The two files have no prompt in common ({len(left)} and {len(right)} prompts). Answers are paired by the "
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


Reader = Callable[[Mapping[str, Any], Mapping[str, str]], "Answer | None"]


def _recognised(part: Rows) -> tuple[str, Reader]:
    fields = {str(name) for row in part.rows[:100] for name in row}
    if {"question_id", "choices"} <= fields:
        return "MT-Bench", _mt_bench
    if {"instruction", "output", "generator"} <= fields:
        return "AlpacaEval", _plain
    if "messages" in fields or (fields & set(PROMPT_NAMES) and fields & set(ANSWER_NAMES)):
        return "prompt and answer", _plain
    raise PoolError(
        f"{part.file} holds no answers that handpicked knows. Fields seen: {fields_seen(part.rows)}. A row needs a "
        f"prompt ({', '.join(PROMPT_NAMES)} or messages) and an answer ({', '.join(ANSWER_NAMES)})."
    )


def _plain(row: Mapping[str, Any], _: Mapping[str, str]) -> Answer | None:
    messages = _messages(row)
    text = _answer_text(row)
    if messages is None or text is None:
        return None
    return Answer(
        str(row.get("prompt_id") or messages_id(messages)),
        prompt_text(messages),
        text,
        str(row.get("test_set") or row.get("dataset") or ""),
        first_text(row, "category"),
        first_text(row, "reference", "reference_answer"),
    )


def _messages(row: Mapping[str, Any]) -> tuple[Message, ...] | None:
    turns = row.get("messages")
    if isinstance(turns, (list, tuple)) and turns:
        messages = tuple(Message(str(turn["role"]), str(turn["content"])) for turn in turns)
        return messages[:-1] if messages[-1].role == "assistant" else messages
    prompt = first_text(row, *PROMPT_NAMES)
    if prompt is None:
        return None
    extra = first_text(row, "input")
    return (Message("user", f"{prompt}\n\n{extra}" if extra else prompt),)


def _answer_text(row: Mapping[str, Any]) -> str | None:
    """An answer may be empty; it must be a text."""
    for name in ANSWER_NAMES:
        if isinstance(row.get(name), str):
            return str(row[name])
    turns = row.get("messages")
    if isinstance(turns, (list, tuple)) and turns and turns[-1].get("role") == "assistant":
        return str(turns[-1]["content"])
    return None


def _mt_bench(row: Mapping[str, Any], prompts: Mapping[str, str]) -> Answer | None:
    """The first choice; its turns joined by blank lines."""
    question, choices = str(row["question_id"]), row["choices"]
    if not choices:
        return None
    text = "\n\n".join(str(turn) for turn in choices[0]["turns"])
    return Answer(
        f"question {question}", prompts.get(question, f"MT-Bench question {question}"), text, "mt-bench"
    )
