"""The parts of a response: the thought at its start, and the answer after it.

Models write a thought in their own ways: between ``<think>`` and ``</think>`` (and ``<thinking>``,
``<thought>``, ``<reasoning>``, ``[THINK]``, ``<seed:think>``, Kimi's triangles), between
``<|begin_of_thought|>`` and ``<|end_of_thought|>`` (Sky-T1, OpenThoughts), or in the channel ``analysis``
(gpt-oss). Where the prompt opens the thought (DeepSeek-R1), a response holds only its end.
"""

from __future__ import annotations

import re
from typing import Literal

Part = Literal["response", "thought", "answer"]
PARTS: tuple[Part, ...] = ("response", "thought", "answer")

_NAME = "(?:think|thinking|thoughts?|reasoning|seed:think)"
_OPEN = re.compile(
    rf"\s*(?:<(?P<tag>{_NAME})>|\[(?P<square>{_NAME})\]|(?P<kimi>◁think▷)|(?P<begin><\|begin_of_thought\|>)"
    r"|(?:<\|start\|>assistant)?<\|channel\|>(?P<channel>analysis)<\|message\|>)",
    re.IGNORECASE,
)
_ENDS = {
    "kimi": re.compile("◁/think▷"),
    "begin": re.compile(r"<\|end_of_thought\|>"),
    "channel": re.compile(r"<\|end\|>|(?=<\|start\|>assistant)"),
}
_MARK = re.compile(
    rf"^[ \t]*(?P<open><(?P<tag>{_NAME})>|\[(?P<square>(?-i:THINK))\]|(?P<kimi>◁think▷)|(?P<begin><\|begin_of_thought\|>))"
    rf"|(?P<close></{_NAME}>|\[/(?-i:THINK)\]|◁/think▷|<\|end_of_thought\|>)[ \t]*(?=\n|\Z)"
    r"|(?P<channel><\|channel\|>analysis<\|message\|>)",
    re.IGNORECASE | re.MULTILINE,
)
MARKS = rf"(?i)</?{_NAME}>|\[/?THINK\]|◁/?think▷|_of_thought\|>|<\|channel\|>analysis"
"""What a text with any mark of a thought matches, as RE2 reads it too."""
_LONE_END = re.compile(rf"</{_NAME}>[ \t]*(?=\n|\Z)", re.IGNORECASE)
_FINAL = re.compile(r"\s*(?:<\|start\|>assistant)?<\|channel\|>final<\|message\|>")
_SOLUTION = re.compile(r"\s*<\|begin_of_solution\|>(.*?)(?:<\|end_of_solution\|>\s*)?\Z", re.DOTALL)
_FINISHED = re.compile(r"<\|(?:return|end)\|>\s*\Z")
MARKED = (
    rf"(?i)^\s*(?:<{_NAME}>|\[{_NAME}\]|◁think▷|<\|begin_of_thought\|>|<\|start\|>|<\|channel\|>)|</{_NAME}>"
)
"""What a text with a thought matches (as RE2 reads it too); most texts do not, and are not looked at further.
"""
_MARKED = re.compile(MARKED)


def thought_and_answer(text: str) -> tuple[str, str]:
    """The thought at the start of ``text``, without its marks and the white space
    around it, and what follows it.

    A text without a thought is all answer, unchanged. A thought that never ends is all there is: the answer
    is empty. A closing mark alone counts at the end of a line, because one that is quoted in a sentence
    closes nothing.
    """
    if not _MARKED.search(text):
        return "", text
    opened = _OPEN.match(text)
    if opened is None:
        final = _FINAL.match(text)
        if final is not None:
            return "", _FINISHED.sub("", text[final.end() :])
        ends = _LONE_END.search(text)
        return ("", text) if ends is None else (text[: ends.start()].strip(), text[ends.end() :].lstrip())
    closing = _closing(opened)
    ends = closing.search(text, opened.end())
    if ends is None:
        return text[opened.end() :].strip(), ""
    thought, answer = text[opened.end() : ends.start()].strip(), text[ends.end() :]
    if opened["channel"]:
        return thought, _FINISHED.sub("", _FINAL.sub("", answer, count=1)).lstrip()
    solution = _SOLUTION.match(answer) if opened["begin"] else None
    return thought, (solution[1].strip() if solution else answer.lstrip())


def unpaired_mark(text: str) -> str | None:
    """The first mark of a thought that has no partner, and what is wrong with it; ``None`` where all are
    paired.

    Marks count where a thought could begin or end: one that opens at the beginning of a line, one that closes
    at the end of one.
    """
    place = 0
    while (mark := _MARK.search(text, place)) is not None:
        if mark["close"]:
            return f"{mark['close']} closes a thought that nothing opens"
        opened = mark["open"] or mark["channel"]
        closing = _closing(mark).search(text, mark.end())
        if closing is None:
            return f"{opened} never closes"
        place = max(closing.end(), mark.end())
    return None


def is_empty_thought(text: str) -> bool:
    """Whether a text begins with the marks of a thought, and nothing is between them."""
    opened = _OPEN.match(text)
    if opened is None:
        return False
    ends = _closing(opened).search(text, opened.end())
    return ends is not None and not text[opened.end() : ends.start()].strip()


def _closing(opened: re.Match[str]) -> re.Pattern[str]:
    """What closes a thought that was opened so."""
    for kind, ends in _ENDS.items():
        if opened[kind]:
            return ends
    return re.compile(rf"</{opened['tag']}>" if opened["tag"] else rf"\[/{opened['square']}\]", re.IGNORECASE)
