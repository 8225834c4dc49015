"""LLaMA-Factory: ShareGPT rows, dataset_info.json and a YAML file for ``llamafactory-cli train``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from handpicked.exports.config_text import yaml_text
from handpicked.exports.hugging_face import CUT, DEVICES, batch, schedule
from handpicked.exports.lesson import Lesson, called, thought_and_text
from handpicked.exports.trainer import DATA, MODEL, Job, Trainer, anonymous, unmasked
from handpicked.records import Json, Message, Turns

NAME = "handpicked"
GIVEN, SAID = ("human", "observation"), ("gpt", "function_call")
RESULTS = "\n</tool_response>\n<tool_response>\n"
"""What LLaMA-Factory's own reader of OpenAI's rows puts between the results of calls made at once."""


@dataclass(frozen=True)
class LlamaFactory(Trainer):
    """LLaMA-Factory 0.9.5 (github.com/hiyouga/LLaMA-Factory)."""

    name: ClassVar[str] = "llama-factory"
    title: ClassVar[str] = "LLaMA-Factory"
    about: ClassVar[str] = "ShareGPT rows, dataset_info.json, train.yaml"
    command: ClassVar[str] = "llamafactory-cli train train.yaml"

    def row(self, lesson: Lesson, turns: Turns) -> Json:
        """Turns as from and value; every row has the same fields, because its reader asks for them."""
        said = _merged([_turn(turn) for turn in lesson.messages])
        system = said.pop(0)["value"] if said[0]["from"] == "system" else ""
        return {"conversations": said, "system": system, "tools": lesson.tools}

    def lost(self, lesson: Lesson) -> Iterator[str]:
        """Its turns alternate, and a turn that calls tools holds a thought and the calls alone."""
        yield from super().lost(lesson)
        yield from unmasked(lesson, self.title)
        yield from anonymous(lesson, self.title)
        if any(turn.calls and turn.content for turn in lesson.messages):
            yield "have text beside tool calls; the calls are written as text, not in its template's own form"
        tags = [turn["from"] for turn in self.row(lesson, "last")["conversations"]]
        if any(tag not in (SAID if place % 2 else GIVEN) for place, tag in enumerate(tags)):
            yield f"have turns that do not alternate; {self.title} skips them"

    def files(self, job: Job) -> Mapping[str, str]:
        """dataset_info.json says what the fields of the rows are, train.yaml how to train."""
        one = job.settings
        columns = {"messages": "conversations", "system": "system", "tools": "tools"}
        info = {NAME: {"file_name": DATA, "formatting": "sharegpt", "columns": columns}}
        method = {"stage": "sft", "do_train": True, "finetuning_type": "lora" if job.adapter else "full"}
        if job.adapter:
            method |= {
                "lora_rank": one.lora_rank,
                "lora_alpha": one.lora_alpha,
                "lora_dropout": one.lora_dropout,
                "lora_target": ",".join("all" if name == "all-linear" else name for name in job.targets),
            }
        if one.method == "qlora":
            method |= {"quantization_bit": 4, "quantization_method": "bnb", "double_quantization": True}
        config = yaml_text(
            {
                f"Made by handpicked. Start it in this folder: {self.command}\n{job.note}": {},
                "The model to start from: a folder or a name on the hub.": {"model_name_or_path": MODEL},
                "How it is trained.": method,
                "The rows, on their responses alone. Without 'template' LLaMA-Factory makes one of the "
                "tokenizer's own; it knows many models by name, and only those show tool calls as the model "
                f"expects them (template: qwen3). {CUT}": {
                    "dataset": NAME,
                    "dataset_dir": ".",
                    "cutoff_len": one.max_length,
                    "train_on_prompt": False,
                    "mask_history": job.turns == "last",
                    "enable_thinking": job.thinks,
                    "packing": one.packing,
                    "neat_packing": one.packing,
                },
                f"The settings that handpicked trains with. {DEVICES}": {**batch(job), **schedule(job)},
                "This machine.": {
                    "bf16": True,
                    "output_dir": "out",
                    "logging_steps": 1,
                    "save_strategy": "epoch",
                    "report_to": "none",
                },
            }
        )
        return {"dataset_info.json": json.dumps(info, indent=2) + "\n", "train.yaml": config}


def _turn(turn: Message) -> dict[str, str]:
    if turn.role != "assistant":
        return {
            "from": {"user": "human", "tool": "observation"}.get(turn.role, turn.role),
            "value": turn.content,
        }
    if not turn.calls or turn.content:
        return {"from": "gpt", "value": turn.text}
    calls = json.dumps([called(call) for call in turn.calls], ensure_ascii=False)
    return {"from": "function_call", "value": thought_and_text(turn) + calls}


def _merged(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """The results of calls made at once as one turn."""
    found: list[dict[str, str]] = []
    for turn in turns:
        if found and turn["from"] == found[-1]["from"] == "observation":
            found[-1] = {**turn, "value": found[-1]["value"] + RESULTS + turn["value"]}
        else:
            found.append(turn)
    return found
