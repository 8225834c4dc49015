"""Long texts are taken out of JSON, decoded and written piece by piece: the value and the bytes
are those of the usual way.
"""

from __future__ import annotations

import json

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.data.files import large
from handpicked.data.files.lines import json_row
from handpicked.data.write import json_line

TEXT = st.text(st.sampled_from('ab"\\\n\t/\u00e9\u3042\U0001f600\u2028\x7f'), max_size=200)
ESCAPED = st.lists(
    st.sampled_from([r"\n", r"\\", r"\"", r"\u3042", r"\ud83d\ude00", "a", "\u00e9", "\U0001f600", " "]),
    max_size=120,
).map("".join)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(large, "LARGE", 20)
    monkeypatch.setattr(large, "PIECE", 7)


VALUES = st.recursive(
    TEXT | st.integers() | st.none() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.booleans())
@settings(max_examples=300)
def test_a_value_is_read_as_json_reads_it(value, ascii_):
    data = json.dumps(value, ensure_ascii=ascii_).encode()
    assert large.loads(bytearray(data)) == value


@given(ESCAPED)
@settings(max_examples=300)
def test_a_text_is_cut_in_no_character_and_no_escape(inside):
    data = f'{{"a": "{inside}", "b": 12345678901234567890123}}'.encode()
    assert large.loads(data) == json.loads(data)


@given(st.binary(max_size=60))
def test_what_is_no_json_is_no_value(noise):
    data = b'{"a": "' + b"x" * 30 + noise + b'"}'
    try:
        found = large.loads(data)
    except ValueError:
        return
    assert found == json.loads(data.decode(), strict=False)


@given(st.dictionaries(TEXT, VALUES, max_size=4))
@settings(max_examples=300)
def test_a_row_is_written_as_it_is_in_one_piece(row):
    assert b"".join(large.pieces(row, json_line)) == json_line(row)


def test_a_lone_surrogate_in_a_long_text_is_written_as_its_escape():
    row = {"a": "x" * 30 + "\ud800" + "y" * 30 + "\u00e9"}
    written = b"".join(large.pieces(row, json_line))
    assert json.loads(written.decode("utf-8")) == row


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"a": "' + b"x" * 50, "not valid JSON"),
        (b'{"a": "' + b"x" * 50 + b'\xff"}', "not UTF-8"),
        (b'{"a": "' + b"x" * 50 + b'", }', None),
        (b'{"a": "' + b"x" * 50 + b'\t", "b": NaN}', None),
    ],
)
def test_a_long_line_is_damaged_where_a_short_one_is(line, says, monkeypatch):
    long = json_row(line, exact=False)
    monkeypatch.setattr(large, "LARGE", 1 << 20)
    short = json_row(line, exact=False)
    assert long == short
    assert says is None or says in short.reason


def test_whether_a_row_is_long_is_seen_at_any_depth():
    assert large.is_long({"a": [{"b": "x" * 21}]}) and not large.is_long({"a": ["x" * 20] * 9})
    assert orjson.loads(json_line({"a": 1})) == {"a": 1}


@given(st.lists(TEXT | st.none(), max_size=8))
def test_a_column_of_long_texts_is_arrows(texts):
    found = large.text_column(texts)
    found.validate(full=True)
    assert found.to_pylist() == texts and found.type == pa.large_string()


def test_a_column_takes_nothing_but_texts():
    for texts in (["x" * 30, 5], ["x" * 30, "\ud800"], [5, "x"]):
        with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError)):
            large.text_column(texts)
