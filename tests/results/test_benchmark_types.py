"""Benchmark change by type of instruction: hand-computed differences, what takes part, and that
nothing is dropped unsaid.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from handpicked.records import to_json
from handpicked.results.benchmark_types import benchmark_types
from handpicked.results.benchmarks import Line
from handpicked.results.facts import BenchFacts, InstructionFacts
from handpicked.statistics.estimates import Z95, wilson
from handpicked.statistics.verb_noun import NONE, OTHERS, WITHOUT
from made_run import made

LINES = [Line("base", ["base"], "base", "full"), Line("full", ["full"], "base", "full")]
LINES += [Line("longest", ["longest"], "base", "full")]


def fact(arm, values, benchmark="ifeval", **more):
    return BenchFacts(arm, benchmark, "acc", 0.5, 0.1, len(values), values=values, **more)


WRITE = {f"w{i}": "write" for i in range(6)}
SORT = {f"s{i}": "sort" for i in range(5)}
VERBS = {"ifeval": {**WRITE, **SORT, "r0": "rhyme", "q0": None}}
MINE = {**dict(zip(WRITE, (1, 1, 0, 1, 1, 0), strict=True)), **dict.fromkeys(SORT, 1.0), "r0": 0.0, "q0": 1.0}
BASE = {**dict(zip(WRITE, (0, 1, 0, 0, 1, 1), strict=True)), **dict.fromkeys(SORT, 1.0), "r0": 1.0, "q0": 0.0}


def table(facts, verbs=VERBS, lines=LINES, candidate="longest", also=()):
    found = benchmark_types(facts, lines, candidate, verbs, also)
    return found, {row.type: row for row in found.rows}


def test_differences_by_type_are_those_of_its_documents():
    found, rows = table([fact("longest", MINE), fact("base", BASE)])
    assert list(rows) == ["write", "sort", OTHERS, NONE]
    assert [row.documents for row in rows.values()] == [6, 5, 1, 1]
    write = rows["write"].to_base
    differences = (1, 0, 0, 1, 0, -1)
    mean = sum(differences) / 6
    error = math.sqrt(sum((d - mean) ** 2 for d in differences) / 5 / 6)
    assert write.value == pytest.approx(1 / 6) and write.n == 6 and write.missing == 0
    assert (write.low, write.high) == pytest.approx((mean - Z95 * error, mean + Z95 * error))
    assert rows["sort"].to_base.value == 0 and "all alike" in rows["sort"].to_base.method
    assert (rows[OTHERS].to_base.value, rows[NONE].to_base.value) == (-1, 1)
    assert found.overall.to_base.value == pytest.approx(1 / 13)
    assert all(row.to_full is None for row in rows.values())


def test_types_partition_the_documents():
    found, rows = table([fact("longest", MINE), fact("base", BASE)])
    parts = [row.to_base for row in rows.values()]
    whole = found.overall.to_base
    assert sum(part.n for part in parts) == whole.n
    assert sum(part.n * part.value for part in parts) / whole.n == pytest.approx(whole.value)


def test_documents_without_text_are_a_type_of_their_own():
    completed = {f"c{i}": 1.0 for i in range(3)}
    facts = [fact("longest", MINE), fact("base", BASE)]
    facts += [
        fact(arm, completed if arm == "longest" else dict.fromkeys(completed, 0.0), "hellaswag")
        for arm in ("longest", "base")
    ]
    found, rows = table(facts)
    assert list(rows)[-1] == WITHOUT and rows[WITHOUT].documents == 3
    assert rows[WITHOUT].benchmarks == {"hellaswag": 3} and rows[WITHOUT].to_base.value == 1
    assert found.overall.documents == 16
    assert (found.no_verb.value, found.no_verb.n) == (1 / 13, 13)
    _, old = table(facts, verbs={})
    assert list(old) == [WITHOUT] and old[WITHOUT].documents == 16


def test_verbs_of_the_prompts_are_not_hidden_by_a_large_benchmark():
    many = {f"m{i}": f"verb{i % 12:02d}" for i in range(120)}
    verbs = {"ifeval": VERBS["ifeval"], "mmlu": many}
    facts = [fact("longest", MINE), fact("base", BASE)]
    facts += [fact(arm, dict.fromkeys(many, 1.0), "mmlu") for arm in ("longest", "base")]
    _, rows = table(facts, verbs)
    assert "write" not in rows and rows[OTHERS].documents == 12
    _, rows = table(facts, verbs, also=["write", "rhyme", "dance", OTHERS])
    assert rows["write"].documents == 6 and rows[OTHERS].documents == 6
    assert "rhyme" not in rows and "dance" not in rows


def test_documents_of_several_benchmarks_are_pooled_and_distinguished():
    """Documents of one name in two benchmarks are two documents."""
    facts = [
        fact(arm, values, name) for arm, values in (("longest", MINE), ("base", BASE)) for name in ("a", "b")
    ]
    found, rows = table(facts, verbs={"a": VERBS["ifeval"], "b": VERBS["ifeval"]})
    assert rows["write"].documents == 12 and rows["write"].benchmarks == {"a": 6, "b": 6}
    assert rows["write"].to_base.n == 12 and found.left_out == {}


def test_benchmarks_that_cannot_be_pooled_are_reported():
    facts = [fact("longest", MINE), fact("base", BASE)]
    facts += [fact(arm, {"p0": 0.5}, "perplexity", higher_is_better=False) for arm in ("longest", "base")]
    facts += [fact(arm, {"p0": 31.0}, "bleu") for arm in ("longest", "base")]
    facts += [
        fact("base", {"p0": 1.0}, "gsm8k"),
        BenchFacts("longest", "gsm8k", reason="KeyError", failed=True),
    ]
    found, _ = table(facts)
    assert found.left_out == {
        "perplexity": "lower is better",
        "bleu": "values beyond 0 to 1",
        "gsm8k": "no values by document",
    }
    assert found.overall.documents == len(MINE)


def test_full_is_compared_where_there_is_such_an_arm():
    facts = [fact("longest", MINE), fact("base", BASE), fact("full", dict.fromkeys(MINE, 1.0))]
    _, rows = table(facts)
    assert rows["write"].to_full.value == pytest.approx(-2 / 6)
    _, rows = table(facts, candidate="full")
    assert rows["write"].to_full is None and rows["write"].to_base.value == pytest.approx(3 / 6)


def test_nothing_to_compare_with_is_no_table():
    assert benchmark_types([], LINES, "longest", VERBS) is None
    assert benchmark_types([fact("longest", MINE)], LINES, "longest", VERBS) is None
    assert benchmark_types([fact("base", BASE)], LINES, "base", VERBS) is None


def test_documents_of_one_side_only_are_missing_from_the_difference():
    _, rows = table([fact("longest", MINE), fact("base", {doc: v for doc, v in BASE.items() if doc != "w0"})])
    assert (rows["write"].documents, rows["write"].to_base.n) == (6, 5)
    assert rows["write"].to_base.missing == 1


def test_documents_with_text_that_have_no_value_are_counted():
    """As where a likelihood is not a number on every model."""
    mine, base = ({doc: v for doc, v in side.items() if doc != "w0"} for side in (MINE, BASE))
    found, rows = table([fact("longest", mine), fact("base", base)])
    assert (rows["write"].documents, rows["write"].to_base.n) == (6, 5)
    assert rows["write"].to_base.missing == found.overall.to_base.missing == 1


def test_seeds_that_agree_on_every_document_prove_little():
    lines = [LINES[0], Line("longest", ["longest-1", "longest-2"], "base")]
    facts = [fact(arm, dict.fromkeys(MINE, 0.0)) for arm in ("longest-1", "longest-2", "base")]
    _, rows = table(facts, lines=lines)
    write = rows["write"].to_base
    assert (write.value, write.high, write.n) == (0, wilson(0.0, 6)[1], 12)
    assert "all alike" in write.method


def test_seeds_of_the_candidate_are_pooled():
    lines = [LINES[0], Line("longest", ["longest-1", "longest-2"], "base")]
    facts = [fact("longest-1", MINE), fact("longest-2", dict.fromkeys(MINE, 1.0)), fact("base", BASE)]
    _, rows = table(facts, lines=lines)
    write = rows["write"].to_base
    assert write.value == pytest.approx((1 / 6 + 3 / 6) / 2) and write.n == 12
    assert "6 prompts and 2 seeds" in write.method and write.low < write.value < write.high
    assert rows["write"].documents == 6


def test_the_order_of_documents_and_models_says_nothing():
    lines = [LINES[0], Line("longest", ["longest-1", "longest-2"], "base")]
    rng = random.Random(0)
    facts = [
        fact(arm, {doc: rng.random() for doc in MINE}, name)
        for arm in ("longest-1", "longest-2", "base")
        for name in ("a", "b")
    ]
    verbs = {"a": VERBS["ifeval"], "b": VERBS["ifeval"]}
    found = to_json(benchmark_types(facts, lines, "longest", verbs))
    for _ in range(5):
        moved = [replace(one, values=shuffled(one.values, rng)) for one in facts]
        rng.shuffle(moved)
        turned = {name: shuffled(known, rng) for name, known in shuffled(verbs, rng).items()}
        assert to_json(benchmark_types(moved, lines, "longest", turned)) == found


def shuffled(values, rng):
    items = list(values.items())
    rng.shuffle(items)
    return dict(items)


def test_results_hold_it_where_verbs_could_be_found():
    facts = [fact("longest", MINE), fact("base", BASE)]
    found = made(benchmarks=facts, instructions=InstructionFacts(None, {}, {}, VERBS)).instructions
    assert found.on_benchmarks.rows[0].type == "write"
    lacking = InstructionFacts("spacy: not installed.")
    assert made(benchmarks=facts, instructions=lacking).instructions.on_benchmarks is None
    assert made(instructions=InstructionFacts()).instructions.on_benchmarks is None
