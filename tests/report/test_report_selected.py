"""The sections on what was selected and on style: they say what the results say, and what is missing."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from handpicked.report import render
from handpicked.report.markdown import render_markdown
from handpicked.report.sunburst import sunburst
from handpicked.results.facts import BenchFacts, InstructionFacts
from handpicked.results.sections.selected import Instructions
from handpicked.statistics.verb_noun import NounCount, VerbCount, proportion
from made_run import arms, made, usual


def text_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page[page.index("<main") :]))


def test_a_feature_that_a_subset_has_more_of_is_reported_first():
    text = text_of(render(usual()))
    part = text[text.index("How do the subsets differ?") :]
    assert part.index("hedges") < part.index("first person")
    assert "400 of 6,200 rows of the pool" in part


def test_without_the_english_part_the_report_says_what_to_install():
    lacking = Instructions("spacy: not installed. pip install 'handpicked[english]'", (), (), None)
    results = replace(usual(), instructions=lacking)
    text = text_of(render(results))
    assert "pip install &#39;handpicked[english]&#39;" in text
    assert "Instruction types" not in render_markdown(results)


def test_a_run_without_these_parts_has_no_such_sections():
    results = made(audit=None, instructions=None, answer_features=None)
    page, short = render(results), render_markdown(results)
    for words in ("What do the instructions ask for", "How do the subsets differ", "Which style goes with"):
        assert words not in page
    assert "Overlap of the subsets" not in short


HOSTILE = "<script>alert(1)</script> | x"


def with_benchmarks():
    """Half the documents ask to write, some nothing; one root verb is hostile, and one
    benchmark cannot be pooled.
    """
    verbs = {f"doc {i}": "write" if i < 10 else HOSTILE if i < 16 else None for i in range(20)}
    facts = [
        BenchFacts(arm, name, "acc", 0.5, 0.1, 24, values={f"doc {i}": float(i % (2 + k) == 0) for i in range(24)}, **more)
        for k, arm in enumerate(("base", "longest"))
        for name, more in (("ifeval", {}), ("perplexity", {"higher_is_better": False}))
    ]  # fmt: skip
    return made(benchmarks=facts, instructions=InstructionFacts(None, {}, {}, {"ifeval": verbs}))


def test_benchmarks_by_type_are_reported_beside_the_win_rates():
    results = with_benchmarks()
    page, short = render(results), render_markdown(results)
    text = text_of(page)
    assert "On which types of question do longest's benchmark scores change?" in text
    assert "perplexity is left out: lower is better." in text
    assert "Without text are" in text and "To base" in text
    part = short[short.index("Benchmark change by instruction type") :]
    write = next(line for line in part.splitlines() if line.startswith("| write"))
    assert "| ifeval 10 | 10 | −10.0 (" in write and write.endswith("n 10) | – |")
    assert "| left out: perplexity | lower is better |" in part
    assert "| without text | ifeval 4 | 4 |" in part


def test_verbs_of_hostile_questions_stay_text():
    results = with_benchmarks()
    page, short = render(results), render_markdown(results)
    assert "<script" not in page and "&lt;script&gt;alert(1)&lt;/script&gt; | x" in page
    assert "<script>" not in short


def test_preference_is_reported_as_an_association_with_every_feature_that_could_be_fitted():
    results = usual()
    text = text_of(render(results))
    part = text[text.index("Which style goes with being preferred") :]
    assert "An association, not a cause" in part
    assert "too few have them: bold" in part
    assert "Holm's correction for 4 features" in part.replace("&#39;", "'")
    assert [row.feature for row in results.preference.rows][-1] == "bold"


def test_a_sunburst_goes_once_around_and_escapes_words():
    share = proportion(1, 4)
    verbs = [VerbCount("<write>", 3, share, (NounCount("story", 2),)), VerbCount("list", 1, share, ())]
    drawn = str(sunburst(verbs, ["list", "<write>"]))
    assert drawn.count("<path") == 3 and "<write>" not in drawn and "&lt;write&gt;" in drawn
    ends = re.findall(r'class="(h\d)" d="M([-\d.]+) ([-\d.]+)A', drawn)
    assert [hue for hue, _, _ in ends] == ["h1", "h0"]
    angles = [math.atan2(float(x), -float(y)) / (2 * math.pi) % 1 for _, x, y in ends]
    assert [round(angle, 3) for angle in angles] == [0.0, 0.75]
    assert sunburst([VerbCount("only", 5, share, ())], ["only"]).count("<path") == 1


def test_the_rows_that_were_scored_are_reported_where_they_are_not_all():
    scored = {"longest": {"sample": 2000}, "random-1": {"prefilter": "longest:5000"}}
    scored["random-2"] = scored["longest"] | scored["random-1"]
    facts = [replace(arm, settings={"score": scored.get(arm.name, {"model": "m"})}) for arm in arms()]
    results = made(arms=facts)
    text, short = text_of(render(results)), render_markdown(results)
    for found in (
        "longest: scores were computed for a random sample of 2,000 rows only",
        "random-1: scores were computed for what the prefilter longest:5000 keeps only",
        "random-2: scores were computed for a random sample of 2,000 rows of what the "
        "prefilter longest:5000 keeps only",
    ):
        assert found in text and found in short
    assert text.count("scores were computed") == short.count("scores were computed") == 3
    assert "scores were computed" not in render(usual()) + render_markdown(usual())
