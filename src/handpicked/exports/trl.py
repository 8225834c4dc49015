"""TRL: prompt and completion, and a YAML file for ``trl sft --config``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from handpicked.exports.config_text import yaml_text
from handpicked.exports.hugging_face import CUT, DEVICES, batch, schedule
from handpicked.exports.lesson import Lesson, chat_turn
from handpicked.exports.trainer import DATA, MODEL, Job, Trainer, unmasked
from handpicked.records import Turns


@dataclass(frozen=True)
class Trl(Trainer):
    """TRL 1.16 (github.com/huggingface/trl), which needs datasets 4.7: older ones mix the arguments of tools."""

    name: ClassVar[str] = "trl"
    title: ClassVar[str] = "TRL"
    about: ClassVar[str] = "prompt and completion, train.yaml"
    command: ClassVar[str] = "trl sft --config train.yaml"

    def row(self, lesson: Lesson, turns: Turns) -> dict[str, object]:
        """Prompt and completion where the last turn is learned; messages where all are."""
        said = [chat_turn(turn) for turn in lesson.messages]
        row: dict[str, object] = (
            {"prompt": said[:-1], "completion": said[-1:]} if turns == "last" else {"messages": said}
        )
        return {**row, "tools": lesson.tools} if lesson.tools else row

    def lost(self, lesson: Lesson) -> Iterator[str]:
        """It learns the completion, or every turn of an assistant."""
        yield from super().lost(lesson)
        yield from unmasked(lesson, self.title)

    def files(self, job: Job) -> Mapping[str, str]:
        """train.yaml, which ``trl sft`` reads as its flags."""
        one = job.settings
        method: dict[str, object] = {"use_peft": job.adapter}
        if job.adapter:
            method |= {
                "lora_r": one.lora_rank,
                "lora_alpha": one.lora_alpha,
                "lora_dropout": one.lora_dropout,
                "lora_target_modules": job.targets,
            }
        if one.method == "qlora":
            method |= {"load_in_4bit": True, "use_bnb_nested_quant": True}
        masked = {"completion_only_loss": True} if job.turns == "last" else {"assistant_only_loss": True}
        config = yaml_text(
            {
                f"Made by handpicked. Start it in this folder: {self.command}\n{job.note}": {},
                "The model to start from: a folder or a name on the hub.": {"model_name_or_path": MODEL},
                "How it is trained.": method,
                f"The rows, on their responses alone, in the tokenizer's own chat template. {CUT}": {
                    "datasets": [{"path": "json", "data_files": DATA}],
                    **masked,
                    "max_length": one.max_length,
                    "packing": one.packing,
                },
                f"The settings that handpicked trains with. {DEVICES}": {
                    **batch(job),
                    **schedule(job),
                    "data_seed": one.seed,
                },
                "This machine.": {
                    "output_dir": "out",
                    "logging_steps": 1,
                    "save_strategy": "epoch",
                    "report_to": "none",
                },
            }
        )
        return {"train.yaml": config}
