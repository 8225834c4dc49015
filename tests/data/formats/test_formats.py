"""Every row format that people publish is told by its fields, and its turns are read as they were meant."""

from __future__ import annotations

import bz2
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handpicked.data import read
from handpicked.errors import PoolError

ASKED, SAID = "What is a quark?", "A quark is a kind of elementary particle."

FORMATS = [
    ("alpaca", {"instruction": ASKED, "input": "", "output": SAID}),
    ("alpaca", {"instruction": ASKED, "output": SAID}),
    ("alpaca", {"instruction": ASKED, "input": None, "output": SAID, "history": [], "system": ""}),
    ("dolly", {"instruction": ASKED, "context": "", "response": SAID, "category": "open_qa"}),
    ("instruction-response", {"instruction": ASKED, "response": SAID}),
    ("prompt-response", {"prompt": ASKED, "response": SAID}),
    ("prompt-completion", {"prompt": ASKED, "completion": SAID}),
    ("prompt-completion", {"prompt": [{"role": "user", "content": ASKED}],
                           "completion": [{"role": "assistant", "content": SAID}]}),
    ("question-answer", {"question": ASKED, "answer": SAID}),
    ("question-answer", {"Question": ASKED, "Answer": SAID}),
    ("prompt-chosen", {"prompt": ASKED, "chosen": SAID, "rejected": "No."}),
    ("sharegpt", {"id": "x", "conversations": [{"from": "human", "value": ASKED}, {"from": "gpt", "value": SAID}]}),
    ("messages", {"messages": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": SAID}]}),
    ("messages", {"conversations": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": SAID}]}),
    ("messages", {"messages": [{"role": "user", "content": [{"type": "text", "text": ASKED}]},
                              {"role": "assistant", "content": [{"type": "text", "text": SAID}]}]}),
    ("messages", {"messages": json.dumps([{"role": "user", "content": ASKED}, {"role": "assistant", "content": SAID}])}),
    ("conversations", {"conversations": [ASKED, SAID], "source": "lima"}),
    ("data", {"id": "0", "data": [ASKED, SAID]}),
    ("sharegpt", {"conversations": [{"from": "human", "value": ASKED}], "chosen": {"from": "gpt", "value": SAID}}),
]  # fmt: skip


def only(pool):
    (example,) = pool.examples()
    return example


@pytest.mark.parametrize(("format", "row"), FORMATS)
@pytest.mark.parametrize("container", ["json", "jsonl", "parquet"])
def test_the_format_is_recognised(tmp_path, format, row, container):
    path = tmp_path / f"pool.{container}"
    if container == "parquet":
        pq.write_table(pa.Table.from_pylist([row]), path)
    else:
        path.write_text(json.dumps([row] if container == "json" else row))
    pool = read(path)
    assert pool.format == format
    assert pool.why.startswith(
        {"json": "json array: ", "jsonl": "json lines: ", "parquet": "parquet: "}[container]
    )
    example = only(pool)
    assert (example.prompt, example.response) == (ASKED, SAID)
    assert [message.role for message in example.messages] == ["user", "assistant"]


TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "2+2?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": "{}"}}],
    },
    {"role": "tool", "content": "4"},
    {"role": "assistant", "content": "Four."},
    {"role": "user", "content": "Sure?"},
    {"role": "assistant", "content": "Yes."},
]


def test_the_rule_of_turns(tmp_path):
    path = tmp_path / "chat.jsonl"
    path.write_text(json.dumps({"messages": TURNS}))
    last, every = only(read(path)), only(read(path, turns="all"))
    assert last.response == "Yes."
    assert last.prompt.startswith('system: Be brief.\n\nuser: 2+2?\n\nassistant: {"name": "add"')
    assert last.prompt.endswith("tool: 4\n\nassistant: Four.\n\nuser: Sure?")
    assert every.response.endswith("}}\n\nFour.\n\nYes.")
    assert every.prompt == "system: Be brief.\n\nuser: 2+2?\n\ntool: 4\n\nuser: Sure?"
    assert last.id == every.id


def test_history_and_system_come_before_the_question(tmp_path):
    path = tmp_path / "history.json"
    row = {
        "instruction": "And?",
        "input": "",
        "output": "C",
        "system": "S",
        "history": [["A?", "A"], ["B?", "B"]],
    }
    path.write_text(json.dumps([row]))
    roles = [(turn.role, turn.content) for turn in only(read(path)).messages]
    assert roles == [("system", "S"), ("user", "A?"), ("assistant", "A"), ("user", "B?"), ("assistant", "B"), ("user", "And?"),
                     ("assistant", "C")]  # fmt: skip


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".zst", ""])
@pytest.mark.parametrize("name", ["pool.json", "pool.jsonl", "pool.csv", "pool"])
def test_compression_is_told_by_content(tmp_path, name, suffix):
    rows = [{"instruction": ASKED, "input": "", "output": SAID}] * 3
    text = {
        "pool.json": json.dumps(rows),
        "pool.jsonl": "\n".join(map(json.dumps, rows)),
        "pool.csv": "instruction,input,output\n" + f'{ASKED},,"{SAID}"\n' * 3,
    }
    data = text.get(name, text["pool.json"]).encode()
    path = tmp_path / f"{name}{suffix}"
    if suffix == ".zst":
        with pa.output_stream(str(path), compression="zstd") as stream:
            stream.write(data)
    else:
        path.write_bytes({".gz": gzip.compress, ".bz2": bz2.compress, "": bytes}[suffix](data))
    renamed = path.rename(tmp_path / "renamed") if name == "pool" else path
    pool = read(renamed)
    assert pool.rows == 3
    assert [example.response for example in pool.examples()] == [SAID] * 3


