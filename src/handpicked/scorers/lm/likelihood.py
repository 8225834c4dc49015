"""Losses of a pool's responses by a causal language model: used by perplexity, IFD and similar scorers.

For each row one pass gives the loss of every response token given the prompt; a second pass, where requested,
gives it for the response alone. Passes are sorted by length within windows of a part and batched by tokens,
so that padding is a few percent; the output head sees response tokens only.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field

from handpicked.config import BUNDLED_LM, ModelSettings
from handpicked.errors import ConfigError, MissingPart
from handpicked.models.load import device, dtype_of, load_model, load_tokenizer, pinned, resolve
from handpicked.models.served import Served
from handpicked.models.template import Template, model_template
from handpicked.records import Example, Pool
from handpicked.scorers.forecast import Forecast
from handpicked.scorers.lm.causal import made_of, template_of
from handpicked.scorers.lm.forecast import characters, in_words, product_rate, stored_weights
from handpicked.scorers.lm.losses import Losses
from handpicked.scorers.lm.noise import Noise
from handpicked.scorers.lm.passes import Passes, compiled
from handpicked.scorers.lm.served_passes import ServedPasses
from handpicked.scorers.lm.tokenized import Tokenized, tokenize
from handpicked.scorers.part_scorer import summed
from handpicked.workers import with_facts

TableOf = Callable[[Losses], "tuple[pa.Table, Mapping[str, Any]]"]
"""Makes the table of a part, with what is to be noted beside it."""
LM_PART = 512
"""Rows of a part: ten minutes of the bundled model on two cores, which is what a kill
may cost; seconds of a GPU.
"""


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model as a scorer: which, and how it reads a row. A group of settings
    that several scorers have.
    """

    model: str = BUNDLED_LM
    """``bundled:NAME``, a folder or a hub name."""
    revision: str | None = None
    """Commit or tag of a hub model."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model. Only for models whose code you have read."""
    template: str = "auto"
    """Chat template of the prompt: ``auto`` is the tokenizer's own, else alpaca, vicuna, chatml or plain."""
    max_length: Annotated[int, Field(gt=1)] | None = None
    """Tokens of prompt and response that the model sees; longer responses are cut at their end, and
    counted. None: its context.
    """
    compile: bool = False
    """Compile the model (torch.compile): half a minute or more at the start, faster from then on. On a
    CPU it needs a C++ compiler.
    """

    def identity(self) -> str:
        """Hashes of the model's files, its number type (it moves values by 1e-3) and the template.

        Raises:
            ConfigError: no such model folder, no causal model, or no such template. MissingPart: not
                installed, not cached, or no compiler for ``compile``.
        """
        if self.compile:
            _check_compiler()
        place = resolve(self.settings)
        _check_weights(place, self.model)
        return f"{made_of(self.settings)}, {template_of(self.settings, self.template)}"

    def estimate(self, pool: Pool, rows: Sequence[int] | None, passes: int, times: int = 1) -> Forecast:
        """Tokens and time of ``passes`` passes over the rows, all that ``times`` times over.

        Tokens are guessed from characters, speed is tried out here.
        """
        count, tokens = _guessed(pool, rows, passes)
        tokens *= times
        weights = stored_weights(resolve(self.settings))
        if not weights or not count:
            return Forecast(f"{count:,} rows through {self.model}", None if count else 0.0)
        seconds = 2 * weights * tokens / (0.7 * product_rate(dtype_of(self.settings)))
        compiling = "; compiling first takes half a minute or more" if self.compile else ""
        sentence = (
            f"{count:,} rows, some {tokens / 1e6:,.1f}M tokens, through {self.model} of "
            f"{weights / 1e6:,.0f}M weights: about "
            f"{in_words(seconds)} on this {device()}{compiling}. Ctrl-C keeps what is "
            "done; the same command continues."
        )
        return Forecast(sentence, seconds)

    def served_estimate(self, pool: Pool, rows: Sequence[int] | None, passes: int, where: str) -> Forecast:
        """Tokens of ``passes`` passes by the server ``where``, whose speed is not known."""
        count, tokens = _guessed(pool, rows, passes)
        return Forecast(
            f"{count:,} rows, some {tokens / 1e6:,.1f}M tokens, through {self.model} by {where}. Ctrl-C keeps "
            "what is done; the same command continues."
        )

    def work(self, table: TableOf, passes: LossPasses, reach: Callable[[], Served] | None = None) -> LossWork:
        """The work of one worker: the losses of the rows of a part, of which ``table`` makes its table. The
        server that ``reach`` gives computes them, where there is one.
        """
        return LossWork(self, table, passes, reach)

    @property
    def settings(self) -> ModelSettings:
        """The model as settings."""
        return ModelSettings(
            name=self.model, revision=self.revision, trust_remote_code=self.trust_remote_code
        )


