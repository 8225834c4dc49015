"""Whether answers to prompts with short references stay short and right.

The signature of a style learned at the expense of the task: answers to questions whose reference is a few
words grow, while fewer of them hold it (as on the factual benchmarks of LIMA-like models; Gudibande et al.,
2023, arXiv 2305.15717).
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence

from handpicked.records import Completion, Estimate, Prompt
from handpicked.results.facts import ArmFacts
from handpicked.results.sections.benchmarks import ShortAnswers
from handpicked.statistics import seeds

MOST_WORDS = 5
"""Words of a reference up to which its prompt asks for a short answer."""
LEAST_PROMPTS = 20
"""Prompts below which nothing is reported."""


def short_answers(
    groups: Mapping[str, Sequence[ArmFacts]], prompts: Sequence[Prompt], completions: Sequence[Completion]
) -> tuple[ShortAnswers, ...]:
    """For each arm: words an answer and the share of answers that hold the reference, and
    both against the base model.

    Empty where fewer than ``LEAST_PROMPTS`` prompts have a reference of at most ``MOST_WORDS`` words. An
    answer holds a reference when its words occur in it in a row, after SQuAD's normalisation (Rajpurkar et
    al., 2016): the lenient rule, under which a longer answer is right more easily.
    """
    references = {p.prompt_id: words(p.reference) for p in prompts if p.reference and _is_short(p.reference)}
    if len(references) < LEAST_PROMPTS:
        return ()
    lengths: dict[str, dict[str, float | None]] = {}
    right: dict[str, dict[str, float | None]] = {}
    for answer in completions:
        if answer.prompt_id in references:
            said = words(answer.answer)
            lengths.setdefault(answer.arm, {})[answer.prompt_id] = len(answer.answer.split())
            right.setdefault(answer.arm, {})[answer.prompt_id] = float(
                holds(said, references[answer.prompt_id])
            )
    found = []
    for name, members in groups.items():
        untouched = next(
            (g for g in groups.values() if (g[0].by, g[0].base) == ("none", members[0].base)), ()
        )
        others = untouched if members[0].by != "none" else ()
        of_words = _with_difference(lengths, members, others, share=False)
        of_right = _with_difference(right, members, others, share=True)
        found.append(ShortAnswers(name, len(references), *of_words, *of_right))
    return tuple(found)


def _with_difference(
    values: Mapping[str, seeds.Values],
    members: Sequence[ArmFacts],
    others: Sequence[ArmFacts],
    *,
    share: bool,
) -> tuple[Estimate | None, Estimate | None]:
    """The mean of an arm, and how far it lies above that of others."""
    mine, base = ([values[m.name] for m in side if m.name in values] for side in (members, others))
    return (
        seeds.mean(mine, share=share) if mine else None,
        seeds.difference(mine, base) if mine and base else None,
    )


def _is_short(reference: str) -> bool:
    return len(reference.split()) <= MOST_WORDS and len(words(reference)) > 0


def words(text: str) -> list[str]:
    """Lower case, without punctuation and English articles, split at white space."""
    plain = "".join(" " if mark in string.punctuation else mark for mark in text.lower())
    return re.sub(r"\b(a|an|the)\b", " ", plain).split()


def holds(answer: Sequence[str], reference: Sequence[str]) -> bool:
    """Whether the words of the reference occur in the answer in a row."""
    size = len(reference)
    return any(list(answer[i : i + size]) == list(reference) for i in range(len(answer) - size + 1))
