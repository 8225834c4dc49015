"""Axolotl: rows of messages, each turn marked whether it is trained, and a YAML file for ``axolotl train``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from handpicked.exports.config_text import yaml_text
from handpicked.exports.hugging_face import CUT, DEVICES
from handpicked.exports.lesson import Lesson, plain_turn
from handpicked.exports.trainer import DATA, MODEL, Job, Trainer
from handpicked.records import Turns

FIELDS = ("role", "content", "reasoning_content", "tool_calls", "tool_call_id", "name")
"""Fields of a turn that are given to the chat template. Left to itself, Axolotl gives those that it finds in
the template's text, and where it does not find ``tool_calls`` the calls are lost without a word.
"""


@dataclass(frozen=True)
class Axolotl(Trainer):
    """Axolotl 0.19 (github.com/axolotl-ai-cloud/axolotl)."""

    name: ClassVar[str] = "axolotl"
    title: ClassVar[str] = "Axolotl"
    about: ClassVar[str] = "rows of messages, train.yaml"
    command: ClassVar[str] = "axolotl train train.yaml"

    def row(self, lesson: Lesson, turns: Turns) -> dict[str, object]:
        """Messages as chat templates have them; ``training`` says which are learned."""
        marked = [
            {**plain_turn(turn), "training": place in lesson.trained}
            for place, turn in enumerate(lesson.messages)
        ]
        return {"messages": marked, "tools": lesson.tools or None}

    def files(self, job: Job) -> Mapping[str, str]:
        """train.yaml: the rows, and how to train on them."""
        one = job.settings
        rows = {
            "path": DATA,
            "ds_type": "json",
            "type": "chat_template",
            "field_messages": "messages",
            "message_property_mappings": {field: field for field in FIELDS},
            "message_field_training": "training",
            "roles_to_train": ["assistant"],
            "train_on_eos": "turn",
        }
        config = yaml_text(
            {
                f"Made by handpicked. Start it in this folder: {self.command}\n{job.note}": {},
                "The model to start from: a folder or a name on the hub.": {"base_model": MODEL},
                "How it is trained." if job.adapter else "Every weight is trained.": _adapter(job),
                "The rows, on their responses alone, in the tokenizer's own chat template. Where that ends a "
                f"turn with another token than the end-of-text one, name it in eot_tokens. {CUT}": {
                    "datasets": [rows],
                    "chat_template": "tokenizer_default",
                    "train_on_inputs": False,
                    "sequence_len": one.max_length,
                    "excess_length_strategy": "truncate",
                    "sample_packing": one.packing,
                    "val_set_size": 0,
                },
                f"The settings that handpicked trains with. {DEVICES}": {
                    "micro_batch_size": job.micro_batch,
                    "gradient_accumulation_steps": job.accumulation,
                    "num_epochs": one.epochs,
                    "learning_rate": one.peak_rate,
                    "lr_scheduler": job.scheduler,
                    "warmup_ratio": one.warmup_ratio,
                    "weight_decay": one.weight_decay,
                    "neftune_noise_alpha": one.neftune_noise,
                    "gradient_checkpointing": one.gradient_checkpointing,
                    "seed": one.seed,
                },
                "This machine.": {
                    "optimizer": "adamw_torch_fused",
                    "bf16": "auto",
                    "output_dir": "out",
                    "logging_steps": 1,
                },
            }
        )
        return {"train.yaml": config}


def _adapter(job: Job) -> dict[str, object]:
    """The adapter; nothing where every weight is trained."""
    if not job.adapter:
        return {}
    every, one = job.targets == ["all-linear"], job.settings
    return {
        "adapter": one.method,
        "load_in_4bit": one.method == "qlora",
        "lora_r": one.lora_rank,
        "lora_alpha": one.lora_alpha,
        "lora_dropout": one.lora_dropout,
        "lora_target_linear": True if every else None,
        "lora_target_modules": None if every else job.targets,
    }
