"""Recognises the row format of a file from its first rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from handpicked.data.formats import templated
from handpicked.data.formats.annotated import argilla, label_studio
from handpicked.data.formats.by_hand import forced, mapped
from handpicked.data.formats.cells import Row
from handpicked.data.formats.chats import chat, some_chat
from handpicked.data.formats.compared import compared
from handpicked.data.formats.exported import exported
from handpicked.data.formats.field_names import (
    FLAGS,
    LABELS,
    PREFERENCES,
    RATINGS,
    SYSTEMS,
    THOUGHTS,
    TOOLS,
    by_name,
)
from handpicked.data.formats.held import held
from handpicked.data.formats.instances import instances
from handpicked.data.formats.logged import logged
from handpicked.data.formats.moss import moss
from handpicked.data.formats.options import multiple_choice
from handpicked.data.formats.pairs import pairs
from handpicked.data.formats.row_format import Beside, RowFormat, Templated
from handpicked.data.formats.several import rated, unrated
from handpicked.data.formats.tree import tree
from handpicked.data.formats.unrecognised import unrecognised
from handpicked.errors import PoolError

Found = tuple[RowFormat, str]
Way = Callable[[Sequence[Row], Sequence[str]], Found | None]
"""Recognises rows with these fields, and says how; None where they are of another format."""


def recognise(
    rows: Sequence[Mapping[str, object]],
    where: str,
    format: str | None = None,
    map: Mapping[str, str] | None = None,
    within: bool = True,
) -> tuple[RowFormat, str]:
    """The row format of these first rows of a file, and one sentence saying how it was recognised.

    ``map`` names the fields by hand and wins; then ``format`` by name; then the fields decide: a list of
    turns before a prompt and a response; at last, where ``within``, each row may lie in a field of an object.
    Raises PoolError with the fields seen when none of that fits.
    """
    fields = list(dict.fromkeys(str(key) for row in rows for key in row))
    if map:
        found: Found | None = mapped(rows, fields, where, map)
    elif format is not None:
        found = forced(fields, where, format)
    else:
        found = next((one for way in WAYS if (one := way(rows, fields)) is not None), None)
        if found is None and within:
            found = held(rows, lambda inner: recognise(inner, where, within=False))
    if found is None:
        raise PoolError(unrecognised(rows, fields, where))
    shape, why = found
    return _with_beside(shape, why, rows, fields, map or {})


def _with_beside(
    shape: RowFormat,
    why: str,
    rows: Sequence[Mapping[str, object]],
    fields: list[str],
    map: Mapping[str, str],
) -> tuple[RowFormat, str]:
    """The format with the fields of the conversation that lie beside its turns, as ``map`` names
    them or by their usual names.
    """
    real = by_name(fields)
    free = {name: field for name, field in real.items() if field not in shape.fields}

    def first(names: Sequence[str]) -> str | None:
        return next((free[name] for name in names if name in free), None)

    read = by_name(shape.fields)
    rejected = [worse for better, worse in PREFERENCES if better in read]
    beside = Beside(
        system=map.get("system") or (first(SYSTEMS) if not map else None),
        tools=map.get("tools") or first(TOOLS),
        label=map.get("label")
        or next(
            (
                free[name]
                for name in LABELS
                if name in free and _is_label(rows, free[name], name == "kto_tag")
            ),
            None,
        ),
        reasoning=map.get("reasoning") or (_thought_field(rows, free) if shape.has_response_field else None),
        rejected=first(rejected),
        ratings=next(((real[one], real[two]) for one, two in RATINGS if one in real and two in real), None),
    )
    if "margin" in real:
        beside = replace(beside, ratings=None)
    if beside.label:
        why += f"; rows whose {beside.label} is false are not demonstrations"
    if beside.rejected:
        why += f"; {beside.rejected} is kept beside it"
    return replace(shape, beside=beside), why


def _thought_field(rows: Sequence[Mapping[str, object]], free: Mapping[str, str]) -> str | None:
    """The first of the usual fields that holds thoughts."""
    for name in THOUGHTS:
        values = [row.get(free[name]) for row in rows] if name in free else []
        filled = [value for value in values if value not in (None, "", [])]
        if values and not (filled and all(str(value).strip().lower() in FLAGS for value in filled)):
            return free[name]
    return None


def _is_label(rows: Sequence[Mapping[str, object]], field: str, numbers: bool) -> bool:
    """Whether a field says true or false of each row, as KTO's label does; 1 or 0 where ``numbers`` may."""
    words = ("true", "false", *(("1", "0", "1.0", "0.0") if numbers else ()))
    values = [row.get(field) for row in rows if row.get(field) not in (None, "")]
    return bool(values) and all(
        isinstance(value, bool | str | int | float) and str(value).strip().lower() in words
        for value in values
    )


TEXTS = (
    "text", "chosen", "conversation", "conversations", "messages", "dialogue", "dialog", "chat", "plain_text", "content",
    "formatted_text", "formatted_prompt", "input",
)  # fmt: skip
"""Fields that may be a whole conversation in a template."""


def _templated(rows: Sequence[Row], fields: Sequence[str]) -> Found | None:
    """Texts that are whole conversations in a known template."""
    for field in TEXTS:
        values = (
            [value for row in rows if isinstance(value := row.get(field), str)] if field in fields else []
        )
        names = [name for value in values if (name := templated.template_of(value)) is not None]
        if values and len(names) * 2 >= len(values):
            templates = " and ".join(dict.fromkeys(names))
            return Templated(
                "templated", field
            ), f"field '{field}' is a whole conversation, cut at the marks of {templates}"
    return None


def _task(rows: Sequence[Row], fields: Sequence[str]) -> Found | None:
    """A task that people annotated."""

    def recognised(inner: Sequence[Row]) -> Found:
        return recognise(inner, "", within=False)

    return label_studio(rows, recognised) or argilla(rows, recognised)


WAYS: tuple[Way, ...] = (
    rated, exported, tree, moss, _task, logged, chat, multiple_choice, instances, pairs, unrated, compared, _templated, some_chat,
)  # fmt: skip
"""In the order in which they are tried."""
