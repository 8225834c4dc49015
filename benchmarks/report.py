"""The report of a large run: 10 arms, 1,030 prompts, 5 judges, from stored records to written pages.

    python -m benchmarks.report [--arms 10] [--prompts 1030] [--judges 5]

What is timed is ``results.assemble`` and ``report.write``, as a run calls them; the records are made up and
seeded. Beside it, the same with three sizes and three seeds among the arms, and a run of five arms of three
seeds each on 500 prompts.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from handpicked.records import Completion, Message, Prompt, Review, SelectionSummary, Verdict
from handpicked.report import write
from handpicked.results.assemble import assemble
from handpicked.results.facts import ArmFacts, PoolFacts, RunFacts, StageFacts, TrainingFacts

SETS = ("koala", "vicuna", "wizardlm", "self-instruct", "lima")
POOL = 52_000


def prompts_of(count: int, rng: random.Random) -> list[Prompt]:
    return [
        Prompt(
            f"{i:032x}",
            (Message("user", f"Question {i}? " + "why " * rng.randint(3, 60)),),
            SETS[i % 5],
            reference="word " * 60,
        )
        for i in range(count)
    ]


def verdict_of(rng: random.Random, judge: str, a: str, b: str, prompt: Prompt) -> Verdict:
    outcome = rng.choices(("win", "tie", "lose"), (5, 2, 4))[0]
    seen = {"win": ("first", "second"), "lose": ("second", "first"), "tie": ("tie", "tie")}[outcome]
    reviews = tuple(
        Review(order, choice, f"{rng.randint(1, 10)} {rng.randint(1, 10)}\n" + "because " * 20, (7.0, 6.0), seconds=1.0, cost=0.01)  # type: ignore[arg-type]
        for order, choice in zip(("ab", "ba"), seen, strict=True)
    )  # fmt: skip
    return Verdict(
        prompt.prompt_id, a, b, judge, reviews, outcome, outcome, prompt.test_set,  # type: ignore[arg-type]
        length_a=rng.randint(100, 4000), length_b=rng.randint(100, 4000),
    )  # fmt: skip


def arm_of(name: str, by: str, rows: int, rng: random.Random, **place: str) -> ArmFacts:
    if by == "none":
        return ArmFacts(name, by, **place)
    curve = [(step, 2.0 + rng.random()) for step in range(1, 121)]
    training = TrainingFacts(rows, 3, 120, 15.0, 4_000_000, 3_000_000, 900.0, curve, "cuda")
    summary = SelectionSummary(by, rows, rows, 0, ())
    return ArmFacts(
        name, by, rows, [rng.randint(1, 900) for _ in range(rows)], summary, training, {}, **place
    )  # type: ignore[arg-type]


def stored(arms: int, prompts: int, judges: int, *, curves: bool) -> RunFacts:
    """What a run's stages would have left."""
    rng = random.Random(0)
    asked = prompts_of(prompts, rng)
    if curves:
        made = [arm_of("base", "none", 0, rng)]
        made += [arm_of(f"longest-{n}", "longest", n, rng, family="longest") for n in (100, 300, 1000)]
        made += [
            arm_of(f"random-s{s}", "random", 1000, rng, arm="random", family="random") for s in (1, 2, 3)
        ]
        made += [arm_of(f"rival-{i}", "random", 1000, rng) for i in range(arms - 7)]
        met = [("longest-1000", arm.name) for arm in made if not arm.name.startswith("longest")]
        met += [("longest-100", "base"), ("longest-300", "base")]
    else:
        made = [arm_of("longest-1000", "longest", 1000, rng), arm_of("base", "none", 0, rng)]
        made += [arm_of(f"rival-{i}", "random", 1000, rng) for i in range(arms - 2)]
        met = [("longest-1000", arm.name) for arm in made[1:]]
    return _run(asked, made, met, judges, rng, curves)


def of_seeds(arms: int, seeds: int, prompts: int) -> RunFacts:
    """Arms that were trained several times each; the first meets every other, seed by seed, by one judge."""
    rng = random.Random(0)
    names = ["longest-1000", *(f"rival-{i}" for i in range(arms - 1))]
    made = [
        arm_of(f"{name}-s{s}", "longest" if name == names[0] else "random", 1000, rng, arm=name)
        for name in names
        for s in range(seeds)
    ]
    met = [(f"{names[0]}-s{s}", f"{name}-s{s}") for name in names[1:] for s in range(seeds)]
    return _run(prompts_of(prompts, rng), made, met, 1, rng, curves=False)


def _run(
    asked: list[Prompt],
    made: list[ArmFacts],
    met: list[tuple[str, str]],
    judges: int,
    rng: random.Random,
    curves: bool,
) -> RunFacts:
    names = [f"judge-{i}" for i in range(judges)]
    return RunFacts(
        experiment={"name": "made", "evaluate": {"judges": [{"name": name} for name in names]}},
        candidates=["longest-1000"],
        curves=[["longest-100", "longest-300", "longest-1000"]] if curves else [],
        pool=PoolFacts("made", POOL, [rng.randint(1, 900) for _ in range(POOL)], "tokens"),
        arms=made,
        prompts=asked,
        completions=[
            Completion(arm.name, p.prompt_id, "answer " * rng.randint(20, 300), rng.randint(20, 500), rng.random() > 0.05)
            for arm in made for p in asked
        ],
        losses={arm.name: {p.prompt_id: rng.gauss(1.5, 0.4) for p in asked} for arm in made},
        verdicts=[verdict_of(rng, name, a, b, p) for name in names for a, b in met for p in asked],
        stages=[StageFacts("train", arm.name, 900.0) for arm in made],
        provenance={"handpicked": "made"},
    )  # fmt: skip


def timed(run: RunFacts) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        busy = time.process_time()
        results = assemble(run)
        assembled = time.perf_counter() - started
        page = write(results, Path(folder))
        seconds = time.perf_counter() - started
        return {
            "verdicts": len(run.verdicts),
            "assemble, seconds": round(assembled, 2),
            "render and write, seconds": round(seconds - assembled, 2),
            "seconds": round(seconds, 2),
            "CPU seconds": round(time.process_time() - busy, 2),
            "report.html, MB": round(page.stat().st_size / 1e6, 2),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arms", type=int, default=10)
    parser.add_argument("--prompts", type=int, default=1030)
    parser.add_argument("--judges", type=int, default=5)
    options = parser.parse_args()
    plain, curves = (
        timed(stored(options.arms, options.prompts, options.judges, curves=curves))
        for curves in (False, True)
    )
    found = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "plain arms": plain,
        "with a size curve and seeds": curves,
        "five arms of three seeds, 500 prompts": timed(of_seeds(5, 3, 500)),
        "peak memory, MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
