"""Recognises the row format of a file from its first rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from handpicked.data import templated
from handpicked.data.cells import Row
from handpicked.data.exported import exported
from handpicked.data.field_names import (
    CHATS,
    CONVERSATION_IDS,
    FLAGS,
    INPUTS,
    LABELS,
    OF_OBJECTS,
    PAIRS,
    PROMPTS,
    RATINGS,
    RESPONSES,
    SYSTEMS,
    TEMPLATED,
    THOUGHTS,
    TOOLS,
    by_name,
)  # fmt: skip
from handpicked.data.formats import Beside, Chat, Pairs, RowFormat, Templated
from handpicked.data.logged import answers_alone, logged
from handpicked.data.options import multiple_choice
from handpicked.data.raw import excerpt
from handpicked.data.several import rated, several, unrated
from handpicked.data.turns import ROLES, SAID, SPEAKERS, is_turn, listed_turns, literal, round_of, speaker
from handpicked.errors import PoolError, did_you_mean
from handpicked.installed import load, names

KEYS = 64
ROLES_OF_MAP = (
    "prompt",
    "input",
    "response",
    "system",
    "history",
    "messages",
    "source",
    "tools",
    "label",
    "reasoning",
)
NAMED: dict[str, RowFormat] = {
    "alpaca": Pairs("alpaca", "instruction", "output", "input", "history"),
    "dolly": Pairs("dolly", "instruction", "response", "context"),
    "sharegpt": Chat("sharegpt", "conversations"),
    "messages": Chat("messages", "messages"),
    "prompt-completion": Pairs("prompt-completion", "prompt", "completion"),
    "prompt-response": Pairs("prompt-response", "prompt", "response"),
    "question-answer": Pairs("question-answer", "question", "answer"),
}
"""The shipped formats that ``format=`` can force. Recognition also finds similar ones, such
as instruction with answer.
"""
ADDED = "handpicked.formats"
"""The entry points by which installed packages add formats: each is a ``Pairs`` or a ``Chat``."""


def recognise(
    rows: Sequence[Mapping[str, object]],
    where: str,
    format: str | None = None,
    map: Mapping[str, str] | None = None,
) -> tuple[RowFormat, str]:
    """The row format of these first rows of a file, and one sentence saying how it was recognised.

    ``map`` names the fields by hand and wins; then ``format`` by name; then the fields decide: a list of
    turns before a prompt and a response. Raises PoolError with the fields seen when none of that fits.
    """
    fields = list(dict.fromkeys(str(key) for row in rows for key in row))
    if map:
        found: tuple[RowFormat, str] | None = _mapped(rows, fields, where, map)
    elif format is not None:
        found = _forced(fields, where, format)
    else:
        ways = (
            rated, exported, logged, _chat, multiple_choice, _pairs, unrated, _templated,
        )  # fmt: skip
        found = next((one for way in ways if (one := way(rows, fields)) is not None), None)
    if found is None:
        raise PoolError(_unrecognised(rows, fields, where))
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

    preferred = "chosen" in {field.lower() for field in shape.fields}
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
        reasoning=map.get("reasoning") or (_thought_field(rows, free) if isinstance(shape, Pairs) else None),
        rejected=first(("rejected",)) if preferred else None,
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


def _templated(rows: Sequence[Mapping[str, object]], fields: list[str]) -> tuple[RowFormat, str] | None:
    """Texts that are whole conversations in a known template."""
    for field in ("text", "chosen", "conversation", "dialogue", "dialog", "chat"):
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


def _mapped(
    rows: Sequence[Mapping[str, object]], fields: list[str], where: str, map: Mapping[str, str]
) -> tuple[RowFormat, str]:
    for role, field in map.items():
        if role not in ROLES_OF_MAP:
            raise PoolError(
                f"map: '{role}' is not a role that a field can be mapped "
                f"to.{did_you_mean(role, ROLES_OF_MAP)}"
            )
        if field not in fields:
            raise PoolError(
                f"{where}: map names the field '{field}' for {role}, which no "
                f"row has.{_fields(field, fields)}"
            )
    why = "by the given map: " + ", ".join(f"{role} is '{field}'" for role, field in map.items())
    if "messages" in map:
        return Chat("mapped", map["messages"]), why
    if "response" not in map or "prompt" not in map:
        if set(map) == {"source"}:
            raise PoolError("map: 'source' alone does not say where prompt and response are; map these too")
        raise PoolError(
            "map: give both prompt and response (or messages), such as prompt=question,response=answer"
        )
    pairs = Pairs(
        "mapped", map["prompt"], map["response"], map.get("input"), map.get("history"),
        _listed(rows, (map["prompt"], map["response"])),
    )  # fmt: skip
    return several(pairs, rows, fields), why


def _forced(fields: list[str], where: str, format: str) -> tuple[RowFormat, str]:
    shape = _named(format)
    for field in shape.required:
        if field not in fields:
            raise PoolError(
                f"{where}: format '{format}' needs the field '{field}', which no "
                f"row has.{_fields(field, fields)}"
            )
    return shape, f"the format {format} is set"


def _named(format: str) -> RowFormat:
    if format in NAMED:
        return NAMED[format]
    added = load(ADDED, format)
    if added is None:
        raise PoolError(f"format '{format}' is not known.{did_you_mean(format, [*NAMED, *names(ADDED)])}")
    if not isinstance(added, Pairs | Chat):
        raise PoolError(
            f"format '{format}' is {added!r}: an entry point of {ADDED} must be a Pairs or a Chat of "
            "handpicked.data.formats."
        )
    return added


def _chat(rows: Sequence[Mapping[str, object]], fields: list[str]) -> tuple[RowFormat, str] | None:
    """The first of the usual turn fields that holds lists of turns."""
    for field in CHATS:
        turn = _first_turn(rows, field)
        if turn is None or (field == "chosen" and "prompt" in fields):
            continue
        answer = "chosen" if field != "chosen" and "chosen" in fields else _answer_beside(rows, fields, field)
        preferred = f", followed by the answer in '{answer}'" if answer else ""
        if field in OF_OBJECTS and not (is_turn(turn) and _pairs(rows, fields) is None):
            continue
        if isinstance(turn, str):
            why = f"field '{field}' is a list of texts, read as user and assistant in turn{preferred}"
            return Chat(field, field, answer), why
        if isinstance(turn, Mapping) and "from" in turn and "value" in turn:
            return Chat(
                "sharegpt", field, answer
            ), f"field '{field}' is a list of turns with from and value{preferred}"
        if isinstance(turn, Mapping) and ("role" in turn or is_turn(turn)):
            whose = next(name for name in SPEAKERS if name in turn)
            said = next((name for name in ("parts", *SAID) if name in turn), "content")
            why = f"field '{field}' is a list of turns with {whose} and {said}{preferred}"
            return Chat("messages", field, answer), why
        rows_of_file = field == "data"  # a file's only object has its rows there
        both = round_of(turn) if isinstance(turn, Mapping) and not rows_of_file else None
        if both is not None:
            why = f"field '{field}' is a list of rounds with {both[0]} and {both[1]}{preferred}"
            return Chat("rounds", field, answer), why
    return None


def _answer_beside(rows: Sequence[Row], fields: Sequence[str], field: str) -> str | None:
    """The field with the answer to turns that all end before it: with the user's or a tool's."""
    answer = next((name for name in RESPONSES if name in fields and name != field), None)
    for row in rows if answer is not None else ():
        value = row.get(field)
        listed = literal(value) if isinstance(value, str) else value
        last = listed[-1] if isinstance(listed, list) and listed else None
        said = speaker(last) if isinstance(last, Mapping) else "assistant"
        if not isinstance(said, str) or ROLES.get(said.strip().lower(), "assistant") == "assistant":
            return None
    return answer


def _first_turn(rows: Sequence[Mapping[str, object]], field: str) -> object:
    """The first turn of the first row that has one, if it looks like a turn."""
    for row in rows:
        value = row.get(field)
        if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
            value = literal(value)
        if isinstance(value, Mapping) and all(isinstance(part, list) for part in value.values()):
            value = [value]  # one list for each field of the turns
        if isinstance(value, list) and value and isinstance(value[0], str | Mapping):
            return value[0]
    return None


def _pairs(rows: Sequence[Mapping[str, object]], fields: list[str]) -> tuple[RowFormat, str] | None:
    """A prompt and a response field, ignoring case. Of several response fields, the one with the most values."""
    real = by_name(fields)
    prompt = next((name for name in PROMPTS if name in real), None)
    answers = [name for name in RESPONSES if name in real]
    if prompt is None or not answers:
        both = next((pair for pair in PAIRS if all(name in real for name in pair)), None)
        if both is None:
            return None
        prompt, answers = both[0], [both[1]]
    filled = {name: sum(_says(row.get(real[name])) for row in rows) for name in answers}
    answer = max(answers, key=lambda name: filled[name])
    further = next((name for name in INPUTS.get(prompt, ()) if name in real), None)
    read = [real[name] for name in (prompt, further, answer) if name]
    pairs = Pairs(
        _pair_name(prompt, further, answer), real[prompt], real[answer], real[further] if further else None,
        real.get("history"),
        _listed(rows, (real[prompt], real[answer])),
    )  # fmt: skip
    if pairs.history:
        read.append(pairs.history)
    shape = several(pairs, rows, fields)
    lists = "" if shape is pairs else f"; {real[answer]} lists answers"
    return shape, f"rows have the fields {', '.join(read)}{lists}"


def _says(value: object) -> float:
    """How much a value looks like a response: a number counts little, since it may be a count or a grade."""
    return float(bool(value)) if isinstance(value, str | list | Mapping) else 0.01 * bool(value)


def _listed(rows: Sequence[Mapping[str, object]], fields: Sequence[str]) -> bool:
    """Whether all values of one of these fields are texts that list turns, as a CSV holds them."""
    for field in fields:
        values = [row.get(field) for row in rows]
        filled = [value for value in values if value is not None and value != ""]
        if filled and all(
            isinstance(value, str) and isinstance(listed_turns(value), list) for value in filled
        ):
            return True
    return False


def _pair_name(prompt: str, further: str | None, answer: str) -> str:
    if (prompt, answer) == ("instruction", "output"):
        return "alpaca"
    if (prompt, answer, further) == ("instruction", "response", "context"):
        return "dolly"
    return f"{prompt}-{answer}"


def _unrecognised(rows: Sequence[Mapping[str, object]], fields: list[str], where: str) -> str:
    if fields == ["text"] or (len(fields) <= 3 and "text" in fields and _template(rows)):
        return (
            f"{where}: each row is one finished text, in field 'text'{_template(rows)}: prompt "
            "and response are not apart in "
            f"it. Take the rows from before they were templated, with a prompt and a response each."
        )
    if (within := _rows_within(rows, where)) is not None:
        return (
            f"{where}: each row lies in the field '{within}' of an object. Take them out, such as with "
            f"jq -c '.{within}' (jq -c '.[].{within}' where all are in one list)."
        )
    if answers_alone(rows):
        return (
            f"{where}: rows hold answers (choices) without what was asked. Put the 'messages' of each request "
            "beside its answer, such as by 'custom_id' for a batch."
        )
    if (turns := _single_turns(rows, fields)) is not None:
        return f"{where}: {turns}"
    known = (*PROMPTS, *RESPONSES, *CHATS)
    guesses = (
        did_you_mean(field, known)
        for field in fields[:KEYS]
        if field not in known and not field.endswith("_id")
    )
    guess = next((text for text in guesses if text.startswith(" Did")), "")
    return (
        f"{where}: no prompt and response are recognised among the fields "
        f"{_listing(fields) or '(none)'}.{guess} "
        f"Name them, such as --map prompt=question,response=answer (in Python "
        'map={"prompt": "question", "response": "answer"}).'
    )


def _rows_within(rows: Sequence[Row], where: str) -> str | None:
    """The field in which each of these objects holds a row that is recognised."""
    for name in list(rows[0])[:KEYS] if rows else ():
        inner = [row.get(name) for row in rows]
        held = [one for one in inner if isinstance(one, Mapping)]
        if len(held) < len(inner):
            continue
        try:
            recognise(held, where)
        except PoolError:
            continue
        return name
    return None


def _single_turns(rows: Sequence[Mapping[str, object]], fields: list[str]) -> str | None:
    """What to do with rows that are one turn each, as in OASST."""
    said = next((name for name in ("content", "text", "value", "message") if name in fields), None)
    if said is None or not any(isinstance(row.get("role"), str) for row in rows):
        return None
    group = next((name for name in CONVERSATION_IDS if name in fields), None)
    by = f"the rows of one '{group}'" if group else "the rows of one conversation"
    return (
        f"each row is one turn: 'role' says whose, '{said}' what. A row must hold a whole conversation. Gather "
        f"{by}, in order, in a list 'messages' of objects with role and content."
    )


def _template(rows: Sequence[Mapping[str, object]]) -> str:
    """Which template a finished text shows, in words."""
    text = str(next((row["text"] for row in rows if isinstance(row.get("text"), str)), ""))
    sign = next((sign for sign in TEMPLATED if sign in text), None)
    return f" (already templated: it has {sign})" if sign else ""


def _listing(fields: list[str]) -> str:
    """The names of fields for a message."""
    return excerpt(", ".join(fields[:KEYS])[:300])


def _fields(name: str, fields: list[str]) -> str:
    guess = did_you_mean(name, fields[:1000])
    seen = f" Fields seen: {_listing(fields) or 'none'}."
    return f"{guess}{seen}" if guess.startswith(" Did") else seen
