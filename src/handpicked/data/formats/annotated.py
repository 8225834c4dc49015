"""Tasks that people annotated, as Label Studio and Argilla export them: what was shown, and what they wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from handpicked.data.formats.cells import BadRow, Row, known
from handpicked.data.formats.compared import compared
from handpicked.data.formats.field_names import INPUTS, PROMPTS, RESPONSES
from handpicked.data.formats.held import Recognised, Wrapper
from handpicked.data.formats.row_format import Pairs, RowFormat
from handpicked.errors import PoolError

PREFERENCE = "preference"
"""The field of a task's comparison of two answers."""
WRITTEN = ("correct", "edit", "rewrit", "improve")
"""The beginnings of names of questions whose answers are responses."""
COLUMNS = (".responses", ".responses.users", ".responses.status")
"""The ends of the columns of a question."""


@dataclass(frozen=True)
class LabelStudio(Wrapper):
    """``data`` is what was shown, and ``annotations`` hold what was written about it; of several the first that
    was not cancelled is read.
    """

    @property
    def fields(self) -> tuple[str, ...]:
        return ("data", "annotations", *self.beside.fields)

    @property
    def required(self) -> tuple[str, ...]:
        return ("data",)

    def unwrapped(self, row: Row) -> Row:
        data = row.get("data")
        results = _results(row)
        if not results:
            raise BadRow("the task has no annotation")
        return {
            **(data if isinstance(data, Mapping) else {}),
            **{name: text for name, (_, text) in results.items()},
        }


def label_studio(rows: Sequence[Row], recognised: Recognised) -> tuple[RowFormat, str] | None:
    """The format of Label Studio's export of all (JSON)."""
    tasks = [
        row
        for row in rows
        if isinstance(row.get("data"), Mapping) and isinstance(row.get("annotations"), list)
    ]
    if not tasks or len(tasks) < len(rows):
        return None
    written = {name: kind for row in tasks for name, (kind, _) in _results(row).items()}
    flat = [{**data, **_texts(row)} for row in tasks if isinstance(data := row["data"], Mapping)]
    answer = next((name for name, kind in written.items() if kind == "textarea"), None)
    why = "a task of Label Studio"
    asked = _asked(flat, answer)
    if answer is not None and asked is not None:
        inner: RowFormat = Pairs(f"{asked}-{answer}", asked, answer, _further(asked, flat))
        return LabelStudio(
            "label studio", inner=inner
        ), f"{why}: '{answer}' is what was written about '{asked}'"
    found = _shape(flat, recognised)
    return None if found is None else (LabelStudio("label studio", inner=found[0]), f"{why}: {found[1]}")


def _results(row: Row) -> dict[str, tuple[str, object]]:
    """What the first annotation that was not cancelled says, by the name of its control: kind and value."""
    listed = row.get("annotations")
    for one in listed if isinstance(listed, list) else ():
        results = one.get("result") if isinstance(one, Mapping) and not one.get("was_cancelled") else None
        if isinstance(results, list) and results:
            return dict(_result(result) for result in results if isinstance(result, Mapping))
    return {}


def _result(result: Row) -> tuple[str, tuple[str, object]]:
    """The name of a control, its kind and its value: a text, a choice, or which of two was selected."""
    kind = str(result.get("type"))
    value = result.get("value")
    said = (
        next((value[name] for name in (kind, "text", "choices", "selected", "rating") if name in value), None)
        if isinstance(value, Mapping)
        else None
    )
    if isinstance(said, list) and said and all(isinstance(one, str) for one in said):
        said = "\n".join(said)
    return (PREFERENCE if kind == "pairwise" else str(result.get("from_name"))), (kind, said)


def _texts(row: Row) -> dict[str, object]:
    return {name: text for name, (_, text) in _results(row).items()}


