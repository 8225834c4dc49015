"""Tool calls whose arguments are not JSON, or do not fit the declared schema."""

from __future__ import annotations

import json
import time

import pytest

from guarded import call, calling, findings, tool, turn
from handpicked.guards.tool_arguments import ToolArguments

ASK = turn("user", "What is the weather in Oslo?")
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
}


def found(tmp_path, arguments, schema=None, name="get_weather"):
    row = {"messages": [ASK, calling(call(name, arguments))], "tools": [tool("get_weather", schema)]}
    return findings(ToolArguments(), [row], tmp_path)[0]


@pytest.mark.parametrize("as_text", [True, False], ids=["text", "object"])
@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ({"city": "Oslo"}, None),
        ({"city": "Oslo", "days": 2}, None),
        ({}, "get_weather: 'city' is a required property"),
        ({"city": 3}, "get_weather: city: 3 is not of type 'string'"),
        ({"city": "Oslo", "days": 0}, "get_weather: days: 0 is less than the minimum of 1"),
    ],
)
def test_arguments_are_held_to_their_schema(tmp_path, arguments, wrong, as_text):
    assert found(tmp_path, json.dumps(arguments) if as_text else arguments, CITY) == wrong


def test_arguments_that_are_no_json_object(tmp_path):
    assert found(tmp_path, '{"city": "Oslo"').startswith("get_weather: no JSON: ")
    assert found(tmp_path, "{'city': 'Oslo'}").startswith("get_weather: no JSON: ")
    assert found(tmp_path, '["Oslo"]') == "get_weather: arguments are not an object"
    assert found(tmp_path, '"[' + "[" * 100_000) is not None


def test_a_call_in_the_text_that_is_no_json(tmp_path):
    broken = '<tool_call>{"name": "get_weather", "arguments": {"city": "Oslo"}</tool_call>'
    xml = "<tool_call>\n<function=get_weather>\n<parameter=city>Oslo</parameter></function>\n</tool_call>"
    rows = [{"messages": [ASK, turn("assistant", text)]} for text in (broken, xml)]
    one, other = findings(ToolArguments(), rows, tmp_path)
    assert one.startswith("a call: no JSON") and other is None


def test_the_names_that_data_sets_give_to_types(tmp_path):
    schema = {"type": "dict", "properties": {"n": {"type": "float"}, "x": {"type": "str, optional"}}}
    assert found(tmp_path, {"n": 1.5, "x": 3}, schema) is None
    assert found(tmp_path, {"n": "1.5"}, schema) == "get_weather: n: '1.5' is not of type 'number'"


def test_a_tool_without_a_schema_takes_any_object_and_so_does_one_whose_schema_is_none(tmp_path):
    assert found(tmp_path, {"any": "thing"}, name="sing") is None
    for schema in ({"required": 3}, {"properties": []}, {"properties": {"city": 3}}, {"minProperties": "x"}):
        assert found(tmp_path, {"city": 1}, schema) is None


def test_no_schema_is_fetched_and_none_stops_the_work(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("something was fetched")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    assert found(tmp_path, {"city": 1}, {"$ref": "http://127.0.0.1:1/schema.json"}) is None
    assert found(tmp_path, {"city": 1}, {"$ref": "#"}) is None
    began = time.monotonic()
    slow = {"properties": {"city": {"pattern": "^(a+)+$"}}}
    assert "does not match" in found(tmp_path, {"city": "a" * 60 + "!"}, slow)
    assert time.monotonic() - began < 5
