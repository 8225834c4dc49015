"""Unsloth: rows of messages, and a script that trains on them."""

from __future__ import annotations

import json
import pprint
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import ClassVar

from handpicked.config import TrainSettings
from handpicked.exports.config_text import comment_text
from handpicked.exports.hugging_face import DEVICES, batch, schedule
from handpicked.exports.lesson import Lesson, chat_turn
from handpicked.exports.trainer import DATA, MODEL, Job, Trainer
from handpicked.records import Turns

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
"""The linear layers that Unsloth's kernels adapt, by their names in Llama, Qwen, Mistral and Gemma."""


@dataclass(frozen=True)
class Unsloth(Trainer):
    """Unsloth 2026.10 (github.com/unslothai/unsloth)."""

    name: ClassVar[str] = "unsloth"
    title: ClassVar[str] = "Unsloth"
    about: ClassVar[str] = "rows of messages, train.py"
    command: ClassVar[str] = "python train.py"

    def row(self, lesson: Lesson, turns: Turns) -> dict[str, object]:
        """Messages as chat templates have them, tools as a list; ``trained`` says which turns are learned."""
        return {
            "messages": [chat_turn(turn) for turn in lesson.messages],
            "tools": json.loads(lesson.tools) if lesson.tools else None,
            "trained": sorted(lesson.trained),
        }

    def refusals(self, settings: TrainSettings) -> Iterator[str]:
        """Its script packs nothing."""
        yield from super().refusals(settings)
        if settings.packing:
            yield f"the script for {self.title} does not pack rows; leave packing out."

    def files(self, job: Job) -> Mapping[str, str]:
        """train.py: the settings, and what trains with them."""
        one = job.settings
        load = {"load_in_4bit": one.method == "qlora", "full_finetuning": not job.adapter}
        adapter: dict[str, object] = {}
        if job.adapter:
            adapter = {
                "r": one.lora_rank,
                "lora_alpha": one.lora_alpha,
                "lora_dropout": one.lora_dropout,
                "target_modules": LINEAR if job.targets == ["all-linear"] else job.targets,
                "use_gradient_checkpointing": one.gradient_checkpointing,
                "random_state": one.seed,
            }
        settings = {
            **batch(job),
            **schedule(job),
            "data_seed": one.seed,
            "output_dir": "out",
            "logging_steps": 1,
            "save_strategy": "epoch",
            "report_to": "none",
        }
        kept = {key: value for key, value in settings.items() if value is not None}
        parts = [
            comment_text(f"Made by handpicked. Start it in this folder: {self.command}\n{job.note}"),
            "import itertools\nimport json\nimport os\n",
            f"# The model to start from: a folder or a name on the hub.\nMODEL = {MODEL!r}\n",
            f"DATA = {DATA!r}\nMAX_LENGTH = {one.max_length}\n",
            f"LOAD = {_literal(load)}\nADAPTER = {_literal(adapter)}\n",
            comment_text(f"The settings that handpicked trains with. {DEVICES}"),
            f"SETTINGS = {_literal(kept)}\n",
        ]
        body = files("handpicked.exports").joinpath("unsloth_body.txt").read_text(encoding="utf-8")
        return {"train.py": "\n".join(parts[:-1]) + parts[-1] + body}


def _literal(values: Mapping[str, object]) -> str:
    return pprint.pformat(dict(values), sort_dicts=False, width=100)
