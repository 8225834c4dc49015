"""The pairs of a run or of a judged folder: found by rival, outcome, test set and length, with a diff."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from handpicked.errors import ConfigError
from handpicked.explore.query import text_in, whole_in
from handpicked.records import Json, Verdict
from handpicked.votes import Case

OUTCOMES = ("win", "tie", "lose", "unparsed")
LENGTHS = ("longer", "similar", "shorter")
"""The first answer against the second one; similar within a fifth of the longer one's characters."""
PIECES = re.compile(r"\s+|\w+|[^\w\s]")
MOST_PIECES = 4000
"""Words of an answer up to which a diff is made: it takes the square of them."""


@dataclass(frozen=True)
class Pairs:
    """All pairs, each with its verdicts."""

    cases: Sequence[Case]
    by_id: Mapping[str, Case] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {case.id: case for case in self.cases})

    def about(self) -> Json:
        """The values to choose from."""
        return {
            "total": len(self.cases),
            "judges": list(dict.fromkeys(v.judge for case in self.cases for v in case.verdicts)),
            "first": list(dict.fromkeys(case.pair.a for case in self.cases)),
            "rivals": list(dict.fromkeys(case.pair.b for case in self.cases)),
            "test_sets": list(dict.fromkeys(case.pair.test_set for case in self.cases)),
            "outcomes": list(OUTCOMES),
            "lengths": list(LENGTHS),
        }

    def found(self, request: Mapping[str, object]) -> Json:
        """The pairs that match the request, from ``offset`` on, and the verdicts of the chosen judge."""
        wanted = {
            name: text_in(request, name)
            for name in ("judge", "first", "rival", "test_set", "outcome", "length")
        }
        search = text_in(request, "search").casefold()
        chosen = [case for case in self.cases if _fits(case, wanted) and _says(case, search)]
        offset, limit = whole_in(request, "offset", 10**9, 0), whole_in(request, "limit", 200, 50)
        outcomes = [_outcome(case, wanted["judge"]) for case in chosen]
        return {
            "total": len(chosen),
            "counts": {one: outcomes.count(one) for one in OUTCOMES},
            "pairs": [_line(case, wanted["judge"]) for case in chosen[offset : offset + limit]],
        }

    def one(self, request: Mapping[str, object]) -> Json:
        """A pair with its texts, the judges' words and the diff of its answers. Raises ConfigError."""
        case = self.case(request)
        pair = case.pair
        return {
            **_line(case, ""),
            "prompt": pair.prompt,
            "reference": pair.reference,
            "category": pair.category,
            "answer_a": pair.answer_a,
            "answer_b": pair.answer_b,
            "diff": diff(pair.answer_a, pair.answer_b),
            "verdicts": [_shown(verdict) for verdict in case.verdicts],
        }

    def case(self, request: Mapping[str, object]) -> Case:
        """The pair of this id. Raises ConfigError where there is none."""
        found = self.by_id.get(text_in(request, "id"))
        if found is None:
            raise ConfigError("There is no such pair. If the run was made again, reload the page.")
        return found


def diff(a: str, b: str) -> list[tuple[str, str, str]] | None:
    """What is equal, only in ``a`` and only in ``b``, in order, word by word; ``None`` for answers too long.

    Joined, the second texts are ``a`` and the third ones ``b``.
    """
    words_a, words_b = PIECES.findall(a), PIECES.findall(b)
    if max(len(words_a), len(words_b)) > MOST_PIECES:
        return None
    matcher = difflib.SequenceMatcher(None, words_a, words_b, autojunk=False)
    return [
        (kind, "".join(words_a[i:j]), "".join(words_b[k:m])) for kind, i, j, k, m in matcher.get_opcodes()
    ]


def _shown(verdict: Verdict) -> dict[str, object]:
    return {
        "judge": verdict.judge,
        "strict": verdict.strict,
        "summed": verdict.summed,
        "reviews": [asdict(review) for review in verdict.reviews],
    }


def _line(case: Case, judge: str) -> dict[str, object]:
    pair = case.pair
    return {
        "id": case.id,
        "ask": pair.prompt[:300],
        "a": pair.a,
        "b": pair.b,
        "test_set": pair.test_set,
        "outcome": _outcome(case, judge),
        "length_a": len(pair.answer_a),
        "length_b": len(pair.answer_b),
    }


def _outcome(case: Case, judge: str) -> str | None:
    """The strict verdict of this judge, or of the first one; ``None`` where it gave none."""
    return next((one.strict for one in case.verdicts if judge in ("", one.judge)), None)


def _length(case: Case) -> str:
    return {"a": "longer", "b": "shorter", None: "similar"}[case.longer]


def _fits(case: Case, wanted: Mapping[str, str]) -> bool:
    own = {
        "judge": wanted["judge"] if _outcome(case, wanted["judge"]) is not None else None,
        "first": case.pair.a,
        "rival": case.pair.b,
        "test_set": case.pair.test_set,
        "outcome": _outcome(case, wanted["judge"]),
        "length": _length(case),
    }
    return all(not value or own[name] == value for name, value in wanted.items())


def _says(case: Case, search: str) -> bool:
    if not search:
        return True
    pair = case.pair
    raw = [review.raw for verdict in case.verdicts for review in verdict.reviews]
    return any(search in text.casefold() for text in (pair.prompt, pair.answer_a, pair.answer_b, *raw))
