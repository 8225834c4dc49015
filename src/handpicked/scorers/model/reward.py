"""The output of a reward model for the response.

Source: Ouyang et al., 2022, Training language models to follow instructions with human feedback, arXiv
2203.02155, eq. 1: a model with one output, trained so that the answer that people prefer has the higher
value. Its unit is that model's own, so values of two reward models cannot be compared. There is no default:
no reward model is small enough to be bundled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from handpicked.config import EXECUTION, ModelSettings
from handpicked.errors import ConfigError, TrainingError
from handpicked.method import HIDDEN
from handpicked.models.classifier import (
    classifier_config,
    classifier_identity,
    load_classifier,
    load_classifier_tokenizer,
    resolve_classifier,
)
from handpicked.models.rendering import render, takes_of
from handpicked.models.template_source import own_template
from handpicked.records import Better, Cost, Example, Pool
from handpicked.scorers.forecast import Forecast
from handpicked.scorers.lm.causal import TRAINED_FOR_IT, number_type
from handpicked.scorers.lm.forecast import forecast, weights_of
from handpicked.scorers.lm.model_rows import Compute, ModelRow, ModelRowsWork, packed, truncation_facts
from handpicked.scorers.part_scorer import PartScorer
from handpicked.store.versions import LANGUAGE_MODEL

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Reward(PartScorer):
    """The output of a sequence-classification model with one label for a whole
    conversation; higher is better.

    The conversation is written by the chat template of the model's own tokenizer, up to and with its last
    turn. One of more than ``max_length`` tokens (None: the model's own context) is cut at its end;
    ``reward_truncated`` counts the tokens lost.

    Cost: one forward pass a row.
    """

    model: ModelSettings = field(metadata=TRAINED_FOR_IT)
    max_length: Annotated[int, Field(gt=1)] | None = None
    """The most tokens that the model sees; the rest is cut, and counted. None: its context."""
    batch_tokens: int | None = field(default=None, metadata={**EXECUTION, **HIDDEN})
    name: ClassVar[str] = "reward"
    about: ClassVar[str] = "the output of a reward model for the response"
    source: ClassVar[str] = "Ouyang et al. 2022, arXiv 2203.02155"
    needs: ClassVar[str] = "lm, a reward model"
    values: ClassVar[tuple[str, ...]] = ("reward", "reward_truncated")
    unit: ClassVar[str] = "reward"
    better: ClassVar[Better] = "high"
    cost: ClassVar[Cost] = "model forward"
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = LANGUAGE_MODEL

    def identity(self) -> str:
        """The model's files or commit; the tokenizer and its template are among them."""
        return f"{classifier_identity(self.model)}, {number_type(self.model)}"

    def estimate(self, pool: Pool, rows: Sequence[int] | None) -> Forecast:
        """Tokens and time, from the model's configuration and its tokenizer."""
        from transformers import AutoModelForSequenceClassification

        config, encode = classifier_config(self.model), self._encoder()
        weights = weights_of(
            lambda: AutoModelForSequenceClassification.from_config(
                config, trust_remote_code=self.model.trust_remote_code
            )
        )
        return forecast(pool, rows, lambda one: len(encode(one).ids), weights, self.model)

    def opened(self) -> ModelRowsWork:
        """See ``PartScorer``. Null for an empty response."""
        # Without a padding token the model takes the last place for the end of the text: one row at a time,
        # then.
        padded = classifier_config(self.model).pad_token_id is not None
        return ModelRowsWork(self.values, self._encoder(), self._load, self.batch_tokens if padded else 1)

    def facts(self, noted: Sequence[Mapping[str, object]]) -> dict[str, object]:
        """See ``PartScorer``."""
        return truncation_facts(noted)

    def _load(self) -> tuple[PreTrainedModel, Compute]:
        import torch

        model = load_classifier(self.model)
        model.config.use_cache = False
        pad = model.config.pad_token_id or 0

        def compute(batch: Sequence[ModelRow]) -> list[list[float]]:
            width = max(len(row.ids) for row in batch)
            ids = [[*row.ids, *[pad] * (width - len(row.ids))] for row in batch]
            mask = [[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in batch]
            with torch.inference_mode():
                out = model(
                    input_ids=torch.tensor(ids, device=model.device),
                    attention_mask=torch.tensor(mask, device=model.device),
                )
            return [[float(value)] for value in out.logits[:, 0].float()]

        return model, compute

    def _encoder(self) -> Encoder:
        resolve_classifier(self.model)  # a model of another kind is refused before anything is tokenised
        limit = min(self.max_length or 1 << 30, _context(classifier_config(self.model)))
        return Encoder(load_classifier_tokenizer(self.model), self.model.name, limit)


@dataclass(frozen=True)
class Encoder:
    """Conversations as token ids of a reward model, by its tokenizer's own chat template,
    at most ``limit`` of them.
    """

    tokenizer: PreTrainedTokenizerBase
    model: str
    limit: int

    def __post_init__(self) -> None:
        if own_template(self.tokenizer) is None:
            raise ConfigError(
                f"The tokenizer of '{self.model}' has no chat template, so it is unknown how it reads "
                "a conversation. Put the one of "
                "its model card into its folder as chat_template.jinja."
            )

    def __call__(self, example: Example) -> ModelRow:
        if not example.response.strip():
            return ModelRow(example.row, reason="the response is empty")
        source = own_template(self.tokenizer) or ""
        try:
            takes = takes_of(self.tokenizer, source, "auto")
            text = render(
                self.tokenizer, source, example.messages, prompt=False, name="auto", takes=takes
            ).text
        except TrainingError as error:
            return ModelRow(example.row, reason=str(error))
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ModelRow(example.row, packed(ids[: self.limit]), max(0, len(ids) - self.limit))


def _context(config: PretrainedConfig) -> int:
    """Tokens that the model can read."""
    return int(getattr(config, "max_position_embeddings", None) or 1 << 30)
