"""ms-swift: rows of its own messages, and a YAML file for ``swift sft``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from handpicked.exports.config_text import yaml_text
from handpicked.exports.hugging_face import CUT, DEVICES, batch, schedule
from handpicked.exports.lesson import Lesson, called, thought_and_text
from handpicked.exports.trainer import DATA, MODEL, Job, Trainer, anonymous
from handpicked.records import Message, Turns


@dataclass(frozen=True)
class MsSwift(Trainer):
    """ms-swift 4.6 (github.com/modelscope/ms-swift)."""

    name: ClassVar[str] = "ms-swift"
    title: ClassVar[str] = "ms-swift"
    about: ClassVar[str] = "rows of its messages, train.yaml"
    command: ClassVar[str] = "swift sft train.yaml"

    def row(self, lesson: Lesson, turns: Turns) -> dict[str, object]:
        """Its own messages: a thought is text, every call a turn; ``loss`` says which are learned."""
        said = [
            part
            for place, turn in enumerate(lesson.messages)
            for part in _turns(turn, place in lesson.trained)
        ]
        return {"messages": said, "tools": lesson.tools} if lesson.tools else {"messages": said}

    def lost(self, lesson: Lesson) -> Iterator[str]:
        """It goes by the order of calls and results."""
        yield from super().lost(lesson)
        yield from anonymous(lesson, self.title)

    def files(self, job: Job) -> Mapping[str, str]:
        """train.yaml, which ``swift sft`` reads as its flags."""
        one = job.settings
        method: dict[str, object] = {"tuner_type": "lora" if job.adapter else "full"}
        if job.adapter:
            method |= {
                "lora_rank": one.lora_rank,
                "lora_alpha": one.lora_alpha,
                "lora_dropout": one.lora_dropout,
                "target_modules": job.targets,
            }
        if one.method == "qlora":
            method |= {"quant_method": "bnb", "quant_bits": 4, "bnb_4bit_use_double_quant": True}
        config = yaml_text(
            {
                f"Made by handpicked. Start it in this folder: {self.command}\n{job.note}": {},
                "The model to start from: a folder or a name on the hub.": {"model": MODEL},
                "How it is trained.": method,
                "The rows, on their responses alone. ms-swift takes the template that it knows for the model; "
                f"'template' names another. {CUT}": {
                    "dataset": [DATA],
                    "split_dataset_ratio": 0,
                    "max_length": one.max_length,
                    "truncation_strategy": "right",
                    "loss_scale": "last_round" if job.turns == "last" else "default",
                    "packing": one.packing,
                },
                f"The settings that handpicked trains with. {DEVICES}": {
                    **batch(job),
                    **schedule(job),
                    "data_seed": one.seed,
                },
                "This machine.": {"torch_dtype": "bfloat16", "output_dir": "out", "logging_steps": 1},
            }
        )
        return {"train.yaml": config}


def _turns(turn: Message, trained: bool) -> Iterator[dict[str, object]]:
    if turn.role != "assistant":
        yield {"role": turn.role, "content": turn.content}
        return
    text = thought_and_text(turn)
    if text or not turn.calls:
        yield {"role": "assistant", "content": text, "loss": trained}
    for call in turn.calls:
        said = json.dumps(called(call), ensure_ascii=False)
        yield {"role": "tool_call", "content": said, "loss": trained}
