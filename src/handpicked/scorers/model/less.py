"""LESS: whether a training step on a row would lower the loss on a target set.

Source: Xia et al., 2024, LESS: Selecting Influential Data for Targeted Instruction Tuning, arXiv 2402.04333,
definition 3.1. At states i = 1 .. N of a short LoRA training with mean learning rates eta_i, with D_j the
j-th subset of the target:

    less(z) = max over j of  sum over i of  eta_i cos(mean over D_j of grad loss_i, Adam step_i(z)) / sum of eta_i

The target's gradients are plain, the row's is Adam's step, and both are randomly projected, which adds noise:
the standard error of a cosine c at one state is about (1 - c^2) / sqrt(dimension), 0.011 near 0 at 8,192
numbers (tested). The published code averages cosines over a subset where the paper, and this, take the cosine
to the averaged gradient.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from handpicked.errors import ConfigError, MissingPart, TrainingError
from handpicked.method import called, read_by
from handpicked.models.adam_state import AdamState, find_states
from handpicked.models.digest import sha256_of_file
from handpicked.models.encode import cut
from handpicked.models.load import load_model
from handpicked.models.quiet import quiet
from handpicked.models.template import Encoded, Template, model_template
from handpicked.records import Better, Cost, Example, Pool
from handpicked.scorers.forecast import Forecast
from handpicked.scorers.lm.causal import config_of, context_of, number_type, size_of
from handpicked.scorers.lm.forecast import forecast
from handpicked.scorers.lm.gradients import AdamStep, Projection, adapter_weights, gradient
from handpicked.scorers.lm.model_rows import (
    Compute,
    ModelRow,
    batches,
    compute_rows,
    rows_table,
    truncation_facts,
)
from handpicked.scorers.lm.target import TargetSet, encode_example, encode_target
from handpicked.scorers.part_scorer import PartScorer
from handpicked.scorers.pool_scorer import FACTS, write_tables
from handpicked.store import write_json
from handpicked.store.versions import LANGUAGE_MODEL
from handpicked.workers import PartFiles

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel


OPERATIONS = 8
"""A weight and a token: two forward, two backward through weights that are not trained, the head, and time in
steps that are not products.
"""


@dataclass(frozen=True)
class Less(PartScorer):
    """The mean cosine, weighted by learning rate, between a row's Adam step and the target's gradient;
    the largest over subsets.

    ``checkpoint`` is a folder of states that training kept (``train.keep_optimizer``): one ``step-N``, or the
    ``states`` folder or the arm's with several of them. Model, template and maximum length are that
    training's. The target needs responses; its subsets are the ``category`` of its rows. Rows are cut as in
    training, and ``less_truncated`` counts the tokens.

    Cost: a forward and a backward pass a row and a state, one row at a time; memory of 13
    bytes a weight of the adapter.
    """

    target: TargetSet = field(
        metadata=read_by(TargetSet.read, str, "needs a target set; give a file of examples (--target FILE).")
    )
    """File of target examples, or of prompts."""
    checkpoint: str = field(
        metadata={"missing": "needs the folder of an arm that was trained with train.keep_optimizer: true."}
    )
    """The folder of an arm that was trained with ``train.keep_optimizer``, or of one of its states."""
    dimension: Annotated[int, Field(gt=0)] = field(default=8192, metadata=called("projection"))
    """How many numbers a gradient is projected to."""
    seed: int = 0
    """Seed of the projection."""
    name: ClassVar[str] = "less"
    about: ClassVar[str] = "whether a training step on the row would lower the loss on a target set"
    source: ClassVar[str] = "Xia et al. 2024, arXiv 2402.04333"
    needs: ClassVar[str] = "train, a target set, a training with keep_optimizer"
    values: ClassVar[tuple[str, str]] = ("less", "less_truncated")
    unit: ClassVar[str] = "cosine"
    better: ClassVar[Better] = "high"
    cost: ClassVar[Cost] = "model backward"
    version: ClassVar[int] = 2  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = (*LANGUAGE_MODEL, "peft")
    part_rows: ClassVar[int] = 512

    def identity(self) -> str:
        """The base model, every file of every state, and the target's content.

        Raises ConfigError too where a target has no response.
        """
        self.check_target()
        states = find_states(self.checkpoint)
        files = hashlib.sha256()
        for state in states:
            for file in sorted(state.folder.glob("*.safetensors")):
                files.update(f"{file.name} {sha256_of_file(file)}\n".encode())
        return (
            f"{states[0].made_of}, {number_type(states[0].model)}, states sha256:{files.hexdigest()}, "
            f"target sha256:{self.target.sha256}"
        )

    def estimate(self, pool: Pool, rows: Sequence[int] | None) -> Forecast:
        """Tokens and time, of all states and those of the target included."""
        self.check_target()
        states = find_states(self.checkpoint)
        encode = Encoder(states[0])
        summary = forecast(
            pool,
            rows,
            lambda one: len(states) * len(encode(one)[0].ids),
            size_of(states[0].model),
            states[0].model,
            operations=OPERATIONS,
            more_tokens=len(states) * sum(len(row.ids) for row in encode.targets(self.target)),
        )
        return replace(summary, sentence=f"forward and backward at {len(states)} states: {summary.sentence}")

    def opened(self) -> LessWork:
        """See ``PartScorer``."""
        states = find_states(self.checkpoint)
        return LessWork(self, states, Encoder(states[0]))

    def facts(self, noted: Sequence[Mapping[str, object]]) -> dict[str, object]:
        """See ``PartScorer``."""
        return truncation_facts(noted)

    def sections(self, rows: int) -> tuple[int, ...]:
        """All rows once a state, so that a worker seldom changes its model."""
        self.check_target()
        return (rows,) * len(find_states(self.checkpoint))

    def finish(self, files: PartFiles, work: Path) -> None:
        """The influence of every row; null for an empty response, or one for which its prompt leaves no room."""
        write_json(work / FACTS, self.facts(files.facts()))
        states = find_states(self.checkpoint)
        rates = [state.learning_rate / sum(one.learning_rate for one in states) for state in states]
        of_states = zip(*(files.tables(section) for section in range(len(states))), strict=True)
        write_tables(work, (self._over_states(tables, rates) for tables in of_states))

    def _over_states(self, tables: Sequence[pa.Table], rates: Sequence[float]) -> pa.Table:
        """Of every row of a part the similarity to each subset, weighted over the states; the largest."""
        valued = tables[0][SIMILARITIES].is_valid().to_numpy()
        similar: Any = 0.0
        for table, rate in zip(tables, rates, strict=True):
            flat = table[SIMILARITIES].combine_chunks().drop_null().flatten().to_numpy(zero_copy_only=False)
            similar = similar + rate * flat.reshape(int(valued.sum()), -1)
        values = np.full(len(tables[0]), np.nan)
        if valued.any():
            values[valued] = similar.max(axis=1)
        finite = np.isfinite(values)
        reasons = [
            None if good else reason or f"the model gave no number for {self.name}"
            for good, reason in zip(finite, tables[0]["reason"].to_pylist(), strict=True)
        ]
        return pa.table(
            {
                "row": tables[0]["row"],
                self.values[0]: pa.array(np.where(finite, values, 0.0), mask=~finite),
                self.values[1]: tables[0][self.values[1]],
                "reason": pa.array(reasons, pa.string()),
            }
        )

    def check_target(self) -> None:
        """Raise ConfigError where a target has no response."""
        bare = [prompt for prompt in self.target if not (prompt.reference or "").strip()]
        if bare:
            raise ConfigError(
                f"target: {len(bare)} of the {len(self.target)} examples of "
                f"{self.target.path} have no response (the first: "
                f"{bare[0].text[:60]!r}), and less needs the loss on it. Give responses, or "
                "select by rds, which can do without."
            )


SIMILARITIES = "similarities"
"""The column of a part: of each row the cosine to the gradient of every subset, at one state."""


_Read = tuple[int, list[tuple[ModelRow, Encoded | None]]]


@dataclass
class LessWork:
    """Cosines of the rows of parts at one state after the other, in one worker."""

    scorer: Less
    states: Sequence[AdamState]
    encode: Encoder
    _at: tuple[int, tuple[PreTrainedModel, Compute]] | None = None
    _encoded: dict[int, Encoded] = field(default_factory=dict)

    def read(self, section: int, examples: Sequence[Example]) -> _Read:
        """See ``RowsWork``."""
        return section, [self.encode(example) for example in examples]

    def read_beside(self, section: int, first: int, end: int) -> _Read:
        """See ``RowsWork``."""
        raise NotImplementedError("all sections are of rows")

    def compute(self, ready: _Read, step: Callable[[float], None]) -> pa.Table:
        """See ``RowsWork``."""
        section, read = ready
        items: list[ModelRow] = [row for row, _ in read]
        self._encoded = {row.row: whole for row, whole in read if whole is not None}
        plan = batches(items, 1)
        found = compute_rows(plan, *self._at_state(section), step) if plan else {}
        table = rows_table(("none", self.scorer.values[1]), items, {}).drop_columns(["none", "reason"])
        cosines = pa.array([found.get(row.row) for row in items], pa.list_(pa.float64()))
        reasons = pa.array([row.reason for row in items], pa.string())
        return table.append_column(SIMILARITIES, cosines).append_column("reason", reasons)

    def _at_state(self, section: int) -> tuple[PreTrainedModel, Compute]:
        """The model with the adapter of a state, one at a time, and what computes with it."""
        if self._at is None or self._at[0] != section:
            self._at = None  # its memory goes before the next is loaded
            self._at = section, self._load(self.states[section])
        return self._at[1]

    def _load(self, state: AdamState) -> tuple[PreTrainedModel, Compute]:
        """What gives the cosine of a row's projected Adam step to the gradient of each subset."""
        import torch

        model = load_with_adapter(state)
        names = [name for name, _ in adapter_weights(model)]
        count = sum(weight.numel() for _, weight in adapter_weights(model))
        project = Projection(count, self.scorer.dimension, self.scorer.seed, model.device)
        adam = AdamStep(state, names, model.device)
        wanted = self._target_gradients(model, project).to(model.device)

        def compute(batch: Sequence[ModelRow]) -> list[list[float]]:
            steps = (project(adam(gradient(model, self._encoded[row.row]))) for row in batch)
            return [(wanted @ torch.nn.functional.normalize(step, dim=0)).tolist() for step in steps]

        return model.get_base_model(), compute

    def _target_gradients(self, model: PeftModel, project: Projection) -> torch.Tensor:
        """The projected mean gradient of each subset, of length 1: float32 [subsets, dimension]. Every worker
        makes its own.
        """
        import torch

        target = self.scorer.target
        names = sorted(set(target.subsets))
        sums = torch.zeros(len(names), self.scorer.dimension, dtype=torch.float32)
        for subset, row in zip(target.subsets, self.encode.targets(target), strict=True):
            sums[names.index(subset)] += project(gradient(model, row)).cpu()
        return torch.nn.functional.normalize(sums, dim=1)


