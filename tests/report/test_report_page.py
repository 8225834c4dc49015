"""The page: what it says, that it is the same every time, and that foreign text stays text."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest

import made_run
from handpicked.report import render
from handpicked.report.markdown import render_markdown
from handpicked.results.facts import ArmFacts, PoolFacts
from handpicked.results.schema import Results, from_json
from made_run import CANDIDATE, made, plain, round_robin, unhealthy, usual

HOSTILE = [
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "</style></details></div></main><h1>owned</h1><iframe srcdoc='<script>parent.document.title=1</script>'>",
    "&lt;b&gt; &amp; &#60;script&#62;alert(1)&#60;/script&#62;",
    "{{ 7 * 7 }} {% raw %} {{ results }}",
    "javascript:alert(1) \" onmouseover=alert(1) x='",
    "\u202egnp.exe\u202c \u2066isolated\u2069 עברית العربية",
    "NUL \x00, escape \x1b[31m, bell \x07, lone surrogate \ud800, DEL \x7f",
    "x" * 50_000,
    "]]><!-- --><svg/onload=alert(1)>",
]


class Tags(HTMLParser):
    """Every tag and attribute of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile(text: str) -> Results:
    """The usual results with every text that comes from a model, a pool or a user replaced by ``text``."""
    results = plain(usual())
    results["why"] = results["expected"] = results["pool"]["source"] = results["settings"]["why"] = text
    found = dict.fromkeys(("stage", "finished", "machine", "python", "handpicked"), text)
    made = {**found, "versions": {text: text}, "libraries": {text: text}, "kept": [text]}
    results["provenance"] = {text: [text, {text: text}], "stages": [made]}
    for prompts in results["prompts"]:
        prompts["test_set"] = text
    for sample in results["samples"]:
        sample["prompt"] = sample["reference"] = sample["test_set"] = sample["answer"]["text"] = text
        for rival in sample["rivals"]:
            rival["answer"]["text"] = text
            for verdict in rival["verdicts"]:
                for review in verdict["reviews"]:
                    review.update(raw=text, reason=text, preferred=None)
    return from_json(results)


def test_it_opens_with_the_question_the_answer_and_its_certainty() -> None:
    text = re.sub(r"\s+", " ", Tags(render(usual())).text)
    text = text[text.index("Skip to the figures") :]
    answer = usual().answer
    places = [text.index(part) for part in (usual().why, answer.headline, answer.sentence, answer.certainty)]
    places.append(text.index("Whose answers are preferred?"))
    assert places == sorted(places)


def test_rendering_twice_gives_the_same_bytes_also_from_the_stored_file() -> None:
    page = render(usual())
    assert render(usual()) == page
    assert render(from_json(plain(usual()))) == page


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:24]))
def test_foreign_text_adds_no_tag_and_no_attribute(text: str) -> None:
    """The page of hostile text has exactly the tags and attributes of the page of
    the harmless word ``text``.
    """
    page, harmless = render(hostile(text)), render(hostile("text"))
    page.encode("utf-8")
    kinds = [
        (tag, sorted(attributes)) for tag, attributes in Tags(page).tags if "small" not in str(attributes)
    ]
    expected = [
        (tag, sorted(attributes)) for tag, attributes in Tags(harmless).tags if "small" not in str(attributes)
    ]
    assert kinds == expected


