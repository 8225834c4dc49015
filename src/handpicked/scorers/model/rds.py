"""RDS+: similarity to a target set in the hidden states of a language model.

Source: Ivison et al., 2025, Large-Scale Data Selection for Instruction Tuning, arXiv 2503.01807. A
conversation is the mean of the model's last hidden states h_1 .. h_L, position i weighted by i (Muennighoff,
2022, SGPT, arXiv 2202.08904): ``sum of i h_i / sum of i``. A row's score is its largest cosine to a target;
rows are taken in round robin over the targets. The last position is the token that ends the response, which
is read; what a template writes after it is not. Of a row that is cut it is wherever the cut falls, and of a
prompt alone it is the end of the generation prompt. The published code includes padding in the mean, which
does no harm at its batch size of 1; here it is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from handpicked.config import EXECUTION, LATER, ModelSettings
from handpicked.errors import TrainingError
from handpicked.method import HIDDEN, called, parts, read_by
from handpicked.models.load import load_model
from handpicked.models.template import Encoded, Template, model_template
from handpicked.models.threads import side_by_side
from handpicked.records import Better, Cost, Example, Pool
from handpicked.scorers.forecast import Forecast
from handpicked.scorers.lm.causal import config_of, context_of, made_of, size_of, template_of
from handpicked.scorers.lm.forecast import forecast
from handpicked.scorers.lm.model_rows import ModelRow, batches, packed
from handpicked.scorers.lm.resemblance import (
    ROWS,
    Compared,
    compared_table,
    targets_table,
    write_resemblance,
)
from handpicked.scorers.lm.target import TargetSet, encode_example, encode_target
from handpicked.scorers.lm.vectors import NumberType
from handpicked.scorers.part_scorer import PartScorer
from handpicked.scorers.scorer import Scope
from handpicked.store.versions import LANGUAGE_MODEL
from handpicked.workers import PartFiles

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Rds(PartScorer):
    """``rds`` is the cosine to the most similar target, ``rds_rank`` the place in the round
    robin, 1 the first to be taken.

    A selection by ``rds`` takes rows by rank. Prompt and response are read together, in ``template``
    (``auto``: the tokenizer's own, which it must have); where a target has no response, prompts are compared
    with prompts. At most ``max_length`` tokens of a row are read (the paper's 2,048; None: the model's
    context), from its start, and ``rds_truncated`` counts the others.

    Cost: one forward pass a row and a target, without the output head; 4 bytes of disk a row and hidden
    dimension while it works.
    """

    target: TargetSet = field(
        metadata=read_by(TargetSet.read, str, "needs a target set; give a file of examples (--target FILE).")
    )
    """File of target examples, or of prompts."""
    model: ModelSettings = field(
        default=ModelSettings(),
        metadata=parts(model="name", revision="revision", trust_remote_code="trust_remote_code"),
    )
    template: str = "auto"
    """Chat template: ``auto`` is the tokenizer's own, else alpaca, vicuna, chatml or plain."""
    max_length: Annotated[int, Field(gt=1)] | None = 2048
    """Tokens of a row that are read, from its start. None: the model's context."""
    stored: NumberType = field(default="float32", metadata={**called("vectors"), **LATER})
    """How vectors are stored: ``float32``, or ``float16``, which takes half the disk space and changes a
    cosine by less than 0.001.
    """
    batch_tokens: int | None = field(default=None, metadata={**EXECUTION, **HIDDEN})
    name: ClassVar[str] = "rds"
    about: ClassVar[str] = (
        "similarity to a target set in a causal LM's hidden states, round robin over the targets (RDS+)"
    )
    source: ClassVar[str] = "Ivison et al. 2025, arXiv 2503.01807"
    needs: ClassVar[str] = "lm, a target set; demo for the bundled model"
    values: ClassVar[tuple[str, str, str]] = ("rds", "rds_rank", "rds_truncated")
    unit: ClassVar[str] = "cosine"
    better: ClassVar[Better] = "high"
    scope: ClassVar[Scope] = "set"
    cost: ClassVar[Cost] = "model forward"
    version: ClassVar[int] = 2  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = LANGUAGE_MODEL

    def identity(self) -> str:
        """The model's files or commit, the template, and the target's content."""
        made = f"{made_of(self.model)}, {template_of(self.model, self.template)}"
        return f"{made}, target sha256:{self.target.sha256}"

    def estimate(self, pool: Pool, rows: Sequence[int] | None) -> Forecast:
        """Tokens and time, those of the target included."""
        template, limit = self.template_and_limit()
        return forecast(
            pool,
            rows,
            lambda one: len(self.row(template, limit, one).ids),
            size_of(self.model),
            self.model,
            more_tokens=sum(len(row.ids) for row in self.targets(template, limit)),
        )

    def opened(self) -> RdsWork:
        """See ``PartScorer``."""
        return RdsWork(self, *self.template_and_limit())

    def facts(self, noted: Sequence[Mapping[str, object]]) -> dict[str, object]:
        """See ``PartScorer``: ``finish`` finds them."""
        return {}

    def sections(self, rows: int) -> tuple[int, ...]:
        """The rows, and the targets."""
        return (rows, len(self.target))

    def of_rows(self, section: int) -> bool:
        """See ``PartScorer``."""
        return section == ROWS

    def finish(self, files: PartFiles, work: Path) -> None:
        """Similarity and rank of every row; null for an empty response and for a vector without a direction."""
        write_resemblance(work, self.values, files, self.target)

    def template_and_limit(self) -> tuple[Template, int]:
        """The chat template, and the tokens of a row that are read."""
        limit = context_of(config_of(self.model), self.max_length)
        return model_template(self.template, self.model), limit

    def row(self, template: Template, limit: int, example: Example) -> ModelRow:
        """A row as the model reads it."""
        if not example.response.strip():
            return ModelRow(example.row, reason="the response is empty")
        try:
            return _cut(example.row, encode_example(template, example, self.target.whole), limit)
        except TrainingError as error:
            return ModelRow(example.row, reason=str(error))

    def targets(self, template: Template, limit: int) -> list[ModelRow]:
        """The targets as rows of their own numbers."""
        whole = self.target.whole
        return [
            _cut(place, encode_target(template, prompt, whole), limit)
            for place, prompt in enumerate(self.target)
        ]


@dataclass(frozen=True)
class _Read:
    """A part: its rows (None: it is of targets), and those that the model reads."""

    compared: list[Compared] | None
    items: list[ModelRow]


@dataclass
class RdsWork:
    """Vectors of the rows and targets of parts, in one worker."""

    scorer: Rds
    template: Template
    limit: int

    def read(self, section: int, examples: Sequence[Example]) -> _Read:
        """See ``RowsWork``."""
        del section
        rows = [self.scorer.row(self.template, self.limit, example) for example in examples]
        compared = [
            Compared(row.row, example.id, row.truncated, row.reason)
            for row, example in zip(rows, examples, strict=True)
        ]
        return _Read(compared, [row for row in rows if row.reason is None])

    def read_beside(self, section: int, first: int, end: int) -> _Read:
        """See ``RowsWork``: targets."""
        del section
        return _Read(None, self.scorer.targets(self.template, self.limit)[first:end])

    def compute(self, ready: _Read, step: Callable[[float], None]) -> pa.Table:
        """See ``RowsWork``."""
        place_of = {row.row: place for place, row in enumerate(ready.items)}
        plan = batches(ready.items, self.scorer.batch_tokens)
        vectors = np.empty((len(ready.items), self.model.config.get_text_config().hidden_size), np.float32)

        def means(batch: Sequence[ModelRow]) -> np.ndarray:
            return weighted_means(self.model, [row.ids for row in batch])

        with closing(side_by_side(means, plan, self.model)) as made:
            for batch, found in zip(plan, made, strict=True):
                vectors[[place_of[row.row] for row in batch]] = found
                step(len(batch))
        if ready.compared is None:
            return targets_table(vectors)
        return compared_table(ready.compared, vectors, self.scorer.stored)

    @cached_property
    def model(self) -> PreTrainedModel:
        """Loaded at first use."""
        return load_model(self.scorer.model)


def _cut(row: int, encoded: Encoded, limit: int) -> ModelRow:
    return ModelRow(row, packed(encoded.ids[:limit]), max(0, len(encoded.ids) - limit))


def weighted_means(model: PreTrainedModel, rows: Sequence[Sequence[int]]) -> np.ndarray:
    """The position-weighted mean of the last hidden states of each row of token ids:
    float32 [rows, hidden size].

    ``model`` is a causal language model; padding goes on the right, where it cannot look, and weighs nothing.
    """
    import torch

    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], device=model.device)
    lengths = torch.tensor([len(row) for row in rows], device=model.device)
    places = torch.arange(1, width + 1, device=model.device)
    weights = torch.where(places <= lengths[:, None], places, 0).float()
    with torch.inference_mode():
        hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state.float()
        # Padding may hold NaN, which must not reach the row by way of 0 times NaN.
        hidden = hidden.masked_fill((weights == 0)[:, :, None], 0.0)
        means = torch.einsum("bl,blh->bh", weights, hidden) / weights.sum(1, keepdim=True)
    found: np.ndarray = means.cpu().numpy()
    return found
