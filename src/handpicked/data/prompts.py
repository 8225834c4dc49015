"""Reads evaluation prompts in the shapes of the usual test sets."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from handpicked.data import paths as where_from
from handpicked.data.files import document
from handpicked.data.files.rows import file_rows
from handpicked.data.formats.cells import BLANK, BadRow, kind_name
from handpicked.data.formats.row_format import Chat, instruction_turn
from handpicked.data.formats.turns import speaker
from handpicked.errors import PoolError, did_you_mean
from handpicked.records import Message, Prompt, messages_id

log = logging.getLogger(__name__)

CHATS = ("messages", "conversations", "conversation_input", "turns", "prompt")
TEXTS = ("instruction", "prompt", "question", "text", "query", "input")
REFERENCES = (
    "reference", "reference_answer", "output", "response", "answer", "completion", "best answer", "ground_truth", "target",
)  # fmt: skip
CATEGORIES = ("category", "skill", "capability", "motivation_app", "dataset", "source")
MAPPED = ("prompt", "input", "system", "reference", "category")


def read_prompts(
    path: str | Path,
    test_set: str,
    *,
    map: Mapping[str, str] | None = None,
    limit: int | None = None,
    split: str | None = None,
    config: str | None = None,
) -> list[Prompt]:
    """The prompts of one evaluation file, in its order; ``limit`` takes only the first ones.

    ``path`` may be all that a pool's may be (a data set on the hub, ``named:vicuna``), with its ``split`` and
    ``config``.

    Reads the published shapes: ``text`` (Vicuna), ``prompt`` (Koala, Arena-Hard, IFEval), ``Instruction``
    (WizardLM), ``instruction`` with ``instances`` (Self-Instruct) or ``input`` (Alpaca, PandaLM), ``turns``
    (MT-Bench, Arena-Hard: the first turn), ``conversation_input`` (WildBench), ``conversations`` (LIMA) and ``messages`` (up to the last assistant turn,
    which becomes the reference), and any file of prompts with references. ``map`` names fields by hand:
    prompt, input, system, reference, category. A prompt that occurs twice is kept once, since answers are
    joined by ``prompt_id``; that is logged. Raises PoolError for a row without a prompt.
    """
    for role in map or {}:
        if role not in MAPPED:
            raise PoolError(f"map: '{role}' is not a role of a prompt field.{did_you_mean(role, MAPPED)}")
    found: dict[str, Prompt] = {}
    twice = 0
    files, _ = where_from.files(path, split, config)
    for name, place, row in ((one.name, *row) for one in files for row in _rows(one.path, map or {})):
        if limit is not None and len(found) >= limit:
            break
        try:
            prompt = _prompt(row, test_set, map or {})
        except BadRow as error:
            raise PoolError(f"{name}, {place}: {error}") from error
        twice += prompt.prompt_id in found
        found.setdefault(prompt.prompt_id, prompt)
    if twice:
        log.warning("%s: %d prompts occur more than once and are used once", path, twice)
    return list(found.values())


def _rows(path: Path, map: Mapping[str, str]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The rows of the file, each with its place; those that a wrapper holds, where it is all there is. A text
    is a prompt.
    """
    fields = (*map.values(), *TEXTS, *CHATS)
    rows = file_rows(path, fields)
    first = list(itertools.islice(rows, 2))
    if len(first) == 1 and isinstance(first[0][1], dict) and not map:
        place, wrapper = first[0]
        inner = [] if _asks(wrapper) else document.shapes(wrapper).values()
        held = next((held for held in inner if isinstance(held[0], dict) and _asks(held[0])), None)
        first = [(f"{place}, row {number}", one) for number, one in enumerate(held, 1)] if held else first
    for place, row in itertools.chain(first, rows):
        if isinstance(row, str) and not map:
            row = {"prompt": row}
        if not isinstance(row, dict):
            raise PoolError(
                f"{path}, {place}: a prompt is an object with fields such as prompt or instruction"
            )
        yield place, row


def _asks(row: Mapping[str, object]) -> bool:
    """Whether a row has a field that may hold a prompt."""
    return not {str(name).lower() for name in row}.isdisjoint((*TEXTS, *CHATS))