@dataclass(frozen=True)
class Argilla(Wrapper):
    """``fields`` are what was shown, and ``responses`` list what people answered to each question; or each is a
    column (``to_datasets``). Of several answers the first that was not discarded is read. ``answer`` is the
    question whose answer is the response.
    """

    answer: str | None
    read: tuple[str, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        return (*self.read, *self.beside.fields)

    @property
    def required(self) -> tuple[str, ...]:
        return self.read[:1]

    def unread(self, row: Row) -> Iterator[str]:
        return super().unread(row) if "fields" in self.read else iter(())

    def unwrapped(self, row: Row) -> Row:
        flat = {**_shown(row), **_responses(row)}
        if self.answer is not None and self.answer not in _responses(row):
            raise BadRow(f"the record has no response to '{self.answer}'")
        return flat


def argilla(rows: Sequence[Row], recognised: Recognised) -> tuple[RowFormat, str] | None:
    """The format of Argilla's records (``to_json``, or ``to_datasets``)."""
    nested = all(isinstance(row.get("fields"), Mapping) and "responses" in row for row in rows)
    answered = [_responses(row) for row in rows]
    if not rows or not (nested or any(answered)):
        return None
    flat = [{**_shown(row), **said} for row, said in zip(rows, answered, strict=True)]
    names = dict.fromkeys(name for said in answered for name in said)
    answer = next(
        (name for name in names if _is_written(name, [said.get(name) for said in answered], flat[0])), None
    )
    asked = _asked(flat, answer)
    why = "a record of Argilla"
    if answer is not None and asked is not None:
        inner: RowFormat = Pairs(f"{asked}-{answer}", asked, answer, _further(asked, flat))
        read = (
            ("fields", "responses")
            if nested
            else tuple(
                filter(None, (asked, _further(asked, flat), answer, *(f"{answer}{end}" for end in COLUMNS)))
            )
        )
        why = f"{why}: '{answer}' is what was answered about '{asked}'"
        return Argilla("argilla", answer=answer, read=read, inner=inner), why
    found = _shape(flat, recognised) if nested else None
    if found is None:
        return None
    return Argilla("argilla", answer=None, read=("fields", "responses"), inner=found[0]), f"{why}: {found[1]}"


def _shown(row: Row) -> Row:
    shown = row.get("fields")
    return shown if isinstance(shown, Mapping) else row


def _responses(row: Row) -> dict[str, object]:
    """The first answer to each question that was not discarded."""
    found: dict[str, object] = {}
    for name, listed in _questions(row):
        for one in listed:
            if (
                isinstance(one, Mapping)
                and one.get("status") != "discarded"
                and known(one.get("value")) is not None
            ):
                found.setdefault(name, one["value"])
    return found


def _questions(row: Row) -> Iterator[tuple[str, list[object]]]:
    """What people answered to each question: in ``responses``, or in columns."""
    questions = row.get("responses")
    if isinstance(row.get("fields"), Mapping) and isinstance(questions, Mapping):
        yield from ((str(name), listed) for name, listed in questions.items() if isinstance(listed, list))
        return
    for name, listed in row.items():
        if not isinstance(listed, list) or not listed:
            continue
        if f"{name}.users" in row and name.endswith(COLUMNS[0]):
            yield name.removesuffix(COLUMNS[0]), [{"value": one} for one in listed]
        elif all(isinstance(one, Mapping) and {"value", "user_id"} <= one.keys() for one in listed):
            yield name, listed


def _is_written(name: str, values: Sequence[object], shown: Row) -> bool:
    """Whether the answers to a question are responses that were written, and not labels or names of fields."""
    word = name.lower().replace("-", "_")
    said = [one for one in values if one is not None]
    texts = all(isinstance(one, str) and one.replace("-", "_") not in shown for one in said)
    return texts and (
        word.startswith(WRITTEN) or word in RESPONSES or word.endswith(tuple(f"_{one}" for one in RESPONSES))
    )


def _asked(flat: Sequence[Row], answer: str | None) -> str | None:
    """The field of the prompt: one of the usual name, or the only text that was shown."""
    texts = (
        [name for name, value in flat[0].items() if isinstance(value, str) and name != answer] if flat else []
    )
    return next((name for name in PROMPTS if name in texts), texts[0] if len(texts) == 1 else None)


def _further(asked: str, flat: Sequence[Row]) -> str | None:
    """The further input beside the prompt."""
    return next((name for name in INPUTS.get(asked, ()) if name in flat[0]), None)


def _shape(flat: Sequence[Row], recognised: Recognised) -> tuple[RowFormat, str] | None:
    """The format of tasks without a text that was written: a comparison, or what was shown is a row."""
    fields = list(dict.fromkeys(name for row in flat for name in row))
    try:
        return compared(flat, fields) or recognised(flat)
    except PoolError:
        return None
