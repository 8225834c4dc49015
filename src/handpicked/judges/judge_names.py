"""The names that stored reviews use for their judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from handpicked.judges.rows import Rows

JUDGED = ("question_id", "uid", "turn", "model", "model_1", "model_2", "model_a", "model_b")
"""Fields that say what a row judges."""


def with_judge_names(parts: Sequence[Rows]) -> list[Rows]:
    """The rows with each judge as one name.

    FastChat stores a judge as a list of its model and its prompt, and uses one prompt for mathematics and one
    for the second turn: these are one judge, named by its model. Where one model judged the same answers with
    two prompts they are two judges, and the prompt is part of the name.
    """
    prompts: dict[tuple[str, ...], set[str]] = {}
    for part in parts:
        for row in part.rows:
            if listed := _listed(row):
                prompts.setdefault((listed[0], *(str(row.get(name)) for name in JUDGED)), set()).add(
                    "/".join(listed)
                )
    several = {model for (model, *_), names in prompts.items() if len(names) > 1}
    return [replace(part, rows=[_named(row, several) for row in part.rows]) for part in parts]


def _listed(row: Mapping[str, object]) -> list[str]:
    judge = row.get("judge")
    return list(map(str, judge)) if isinstance(judge, (list, tuple)) else []


def _named(row: dict[str, object], several: set[str]) -> dict[str, object]:
    listed = _listed(row)
    if not listed:
        return row
    return {**row, "judge": "/".join(listed) if listed[0] in several else listed[0]}
