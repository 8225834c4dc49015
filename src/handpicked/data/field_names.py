"""The usual names of fields, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Sequence

from handpicked.data.turns import REASONING

CHATS = (
    "messages", "conversations", "conversation", "contents", "dialogue", "dialog", "data", "chosen", "chat",
    "turns", "chat_messages",
)  # fmt: skip
OF_OBJECTS = ("chat", "turns", "chat_messages")
"""Those that are conversations only as lists of turns, and where there is no prompt and response beside them
(MT-Bench's turns are texts of questions).
"""
PROMPTS = ("instruction", "prompt", "question", "query", "problem", "input")
RESPONSES = ("output", "response", "completion", "attempt", "solution", "answer", "chosen")
"""A worked solution comes before the bare answer that it ends in."""
PAIRS = (
    ("inputs", "targets"),
    ("input", "target"),
    ("user", "assistant"),
    ("human", "assistant"),
    ("human", "gpt"),
    ("human", "bot"),
    ("q", "a"),
)
"""Fields that are a prompt and a response only together."""
SYSTEMS = ("system", "system_prompt", "system_message", "system_instruction", "systeminstruction")
TOOLS = ("tools", "functions")
LABELS = ("label", "kto_tag")
THOUGHTS = (*REASONING, "complex_cot", "thinking_trajectories")
FLAGS = ("on", "off", "true", "false", "yes", "no")
"""What a field says that tells whether a model was to think (Nemotron), and holds no thought."""
SEVERAL = (
    "completions", "answers", "responses", "generations", "candidates", "outputs", "samples", "predictions",
    "model_responses", "generated_responses",
)  # fmt: skip
"""Fields that list several answers to a prompt."""
VERDICTS = (
    "ratings", "scores", "rating", "score", "rewards", "reward", "correctness_math_verify", "correctness",
    "is_correct", "correct",
)  # fmt: skip
"""Fields that list what was found of each of several answers, higher for a better one."""
RATINGS = (
    ("score_chosen", "score_rejected"),
    ("chosen_score", "rejected_score"),
    ("chosen-rating", "rejected-rating"),
    ("chosen_rating", "rejected_rating"),
    ("rating_chosen", "rating_rejected"),
    ("chosen_reward", "rejected_reward"),
)
"""Where the ratings of both sides of a preference are."""
TEMPLATED = (
    "### Response:",
    "<|im_start|>",
    "[/INST]",
    "<|assistant|>",
    "<start_of_turn>",
    "<|start_header_id|>",
    "ASSISTANT:",
)
"""What shows that a text is a whole conversation in a template."""
CONVERSATION_IDS = (
    "message_tree_id",
    "conversation_id",
    "thread_id",
    "session_id",
    "dialogue_id",
    "dialog_id",
)
INPUTS = {"instruction": ("input", "context"), "question": ("context",)}


def by_name(fields: Sequence[str]) -> dict[str, str]:
    """The fields by their names in lower case, without spaces or a byte-order mark around them."""
    return {field.strip(" \t\ufeff").lower(): field for field in reversed(fields)}
