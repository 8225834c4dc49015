"""DEITA's ratings are the expectation over six tokens, computed here by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from handpicked.config import ModelSettings
from handpicked.errors import ConfigError
from handpicked.models.load import load_tokenizer
from handpicked.progress import SILENT
from handpicked.scorers.model.deita import DeitaRating, DeitaScore, rating_ids
from handpicked.scorers.part_scorer import PartScorer
from handpicked.scorers.pool_scorer import FACTS, SCORES
from made_examples import MadePool, example, made_pool, scores, stopped

torch = pytest.importorskip("torch", reason="needs the lm extra")

POOL = made_pool(9, seed=3)
BRIEF = {"deita-complexity": "P: {prompt} C:", "deita-quality": "P: {prompt} R: {response} Q:"}


@pytest.fixture
def model(tiny_model: Path) -> ModelSettings:
    return ModelSettings(name=str(tiny_model), dtype="float32")


@pytest.fixture
def rate(model, tmp_path):
    """Makes a scorer with a brief prompt, since the tiny model's tokens are bytes and its context is 512."""

    def make(name: str, text: str | None = None, **fields) -> DeitaRating:
        file = tmp_path / f"{name}.txt"
        file.write_text(BRIEF[name] if text is None else text)
        return DeitaRating(name, model, str(file), **fields)

    return make


def product_of(rate, **fields) -> DeitaScore:
    complexity, quality = rate("deita-complexity"), rate("deita-quality")
    return DeitaScore(complexity.model, complexity.prompt, quality_prompt=quality.prompt, **fields)


def run(scorer, work: Path, pool=POOL):
    work.mkdir(exist_ok=True, parents=True)
    scorer.score(pool, None, work, SILENT)
    return scores(work, *scorer.values)


