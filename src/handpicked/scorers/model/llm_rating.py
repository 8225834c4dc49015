"""LLM rating: a chat model's rating of each response, the quality baseline of the paper."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, ClassVar

import pyarrow as pa
from pydantic import Field

from handpicked.config import EXECUTION, ServerSettings
from handpicked.endpoint import Budget, Reply, Request, base_url_of, default_cache, estimate, key_of
from handpicked.endpoint.cost import REPLY_SECONDS
from handpicked.endpoint.template import fence, fields, fill, shortened
from handpicked.errors import ConfigError, MissingPart
from handpicked.method import HIDDEN
from handpicked.models.served.mistakes import check_program, endpoint_mistakes
from handpicked.models.served.replies import Complete, replies_from, served_identity
from handpicked.progress import Progress
from handpicked.records import Better, Cost, Example, Message, Pool
from handpicked.scorers.forecast import Forecast
from handpicked.scorers.lm.rating import read_rating
from handpicked.scorers.lm.serving import SERVER
from handpicked.scorers.pool_scorer import FACTS, PoolScorer, write_scores
from handpicked.secrets import masked
from handpicked.store import LOST, private_file, utf8, write_json
from handpicked.workers import Workers
from handpicked.workers.devices import visible

log = logging.getLogger(__name__)

NAME = "llm-rating"
CUT = "llm-rating_cut_characters"
SHIPPED = Path(__file__).with_name("llm_rating.txt")
REPLIES = "replies.jsonl"
NEEDED = ("prompt", "response", "dimension")
CHUNK = 20_000
"""Rows whose requests are in memory at a time."""
SAMPLED = 2_000
"""Rows that the estimate reads."""


@dataclass(frozen=True, slots=True)
class Rated:
    """A rating, or why there is none; and the reply as it came, ``None`` where none came:
    ``lost`` where one may come yet. ``cost`` is in US dollars, ``None`` where no prices are given.
    """

    rating: float | None
    reason: str | None
    reply: str | None = None
    lost: bool = False
    cost: float | None = None


@dataclass(frozen=True)
class LLMRating(PoolScorer):
    """A rating from 0 to 5 in half points, by a chat model behind any OpenAI-compatible endpoint.

    AlpaGasus (Chen et al. 2023, arXiv 2307.08701, section 2): every (instruction, input, response) is shown
    to a strong model, which grades one named ``dimension`` (theirs: accuracy) from 0 to 5; the subset is what
    it grades highest, 4.5 and above. The prompt is in our own words; ``prompt`` names a file to use instead,
    with {prompt}, {response}, {dimension} and {fence}. Higher is better. Costs one request a row, which is
    never paid for twice: replies are kept in ``cache`` (by default the user's one request cache), keyed by
    the address and the whole payload.

    With ``server: auto`` vLLM serves the model here for as long as ratings are missing, and the replies are
    kept under the model's content.

    A reply that holds no clear rating gives null with the reason (``rating.read_rating``); it is kept in
    ``replies.jsonl`` of the work folder like every other. A request that was lost (no reply, for a reason
    that may pass) is null too, counted among the facts and sent again by the same command. Texts above
    ``max_chars`` characters are cut at their end, which the second column counts.
    """

    model: str | None = None
    """The name of the model at its endpoint; for ``server: auto`` a folder or a hub name."""
    base_url: str | None = None
    """OpenAI-compatible endpoint; None: OpenAI's."""
    key_env: str = field(default="OPENAI_API_KEY", metadata=EXECUTION)
    """Environment variable that holds the key. The key itself is never written anywhere."""
    dimension: str = "accuracy"
    """What the model rates, such as accuracy or helpfulness."""
    prompt: str | None = None
    """A file with your own prompt."""
    max_tokens: Annotated[int, Field(gt=0)] = 128
    """The most tokens of a reply."""
    max_chars: Annotated[int, Field(gt=0)] = 16_000
    """The most characters of a text that the model is shown."""
    concurrency: Annotated[int, Field(gt=0)] = field(default=16, metadata=EXECUTION)
    """The most requests in flight; fewer after a 429."""
    timeout: Annotated[float, Field(gt=0)] = field(default=120.0, metadata=EXECUTION)
    """Seconds a request may take."""
    max_cost: Annotated[float, Field(gt=0)] | None = field(default=None, metadata=EXECUTION)
    """US dollars. The work stops before it would spend more; everything paid for is kept."""
    price_in: Annotated[float, Field(ge=0)] | None = field(default=None, metadata=EXECUTION)
    """US dollars per million prompt tokens, for the estimate."""
    price_out: Annotated[float, Field(ge=0)] | None = field(default=None, metadata=EXECUTION)
    """US dollars per million reply tokens, for the estimate."""
    serving: ServerSettings = field(default=ServerSettings(), metadata=SERVER)
    cache: str | None = field(default=None, metadata={**EXECUTION, **HIDDEN})
    name: ClassVar[str] = NAME
    about: ClassVar[str] = "rated from 0 to 5 in half points by a chat model, in a dimension of your choice"
    source: ClassVar[str] = "AlpaGasus, arXiv 2307.08701"
    needs: ClassVar[str] = "an endpoint"
    values: ClassVar[tuple[str, ...]] = (NAME, CUT)
    unit: ClassVar[str] = "points (0 to 5)"
    better: ClassVar[Better] = "high"
    cost: ClassVar[Cost] = "paid API"
    version: ClassVar[int] = (
        2  # raise it with a change of the prompt's use, of cutting, or of how replies are read
    )

    def identity(self) -> str:
        """Model, address, and the hash of the prompt.

        Raises ConfigError without a model or a usable prompt; MissingPart without a key or the vLLM that is to
        be started, so that nothing begins that could not end.
        """
        if not self.model:
            raise ConfigError(f"score.model: {NAME} needs the name of the rating model at its endpoint.")
        if wrong := [said for _, said in endpoint_mistakes(self, self.serving)]:
            raise ConfigError(*(f"score.{said}" for said in wrong))
        prompt = hashlib.sha256(self._template().encode()).hexdigest()[:16]
        if self.serving.server is None:
            key_of(self)
            who = f"{self.model} at {base_url_of(self)}"
        else:
            check_program(self.serving)
            who = served_identity(self.model, self.serving)
        return f"{who}, {self.dimension}, prompt {prompt}"

    def estimate(self, pool: Pool, rows: Sequence[int] | None) -> Forecast:
        """Requests, tokens, dollars and time if nothing is cached, estimated from a sample of the rows; and what is
        missing here, such as the key, which the estimate does not need.
        """
        try:
            self.identity()
            missing = ""
        except MissingPart as error:
            missing = f". Missing: {error}"
        count = pool.rows if rows is None else len(rows)
        every = max(1, -(-count // SAMPLED))
        sample = range(0, pool.rows, every) if rows is None else rows[::every]
        template = self._template()
        examples = pool.examples(list(sample))
        expense = estimate([self._request(e, template) for e in examples if _rateable(e)], self)
        scale = count / max(1, len(sample))
        dollars = (
            ""
            if expense.low is None or expense.high is None
            else f", {scale * expense.low:.2f} to {scale * expense.high:.2f} US dollars"
        )
        where = "a vLLM server that is started here" if self.serving.server else base_url_of(self)
        sentence = (
            f"{count:,} requests to {where} ({self.model}): about "
            f"{scale * expense.prompt_tokens:,.0f} prompt "
            f"tokens and at most {scale * expense.reply_tokens:,.0f} reply tokens{dollars}, "
            f"{self.concurrency} at a time; "
            f"replies that are in the cache cost nothing{missing}"
        )
        if self.serving.server:
            return Forecast(sentence, endpoint=True)
        high = None if expense.high is None else scale * expense.high
        return Forecast(sentence, count * REPLY_SECONDS / self.concurrency, high, endpoint=True)

    def score(self, pool: Pool, rows: Sequence[int] | None, work: Path, progress: Progress) -> None:
        """See ``score_on``: with all devices of this machine."""
        self.score_on(Workers(), pool, rows, work, progress)

    def score_on(
        self, workers: Workers, pool: Pool, rows: Sequence[int] | None, work: Path, progress: Progress
    ) -> None:
        """Rate the rows into ``work``: scores.arrow, and replies.jsonl with every reply as it came.

        Where ``work`` holds the replies.jsonl of an earlier scoring, only the rows that it lost are sent
        again. The devices of ``workers`` are for a server that is started, whose log goes to ``work``.

        Raises MissingPart without a key, before anything is sent; EndpointError when going on cannot help
        (key or model refused, endpoint away, ``max_cost`` reached), everything paid for being kept.
        """
        self.identity()
        budget, scored, lost = Budget(self), [], 0
        costs = []
        earlier, aside = _earlier(work / REPLIES), work / f".{REPLIES}.part"
        aside.unlink(missing_ok=True)
        private_file(aside)
        devices = visible(workers.devices) if self.serving.server else {}
        with (
            replies_from(self.model, self.serving, work, devices) as send,
            aside.open("w", encoding="utf-8") as kept,
        ):
            for chunk in _chunks(pool.examples(rows)):
                known = {row: found for row, found in islice(earlier, len(chunk)) if not found.lost}
                rated = self._rated(chunk, known, send, budget, progress)
                for example, found in zip(chunk, rated, strict=True):
                    line = {"row": example.row, "id": example.id, **asdict(found)}
                    kept.write(masked(utf8(json.dumps(line, ensure_ascii=False))) + "\n")
                    cut = sum(
                        max(0, len(text) - self.max_chars) for text in (example.prompt, example.response)
                    )
                    scored.append((example.row, found.rating, float(cut), found.reason))
                    lost += found.lost
                    if found.cost is not None:
                        costs.append(found.cost)
        _log([reason for *_, reason in scored])
        aside.replace(work / REPLIES)
        write_json(work / FACTS, {LOST: lost, "cost": sum(costs) if costs else None})
        write_scores(work, self._table(scored))

    def _table(self, scored: Sequence[tuple[int, float | None, float, str | None]]) -> pa.Table:
        types = {"row": pa.int64(), NAME: pa.float64(), CUT: pa.float64(), "reason": pa.string()}
        columns = zip(*scored, strict=True) if scored else ((),) * len(types)
        return pa.table(
            {name: pa.array(column, types[name]) for name, column in zip(types, columns, strict=True)}
        )

    def _rated(
        self,
        examples: Sequence[Example],
        known: Mapping[int, Rated],
        send: Complete,
        budget: Budget,
        progress: Progress,
    ) -> Iterator[Rated]:
        """The result of each example, in order; the rows of ``known`` are not sent."""
        template = self._template()
        requests = [self._request(e, template) for e in examples if e.row not in known and _rateable(e)]
        cache = Path(self.cache).expanduser() if self.cache else default_cache()
        label = f"rate by {self.model}"
        replies = iter(send(requests, self, cache, progress, label=label, budget=budget))
        for example in examples:
            if example.row in known:
                yield known[example.row]
            elif _rateable(example):
                yield self._read(next(replies))
            else:
                yield Rated(None, "the response is empty")

    def _read(self, reply: Reply) -> Rated:
        if reply.text is None:
            return Rated(None, reply.reason, lost=reply.lost, cost=reply.cost)
        rating, reason = read_rating(reply.text, self.dimension, reply.finished)
        return Rated(rating, reason, reply.text, cost=reply.cost)

    def _request(self, example: Example, template: str) -> Request:
        prompt, response = (shortened(text, self.max_chars) for text in (example.prompt, example.response))
        values = {
            "prompt": prompt,
            "response": response,
            "dimension": self.dimension,
            "fence": fence(prompt, response),
        }
        return Request((Message("user", fill(template, values)),), self.max_tokens)

    def _template(self) -> str:
        """The prompt. Raises ConfigError when its file cannot be read or lacks a field."""
        file = Path(self.prompt).expanduser() if self.prompt else SHIPPED
        try:
            template = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"score.prompt: {file} cannot be read ({error}).") from error
        missing = [f"{{{name}}}" for name in NEEDED if name not in fields(template)]
        if missing:
            raise ConfigError(f"score.prompt: {file} lacks {', '.join(missing)}, which the model must see.")
        return template


def _rateable(example: Example) -> bool:
    return bool(example.response.strip())


def _chunks(examples: Iterator[Example]) -> Iterator[list[Example]]:
    while chunk := list(islice(examples, CHUNK)):
        yield chunk


def _earlier(file: Path) -> Iterator[tuple[int, Rated]]:
    """The results of an earlier scoring, in the same order; empty where there was none."""
    if not file.is_file():
        return
    with file.open(encoding="utf-8", errors="surrogatepass") as lines:
        for found in map(json.loads, lines):
            yield (
                found["row"],
                Rated(found["rating"], found["reason"], found["reply"], found["lost"], found.get("cost")),
            )


def _log(reasons: Sequence[object]) -> None:
    """Log how many rows have no rating, and why the first of them has none."""
    without = [reason for reason in reasons if reason is not None]
    if without:
        log.warning(
            "%d of %d rows have no rating; the first because %s",
            len(without),
            len(reasons),
            without[0],
        )
