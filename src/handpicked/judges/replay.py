"""Reads stored reviews as verdicts, without calling a model.

Recognised by their fields: reviews in both orders as Cherry LLM keeps them, or in two files of one order each
as AlpaGasus does; AlpacaEval annotations; MT-Bench judgements (pairs, single grades, people's votes);
Arena-Hard judgements; experts' preferences of LFQA; tables of scores over many models; our own verdicts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from handpicked.data.spool import given_name
from handpicked.errors import PoolError, did_you_mean
from handpicked.judges.grades import KNOWN as TABLES
from handpicked.judges.grades import Grades, graded_verdicts, is_table, read_grades, table_name
from handpicked.judges.judge_names import with_judge_names
from handpicked.judges.one_order import KNOWN as ONE_ORDER
from handpicked.judges.one_order import NAME as IN_ONE_ORDER
from handpicked.judges.one_order import is_one_order, joined
from handpicked.judges.review_shapes import SHAPES, Reviewed, Shape, reason_of
from handpicked.judges.rows import Rows, fields_seen, rows_of
from handpicked.records import Pair, Verdict

MANY = 6
"""Models of a table of scores above which it is ranked, and its pairs are made only
for models that are named.
"""


@dataclass(frozen=True, slots=True)
class Replay:
    """What a file of reviews holds. ``grades`` are single-answer grades, by judge. ``pairs`` are the answers
    that were judged, where the file holds them. ``notes`` say in words what was left out or is unknown.
    """

    format: str
    verdicts: list[Verdict]
    grades: Grades
    pairs: tuple[Pair, ...] = ()
    notes: tuple[str, ...] = ()


def replay(path: Path, reversed_: Path | None = None, a: str | None = None, b: str | None = None) -> Replay:
    """The reviews of a file, or of all files in a folder (of one format).

    ``reversed_`` holds the reviews of the same pairs in the other order, where each order has its own file.
    ``a`` and ``b`` name the models that are compared; without them all are. Raises PoolError when the format
    is not recognised (with the fields seen), a row cannot be read, or a named model is not there.
    """
    parts = with_judge_names(rows_of(path))
    turned = [] if reversed_ is None else with_judge_names(rows_of(reversed_))
    names = list(dict.fromkeys(_recognised(part) for part in (*parts, *turned)))
    if len(names) > 1:
        raise PoolError(
            f"{given_name(path)} mixes reviews of several formats "
            f"({', '.join(sorted(names))}); replay them separately."
        )
    if reversed_ is not None and names[0] != IN_ONE_ORDER:
        raise PoolError(
            f"--reversed takes reviews that were made in one order; {given_name(reversed_)} holds {names[0]}."
        )
    shape = next((shape for shape in SHAPES if shape.name == names[0]), None)
    if shape is not None:
        found = _replay(shape.name, [one for part in parts for one in _rows(shape, part)], shape.notes)
    elif names[0] == IN_ONE_ORDER:
        reviewed, notes = joined(parts, turned, a, b)
        found = _replay(names[0], reviewed, notes)
    else:
        return _graded(names[0], parts, a, b)
    return _between(found, a, b)


def _recognised(part: Rows) -> str:
    shape = next((shape for shape in SHAPES if shape.fits(part)), None)
    if shape is not None:
        return shape.name
    if is_one_order(part):
        return IN_ONE_ORDER
    if is_table(part):
        return table_name(part)
    known = [f"{shape.name} ({', '.join(sorted(shape.needed))})" for shape in SHAPES]
    raise PoolError(
        f"{part.file} holds no reviews that handpicked knows. Fields seen: "
        f"{fields_seen(part.rows)}. Known formats: "
        f"{'; '.join([*known, ONE_ORDER, TABLES])}."
    )


def _rows(shape: Shape, part: Rows) -> list[Reviewed]:
    found = []
    for number, row in enumerate(part.rows, 1):
        try:
            found.append(shape.read(row, part))
        except (KeyError, TypeError, ValueError) as error:
            place = f"{part.file}, row {number} is not a review of the kind '{shape.name}'"
            raise PoolError(f"{place}: {reason_of(error)}.") from error
    return found


def _replay(name: str, reviewed: Sequence[Reviewed], notes: Sequence[str]) -> Replay:
    """Verdicts and pairs; a review that failed does not count where the same pair was judged again."""
    kept = _without_failures(reviewed)
    said = list(notes)
    if len(kept) < len(reviewed):
        said.append(
            f"{len(reviewed) - len(kept)} failed reviews left out: the same judge "
            "has judged the same pair again"
        )
    if lacking := sum(one.lacking for one in kept):
        said.append(
            f"{lacking} rows lack one of the two answers: judged, but left out "
            "of everything about their texts"
        )
    pairs = tuple(one.pair for one in kept if one.pair is not None)
    return Replay(name, [one.verdict for one in kept], {}, pairs, tuple(said))


def _without_failures(reviewed: Sequence[Reviewed]) -> list[Reviewed]:
    """The reviews without those that could not be parsed and were made again with success.

    Only where rows name their question: one prompt may occur twice in a set, and its rows are two.
    """
    good = {one.key for one in reviewed if one.verdict.strict != "unparsed"}
    return [
        one
        for one in reviewed
        if one.verdict.strict != "unparsed" or not one.by_question or one.key not in good
    ]


def _graded(name: str, parts: Sequence[Rows], a: str | None, b: str | None) -> Replay:
    """Grades, and the pairs that they make of every two models; of the named ones alone where there are many."""
    grades, notes = read_grades(parts)
    models = list(dict.fromkeys(model for table in grades.values() for model in table))
    _there([name for name in (a, b) if name], models)
    if a is None and b is None and len(models) > MANY:
        note = f"{len(models)} models, ranked by their mean grade; name two with --a and --b to compare them pair by pair"
        return Replay(name, [], grades, (), (*notes, note))
    first = a or b
    chosen = [first, *([b] if a and b else [m for m in models if m != first])] if first else models
    if first:
        grades = {judge: {m: table[m] for m in chosen if m in table} for judge, table in grades.items()}
    reviewed = graded_verdicts(grades, [m for m in chosen if m], only_first=first is not None)
    pairs = tuple(one.pair for one in reviewed if one.pair is not None)
    return Replay(name, [one.verdict for one in reviewed], grades, pairs, tuple(notes))


def _between(found: Replay, a: str | None, b: str | None) -> Replay:
    """The reviews that compare the named models."""
    wanted = {name for name in (a, b) if name}
    if not wanted:
        return found
    _there(sorted(wanted), list(dict.fromkeys(name for v in found.verdicts for name in (v.a, v.b))))
    verdicts = [v for v in found.verdicts if wanted <= {v.a, v.b}]
    if not verdicts:
        raise PoolError(f"No review compares {' with '.join(sorted(wanted))}.")
    pairs = tuple(pair for pair in found.pairs if wanted <= {pair.a, pair.b})
    return replace(found, verdicts=verdicts, pairs=pairs)


def _there(names: Sequence[str], models: Sequence[str]) -> None:
    for name in names:
        if name not in models:
            raise PoolError(f"There is no model '{name}' among the reviews.{did_you_mean(name, models)}")
