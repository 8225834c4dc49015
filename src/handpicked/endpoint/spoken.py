"""A model's reply without its reasoning and the tokens of its chat template, with ASCII digits."""

from __future__ import annotations

import re

_TAG = "(?:(?:seed:)?think|thinking|thoughts?|reason|reasoning|analysis|scratchpad)"
_END = rf"</{_TAG}>|\[/{_TAG}\]|\u25c1/think\u25b7|<\|end_of_thought\|>"
OPENED = re.compile(rf"\s*(?:<{_TAG}>|\[{_TAG}\]|\u25c1think\u25b7|<\|begin_of_thought\|>)", re.IGNORECASE)
CLOSED = re.compile(_END, re.IGNORECASE)
CLOSED_LINE = re.compile(rf"(?:{_END})[ \t]*$", re.IGNORECASE | re.MULTILINE)
CHANNEL = re.compile(r"<\|channel\|>\s{0,9}(\w{1,20})[^<]{0,60}<\|message\|>")
"""What gpt-oss writes before a part of its reply: its analysis, or the final one."""
END_OF_TURN = re.compile(
    r"<\|(?:im_end|eot_id|eot|end|end_of_text|endoftext|end_of_turn|return|end\u2581of\u2581sentence)\|>"
    r"|</s>|<end_of_turn>|<eos>|\[/INST\]"
)
"""What ends a turn in a chat template; what a model writes after it is another turn, which it made up."""
WIDE = {**{0xFF01 + place: 0x21 + place for place in range(94)}, 0x3000: 0x20}
"""Full-width forms, which replies in Chinese and Japanese use for digits and colons, and their ASCII."""


def spoken(reply: str) -> str:
    """The reply after its thoughts (``<think>`` ... ``</think>``) and up to the token that ends its turn, with
    full-width digits made ASCII.

    Nothing is left of a reply that opens its thoughts and never closes them: it was cut. Where the template
    opened the thoughts, the reply holds the closing tag alone; it counts at the end of a line, because a tag
    that is quoted in a sentence closes nothing.
    """
    return END_OF_TURN.split(_after_thoughts(reply.translate(WIDE)), maxsplit=1)[0]


def _after_thoughts(text: str) -> str:
    channels = {match[1]: match.end() for match in CHANNEL.finditer(text)}
    if channels:
        return text[channels["final"] :] if "final" in channels else ""
    done = 0
    while opened := OPENED.match(text, done):  # one thought may follow another
        end = CLOSED.search(text, opened.end())
        if end is None:
            return ""
        done = end.end()
    if done:
        return text[done:]
    ends = list(CLOSED_LINE.finditer(text))
    return text[ends[-1].end() :] if ends else text


def nothing_said(reply: str) -> str:
    """Why ``spoken`` leaves nothing of a reply."""
    return "the reply ends within its thoughts" if reply.strip() else "an empty reply"
