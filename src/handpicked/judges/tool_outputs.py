"""Answers as inference tools write them, as rows with a prompt (or messages), an answer and a reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Row = dict[str, object]


def plain(rows: Sequence[Row]) -> tuple[str, list[Row]] | None:
    """The name of the tool whose rows these are, and each row in plain fields; None where they are of none.

    Raises:
        ValueError: a row has several answers, of which one must be kept.
    """
    fields = {str(name) for row in rows[:100] for name in row}
    for name, needed, read in TOOLS:
        if needed <= fields:
            return name, [read(row) for row in rows]
    if len(rows) == 1 and _is_by_prompt(rows[0]):
        return "answers by prompt", [
            {"prompt": prompt, "answer": answer} for prompt, answer in rows[0].items()
        ]
    return None


def _is_by_prompt(row: Row) -> bool:
    """Whether the names of an object are prompts and its values their answers: most names are several words."""
    spaced = sum(" " in name.strip() for name in row)
    return all(isinstance(text, str) for text in row.values()) and 2 * spaced > len(row)


def _vllm(row: Row) -> Row:
    """``RequestOutput`` of vLLM's offline batches."""
    return {"prompt": row.get("prompt"), "answer": _only(row.get("outputs"), "outputs", "text")}


def _lm_eval(row: Row) -> Row:
    """A line of lm-evaluation-harness's samples: the prompt is the first argument of its request, which are
    turns as JSON where it was made with a chat template.
    """
    first: object = row.get("arguments")
    while isinstance(first, Mapping | list):
        inner = list(first.values()) if isinstance(first, Mapping) else first
        first = inner[0] if inner else None
    answer: object = row.get("resps")
    while isinstance(answer, list):
        if _is_likelihood(answer):
            raise ValueError(
                "'resps' holds log-likelihoods, as a task of multiple choice has them, and no answer to judge"
            )
        answer = _only(answer, "resps")
    return {"prompt": first, "answer": answer, "reference": row.get("target")}


def _is_likelihood(value: object) -> bool:
    """Whether a value is a log-likelihood and whether it was the greedy choice, or holds such."""
    if not isinstance(value, list):
        return False
    return (len(value) == 2 and isinstance(value[1], bool)) or any(map(_is_likelihood, value))


def _llama_factory(row: Row) -> Row:
    """``generated_predictions.jsonl`` of LLaMA-Factory."""
    return {"prompt": row.get("prompt"), "answer": row.get("predict"), "reference": row.get("label")}


def _wild_bench(row: Row) -> Row:
    """What was asked is the history of the chat; ``model_input`` is it in the model's own chat template, or
    ``n/a``.
    """
    history = row.get("chat_history")
    if isinstance(history, list) and history and all(isinstance(text, str) for text in history):
        turns = [
            {"role": "assistant" if at % 2 else "user", "content": text} for at, text in enumerate(history)
        ]
        return {**row, "prompt": turns}
    return {**row, "prompt": history or row.get("model_input")}


def _only(values: object, field: str, name: str | None = None) -> object:
    """The only one of a list, or its field ``name``."""
    if not isinstance(values, list) or not values:
        return None
    if len(values) > 1:
        raise ValueError(
            f"'{field}' is a list of {len(values)} answers; one answer to a prompt is judged: keep one"
        )
    one: object = values[0]
    return one.get(name) if name is not None and isinstance(one, Mapping) else one


TOOLS: tuple[tuple[str, frozenset[str], Callable[[Row], Row]], ...] = (
    ("vLLM", frozenset({"prompt", "outputs"}), _vllm),
    ("lm-evaluation-harness", frozenset({"doc", "arguments", "resps"}), _lm_eval),
    ("LLaMA-Factory", frozenset({"prompt", "predict"}), _llama_factory),
    ("WildBench", frozenset({"model_input", "output"}), _wild_bench),
)
"""Name, the fields by which its rows are known, and what reads one."""