def _prompt(row: Mapping[str, object], test_set: str, map: Mapping[str, str]) -> Prompt:
    real = {str(key).lower(): key for key in row}
    messages, reference = _prompt_of(row, real, map)
    if not any(message.content.strip(BLANK) for message in messages if message.role != "system"):
        raise BadRow("the prompt is empty")
    reference = _named(row, real, REFERENCES, map.get("reference")) or reference
    category = _named(row, real, CATEGORIES, map.get("category"))
    return Prompt(messages_id(messages), tuple(messages), test_set, category, reference)


def _prompt_of(
    row: Mapping[str, object], real: Mapping[str, str], map: Mapping[str, str]
) -> tuple[list[Message], str | None]:
    """The turns that ask, and the answer that the row itself may hold."""
    for name in CHATS:
        turns = row.get(real.get(name, name))
        if "prompt" not in map and isinstance(turns, list) and turns:
            return _from_turns(row, real[name], first=name == "turns")
    if "prompt" in map and map["prompt"] not in row:
        raise BadRow(
            f"map names the field '{map['prompt']}' for prompt, which this row does not "
            f"have.{did_you_mean(map['prompt'], row)}"
        )
    field = map.get("prompt") or next(
        (real[name] for name in TEXTS if isinstance(row.get(real.get(name, name)), str)), None
    )
    if field is None:
        empty = next((real[name] for name in (*TEXTS, *CHATS) if name in real), None)
        if empty is not None:
            raise BadRow(f"there is no prompt: field '{empty}' is {kind_name(row[empty])}")
        raise BadRow(
            f"no prompt is recognised among the fields {', '.join(map_ for map_ in row)}; "
            "name it, such as prompt=question"
        )
    prompt = row[field]
    if not isinstance(prompt, str):
        raise BadRow(f"field '{field}' is not text")
    further, reference = _further(row, real, map, field)
    system = row.get(map.get("system") or real.get("system_prompt") or real.get("system") or "")
    messages = [Message("system", system)] if isinstance(system, str) and system else []
    return [*messages, instruction_turn(prompt, further) if further else Message("user", prompt)], reference


def _further(
    row: Mapping[str, object], real: Mapping[str, str], map: Mapping[str, str], field: str
) -> tuple[str, str | None]:
    """The further input of an instruction, and the answer beside it: of the row's own fields
    or of the first instance.
    """
    instances = row.get(real.get("instances", ""))
    if isinstance(instances, list) and instances and isinstance(instances[0], Mapping):
        return instances[0].get("input") or "", instances[0].get("output") or None
    name = map.get("input") or next((real[key] for key in ("input", "context") if key in real), None)
    further = (
        row.get(name)
        if name and name != field and (map.get("input") or field.lower() == "instruction")
        else None
    )
    return (further if isinstance(further, str) else ""), None


def _from_turns(row: Mapping[str, object], field: str, first: bool) -> tuple[list[Message], str | None]:
    turns = row[field]
    one = turns[0] if isinstance(turns, Sequence) and turns else None
    if first and isinstance(one, Mapping) and speaker(one) is None:  # Arena-Hard's have no role
        asked = one.get("content")
        if not isinstance(asked, str):
            raise BadRow(f"turn 1 of '{field}' has no text")
        return [Message("user", asked)], None
    messages = Chat("prompts", field).messages(row)
    if first:
        return messages[:1], None
    answers = [index for index, message in enumerate(messages) if message.role == "assistant"]
    if messages[-1].role == "assistant":
        return messages[: answers[-1]], messages[-1].text
    return messages, None


def _named(
    row: Mapping[str, object], real: Mapping[str, str], names: tuple[str, ...], chosen: str | None
) -> str | None:
    """The text of the chosen field, or of the first of the usual ones that has one
    (MT-Bench lists one a turn).
    """
    fields = [chosen] if chosen else [real[name] for name in names if name in real]
    for value in map(row.get, fields):
        text = value[0] if isinstance(value, list) and value else value
        if isinstance(text, int | float) and not isinstance(text, bool) and text == text:
            return json.dumps(text)
        if isinstance(text, str) and text.strip(BLANK):
            return text
    return None
