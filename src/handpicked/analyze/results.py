"""Everything a report says, assembled from what the stages found: records and facts in, plain JSON out.

Deterministic: the same inputs, in any order of prompts, completions and verdicts, give the same results. Every reported
number is an Estimate (value, low, high, n, missing, method); loss in nats per response token, time in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import blake2b
from pathlib import PurePath
from typing import Any

from handpicked.analyze.answer import answer
from handpicked.analyze.arm_table import Losses, arm_table
from handpicked.analyze.banners import banners
from handpicked.analyze.compared import EVERYTHING, all_met, compare_arms, from_first, judged_pairs, ranking
from handpicked.analyze.facts import ArmFacts, InstructionFacts, PoolFacts, StageFacts
from handpicked.analyze.health import health
from handpicked.analyze.histogram import EDGES
from handpicked.analyze.preference import Answers, preference
from handpicked.analyze.samples import samples
from handpicked.analyze.verb_noun import by_type, verb_table
from handpicked.records import Completion, Prompt, Verdict

FORMAT = 1
"""Version of the shape of results.json."""

Json = dict[str, Any]


def assemble(
    experiment: Mapping[str, Any],
    *,
    candidate: str,
    pool: PoolFacts,
    arms: Sequence[ArmFacts],
    prompts: Sequence[Prompt],
    completions: Sequence[Completion],
    losses: Losses,
    verdicts: Sequence[Verdict],
    stages: Sequence[StageFacts],
    provenance: Mapping[str, Any],
    audit: Mapping[str, Any] | None = None,
    instructions: InstructionFacts | None = None,
    answer_features: Answers | None = None,
    people: Mapping[str, Any] | None = None,
) -> Json:
    """The results of an experiment as plain JSON (``results.json``), which ``report.render`` turns into a page.

    ``experiment`` is the experiment file with its defaults resolved; ``losses`` maps arm, then prompt id, to the mean
    negative log-likelihood of the reference in nats per response token, ``None`` where it could not be computed.
    ``verdicts`` may be told from either side and by several judges: each is turned to the side of the arm that comes
    first, the ``candidate`` before all others. A comparison's ``holm`` is the p-value of the sign test that neither
    arm is better, corrected for all comparisons of the candidate by that judge; ``None`` where nothing was tested.
    ``audit`` is what ``selection_audit`` found, ``answer_features`` the linguistic features of each answer by (arm, prompt
    id); what is not given is not told.
    ``people`` is what ``people.summarize`` makes of the votes cast on this run, ``None`` where nobody has voted.
    """
    order = [candidate, *(arm.name for arm in arms if arm.name != candidate)]
    told = [from_first(verdict, order) for verdict in verdicts]
    told.sort(key=lambda v: (v.judge, order.index(v.a), order.index(v.b), v.test_set, v.prompt_id))
    judges = [_judge(name, [v for v in told if v.judge == name]) for name in _judge_names(experiment, told)]
    tables = arm_table(arms, candidate, losses, completions)
    pairs = judged_pairs(told, prompts, completions)
    comparisons = [c for judge in judges for c in compare_arms(judge["name"], told, order, pairs)]
    main = judges[0] if judges else None
    headline = [c for c in comparisons if main and _is_headline(c, main["name"], candidate)]
    results: Json = {
        "format": FORMAT,
        "name": experiment["name"],
        "why": experiment.get("why", ""),
        "expected": experiment.get("expected", ""),
        "cost": experiment.get("cost", ""),
        "candidate": candidate,
        "answer": answer(candidate, tables, headline, main),
        "pool": _pool(pool),
        "length_bins": list(EDGES),
        "prompts": _prompt_sets(prompts),
        "arms": tables,
        "comparisons": comparisons,
        "judges": judges,
        "rankings": [
            ranking(judge["name"], told) for judge in judges if all_met(judge["name"], told, candidate)
        ],
        "samples": samples(told, prompts, completions, candidate, main),
        "audit": dict(audit) if audit is not None else None,
        "instructions": _instructions(instructions, told, candidate, losses, arms, main),
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
    arms: Sequence[ArmFacts],
    main: Json | None,
) -> Json | None:
    """What the instructions of pool and subsets ask for, and how the candidate does by type of evaluation prompt."""
    if found is None:
        return None
    base = next((arm.name for arm in arms if arm.by == "none"), None)
    mine = [verdict for verdict in told if main and verdict.judge == main["name"]]
    return {
        "missing": found.missing,
        "sets": [{"name": name, **verb_table(parsed)} for name, parsed in found.sets.items()],
        "by_type": by_type(found.prompts, mine, candidate, losses, base) if found.prompts else [],
    }


def _preference(told: Sequence[Verdict], answers: Answers, main: Json | None) -> Json | None:
    """The first judge's preference against the features of the answers, at equal length."""
    if main is None or not answers:
        return None
    features = list(dict.fromkeys(name for values in answers.values() for name in values))
    return preference([verdict for verdict in told if verdict.judge == main["name"]], answers, features)


def _is_headline(comparison: Mapping[str, Any], judge: str, candidate: str) -> bool:
    return bool(
        comparison["judge"] == judge and comparison["test_set"] == EVERYTHING and comparison["a"] == candidate
    )


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
        "source": pool.source,
        "rows": pool.rows,
        "rejected": pool.rejected,
        "held_out": pool.held_out,
        "measure": pool.measure,
        "lengths": dict(pool.lengths),
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
