"""One JSON value that holds the rows in a wrapper, as columns, or by their ids.

    {"version": 1, "data": [{row}, ...]}      the answer of an API, {"rows": [{"row_idx": 0, "row": {row}}, ...]}
    {"prompt": [...], "response": [...]}      columns; also {"prompt": {"0": ..., "1": ...}, ...}, as pandas writes them
    {"q1": {row}, "q2": {row}}                rows by id, which becomes their field ``id`` where they have none
    {"c1": [{turn}, {turn}], "c2": [...]}     conversations by id: their turns become the field ``messages``
    {"data": [{"title": "...", "paragraphs": [{"context": "...", "qas": [{question}]}]}]}    SQuAD: a row a question
    {"Definition": "...", "Instances": [...]} a task and its instances (Natural Instructions), each of which gets it

Such a value must be parsed whole, so it may have no more bytes than a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from handpicked.data.files.lines import CHUNK, json_row
from handpicked.data.files.raw import Damage, Raw
from handpicked.data.formats.field_names import CHATS, PREFERENCES, PROMPTS, RESPONSES
from handpicked.data.formats.turns import are_turns
from handpicked.errors import PoolError

LISTS = (
    "rows",
    "data",
    "examples",
    "instances",
    "items",
    "records",
    "train",
    "samples",
    "dataset",
    "entries",
    "results",
)
FIELDS = frozenset((*CHATS, *PROMPTS, *RESPONSES, *(name for pair in PREFERENCES for name in pair)))
"""Names of fields of a row that may hold turns."""
TASKS = ("Definition", "definition", "instruction")
"""Fields that hold the task of the instances beside them."""
QUESTIONS = "the questions about its paragraphs"
COLUMNS = "its fields read as columns"
BY_ID = "its values, by their names"
MOST_KEYS = 200
"""Fields of an object that may be a row's or a column's names; an object of more is one of rows by id."""


def load(stream: IO[bytes], where: str, max_row: int) -> object:
    """The one value of the file. Raises PoolError where it is too large or no JSON."""
    data = bytearray()
    while piece := stream.read(CHUNK):
        data += piece
        if len(data) > max_row:
            raise PoolError(
                f"{where} is one JSON value of more than {max_row >> 20} MiB (--max-row-mb); "
                "make it one row a line, such as "
                f"with jq -c '.[]'"
            )
    value = json_row(data, exact=True)
    if isinstance(value, Damage):
        raise PoolError(f"{where}: {value.reason}")
    return value


def rows(value: object, shape: str) -> Raw:
    """The rows of a value in one of its ``shapes``, by their numbers. Raises PoolError
    where it is not of that shape.
    """
    found = shapes(value).get(shape)
    if found is None:
        raise PoolError("the file has changed since it was opened; read it again")
    return Raw(found, range(1, len(found) + 1))


def shapes(value: object) -> dict[str, list[Any]]:
    """The lists of rows that a value may be understood as, the likeliest first, each by the words for it."""
    if not isinstance(value, Mapping) or not value:
        return {}
    found = {QUESTIONS: _questions(value), COLUMNS: _by_columns(value), BY_ID: _by_id(value)}
    lists = [
        name
        for name, part in value.items()
        if isinstance(part, list) and part and isinstance(part[0], Mapping)
    ]
    task = next((text for name in TASKS if (text := _text(value.get(name)))), None)
    for name in sorted(lists, key=lambda name: name.lower() not in LISTS):
        found[f"its list '{name}'"] = _of_task(_unwrapped(value[name]), task)
    return {shape: part for shape, part in found.items() if part}


def _unwrapped(found: list[object]) -> list[object]:
    """The rows of a list; where each lies in a field ``row``, as the hub's viewer gives them, that field."""
    inner = [row.get("row") if isinstance(row, Mapping) else None for row in found]
    return inner if all(isinstance(row, Mapping) for row in inner) else found


def _questions(value: Mapping[str, object]) -> list[object]:
    """The questions of SQuAD's files, each with its paragraph."""
    return [
        {"context": part.get("context"), **one}
        for article in _objects(value.get("data"))
        for part in _objects(article.get("paragraphs"))
        for one in _objects(part.get("qas"))
    ]


def _objects(value: object) -> list[Mapping[str, object]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _of_task(rows: list[object], task: str | None) -> list[object]:
    """The instances of a task, each with its text."""
    instances = task is not None and all(isinstance(row, Mapping) and "input" in row for row in rows)
    return [{"instruction": task, **row} for row in rows if isinstance(row, Mapping)] if instances else rows


def _text(value: object) -> str | None:
    """A text, which may be the only one of a list."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else None


def _by_columns(value: Mapping[str, object]) -> list[object] | None:
    """Rows of an object whose fields are columns of one length, of texts and numbers (or of lists of turns), or
    of the names of columns beside the values of each row (``orient="split"`` of pandas).
    """
    names, listed = value.get("columns"), value.get("data")
    if isinstance(names, list) and isinstance(listed, list) and all(isinstance(row, list) for row in listed):
        return [dict(zip(map(str, names), row, strict=False)) for row in listed]
    if not 1 < len(value) <= MOST_KEYS:
        return None
    columns = {name: _column(part) for name, part in value.items()}
    if (
        any(column is None for column in columns.values())
        or len({tuple(column) for column in columns.values() if column}) != 1
    ):
        return None
    places = next(iter(columns.values())) or {}
    return [{name: (column or {})[place] for name, column in columns.items()} for place in places]


def _column(part: object) -> Mapping[object, object] | None:
    """The values of a column by their places, if it is one."""
    if isinstance(part, list):
        part = dict(enumerate(part))
    if not isinstance(part, Mapping) or not part:
        return None
    plain = all(not isinstance(one, Mapping) for one in part.values())
    return dict(part) if plain else None


def _by_id(value: Mapping[str, object]) -> list[object] | None:
    """Rows of an object whose values are rows that share a field, or the turns of a conversation each. Its keys
    become their ``id``.
    """
    if any(
        are_turns(value[name]) for name in FIELDS & value.keys()
    ):  # a row, of which every field holds turns: a prompt and its completion (TRL)
        return None
    rows = {key: {"messages": row} if are_turns(row) else row for key, row in value.items()}
    objects = {key: row for key, row in rows.items() if isinstance(row, Mapping) and row}
    if len(objects) < len(value) or not set.intersection(*(set(row) for row in objects.values())):
        return None
    return [row if "id" in row else {"id": key, **row} for key, row in objects.items()]
