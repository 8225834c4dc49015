"""A judge's reply without its reasoning, with ASCII digits."""

from __future__ import annotations

import re

_TAG = "(?:think|thinking|thoughts?|reasoning)"
OPENED = re.compile(rf"\s*(?:<{_TAG}>|\[{_TAG}\])", re.IGNORECASE)
CLOSED = re.compile(rf"</{_TAG}>|\[/{_TAG}\]", re.IGNORECASE)
CLOSED_LINE = re.compile(rf"(?:</{_TAG}>|\[/{_TAG}\])[ \t]*$", re.IGNORECASE | re.MULTILINE)
WIDE = {**{0xFF01 + place: 0x21 + place for place in range(94)}, 0x3000: 0x20}
"""Full-width forms, which replies in Chinese and Japanese use for digits and colons, and their ASCII."""


def spoken(reply: str) -> str:
    """The reply after its thoughts (``<think>`` ... ``</think>``), with full-width digits made ASCII.

    Nothing is left of a reply that opens its thoughts and never closes them: it was cut. Where the template
    opened the thoughts, the reply holds the closing tag alone; it counts at the end of a line, because a tag
    that is quoted in a sentence closes nothing.
    """
    text = reply.translate(WIDE)
    if OPENED.match(text):
        end = CLOSED.search(text)
        return text[end.end() :] if end else ""
    ends = list(CLOSED_LINE.finditer(text))
    return text[ends[-1].end() :] if ends else text


def nothing_said(reply: str) -> str:
    """Why ``spoken`` leaves nothing of a reply."""
    return "the reply ends within its thoughts" if reply.strip() else "an empty reply"
