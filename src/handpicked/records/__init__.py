"""The records that stages exchange. No IO, no torch; Arrow only in annotations.

Everything joins on ``row`` (position in the pool) or on ``prompt_id`` (hash of the prompt), never on the
position in some file. A value that cannot be computed is ``None`` with a reason; it is never 0, -1 or a
default.
"""

from handpicked.records.estimate import Estimate, NotEstimable
from handpicked.records.judgement import Completion, Outcome, Pair, Preference, Prompt, Review, Verdict
from handpicked.records.line import LINE, to_json
from handpicked.records.message import Json, Message, ToolCall, messages_id, prompt_text
from handpicked.records.pool import AtHand, Example, Pool, Rejected, Runner, Shard, Turns, Unread
from handpicked.records.selection import Better, Cost, Dropped, SelectionSummary

__all__ = [
    "LINE",
    "AtHand",
    "Better",
    "Completion",
    "Cost",
    "Dropped",
    "Estimate",
    "Example",
    "Json",
    "Message",
    "NotEstimable",
    "Outcome",
    "Pair",
    "Pool",
    "Preference",
    "Prompt",
    "Rejected",
    "Review",
    "Runner",
    "SelectionSummary",
    "Shard",
    "ToolCall",
    "Turns",
    "Unread",
    "Verdict",
    "messages_id",
    "prompt_text",
    "to_json",
]
