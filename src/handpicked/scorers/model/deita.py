"""Complexity and quality as a language model rates them from 1 to 6, and their product.

Source: Liu et al., 2024, What Makes Good Data for Alignment?, arXiv 2312.15685 (DEITA). The score is the
expectation over the six ratings, each with its probability as the next token after the prompt, among the six:
``sum of k p(k) / sum of p(k)``, k from 1 to 6. The published code has the token ids of LLaMA and Mistral
written into it and gives 3.0 where something fails; here they come from the model's own tokenizer, each must
be a single token, and what fails is null.

The published scorers (hkust-nlp/deita-complexity-scorer and deita-quality-scorer) were trained on a prompt of
their own: give it as ``prompt``, a text file with ``{prompt}`` and ``{response}`` (docs/targets.md). The
prompts here are ours, for models that follow instructions.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from handpicked.config import EXECUTION, ModelSettings
from handpicked.errors import ConfigError
from handpicked.method import HIDDEN
from handpicked.models.load import load_model, load_tokenizer
from handpicked.progress import Progress
from handpicked.records import Better, Cost, Example, Pool
from handpicked.scorers.forecast import Forecast
from handpicked.scorers.lm.causal import TRAINED_FOR_IT, config_of, context_of, made_of, size_of
from handpicked.scorers.lm.forecast import forecast
from handpicked.scorers.lm.forward import logits_at
from handpicked.scorers.lm.model_rows import Compute, ModelRow, ModelRowsWork, packed, truncation_facts
from handpicked.scorers.part_scorer import PartScorer
from handpicked.scorers.pool_scorer import FACTS, SCORES, PoolScorer, read_scores, write_scores
from handpicked.store import read_json, write_json
from handpicked.store.versions import LANGUAGE_MODEL
from handpicked.workers import Workers

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


RATINGS = ("1", "2", "3", "4", "5", "6")
Rated = Literal["deita-complexity", "deita-quality"]


@dataclass(frozen=True)
class DeitaRating(PartScorer):
    """The expected rating of a prompt's complexity or a response's quality, 1 to 6, by
    any causal language model.

    ``prompt`` is a text file to use in place of ours, in which ``{prompt}`` is replaced by the prompt of a
    row and, for quality, ``{response}`` by its response; the rating is the very next token. A text of more
    than ``max_length`` tokens (None: the model's context) loses the end of what is rated, and the column that
    ends in ``_truncated`` counts it.

    Cost: one forward pass a row, without the output head but for its last place.
    """

    name: Rated  # type: ignore[misc]  # one of the variants
    model: ModelSettings = field(metadata=TRAINED_FOR_IT)
    prompt: str | None = None
    """A file with your own prompt."""
    max_length: Annotated[int, Field(gt=1)] | None = None
    """The most tokens that the model sees; the rest is cut, and counted. None: its context."""
    batch_tokens: int | None = field(default=None, metadata={**EXECUTION, **HIDDEN})
    variants: ClassVar[Mapping[str, str]] = {
        "deita-complexity": "how complex a scorer model rates the prompt, 1 to 6",
        "deita-quality": "how good a scorer model rates the response, 1 to 6",
    }
    source: ClassVar[str] = "DEITA, Liu et al. 2024, arXiv 2312.15685"
    needs: ClassVar[str] = "lm, a scorer model"
    unit: ClassVar[str] = "points, 1 to 6"
    better: ClassVar[Better] = "high"
    cost: ClassVar[Cost] = "model forward"
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = LANGUAGE_MODEL

    @classmethod
    def made_columns(cls, name: str) -> tuple[str, ...]:
        """The rating and the tokens cut off."""
        return (name, f"{name}_truncated")

    @property
    def values(self) -> tuple[str, ...]:  # type: ignore[override]  # they are named after the rating
        """The rating and the tokens cut off."""
        return self.made_columns(self.name)

    def identity(self) -> str:
        """The model's files or commit and the prompt."""
        text = self._text()
        return f"{made_of(self.model)}, prompt sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    def estimate(self, pool: Pool, rows: Sequence[int] | None) -> Forecast:
        """Tokens and time."""
        encode = self._encoder()
        return forecast(pool, rows, lambda one: len(encode(one).ids), size_of(self.model), self.model)

    def opened(self) -> ModelRowsWork:
        """See ``PartScorer``. Null for an empty prompt (complexity) or response (quality)."""
        encode = self._encoder()
        return ModelRowsWork(self.values, encode, partial(self._load, encode.ratings), self.batch_tokens)

    def facts(self, noted: Sequence[Mapping[str, object]]) -> dict[str, object]:
        """See ``PartScorer``."""
        return truncation_facts(noted)

    def _load(self, ratings: Sequence[int]) -> tuple[PreTrainedModel, Compute]:
        import torch

        model = load_model(self.model)
        points = torch.arange(1, len(RATINGS) + 1, dtype=torch.float64)

        def compute(batch: Sequence[ModelRow]) -> list[list[float]]:
            width = max(len(row.ids) for row in batch)
            # Padding on the right, where a causal model cannot look.
            ids = torch.tensor(
                [[*row.ids, *[0] * (width - len(row.ids))] for row in batch], device=model.device
            )
            last = torch.zeros_like(ids, dtype=torch.bool)
            last[range(len(batch)), [len(row.ids) - 1 for row in batch]] = True
            with torch.inference_mode():
                logits = logits_at(model, ids, last)
            shares = logits[:, list(ratings)].double().softmax(-1).cpu()
            return [[float(value)] for value in shares @ points]

        return model, compute

    def _text(self) -> str:
        """The prompt with its fields, checked."""
        field = "{prompt}" if self.name == "deita-complexity" else "{response}"
        if self.prompt is None:
            return (files("handpicked.scorers.model") / "prompts" / f"{self.name}.txt").read_text(
                encoding="utf-8"
            )
        try:
            text = Path(self.prompt).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"prompt: {self.prompt} cannot be read: {error}") from error
        if field not in text:
            raise ConfigError(
                f"prompt: {self.prompt} has no {field}, so every row would get the same rating. "
                "Put it where the text belongs."
            )
        return text

    def _encoder(self) -> Encoder:
        limit = context_of(config_of(self.model), self.max_length)
        return Encoder(self.name, self._text(), load_tokenizer(self.model), self.model.name, limit)


