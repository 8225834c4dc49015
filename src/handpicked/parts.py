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
    closing = _ENDS.get(opened.lastgroup or "") or re.compile(
        rf"</{opened['tag']}>" if opened["tag"] else rf"\[/{opened['square']}\]", re.IGNORECASE
    )
    ends = closing.search(text, opened.end())
    if ends is None:
        return text[opened.end() :].strip(), ""
    thought, answer = text[opened.end() : ends.start()].strip(), text[ends.end() :]
    if opened["channel"]:
        return thought, _FINISHED.sub("", _FINAL.sub("", answer, count=1)).lstrip()
    solution = _SOLUTION.match(answer) if opened["begin"] else None
    return thought, (solution[1].strip() if solution else answer.lstrip())
