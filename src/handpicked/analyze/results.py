"""Everything a report says, assembled from what the stages found: records and facts in, plain JSON out.

Deterministic: the same inputs, in any order of prompts, completions and verdicts, give the same results. Every reported
number is an Estimate (value, low, high, n, missing, method); loss in nats per response token, time in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import blake2b
from pathlib import PurePath
from typing import Any

from handpicked.analyze.answer import answers
from handpicked.analyze.arm_table import Losses, arm_table, by_arm
from handpicked.analyze.banners import banners
from handpicked.analyze.benchmarks import benchmark_table, lines_of
from handpicked.analyze.compared import EVERYTHING, compare_arms, from_first, judged_pairs, ranking
from handpicked.analyze.facts import ArmFacts, BenchFacts, InstructionFacts, PoolFacts, StageFacts
from handpicked.analyze.health import health
from handpicked.analyze.histogram import EDGES, summarize
from handpicked.analyze.preference import Answers, preference
from handpicked.analyze.samples import samples
from handpicked.analyze.short_answers import short_answers
from handpicked.analyze.size_curves import size_curves
from handpicked.analyze.verb_noun import by_type, verb_table
from handpicked.records import Completion, Prompt, Verdict

FORMAT = 2
"""Version of the shape of results.json."""

Json = dict[str, Any]


def assemble(
    experiment: Mapping[str, Any],
    *,
    candidate: str,
    candidates: Sequence[str] = (),
    curves: Sequence[Sequence[str]] = (),
    pool: PoolFacts,
    pools: Sequence[PoolFacts] = (),
    arms: Sequence[ArmFacts],
    prompts: Sequence[Prompt],
    completions: Sequence[Completion],
    losses: Losses,
    verdicts: Sequence[Verdict],
    stages: Sequence[StageFacts],
    provenance: Mapping[str, Any],
    benchmarks: Sequence[BenchFacts] = (),
    averages: Mapping[str, Sequence[str]] | None = None,
    people: Mapping[str, Any] | None = None,
    audit: Mapping[str, Any] | None = None,
    instructions: InstructionFacts | None = None,
    answer_features: Answers | None = None,
) -> Json:
    """The results of an experiment as plain JSON (``results.json``), which ``report.render`` turns into a page.

    ``experiment`` is the experiment file with its defaults resolved; ``losses`` maps arm, then prompt id, to the mean
    negative log-likelihood of the reference in nats per response token, ``None`` where it could not be computed.
    ``verdicts`` may be told from either side and by several judges: each is turned to the side of the arm that comes
    first, the ``candidate`` before all others and the untouched model last. A comparison's ``holm`` is the p-value of the sign test that neither
    arm is better, corrected for all comparisons of the candidates by that judge; ``None`` where nothing was tested.
    ``candidates`` are those of each base model, ``candidate`` the first; ``curves`` the arms of each size curve; completions,
    losses and verdicts name models, which ``arms`` tells the arms of.
    ``averages`` names the benchmarks that each average is taken over.
    ``people`` is what ``people.summarize`` makes of the votes cast on this run, ``None`` where nobody has voted.
    ``audit`` is what ``selection_audit`` found, ``answer_features`` the linguistic features of each answer by (model, prompt
    id); what is not given is not told.
    """
    candidates = tuple(candidates) or (candidate,)
    groups = by_arm(arms)
    arm_of = {arm.name: name for name, members in groups.items() for arm in members}
    order = [*candidates, *(name for name in groups if name not in candidates)]
    place = {arm.name: (order.index(arm_of[arm.name]), i) for i, arm in enumerate(arms)}
    side = {
        arm.name: (arm.by == "none" and arm_of[arm.name] not in candidates, place[arm.name]) for arm in arms
    }
    told = [from_first(v, min(v.a, v.b, key=side.__getitem__)) for v in verdicts]
    told.sort(key=lambda v: (v.judge, place[v.a], place[v.b], v.test_set, v.prompt_id))
    judges = [_judge(name, [v for v in told if v.judge == name]) for name in _judge_names(experiment, told)]
    tables = arm_table(arms, candidates, losses, completions)
    pairs = judged_pairs(told, prompts, completions)
    comparisons = [
        c for judge in judges for c in compare_arms(judge["name"], told, order, candidates, arm_of, pairs)
    ]
    main = judges[0] if judges else None
    headline = [c for c in comparisons if main and _is_headline(c, main["name"], candidates)]
    results: Json = {
        "format": FORMAT,
        "name": experiment["name"],
        "why": experiment.get("why", ""),
        "expected": experiment.get("expected", ""),
        "cost": experiment.get("cost", ""),
        "candidate": candidate,
        "candidates": list(candidates),
        "answer": answers(candidates, tables, headline, main),
        "pool": _pool(pool),
        "pools": [_pool(other) for other in pools],
        "length_bins": list(EDGES),
        "prompts": _prompt_sets(prompts),
        "arms": tables,
        "members": _members(groups, losses, completions),
        "comparisons": comparisons,
        "size_curves": size_curves(
            curves, groups, losses, [v for v in told if main and v.judge == main["name"]], benchmarks
        ),
        "judges": judges,
        "rankings": [
            {"base": base, **ranking(judge["name"], met, arm_of)}
            for judge in judges
            for base, met in _ranked(judge["name"], told, tables, candidates, arm_of).items()
        ],
        "benchmarks": benchmark_table(benchmarks, lines_of(groups), averages),
        "short_answers": short_answers(groups, prompts, completions),
        "samples": samples(told, prompts, completions, groups[candidate][0].name, main),
        "audit": dict(audit) if audit is not None else None,
        "instructions": _instructions(instructions, told, candidate, losses, groups, main),
        "preference": _preference(told, answer_features or {}, main),
        "people": None if people is None else dict(people),
        "stages": [asdict(stage) for stage in stages],
        "settings": dict(experiment),
        "provenance": dict(provenance),
    }
    results["banners"] = banners(results)
    return results


def _instructions(
    found: InstructionFacts | None,
    told: Sequence[Verdict],
    candidate: str,
    losses: Losses,
    groups: Mapping[str, Sequence[ArmFacts]],
    main: Json | None,
) -> Json | None:
    """What the instructions of pool and subsets ask for, and how the candidate does by type of evaluation prompt.

    The seeds of an arm are pooled.
    """
    if found is None:
        return None
    arm_of = {arm.name: name for name, members in groups.items() for arm in members}
    base = groups[candidate][0].base
    untouched = next(
        (name for name, (arm, *_) in groups.items() if (arm.by, arm.base) == ("none", base)), None
    )
    mine = [
        replace(verdict, a=arm_of[verdict.a], b=arm_of[verdict.b])
        for verdict in told
        if main and verdict.judge == main["name"]
    ]
    all_seeds = {
        name: [losses[arm.name] for arm in members if losses.get(arm.name)]
        for name, members in groups.items()
    }
    return {
        "missing": found.missing,
        "sets": [{"name": name, **verb_table(parsed)} for name, parsed in found.sets.items()],
        "by_type": by_type(found.prompts, mine, candidate, all_seeds, untouched) if found.prompts else [],
    }


def _preference(told: Sequence[Verdict], answers: Answers, main: Json | None) -> Json | None:
    """The first judge's preference against the features of the answers, at equal length."""
    if main is None or not answers:
        return None
    features = list(dict.fromkeys(name for values in answers.values() for name in values))
    return preference([verdict for verdict in told if verdict.judge == main["name"]], answers, features)


