"""Reads two files of answers and pairs them by prompt, never by position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from handpicked.data.spool import given_name
from handpicked.errors import PoolError
from handpicked.judges.answer_rows import Answer, Reader, reader_of
from handpicked.judges.rows import Rows, rows_of
from handpicked.judges.tool_outputs import plain
from handpicked.records import Pair


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
    by_words: int = 0
    """Pairs whose prompts are equal in all but white space and the system prompt."""


def read_answers(path: Path, prompts: Mapping[str, str] | None = None) -> AnswerFile:
    """A file of one model's answers: AlpacaEval, MT-Bench, or plain prompt and answer; JSON, JSON lines, CSV
    (also packed by gzip or bzip2) or Parquet.

    ``prompts`` gives texts by question id, for MT-Bench files, which hold none. Raises PoolError when the
    fields are not recognised, a row cannot be read, or the file holds answers of several models.
    """
    parts, tool = _of_tool(rows_of(path))
    rows = [row for part in parts for row in part.rows]
    name, read = reader_of(Rows(Path(given_name(path)), rows, {}))
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

    Prompts that only differ in white space or the system prompt are the same where no other of their files has
    these words. Raises
    PoolError when nothing pairs.
    """
    left, again_left = _by_prompt(a)
    right, again_right = _by_prompt(b)
    same = _same_words(left, right)
    right = {same.get(key, key): answer for key, answer in right.items()}
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
    return Paired(pairs, only_a, only_b, (*again_left, *again_right), len(same))


def _same_words(left: Mapping[str, Answer], right: Mapping[str, Answer]) -> dict[str, str]:
    """For the prompts of ``right`` that ``left`` does not have, the only one of ``left`` with the same words."""
    rest = _by_words(left, right), _by_words(right, left)
    return {
        keys[0]: rest[0][words][0]
        for words, keys in rest[1].items()
        if len(keys) == 1 and len(rest[0].get(words, ())) == 1
    }


def _by_words(answers: Mapping[str, Answer], known: Mapping[str, Answer]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, answer in answers.items():
        if key not in known:
            found.setdefault(answer.words or answer.prompt, []).append(key)
    return found


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
