"""The mean grade of each model by each judge that grades answers one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from handpicked.records import Estimate
from handpicked.results.judgements import MeanGrade
from handpicked.statistics.estimates import mean

if TYPE_CHECKING:
    from handpicked.judges.grades import Grade, Grades, Item


def mean_grades(grades: Grades) -> dict[str, tuple[MeanGrade, ...]]:
    """By judge, the models by their mean grade, highest first, with intervals over prompts; ``parts`` are the
    means of each turn or skill, where there are several.
    """
    found = {}
    for name, table in grades.items():
        means = {model: _mean_grade(items) for model, items in table.items()}
        order = sorted(means, key=lambda model: (means[model].value is None, -(means[model].value or 0)))
        found[name] = tuple(MeanGrade(model, means[model], _by_part(table[model])) for model in order)
    return found


def _mean_grade(items: Mapping[Item, Grade]) -> Estimate:
    known = [(item.prompt_id, grade.value) for item, grade in items.items() if grade.value is not None]
    prompts, values = [prompt for prompt, _ in known], [value for _, value in known]
    return mean(prompts, values, missing=len(items) - len(known))


def _by_part(items: Mapping[Item, Grade]) -> dict[str, Estimate]:
    parts: dict[str, dict[Item, Grade]] = {}
    for item, grade in items.items():
        name = item.skill or (f"turn {item.turn}" if item.turn else "")
        parts.setdefault(name, {})[item] = grade
    return {name: _mean_grade(part) for name, part in sorted(parts.items())} if len(parts) > 1 else {}