class Encoder:
    """Rows as token ids of the prompt, ``limit`` at most, and the ids of the ratings that may follow it."""

    def __init__(
        self, name: str, text: str, tokenizer: PreTrainedTokenizerBase, model: str, limit: int
    ) -> None:
        self.field = "response" if name == "deita-quality" else "prompt"
        self.text, self.tokenizer, self.limit = text, tokenizer, limit
        self.tail = text[text.rindex(f"{{{self.field}}}") + len(self.field) + 2 :]
        self.ratings = rating_ids(tokenizer, self._fill(text, "x", "x"), model)

    def __call__(self, example: Example) -> ModelRow:
        rated = example.response if self.field == "response" else example.prompt
        if not rated.strip():
            return ModelRow(example.row, reason=f"the {self.field} is empty")
        ids = self._ids(self._fill(self.text, example.prompt, example.response))
        over = max(0, len(ids) - self.limit)
        if over:
            if over >= len(self._plain(rated)):
                return ModelRow(
                    example.row,
                    reason=f"{len(ids)} tokens leave no room for the {self.field} within {self.limit}",
                )
            tail = len(self._plain(self._fill(self.tail, example.prompt, example.response)))
            ids = ids[: self.limit - tail] + ids[len(ids) - tail :]
        return ModelRow(example.row, packed(ids), over)

    def _fill(self, text: str, prompt: str, response: str) -> str:
        """``text`` of the prompt for one row. Braces in a row's own text stay as they are."""
        parts = text.split("{prompt}")
        return prompt.join(part.replace("{response}", response) for part in parts)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text)["input_ids"]
        return ids

    def _plain(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids


def rating_ids(tokenizer: PreTrainedTokenizerBase, prompt: str, model: str) -> list[int]:
    """The token id of each rating as it follows ``prompt``.

    Raises ConfigError where a rating is not exactly one more token.
    """
    before = tokenizer(prompt)["input_ids"]
    if before and before[-1] == tokenizer.eos_token_id:
        raise ConfigError(
            f"The tokenizer of '{model}' ends every text with end-of-text, so no rating can follow a prompt."
        )
    found = []
    for rating in RATINGS:
        after = tokenizer(prompt + rating)["input_ids"]
        if after[:-1] != before:
            raise ConfigError(
                f"The tokenizer of '{model}' does not write the rating {rating} "
                "after this prompt as one token "
                f"({len(before)} tokens become {len(after)}, or the prompt's own change). Use a "
                "prompt that ends otherwise, with or "
                "without a space."
            )
        found.append(int(after[-1]))
    return found


@dataclass(frozen=True)
class DeitaScore(PoolScorer):
    """Complexity times quality, 1 to 36: the evol score by which DEITA sorts rows
    before its diversity filter.

    A conversation of several turns is rated as a whole, by the pool's rule for prompt and response; the
    published code adds up the products of its turns. Cost: two forward passes a row, by two models.
    """

    model: ModelSettings = field(metadata=TRAINED_FOR_IT)
    prompt: str | None = None
    """A file with your own prompt for complexity."""
    max_length: Annotated[int, Field(gt=1)] | None = None
    """The most tokens that the model sees; the rest is cut, and counted. None: its context."""
    quality_model: str | None = None
    """The model that rates quality. None: ``model``, which rates complexity."""
    quality_prompt: str | None = None
    """A file with your own prompt for quality."""
    batch_tokens: int | None = field(default=None, metadata={**EXECUTION, **HIDDEN})
    name: ClassVar[str] = "deita-score"
    about: ClassVar[str] = "complexity times quality"
    source: ClassVar[str] = "Liu et al. 2024, arXiv 2312.15685"
    needs: ClassVar[str] = "lm, two scorer models"
    values: ClassVar[tuple[str, ...]] = (
        "deita-score",
        *("deita-score_complexity", "deita-score_complexity_truncated"),
        *("deita-score_quality", "deita-score_quality_truncated"),
    )
    unit: ClassVar[str] = "points squared, 1 to 36"
    better: ClassVar[Better] = "high"
    cost: ClassVar[Cost] = "model forward"
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = LANGUAGE_MODEL

    @property
    def complexity(self) -> DeitaRating:
        """The rating of prompts."""
        return DeitaRating("deita-complexity", self.model, self.prompt, self.max_length, self.batch_tokens)

    @property
    def quality(self) -> DeitaRating:
        """The rating of responses."""
        model = self.model
        if self.quality_model is not None:
            model = model.model_copy(update={"name": self.quality_model})
        return DeitaRating("deita-quality", model, self.quality_prompt, self.max_length, self.batch_tokens)

    def identity(self) -> str:
        """Those of both."""
        return f"{self.complexity.identity()} {self.quality.identity()}"

    def estimate(self, pool: Pool, rows: Sequence[int] | None) -> Forecast:
        """Both, one after the other."""
        first, second = self.complexity.estimate(pool, rows), self.quality.estimate(pool, rows)
        sentence = f"complexity: {first.sentence}; quality: {second.sentence}"
        if first.seconds is None or second.seconds is None:
            return Forecast(sentence)
        return Forecast(sentence, first.seconds + second.seconds)

    def score(self, pool: Pool, rows: Sequence[int] | None, work: Path, progress: Progress) -> None:
        """See ``score_on``: on all devices of this machine."""
        self.score_on(Workers(), pool, rows, work, progress)

    def score_on(
        self, workers: Workers, pool: Pool, rows: Sequence[int] | None, work: Path, progress: Progress
    ) -> None:
        """Both ratings in folders of their own, then their product; null where either is."""
        if (work / SCORES).is_file():
            return
        tables = []
        for rating in (self.complexity, self.quality):
            folder = work / rating.name
            folder.mkdir(parents=True, exist_ok=True)
            rating.score_on(workers, pool, rows, folder, progress)
            tables.append(read_scores(folder))
        complexity, quality = tables
        columns = {
            name.replace("deita-", "deita-score_"): table[name]
            for table in tables
            for name in table.column_names
        }
        columns[self.name] = pc.multiply(columns["deita-score_complexity"], columns["deita-score_quality"])
        columns["reason"] = pc.coalesce(complexity["reason"], quality["reason"])
        facts = {
            rating.name: read_json(work / rating.name / FACTS) for rating in (self.complexity, self.quality)
        }
        write_json(work / FACTS, facts)
        write_scores(work, pa.table({name: columns[name] for name in ("row", *self.values, "reason")}))
        for rating in (self.complexity, self.quality):
            shutil.rmtree(work / rating.name)
