"""Everything a report says, assembled from what the stages found: records and facts in, ``Results`` out.

Deterministic: the same inputs, in any order of prompts, completions and verdicts, give the same results.
Every reported number is an Estimate (value, low, high, n, missing, method); loss in nats per response token,
time in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b

from handpicked.records import Prompt, Verdict
from handpicked.results.answer import answers
from handpicked.results.arm_table import arm_table
from handpicked.results.arm_verdicts import ArmVerdicts, group_verdicts
from handpicked.results.banners import banners
from handpicked.results.benchmarks import benchmark_table, lines_of
from handpicked.results.compared import EVERYTHING, compare_arms, judged_pairs, ranking
from handpicked.results.facts import PoolFacts, RunFacts
from handpicked.results.instructions import instructions
from handpicked.results.samples import samples
from handpicked.results.schema import FORMAT, Results
from handpicked.results.sections.arms import ArmSection, PoolSection, PromptSet, SeedSection
from handpicked.results.sections.comparisons import ArmComparison, Ranking
from handpicked.results.short_answers import short_answers
from handpicked.results.size_curves import size_curves
from handpicked.statistics.health import health
from handpicked.statistics.histogram import EDGES, summarize
from handpicked.statistics.preference import StylePreference, preference


def assemble(run: RunFacts) -> Results:
    """The results of an experiment, which ``report.render`` turns into a page.

    Verdicts are turned to the side of the arm that comes first, the candidate before all
    others and the base model last.
    """
    grouped = group_verdicts(run)
    tables = arm_table(run.arms, run.candidates, run.losses, run.completions)
    judges = tuple(health(grouped.by(name)) for name in grouped.judges)
    comparisons = _comparisons(run, grouped)
    headline = [item for item in comparisons if _is_headline(item, grouped, run.candidates)]
    main = judges[0] if judges else None
    candidate = run.candidates[0]
    results = Results(
        format=FORMAT,
        name=str(run.experiment["name"]),
        why=str(run.experiment.get("why", "")),
        expected=str(run.experiment.get("expected", "")),
        cost=str(run.experiment.get("cost", "")),
        candidate=candidate,
        candidates=tuple(run.candidates),
        answer=answers(run.candidates, tables, headline, main),
        pool=_pool(run.pool),
        pools=tuple(_pool(other) for other in run.pools),
        length_bins=EDGES,
        prompts=_prompt_sets(run.prompts),
        arms=tables,
        members=_members(run, grouped),
        comparisons=comparisons,
        size_curves=size_curves(run.curves, grouped.groups, run.losses, grouped.main, run.benchmarks),
        judges=judges,
        rankings=_rankings(run, grouped, tables),
        benchmarks=benchmark_table(run.benchmarks, lines_of(grouped.groups), run.averages),
        short_answers=short_answers(grouped.groups, run.prompts, run.completions),
        samples=samples(
            grouped.verdicts, run.prompts, run.completions, grouped.groups[candidate][0].name, main
        ),
        audit=run.audit,
        instructions=instructions(run, grouped),
        preference=_preference(run, grouped),
        people=run.people,
        stages=tuple(run.stages),
        settings=run.experiment,
        provenance=run.provenance,
    )
    return replace(results, banners=banners(results))


def _comparisons(run: RunFacts, grouped: ArmVerdicts) -> tuple[ArmComparison, ...]:
    """Every pair of arms, by each judge."""
    pairs = judged_pairs(grouped.verdicts, run.prompts, run.completions)
    return tuple(
        comparison
        for judge in grouped.judges
        for comparison in compare_arms(
            judge, grouped.verdicts, grouped.order, run.candidates, grouped.arm_of, pairs
        )
    )


def _is_headline(comparison: ArmComparison, grouped: ArmVerdicts, candidates: Sequence[str]) -> bool:
    """Whether it is a candidate's, over all prompts, by the first judge."""
    return (
        comparison.judge == grouped.judges[0]
        and comparison.test_set == EVERYTHING
        and comparison.a in candidates
    )


def _preference(run: RunFacts, grouped: ArmVerdicts) -> StylePreference | None:
    """The first judge's preference against the features of the answers, at equal length."""
    if not grouped.judges or not run.answer_features:
        return None
    features = list(dict.fromkeys(name for values in run.answer_features.values() for name in values))
    fixed = {arm.name for members in grouped.groups.values() if len(members) == 1 for arm in members}
    return preference(grouped.main, run.answer_features, features, fixed=fixed)


def _members(run: RunFacts, grouped: ArmVerdicts) -> tuple[SeedSection, ...]:
    """Each seed separately, of the arms that have several."""
    several = [members for members in grouped.groups.values() if len(members) > 1]
    single = [replace(arm, arm="") for members in several for arm in members]
    names = {arm.name for arm in single}
    tables = arm_table(single, (), run.losses, [c for c in run.completions if c.arm in names])
    return tuple(
        SeedSection(
            arm=grouped.arm_of[one.name],
            name=one.name,
            rows=one.rows,
            training=one.training,
            loss=one.loss,
            answer_tokens=one.answer_tokens,
            finished=one.finished,
            unfinished=one.unfinished,
            empty=one.empty,
        )
        for one in tables
    )


def _rankings(run: RunFacts, grouped: ArmVerdicts, tables: Sequence[ArmSection]) -> tuple[Ranking, ...]:
    """All arms of a base model by strength, by each judge, where there is more to rank than a
    candidate's own comparisons.
    """
    return tuple(
        ranking(base, judge, met, grouped.arm_of)
        for judge in grouped.judges
        for base, met in _ranked(grouped.by(judge), tables, run.candidates, grouped.arm_of).items()
    )


def _ranked(
    verdicts: Sequence[Verdict],
    tables: Sequence[ArmSection],
    candidates: Sequence[str],
    arm_of: Mapping[str, str],
) -> dict[str, list[Verdict]]:
    """The verdicts on each base model on which rivals met among themselves, so that there is more to rank
    than the candidate's comparisons and, on a size curve, those with the base model.
    """
    base = {arm.name: arm.base for arm in tables}
    aside = {*candidates, *(arm.name for arm in tables if arm.by == "none")}
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        found.setdefault(base[arm_of[verdict.a]], []).append(verdict)
    return {
        name: met
        for name, met in found.items()
        if any({arm_of[v.a], arm_of[v.b]}.isdisjoint(aside) for v in met)
    }


def _pool(pool: PoolFacts) -> PoolSection:
    return PoolSection(
        name=pool.name,
        source=pool.source,
        rows=pool.rows,
        rejected=pool.rejected,
        held_out=pool.held_out,
        measure=pool.measure,
        lengths=summarize(pool.lengths),
    )


def _prompt_sets(prompts: Sequence[Prompt]) -> tuple[PromptSet, ...]:
    """Each test set with its counts and a digest of its prompts, by which two runs can
    know that they share them.
    """
    sets: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        sets.setdefault(prompt.test_set, []).append(prompt)
    return tuple(
        PromptSet(name, len(chosen), sum(prompt.reference is not None for prompt in chosen), _digest(chosen))
        for name, chosen in sets.items()
    )


def _digest(prompts: Sequence[Prompt]) -> str:
    ids = "\n".join(sorted(prompt.prompt_id for prompt in prompts))
    return blake2b(ids.encode(), digest_size=8).hexdigest()
