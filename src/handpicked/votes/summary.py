"""The summary of people's votes: outcomes, reasons, preference for length, agreement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from handpicked.pages.table import text
from handpicked.records import Estimate, Outcome, Pair, Verdict
from handpicked.report.tables import outcome_table, people_table
from handpicked.results.sections.people import Annotator, People, PeopleComparison, RaterAgreement, VoteCounts
from handpicked.statistics.agreement import Agreement, agree, among
from handpicked.statistics.estimates import share
from handpicked.votes import TAGS, Case, Standing, VoteFile
from handpicked.votes.cases import join, key

RULES = ("strict", "summed")
SIGNS = {"win": 1, "lose": -1}
FEW = 6
"""Annotators up to which every two of them are compared; of more, each with all others together."""
Labels = Mapping[str, Outcome]


def votes_on(folder: Path, pairs: Sequence[Pair], verdicts: Sequence[Verdict]) -> People | None:
    """What the votes in ``folder`` say of these pairs and verdicts; ``None`` where nobody has voted.

    Raises PoolError for a damaged file of votes.
    """
    standing = VoteFile(folder / "votes.jsonl").standing()
    if not standing.votes:
        return None
    cases = join({key(pair): pair for pair in pairs}, verdicts)
    return summarize(standing, {case.id: case for case in cases})


def summarize(standing: Standing, known: Mapping[str, Case]) -> People:
    """Votes by annotator, reasons, outcomes by comparison, preference for length, and who agrees with whom.

    ``people`` are all annotators together: the sign of their summed votes on a case. A vote on answers that
    have since changed is ``stale``: counted, and left out of everything else.
    """
    votes = [vote for vote in standing.votes.values() if vote.case in known]
    by_annotator: dict[str, dict[str, Outcome]] = {}
    for vote in votes:
        by_annotator.setdefault(vote.annotator, {})[vote.case] = vote.outcome
    people = together(list(by_annotator.values()))
    tags = Counter(tag for vote in votes for tag in vote.tags)
    return People(
        votes=len(votes),
        stale=len(standing.votes) - len(votes),
        pairs=len(people),
        annotators=tuple(_annotator(name, labels) for name, labels in by_annotator.items()),
        reasons={tag: tags[tag] for tag in TAGS},
        comparisons=_comparisons(people, known),
        longer=_longer(people, known),
        agreement=_agreement(by_annotator, people, known),
    )


def together(raters: Sequence[Labels]) -> dict[str, Outcome]:
    """One label a case: more wins than losses among the raters is a win, as many is a tie."""
    sums: Counter[str] = Counter()
    for labels in raters:
        for case, label in labels.items():
            sums[case] += SIGNS.get(label, 0)
    return {case: _sign(n) for case, n in sums.items()}


def _counts(labels: Labels) -> VoteCounts:
    found = Counter(labels.values())
    return VoteCounts(len(labels), found["win"], found["tie"], found["lose"], found["unparsed"])


def _annotator(name: str, labels: Labels) -> Annotator:
    n = _counts(labels)
    return Annotator(name, n.n, n.win, n.tie, n.lose, n.unparsed)


def _comparisons(people: Labels, known: Mapping[str, Case]) -> tuple[PeopleComparison, ...]:
    """People's outcomes for every two arms, and the judges' on the same pairs, from the side of ``a``."""
    met = dict.fromkeys((known[case].pair.a, known[case].pair.b) for case in people)
    made = []
    for a, b in met:
        voted = {
            case: label
            for case, label in people.items()
            if (known[case].pair.a, known[case].pair.b) == (a, b)
        }
        judges = {judge: _counts(_labels(known, voted, judge, "strict")) for judge in _judges(known, voted)}
        made.append(PeopleComparison(a, b, _counts(voted), judges))
    return tuple(made)


def _longer(people: Labels, known: Mapping[str, Case]) -> Estimate:
    """How often people preferred the longer answer, where they had a preference and the lengths differ."""
    decided = {
        case: label for case, label in people.items() if label != "tie" and known[case].longer is not None
    }
    hits = [float((label == "win") == (known[case].longer == "a")) for case, label in decided.items()]
    return share([known[case].pair.prompt_id for case in decided], hits)


def _agreement(
    by_annotator: Mapping[str, Labels], people: Labels, known: Mapping[str, Case]
) -> tuple[RaterAgreement, ...]:
    """Every judge under both rules with all people together and with each; then every two people, or where
    they are many, each with all others together: the work grows with the annotators, not with their square.
    """
    raters = {"all people": people, **(by_annotator if len(by_annotator) > 1 else {})}
    found = [
        _between(f"{judge} ({rule})", name, agree(_labels(known, labels, judge, rule), labels))
        for judge in _judges(known, people)
        for rule in RULES
        for name, labels in raters.items()
        if labels
    ]
    if len(by_annotator) > FEW:
        others = _all_others(by_annotator)
        found += [
            _between(name, "all others", agree(labels, others[name])) for name, labels in by_annotator.items()
        ]
        return tuple(found)
    names = list(by_annotator)
    found += [_between(names[i], names[j], same) for i, j, same in among(list(by_annotator.values()))]
    return tuple(found)


def _all_others(by_annotator: Mapping[str, Labels]) -> dict[str, dict[str, Outcome]]:
    """For each annotator the label that all others together give, on cases that another has voted on."""
    sums: Counter[str] = Counter()
    votes: Counter[str] = Counter()
    for labels in by_annotator.values():
        votes.update(labels.keys())
        for case, label in labels.items():
            sums[case] += SIGNS.get(label, 0)
    return {
        name: {
            case: _sign(sums[case] - SIGNS.get(label, 0)) for case, label in labels.items() if votes[case] > 1
        }
        for name, labels in by_annotator.items()
    }


def _sign(n: int) -> Outcome:
    return "win" if n > 0 else "lose" if n < 0 else "tie"


def _between(one: str, other: str, found: Agreement) -> RaterAgreement:
    return RaterAgreement(one, other, found.agreement, found.kappa, found.table)


def _judges(known: Mapping[str, Case], cases: Labels) -> list[str]:
    return list(dict.fromkeys(verdict.judge for case in cases for verdict in known[case].verdicts))


def _labels(known: Mapping[str, Case], cases: Labels, judge: str, rule: str) -> dict[str, Outcome]:
    """The judge's outcomes on these cases."""
    return {
        case: getattr(verdict, rule)
        for case in cases
        for verdict in known[case].verdicts
        if verdict.judge == judge
    }


def text_of(summary: People) -> str:
    """The summary for reading in a terminal."""
    lines = [f"{summary.votes} votes on {summary.pairs} pairs by {len(summary.annotators)} annotators"]
    if summary.stale:
        lines.append(f"{summary.stale} votes left out: their answers have changed since")
    tables = (text(outcome_table(summary)), text(people_table(summary)))
    return "\n".join([*lines, *(shown for shown in tables if shown)])
