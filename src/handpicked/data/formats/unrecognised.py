"""Why the rows of a file are not recognised, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handpicked.data.files.raw import excerpt
from handpicked.data.formats.field_names import (
    CHATS,
    CONVERSATION_IDS,
    PROMPTS,
    RESPONSES,
    TEMPLATED,
    by_name,
)
from handpicked.data.formats.logged import answers_alone, requests_alone
from handpicked.errors import did_you_mean

KEYS = 64


def unrecognised(rows: Sequence[Mapping[str, object]], fields: list[str], where: str) -> str:
    if fields == ["text"] or (len(fields) <= 3 and "text" in fields and _template(rows)):
        return (
            f"{where}: each row is one finished text, in field 'text'{_template(rows)}: prompt "
            "and response are not apart in "
            f"it. Take the rows from before they were templated, with a prompt and a response each."
        )
    if "input_ids" in fields:
        return (
            f"{where}: rows are tokens (input_ids), of which a tokenizer made numbers. Take the rows from before that, "
            "as texts or turns."
        )
    if answers_alone(rows):
        return (
            f"{where}: rows hold answers without what was asked. Put the 'messages' of each request "
            "beside its answer, such as by 'custom_id' for a batch."
        )
    if requests_alone(rows):
        return (
            f"{where}: rows hold what was asked, and no answer is recognised among the fields {_listing(fields)}. Put "
            "the answer beside each request, such as by 'custom_id' for a batch, or name its field, such as --map "
            "prompt=prompt,response=answer."
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
        f"{where}: {_lacking(fields)} recognised among the fields "
        f"{_listing(fields) or '(none)'}.{guess} "
        f"Name them, such as --map prompt=question,response=answer (in Python "
        'map={"prompt": "question", "response": "answer"}).'
    )


def _lacking(fields: Sequence[str]) -> str:
    """What rows with these fields have not."""
    names = by_name(fields)
    if any(name in names for name in PROMPTS):
        return "a prompt is, and no response is,"
    return "no prompt and response are"


def _single_turns(rows: Sequence[Mapping[str, object]], fields: list[str]) -> str | None:
    """What to do with rows that are one turn each, as in OASST."""
    said = next((name for name in ("content", "text", "value", "message") if name in fields), None)
    if said is None or not any(isinstance(row.get("role"), str) for row in rows):
        return None
    if "parent_id" in fields:
        return (
            f"each row is one message of a tree: 'parent_id' says which it answers, '{said}' what it says. A row must "
            "hold a whole conversation. Take the file of trees, which Open Assistant publishes beside it "
            "(….trees.jsonl.gz) and which is read, or put each answer and the messages before it in a list 'messages'."
        )
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


def fields_seen(name: str, fields: list[str]) -> str:
    guess = did_you_mean(name, fields[:1000])
    seen = f" Fields seen: {_listing(fields) or 'none'}."
    return f"{guess}{seen}" if guess.startswith(" Did") else seen
