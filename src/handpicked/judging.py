"""``handpicked judge``: two files of answers judged in both orders, or stored reviews replayed with no call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handpicked.config import JudgeSettings
from handpicked.progress import SILENT, Progress
from handpicked.records import Verdict
from handpicked.store import write_json, writing


@dataclass(frozen=True)
class Judged:
    """What came of it: where it lies, what was said, what could not be paired."""

    results: dict[str, Any]
    said: tuple[str, ...]


def judge_files(a: Path, b: Path, settings: JudgeSettings, out: Path, progress: Progress = SILENT) -> Judged:
    """Judge the answers of two files, paired by prompt, into ``out``: verdicts.jsonl, unpaired.json, judgements.json.

    Raises PoolError for files that hold no answers or share no prompt, and what the judge raises.
    """
    from handpicked.judge import judge
    from handpicked.judge.answers import pair_up, read_answers

    one, other = read_answers(a), read_answers(b)
    paired = pair_up(one, other)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    names = [paired.pairs[0].a, paired.pairs[0].b]
    verdicts = judge(
        paired.pairs,
        settings,
        out / "verdicts.jsonl",
        progress=progress,
        models_under_test=names,
        cache=out / "replies.sqlite",
    )
    unpaired = {"only_a": paired.only_a, "only_b": paired.only_b, "repeated": paired.repeated}
    write_json(out / "unpaired.json", unpaired)
    said = [
        f"{a}: {one.format}, {len(one.answers)} answers",
        f"{b}: {other.format}, {len(other.answers)} answers",
    ]
    if paired.only_a or paired.only_b:
        said.append(
            f"not paired: {len(paired.only_a)} prompts only in {a.name}, {len(paired.only_b)} only in {b.name}"
        )
    return _finished(verdicts, out, said)


def replay_file(reviews: Path, out: Path | None) -> Judged:
    """Everything that can be known of stored reviews, with no call. With ``out``, also written there."""
    from handpicked.judge.replay import replay

    replayed = replay(reviews)
    said = [f"{reviews}: {replayed.format}, {len(replayed.verdicts)} pairs"]
    return _finished(replayed.verdicts, out, said)


def _finished(verdicts: Sequence[Verdict], out: Path | None, said: Sequence[str]) -> Judged:
    from handpicked.analyze.judgements import judgements

    results = {"pairs": len(verdicts), "judges": judgements(verdicts)}
    if out is not None:
        write_json(out / "judgements.json", results)
    return Judged(results, tuple(said))


def text_of(results: Mapping[str, Any]) -> str:
    """The judgements for reading in a terminal."""
    lines: list[str] = []
    for judge in results["judges"]:
        health = judge["health"]
        state = "healthy" if health["healthy"] else "NOT to be believed: " + "; ".join(health["reasons"])
        lines += [f"judge {judge['judge']}: {state}"]
        for name in ("first_position", "contradictions", "ties", "unparsed", "longer"):
            lines.append(f"  {name.replace('_', ' '):<16}{_interval(health[name])}")
        for comparison in judge["comparisons"]:
            lines.append(f"  {comparison['a']} against {comparison['b']}")
            for rule in ("strict", "summed"):
                found = comparison[rule]
                tally = ", ".join(f"{count} {name}" for name, count in found["counts"].items())
                lines.append(f"    {rule:<8}{tally}; winning score {_interval(found['winning_score'], 4)}")
                lines.append(f"    {'':<8}win rate {_interval(found['win_rate'])}")
            controlled = comparison["length_controlled"]["win_rate"]
            lines.append(f"    length-controlled win rate {_interval(controlled)}")
    return "\n".join(lines)


def _interval(estimate: Mapping[str, Any], digits: int = 3) -> str:
    if estimate["value"] is None:
        return f"none (n = {estimate['n']})"
    low, high = estimate["low"], estimate["high"]
    spread = f" (95% {low:.{digits}f} to {high:.{digits}f})" if low is not None else ""
    return f"{estimate['value']:.{digits}f}{spread}, n = {estimate['n']}"
