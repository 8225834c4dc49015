"""A record as one line of JSON."""

from __future__ import annotations

import json
from typing import Any

from handpicked.records.message import Message


def to_json(record: object) -> str:
    """A record as one line of JSON with its fields in order."""
    return LINE.encode(record)


def _fields(record: Any) -> dict[str, object]:
    """The fields of a record as they are; ``asdict`` would copy everything first, for
    most of the time of writing.
    """
    if isinstance(record, Message):
        return record.fields()
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


LINE = json.JSONEncoder(default=_fields, ensure_ascii=False)
"""Made once: ``json.dumps`` would make one for every record."""
