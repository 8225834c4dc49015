"""What audit.json says: one frozen dataclass a section, ``Audit`` at the top, and how it is written and read.

The fields are the keys of the file, in its order; ``docs/audit.schema.json`` is the JSON schema of ``Audit``.
Lengths are in the measure that ``Measure`` names. A row of the pool is named by its number (from 0), its
file, and its place there (from 1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from pydantic import JsonValue, TypeAdapter

from handpicked.records import LINE, Json, Unread

FORMAT = 1
"""Version of the shape of audit.json: raised when a key changes its meaning, moves or goes."""


@dataclass(frozen=True, slots=True)
class AuditedFile:
    """A file of the pool. ``rejected`` counts those of its ``rows`` that cannot be read."""

    path: str
    bytes: int | None
    sha256: str | None
    format: str
    container: str
    rows: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Why ``rows`` rows were rejected or refused, with the first of them: its file, its place, its text."""

    reason: str
    rows: int
    file: str
    place: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A row to look at: the beginning of its prompt, the beginning and the end of its response."""

    row: int
    file: str
    place: int
    prompt: str
    response: str


@dataclass(frozen=True, slots=True)
class Measure:
    """What lengths are counted in. ``tokenizer`` is its identity, empty for other measures than tokens."""

    name: str
    unit: str
    tokenizer: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Lengths:
    """The lengths of ``of`` in the ``rows`` that have it, that is, where it is over 0.

    ``quantiles`` are p1, p5, p25, p50, p75, p95 and p99 (linear interpolation), ``counts`` the number of
    lengths in each bin by its lower edge (see ``statistics.histogram.EDGES``). Without rows nothing has a
    value.
    """

    of: str
    rows: int
    total: int
    mean: float | None
    least: int | None
    most: int | None
    quantiles: Mapping[str, float]
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Value:
    """A value and the number of rows that have it."""

    value: str
    rows: int


@dataclass(frozen=True, slots=True)
class Values:
    """The most common values of ``of``, and what others there are: ``other_rows`` rows of ``others`` further
    values. ``none`` counts rows without one. Where there are very many values ``others`` is a lower bound.
    """

    of: str
    top: tuple[Value, ...]
    others: int
    other_rows: int
    none: int


@dataclass(frozen=True, slots=True)
class Role:
    """A role with its messages, and the rows that have any."""

    role: str
    messages: int
    rows: int


@dataclass(frozen=True, slots=True)
class Conversations:
    """Turns and roles. ``turns`` are messages a row, the system's included; ``orders`` the most common orders
    of roles, those of long conversations cut.
    """

    turns: Lengths
    roles: tuple[Role, ...]
    orders: Values


@dataclass(frozen=True, slots=True)
class Languages:
    """The languages of answers, in ``rows`` of ``of`` rows that were looked at; ``values.none`` are those
    whose language is not recognised, such as short answers and code.
    """

    rows: int
    of: int
    values: Values


@dataclass(frozen=True, slots=True)
class GuardFound:
    """What a guard with this rule would drop of the readable rows.

    ``values`` are those of its scores that are texts, such as the language that was found.
    """

    name: str
    rule: str
    rows: int
    shown: tuple[Shown, ...]
    values: tuple[Values, ...]


@dataclass(frozen=True, slots=True)
class NotAudited:
    """A guard that could not look at the rows, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class FilePair:
    """Rows of ``file`` that repeat a row of the file ``repeats``."""

    file: str
    repeats: str
    rows: int


@dataclass(frozen=True, slots=True)
class Twins:
    """A row and the one that it repeats."""

    row: Shown
    repeats: Shown


@dataclass(frozen=True, slots=True)
class Copies:
    """Rows that repeat another. ``rows`` counts all but the one of each group that is kept, ``across`` those
    of them whose kept one is in another file, ``files`` both by files.

    ``exact``: the same messages as an earlier row. ``near``: by MinHash, a longer row (or as long, and
    earlier by its id) has 80% of its 3-grams. ``prompt``: the prompt of an earlier row, with another
    response.
    """

    kind: Literal["exact", "near", "prompt"]
    rows: int
    across: int
    files: tuple[FilePair, ...]
    shown: tuple[Twins, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """A row of the pool and the item of the other file (from 1) that it has in common with it."""

    row: Shown
    item: int


@dataclass(frozen=True, slots=True)
class Common:
    """Rows of the pool that have something in common with other files: ``conversations`` the same messages,
    ``prompts`` the same prompt, ``overlaps`` 13 words in a row with a prompt, ``rows`` any of these.
    """

    rows: int
    conversations: int
    prompts: int
    overlaps: int


@dataclass(frozen=True, slots=True)
class Against:
    """What the pool has in common with a file of ``items`` evaluation prompts, or of rows (``unreadable``
    others were left out). Prompts have no conversations.
    """

    file: str
    kind: Literal["rows", "prompts"]
    items: int
    unreadable: int
    common: Common
    shown: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a chat template makes of the rows: all, or ``rows`` drawn at random of ``of``.

    ``refused`` rows it refuses, for ``reasons``; the rest is of the others. ``lengths`` are tokens of a whole
    row, as it would be trained on. ``as_text`` counts rows whose thoughts or tool calls it has no form for
    (they are learned as text), ``unshown_tools`` those that declare tools which it does not show,
    ``unlearned`` earlier turns that are not learned, because it shows them differently from inference.

    At ``max_length`` tokens ``cut`` rows are longer and lose ``tokens_lost`` tokens of ``tokens`` together,
    ``no_response`` of them so that no response is left, which leaves them out of training. None: no length
    was given.
    """

    template: str
    tokenizer: str
    rows: int
    of: int
    refused: int
    reasons: tuple[Reason, ...]
    lengths: Lengths
    as_text: int
    unshown_tools: int
    unlearned: int
    max_length: int | None
    cut: int | None
    no_response: int | None
    tokens: int
    tokens_lost: int | None


@dataclass(frozen=True, slots=True)
class Audit:
    """What is in a pool. ``rows`` = ``readable`` + ``rejected``."""

    format: int
    handpicked: str
    files: tuple[AuditedFile, ...]
    recognised: str
    rows: int
    readable: int
    rejected: int
    rejections: tuple[Reason, ...]
    measure: Measure
    lengths: tuple[Lengths, ...]
    conversations: Conversations
    languages: Languages | None
    """None: the detector is not installed."""
    sources: Values
    unread: tuple[Unread, ...]
    guards: tuple[GuardFound, ...]
    not_audited: tuple[NotAudited, ...]
    copies: tuple[Copies, ...]
    against: tuple[Against, ...]
    against_any: Common | None
    rendered: Rendered | None

    def __post_init__(self) -> None:
        if self.rows != self.readable + self.rejected:
            raise AssertionError(f"rows are lost: {self.rows} are not {self.readable} + {self.rejected}")


def to_json(audit: Audit) -> str:
    """The text of audit.json."""
    return json.dumps(audit, default=LINE.default, indent=1, allow_nan=False) + "\n"


def from_json(plain: Mapping[str, JsonValue]) -> Audit:
    """The audit of a parsed audit.json. Raises pydantic's ValidationError, which names every wrong key."""
    return _adapter().validate_python(plain)


def schema_text() -> str:
    """The JSON schema of audit.json, as docs/audit.schema.json holds it."""
    made: Json = _adapter().json_schema()
    made["properties"]["format"]["const"] = FORMAT
    title = f"handpicked audit.json, format {FORMAT}"
    found = {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": title}
    return json.dumps(found, indent=1) + "\n"


@cache
def _adapter() -> TypeAdapter[Audit]:
    return TypeAdapter(Audit)
