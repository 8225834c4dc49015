"""Reasoning, tool calls and results, names, weights, tools and other fields: read, and
written back in every format.
"""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handpicked.data import read
from handpicked.records import Message, ToolCall

TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]  # fmt: skip
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Jena"}'}}
ROW = {
    "messages": [
        {"role": "user", "content": "Weather in Jena?", "name": "ada"},
        {"role": "assistant", "content": None, "reasoning_content": "I must look.", "tool_calls": [CALL]},
        {"role": "tool", "content": "12 degrees", "tool_call_id": "c1", "name": "weather"},
        {"role": "assistant", "content": "It has 12 degrees.", "reasoning_content": "Twelve, then."},
    ],
    "tools": TOOLS,
    "id": 7,
}
RESPONSE = "<think>\nTwelve, then.\n</think>\n\nIt has 12 degrees."


def pool_of(tmp_path, *rows, name="pool.jsonl", **options):
    path = tmp_path / name
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    return read(path, **options)


def one(pool):
    (example,) = pool.examples()
    return example


def column(pool, name):
    return [
        value for shard in pool.shards for batch in shard.read([name]) for value in batch[name].to_pylist()
    ]


def test_a_row_is_read_whole(tmp_path):
    example = one(pool_of(tmp_path, ROW))
    asked, calls, result, answer = example.messages
    assert asked == Message("user", "Weather in Jena?", name="ada", tools=json.dumps(TOOLS))
    assert (
        calls.calls == (ToolCall("weather", '{"city": "Jena"}', "c1"),) and calls.reasoning == "I must look."
    )
    assert (result.call_id, result.name, result.content) == ("c1", "weather", "12 degrees")
    assert example.response == answer.text == RESPONSE


@pytest.mark.parametrize("format", ["original", "messages", "trl"])
@pytest.mark.parametrize("container", ["jsonl", "parquet"])
def test_it_is_the_same_row_when_it_is_written_and_read_again(tmp_path, format, container):
    pool = pool_of(tmp_path, ROW)
    again = read(pool.write([0], tmp_path / "out", format, container))
    assert one(again).messages == one(pool).messages
    assert one(again).id == one(pool).id


@pytest.mark.parametrize("format", ["alpaca", "sharegpt"])
def test_formats_of_texts_keep_thoughts_calls_and_tools_as_text(tmp_path, format):
    again = one(read(pool_of(tmp_path, ROW).write([0], tmp_path / "out", format)))
    assert again.response == RESPONSE
    assert again.messages[0].tools == json.dumps(TOOLS)
    assert "I must look." in again.prompt and '"city": "Jena"' in again.prompt
    assert again.original["id"] == 7


def test_a_turn_that_only_calls_is_a_function_call_in_sharegpt(tmp_path):
    row = {"messages": [ROW["messages"][0], {"role": "assistant", "content": "", "tool_calls": [CALL]}]}
    file = pool_of(tmp_path, row).write([0], tmp_path / "out", "sharegpt")
    turn = json.loads(file.read_text())["conversations"][1]
    assert turn["from"] == "function_call"
    assert json.loads(turn["value"]) == {"name": "weather", "arguments": {"city": "Jena"}, "id": "c1"}
    assert one(read(file)).messages[1].calls[0].name == "weather"


@pytest.mark.parametrize(
    "calls",
    [
        [CALL],
        json.dumps([CALL]),
        [{"name": "weather", "arguments": {"city": "Jena"}, "id": "c1"}],
        [{"type": "function", "id": "c1", "function": {"name": "weather", "arguments": {"city": "Jena"}}}],
    ],
)
def test_calls_in_the_ways_that_people_write_them(tmp_path, calls):
    row = {
        "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": "", "tool_calls": calls},
        ]
    }
    assert one(pool_of(tmp_path, row)).messages[1].calls == (ToolCall("weather", '{"city": "Jena"}', "c1"),)


def test_blocks_as_anthropic_has_them(tmp_path):
    blocks = [
        {"type": "thinking", "thinking": "Hm."},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Jena"}},
    ]
    result = [{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "12"}]}]
    turns = [("user", "q"), ("assistant", blocks), ("user", result), ("assistant", "Twelve.")]
    row = {"messages": [{"role": role, "content": content} for role, content in turns]}
    messages = one(pool_of(tmp_path, row)).messages
    assert [turn.role for turn in messages] == ["user", "assistant", "tool", "assistant"]
    assert (
        messages[1].text
        == '<think>\nHm.\n</think>\n\nI look.\n{"name": "weather", "arguments": {"city": "Jena"}}'
    )
    assert (messages[2].content, messages[2].call_id) == ("12", "c1")