def _is_headline(comparison: Json, judge: str, candidates: Sequence[str]) -> bool:
    return bool(
        comparison["judge"] == judge
        and comparison["test_set"] == EVERYTHING
        and comparison["a"] in candidates
    )


def _members(
    groups: Mapping[str, Sequence[ArmFacts]], losses: Losses, completions: Sequence[Completion]
) -> list[Json]:
    """Each seed of the arms that have several, by itself."""
    single = [replace(arm, arm="") for members in groups.values() if len(members) > 1 for arm in members]
    names = {arm.name for arm in single}
    tables = arm_table(single, (), losses, [c for c in completions if c.arm in names])
    arm_of = {arm.name: name for name, members in groups.items() for arm in members}
    kept = ("name", "rows", "training", "loss", "answer_tokens", "unfinished", "empty")
    return [{"arm": arm_of[table["name"]], **{key: table[key] for key in kept}} for table in tables]


def _ranked(
    judge: str,
    told: Sequence[Verdict],
    tables: Sequence[Json],
    candidates: Sequence[str],
    arm_of: Mapping[str, str],
) -> dict[str, list[Verdict]]:
    """The verdicts on each base model on which rivals met among themselves, so that there is more to tell than the
    candidate's comparisons and, on a size curve, those with the untouched model."""
    base = {arm["name"]: arm["base"] for arm in tables}
    aside = {*candidates, *(arm["name"] for arm in tables if arm["by"] == "none")}
    found: dict[str, list[Verdict]] = {}
    for verdict in told:
        if verdict.judge == judge:
            found.setdefault(base[arm_of[verdict.a]], []).append(verdict)
    return {
        name: met
        for name, met in found.items()
        if any({arm_of[v.a], arm_of[v.b]}.isdisjoint(aside) for v in met)
    }


def _judge_names(experiment: Mapping[str, Any], verdicts: Sequence[Verdict]) -> list[str]:
    """The judges that gave verdicts, in the order of the experiment file: the first one answers its question.

    A judge that asks a model is called ``name/model`` in its verdicts; one that is a folder, by the folder's name.
    """
    found = {verdict.judge for verdict in verdicts}
    listed = []
    for judge in experiment["evaluate"]["judges"]:
        name = PurePath(judge["name"]).name
        listed += [f"{name}/{judge.get('model')}", name]
    return [name for name in dict.fromkeys([*listed, *sorted(found)]) if name in found]


def _judge(name: str, verdicts: Sequence[Verdict]) -> Json:
    found = asdict(health(verdicts))
    del found["judge"]
    return {"name": name, **found}


def _pool(pool: PoolFacts) -> Json:
    return {
        "name": pool.name,
        "source": pool.source,
        "rows": pool.rows,
        "rejected": pool.rejected,
        "held_out": pool.held_out,
        "measure": pool.measure,
        "lengths": summarize(pool.lengths),
    }


def _prompt_sets(prompts: Sequence[Prompt]) -> list[Json]:
    """Each test set with its counts and a digest of its prompts, by which two runs can tell that they share them."""
    sets: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        sets.setdefault(prompt.test_set, []).append(prompt)
    return [
        {
            "test_set": name,
            "prompts": len(chosen),
            "references": sum(prompt.reference is not None for prompt in chosen),
            "digest": _digest(chosen),
        }
        for name, chosen in sets.items()
    ]


def _digest(prompts: Sequence[Prompt]) -> str:
    ids = "\n".join(sorted(prompt.prompt_id for prompt in prompts))
    return blake2b(ids.encode(), digest_size=8).hexdigest()
