"""Texts that are a whole conversation in a chat template, cut into its turns by the marks
that the template leaves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from handpicked.data.formats.calls import calls_in, tools_in
from handpicked.data.formats.cells import BLANK, literal
from handpicked.data.formats.turns import ROLES, turns_of
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
    _Marks("ChatML", re.compile(r"<\|im_start\|>(\w+)(?:<\|im_sep\|>|\n)?"), r"<\|im_end\|>"),
    _Marks("Kimi", re.compile(r"<\|im_(system|user|assistant|tool)\|>\w+<\|im_middle\|>"), r"<\|im_end\|>"),
    _Marks(
        "Llama 3",
        re.compile(r"<\|start_header_id\|>(\w+)<\|end_header_id\|>\n*"),
        r"<\|eot_id\|>|<\|eom_id\|>|<\|end_of_text\|>",
    ),
    _Marks("Llama 4", re.compile(r"<\|header_start\|>(\w+)<\|header_end\|>\n*"), r"<\|eot\|>|<\|eom\|>"),
    _Marks("DeepSeek", re.compile(r"<[｜|](User|Assistant)[｜|]>"), r"<[｜|]end▁of▁sentence[｜|]>"),
    _Marks(
        "Command R",
        re.compile(r"<\|START_OF_TURN_TOKEN\|><\|(SYSTEM|USER|CHATBOT)_TOKEN\|>"),
        r"<\|END_OF_TURN_TOKEN\|>",
    ),
    _Marks("Granite", re.compile(r"<\|start_of_role\|>(\w+)<\|end_of_role\|>"), r"<\|end_of_text\|>"),
    _Marks("Gemma", re.compile(r"<start_of_turn>(\w+)\n?"), r"<end_of_turn>|<eos>"),
    _Marks("MiniMax", re.compile(r"\]~b\](\w+)\n?"), r"\[e~\["),
    _Marks("Seed", re.compile(r"<seed:bos>(\w+)\n?"), r"<seed:eos>"),
    _Marks("EXAONE", re.compile(r"\[\|(system|user|assistant|tool)\|\]\n?"), r"\[\|endofturn\|\]"),
    _Marks("OpenChat", re.compile(r"GPT4(?: Correct)? (User|Assistant): ?"), r"<\|end_of_turn\|>"),
    _Marks("Baize", re.compile(r"\[\|(Human|AI)\|\] ?")),
    _Marks("OIG", re.compile(r"(?:^|(?<=\n))<(human|bot)>: ?")),
    _Marks("MOSS", re.compile(r"(?:\[|<\|)(Human|MOSS)(?:\]|\|>): ?"), r"<eo[ahm]>"),
    _Marks("Zephyr", re.compile(r"<\|(system|user|assistant|observation)\|>\n?"), rf"<\|end\|>|{_END}"),
    _Marks("Alpaca", re.compile(r"(?:^|(?<=\n))### (Instruction|Input|Response):[ \n]*"), _END),
    _Marks("Guanaco", re.compile(r"### (Human|Assistant|System|User):[ \n]*"), _END),
    _Marks("Vicuna", re.compile(r"(?:^|(?<=\s)|(?<=</s>))(USER|ASSISTANT|FUNCTION RESPONSE):[ \n]?"), _END),
    _Marks("Human and Assistant", re.compile(r"(?:^|\n\n)(Human|Assistant):[ \n]?"), _END),
    _Marks("User and Assistant", re.compile(r"(?:^|(?<=\n))(System|User|Assistant):[ \n]?"), _END),
)
_INST = re.compile(r"\[INST\](.*?)\[/INST\](.*?)(?=\[INST\]|\Z)", re.DOTALL)
_HARMONY = re.compile(
    r"<\|start\|>(?P<who>[^<]+)(?:<\|channel\|>(?P<channel>[^<]+))?(?:<\|constrain\|>\w+)?<\|message\|>"
    r"(?P<said>.*?)(?:<\|(?:end|return|call)\|>|\Z)",
    re.DOTALL,
)
_RECIPIENT = re.compile(r"to=functions\.(\S+)")
_MISTRAL_TOOLS = re.compile(r"\[AVAILABLE_TOOLS\](.*?)\[/AVAILABLE_TOOLS\]", re.DOTALL)
_RESULTS = re.compile(r"\[TOOL_RESULTS\](.*?)\[/TOOL_RESULTS\]", re.DOTALL)
_KIMI_TOOL = re.compile(r"<\|im_system\|>(?!system<|tool_declare<)[^<]*<\|im_middle\|>")
"""What a tool of Kimi returned; its template writes the tool's name where the role is."""
_MISTRAL_SYSTEM = re.compile(r"\[SYSTEM_PROMPT\](.*?)\[/SYSTEM_PROMPT\]", re.DOTALL)
_SYSTEM = re.compile(r"\s*<<SYS>>\s*(.*?)\s*<</SYS>>\s*", re.DOTALL)
_BEGIN = re.compile(
    r"^\s*(?:\[gMASK\]<sop>|\]~!b\[|<s>|<bos>|<\|begin_of_text\|>|<\|endoftext\|>|<[｜|]begin▁of▁sentence[｜|]>|<BOS_TOKEN>)*\s*"
)
_PREAMBLE = "Below is an instruction that describes a task"
_ROLES = {
    **ROLES,
    "instruction": "user",
    "input": "user",
    "response": "assistant",
    "chatbot": "assistant",
    "function response": "tool",
    "moss": "assistant",
}


