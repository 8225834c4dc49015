"""Judgements as lines for a terminal: mean grades, the judge's health, win rates."""

from __future__ import annotations

from handpicked.records import Estimate
from handpicked.results.judgements import Figures, JudgeFigures, Judgements, Meeting, RuleFigures
from handpicked.results.schema import ControlledRate, SoftRate
from handpicked.votes import summary as people


def text_of(results: Judgements) -> str:
    """The judgements for reading in a terminal."""
    lines: list[str] = []
    for judge, rows in results.grades.items():
        lines.append(f"mean grades by {judge}")
        for row in rows:
            named = {row.model: row.grade, **{f"  {name}": part for name, part in row.parts.items()}}
            lines += [f"  {name:<24}{_interval(mean)}{_lacking(mean)}" for name, mean in named.items()]
    for entry in results.judges:
        lines += _health_lines(entry)
        for group, found in entry.people.items():
            agreement, kappa = _interval(found.agreement), _interval(found.kappa)
            lines.append(
                f"  people, {group}: agreement {agreement}; kappa {kappa}{_lacking(found.agreement)}"
            )
        for meeting in entry.comparisons:
            lines.append(f"  {meeting.a} against {meeting.b}")
            lines += [f"    {line}" for line in [*_rules(meeting), *_controlled(meeting)]]
            for kind, groups in (("test set", meeting.test_sets), ("category", meeting.categories)):
                for name, figures in groups.items():
                    lines.append(f"    {kind} {name}")
                    lines += [f"      {line}" for line in [*_rates(figures), *_controlled(figures)]]
    if results.people is not None:
        lines.append(people.text_of(results.people))
    return "\n".join(lines)


def _health_lines(judge: JudgeFigures) -> list[str]:
    """Whether a judge can be believed, its habits, and why replies of it could not be read."""
    health = judge.health
    unknown = len(health.reasons) == 1 and not health.first_position.n
    state = "cannot be checked: " if unknown else "NOT to be believed: "
    state = "healthy" if health.healthy else state + "; ".join(health.reasons)
    shown = (
        ("first position", health.first_position),
        ("contradictions", health.contradictions),
        ("ties", health.ties),
        ("longer", health.longer),
        ("unparsed", health.unparsed),
    )
    lines = [f"judge {judge.judge}: {state}", *(f"  {name:<16}{_interval(one)}" for name, one in shown)]
    lines += [f"    {count} of them: {reason}" for reason, count in health.unparsed_reasons.items()]
    if health.unparsed_samples:
        lines.append(f"    for example: {' '.join(health.unparsed_samples[0].split())[:100]}")
    return lines


def _rules(meeting: Meeting) -> list[str]:
    """Counts and rates of two models under each rule."""
    lines = []
    for rule, found in (("strict", meeting.strict), ("summed", meeting.summed)):
        counts = found.counts
        tally = f"{counts.win} win, {counts.tie} tie, {counts.lose} lose, {counts.unparsed} unparsed"
        lines.append(f"{rule:<8}{tally}; winning score {_interval(found.winning_score, 4)}")
        lines.append(f"{'':<8}win rate {_rate(found)}")
        lines.append(f"{'':<8}share won {_interval(found.share_won)}")
    return lines + [f"soft    win rate {_rate(found)}" for found in [meeting.soft] if found]


def _rates(group: Figures) -> list[str]:
    """The win rates of a test set or a category."""
    soft = [f"soft win rate {_rate(group.soft)}"] if group.soft else []
    return [f"win rate {_rate(group.strict)}", *soft]


def _rate(found: RuleFigures | SoftRate) -> str:
    error = found.standard_error
    return _interval(found.win_rate, 4) + ("" if error is None else f", standard error {error:.4f}")


def _lacking(estimate: Estimate) -> str:
    return f", {estimate.missing} missing" if estimate.missing else ""


def _controlled(group: Figures | Meeting) -> list[str]:
    """The win rate with length, then style too, held equal; and where the answer was the
    longer or the shorter one.
    """
    length = group.length_controlled.win_rate
    lines = [f"length-controlled win rate {_held_equal(length)}"]
    if group.length_controlled_soft:
        lines.append(f"soft length-controlled win rate {_held_equal(group.length_controlled_soft.win_rate)}")
    if group.style_controlled:
        lines.append(f"style-controlled win rate {_held_equal(group.style_controlled.win_rate)}")
    near = length.near_equal
    if near.of:
        share = f"{near.share:.0%} of the pairs"
        lines.append(f"within {near.within:.0%} of equal length {_interval(near.win_rate)}, {share}")
    lengths = group.by_length
    return [*lines, *(f"when {name} {_interval(lengths[name])}" for name in ("longer", "shorter"))]


def _held_equal(controlled: ControlledRate) -> str:
    """A rate at equal length or style, with what other forms of control say; or why there is none."""
    if controlled.value is None or controlled.range is None:
        return f"no value: {controlled.reason}"
    low, high = controlled.range
    forms = f"{low:.3f} to {high:.3f} over {len(controlled.forms)} forms of control"
    return f"{_interval(controlled)}; {forms}{'; ' + controlled.reason if controlled.reason else ''}"


def _interval(estimate: Estimate | ControlledRate, digits: int = 3) -> str:
    if estimate.value is None:
        return f"none (n = {estimate.n})"
    low, high = estimate.low, estimate.high
    known = low is not None and high is not None
    spread = f" (95% {low:.{digits}f} to {high:.{digits}f})" if known else ""
    return f"{estimate.value:.{digits}f}{spread}, n = {estimate.n}"