def test_arrow_files_streams_and_saved_data_sets(tmp_path):
    datasets = pytest.importorskip("datasets")
    table = pa.Table.from_pylist([{"instruction": ASKED, "input": "", "output": SAID}] * 5)
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    with pa.ipc.new_stream(tmp_path / "b.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    datasets.Dataset(table).save_to_disk(tmp_path / "saved")
    datasets.DatasetDict({"train": datasets.Dataset(table), "test": datasets.Dataset(table)}).save_to_disk(
        tmp_path / "split"
    )
    for name in ("a.arrow", "b.arrow", "saved", "split", "split/test"):
        pool = read(tmp_path / name)
        assert (pool.rows, pool.format) == (5, "alpaca"), name
        assert [example.row for example in pool.examples([1, 4])] == [1, 4]
        assert sum(batch.num_rows for shard in pool.shards for batch in shard.read(["id"])) == 5
    assert "the split 'train' of test, train was taken" in read(tmp_path / "split").why


def test_many_files_a_glob_and_a_folder(tmp_path):
    (tmp_path / "pool" / "deep").mkdir(parents=True)
    (tmp_path / "pool" / "README.md").write_text("A pool.")
    for index, name in enumerate(["pool/b.jsonl", "pool/a.jsonl", "pool/deep/c.jsonl.gz"]):
        data = json.dumps({"prompt": f"{index}?", "response": f"{index}."}).encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert [example.response for example in read(tmp_path / "pool").examples()] == ["1.", "0.", "2."]
    assert [example.row for example in read(tmp_path / "pool").examples()] == [0, 1, 2]
    assert read(str(tmp_path / "pool" / "*.jsonl")).rows == 2
    both = read([tmp_path / "pool" / "b.jsonl", tmp_path / "pool" / "a.jsonl"])
    assert [(example.response, example.source) for example in both.examples()] == [
        ("0.", "b.jsonl"),
        ("1.", "a.jsonl"),
    ]
    assert [(entry["rows"], entry["bytes"]) for entry in both.inputs()] == [(1, 34), (1, 34)]


def test_a_map_names_the_fields(tmp_path):
    path = tmp_path / "odd.jsonl"
    path.write_text(json.dumps({"frage": ASKED, "antwort": SAID, "herkunft": "web"}))
    example = only(read(path, map={"prompt": "frage", "response": "antwort", "source": "herkunft"}))
    assert (example.prompt, example.response, example.source) == (ASKED, SAID, "web")
    with pytest.raises(PoolError, match="'answer' for response, which no row has"):
        read(path, map={"prompt": "frage", "response": "answer"})
    with pytest.raises(PoolError, match="Did you mean 'response'"):
        read(path, map={"prompt": "frage", "reponse": "antwort"})


def test_a_format_can_be_forced(tmp_path):
    path = tmp_path / "both.jsonl"
    path.write_text(json.dumps({"prompt": "P", "completion": "C", "question": "Q", "answer": "A"}))
    assert only(read(path)).prompt == "P"
    assert only(read(path, format="question-answer")).prompt == "Q"
    with pytest.raises(PoolError, match="Did you mean 'alpaca'"):
        read(path, format="alpacca")
    with pytest.raises(PoolError, match=r"needs the field 'instruction'.*Fields seen: prompt, completion"):
        read(path, format="alpaca")


def test_original_columns_can_be_read_by_name(tmp_path):
    path = tmp_path / "scored.jsonl"
    path.write_text(
        '{"prompt":"a","response":"b","score":1,"tag":"x","ok":true}\n{"prompt":"a","response":"b","score":2.5,"tag":["y"]}\n'
    )
    (shard,) = read(path).shards
    (batch,) = shard.read(["score", "tag", "ok", "row"])
    assert batch.to_pylist() == [
        {"score": 1.0, "tag": "x", "ok": True, "row": 0},
        {"score": 2.5, "tag": '["y"]', "ok": None, "row": 1},
    ]
    with pytest.raises(PoolError, match=r"no column 'scor'\. Did you mean 'score'"):
        list(shard.read(["scor"]))
