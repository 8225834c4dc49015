"""Compares a judge's verdicts with people's labels."""

from __future__ import annotations

from collections.abc import Sequence

from handpicked.records import Outcome, Verdict
from handpicked.statistics.agreement import Agreement, agree


def calibration(verdicts: Sequence[Verdict], labels: Sequence[Outcome]) -> dict[str, Agreement]:
    """Agreement and kappa with people's labels (one a verdict, in their order): over
    all, then for each test set.

    ``decided`` leaves out pairs that either side calls a tie: how often the judge picks the winner that
    people picked. Raises ValueError when there are not as many labels as verdicts.
    """
    rows = [(v, v.strict, label) for v, label in zip(verdicts, labels, strict=True)]
    groups: dict[str, list[tuple[Outcome, Outcome]]] = {"all": [], "decided": []}
    for verdict, judged, label in rows:
        groups["all"].append((judged, label))
        if "tie" not in (judged, label):
            groups["decided"].append((judged, label))
        if verdict.test_set:
            groups.setdefault(verdict.test_set, []).append((judged, label))
    return {
        name: agree(
            {str(i): j for i, (j, _) in enumerate(both)},
            {str(i): p for i, (_, p) in enumerate(both)},
        )
        for name, both in groups.items()
    }
