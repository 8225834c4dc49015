"""Two columns about the turns of a conversation, for guards: who speaks when, and the turns of rows with
tools.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from handpicked.records import Message, to_json

TAG = "<tool_call>"
"""Where a text holds a call of a tool (Hermes, Qwen)."""
PAIR = "user assistant"


def turn_roles(messages: Sequence[Message]) -> str:
    """The roles of the turns, one word each; ``calls`` for a turn of the assistant that calls tools."""
    return " ".join(
        "calls" if turn.calls or (turn.role == "assistant" and TAG in turn.content) else turn.role
        for turn in messages
    )


def tool_turns(messages: Sequence[Message]) -> str | None:
    """The turns as JSON where the row has to do with tools, else None. Most rows have nothing to do with
    them, so that nothing of them is written or parsed.
    """
    used = (turn.calls or turn.tools or turn.role == "tool" or TAG in turn.content for turn in messages)
    return to_json(list(messages)) if any(used) else None


def pair_roles(response: pa.Array) -> pa.Array:
    """``turn_roles`` of plain pairs of a prompt and a response."""
    return pc.if_else(_tagged(response), PAIR.replace("assistant", "calls"), PAIR)


def pair_tool_turns(prompt: pa.Array, response: pa.Array) -> pa.Array:
    """``tool_turns`` of plain pairs of a prompt and a response."""
    found: list[str | None] = [None] * len(response)
    tagged = pc.or_(_tagged(prompt), _tagged(response)).to_numpy(zero_copy_only=False)
    for index in np.flatnonzero(tagged).tolist():
        turns = (Message("user", prompt[index].as_py()), Message("assistant", response[index].as_py()))
        found[index] = tool_turns(turns)
    return pa.array(found, pa.large_string())


def _tagged(texts: pa.Array) -> pa.Array:
    return pc.fill_null(pc.match_substring(texts, TAG), False)
