"""A judge's verdicts in the columns of labelled pairs, as in LLMBar's and PandaLM's results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from handpicked.judges.outcome import swapped
from handpicked.judges.review_shapes import LETTERS
from handpicked.judges.rows import Rows
from handpicked.records import Preference, Review

Reviews = tuple[Review, ...]
ENDINGS = ("_result", "_verdict", "_winner")
"""How fields of verdicts end, after the judge's name: PandaLM has ``gpt_result`` and ``pandalm_result``."""
BY_NAME: dict[str, Preference] = {
    **dict.fromkeys(("0", "tie"), "tie"),
    **dict.fromkeys(("1", "first", "a"), "first"),
    **dict.fromkeys(("2", "second", "b"), "second"),
}


def stored_reviews(row: Mapping[str, object], part: Rows) -> dict[str, Reviews]:
    """The reviews of each judge that the row holds; none where it holds none. Raises
    ValueError for a broken one.
    """
    found: dict[str, Reviews] = {}
    for name, value in row.items():
        judge, _, ending = str(name).rpartition("_")
        if judge and f"_{ending}" in ENDINGS:
            found[judge] = (_column(value, row.get(f"{judge}_reason")),)
    results = row.get("results")
    if isinstance(results, int | float) and {"chosen", "rejected"} <= row.keys():
        found[part.stem] = (_reward_bench(results),)
    elif results is not None:
        found[_llmbar_judge(part)] = _llmbar(results)
    if isinstance(row.get("judgments"), list):
        found[str(row.get("judge_name") or part.stem)] = _judge_bench(row["judgments"])
    return found


def _reward_bench(value: float) -> Review:
    """1 where the judge preferred the better answer, 0 where the other, 0.5 for neither; in an order that
    RewardBench does not store.
    """
    names: dict[float, Preference] = {1.0: "first", 0.5: "tie", 0.0: "second"}
    preferred = names.get(float(value))
    return Review(
        "unknown", preferred, str(value), reason=None if preferred else f"the stored result is {value}"
    )


def _judge_bench(judgments: object) -> Reviews:
    """Decisions on the pair as it is, and with its responses exchanged."""
    listed = judgments if isinstance(judgments, list) else []
    return tuple(
        _decision(order, one.get("decision") if isinstance(one, Mapping) else None)
        for order, one in zip(("ab", "ba"), listed, strict=False)
    )


def _decision(order: str, decision: object) -> Review:
    preferred = LETTERS.get("".join(str(decision).upper().split()))
    shown: Literal["ab", "ba"] = "ba" if order == "ba" else "ab"
    reason = None if preferred else f"the stored decision is {decision}"
    return Review(shown, preferred, str(decision), reason=reason)


def _column(value: object, reason: object) -> Review:
    """One review, with the first answer first. What is not a verdict (PandaLM's ``garbage``) could not be
    read.
    """
    given = f"{value:g}" if isinstance(value, float) else str(value).strip().lower()
    preferred = BY_NAME.get(given)
    raw = reason if isinstance(reason, str) and reason else json.dumps(value)
    return Review("ab", preferred, raw, reason=None if preferred else f"the stored verdict is '{value}'")


def _llmbar(results: object) -> Reviews:
    """Two reviews. ``winner`` is the number of the answer in both orders; earlier
    entries are the judge's drafts.
    """
    last = results[-1] if isinstance(results, list) and results else None
    if not isinstance(last, Mapping) or not {"swap = False", "swap = True"} <= last.keys():
        raise ValueError("'results' does not end in an object with 'swap = False' and 'swap = True'")
    first, second = (_side(last[f"swap = {order}"]) for order in ("False", "True"))
    return (
        Review("ab", first[0], first[1], reason=first[2]),
        Review("ba", swapped(second[0]), second[1], reason=second[2]),
    )


def _side(given: object) -> tuple[Preference | None, str, str | None]:
    """What is preferred, the judge's text, and why nothing is preferred."""
    winner = given.get("winner") if isinstance(given, Mapping) else given
    completion = given.get("completion") if isinstance(given, Mapping) else None
    raw = str(completion[0]) if isinstance(completion, list) and completion else json.dumps(winner)
    preferred = BY_NAME.get(str(winner))
    return preferred, raw, None if preferred else f"the stored winner is {winner}"


def _llmbar_judge(part: Rows) -> str:
    """``GPT-4/Swap`` of ``evaluators/GPT-4/Swap/result.json``; else the file's name."""
    *_, above, model, prompt, _ = ("", "", "", *part.file.parts)
    return f"{model}/{prompt}" if above == "evaluators" else part.stem
