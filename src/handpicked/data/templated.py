"""Texts that are a whole conversation in a chat template, cut into its turns by the marks
that the template leaves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from handpicked.data.turns import BLANK, ROLES
from handpicked.records import Message


@dataclass(frozen=True)
class _Marks:
    """How a template marks turns: ``header`` has the role as its group, ``ends`` is
    what may stand after a turn.
    """

    name: str
    header: re.Pattern[str]
    ends: str = ""


_END = r"</s>|<\|endoftext\|>|<eos>|<\|eot_id\|>"
MARKS = (
    _Marks("ChatML", re.compile(r"<\|im_start\|>(\w+)\n?"), r"<\|im_end\|>"),
    _Marks(
        "Llama 3",
        re.compile(r"<\|start_header_id\|>(\w+)<\|end_header_id\|>\n*"),
        r"<\|eot_id\|>|<\|eom_id\|>|<\|end_of_text\|>",
    ),
    _Marks("Gemma", re.compile(r"<start_of_turn>(\w+)\n?"), r"<end_of_turn>|<eos>"),
    _Marks("Zephyr", re.compile(r"<\|(system|user|assistant)\|>\n?"), rf"<\|end\|>|{_END}"),
    _Marks("Alpaca", re.compile(r"(?:^|(?<=\n))### (Instruction|Input|Response):[ \n]*"), _END),
    _Marks("Guanaco", re.compile(r"### (Human|Assistant|System|User):[ \n]*"), _END),
    _Marks("Vicuna", re.compile(r"(?:^|(?<=\s)|(?<=</s>))(USER|ASSISTANT):[ \n]?"), _END),
    _Marks("Human and Assistant", re.compile(r"(?:^|\n\n)(Human|Assistant):[ \n]?"), _END),
)
_INST = re.compile(r"\[INST\](.*?)\[/INST\](.*?)(?=\[INST\]|\Z)", re.DOTALL)
_SYSTEM = re.compile(r"\s*<<SYS>>\s*(.*?)\s*<</SYS>>\s*", re.DOTALL)
_BEGIN = re.compile(r"^\s*(?:<s>|<bos>|<\|begin_of_text\|>|<\|endoftext\|>)*\s*")
_PREAMBLE = "Below is an instruction that describes a task"
_ROLES = {**ROLES, "instruction": "user", "input": "user", "response": "assistant"}


def template_of(text: str) -> str | None:
    """The name of the template that ``text`` shows, or None."""
    found = split(text)
    return None if found is None else found[0]


def split(text: str) -> tuple[str, list[Message]] | None:
    """The name of the template of ``text`` and its turns; None where no known one
    shows a prompt and a response.
    """
    for name, turns in (*((marks.name, _marked(text, marks)) for marks in MARKS), ("Llama 2", _inst(text))):
        roles = {turn.role for turn in turns}
        if {"user", "assistant"} <= roles:
            return name, turns
    return None


def _marked(text: str, marks: _Marks) -> list[Message]:
    found = list(marks.header.finditer(text))
    if not found or any(one[1].lower() not in _ROLES for one in found):
        return []
    before = _BEGIN.sub("", text[: found[0].start()]).strip(BLANK)
    turns = [Message("system", before)] if before and not before.startswith(_PREAMBLE) else []
    ends = [one.start() for one in found[1:]] + [len(text)]
    for head, end in zip(found, ends, strict=True):
        said = (
            re.sub(rf"\s*(?:{marks.ends})\s*\Z", "", text[head.end() : end])
            if marks.ends
            else text[head.end() : end]
        )
        said = said.strip(BLANK)
        if head[1] == "Input" and turns and turns[-1].role == "user":
            prompt = turns.pop().content
            turns.append(Message("user", f"{prompt}\n\n{said}", said) if said else Message("user", prompt))
        elif said:
            turns.append(Message(_ROLES[head[1].lower()], said))
    return turns


def _inst(text: str) -> list[Message]:
    turns: list[Message] = []
    for prompt, said in _INST.findall(text):
        system = _SYSTEM.match(prompt)
        if system is not None:
            turns.append(Message("system", system[1]))
            prompt = prompt[system.end() :]
        turns.append(Message("user", prompt.strip(BLANK)))
        said = re.sub(r"\s*</s>\s*(?:<s>)?\s*\Z", "", said).strip(BLANK)
        if said:
            turns.append(Message("assistant", said))
    return turns