BUNDLED = LanguageModel()
"""The bundled model, which scores where no other is named."""


def beginning(template: Template) -> int:
    """The token before a response that stands alone: beginning-of-text, or end-of-text
    where the tokenizer has none.

    With it the first token of the response is scored in both passes: both are means over the same tokens.
    """
    bos = template.tokenizer.bos_token_id
    return int(bos if bos is not None else template.tokenizer.eos_token_id)


@dataclass(frozen=True)
class LossPasses:
    """Which passes: ``alone``, also over the response without its prompt. ``each`` keeps the losses of
    single tokens; ``neighbours`` are as many more passes over the row with ``noise`` on its token embeddings.
    """

    alone: bool
    each: bool = False
    neighbours: int = 0
    noise: Noise | None = None


class LossWork:
    """Losses of the rows of parts, in one worker."""

    def __init__(
        self,
        lm: LanguageModel,
        table: TableOf,
        passes: LossPasses,
        reach: Callable[[], Served] | None = None,
    ) -> None:
        self.lm, self.table, self.wanted, self.reach = lm, table, passes, reach
        tokenizer = load_tokenizer(lm.settings)
        self.template = model_template(lm.template, lm.settings)
        answer = 0 if reach is None else 1  # a token of its context that vLLM keeps for one
        self.limit = min(lm.max_length or 1 << 30, _context(lm.settings, tokenizer) - answer)

    def read(self, section: int, examples: Sequence[Example]) -> Tokenized:
        """See ``RowsWork``."""
        del section
        return tokenize(examples, self.template, self.limit)

    def read_beside(self, section: int, first: int, end: int) -> Any:
        """See ``RowsWork``."""
        raise NotImplementedError("all sections are of rows")

    def compute(self, ready: Tokenized, step: Callable[[float], None]) -> pa.Table:
        """See ``RowsWork``."""
        losses = self.passes.make(ready, step)
        table, noted = self.table(losses)
        return with_facts(table, {**losses.facts, **noted})

    @cached_property
    def passes(self) -> Passes | ServedPasses:
        """Needs the model, which is loaded or reached on first use."""
        wanted = self.wanted
        if self.reach is not None:
            return ServedPasses(self.reach, wanted.alone, beginning(self.template))
        model = load_model(self.lm.settings)
        if self.lm.compile:
            model = compiled(model)
        start = beginning(self.template)
        return Passes(
            model, wanted.alone, wanted.each, start, wanted.neighbours, wanted.noise, self.lm.compile
        )


ADDED = ("tokens", "padded", "cut rows", "cut tokens")


def loss_facts(noted: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Tokens, padding, the shortest prefix that was computed once for a part, what was cut, and the releases of
    a vLLM that computed them.
    """
    total = summed({name: one[name] for name in ADDED} for one in noted)
    shared = [one["shared_prefix"] for one in noted if one["shared_prefix"] is not None]
    padded = total["padded"]
    releases = sorted({one["vllm"] for one in noted if one.get("vllm")})
    return {
        "tokens": total["tokens"],
        "shared_prefix": min(shared, default=0),
        "padding": round((padded - total["tokens"]) / padded, 4) if padded else 0.0,
        "truncated": {"rows": total["cut rows"], "tokens": total["cut tokens"]},
        **({"vllm": ", ".join(releases)} if releases else {}),
    }


def _guessed(pool: Pool, rows: Sequence[int] | None, passes: int) -> tuple[int, float]:
    """Rows, and the tokens of ``passes`` passes over their responses and one over their prompts."""
    letters, count = characters(pool, rows)
    return count, (letters[0] + passes * letters[1]) / 4.2 + 30 * count


def _context(settings: ModelSettings, tokenizer: Any) -> int:
    """Tokens that the model can take at once, as its configuration says."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(
        resolve(settings), revision=pinned(settings), trust_remote_code=settings.trust_remote_code
    )
    found = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    return int(found or min(tokenizer.model_max_length, 1 << 30))


def _check_compiler() -> None:
    """torch.compile writes C++ for a CPU, and would only say so after the model is loaded."""
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if device() == "cpu" and shutil.which(compiler) is None:
        raise MissingPart(
            f"score.compile: compiling for a CPU needs a C++ compiler, and there is no '{compiler}' "
            "here. Install it, name another "
            "in the environment variable CXX, or leave compile out: the scores are the same."
        )


def _check_weights(place: Path | str, name: str) -> None:
    if isinstance(place, Path) and not any(place.glob("*.safetensors")):
        raise ConfigError(f"'{name}' holds no weights (*.safetensors); handpicked reads safetensors only.")
