"""Joins two files of reviews, each in one order, into reviews in both orders.

AlpaGasus (Chen et al., 2023) writes ``FIRST-SECOND-SET.json``: its rows hold both answers in fields of these
two names, the ``review`` and its ``score``, a list of two. Vicuna's reviews name the answers by
``answer1_id`` and ``answer2_id``. Others call them ``Answer1`` and ``Answer2``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from handpicked.errors import PoolError
from handpicked.judges.review_shapes import Order, Reviewed, judge_in, prompt_of, reviewed, scored
from handpicked.judges.rows import PROMPTS, Rows
from handpicked.records import Review

NAME = "reviews in one order"
KNOWN = (
    "reviews in one order (review, score as a list of two, and both answers in "
    "fields named as in the file's name "
    "FIRST-SECOND-SET.json, or Answer1 and Answer2, or answer1_id and answer2_id)"
)
NOT_ANSWERS = {
    *PROMPTS,
    "review",
    "text",
    "category",
    "input",
    "judge",
    "test_set",
    "reviewer_id",
    "review_id",
    "id",
}
PLAIN = ("Answer1", "Answer2")
IDS = ("answer1_id", "answer2_id")


@dataclass(frozen=True, slots=True)
class Names:
    """What the file calls the answer that it shows first and the other; ``fields`` hold their texts (or ids)."""

    models: tuple[str, str]
    fields: tuple[str, str]
    test_set: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One review: the row, what was shown first and second, and what distinguishes these."""

    row: Mapping[str, object]
    names: Names
    judge: str
    marks: tuple[str, str]
    turned: bool

    def review(self, order: Order) -> Review:
        """The review as one of this order."""
        stored = self.row.get("score", self.row.get("scores"))
        raw = (
            self.row.get("review")
            if self.names.fields != IDS
            else self.row.get("review", self.row.get("text"))
        )
        return scored(order, raw, stored)


def is_one_order(part: Rows) -> bool:
    """Whether a file holds reviews of pairs, each in one order."""
    if "review" in part.fields and set(PLAIN) <= part.fields:
        return True
    stored = [row.get("score", row.get("scores")) for row in part.rows[:100]]
    pairs = [score for score in stored if isinstance(score, list) or str(score).startswith("[")]
    return bool(pairs) and bool({"review", "text"} & part.fields)


def joined(
    parts: Sequence[Rows], turned: Sequence[Rows], a: str | None, b: str | None
) -> tuple[list[Reviewed], list[str]]:
    """The verdicts of all files, and in words what is missing. ``turned`` holds the other order.

    A review belongs to that of the same prompt, judge and answers in another file. The names in the file's
    name show which answer came first, else ids or texts, else ``turned``. Raises PoolError where two reviews
    of a pair are in the same order, or where nothing says which answer was shown first.
    """
    found: dict[tuple[object, ...], list[Shown]] = {}
    base: Names | None = None
    for part, other in [*((part, False) for part in parts), *((part, True) for part in turned)]:
        seen: Counter[tuple[object, ...]] = Counter()
        names = _names(part, (b or base.models[1], a or base.models[0]) if other and base else (a, b))
        if other and base:
            names = replace(names, test_set=names.test_set or base.test_set)
        base = base or names
        for one in (_shown(row, part, names, other, n) for n, row in enumerate(part.rows, 1)):
            key = (names.test_set, one.judge, _prompt_of(one.row), frozenset(one.marks))
            seen[key] += 1
            found.setdefault((*key, seen[key]), []).append(one)
    verdicts = []
    for group in found.values():
        try:
            verdicts.append(_verdict(group, parts))
        except ValueError as error:
            place = f"{parts[0].file.parent}, the review of {prompt_of(group[0].row)[:60]!r}"
            raise PoolError(f"{place} cannot be read: {error}.") from error
    alone = sum(len(one.verdict.reviews) == 1 for one in verdicts)
    notes = [f"{alone} of {len(verdicts)} pairs were judged in one order only"] if alone else []
    return verdicts, notes


def _verdict(group: Sequence[Shown], parts: Sequence[Rows]) -> Reviewed:
    base, *others = group
    orders: list[Order] = ["ab", *("ba" if _is_turned(one, base) else "ab" for one in others)]
    if len(set(orders)) < len(orders):
        raise PoolError(
            f"{parts[0].file.parent}: a pair has {len(group)} reviews with the same "
            "answer first (its prompt begins "
            f"{prompt_of(base.row)[:60]!r}). Give the file of the other order by --reversed."
        )
    reviews = [one.review(order) for one, order in zip(group, orders, strict=True)]
    texts = None if base.names.fields == IDS else tuple(base.row.get(field) for field in base.names.fields)
    answers = None if texts is None else (texts[0], texts[1])
    prompt = None if texts is None else prompt_of(base.row) or None
    return reviewed(
        base.row,
        base.names.models,
        base.judge,
        reviews,
        prompt=prompt,
        answers=answers,
        test_set=base.names.test_set,
    )


def _is_turned(one: Shown, base: Shown) -> bool:
    """Whether a review shows first what ``base`` shows second; of two equal answers it is the other order."""
    return one.marks == base.marks[::-1] or (one.turned and not base.turned)


def _prompt_of(row: Mapping[str, object]) -> object:
    """What distinguishes prompts: the question's number, else the prompt with its input."""
    return row["question_id"] if row.get("question_id") is not None else prompt_of(row)


def _shown(row: Mapping[str, object], part: Rows, names: Names, turned: bool, place: int) -> Shown:
    missing = [field for field in names.fields if field not in row]
    if missing:
        raise PoolError(f"{part.file}, row {place}: it lacks the field '{missing[0]}'.")
    judge = str(row.get("judge") or row.get("reviewer_id") or row.get("reviewer") or judge_in(part.file))
    by_name = names.fields not in (PLAIN, IDS)
    marks = names.models if by_name else tuple(str(row[field]) for field in names.fields)
    return Shown(row, names, judge, (marks[0], marks[1]), turned)


def _names(part: Rows, given: tuple[str | None, str | None]) -> Names:
    """Which fields hold the answers, in the order in which the file shows them."""
    first, second = given
    for fields in (PLAIN, IDS):
        if set(fields) <= part.fields:
            one, other = part.about.get("fname1", first), part.about.get("fname2", second)
            models = (str(one), str(other)) if one and other and one != other else PLAIN
            return Names(models, fields, str(part.about.get("dataset_name", "")))
    texts = [
        name for name, value in part.rows[0].items() if isinstance(value, str) and name not in NOT_ANSWERS
    ]
    for one in texts:
        for other in texts:
            for joint in ("-", "_vs_", "_"):
                start = f"{one}{joint}{other}"
                if one != other and (part.stem == start or part.stem.startswith((f"{start}-", f"{start}_"))):
                    return Names((one, other), (one, other), part.stem[len(start) + 1 :])
    if first in texts and second in texts and first and second:
        return Names((first, second), (first, second), "")
    raise PoolError(
        f"{part.file} holds reviews in one order, and nothing says which answer was "
        "shown first: name both by --a "
        "(first) and --b (second), or call the file FIRST-SECOND-SET.json. Fields with "
        f"texts: {', '.join(texts) or 'none'}."
    )
