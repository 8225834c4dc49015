"""Token counts are those of the reference tokenizer, whoever counts."""

from __future__ import annotations

import json
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st

from handpicked.errors import ConfigError, MissingPart
from handpicked.scorers.text.length_tokens import LengthTokens
from handpicked.tokens.tokenizer import EMBEDDED, PROBE, load_counter

SPACES = " \t\n\r\x0b\x0c\x85\u00a0\u2003\u3000"
HARD = (
    SPACES
    + "0123456789'\x04\x06\x13\x14\x16\x1d\u00bd\u0663\uff11\u2160\U0001d7d8\U00010e60\U00040000\u00e9\u4f60\U0001f600.-aZ"
)


@pytest.fixture(params=[-1, 1 << 60], ids=["awkward", "matrix"])
def both_ways(request, monkeypatch):
    """Text goes into gigatoken by one of its two ways in."""
    monkeypatch.setattr("handpicked.tokens.fast_count.PAYS", request.param)


@pytest.fixture(scope="module")
def embedded():
    return tokenizers.Tokenizer.from_file(str(EMBEDDED))


def reference_counts(reference, texts):
    return [len(one) for one in reference.encode_batch_fast(texts, add_special_tokens=False)]


def count(tokenizer, texts):
    return tokenizer.count(pa.array(texts, pa.large_string())).to_pylist()


def test_the_embedded_tokenizer_is_counted_by_gigatoken_and_says_who_it_is():
    identity = load_counter().identity
    assert identity.name == "SmolLM2-135M-Instruct"
    assert identity.engine.startswith("gigatoken ")
    assert len(identity.sha256) == 64


def test_known_counts_of_smollm2():
    # As the published tokenizer splits them: digits one by one, a run of spaces whole, special tokens as one.
    assert count(load_counter(), ["Hello world", "2024", "a  1", "<|im_end|>", ""]) == [2, 4, 3, 1, 0]


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.text(st.one_of(st.sampled_from(HARD), st.characters(exclude_categories=["Cs"]))), max_size=8)
)
@example(["a\n\n1. b", "\u00a0\u00a05", "  \u30006", "\n \n 7", "1  ", "  1  2   3", "\x04  5"])
def test_embedded_counts_equal_hugging_face_on_any_text(embedded, texts):
    for pays in (-1, 1 << 60):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("handpicked.tokens.fast_count.PAYS", pays)
            assert count(load_counter(), texts) == reference_counts(embedded, texts)


@given(
    st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]))), max_size=6),
    st.integers(0, 3),
)
@settings(deadline=None)
def test_null_stays_null_and_slices_count_their_own_texts(texts, start):
    whole = LengthTokens()(pa.record_batch({"response": pa.array(texts, pa.string())}))
    part = LengthTokens()(pa.record_batch({"response": pa.array(texts, pa.string()).slice(start)}))
    assert whole.to_pylist()[start:] == part.to_pylist()
    assert [value is None for value in whole.to_pylist()] == [text is None for text in texts]


@pytest.mark.parametrize("block", [3, 4, 7, 64])
def test_runs_before_digits_are_found_wherever_a_block_ends(monkeypatch, embedded, block):
    monkeypatch.setattr("handpicked.tokens.fast_count.BLOCK", block)
    texts = [
        f"{'a' * before}{run}{digit}"
        for before in range(9)
        for run in ("  ", "\n\n", " \t ", " " * 9)
        for digit in "05x"
    ]
    texts += ["1", " ", "  ", " 2", "", "  3"]
    assert count(load_counter(), texts) == reference_counts(embedded, texts)


@pytest.mark.parametrize("byte", sorted({0x04, 0x06, 0x13, 0x14, 0x16, 0x1D}))
def test_texts_with_a_missing_byte_are_distinguished_from_their_neighbours(byte):
    from handpicked.tokens.fast_count import _rows_with_bytes, text_buffers

    texts = ["", "a b\tc\r\n", f"x{chr(byte)}", "", chr(byte), "plain", "caf\u00e9", "\U0001f600", ""]
    offsets, data = text_buffers(pa.array(texts, pa.large_string()))
    found = _rows_with_bytes(data, offsets, bytes([byte, 0xF1, 0xFF]))
    assert found.tolist() == [chr(byte) in text for text in texts]


def test_every_number_of_unicode_goes_to_the_reference():
    from handpicked.tokens.fast_count import _rows_with_other_numbers

    numbers = [
        chr(code) for code in range(0x80, 0x110000) if unicodedata.category(chr(code)) in ("Nd", "Nl", "No")
    ]
    assert len(numbers) > 1500
    found = _rows_with_other_numbers(pa.array(numbers, pa.large_string()))
    assert [number for number, one in zip(numbers, found, strict=True) if not one] == []
    plain = _rows_with_other_numbers(
        pa.array(["caf\u00e9 12", "\u4f60\u597d 3", "\U0001f600 4", "\u00a05"], pa.large_string())
    )
    assert not plain.any()


def trained_bpe(
    folder, pre_tokenizer, texts=("the cat sat on the mat and the dog sat on the log " * 20,), size=600
):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<|end|>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*PROBE, *texts], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


