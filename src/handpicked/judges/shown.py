"""Extracts the answers from a stored judge prompt, as FastChat's MT-Bench judgements need it."""

from __future__ import annotations

import re

ONE_TURN = re.compile(
    r"\[The Start of Assistant( [AB])?'s Answer\]\n(.*?)\n\[The End of Assistant\1?'s Answer\]", re.DOTALL
)
TWO_TURNS = re.compile(
    r"<\|The Start of Assistant( [AB])?'s Conversation with User\|>\n(.*?)\n"
    r"<\|The End of Assistant\1?'s Conversation with User\|>",
    re.DOTALL,
)
LAST_ANSWER = re.compile(r".*^### Assistant(?: [AB])?:\n(.*)", re.DOTALL | re.MULTILINE)


def answers_shown(prompt: str) -> tuple[str, ...]:
    """The answers that one of FastChat's judge prompts shows, in their order: one, or two;
    none where it shows none.

    Of a conversation of two turns it is the last answer, which is the one that is judged.
    """
    single = [match.group(2) for match in ONE_TURN.finditer(prompt)]
    if single:
        return tuple(single)
    conversations = [match.group(2) for match in TWO_TURNS.finditer(prompt)]
    last = [LAST_ANSWER.match(conversation) for conversation in conversations]
    return tuple(match.group(1).strip() for match in last if match)
