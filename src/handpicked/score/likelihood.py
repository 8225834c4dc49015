"""How likely a causal language model finds the responses of a pool: the engine of perplexity, IFD and their kin.

For each row one pass gives the loss of every response token given the prompt; a second pass, where asked for, gives it for
the response alone. Passes are sorted by length within windows of the pool and batched by tokens, so that padding is a few
percent; the output head sees response tokens only; what is done is in a journal, so that a killed job resumes.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import math
import shutil
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handpicked.config import BUNDLED_LM, ModelSettings, ScoreSettings
from handpicked.errors import ConfigError
from handpicked.models.head import IGNORED
from handpicked.models.journal import append, recover
from handpicked.models.load import device, dtype_of, identity, load_model, load_tokenizer, resolve
from handpicked.models.template import SHIPPED, Template, load_template
from handpicked.progress import Progress
from handpicked.records import Pool
from handpicked.score.forecast import in_words, product_rate
from handpicked.score.forward import Prefix, shared_prefix, token_losses
from handpicked.score.tokenized import FOLDER, REASONS, Tokenized, tokenize

if TYPE_CHECKING:
    import numpy as np
    import torch

log = logging.getLogger(__name__)

WINDOW = 256
"""Rows among which passes are sorted by length: enough for 2% of padding, few enough that what is done is no odd part."""
BATCH_TOKENS = {"cpu": 1024, "mps": 4096, "cuda": 16384}
"""Tokens in a forward pass, padding included."""
EVEN = 0.9
"""A batch of some size ends where the next pass is shorter than this share of its longest."""
SHARED = 8
"""Tokens of a prefix common to all rows from which on its states are kept."""
JOURNAL = "losses.jsonl"


@dataclass(frozen=True)
class Pass:
    """One forward pass over one row, done: the mean loss of its response tokens in nats, ``None`` when it is not finite.

    ``alone``: without its prompt. ``neighbour``: 0 for the row itself, else the number of a noisy copy. ``losses`` are those
    of the single tokens (float32, base64), kept where asked for.
    """

    row: int
    alone: bool
    mean: float | None
    losses: str | None = None
    neighbour: int = 0


@dataclass(frozen=True)
class Row:
    """A row's losses. ``given`` its prompt and ``alone``: means in nats a token over ``tokens`` response tokens.

    ``reason`` says why there is none. ``cut`` counts the response tokens beyond ``max_length``. ``each_given`` and
    ``each_alone`` are the tokens' own losses, where they were asked for.
    """

    row: int
    tokens: int
    cut: int
    reason: str | None = None
    given: float | None = None
    alone: float | None = None
    each_given: np.ndarray[Any, Any] | None = None
    each_alone: np.ndarray[Any, Any] | None = None


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model as a scorer: which, and how it reads a row. The fields are ``ScoreSettings``'."""

    model: str = BUNDLED_LM
    revision: str | None = None
    trust_remote_code: bool = False
    template: str = "auto"
    max_length: int | None = None
    compile: bool = False

    @staticmethod
    def of(settings: ScoreSettings, template: str | None = None) -> LanguageModel:
        """The model that the settings name; the bundled one by default."""
        return LanguageModel(
            settings.model or BUNDLED_LM,
            settings.revision,
            settings.trust_remote_code,
            template or settings.template,
            settings.max_length,
            settings.compile,
        )

    def identity(self) -> str:
        """Hashes of the model's files, its number type (it moves values by 1e-3) and the template.

        Raises:
            ConfigError: no such model folder, no causal model, or no such template. MissingPart: not installed, not cached.
        """
        place = resolve(self._settings)
        _check_weights(place, self.model)
        if self.template == "auto":
            template = "its own template"
            if load_tokenizer(self._settings).chat_template is None:
                raise ConfigError(
                    f"score.template: the tokenizer of '{self.model}' has no chat template of its own; choose one of "
                    f"{', '.join(SHIPPED)}."
                )
        else:
            load_template(self.template, load_tokenizer(self._settings))
            source = (files("handpicked.models") / "templates" / f"{self.template}.jinja").read_bytes()
            template = f"template {self.template} {hashlib.sha256(source).hexdigest()[:16]}"
        number = str(dtype_of(self._settings)).removeprefix("torch.")
        return f"{identity(self._settings)}, {number}, {template}"

    def estimate(self, pool: Pool, rows: Sequence[int] | None, passes: int, times: int = 1) -> str:
        """Tokens and time of ``passes`` passes over the rows, all that ``times`` times over.

        Tokens are guessed from characters, speed is tried out here.
        """
        asked, count = _characters(pool, rows)
        weights = _weights(resolve(self._settings))
        if not weights or not count:
            return f"{count:,} rows through {self.model}"
        tokens = times * ((asked[0] + passes * asked[1]) / 4.2 + 30 * count)
        seconds = 2 * weights * tokens / (0.7 * product_rate(dtype_of(self._settings)))
        compiling = "; compiling first takes some minutes more" if self.compile else ""
        return (
            f"{count:,} rows, some {tokens / 1e6:,.1f}M tokens, through {self.model} of {weights / 1e6:,.0f}M weights: about "
            f"{in_words(seconds)} on this {device()}{compiling}. Ctrl-C keeps what is done; the same command goes on."
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
        """The losses of the rows (None: all that are readable), with (``alone``) or without the pass over the response alone.

        ``each`` keeps those of single tokens; ``neighbours`` are as many more passes over the row with ``noise`` on its token
        embeddings. Done work in ``work`` is not done again.
        """
        tokenizer = load_tokenizer(self._settings)
        template = load_template(self.template, tokenizer)
        limit = min(self.max_length or 1 << 30, _context(self._settings, tokenizer))
        tokenized = tokenize(pool, rows, template, limit, work, progress)
        run = _Run(self, tokenized, alone, each, beginning(template), neighbours, noise)
        return run.go(work / JOURNAL, progress, name)

    @property
    def _settings(self) -> ModelSettings:
        return ModelSettings(
            name=self.model, revision=self.revision, trust_remote_code=self.trust_remote_code
        )


def beginning(template: Template) -> int:
    """The token before a response that stands alone: beginning-of-text, or end-of-text where the tokenizer has none.

    With it the first token of the response is scored in both passes: both are means over the same tokens.
    """
    bos = template.tokenizer.bos_token_id
    return int(bos if bos is not None else template.tokenizer.eos_token_id)


@dataclass(frozen=True)
class Losses:
    """What the passes gave, row by row, and facts for the manifest."""

    tokenized: Tokenized
    done: dict[tuple[int, bool, int], Pass]
    alone: bool
    facts: dict[str, Any] = field(default_factory=dict)

    def rows(self, neighbour: int = 0) -> Iterator[Row]:
        """Every row, ascending, or its neighbour of that number."""
        import numpy as np

        for place, row in enumerate(self.tokenized.rows.tolist()):
            cut = int(self.tokenized.cut[place])
            if self.tokenized.reason[place]:
                yield Row(row, 0, cut, REASONS[self.tokenized.reason[place]])
                continue
            tokens = int(self.tokenized.tokens(place)[1].sum())
            kinds = (False, True) if self.alone else (False,)
            passed = [self.done[row, kind, neighbour] for kind in kinds]
            if any(one.mean is None for one in passed):
                yield Row(row, tokens, cut, "the model's loss is not a finite number")
                continue
            each = [
                None if one.losses is None else np.frombuffer(base64.b64decode(one.losses), np.float32)
                for one in passed
            ]
            means = [one.mean for one in passed]
            if not self.alone:
                means.append(None)
                each.append(None)
            yield Row(row, tokens, cut, None, means[0], means[1], each[0], each[1])


def leave_nothing_else(work: Path) -> None:
    """Remove the tokens and the journal, once the scores are written."""
    shutil.rmtree(work / FOLDER, ignore_errors=True)
    (work / JOURNAL).unlink(missing_ok=True)


@dataclass(frozen=True)
class _Todo:
    """A pass to be made: the place of its row, which pass, and its length in tokens."""

    place: int
    alone: bool
    length: int
    neighbour: int = 0


@dataclass(frozen=True)
class Noise:
    """What makes a neighbour: uniform noise in [-1, 1] times ``alpha`` / sqrt(tokens x width) on every token's embedding.

    The noise of NEFTune (Jain et al. 2023, arXiv 2310.05914). It depends on the row's tokens, the neighbour's number and
    ``seed`` alone; a response token has the same noise with and without its prompt.
    """

    alpha: float = 5.0
    seed: int = 0

    def of(self, tokens: np.ndarray[Any, Any], width: int, neighbour: int) -> np.ndarray[Any, Any]:
        """float32 [tokens, width]; all zero for the row itself."""
        import numpy as np

        shape = (len(tokens), width)
        if neighbour == 0:
            return np.zeros(shape, np.float32)
        generator = np.random.default_rng([self.seed, neighbour, zlib.crc32(tokens.tobytes())])
        noise = generator.uniform(-1, 1, shape) * (self.alpha / math.sqrt(len(tokens) * width))
        return noise.astype(np.float32)


@dataclass
class _Run:
    """The passes over all rows. The plan of batches depends on nothing but the rows, so that a resumed run repeats it."""

    lm: LanguageModel
    tokenized: Tokenized
    alone: bool
    each: bool
    beginning: int
    neighbours: int = 0
    noise: Noise | None = None
    prefix: Prefix | None = None
    planned: int = 0
    skipped: int = 0

    def go(self, journal: Path, progress: Progress, name: str) -> Losses:
        rows = self.tokenized.rows
        done = {_key(one): one for one in (Pass(**record) for record in recover(journal))}
        budget = BATCH_TOKENS[device()]
        common = self.tokenized.common_prefix()
        shared = len(common) >= SHARED and self.noise is None and not self.lm.compile
        self.planned = len(common) if shared else 0
        plan = [batch for window in self._windows(self.planned) for batch in batches(window, budget)]
        tokens, padded = sizes(plan)
        waiting = [
            batch
            for batch in plan
            if any((int(rows[t.place]), t.alone, t.neighbour) not in done for t in batch)
        ]
        with progress(f"{name} (tokens)", tokens) as step:
            step(tokens - sum(todo.length for batch in waiting for todo in batch))
            model = self._load() if waiting else None
            if self.planned and waiting and (prefix := shared_prefix(model, common.tolist())) is not None:
                self.prefix, self.skipped = prefix, len(common)
            for batch in waiting:
                found = self._forward(model, batch)
                append(journal, found)
                done |= {_key(one): one for one in found}
                step(sum(todo.length for todo in batch))
        cut = self.tokenized.cut
        facts = {
            "tokens": tokens,
            "shared_prefix": self.planned,
            "padding": round((padded - tokens) / padded, 4) if padded else 0.0,
            "truncated": {"rows": int((cut > 0).sum()), "tokens": int(cut.sum())},
        }
        return Losses(self.tokenized, done, self.alone, facts)

    def _windows(self, prefix: int) -> Iterator[list[_Todo]]:
        """The passes, window by window, without the ``prefix`` tokens that are computed once for all."""
        places = (self.tokenized.reason == 0).nonzero()[0].tolist()
        lengths = self.tokenized.start[1:] - self.tokenized.start[:-1]
        for begin in range(0, len(places), WINDOW):
            window = []
            for place in places[begin : begin + WINDOW]:
                response = int(self.tokenized.tokens(place)[1].sum()) + 1
                for neighbour in range(self.neighbours + 1):
                    window.append(_Todo(place, False, int(lengths[place]) - prefix, neighbour))
                    if self.alone:
                        window.append(_Todo(place, True, response, neighbour))
            yield window

    def _load(self) -> Any:
        import torch

        model = load_model(self.lm._settings)
        if self.lm.compile:
            inner = getattr(model, model.base_model_prefix)
            inner.forward = torch.compile(inner.forward, dynamic=True)
        return model

    def _forward(self, model: Any, batch: Sequence[_Todo]) -> list[Pass]:
        """The losses of one batch. Rows are padded on the right, where a causal model cannot look."""
        import numpy as np
        import torch

        width = max(todo.length + (0 if todo.alone else self.planned - self.skipped) for todo in batch)
        ids = np.zeros((len(batch), width), np.int64)
        labels = np.full((len(batch), width), IGNORED, np.int64)
        for line, todo in enumerate(batch):
            tokens, scored = self.tokenized.tokens(todo.place)
            if todo.alone:
                tokens = np.concatenate([[self.beginning], tokens[scored]])
                scored = np.arange(len(tokens)) > 0
            else:
                tokens, scored = tokens[self.skipped :], scored[self.skipped :]
            ids[line, : len(tokens)] = tokens
            labels[line, : len(tokens)] = np.where(scored, tokens, IGNORED)
        with torch.inference_mode():
            inputs = torch.from_numpy(ids).to(model.device)
            embedded = None if self.noise is None else self._noisy(model, inputs, batch)
            wanted = torch.from_numpy(labels).to(model.device)
            prefix = None if batch[0].alone else self.prefix
            losses = token_losses(model, inputs, wanted, embedded=embedded, prefix=prefix).cpu()
        parts = losses.split((labels[:, 1:] != IGNORED).sum(1).tolist())
        return [self._passed(todo, part.numpy()) for todo, part in zip(batch, parts, strict=True)]

    def _noisy(self, model: Any, ids: torch.Tensor, batch: Sequence[_Todo]) -> torch.Tensor:
        """The embeddings of the batch's tokens, each with the noise of its neighbour."""
        import torch

        assert self.noise is not None
        embedded: torch.Tensor = model.get_input_embeddings()(ids)
        for line, todo in enumerate(batch):
            tokens, scored = self.tokenized.tokens(todo.place)
            noise = torch.from_numpy(self.noise.of(tokens, embedded.shape[-1], todo.neighbour))
            if todo.alone:  # the beginning-of-text token has none
                noise = noise[torch.tensor(scored.tolist())]
                embedded[line, 1 : 1 + len(noise)] += noise.to(embedded)
            else:
                embedded[line, : len(noise)] += noise.to(embedded)
        return embedded

    def _passed(self, todo: _Todo, losses: np.ndarray[Any, Any]) -> Pass:
        mean = float(losses.astype("float64").mean())
        kept = base64.b64encode(losses.astype("float32").tobytes()).decode() if self.each else None
        row = int(self.tokenized.rows[todo.place])
        return Pass(row, todo.alone, mean if math.isfinite(mean) else None, kept, todo.neighbour)


def _key(one: Pass) -> tuple[int, bool, int]:
    return one.row, one.alone, one.neighbour


def batches(window: Sequence[_Todo], budget: int) -> Iterator[list[_Todo]]:
    """The passes of a window, those with their prompts before those without, each longest first, in batches of at most ``budget`` tokens with padding, or one pass."""
    batch: list[_Todo] = []
    for todo in sorted(window, key=lambda one: (one.alone, -one.length, one.place, one.neighbour)):
        full = (len(batch) + 1) * (batch[0].length if batch else 0) > budget
        uneven = batch and todo.length < EVEN * batch[0].length and sum(t.length for t in batch) > budget // 4
        if batch and (full or uneven or todo.alone != batch[0].alone):
            yield batch
            batch = []
        batch.append(todo)
    if batch:
        yield batch


def sizes(plan: Sequence[Sequence[_Todo]]) -> tuple[int, int]:
    """Tokens in all batches of a plan: of the passes alone, and with padding."""
    tokens = sum(todo.length for batch in plan for todo in batch)
    return tokens, sum(len(batch) * max(todo.length for todo in batch) for batch in plan)


def _context(settings: ModelSettings, tokenizer: Any) -> int:
    """Tokens that the model can take at once, as its configuration says."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(
        resolve(settings), revision=settings.revision, trust_remote_code=settings.trust_remote_code
    )
    found = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    return int(found or min(tokenizer.model_max_length, 1 << 30))


def _check_weights(place: Path | str, name: str) -> None:
    if isinstance(place, Path) and not any(place.glob("*.safetensors")):
        raise ConfigError(f"'{name}' holds no weights (*.safetensors); handpicked reads safetensors only.")


def _weights(place: Path | str) -> int:
    """The number of weights of a model folder, from the headers of its files; 0 for a model that is not here."""
    from safetensors import safe_open

    if isinstance(place, str):
        try:
            from huggingface_hub import snapshot_download

            place = Path(snapshot_download(place, local_files_only=True))
        except OSError:
            return 0
    total = 0
    for file in place.glob("*.safetensors"):
        with safe_open(file, "np") as tensors:
            total += sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
    return total


def _characters(pool: Pool, rows: Sequence[int] | None) -> tuple[tuple[int, int], int]:
    """Characters of prompts and of responses, and the rows they belong to."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = None if rows is None else pa.array(rows, pa.int64())
    prompts = responses = count = 0
    for shard in pool.shards:
        for batch in shard.read(["row", "prompt", "response"]):
            few = batch if wanted is None else batch.filter(pc.is_in(batch["row"].cast(pa.int64()), wanted))
            prompts += pc.sum(pc.utf8_length(few["prompt"])).as_py() or 0
            responses += pc.sum(pc.utf8_length(few["response"])).as_py() or 0
            count += len(few)
    return (prompts, responses), count
