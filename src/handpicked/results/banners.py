"""Banners: warnings that a reader must know before trusting the numbers.

A banner that claims a change looks at several arms and measures for one that stands out, so its intervals are
``widened`` for their number: with nothing the matter it is shown in at most 5% of runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import NormalDist

from handpicked.config import FEW_STEPS
from handpicked.records import Estimate
from handpicked.results.answer import RANDOM, decide
from handpicked.results.facts import TrainingFacts
from handpicked.results.schema import Banner, Results
from handpicked.results.sections.comparisons import ArmComparison, ControlledRate
from handpicked.statistics.estimates import Z95

TRUNCATED_SHARE = 0.05
"""Share of an arm's training rows cut to ``max_length`` above which the reader is warned."""
LEFT_OUT_SHARE = 0.05
"""Share of a subset that rewriting may leave out before the reader is warned."""
UNFINISHED_SHARE = 0.2
"""Share of an arm's answers that stopped at the token limit above which the reader is warned."""


def banners(results: Results) -> tuple[Banner, ...]:
    """Those of ``results`` that apply, the gravest first."""
    return (
        *_unhealthy(results),
        *_random_as_good(results),
        *_length_explains(results),
        *_short_answers(results),
        *_few_steps(results),
        *_truncated(results),
        *_left_out(results),
        *_unfinished(results),
        *_longer_and_worse(results),
        *_broken_benchmarks(results),
    )


def _headline_comparisons(results: Results) -> list[ArmComparison]:
    if not results.judges:
        return []
    judge = results.judges[0].name
    return [
        item
        for item in results.comparisons
        if item.judge == judge and item.test_set == "all" and item.a in results.candidates
    ]


def _unhealthy(results: Results) -> Iterator[Banner]:
    for judge in results.judges:
        if not judge.healthy:
            yield Banner(
                "stop",
                f"The judge {judge.name} cannot be trusted",
                _sentence("; ".join(judge.reasons)),
            )


def _random_as_good(results: Results) -> Iterator[Banner]:
    arm = {arm.name: arm for arm in results.arms}
    if any(not judge.healthy for judge in results.judges[:1]):
        return
    for candidate in results.candidates:
        equal = [
            c.b
            for c in _headline_comparisons(results)
            if c.a == candidate and arm[candidate].by not in RANDOM
            if arm[c.b].by in RANDOM and decide(c) in ("lost", "undecided")
        ]
        same = all(arm[name].rows == arm[candidate].rows for name in equal)
        if equal:
            yield Banner(
                "warn",
                "A random subset is as good, as far as this run can tell",
                f"{candidate} is not shown to beat {' or '.join(equal)}, chosen "
                f"blindly{' and of the same size' if same else ''}. "
                "Until then, its cost is not justified.",
            )


def _length_explains(results: Results) -> Iterator[Banner]:
    """A win that is no longer sure at equal length; or, if it still is, at equal length and
    style; or neither can be estimated.
    """
    decided = [c for c in _headline_comparisons(results) if decide(c) in ("beaten", "lost")]
    beaten = [c for c in decided if decide(c) == "beaten"]
    yield from _not_estimable(decided)
    known = [c for c in beaten if not _reason(c.length_controlled)]
    by_length = [c.b for c in known if _undone(c.length_controlled)]
    by_style = [
        c.b
        for c in known
        if c.b not in by_length and not _reason(c.style_controlled) and _undone(c.style_controlled)
    ]
    if by_length:
        yield Banner(
            "warn",
            "The win vanishes at equal length",
            f"Against {', '.join(by_length)} the win rate is above 50% as judged, but no longer certainly so "
            "once the difference in answer length "
            "is held at zero: the judge may be rewarding length itself.",
        )
    if by_style:
        yield Banner(
            "warn",
            "The win vanishes at equal style",
            f"Against {', '.join(by_style)} the win rate is above 50% also at equal length, but no longer "
            "surely so once headings, lists, bold "
            "and code are held equal too: the judge may be rewarding form itself.",
        )