LLAMA_3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def byte_level(use_regex):
    return tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


FAMILIES = [
    ("gpt2", byte_level(True)),
    ("llama3", tokenizers.pre_tokenizers.Sequence([
        tokenizers.pre_tokenizers.Split(tokenizers.Regex(LLAMA_3), "isolated"), byte_level(False)])),
    ("smollm", tokenizers.pre_tokenizers.Sequence([
        tokenizers.pre_tokenizers.Digits(individual_digits=True), byte_level(True)])),
]  # fmt: skip


@pytest.mark.parametrize(("family", "pre_tokenizer"), FAMILIES)
def test_byte_level_families_are_fast_and_exact(both_ways, tmp_path, family, pre_tokenizer):
    reference = trained_bpe(tmp_path, pre_tokenizer)
    loaded = load_counter(str(tmp_path))
    assert loaded.identity.engine.startswith("gigatoken "), loaded.identity
    assert count(loaded, list(PROBE)) == reference_counts(reference, list(PROBE))


def test_a_tokenizer_that_gigatoken_refuses_is_counted_by_hugging_face_and_says_so(tmp_path):
    reference = tokenizers.Tokenizer(
        tokenizers.models.WordPiece({"[UNK]": 0, "the": 1, "cat": 2, "##s": 3}, unk_token="[UNK]")
    )
    reference.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    file = tmp_path / "tokenizer.json"
    reference.save(str(file))
    loaded = load_counter(str(file))
    assert loaded.identity.engine.startswith("tokenizers ")
    assert "gigatoken" in loaded.identity.note
    assert count(loaded, ["the cats sat", ""]) == [4, 0]


def test_truncation_and_padding_in_a_tokenizer_file_do_not_change_a_length(tmp_path):
    reference = tokenizers.Tokenizer.from_file(str(EMBEDDED))
    reference.enable_truncation(4)
    reference.enable_padding(length=9)
    reference.save(str(tmp_path / "tokenizer.json"))
    assert count(load_counter(str(tmp_path)), ["one two three four five six seven"]) == [7]


def test_a_sentencepiece_model_counts_as_sentencepiece_does(both_ways, tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    corpus = [text for text in PROBE if text.strip() and "\x00" not in text] + ["the cat sat on the mat"] * 50
    (tmp_path / "corpus.txt").write_text("\n".join(corpus), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "corpus.txt"), model_prefix=str(tmp_path / "spm"), vocab_size=500, model_type="bpe",
        byte_fallback=True, hard_vocab_limit=False, minloglevel=9, character_coverage=0.98,
    )  # fmt: skip
    reference = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "spm.model"))
    loaded = load_counter(str(tmp_path / "spm.model"))
    assert count(loaded, list(PROBE)) == [len(reference.encode(text)) for text in PROBE]


def test_names_that_lead_nowhere_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"neither tokenizer\.json nor tokenizer\.model"):
        load_counter(str(tmp_path))
    with pytest.raises(ConfigError, match="no file"):
        load_counter(str(tmp_path / "gone.json"))
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": "none"}))
    with pytest.raises(ConfigError, match=r"not a tokenizer\.json"):
        load_counter(str(tmp_path / "tokenizer.json"))
    (tmp_path / "bad.model").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="not a SentencePiece model"):
        load_counter(str(tmp_path / "bad.model"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # no patient retries
    with pytest.raises(MissingPart, match="needs no network"):
        load_counter("no-such-organisation/no-such-model")


def all_texts(real_data):
    """Every text column of the data folder, column by column."""
    for file in sorted(real_data.glob("*/*.parquet")):
        for column in pq.read_table(file).columns:
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                yield file, column.drop_null().to_pylist()


def assert_equal_on_every_text(real_data, loaded, reference):
    compared = 0
    for file, texts in all_texts(real_data):
        compared += len(texts)
        different = np.flatnonzero(np.array(count(loaded, texts)) != np.array(reference(texts)))
        assert not len(different), (file, texts[different[0]])
    assert compared > 500_000


@pytest.mark.data
@pytest.mark.slow
def test_embedded_counts_equal_hugging_face_on_every_text_of_the_real_data(real_data, embedded):
    assert_equal_on_every_text(real_data, load_counter(), lambda texts: reference_counts(embedded, texts))


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(("family", "pre_tokenizer"), FAMILIES[:2])
def test_families_trained_on_alpaca_count_every_text_alike(real_data, tmp_path, family, pre_tokenizer):
    texts = pq.read_table(real_data / "sft" / "alpaca_52k.parquet")["output"].to_pylist()[::10]
    reference = trained_bpe(tmp_path, pre_tokenizer, texts, size=8000)
    loaded = load_counter(str(tmp_path))
    assert loaded.identity.engine.startswith("gigatoken "), loaded.identity
    assert_equal_on_every_text(real_data, loaded, lambda texts: reference_counts(reference, texts))


@pytest.mark.data
def test_embedded_counts_equal_hugging_face_on_alpaca(real_data, both_ways, embedded):
    texts = pq.read_table(real_data / "sft" / "alpaca_52k.parquet")["output"].to_pylist()[::5]
    assert count(load_counter(), texts) == reference_counts(embedded, texts)
