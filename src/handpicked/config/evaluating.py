"""How arms are compared: prompts, answers, judges, benchmarks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from handpicked.config.endpoints import EndpointSettings, ServerSettings
from handpicked.config.section import EXECUTION, Strict


class GenerateSettings(ServerSettings):
    """How answers are generated."""

    engine: Literal["transformers", "vllm"] = "transformers"
    """What generates the answers; vllm without a ``server`` is vLLM in this process."""
    max_new_tokens: Annotated[int, Field(gt=0)] = 512
    """The most tokens of an answer; answers that reach this limit are marked unfinished."""
    temperature: Annotated[float, Field(ge=0)] = 0.0
    """0 is greedy."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    batch_size: Annotated[int, Field(gt=0)] = 16
    """Prompts in one forward pass (a server makes its own batches)."""
    seed: int = 0
    thinking: bool = False
    """Whether answers may begin with a thought. False: they follow the empty thought that templates such as
    Qwen3's write before an answer without one. True: they follow the template's own generation prompt. It
    matters only for templates that support thoughts.
    """


class ReferenceSettings(Strict):
    """Known good answers for prompts that come without one: a file of prompts and responses, joined by the
    prompt's text.
    """

    path: str
    """A file in any format that a pool may have."""
    where: dict[str, str] = {}
    """Only rows whose fields have these values, such as ``{model_dir: gpt4}``."""


class PromptSettings(Strict):
    """One set of evaluation prompts."""

    name: str
    """Test set name in the report; ``held-out`` is the held-out part of the pool."""
    path: str | None = None
    """File of prompts, a data set on the hub, or ``named:vicuna``, recognised like a pool. None for
    the held-out part of a pool.
    """
    split: str | None = None
    """Split of a folder or of a data set on the hub; none: train, or the only one."""
    config: str | None = None
    """Config of a folder or of a data set on the hub; none: the default one."""
    pool: str | None = None
    """A name in ``pools``: the pool whose held-out part this is. None: the experiment's ``pool``."""
    map: dict[str, str] | None = None
    limit: Annotated[int, Field(gt=0)] | None = None
    """Only this many prompts, in seeded order."""
    suffix: str | None = None
    """Text that follows every prompt after a space, for every arm, such as ``Answer in one sentence.``
    Training rows stay as they are.
    """
    references: ReferenceSettings | None = None
    """Where references come from when the prompt file has none."""


class JudgeSettings(EndpointSettings, ServerSettings):
    """One judge: a shipped name or a folder with judge.yaml and prompt.txt. With ``server: auto`` vLLM serves
    its model here, and is stopped when the judge is done.
    """

    name: str = "reference-similarity"
    model: str | None = None
    """Model name sent to the endpoint (LLM judges only); for ``server: auto`` a folder or a hub name."""
    batch: Annotated[bool, Field(json_schema_extra=EXECUTION)] = False
    """Use the endpoint's batch files (OpenAI's: half the price, within a day). The command submits them and
    exits; run it again to collect them and continue.
    """
    force: Annotated[bool, Field(json_schema_extra=EXECUTION)] = False
    """Allow a judge that is also the model under test."""


class BenchSettings(Strict):
    """How benchmarks are run."""

    data: str | None = None
    """A folder of benchmark files, recognised by their names (``docs/benchmarks.md``
    lists them); none: the hub.
    """
    limit: Annotated[int, Field(gt=0)] | None = None
    """Only this many documents of each task, the first ones; none: all of them."""
    batch_size: Annotated[int, Field(gt=0, json_schema_extra=EXECUTION)] = 8
    """Requests in one forward pass."""
    engine: Literal["transformers", "vllm"] = "transformers"
    chat_template: Literal["never", "free-text", "always"] = "free-text"
    """Which benchmarks use the arm's chat template. ``free-text``: IFEval, LongForm and ELI5, whose answers
    are free text; the others are completed without a template, as for published numbers.
    """


class EvaluateSettings(Strict):
    """How arms are compared."""

    prompts: tuple[PromptSettings, ...] = (PromptSettings(name="held-out"),)
    reference_loss: bool = True
    """Compute the mean negative log-likelihood of the held-out references, in nats per response token."""
    loss_engine: Literal["transformers", "vllm"] = "transformers"
    """What computes it; vllm is the server of ``generate.server``."""
    generate: GenerateSettings = GenerateSettings()
    judges: tuple[JudgeSettings, ...] = (JudgeSettings(),)
    pairs: Literal["candidate", "all"] = "candidate"
    """Which arms are compared: the candidate with every other, or every two."""
    benchmarks: tuple[str, ...] = ()
    """Benchmarks by the names that ``handpicked methods`` lists, averages (avg1, avg2), and tasks
    of lm-evaluation-harness.
    """
    bench: BenchSettings = BenchSettings()