def test_the_page_has_no_script_no_handler_no_address_and_a_policy_that_forbids_them() -> None:
    tags = Tags(render(hostile(HOSTILE[0]))).tags
    assert not {tag for tag, _ in tags} & {
        "script",
        "iframe",
        "object",
        "embed",
        "link",
        "img",
        "form",
        "base",
    }
    for tag, attributes in tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name != "style"
            assert name not in ("src", "srcset", "action") and (
                name != "href" or (value or "").startswith("#")
            ), tag
    policy = next(
        a["content"] for t, a in tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy and policy.startswith("default-src 'none'; style-src 'sha256-")


def test_what_must_not_be_obeyed_is_shown_and_what_is_cut_is_counted() -> None:
    text = Tags(render(hostile("a\x00b\u202ec\ud800d"))).text
    assert "a␀b[U+202E]c[U+D800]d" in text
    assert "44,000 more characters" in Tags(render(hostile("x" * 50_000))).text


@pytest.mark.parametrize("run", [usual, unhealthy, round_robin])
def test_every_id_is_unique_and_every_figure_names_its_columns(run: Callable[[], Results]) -> None:
    tags = Tags(render(run())).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(attributes.get("scope") for tag, attributes in tags if tag == "th")
    assert {a["aria-labelledby"] for t, a in tags if t == "section"} <= set(ids)
    assert all(attributes.get("aria-hidden") == "true" for tag, attributes in tags if tag == "svg")


def test_the_numbers_of_the_first_figure_are_those_of_the_results() -> None:
    text = re.sub(r"\s+", " ", Tags(render(usual())).text)
    for comparison in usual().comparisons:
        counts = comparison.strict.counts
        assert f"{counts.win} wins, {counts.tie} ties, {counts.lose} losses" in text


def test_the_training_section_says_what_training_changed() -> None:
    page = render(usual())
    table = page.split("What did training change?")[1].split("</table>")[0]
    row = table.split('<th scope="row">longest</th>')[1].split("</tr>")[0]
    finished = usual().arms[1].finished.value
    cells = re.findall(r"<td[^>]*>(.*?)</td>", row)
    assert cells == [
        *("30", "0", "0.0002 (default for lora)", "0.0031", "1.25", "0.063%", "41.2", "43.7"),
        f"{100 * finished:.0f}%",
    ]
    (line,) = [
        line for line in render_markdown(usual()).splitlines() if "0.063%" in line and "longest" in line
    ]
    assert [cell.strip() for cell in line.strip("|").split("|")][2:5] == [
        "0",
        "0.0002 (default for lora)",
        "0.0031",
    ]


def test_rows_and_turns_that_the_template_took_from_a_training_are_reported() -> None:
    results = usual()
    assert not re.search(r"earlier turns were not learned", render(results) + render_markdown(results))
    training = results.arms[1].training
    assert training is not None
    arm = replace(results.arms[1], training=replace(training, rows_refused=3, turns_unlearned=17))
    results = replace(results, arms=[results.arms[0], arm, *results.arms[2:]])
    page = render(results)
    table = page.split('id="training"')[1].split("What did training change?")[0]
    row = table.split(f'<th scope="row">{arm.name}</th>')[1].split("</tr>")[0]
    assert re.findall(r"<td[^>]*>(.*?)</td>", row)[2] == "3"
    assert "17 earlier turns were not learned" in table
    text = render_markdown(results)
    assert "3 rows of the subset were left out" in text and "17 earlier turns were not learned" in text


def test_a_run_with_almost_nothing_in_it_still_makes_a_page() -> None:
    bare = made(
        arms=[ArmFacts("base", "none"), ArmFacts(CANDIDATE, "longest")],
        pool=PoolFacts("pool.jsonl", 0, [], "tokens"),
        prompts=[],
        completions=[],
        losses={},
        verdicts=[],
        stages=[],
        provenance={},
    )
    assert "Nothing was compared" in render(bare)


def test_endless_answers_and_reviews_leave_the_page_under_eight_megabytes() -> None:
    """Prompts beyond the limit are left out, and the page says how many of them it shows."""
    endless = "<&>" * 20_000
    verdicts = [
        replace(v, reviews=tuple(replace(r, raw=endless) for r in v.reviews)) for v in made_run.verdicts()
    ]
    answers = [replace(one, text=endless) for one in made_run.completions()]
    page = render(made_run.made(completions=answers, verdicts=verdicts))
    assert len(page.encode()) < 8_000_000
    shown = len(re.findall(r'<details class="sample"', page))
    assert 1 <= shown < 48
    assert f"{shown} of 48 prompts, drawn by a hash" in page


def test_every_judged_prompt_can_be_read_and_linked_to() -> None:
    page = render(usual())
    assert "All 48 prompts" in page
    for number, sample in enumerate(usual().samples, 1):
        found = page.split(f'<details class="sample" id="prompt-{number}">')[1]
        assert sample.prompt in html.unescape(found.split('<details class="sample"')[0])
    assert len(usual().samples) == 48


def test_the_contents_link_to_every_section_and_to_nothing_else() -> None:
    for results in (usual(), unhealthy(), round_robin()):
        page = render(results)
        contents = page.split('<nav class="contents"')[1].split("</nav>")[0]
        assert re.findall(r'href="#(\w+)"', contents) == re.findall(r'<h2 id="(\w+)">', page)


def test_a_p_value_of_fewer_than_ten_decided_verdicts_is_not_shown() -> None:
    few = replace(usual().comparisons[0].strict.counts, win=9, tie=39, lose=0)
    first = usual().comparisons[0]
    results = replace(
        usual(), comparisons=[replace(first, holm=0.004, strict=replace(first.strict, counts=few))]
    )
    assert "0.004" not in render(results)
    ten = replace(few, win=10, tie=38)
    results = replace(
        results, comparisons=[replace(first, holm=0.004, strict=replace(first.strict, counts=ten))]
    )
    assert "0.004" in render(results)