def _not_estimable(decided: Sequence[ArmComparison]) -> Iterator[Banner]:
    """Comparisons with a winner whose verdicts do not show what remains at equal length, or at equal style."""
    length = {c.b: reason for c in decided if (reason := _reason(c.length_controlled))}
    style = {c.b: reason for c in decided if c.b not in length and (reason := _reason(c.style_controlled))}
    for what, found in (("Length", length), ("Style", style)):
        if found:
            why = " ".join(_sentence(f"against {rival}, {reason}") for rival, reason in found.items())
            yield Banner(
                "warn",
                f"{what} cannot be separated from the answer",
                f"{why} What the judge prefers may be {what.lower()}, and these verdicts cannot show it.",
            )


def _reason(controlled: ControlledRate | None) -> str | None:
    return controlled.reason if controlled else None


def _undone(controlled: ControlledRate | None) -> bool:
    """Whether the controlled rate may be even, and the judge is shown to reward what is controlled: else it
    may only be less sure, as every rate is that is read off at one point.
    """
    if not controlled or controlled.low is None or controlled.low > 0.5:
        return False
    effects = controlled.effects.values()
    return any(_excludes_zero(effect, len(effects)) for effect in effects)


def _excludes_zero(estimate: Estimate, tests: int) -> bool:
    low, high = widened(estimate, tests)
    return low is not None and high is not None and (low > 0 or high < 0)


def widened(estimate: Estimate, tests: int) -> tuple[float | None, float | None]:
    """The interval that still holds with 95% when ``tests`` of them are looked at for the one
    that stands out (Bonferroni).
    """
    value, low, high = estimate.value, estimate.low, estimate.high
    if value is None or low is None or high is None:
        return None, None
    factor = NormalDist().inv_cdf(1 - 0.025 / max(1, tests)) / Z95
    return value - factor * (value - low), value + factor * (high - value)


def _short_answers(results: Results) -> Iterator[Banner]:
    """Longer answers where one word was asked for, and fewer of them right: by the references, or
    on a benchmark of the run.
    """
    found = []
    arms = [(arm, longer) for arm in results.short_answers if (longer := arm.words_above_base)]
    tests = sum(1 + len(list(_changes(results, arm.arm))) for arm, _ in arms)
    for arm, longer in arms:
        right = arm.right_above_base
        if not _above_zero(longer, len(arms)):
            continue
        falls = (
            [f"{100 * (right.value or 0):+.0f} points right"] if right and _below_zero(right, tests) else []
        )
        falls += [
            f"{task} {100 * (change.value or 0):+.0f} points"
            for task, change in _changes(results, arm.arm)
            if _below_zero(change, tests)
        ]
        if falls:
            found.append(f"{arm.arm}: {longer.value:+.0f} words, {', '.join(falls)}")
    if found:
        prompts = results.short_answers[0].prompts
        yield Banner(
            "warn",
            "Short answers grow while accuracy falls",
            f"On {prompts} prompts whose reference is a few words, against the base model: "
            f"{'; '.join(found)}. The style may have been learned at the expense of the task.",
        )


def _below_zero(estimate: Estimate, tests: int) -> bool:
    high = widened(estimate, tests)[1]
    return high is not None and high < 0


def _above_zero(estimate: Estimate, tests: int) -> bool:
    low = widened(estimate, tests)[0]
    return low is not None and low > 0


def _changes(results: Results, arm: str) -> Iterator[tuple[str, Estimate]]:
    """How far an arm lies above the base model on each benchmark."""
    for row in results.benchmarks:
        for cell in row.arms:
            if cell.arm == arm and row.higher_is_better and not row.members and cell.to_base:
                yield row.benchmark, cell.to_base


