"""Calls of tools that the row does not declare."""

from __future__ import annotations

from guarded import call, calling, findings, kept, tool, turn
from handpicked.guards.undeclared_tool import UndeclaredTool

ASK = turn("user", "What is the weather in Oslo?")
WEATHER = tool("get_weather")


def test_each_way_of_declaring_and_calling(tmp_path):
    hermes = 'You may call these: <tools>{"name": "get_weather", "parameters": {}}</tools>'
    tagged = '<tool_call>\n{"name": "%s", "arguments": {}}\n</tool_call>'
    rows = [
        {"messages": [ASK, calling(call("get_weather"))], "tools": [WEATHER]},
        {"messages": [ASK, calling(call("get_wether"), call("sing"))], "tools": [WEATHER]},
        {
            "messages": [ASK, calling(call("get_weather"))],
            "tools": [{"name": "get_weather", "input_schema": {}}],
        },
        {"messages": [ASK, calling(call("get_weather"))], "tools": []},
        {
            "messages": [turn("system", "You have get_weather."), ASK, calling(call("get_weather"))],
            "tools": [],
        },
        {"messages": [turn("system", hermes), ASK, turn("assistant", tagged % "get_weather")], "tools": []},
        {"messages": [turn("system", hermes), ASK, turn("assistant", tagged % "sing")], "tools": []},
        {"messages": [ASK, turn("assistant", "It is 3 degrees.")], "tools": [WEATHER]},
        {"messages": [ASK, turn("assistant", "It is 3 degrees.")], "tools": []},
    ]
    wrong = {1: "get_wether, sing", 3: "get_weather", 6: "sing"}
    assert findings(UndeclaredTool(), rows, tmp_path) == [wrong.get(row) for row in range(len(rows))]


def test_a_pair_of_prompt_and_response_may_hold_a_call(tmp_path):
    said = '<tool_call>{"name": "sing", "arguments": {}}</tool_call>'
    rows = [{"prompt": "Sing.", "response": said}, {"prompt": f"What is {said}?", "response": "A call."}]
    assert findings(UndeclaredTool(), rows, tmp_path) == ["sing", None]


def test_the_reason_leads_to_the_tool(tmp_path):
    rows = [
        {"messages": [ASK, calling(call("sing"))], "tools": [WEATHER]},
        {"messages": [ASK, calling(call("get_weather"))], "tools": [WEATHER]},
    ]
    why = "undeclared-tool: it calls a tool that it does not declare (column undeclared_tool says which)"
    assert kept("undeclared-tool", rows, tmp_path) == ([1], {why: 1})


def test_tools_that_are_no_json_are_words(tmp_path):
    rows = [
        {"messages": [ASK, calling(call("get_weather"))], "tools": "get_weather(city), get_time()"},
        {"messages": [ASK, calling(call("sing"))], "tools": "get_weather(city), get_time()"},
    ]
    assert findings(UndeclaredTool(), rows, tmp_path) == [None, "sing"]
