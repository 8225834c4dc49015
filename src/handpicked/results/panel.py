"""Several judges as one, by majority of their verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from handpicked.records import Outcome, Verdict
from handpicked.statistics.win_rate import WORTH


def panel(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """One verdict for each pair that several judges saw, by majority under both rules (Verga et al., 2024).

    An unparsed vote is not a vote; without any vote the panel's verdict is unparsed. When no side has more
    votes than the other, it is a tie. The reviews of all judges are kept, in order.
    """
    groups: dict[tuple[str, str, str, str], list[Verdict]] = {}
    for v in verdicts:
        groups.setdefault((v.test_set, v.prompt_id, v.a, v.b), []).append(v)
    name = f"panel of {', '.join(dict.fromkeys(v.judge for v in verdicts))}"
    return [
        replace(
            group[0],
            judge=name,
            reviews=tuple(review for v in group for review in v.reviews),
            strict=_majority([v.strict for v in group]),
            summed=_majority([v.summed for v in group]),
        )
        for group in groups.values()
    ]


def _majority(votes: Sequence[Outcome]) -> Outcome:
    cast = Counter(vote for vote in votes if WORTH[vote] is not None)
    if not cast:
        return "unparsed"
    if cast["win"] == cast["lose"] or cast["tie"] > max(cast["win"], cast["lose"]):
        return "tie"
    return "win" if cast["win"] > cast["lose"] else "lose"