def _left_out(results: Results) -> Iterator[Banner]:
    """Rewriting that lost a part of a subset: the arm was trained on fewer rows than its rivals."""
    shares = []
    for name, refined in ((arm.name, arm.refined) for arm in results.arms if arm.refined):
        lost = sum(refined.left_out.values())
        if lost and lost / refined.rows > LEFT_OUT_SHARE:
            reasons = ", ".join(f"{count} {reason}" for reason, count in refined.left_out.items())
            shares.append(f"{name} {lost / refined.rows:.0%} ({reasons})")
    if shares:
        yield Banner(
            "warn",
            "Rewriting left rows out",
            f"Rows without a usable new response, which the arm was not trained on: {'; '.join(shares)}.",
        )


def _few_steps(results: Results) -> Iterator[Banner]:
    """Arms that took too few optimizer steps to say much of their subset, and how
    far these moved the weights.
    """
    few = [
        f"{arm.name} took {arm.training.steps:g}{_moved(arm.training)}"
        for arm in results.arms
        if arm.training and arm.training.steps < FEW_STEPS
    ]
    if few:
        yield Banner(
            "warn",
            "Trained for few steps",
            f"Fewer than {FEW_STEPS} optimizer steps: {'; '.join(few)}. Such an arm says little about its "
            "subset; lower train.batch_size, or "
            "train longer.",
        )


def _moved(training: TrainingFacts) -> str:
    norm, share = training.weight_change, training.weight_change_relative
    if norm is None or share is None:
        return ""
    return f", which changed its weights by {100 * share:.2g}% of their norm ({norm:.2g})"


def _truncated(results: Results) -> Iterator[Banner]:
    shares = [
        f"{arm.name} {arm.training.truncated / arm.training.rows:.0%}"
        for arm in results.arms
        if arm.training and arm.training.rows
        if arm.training.truncated / arm.training.rows > TRUNCATED_SHARE
    ]
    if shares:
        yield Banner(
            "warn",
            "Training cut the responses it was given",
            f"Rows cut to max_length: {', '.join(shares)}. A selection by length "
            "cannot show its worth when what it "
            "selected is cut off; raise train.max_length.",
        )


def _unfinished(results: Results) -> Iterator[Banner]:
    shares = [
        f"{arm.name} {arm.unfinished.value:.0%}"
        for arm in results.arms
        if (arm.unfinished.value or 0) > UNFINISHED_SHARE
    ]
    if shares:
        yield Banner(
            "note",
            "Answers stop at the token limit",
            f"Unfinished answers: {', '.join(shares)}. They are compared as they are; raise "
            "evaluate.generate.max_new_tokens to see whole ones.",
        )


def _longer_and_worse(results: Results) -> Iterator[Banner]:
    """Answers that should be a number or a word grow, beyond their interval, while
    accuracy falls beyond its own.
    """
    cells = [
        (f"{cell.arm} on {row.benchmark}", cell.characters_to_base, cell.to_base)
        for row in results.benchmarks
        if row.short_answer
        for cell in row.arms
        if cell.to_base and cell.characters_to_base
    ]
    found = [
        f"{what} ({longer.value:+,.0f} characters, {100 * (change.value or 0):+.1f} points)"
        for what, longer, change in cells
        if _above_zero(longer, len(cells)) and _below_zero(change, len(cells))
    ]
    if found:
        yield Banner(
            "warn",
            "Answers grow where short ones are right, and accuracy falls",
            f"Against the base model: {'; '.join(found)}. Training on long responses "
            "has taught length where none was "
            "asked for.",
        )


def _broken_benchmarks(results: Results) -> Iterator[Banner]:
    broken = [
        f"{row.benchmark} of {cell.arm} ({cell.reason})"
        for row in results.benchmarks
        for cell in row.arms
        if cell.failed
    ]
    if broken:
        yield Banner(
            "warn",
            "Benchmarks failed",
            f"{'; '.join(broken)}. The others are whole; the same command runs these again.",
        )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
