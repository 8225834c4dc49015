"""open-instruct: rows of messages, and a command for its finetune.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from handpicked.config import TrainSettings
from handpicked.exports.config_text import comment_text, flags
from handpicked.exports.hugging_face import CUT, batch
from handpicked.exports.lesson import Lesson, plain_turn
from handpicked.exports.trainer import DATA, MODEL, Job, Trainer, unmasked, whole_epochs
from handpicked.records import Turns

LEARNED = {
    "last": "last_turn_tulu_tokenize_and_truncate_v1",
    "all": "sft_tulu_tokenize_and_truncate_v1",
}
"""The names of its functions that encode a row, by the turns that they learn."""


@dataclass(frozen=True)
class OpenInstruct(Trainer):
    """open-instruct (github.com/allenai/open-instruct, commit e6c3044). Its finetune.py takes flags and no
    longer reads YAML.
    """

    name: ClassVar[str] = "open-instruct"
    title: ClassVar[str] = "open-instruct"
    about: ClassVar[str] = "rows of messages, train.sh"
    command: ClassVar[str] = "OPEN_INSTRUCT=~/open-instruct bash train.sh"

    def row(self, lesson: Lesson, turns: Turns) -> dict[str, object]:
        """Messages as chat templates have them. Arguments of calls are JSON text, because the version of
        datasets that it pins mixes the arguments of different tools.
        """
        said = [plain_turn(turn) for turn in lesson.messages]
        return {"messages": said, "tools": lesson.tools} if lesson.tools else {"messages": said}

    def lost(self, lesson: Lesson) -> Iterator[str]:
        """It learns the last turn of an assistant, or every one."""
        yield from super().lost(lesson)
        yield from unmasked(lesson, self.title)

    def refusals(self, settings: TrainSettings) -> Iterator[str]:
        """Whole epochs, and the adapter's modules are fixed."""
        yield from super().refusals(settings)
        yield from whole_epochs(settings, self.title)
        if settings.method != "full" and settings.lora_targets != "all-linear":
            yield f"{self.title} puts adapters on all linear layers; lora_targets cannot name others."
        if settings.neftune_noise is not None:
            yield f"{self.title} has no NEFTune (neftune_noise)."

    def files(self, job: Job) -> Mapping[str, str]:
        """train.sh: finetune.py with its flags."""
        where = [
            '--model_name_or_path "$MODEL"',
            '--tokenizer_name_or_path "$MODEL"',
            f'--dataset_mixer_list "$here/{DATA}" 1.0',
            "--dataset_mixer_list_splits train",
            '--output_dir "$here/out"',
            f"--gradient_accumulation_steps $(({job.accumulation} / DEVICES))",
        ]
        words = [*where, *flags(_given(job))]
        lines = [
            "#!/usr/bin/env bash",
            comment_text(f"Made by handpicked. Start it in this folder: {self.command}\n{job.note}").rstrip(),
            "set -euo pipefail",
            "",
            "# The model to start from: a folder or a name on the hub.",
            f"MODEL=${{MODEL:-{MODEL}}}",
            f"# The folder of open-instruct, and the number of devices, which divides {job.accumulation}.",
            "OPEN_INSTRUCT=${OPEN_INSTRUCT:-$HOME/open-instruct}",
            "DEVICES=${DEVICES:-1}",
            'here="$(cd "$(dirname "$0")" && pwd)"',
            "",
            comment_text(
                "The last response of a row is learned (all of them where the transform is "
                f"{LEARNED['all']}), in the tokenizer's own chat template. {CUT}"
            ).rstrip(),
            'cd "$OPEN_INSTRUCT"',
            'exec accelerate launch --mixed_precision bf16 --num_processes "$DEVICES" '
            "open_instruct/finetune.py \\",
            " \\\n".join(f"    {word}" for word in words),
        ]
        return {"train.sh": "\n".join(lines) + "\n"}


def _given(job: Job) -> dict[str, object]:
    """The flags that are plain values."""
    one = job.settings
    given: dict[str, object] = {
        "dataset_transform_fn": [LEARNED[job.turns], "sft_tulu_filter_v1"],
        "max_seq_length": one.max_length,
        "packing": one.packing,
        "per_device_train_batch_size": batch(job)["per_device_train_batch_size"],
    }
    if job.adapter:
        given |= {
            "use_lora": True,
            "use_qlora": one.method == "qlora",
            "lora_rank": one.lora_rank,
            "lora_alpha": one.lora_alpha,
            "lora_dropout": one.lora_dropout,
        }
    given |= {
        "num_train_epochs": int(one.epochs),
        "learning_rate": one.peak_rate,
        "lr_scheduler_type": job.scheduler,
        "warmup_ratio": one.warmup_ratio,
        "weight_decay": one.weight_decay,
        "gradient_checkpointing": one.gradient_checkpointing,
        "seed": one.seed,
        "logging_steps": 1,
        "do_not_randomize_output_dir": True,
        "push_to_hub": False,
        "try_launch_beaker_eval_jobs": False,
        "try_auto_save_to_beaker": False,
    }
    return given