def template_of(text: str) -> str | None:
    """The name of the template that ``text`` shows, or None."""
    found = split(text)
    return None if found is None else found[0]


def split(text: str) -> tuple[str, list[Message]] | None:
    """The name of the template of ``text`` and its turns; None where no known one
    shows a prompt and a response.
    """
    text = _KIMI_TOOL.sub("<|im_tool|>tool<|im_middle|>", text)
    marked = ((marks.name, _marked(text, marks)) for marks in MARKS)
    for name, turns in (("gpt-oss", _harmony(text)), *marked, ("Llama 2", _inst(text))):
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
        said = said.strip(BLANK).removeprefix("</think>").lstrip(BLANK)  # DeepSeek's mark of no thought
        if head[1] == "Input" and turns and turns[-1].role == "user":
            prompt = turns.pop().content
            turns.append(Message("user", f"{prompt}\n\n{said}", said) if said else Message("user", prompt))
        elif said:
            turns.append(Message(_ROLES[head[1].lower()], said))
    return turns


def _harmony(text: str) -> list[Message]:
    """The turns of gpt-oss's template; the channel ``analysis`` is the thought of the turn after it."""
    listed = [_harmony_turn(one) for one in _HARMONY.finditer(text)]
    return turns_of(listed, "text") if listed and all(turn["role"] in ROLES for turn in listed) else []


def _harmony_turn(found: re.Match[str]) -> dict[str, Any]:
    """One message: of an assistant that calls a function, of the function, or of anybody else."""
    who, channel, said = found["who"].strip(), (found["channel"] or "").strip(), found["said"]
    call = _RECIPIENT.search(f"{who} {channel}")
    if who.startswith("functions."):
        return {"role": "tool", "name": who.split()[0].removeprefix("functions."), "content": said}
    role = who.split()[0] if who else ""
    if call is not None:
        return {"role": role, "tool_calls": [{"name": call[1], "arguments": said}]}
    return {"role": role, "channel": channel, "content": said}


def _inst(text: str) -> list[Message]:
    """The turns of Llama 2 and Mistral, whose tools answer inside of what the assistant says."""
    system, declared = _MISTRAL_SYSTEM.search(text), _MISTRAL_TOOLS.search(text)
    turns = [Message("system", system[1].strip(BLANK))] if system is not None else []
    for prompt, said in _INST.findall(text):
        system = _SYSTEM.match(prompt)
        if system is not None:
            turns.append(Message("system", system[1]))
            prompt = prompt[system.end() :]
        turns.append(Message("user", prompt.strip(BLANK)))
        for place, part in enumerate(_RESULTS.split(_MISTRAL_TOOLS.sub("", said))):
            part = re.sub(r"\s*</s>\s*(?:<s>)?\s*\Z", "", part).strip(BLANK)
            calls = (
                calls_in(literal(part.removeprefix("[TOOL_CALLS]")))
                if part.startswith("[TOOL_CALLS]")
                else ()
            )
            if part:
                turns.append(
                    Message("tool" if place % 2 else "assistant", "" if calls else part, calls=calls)
                )
    tools = tools_in(declared[1]) if declared is not None else ""
    return [replace(turns[0], tools=tools), *turns[1:]] if tools and turns else turns
