"""Tool calls, and the tools that a row declares, as OpenAI, Hugging Face, Anthropic and others write them."""

from __future__ import annotations

from collections.abc import Mapping

from handpicked.data.formats.cells import BLANK, json_text, literal
from handpicked.records import ToolCall

CALLS = ("tool_calls", "function_call", "function_calls")
"""The fields of a turn that hold its calls."""
CALL_IDS = ("tool_call_id", "tool_use_id", "call_id", "toolUseId", "toolCallId")
ARGUMENTS = ("arguments", "parameters", "input", "args")
NAMES = ("name", "toolName")


def calls_of(turn: Mapping[str, object]) -> tuple[tuple[ToolCall, ...], str]:
    """The calls of a turn; where they are none that can be read, their JSON."""
    for name in CALLS:
        value = turn.get(name)
        if not value:
            continue
        made = calls_in(literal(value) if isinstance(value, str) else value)
        return (made, "") if made else ((), value if isinstance(value, str) else json_text(value))
    return (), ""


def calls_in(value: object) -> tuple[ToolCall, ...]:
    """Tool calls as OpenAI, Hugging Face and ShareGPT write them: one or a list; nothing where any is none."""
    listed = value if isinstance(value, list) else [value]
    made = [call_in(one) for one in listed]
    return tuple(one for one in made if one is not None) if None not in made else ()


def call_in(value: object) -> ToolCall | None:
    """The call that an object is, or ``None``."""
    if not isinstance(value, Mapping):
        return None
    function = value.get("function")
    said = function if isinstance(function, Mapping) else value
    names = (*(said.get(key) for key in NAMES), function)
    name = next((one for one in names if isinstance(one, str)), None)
    if name is None:
        return None
    found = [said[key] for key in ARGUMENTS if said.get(key) is not None]
    arguments: object = found[0] if found else {}
    text = arguments if isinstance(arguments, str) else json_text(arguments)
    return ToolCall(name, text, call_id(value, "id"), isinstance(arguments, str))


def call_id(value: Mapping[str, object], *further: str) -> str:
    """The id by which a result names its call, and a call itself (in ``further`` fields)."""
    return next((found for key in (*further, *CALL_IDS) if isinstance(found := value.get(key), str)), "")


def tools_in(value: object) -> str:
    """The tools that a row declares as JSON text: a list, or the text of one. A text that
    is not JSON stays as it is.
    """
    if isinstance(value, str):
        text = value.strip(BLANK)
        value = literal(text)
        if value is None:
            return "" if text.lower() in ("none", "null", "nan") else text
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list) or not value:
        return ""
    bare = [{"type": "function", "function": one} if _is_bare(one) else one for one in value]
    return json_text(bare)


def _is_bare(tool: object) -> bool:
    """Whether a tool is declared as OpenAI's old ``functions`` were."""
    return isinstance(tool, Mapping) and "name" in tool and "function" not in tool and "type" not in tool
