"""Losses of a pool's responses by a causal language model: used by perplexity, IFD and similar scorers.

For each row one pass gives the loss of every response token given the prompt; a second pass, where asked for,
gives it for the response alone. Passes are sorted by length within windows of the pool and batched by tokens,
so that padding is a few percent; the output head sees response tokens only; what is done is in a journal, so
that a killed job resumes.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from handpicked.config import BUNDLED_LM, ModelSettings
from handpicked.errors import ConfigError, MissingPart
from handpicked.models.load import device, dtype_of, load_tokenizer, pinned, resolve
from handpicked.models.template import Template, load_template
from handpicked.progress import Progress
from handpicked.records import Pool
from handpicked.scorers.lm.causal import made_of, template_of
from handpicked.scorers.lm.forecast import characters, in_words, product_rate, stored_weights
from handpicked.scorers.lm.losses import Losses
from handpicked.scorers.lm.noise import Noise
from handpicked.scorers.lm.passes import Passes
from handpicked.scorers.lm.tokenized import FOLDER, tokenize

JOURNAL = "losses.jsonl"


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
        place = resolve(self._settings)
        _check_weights(place, self.model)
        return f"{made_of(self._settings)}, {template_of(self._settings, self.template)}"

    def estimate(self, pool: Pool, rows: Sequence[int] | None, passes: int, times: int = 1) -> str:
        """Tokens and time of ``passes`` passes over the rows, all that ``times`` times over.

        Tokens are guessed from characters, speed is tried out here.
        """
        asked, count = characters(pool, rows)
        weights = stored_weights(resolve(self._settings))
        if not weights or not count:
            return f"{count:,} rows through {self.model}"
        tokens = times * ((asked[0] + passes * asked[1]) / 4.2 + 30 * count)
        seconds = 2 * weights * tokens / (0.7 * product_rate(dtype_of(self._settings)))
        compiling = "; compiling first takes half a minute or more" if self.compile else ""
        return (
            f"{count:,} rows, some {tokens / 1e6:,.1f}M tokens, through {self.model} of "
            f"{weights / 1e6:,.0f}M weights: about "
            f"{in_words(seconds)} on this {device()}{compiling}. Ctrl-C keeps what is "
            "done; the same command goes on."
        )

    def losses(
        self,
        pool: Pool,
        rows: Sequence[int] | None,
        work: Path,
        progress: Progress,
        *,
        name: str,
        alone: bool,
        each: bool = False,
        neighbours: int = 0,
        noise: Noise | None = None,
    ) -> Losses:
        """The losses of the rows (None: all that are readable), with (``alone``) or without the
        pass over the response alone.

        ``each`` keeps those of single tokens; ``neighbours`` are as many more passes over the row with
        ``noise`` on its token embeddings. Done work in ``work`` is not done again.
        """
        tokenizer = load_tokenizer(self._settings)
        template = load_template(self.template, tokenizer)
        limit = min(self.max_length or 1 << 30, _context(self._settings, tokenizer))
        tokenized = tokenize(pool, rows, template, limit, work, progress)
        passes = Passes(
            self._settings, tokenized, alone, each, beginning(template), neighbours, noise, self.compile
        )
        return passes.make(work / JOURNAL, progress, name)

    @property
    def _settings(self) -> ModelSettings:
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


def leave_nothing_else(work: Path) -> None:
    """Remove the tokens and the journal, once the scores are written."""
    shutil.rmtree(work / FOLDER, ignore_errors=True)
    (work / JOURNAL).unlink(missing_ok=True)


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
