"""What people's files hold: each kind is read with the right values, or costs what is
damaged and nothing else.
"""

from __future__ import annotations

import bz2
import datetime
import decimal
import gzip
import io
import json
import lzma
import tarfile
import time
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handpicked.data import read
from handpicked.data.files import buffer, lines, text
from handpicked.errors import PoolError

ROWS = [{"prompt": "A?", "response": "a."}, {"prompt": "B?", "response": "b."}]


def pairs(path, **how):
    return [(example.prompt, example.response) for example in read(path, **how).examples()]


def put(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def counts(path, **how):
    """Rows in all and rows rejected, which with the readable ones must add up."""
    pool = read(path, **how)
    rejected = list(pool.rejected())
    assert len(list(pool.examples())) + len(rejected) == pool.rows
    return pool.rows, len(rejected)


@pytest.mark.parametrize(
    "document",
    [
        {
            "rows": [{"row_idx": index, "row": row} for index, row in enumerate(ROWS)],
            "features": [{"name": "prompt"}],
        },
        {"version": 1, "data": ROWS},
        {"prompt": ["A?", "B?"], "response": ["a.", "b."]},
        {"prompt": {"0": "A?", "1": "B?"}, "response": {"0": "a.", "1": "b."}},
        {"q1": ROWS[0], "q2": ROWS[1]},
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_one_json_value_that_holds_the_rows(tmp_path, document, indent):
    path = put(tmp_path / "pool.json", json.dumps(document, indent=indent))
    assert pairs(path) == [("A?", "a."), ("B?", "b.")]


def test_rows_by_id_keep_their_ids(tmp_path):
    path = put(tmp_path / "pool.json", json.dumps({"q1": ROWS[0], "q2": {"id": 7, **ROWS[1]}}))
    assert [example.original["id"] for example in read(path).examples()] == ["q1", 7]


def test_one_row_is_one_row(tmp_path):
    path = put(tmp_path / "pool.json", json.dumps(ROWS[0]))
    assert pairs(path) == [("A?", "a.")]


@pytest.mark.parametrize(
    "content",
    [
        '{"prompt": "A?", "response": "a.",}\n{"prompt": "B?", "response": "b."},\n',
        '[{"prompt": "A?", "response": "a.",}, {"prompt": "B?", "response": "b."},]',
        '{\n  "prompt": "A?",\n  "response": "a."\n}\n{\n  "prompt": "B?",\n  "response": "b."\n}\n',
        '{"prompt": "A?", "response": "a."}\r{"prompt": "B?", "response": "b."}\r',
        "prompt,response\rA?,a.\rB?,b.\r",
        "sep=;\nprompt;response\nA?;a.\nB?;b.\n",
        "prompt,response,,\nA?,a.,,\nB?,b.\n",
        '\ufeff{"prompt": "A?", "response": "a."}\0\0\n{"prompt": "B?", "response": "b."}\n',
    ],
)
def test_json_lines_and_csv_as_people_write_them(tmp_path, content):
    csv = not content.lstrip("\ufeff").startswith(("{", "["))
    name = "pool.csv" if csv else "pool.json" if content.startswith("[") else "pool.jsonl"
    assert pairs(put(tmp_path / name, content)) == [("A?", "a."), ("B?", "b.")]


def test_commas_inside_of_texts_are_kept(tmp_path):
    path = put(tmp_path / "pool.jsonl", '{"prompt": "A, }", "response": "[1,]\\",}",}\n' * 2)
    assert pairs(path) == [("A, }", '[1,]",}')] * 2


def test_json_lines_are_split_at_line_feeds_only(tmp_path):
    path = put(
        tmp_path / "pool.jsonl",
        '{"prompt": "A\u2028?", "response": "a\u0085b\x1cc"}\n{"prompt": "B", "response": "b"}',
    )
    assert pairs(path) == [("A\u2028?", "a\u0085b\x1cc"), ("B", "b")]


def test_a_line_of_nul_bytes_is_one_damaged_row(tmp_path):
    path = put(
        tmp_path / "pool.jsonl",
        json.dumps(ROWS[0]).encode() + b"\n" + b"\0" * 80 + b"\n" + json.dumps(ROWS[1]).encode(),
    )
    (row,) = read(path).rejected()
    assert (row.row, row.place, row.reason[:26]) == (1, "line 2", "the line holds only NUL by")


def test_nan_is_no_value(tmp_path):
    path = put(
        tmp_path / "pool.json",
        '[{"instruction": "A?", "input": NaN, "output": "a.", "score": NaN},'
        ' {"instruction": "B?", "input": "", "output": NaN, "score": 1}]',
    )
    pool = read(path)
    assert [(example.prompt, example.original["score"]) for example in pool.examples()] == [("A?", None)]
    assert [row.reason for row in pool.rejected()] == ["field 'output' is null"]
    written = pool.write([0], tmp_path / "out").read_text()
    assert json.loads(written, parse_constant=pytest.fail) == {
        "instruction": "A?",
        "input": None,
        "output": "a.",
        "score": None,
    }


def test_numbers_without_end_are_null_where_they_are_written(tmp_path):
    path = put(tmp_path / "pool.jsonl", '{"prompt": "A?", "response": "a.", "score": [1e999, -1e999, 2]}\n')
    assert json.loads(read(path).write([0], tmp_path / "out").read_text())["score"] == [None, None, 2]


def test_large_integers_are_kept_exactly(tmp_path):
    value = 340282366920938463463374607431768211456
    path = put(
        tmp_path / "pool.jsonl", json.dumps({**ROWS[0], "id": value, "near": 18446744073709551616}) + "\n"
    )
    (example,) = read(path).examples()
    assert (example.original["id"], example.original["near"]) == (value, 18446744073709551616)


def test_numbers_of_a_csv_are_numbers(tmp_path):
    path = put(
        tmp_path / "pool.csv", "prompt,response,score,code\nA?,9,9,x1\nB?,100,100,7\nC?,-3,,8\nD?,1e2,1e2,9\n"
    )
    pool = read(path)
    (batch,) = pool.shards[0].read(["score", "code", "response"])
    assert batch["score"].to_pylist() == [9, 100, None, 100]
    assert batch["code"].to_pylist() == ["x1", "7", "8", "9"]
    assert batch["response"].to_pylist() == ["9", "100", "-3", "1e2"]
    assert [example.original["score"] for example in pool.examples()] == ["9", "100", "", "1e2"]


TURNS = [{"role": "user", "content": "it's A?"}, {"role": "assistant", "content": "a."}]


@pytest.mark.parametrize("spell", [json.dumps, str, lambda turns: str(turns).replace("}, {", "}\n {")])
def test_turns_in_a_csv(tmp_path, spell):
    table = pa.table({"messages": [spell(TURNS)], "id": [1]})
    import pyarrow.csv

    pyarrow.csv.write_csv(table, tmp_path / "pool.csv")
    assert pairs(tmp_path / "pool.csv") == [("it's A?", "a.")]
    table = pa.table({"prompt": [spell(TURNS[:1])], "completion": [spell(TURNS[1:])]})
    pyarrow.csv.write_csv(table, tmp_path / "pairs.csv")
    assert pairs(tmp_path / "pairs.csv") == [("it's A?", "a.")]


def test_a_response_that_is_a_list_in_text_stays_text(tmp_path):
    path = put(tmp_path / "pool.jsonl", json.dumps({"prompt": "A?", "response": '[{"role": "x"}]'}) + "\n")
    assert pairs(path) == [("A?", '[{"role": "x"}]')]


@pytest.mark.parametrize("history", ['[["q", "r"]]', "[['q', 'r']]"])
def test_history_as_text(tmp_path, history):
    path = put(
        tmp_path / "pool.jsonl", json.dumps({"instruction": "A?", "output": "a.", "history": history}) + "\n"
    )
    (example,) = read(path).examples()
    assert [turn.content for turn in example.messages] == ["q", "r", "A?", "a."]


def test_history_that_is_a_number_costs_its_row(tmp_path):
    rows = [{"instruction": "A?", "output": "a.", "history": history} for history in ([], 5, float("nan"))]
    pool = read(put(tmp_path / "pool.jsonl", "\n".join(map(json.dumps, rows))))
    assert [(row.row, row.reason) for row in pool.rejected()] == [
        (1, "field 'history' is a number, not a list of [question, answer] pairs")
    ]


def test_turns_as_lists_by_field(tmp_path):
    row = {"conversations": {"from": ["human", "gpt"], "value": ["A?", "a."]}}
    assert pairs(put(tmp_path / "pool.jsonl", json.dumps(row) + "\n")) == [("A?", "a.")]


def test_a_tsv_without_quoting(tmp_path):
    path = put(tmp_path / "pool.tsv", 'prompt\tresponse\n"A" or B?\ta 5" pipe\nC?\t"c\nD?\td\n')
    assert pairs(path) == [('"A" or B?', 'a 5" pipe'), ("C?", '"c'), ("D?", "d")]
    path = put(tmp_path / "pool.tsv", 'prompt\tresponse\n"A\t?"\t"a ""b"""\nC?\tc\n')
    assert pairs(path) == [("A\t?", 'a "b"'), ("C?", "c")]


@pytest.mark.parametrize(
    ("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_compressions_of_several_members(tmp_path, suffix, pack):
    data = b"".join(pack(json.dumps(row).encode() + b"\n") for row in ROWS)
    assert pairs(put(tmp_path / f"pool.jsonl{suffix}", data)) == [("A?", "a."), ("B?", "b.")]


def archive_of(path, members):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in members.items():
                file.writestr(name, data)
    else:
        with tarfile.open(path, f"w:{path.suffix[1:].replace('tar', '')}") as file:
            for name, data in members.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                file.addfile(entry, io.BytesIO(data))
    return path


@pytest.mark.parametrize("name", ["pool.zip", "pool.tar", "pool.tar.gz", "pool.tar.xz"])
def test_archives(tmp_path, monkeypatch, name):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first, second = (json.dumps(row).encode() for row in ROWS)
    members = {
        "__MACOSX/._a.jsonl": b"junk",
        "../../a.jsonl": first,
        "d/b.jsonl": second,
        "README.md": b"# rows",
    }
    path = archive_of(tmp_path / name, members)
    assert pairs(path) == [("A?", "a."), ("B?", "b.")]
    assert not list(tmp_path.parent.glob("a.jsonl"))
    put(path, path.read_bytes()[: 600 if name == "pool.tar" else path.stat().st_size // 2])
    with pytest.raises(PoolError, match=r"archive that cannot be unpacked|cannot be read"):
        read(path)
    path = archive_of(tmp_path / name, {"README.md": b"# rows"})
    with pytest.raises(PoolError, match=r"archive without a data file .*; it holds README.md"):
        read(path)


def test_windows_1252_is_named(tmp_path):
    path = put(
        tmp_path / "pool.csv", "prompt,response\nÜbersetze „das“,Haus – das\nok?,ok\n".encode("cp1252")
    )
    (row,) = read(path).rejected()
    assert "it looks like Windows-1252" in row.reason
    assert "iconv -f WINDOWS-1252 -t UTF-8" in row.reason
    path = put(tmp_path / "pool.csv", b"prompt,response\n" + "翻訳,家\n".encode("shift_jis") + b"ok?,ok\n")
    (row,) = read(path).rejected()
    assert "1252" not in row.reason


def test_surrogates_in_field_names(tmp_path):
    from handpicked.config import SelectSettings
    from handpicked.selection import pick

    path = put(
        tmp_path / "pool.jsonl", '{"prompt": "q", "response": "a"}\n{"prompt": "q", "r\\ud800": "a"}\n'
    )
    pick(read(path), SelectSettings(by="full"), tmp_path / "out")
    (row,) = (tmp_path / "out" / "rejected.jsonl").read_bytes().decode("utf-8").splitlines()
    assert json.loads(row)["row"] == 1


def arrow_table():
    turns = [{"role": "assistant", "calls": [{"args": {"city": "Jena", "stock": None}}], "at": None}]
    return pa.table(
        {
            "prompt": pa.array(["A?", "B?"]),
            "response": pa.array([b"a.", b"b\xc3\xa9."], pa.binary()),
            "kind": pa.array(["x", "x"]).dictionary_encode(),
            "price": pa.array([decimal.Decimal("3.50"), None]),
            "at": pa.array([1_700_000_000_123_456_789, None], pa.timestamp("ns")),
            "far": pa.array([2**60, 0], pa.timestamp("s")),
            "day": pa.array([datetime.date(2026, 1, 1), None]),
            "took": pa.array([-1_500_000_000, 90_000_000_000], pa.duration("ns")),
            "tags": pa.array([[("b", 1)], []], pa.map_(pa.string(), pa.int64())),
            "raw": pa.array([b"\xff\0", None], pa.binary()),
            "score": pa.array([float("nan"), 2.0]),
            "turns": pa.array([turns, None]),
        }
    )


@pytest.mark.parametrize("container", ["parquet", "arrow"])
def test_values_of_every_arrow_type(tmp_path, container):
    path = tmp_path / f"pool.{container}"
    table = arrow_table().set_column(
        0, "prompt", arrow_table()["prompt"].combine_chunks().cast(pa.string_view())
    )
    if container == "parquet":
        pq.write_table(table.drop(["far"]), path)
    else:
        with pa.ipc.new_file(path, table.schema) as file:
            file.write_table(table)
    pool = read(path)
    assert [(example.prompt, example.response) for example in pool.examples()] == [
        ("A?", "a."),
        ("B?", "bé."),
    ]
    first = json.loads(pool.write([0], tmp_path / "out", container="jsonl").read_text())
    assert first.pop("far", "").startswith(("", "<value out of range"))
    assert first == {
        "prompt": "A?", "response": "a.", "kind": "x", "price": "3.50", "at": "2023-11-14 22:13:20.123456789",
        "day": "2026-01-01", "took": "-PT1.5S", "tags": {"b": 1}, "raw": "ff00", "score": None,
        "turns": [{"role": "assistant", "calls": [{"args": {"city": "Jena"}}]}],
    }  # fmt: skip
    (batch,) = pool.shards[0].read(["price", "score"])
    assert batch["price"].to_pylist() == [3.5, None]
    assert pq.read_table(pool.write([1], tmp_path / "out")).column("prompt").to_pylist() == ["B?"]


def test_a_column_name_twice_is_one_line(tmp_path):
    table = pa.table(
        [pa.array(["A?"]), pa.array(["a."]), pa.array(["b."])], names=["prompt", "response", "response"]
    )
    with pa.ipc.new_file(tmp_path / "pool.arrow", table.schema) as file:
        file.write_table(table)
    with pytest.raises(PoolError, match="has the column 'response' twice"):
        read(tmp_path / "pool.arrow")


def test_shards_whose_types_differ_are_unified(tmp_path):
    (tmp_path / "pool").mkdir()
    for name, score in (("a", [1]), ("b", [0.5])):
        pq.write_table(
            pa.table({"prompt": [name], "response": ["r"], "score": score}),
            tmp_path / "pool" / f"{name}.parquet",
        )
    pool = read(tmp_path / "pool")
    written = pool.write([0, 1], tmp_path / "out")
    assert pq.read_table(written)["score"].to_pylist() == [1.0, 0.5]
    pq.write_table(
        pa.table({"prompt": ["c"], "response": ["r"], "score": ["high"]}), tmp_path / "pool" / "c.parquet"
    )
    written = read(tmp_path / "pool").write([0, 1, 2], tmp_path / "out")
    assert [json.loads(line)["score"] for line in written.read_text().splitlines()] == [1, 0.5, "high"]


GOOD = '{"instruction":"a","output":"b"}'
BROKEN = [
    '{"instruction":"a" "output":"b"}',
    '{"instruction":"a,"output":"b"}',
    '{"instruction":"a","output":"b"',
    '{instruction:"a","output":"b"}',
    '{"instruction":"a","output":b}',
    '{"instruction":"he said "hi", twice","output":"b"}',
    '{"instruction":"a","output":["b", {"x": 1}, }',
]


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("small", [False, True])
def test_every_broken_row_of_an_array_is_counted(tmp_path, monkeypatch, broken, small):
    if small:
        for module in (buffer, lines):
            monkeypatch.setattr(module, "CHUNK", 64)
        monkeypatch.setattr(text, "HOLD", 0)
    for rows in (
        [GOOD, broken, broken, broken, GOOD],
        [GOOD, broken, GOOD, broken, GOOD],
        [GOOD, GOOD, broken, broken, GOOD],
    ):
        path = put(tmp_path / "pool.json", "[" + ",\n".join(rows) + "]")
        wanted = [place for place, row in enumerate(rows) if row == broken]
        assert [row.row for row in read(path).rejected()] == wanted
        assert counts(path) == (5, len(wanted))


def test_twenty_thousand_broken_rows_in_linear_time(tmp_path):
    def seconds(count):
        path = put(tmp_path / "pool.json", "[" + ",\n".join([GOOD] + [BROKEN[1]] * count + [GOOD]) + "]")
        begun = time.process_time()
        pool = read(path)
        took = time.process_time() - begun
        assert (pool.rows, len(list(pool.rejected()))) == (count + 2, count)
        return took

    seconds(100)
    assert seconds(20_000) < 10 * max(seconds(5_000), 0.02)


def test_headers_of_sixty_thousand_columns(tmp_path):
    names = [f"c{index}" for index in range(60_000)]
    path = put(
        tmp_path / "pool.csv", ",".join([*names, "prompt", "response"]) + "\n" + "x," * 60_000 + "A?,a.\n"
    )
    begun = time.process_time()
    assert pairs(path) == [("A?", "a.")]
    put(path, ",".join(names) + "\n" + ",".join(["x"] * 60_000) + "\n")
    with pytest.raises(PoolError, match="no prompt and response are recognised") as caught:
        read(path)
    assert len(str(caught.value)) < 1000
    assert time.process_time() - begun < 20


@pytest.mark.parametrize("container", ["json", "jsonl", "csv"])
@pytest.mark.parametrize("small", [False, True])
def test_a_row_over_the_limit_is_rejected_with_its_size(tmp_path, monkeypatch, container, small):
    if small:
        for module in (buffer, lines):
            monkeypatch.setattr(module, "CHUNK", 1 << 12)
        monkeypatch.setattr(text, "HOLD", 0)
    long = 'x, "y" \n{}[]\\' * 200_000
    rows = [
        {"instruction": "a", "output": "b"},
        {"instruction": "a", "output": long},
        {"instruction": "c", "output": "d"},
    ]
    path = tmp_path / f"pool.{container}"
    if container == "csv":
        cell = long.replace('"', '""')
        path.write_text(f'instruction,output\na,b\na,"{cell}"\nc,d\n')
    else:
        path.write_text(json.dumps(rows) if container == "json" else "\n".join(map(json.dumps, rows)))
    assert pairs(path) == [("a", "b"), ("a", long), ("c", "d")]
    pool = read(path, max_row_mb=1)
    assert [(example.prompt, example.response) for example in pool.examples()] == [("a", "b"), ("c", "d")]
    (row,) = pool.rejected()
    assert row.row == 1
    assert (
        f"the row has {len(json.dumps(rows[1]) if container != 'csv' else cell) / 1e6:.1f} MB" in row.reason
    )
    assert "more than the 1 MiB" in row.reason


def test_nothing_but_blanks_is_one_line(tmp_path):
    path = put(tmp_path / "pool.jsonl.gz", gzip.compress(b" " * (8 << 20)))
    with pytest.raises(PoolError, match="is empty: there are no rows to read"):
        read(path, max_row_mb=1)
    path = put(
        tmp_path / "pool.jsonl.gz", gzip.compress(json.dumps(ROWS[0]).encode() + b"\n" + b" " * (8 << 20))
    )
    assert pairs(path, max_row_mb=1) == [("A?", "a.")]
    path = put(tmp_path / "pool.json.gz", gzip.compress(b"[" + b" " * (8 << 20)))
    with pytest.raises(PoolError, match=r"holds no rows|closing bracket"):
        read(path, max_row_mb=1)
