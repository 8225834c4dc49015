"""A subset with all that a row may hold, exported for a trainer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import handpicked as hp
from handpicked.config import TrainSettings
from handpicked.exports.write import Exported


def _tool(name: str, **properties: str) -> dict[str, Any]:
    typed = {key: {"type": kind} for key, kind in properties.items()}
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": f"The {name}.",
            "parameters": {"type": "object", "properties": typed},
        },
    }


def _call(name: str, arguments: Any, **more: str) -> dict[str, Any]:
    return {**more, "type": "function", "function": {"name": name, "arguments": arguments}}


THOUGHT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is 2 + 2?"},
    {"role": "assistant", "reasoning_content": "Two and two.", "content": "It is 4."},
]
RESULTS = [
    {"role": "user", "content": "Weather in Rome and Oslo?"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            _call("weather", '{"city": "Rome"}', id="a"),
            _call("weather", '{"city": "Oslo"}', id="b"),
        ],
    },
    {"role": "tool", "tool_call_id": "a", "name": "weather", "content": "22"},
    {"role": "tool", "tool_call_id": "b", "name": "weather", "content": "4"},
    {"role": "assistant", "content": "22 in Rome, 4 in Oslo."},
]
CALL = [
    {"role": "user", "content": "Add 1 and 2."},
    {
        "role": "assistant",
        "content": "",
        "reasoning_content": "Use it.",
        "tool_calls": [_call("add", {"x": 1, "y": 2})],
    },
]
TALK = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello!"},
    {"role": "user", "content": "Bye"},
    {"role": "assistant", "content": "See you – soon."},
    {"role": "user", "content": "Thanks."},
]
ROWS = [
    {"messages": THOUGHT},
    {"messages": RESULTS, "tools": [_tool("weather", city="string")]},
    {"messages": CALL, "tools": [_tool("add", x="integer", y="integer")]},
    {"messages": TALK},
]


@dataclass(frozen=True)
class Made:
    """An export on disk, with its rows and its YAML where it has one."""

    folder: Path
    exported: Exported

    @property
    def rows(self) -> list[dict[str, Any]]:
        lines = (self.folder / "data.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    @property
    def config(self) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load((self.folder / "train.yaml").read_text(encoding="utf-8"))
        return found


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """Rows with a system prompt, a thought, calls of different tools, their results, several answers."""
    return json.loads(json.dumps(ROWS))


@pytest.fixture
def export(tmp_path: Path, rows: list[dict[str, Any]]) -> Callable[..., Made]:
    """Exports rows for a trainer; ``turns`` is the rule by which they are read, the rest settings."""

    def make(trainer: str, given: Any = None, turns: str = "last", **settings: Any) -> Made:
        data = hp.read(rows if given is None else given, turns=turns)
        subset = hp.select(data, "longest", size=data.rows)
        folder = tmp_path / f"{trainer}-{turns}"
        return Made(folder, subset.export(trainer, folder, TrainSettings(**settings)))

    return make


CHATML = (
    "{% if tools %}<|im_start|>tools\n{{ tools | tojson }}<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% if m.tool_calls %}{% for call in m.tool_calls %}"
    "{{ call.function.name }}{{ call.function.arguments | tojson }}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="session")
def chat_tokenizer() -> Any:
    """A tokenizer with a chat template that shows tools and calls."""
    from transformers import PreTrainedTokenizerFast

    from handpicked.tokens.tokenizer import EMBEDDED

    made = PreTrainedTokenizerFast(
        tokenizer_file=str(EMBEDDED), eos_token="<|im_end|>", pad_token="<|im_end|>", bos_token="<|im_start|>"
    )
    made.chat_template = CHATML
    return made
