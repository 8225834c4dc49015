"""What scorers share whose values are made of a response's losses: by transformers here, or a vLLM server."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from handpicked.config import EXECUTION, ServerSettings
from handpicked.errors import ConfigError
from handpicked.method import LATER
from handpicked.models.served import AUTO, ArmModel, Served, Servers
from handpicked.models.served.mistakes import check_program, server_mistakes
from handpicked.models.served.options import by_vllm
from handpicked.progress import Progress
from handpicked.records import Cost, Pool
from handpicked.scorers.forecast import Forecast
from handpicked.scorers.lm.likelihood import BUNDLED, LM_PART, LanguageModel, loss_facts
from handpicked.scorers.lm.serving import SERVER
from handpicked.scorers.part_scorer import PartScorer, RowsWork, Scoring
from handpicked.store.versions import LANGUAGE_MODEL
from handpicked.workers import THIS_PROCESS, Workers
from handpicked.workers.devices import visible

Reach = Callable[[], Served]


@dataclass(frozen=True)
class LossScorer(PartScorer):
    """Scores by one pass over each row, or two (``passes``)."""

    lm: LanguageModel = BUNDLED
    engine: Literal["transformers", "vllm"] = field(default="transformers", metadata={**EXECUTION, **LATER})
    """What computes the losses: transformers on the devices here, or a vLLM server (``server``; auto where
    none is named). The scores say which: they differ by rounding.
    """
    serving: ServerSettings = field(default=ServerSettings(), metadata=SERVER)
    passes: ClassVar[int] = 1
    """Passes over a row."""
    cost: ClassVar[Cost] = "model forward"
    libraries: ClassVar[tuple[str, ...]] = LANGUAGE_MODEL
    part_rows: ClassVar[int] = LM_PART

    @abstractmethod
    def work(self, reach: Reach | None) -> RowsWork[Any]:
        """What does the work in one worker: with the server that ``reach`` gives, or without one."""

    def opened(self) -> RowsWork[Any]:
        """See ``PartScorer``."""
        return self.work(None)

    def identity(self) -> str:
        """See ``PoolScorer``. Raises ConfigError also for settings of a server that contradict each other,
        MissingPart where the vLLM that is to be started is not there.
        """
        if wrong := list(self._mistakes()):
            raise ConfigError(*wrong)
        made_of = self.lm.identity()
        if self.engine == "transformers":
            return made_of
        check_program(self.server)
        return f"{made_of}, {by_vllm(self.server.server_options)}"

    def estimate(self, pool: Pool, rows: Sequence[int] | None) -> Forecast:
        """See ``PoolScorer``."""
        if self.engine == "transformers":
            return self.lm.estimate(pool, rows, self.passes)
        started = self.server.server == AUTO
        where = "a vLLM server that is started here" if started else f"vLLM at {self.server.server}"
        return self.lm.served_estimate(pool, rows, self.passes, where)

    def facts(self, noted: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """See ``PartScorer``."""
        return loss_facts(noted)

    def score_on(
        self, workers: Workers, pool: Pool, rows: Sequence[int] | None, work: Path, progress: Progress
    ) -> None:
        """See ``PoolScorer``. This process sends the requests to a server, which takes all devices."""
        if self.engine == "transformers":
            super().score_on(workers, pool, rows, work, progress)
            return
        models = {self.name: ArmModel(self.lm.settings, None)}
        with Servers(self.server, models, visible(workers.devices)) as servers:
            reach = partial(servers.served, self.name, work)
            self.score_task(ServedScoring(self, pool, rows, reach=reach), THIS_PROCESS, work, progress)

    @property
    def server(self) -> ServerSettings:
        """The server to use: one that is started here, unless another is named."""
        return self.serving.model_copy(update={"server": self.serving.server or AUTO})

    def _mistakes(self) -> Iterator[str]:
        if self.engine == "transformers":
            usual = dict(ServerSettings())
            given = [name for name, value in self.serving if value != usual[name]]
            if given:
                yield f"score.{given[0]}: is a setting of a vLLM server: set score.engine to vllm, or leave it out."
            return
        yield from (f"score.{said}" for _, said in server_mistakes(self.server))
        if self.lm.compile:
            yield "score.compile: is for transformers: leave it out, or set score.engine to transformers."


@dataclass(frozen=True)
class ServedScoring(Scoring):
    """The task where a server computes the losses."""

    scorer: LossScorer
    reach: Reach | None = None

    def opened(self) -> RowsWork[Any]:
        """See ``Scoring``."""
        return self.scorer.work(self.reach)
