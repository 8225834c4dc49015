"""Why no value of a file is an object with fields, and what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from handpicked.data import spool
from handpicked.data.files.raw import Damage
from handpicked.data.formats.cells import literal
from handpicked.data.formats.field_names import PROMPTS
from handpicked.data.formats.turns import is_turn


def no_objects(file: Path, head: Sequence[object]) -> str:
    """Why none of the first values of a file is a row."""
    path = spool.given_name(file)
    damaged = next((row for row in head if isinstance(row, Damage)), None)
    if damaged is not None:
        return (
            f"{path}: none of its first {len(head)} rows can be parsed; the first: {damaged.reason}: "
            f"{damaged.excerpt[:60]!r}{_remedy(damaged.excerpt, damaged.reason, file.suffix)}"
        )
    if not head:
        return f"{path} holds no rows: an empty list or a header alone"
    if isinstance(head[0], list) and spool.is_copy(file):
        return (
            f"{path}: each row is a list, not an object with fields. Where it is a list of turns, name it: "
            '[{"messages": turns} for turns in rows]'
        )
    if isinstance(head[0], list) and all(isinstance(one, Mapping) and not is_turn(one) for one in head[0]):
        return (
            f"{path}: each row is a list of rows. Make each a row: jq -c '.[]' {file.name} > {file.stem}-rows.jsonl "
            "(jq -c '.[][]' where all are in one list)"
        )
    if isinstance(head[0], list):
        return (
            f"{path}: each row is a list, not an object with fields. Where it is a list of turns, name it: "
            f"jq -c '{{messages: .}}' {file.name} > {file.stem}-rows.jsonl (jq -c '.[] | {{messages: "
            ".}' where all are in one list)"
        )
    if isinstance(head[0], str) and isinstance(literal(head[0]), Mapping):
        return (
            f"{path}: each row is JSON inside a text, not an object. Unpack it: jq -c fromjson {file.name} > "
            f"{file.stem}-rows.jsonl"
        )
    names = {str: "texts", int: "numbers", float: "numbers"}
    what = names.get(type(head[0]), "values")
    return (
        f"{path} is a list of {what}; each row must be an object with fields such as instruction and output"
    )


def _remedy(excerpt: str, reason: str, suffix: str) -> str:
    """What makes rows of this kind JSON lines."""
    if excerpt.startswith(("{'", "{ '")) and "Python" not in reason:
        return ". This is how Python prints a dictionary: write each row with json.dumps"
    if suffix in (".csv", ".tsv") and reason.endswith(("header has 1", "header has 0")):
        return ". Is its first line the header? Delete what is above the header"
    if excerpt[:1] not in "[{" and any(
        name in PROMPTS for name in re.split(r"[,;\t|]", excerpt.strip().lower())
    ):
        return ". It looks like CSV: give the file a name that ends in .csv"
    return ""
