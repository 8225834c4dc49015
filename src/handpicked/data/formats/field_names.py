"""The usual names of fields, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Sequence

from handpicked.data.formats.blocks import REASONING

CHATS = (
    "messages", "conversations", "conversation", "contents", "dialogue", "dialog", "data", "chosen", "chat",
    "turns", "chat_messages", "chat_history", "trajectory", "transcript",
)  # fmt: skip
OF_OBJECTS = ("chat", "turns", "chat_messages", "chat_history", "trajectory", "transcript")
"""Those that are conversations only as lists of turns, and where there is no prompt and response beside them
(MT-Bench's turns are texts of questions).
"""
PROMPTS = (
    "instruction", "instructions", "prompt", "user_prompt", "question", "query", "user_query", "problem", "input",
    "user_input", "input_text",
)  # fmt: skip
RESPONSES = ("output", "response", "completion", "attempt", "solution", "answer", "chosen")
"""A worked solution comes before the bare answer that it ends in."""
FURTHER_RESPONSES = (
    "generated_solution", "canonical_solution", "generation", "best_answer", "long_answer", "correct_answer",
    "model_response", "assistant_response", "model_output", "output_text", "expected_output", "expectedoutput", "expected",
    "ideal", "reply", "generated_text",
)  # fmt: skip
"""Less usual ones, which are a response only beside a prompt that is a field of its own."""
PREFERENCES = (
    ("chosen", "rejected"),
    ("chosen_response", "rejected_response"),
    ("accepted", "rejected"),
    ("preferred", "dispreferred"),
    ("better", "worse"),
    ("win", "lose"),
)
"""The fields of the better and the worse answer; but for the first, a response only together."""
PAIRS = (
    ("inputs", "targets"),
    ("input", "target"),
    ("user", "assistant"),
    ("human", "assistant"),
    ("human", "gpt"),
    ("human", "bot"),
    ("q", "a"),
    ("message_1", "message_2"),
    ("user_message", "assistant_message"),
    ("document", "summary"),
    ("article", "summary"),
    ("article", "highlights"),
    ("dialogue", "summary"),
    ("text", "summary"),
    ("text", "code"),
    ("nl", "code"),
    ("post", "reply"),
    ("context", "response"),
    ("src", "tgt"),
)
"""Fields that are a prompt and a response only together."""
HISTORIES = ("history", "chat_history", "conversation_history")
"""Fields of the turns before a prompt."""
SYSTEMS = ("system", "system_prompt", "system_message", "system_instruction", "systeminstruction")
TOOLS = ("tools", "functions")
LABELS = ("label", "kto_tag")
THOUGHTS = (
    *REASONING, "complex_cot", "thinking_trajectories", "cot", "chain_of_thought", "think", "thinking_content",
    "reasoning_trace",
)  # fmt: skip
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
INPUTS = {
    "instruction": ("input", "context"),
    "instructions": ("input", "context"),
    "question": ("context", "passage", "support"),
}


def by_name(fields: Sequence[str]) -> dict[str, str]:
    """The fields by their names in lower case, without spaces or a byte-order mark around them, and with
    underscores for the spaces in them.
    """
    return {field.strip(" \t\ufeff").lower().replace(" ", "_"): field for field in reversed(fields)}
