"""Writes the model card of a trained adapter or model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from handpicked._version import __version__
from handpicked.config import ModelSettings, TrainSettings
from handpicked.models.bundled import PREFIX
from handpicked.models.load import is_folder

if TYPE_CHECKING:
    from handpicked.train.sft import TrainResult


def write_card(
    folder: Path, kind: str, result: TrainResult, model: ModelSettings, settings: TrainSettings, identity: str
) -> None:
    """Write ``README.md`` into ``folder``, replacing the generic one of PEFT. ``kind`` is adapter or model."""
    losses = [loss for _, loss in result.losses]
    what = "A LoRA adapter for" if kind == "adapter" else "A fine-tuning of"
    settings_json = json.dumps(settings.resolved().model_dump(mode="json"), indent=2)
    text = f"""---
library_name: {"peft" if kind == "adapter" else "transformers"}
pipeline_tag: text-generation
tags: [handpicked, sft, trl]
{_base(model, kind)}---

# {result.arm}

{what} `{model.name}`, made by handpicked {__version__} from the subset **{result.arm}**.

| | |
|---|---|
| base model | `{identity}` |
| rows | {result.rows_used} used of {result.rows_in_subset} in the subset |
| steps | {result.steps}, {result.warmup_steps} of them warm-up |
| peak learning rate | {result.learning_rate:g} ({settings.rate_origin}); over all steps they add up to {result.rate_sum:.3g} |
| change of the weights | {result.weight_change:.3g} (L2 norm), {result.weight_change_relative:.2%} of the norm before |
| training tokens | {result.training_tokens} ({result.response_tokens} learned: responses with their end-of-text) |
| rows cut to {settings.max_length} tokens | {result.rows_truncated} (end-of-text kept in every one) |
| rows left out (prompt too long) | {result.rows_without_room} |
| rows left out (refused by the chat template) | {result.rows_refused} |
| earlier turns not learned (the chat template shows them differently from inference) | {result.turns_unlearned} |
| loss, first to last step | {f"{losses[0]:.3f} to {losses[-1]:.3f}" if losses else "none"} nats per learned token |
| token accuracy, on learned tokens | {result.token_accuracy:.1%}, in the last pass over the rows {result.token_accuracy_last_pass:.1%} |
| chat template | {result.template} |
| seed | {result.seed} |

Settings:

```json
{settings_json}
```
"""
    (folder / "README.md").write_text(text, encoding="utf-8")


def _base(model: ModelSettings, kind: str) -> str:
    """The lines of the front matter that name the base model, where it is one of the hub: the hub shows it
    with the model, and PEFT's own reader needs nothing of it.
    """
    if model.name.startswith(PREFIX) or is_folder(model.name):
        return ""
    relation = "adapter" if kind == "adapter" else "finetune"
    return f"base_model: {json.dumps(model.name)}\nbase_model_relation: {relation}\n"