def test_the_channels_of_gpt_oss(tmp_path):
    row = {
        "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "channel": "analysis", "content": "t"},
            {"role": "assistant", "channel": "final", "content": "a"},
        ]
    }
    assert one(pool_of(tmp_path, row)).messages[1:] == (Message("assistant", "a", reasoning="t"),)


def test_a_thought_that_the_row_says_twice_is_one_thought(tmp_path):
    turn = {"role": "assistant", "content": "<think>\nt\n</think>\n\na", "reasoning_content": "t"}
    row = {"messages": [{"role": "user", "content": "q"}, turn]}
    assert one(pool_of(tmp_path, row)).response == "<think>\nt\n</think>\n\na"


def test_a_thought_in_a_field_of_the_row(tmp_path):
    example = one(pool_of(tmp_path, {"question": "q", "thinking": "t", "answer": "a"}))
    assert (example.messages[1].reasoning, example.response) == ("t", "<think>\nt\n</think>\n\na")


def test_turns_of_weight_0_are_context(tmp_path):
    turns = [("user", "a", None), ("assistant", "b", 1), ("user", "c", None), ("assistant", "d", 0)]
    row = {"messages": [{"role": role, "content": text, "weight": weight} for role, text, weight in turns]}
    pool = pool_of(tmp_path, row)
    assert (one(pool).prompt, one(pool).response) == ("a", "b")
    assert one(pool_of(tmp_path, row, turns="all")).response == "b"
    row["messages"][1]["weight"] = 0
    (rejected,) = pool_of(tmp_path, row).rejected()
    assert "weight 0" in rejected.reason


def test_the_parts_are_columns(tmp_path):
    pool = pool_of(
        tmp_path, ROW, {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    )
    assert column(pool, "thought") == ["Twelve, then.", ""]
    assert column(pool, "answer") == ["It has 12 degrees.", "a"]
    assert column(pool, "response") == [RESPONSE, "a"]


@pytest.mark.parametrize("name", ["thought", "answer"])
def test_parts_in_bulk_are_those_row_by_row(tmp_path, name):
    texts = ["<think>\nt\n</think>\n\na", "plain", "t\n</think>\na", "[THINK]x[/THINK]y"]
    pq.write_table(pa.table({"prompt": ["q"] * 4, "response": texts}), tmp_path / "pool.parquet")
    pool = read(tmp_path / "pool.parquet")
    by_row = [getattr(example.messages[-1], name) for example in pool.examples()]
    assert column(pool, name) == by_row == [["t", "", "t", "x"], ["a", "plain", "a", "y"]][name == "answer"]


def test_a_system_prompt_beside_the_turns(tmp_path):
    row = {
        "system_prompt": "Be brief.",
        "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}],
    }
    assert one(pool_of(tmp_path, row)).messages[0] == Message("system", "Be brief.")


def test_fields_that_are_not_understood_are_counted_by_name(tmp_path):
    turns = [
        {"role": "user", "content": "q", "mood": "good"},
        {"role": "assistant", "content": "a", "mood": None},
    ]
    rows = [{"messages": turns, "foo": 1, "bar": None}, {"messages": turns, "foo": "x"}]
    found = {one.field: (one.rows, one.of) for one in pool_of(tmp_path, *rows).unread()}
    assert found == {"foo": (2, 2), "messages[].mood": (2, 2)}
    pq.write_table(pa.Table.from_pylist(rows[:1] * 3), tmp_path / "pool.parquet")
    found = {one.field: (one.rows, one.of) for one in read(tmp_path / "pool.parquet").unread()}
    assert found == {"foo": (3, 3), "messages[].mood": (3, 3)}
    assert (
        pool_of(tmp_path, {"instruction": "q", "input": "", "output": "a"}, name="alpaca.jsonl").unread()
        == ()
    )


def test_a_column_that_only_a_later_row_has_is_written_to_parquet_too(tmp_path):
    plain = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    pool = pool_of(tmp_path, plain, ROW)
    again = read(pool.write([0, 1], tmp_path / "out", "messages", "parquet"))
    assert [example.messages for example in again.examples()] == [
        example.messages for example in pool.examples()
    ]
