"""Answers, stored reviews and labelled pairs are read from every file that a pool is read
from, and damage is one line.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from handpicked.errors import PoolError
from handpicked.judges.answers import read_answers
from handpicked.judges.labelled import read_labelled
from handpicked.judges.replay import replay
from handpicked.judges.rows import rows_of

ROWS = [{"prompt": f"q{i}", "answer": f"a {i}\u2028\u00e9"} for i in range(3)]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


def tarred(data):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        member = tarfile.TarInfo("mine.jsonl")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def zipped(data):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mine.jsonl", data)
    return out.getvalue()


def arrow(write):
    def file(table, out):
        with write(out, table.schema) as writer:
            writer.write_table(table)

    return file


TEXTS = {
    "mine.jsonl": LINES,
    "mine.jsonl.zst": pa.compress(LINES, "zstd", asbytes=True),
    "mine.jsonl.xz": lzma.compress(LINES),
    "mine.jsonl.gz": gzip.compress(LINES),
    "mine.jsonl.bz2": bz2.compress(LINES),
    "mine.tar.gz": tarred(LINES),
    "mine.zip": zipped(LINES),
    "no-ending": LINES,
    "marked.jsonl": b"\xef\xbb\xbf" + LINES,
    "mine.json": json.dumps(ROWS).encode(),
    "wrapped.json": json.dumps({"model": "m", "data": ROWS}).encode(),
    "columns.json": json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]}).encode(),
    "by_id.json": json.dumps({str(i): row for i, row in enumerate(ROWS)}).encode(),
    "pretty.jsonl": "\n".join(json.dumps(row, indent=1) for row in ROWS).encode(),
    "comma.json": (json.dumps(ROWS)[:-1] + ",]").encode(),
    "mine.csv": ("prompt,answer\r\n" + "".join(f"{r['prompt']},{r['answer']}\r\n" for r in ROWS)).encode(),
    "excel.csv": (
        "sep=;\nprompt;answer\n" + "".join(f"{r['prompt']};{r['answer']}\n" for r in ROWS)
    ).encode(),
    "mac.csv": ("prompt,answer\r" + "".join(f"{r['prompt']},{r['answer']}\r" for r in ROWS)).encode(),
}
TABLES = {
    "mine.parquet": pq.write_table,
    "mine.arrow": arrow(pa.ipc.new_file),
    "stream.arrow": arrow(pa.ipc.new_stream),
    "mine.feather": feather.write_feather,
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", [*TEXTS, *TABLES])
def test_answers_are_read_from_every_kind_of_file(tmp_path, name):
    file = tmp_path / name
    if name in TEXTS:
        file.write_bytes(TEXTS[name])
    else:
        TABLES[name](pa.Table.from_pylist(ROWS), str(file))
    found = read_answers(file)
    assert [(one.prompt, one.text) for one in found.answers] == [(r["prompt"], r["answer"]) for r in ROWS]


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a.b.jsonl.zst", "a.b"), ("A.JSON", "A"), ("x.arrow", "x"), ("plain", "plain"), ("v1.2", "v1.2")],
)
def test_a_file_is_named_without_its_endings(tmp_path, name, stem):
    if name.endswith(".arrow"):
        TABLES["mine.arrow"](pa.Table.from_pylist(ROWS), str(tmp_path / name))
    else:
        data = json.dumps(ROWS).encode()
        (tmp_path / name).write_bytes(
            pa.compress(data, "zstd", asbytes=True) if name.endswith(".zst") else data
        )
    assert rows_of(tmp_path / name)[0].stem == stem


DAMAGED = {
    "nul.jsonl": (LINES + b"\0" * 100, "line 4: the line holds only NUL bytes"),
    "cut.jsonl.zst": (pa.compress(LINES * 1000, "zstd", asbytes=True)[:-20], "cut.jsonl.zst"),
    "cut.jsonl.gz": (gzip.compress(LINES * 1000)[:-20], "cannot be read to its end"),
    "cut-utf16.jsonl": (LINES.decode().encode("utf-16")[:-1], "it is not utf-16 throughout: truncated data"),
    "latin.jsonl": (LINES.replace("\u00e9".encode(), b"\xe9"), "line 1: not UTF-8"),
    "broken.jsonl": (LINES + b'{"prompt": "q9", "answer"\n', "line 4: not valid JSON"),
    "deep.json": (b'[{"prompt": ' + b"[" * 100_000, "deep.json"),
    "fields.csv": (b"prompt,answer\nq,a\nq,a,b\n", "line 3: 3 fields where the header has 2"),
    "bad.parquet": (b"PAR1" + b"\xff" * 200, "bad.parquet"),
    "bad.arrow": (b"ARROW1\0\0" + b"\xff" * 200, "bad.arrow"),
    "int.json": (b"5", "int.json"),
    "empty.json": (b"", "is empty"),
    "none.json": (b"[]", "is empty"),
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("read", [read_answers, replay, read_labelled])
def test_damage_is_one_line_that_says_where(tmp_path, name, read):
    data, says = DAMAGED[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(PoolError) as refused:
        read(tmp_path / name)
    assert says in str(refused.value) and name in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_number_beyond_all_numbers_is_none(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"prompt": "q", "answer": "a", "score": 1e999, "more": [NaN]}\n')
    assert rows_of(tmp_path / "a.jsonl")[0].rows == [
        {"prompt": "q", "answer": "a", "score": None, "more": [None]}
    ]


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_the_turns_of_an_only_row_are_not_its_rows(tmp_path, kind):
    row = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    (tmp_path / f"a.{kind}").write_text(json.dumps([row] if kind == "json" else row))
    assert [one.text for one in read_answers(tmp_path / f"a.{kind}").answers] == ["a"]


SHARED = Path(os.environ.get("HANDPICKED_DATA", "../shared/data")).parent / "cases" / "damaged"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the damaged files are not here")
@pytest.mark.parametrize(
    "name", ["d8_ctrl.jsonl", "d8_int.json", "d8_msgs.jsonl", "d8_mt.jsonl", "d8_mt2.jsonl"]
)
def test_odd_answer_files_are_read_or_refused_in_one_line(tmp_path, name):
    words = [
        sys.executable,
        "-m",
        "handpicked",
        "judge",
        str(SHARED / "d8_a_u2028.jsonl"),
        str(SHARED / name),
    ]
    done = subprocess.run([*words, "-o", str(tmp_path / "out")], capture_output=True, text=True)
    assert done.returncode in (0, 2), done.stderr
    assert "Traceback" not in done.stderr
    assert ("handpicked: " in done.stderr) == (done.returncode == 2), done.stderr
