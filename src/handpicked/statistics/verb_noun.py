"""The most common root verbs of instructions, each with its most common objects.

The figure is that of Wang et al. (2023), Self-Instruct, Figure 3: 20 verbs, 4 direct noun objects each. The
parsing is ``score.root_verb``'s; here is only counting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from handpicked.records import Estimate, Verdict
from handpicked.statistics import estimates, seeds
from handpicked.statistics.win_rate import adjusted_win_rate

VERBS, NOUNS = 20, 4
FEWEST, TYPES = 5, 12
"""Prompts of one type below which it is counted among the others, and how many types are distinguished."""
OTHERS, NONE, WITHOUT = "other verbs", "no root verb", "without text"

Losses = Mapping[str, Sequence[seeds.Values]]
"""The held-out losses of each arm, one mapping from prompt id a seed."""
Parsed = Sequence[str | None]
"""Root verb, direct object, and why there is no verb."""


@dataclass(frozen=True, slots=True)
class NounCount:
    """A direct object and how often it occurs."""

    noun: str
    n: int


@dataclass(frozen=True, slots=True)
class VerbCount:
    """A root verb, its share of all instructions (those without a root verb included),
    and its most common objects.
    """

    verb: str
    n: int
    share: Estimate
    nouns: tuple[NounCount, ...]


@dataclass(frozen=True, slots=True)
class VerbTable:
    """What the ``n`` instructions of one set ask for.

    ``verbs`` are the most common ones, ``others`` counts instructions with a rarer verb, ``none`` those
    without a root verb by reason.
    """

    name: str
    n: int
    none: Mapping[str, int]
    others: int
    verbs: tuple[VerbCount, ...]


@dataclass(frozen=True, slots=True)
class PromptType:
    """One type of evaluation prompt: the candidate's win rate against each rival, and what
    training did to its loss.

    ``loss`` is the candidate's held-out loss less that of the base model, nats per response token, negative
    where the candidate is better; ``None`` where either is not known.
    """

    type: str
    prompts: int
    win_rates: Mapping[str, Estimate]
    loss: Estimate | None


def verb_table(parsed: Sequence[Parsed], name: str = "") -> VerbTable:
    """The ``VERBS`` most common root verbs with their ``NOUNS`` most common objects; equal counts
    in order of the alphabet.

    Shares have Wilson's interval.
    """
    verbs = Counter(verb for verb, _, _ in parsed if verb is not None)
    nouns: dict[str, Counter[str]] = {}
    for verb, noun, _ in parsed:
        if verb is not None and noun is not None:
            nouns.setdefault(verb, Counter())[noun] += 1
    shown = most_common(verbs, VERBS)
    return VerbTable(
        name=name,
        n=len(parsed),
        none=dict(sorted(Counter(why or "no verb" for verb, _, why in parsed if verb is None).items())),
        others=sum(verbs.values()) - sum(count for _, count in shown),
        verbs=tuple(
            VerbCount(
                verb,
                count,
                proportion(count, len(parsed)),
                tuple(NounCount(noun, n) for noun, n in most_common(nouns.get(verb, Counter()), NOUNS)),
            )
            for verb, count in shown
        ),
    )


def most_common(counts: Counter[str], most: int | None = None) -> list[tuple[str, int]]:
    """What was counted most, at most ``most`` of them; equal counts in order of the alphabet."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]


def proportion(count: int, n: int) -> Estimate:
    """``count`` of ``n`` with Wilson's (1927) 95% interval."""
    if not n:
        return Estimate(None, None, None, 0, 0, "nothing to count")
    low, high = estimates.wilson(count / n, n)
    return Estimate(count / n, low, high, n, 0, "Wilson interval")


def types_of(verbs: Mapping[str, str | None], also: Collection[str] = ()) -> dict[str, str]:
    """The type of each prompt: its root verb where that is one of the ``TYPES`` most common or one of
    ``also``, and at least ``FEWEST`` prompts share it, else ``OTHERS`` or ``NONE``.
    """
    counts = Counter(verb for verb in verbs.values() if verb is not None)
    wanted = {*also, *(verb for verb, _ in most_common(counts, TYPES))}
    shown = {verb for verb in wanted if counts[verb] >= FEWEST}
    return {
        prompt: NONE if verb is None else verb if verb in shown else OTHERS for prompt, verb in verbs.items()
    }


def in_order(sizes: Mapping[str, int]) -> list[str]:
    """The types, the most common first, then the prompts of no separate type."""
    last = (OTHERS, NONE, WITHOUT)
    return sorted(sizes, key=lambda name: (last.index(name) + 1 if name in last else 0, -sizes[name], name))


def by_type(
    verbs: Mapping[str, str | None],
    verdicts: Sequence[Verdict],
    candidate: str,
    losses: Losses,
    base: str | None,
    arm_of: Mapping[str, str] | None = None,
) -> list[PromptType]:
    """For each type of evaluation prompt the candidate's win rate against each rival, and what
    training did to its loss.

    ``verbs`` maps prompt id to root verb, ``verdicts`` are one judge's, from the side of the candidate;
    ``arm_of`` says of which arm each model that they name is a seed (``None``: models are arms). The win rate
    counts a tie half, under the strict rule. ``loss`` is the candidate's held-out loss less that of the base
    model ``base``, nats per response token, negative where the candidate is better; ``None`` where either is
    not known. The most common type comes first. No correction for the number of types: they show where to
    look.
    """
    types = types_of(verbs)
    sizes = Counter(types.values())
    met: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        a, b = (name if arm_of is None else arm_of[name] for name in (verdict.a, verdict.b))
        if a == candidate:
            met.setdefault(b, []).append(verdict)
    rows = []
    for name in in_order(sizes):
        mine = {prompt for prompt, kind in types.items() if kind == name}
        rates = {
            rival: adjusted_win_rate([v for v in listed if v.prompt_id in mine])
            for rival, listed in met.items()
        }
        rows.append(PromptType(name, sizes[name], rates, _loss(mine, candidate, base, losses)))
    return rows


def _loss(prompts: set[str], candidate: str, base: str | None, losses: Losses) -> Estimate | None:
    if base is None or base == candidate:
        return None
    mine, other = (
        [{prompt: value for prompt, value in one.items() if prompt in prompts} for one in losses.get(arm, ())]
        for arm in (candidate, base)
    )
    return seeds.difference(mine, other) if any(mine) and any(other) else None