def by_hand(model: ModelSettings, texts: list[str]) -> list[float]:
    """One row at a time with plain transformers; the tiny tokenizer has a token a byte."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model.name)
    causal = AutoModelForCausalLM.from_pretrained(model.name, dtype=torch.float32).eval()
    digits = [tokenizer.convert_tokens_to_ids(str(k)) for k in range(1, 7)]
    values = []
    for text in texts:
        with torch.no_grad():
            logits = causal(**tokenizer(text, return_tensors="pt")).logits[0, -1]
        weights = [float(torch.exp(logits[digit].double())) for digit in digits]
        values.append(sum(k * w for k, w in enumerate(weights, start=1)) / sum(weights))
    return values


@pytest.mark.parametrize("name", ["deita-complexity", "deita-quality"])
def test_it_is_the_expected_rating(rate, model, tmp_path, name):
    texts = [BRIEF[name].format(prompt=one.prompt, response=one.response) for one in POOL.found]
    expected = by_hand(model, texts)
    for tokens in (1, 5000):
        values, cut, reasons = run(rate(name, batch_tokens=tokens), tmp_path / str(tokens))
        assert values == pytest.approx(expected, abs=1e-4)
        assert set(cut) == {0.0} and set(reasons) == {None}
    assert all(1 < value < 6 for value in values) and max(values) - min(values) > 0.1


def test_the_order_of_the_pool_does_not_matter(rate, tmp_path):
    scorer, moved = rate("deita-quality"), POOL.shuffled()
    values, *_ = run(scorer, tmp_path / "a")
    again, *_ = run(scorer, tmp_path / "b", moved)
    by_id = dict(zip((one.id for one in POOL.found), values, strict=True))
    assert again == [by_id[one.id] for one in moved.found]


def test_the_product_is_the_combination_and_either_null_makes_it_null(rate, tmp_path):
    pool = MadePool((*POOL.found[:3], example(3, "why?", " "), example(4, "", "because")))
    both = product_of(rate)
    product, complexity, _, quality, _, reasons = run(both, tmp_path / "work", pool)
    assert product[:3] == pytest.approx([c * q for c, q in zip(complexity[:3], quality[:3], strict=True)])
    assert (product[3], product[4]) == (None, None)
    assert complexity[3] is not None and quality[4] is not None
    assert reasons == [None, None, None, "the response is empty", "the prompt is empty"]


def test_what_is_cut_is_the_end_of_the_response_and_the_question_stays(rate, model, tmp_path):
    text = BRIEF["deita-quality"]
    pool = MadePool((example(0, "hi", "y" * 600), example(1, "z" * 600, "short")))
    (cut_one, no_room), cut, reasons = run(rate("deita-quality"), tmp_path / "work", pool)
    whole = len(text.format(prompt="hi", response="y" * 600))
    shortened = text.format(prompt="hi", response="y" * (600 - (whole - 512)))
    assert len(shortened) == 512
    assert cut_one == pytest.approx(by_hand(model, [shortened])[0], abs=1e-4)
    assert cut == [whole - 512, None]
    assert no_room is None and "no room for the response" in reasons[1]


def test_a_cut_spares_whatever_comes_after_the_response(rate, model, tmp_path):
    text = "R: {response} P: {prompt} Q:"
    pool = MadePool((example(0, "what is seven? " * 10, "y" * 600),))
    (value,), (cut,), _ = run(rate("deita-quality", text), tmp_path / "work", pool)
    whole = len(text.format(prompt=pool.found[0].prompt, response="y" * 600))
    shortened = text.format(prompt=pool.found[0].prompt, response="y" * (600 - (whole - 512)))
    assert cut == whole - 512 and value == pytest.approx(by_hand(model, [shortened])[0], abs=1e-4)


def test_braces_in_a_row_are_its_own(rate, model, tmp_path):
    pool = MadePool((example(0, "what is {response}?", "a {prompt}"),))
    (value,), *_ = run(rate("deita-quality"), tmp_path / "work", pool)
    assert value == pytest.approx(by_hand(model, ["P: what is {response}? R: a {prompt} Q:"])[0], abs=1e-4)


def test_after_a_kill_the_values_are_the_same(rate, tmp_path, monkeypatch):
    monkeypatch.setattr(PartScorer, "part_rows", 4)
    both = product_of(rate, batch_tokens=80)
    whole = run(both, tmp_path / "whole")
    stopped(both, POOL, tmp_path / "torn", after=4)
    assert run(both, tmp_path / "torn") == whole
    assert {file.name for file in (tmp_path / "torn").iterdir()} == {FACTS, SCORES}


def test_ratings_are_single_tokens_or_it_is_refused(model):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    assert rating_ids(load_tokenizer(model), "C:", "tiny") == load_tokenizer(model).convert_tokens_to_ids(
        list("123456")
    )
    words = {"<unk>": 0, "C": 1, ":": 2, ":4": 3, **{str(k): k + 3 for k in range(1, 7)}}
    merging = Tokenizer(models.BPE(words, [(":", "4")], unk_token="<unk>"))
    merging.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    with pytest.raises(ConfigError, match="rating 4"):
        rating_ids(PreTrainedTokenizerFast(tokenizer_object=merging), "C:", "merging")


@pytest.mark.models
@pytest.mark.parametrize("name", ["deita-complexity", "deita-quality"])
def test_the_prompts_that_come_along_suit_the_bundled_model(name):
    from handpicked.errors import MissingPart

    try:
        scorer = DeitaRating(name, ModelSettings())
        encode = scorer._encoder()
    except MissingPart as missing:
        pytest.skip(str(missing))
    row = encode(example(0, "Why is the sky blue?", "It scatters."))
    assert len(set(encode.ratings)) == 6 and row.reason is None and row.truncated == 0
    text = encode.tokenizer.decode(list(row.ids))
    assert "Why is the sky blue?" in text and text.endswith("from 1 to 6: ")


def test_a_prompt_without_its_field_or_file_is_refused(rate, model, tmp_path):
    with pytest.raises(ConfigError, match=r"\{response\}"):
        rate("deita-quality", "P: {prompt} Q:").identity()
    with pytest.raises(ConfigError, match="cannot be read"):
        DeitaRating("deita-quality", model, str(tmp_path / "nowhere.txt")).identity()


def test_the_prompt_is_part_of_the_identity(rate):
    first = rate("deita-quality").identity()
    assert rate("deita-quality", "{prompt} {response} Q:").identity() != first


def test_a_missing_model_is_an_error(tmp_path):
    scorer = DeitaRating("deita-quality", ModelSettings(name=str(tmp_path / "nowhere")))
    with pytest.raises(ConfigError, match="no model folder"):
        scorer.score(POOL, None, tmp_path, SILENT)


def test_the_estimate_reads_no_weights(rate, monkeypatch):
    monkeypatch.setattr(
        "handpicked.scorers.model.deita.load_model", lambda _: pytest.fail("weights were read")
    )
    assert "9 rows" in rate("deita-quality").estimate(POOL, None).sentence