class Encoder:
    """Rows and targets as the training of a state reads them."""

    def __init__(self, state: AdamState) -> None:
        self.template: Template = model_template(state.template, state.model)
        self.limit = context_of(config_of(state.model), state.max_length)

    def __call__(self, example: Example) -> tuple[ModelRow, Encoded | None]:
        """The row, and with a value its tokens and labels."""
        if not example.response.strip():
            return ModelRow(example.row, reason="the response is empty"), None
        try:
            whole = encode_example(self.template, example, True)
        except TrainingError as error:
            return ModelRow(example.row, reason=str(error)), None
        row = cut(whole, self.limit, self.template.end_id)
        if row is None:
            why = f"its prompt leaves no room for a response within {self.limit} tokens"
            return ModelRow(example.row, reason=why), None
        return ModelRow(example.row, row.ids, len(whole.ids) - len(row.ids)), row

    def targets(self, target: TargetSet) -> list[Encoded]:
        """The targets in their order. Raises ConfigError for one whose prompt leaves
        no room for its response.
        """
        found = []
        for prompt in target:
            row = cut(encode_target(self.template, prompt, True), self.limit, self.template.end_id)
            if row is None:
                raise ConfigError(
                    f"target: the prompt {prompt.text[:60]!r} leaves no room for a response within "
                    f"{self.limit} tokens. Remove it."
                )
            found.append(row)
        return found


def load_with_adapter(state: AdamState) -> PeftModel:
    """The model with the state's adapter beside its weights, only the adapter trainable, no dropout."""
    try:
        from peft import PeftModel
    except ImportError:
        raise MissingPart("less needs peft: pip install 'handpicked[train]'") from None
    model = load_model(state.model)
    with quiet():
        return PeftModel.from_pretrained(model, str(state.folder), is_trainable=True).eval()
