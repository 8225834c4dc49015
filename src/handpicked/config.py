"""The experiment file as strict models: the type, default and unit of every field.

The line under a field says what it is and in which unit. Unknown fields are mistakes.
``experiment.py`` reads the YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field, field_validator, model_validator
from typing_extensions import Self

from handpicked.records.response_parts import Part

Measure = Literal["tokens", "nltk", "words", "chars"]
BUNDLED_LM = "bundled:smollm2-135m-instruct"
LEAST_MEMORY = 500_000_000
"""Bytes that the program itself takes, with its libraries."""
BUNDLED_EMBEDDER = "bundled:all-minilm-l6-v2"

EXECUTION: dict[str, object] = {"execution": True}
"""Marks a field that says how the work is done and changes no result: it is not part of any fingerprint. For
a field of a section (``json_schema_extra``) and for one of a dataclass that holds settings (``metadata``).
"""
LATER: dict[str, Any] = {"later": True}
"""Marks a field of a dataclass that was added when results had already been kept: at its default, with which
they were made, it is not part of any fingerprint.
"""


def result_settings(settings: Any) -> Any:
    """Settings (a section, or a dataclass or container of them) as plain JSON, without those marked
    ``EXECUTION``, at any depth, and those marked ``LATER`` that are at their default.
    """
    if isinstance(settings, BaseModel) and settings.model_extra:
        plain = type(settings).model_validate(settings.model_dump(include=set(type(settings).model_fields)))
        return {**result_settings(plain), **result_settings(settings.model_extra)}
    if isinstance(settings, BaseModel):
        listed = type(settings).model_fields.items()
        counting = [name for name, field in listed if field.json_schema_extra != EXECUTION]
    elif is_dataclass(settings) and not isinstance(settings, type):
        counting = [
            one.name
            for one in fields(settings)
            if not one.metadata.get("execution")
            and not (one.metadata.get("later") and getattr(settings, one.name) == one.default)
        ]
    elif isinstance(settings, Mapping):
        return {key: result_settings(value) for key, value in settings.items()}
    elif isinstance(settings, list | tuple):
        return [result_settings(value) for value in settings]
    else:
        return settings
    return {name: result_settings(getattr(settings, name)) for name in counting}


class Strict(BaseModel):
    """A section of the experiment file: no unknown fields. Numbers may come as text,
    because YAML reads 2e-5 as text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


class PoolSettings(Strict):
    """The data set to select from."""

    path: str | tuple[str, ...]
    """A file, a folder, a glob, a data set on the hub (``owner/name`` or
    ``hf://datasets/owner/name@revision``), ``s3://bucket/folder``, ``named:alpaca``, several of them, or
    ``python-stdlib`` (the standard library's own documentation).
    """
    split: Annotated[str | None, Field(json_schema_extra=EXECUTION)] = None
    """Split of a folder or of a data set on the hub; none: train. Not part of any fingerprint itself, because
    the hash of what is read is.
    """
    config: Annotated[str | None, Field(json_schema_extra=EXECUTION)] = None
    """Config of a folder or of a data set on the hub, as its README.md lists them; none: the default one. Not
    part of any fingerprint itself, because the hash of what is read is.
    """
    encoding: Annotated[str | None, Field(json_schema_extra=EXECUTION)] = None
    """Encoding of text files that are neither UTF-8 nor UTF-16, such as ``windows-1252``."""
    format: str | None = None
    """Row format (alpaca, sharegpt, messages, ...); none: recognise it."""
    map: dict[str, str] | None = None
    """Field names for rows of an unknown shape, such as ``{prompt: question, response: answer}``."""
    turns: Literal["last", "all"] = "last"
    """Which assistant turns are the response."""
    max_row_mb: Annotated[int, Field(gt=0)] = 256
    """The largest size of a row of a text file, in MiB; a larger row is rejected with its size, and never
    loaded.
    """
    hold_out: Annotated[int, Field(ge=0)] = 0
    """Rows taken out of the pool before selection, at random; they become prompts with
    references (test set ``held-out``).
    """
    hold_out_max_words: Annotated[int, Field(gt=0)] | None = None
    """Only rows with a response of at most this many words are held out (they must be cheap to
    generate and to compare).
    """


class EndpointSettings(Strict):
    """How an OpenAI-compatible endpoint is called: the fields of each section that may call one."""

    base_url: str | None = None
    """OpenAI-compatible endpoint; none: OpenAI's."""
    key_env: Annotated[str, Field(json_schema_extra=EXECUTION)] = "OPENAI_API_KEY"
    """Environment variable that holds the key. The key itself is never written anywhere."""
    concurrency: Annotated[int, Field(gt=0, json_schema_extra=EXECUTION)] = 16
    """The most requests in flight; fewer after a 429."""
    timeout: Annotated[float, Field(gt=0, json_schema_extra=EXECUTION)] = 120.0
    """Seconds a request may take."""
    max_cost: Annotated[float | None, Field(gt=0, json_schema_extra=EXECUTION)] = None
    """US dollars. The work stops before it would spend more; everything paid for is kept."""
    price_in: Annotated[float | None, Field(ge=0, json_schema_extra=EXECUTION)] = None
    """US dollars per million prompt tokens, for the estimate."""
    price_out: Annotated[float | None, Field(ge=0, json_schema_extra=EXECUTION)] = None
    """US dollars per million reply tokens, for the estimate."""


class ServerSettings(Strict):
    """A vLLM server, which has its own environment: the fields of each section that may use one."""

    server: Annotated[str | None, Field(json_schema_extra=EXECUTION)] = None
    """Where vLLM is: ``auto`` starts it for this work and stops it afterwards; an address such as
    ``http://localhost:8000`` is a server that is already running. None: no server.
    """
    server_python: Annotated[str | None, Field(json_schema_extra=EXECUTION)] = None
    """The Python that has vLLM, such as ``~/vllm/bin/python``, for ``server: auto``. None: ``vllm`` on PATH."""
    server_options: tuple[str, ...] = ()
    """Further options of ``vllm serve`` for ``server: auto``, such as ``[--tensor-parallel-size=2]``. Those
    that only say how the work is distributed or how much memory it takes are not part of any fingerprint.
    """
    server_wait: Annotated[float, Field(gt=0, json_schema_extra=EXECUTION)] = 1200.0
    """Seconds that a started server may take to answer."""


class ScoreSettings(BaseModel):
    """How the scorers that a selection needs are computed. Besides these three, every setting of the scorer
    itself may be given; unknown ones are refused (``handpicked methods NAME`` lists them).
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    sample: Annotated[int, Field(gt=0)] | None = None
    """Score only this many random rows; the others have no value, with this reason. Applies to every scorer.
    """
    prefilter: Annotated[str, Field(pattern=r"^[a-z0-9_-]+:[0-9]+$")] | None = None
    """Score only what a cheap selector keeps, such as ``longest:5000``; before ``sample``. Applies to every
    scorer.
    """
    seed: int = 0
    """Seed of ``sample`` and of the scorer's own random draws."""

    @property
    def of_scorers(self) -> dict[str, object]:
        """The settings of the scorers themselves."""
        return dict(self.model_extra or {})


class SelectSettings(Strict):
    """Which rows to keep."""

    by: str = "longest"
    """A selector or a scorer: a name that ``handpicked methods`` lists, or ``FILE.py:CLASS``. With settings:
    ``by: {kmeans: {clusters: 100}}``, or the settings next to ``by``.
    """
    options: dict[str, Any] = {}
    """The settings of the method that ``by`` names, as given in either form."""
    size: Annotated[int, Field(ge=0)] | None = None
    """Rows to keep. Exactly one of ``size`` and ``fraction``, except for ``full``."""
    fraction: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of the readable rows to keep, 0 to 1, rounded down."""
    measure: Measure = "tokens"
    """What a length is counted in."""
    part: Part = "response"
    """The part of the response that text scorers measure: ``response`` (all that the model must write:
    thought, answer and tool calls), ``thought`` or ``answer``.
    """
    tokenizer: str | None = None
    """For ``tokens``: a Hugging Face name, a folder, a tokenizer.json or a SentencePiece .model. None: the
    bundled one in ``handpicked select``, the model's own in an experiment.
    """
    seed: int = 0
    """Seed of every random choice of this selection."""
    guards: tuple[str | dict[str, dict[str, object]], ...] = ()
    """Filters that drop rows before selection, each ``name``, ``name=value`` or ``{name: {setting: value}}``;
    the name may be ``FILE.py:CLASS``.
    """
    prompts: tuple[str, ...] = ()
    """For the filter ``decontaminate``: files of evaluation prompts."""
    memory: Annotated[ByteSize | None, Field(json_schema_extra=EXECUTION)] = None
    """Memory that a selector by embeddings may use, such as ``16GB``: with less it reads vectors in more
    passes, and keeps the same rows. None: half of the machine's memory.
    """
    score: ScoreSettings = ScoreSettings()
    """How ``by`` or ``field`` is computed if it names a scorer."""

    @model_validator(mode="before")
    @classmethod
    def _gather_options(cls, values: object) -> object:
        """Turn both ways of giving a method its settings into ``by`` and ``options``."""
        if not isinstance(values, Mapping):
            return values
        known = {name: value for name, value in values.items() if name in cls.model_fields}
        beside = {name: value for name, value in values.items() if name not in cls.model_fields}
        by = known.get("by")
        if isinstance(by, Mapping):
            if len(by) != 1:
                raise ValueError("'by' names one method, such as {kmeans: {clusters: 100}}")
            known["by"], inside = next(iter(by.items()))
            if inside is not None and not isinstance(inside, Mapping):
                raise ValueError(f"the settings of '{known['by']}' are a mapping, such as {{clusters: 100}}")
            beside |= inside or {}
        known["options"] = {**known.get("options", {}), **beside}
        return known

    @field_validator("memory", mode="before")
    @classmethod
    def _with_a_unit(cls, memory: Any) -> Any:
        if isinstance(memory, str) and not memory.strip().isdigit() and memory.strip()[:1].isdigit():
            return memory.strip()
        if memory is None or (isinstance(memory, int) and memory >= LEAST_MEMORY):
            return memory
        raise ValueError(f"'{memory}' is not an amount of memory; write it with its unit, such as 16GB")

    @field_validator("memory")
    @classmethod
    def _enough(cls, memory: int | None) -> int | None:
        if memory is not None and memory < LEAST_MEMORY:
            raise ValueError(f"the program alone takes {LEAST_MEMORY / 1e9:g} GB; give more, such as 16GB")
        return memory

    @field_validator("guards")
    @classmethod
    def _one_guard_each(cls, guards: tuple[object, ...]) -> tuple[object, ...]:
        if any(len(guard) != 1 for guard in guards if isinstance(guard, dict)):
            raise ValueError(
                "each guard is a name, or one name with its settings: {repetition: {limit: 0.2}}"
            )
        return guards

    def with_options(self, **options: object) -> Self:
        """The same selection with some settings of its method changed."""
        return self.model_copy(update={"options": {**self.options, **options}})

    @property
    def field(self) -> str | None:
        """The column or scorer that the method ranks or groups by, where it has such a setting."""
        return self.options.get("field")

    @property
    def of(self) -> str | None:
        """The arm (on the command line the folder of a subset) whose lengths are copied."""
        return self.options.get("of")


class ModelSettings(Strict):
    """The model to start from."""

    name: str = BUNDLED_LM
    """``bundled:NAME``, a folder, or a hub name."""
    revision: str | None = None
    """Commit or tag of a hub model."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """``auto``: bfloat16 on a GPU that computes in it natively, else float32; on a CPU always float32."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model. Only for models whose code you have read."""


DEFAULT_RATES: Mapping[str, float] = {"full": 2e-5, "lora": 2e-4, "qlora": 2e-4}
"""Peak learning rate by method. For full fine-tuning that of AlpaGasus and Cherry; for adapters that of QLoRA
(Dettmers et al., 2023, arXiv 2305.14314) at 7B and 13B: an adapter starts at zero and needs larger steps.
"""
FEW_STEPS = 10
"""Optimizer steps below which the dry run and the report warn. AdamW's first moment is a mean over some 1 /
(1 - 0.9) = 10 steps: with fewer, training follows only a handful of batches.
"""


class TrainSettings(Strict):
    """How an arm is fine-tuned. The defaults are those of similar work (AlpaGasus, Cherry): the paper
    published none.
    """

    method: Literal["lora", "qlora", "full"] = "lora"
    """LoRA adapters, LoRA on a 4-bit model (with bitsandbytes; slow without a GPU), or every weight."""
    template: str = "auto"
    """Chat template: ``auto`` is the tokenizer's own (the default one of several; ``alpaca`` if it has none,
    with a warning), alpaca, vicuna, chatml, plain, or the name of one of the tokenizer's templates, such as
    tool_use.
    """
    epochs: Annotated[float, Field(gt=0)] = 3.0
    """Passes over the training rows."""
    budget_tokens: Annotated[int, Field(gt=0)] | None = None
    """Training tokens that an arm uses over all its epochs. Rows are taken in seeded order until the budget
    is filled; if the subset is too small to fill it, epochs are added. None: ``epochs`` passes over the whole
    subset.
    """
    batch_size: Annotated[int, Field(gt=0)] = 128
    """Examples per optimizer step, over all devices."""
    micro_batch_size: Annotated[int, Field(gt=0)] = 4
    """Examples in one forward pass on one device."""
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Peak learning rate. None: the default of the method, 2e-5 for ``full``, 2e-4
    for ``lora`` and ``qlora``.
    """
    scheduler: Literal["cosine", "linear", "constant"] = "cosine"
    """Shape of the learning rate after warm-up."""
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.03
    """Share of the steps spent warming up, rounded down to whole steps: 33 steps at
    0.03 have none, 34 have one.
    """
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """AdamW weight decay."""
    max_length: Annotated[int, Field(gt=0)] = 1024
    """Tokens per example; longer ones are cut (and counted)."""
    packing: bool = False
    """Pack several examples into one sequence (best fit, isolated from each other)."""
    lora_rank: Annotated[int, Field(gt=0)] = 16
    lora_alpha: Annotated[int, Field(gt=0)] = 32
    lora_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    lora_targets: str | tuple[str, ...] = "all-linear"
    """Modules that get an adapter."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, a third more time."""
    neftune_noise: Annotated[float, Field(ge=0)] | None = None
    """NEFTune noise alpha on the input embeddings (Jain et al., 2023)."""
    launch: Annotated[str, Field(json_schema_extra=EXECUTION)] = "auto"
    """How training is started on the devices of ``--devices``: ``one`` (a process on one device, with other
    arms side by side on the others), ``ddp`` or ``fsdp`` (one arm on all devices, with a copy or a shard of
    the weights on each), ``auto`` (``one`` if the arm fits on one device, else ``fsdp``), or an Accelerate
    config file.
    """
    save_every: Annotated[int, Field(gt=0, json_schema_extra=EXECUTION)] = 10
    """Optimizer steps between checkpoints, from which an interrupted run resumes."""
    merge: bool = True
    """Also save the model with the adapter merged in."""
    keep_optimizer: bool = False
    """Also keep the adapter and Adam's moments after every pass over the rows, for the scorer ``less``: each
    takes three times the disk space of the adapter.
    """
    seed: int = 0
    report_to: Annotated[tuple[str, ...], Field(json_schema_extra=EXECUTION)] = ()
    """Trackers of the Hugging Face Trainer: wandb, tensorboard, trackio. What they write on this machine is
    kept in ``logs`` next to the model.
    """

    @property
    def peak_rate(self) -> float:
        """The peak learning rate that training uses: the given one, or the default of the method."""
        return DEFAULT_RATES[self.method] if self.learning_rate is None else self.learning_rate

    @property
    def rate_origin(self) -> str:
        """Where ``peak_rate`` comes from, in words."""
        return f"default for {self.method}" if self.learning_rate is None else "as set"

    def resolved(self) -> TrainSettings:
        """These settings with the learning rate written out: what a result depends on,
        whether it was given or not.
        """
        return self.model_copy(update={"learning_rate": self.peak_rate})


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
    """Text that follows every prompt after a space, for all arms alike, such as ``Answer in one sentence.``
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


class RefineSettings(EndpointSettings):
    """Rewrite the selected responses through an endpoint before training on them. ``max_cost`` applies to
    each arm.
    """

    model: str
    """Model name sent to the endpoint."""
    prompt: str | None = None
    """A text file with ``{prompt}`` and ``{response}`` in it; none: the shipped one."""
    max_tokens: Annotated[int, Field(gt=0)] = 1024
    """The most tokens of a rewritten response; one that is cut there is not used."""
    temperature: Annotated[float, Field(ge=0)] = 0.0
    """0 is greedy."""


class ArmSettings(SelectSettings):
    """One arm: a subset and how a model is trained on it. ``by: none`` is the base model.

    ``sizes``, ``fractions`` and several base models turn it into several arms, ``seeds`` into several
    trainings of one arm (``handpicked.experiment.lineup`` expands them).
    """

    sizes: tuple[Annotated[int, Field(gt=0)], ...] = ()
    """Instead of ``size``: one arm per size, which together make a size curve."""
    fractions: tuple[Annotated[float, Field(gt=0, le=1)], ...] = ()
    """Instead of ``fraction``: one arm per fraction, which together make a size curve."""
    seeds: tuple[int, ...] = ()
    """Select and train once for each of these seeds; in the results they are one arm, with an
    interval over prompts and seeds.
    """
    model: str | None = None
    """A name in ``models``: the base model of this arm. None: every one of ``models``."""
    pool: str | None = None
    """A name in ``pools``: what this arm selects from. None: the experiment's ``pool``."""
    refine: RefineSettings | None = None
    """Rewrite the selected responses before training."""
    train: TrainSettings | None = None
    """Replaces the experiment's ``train`` as a whole."""


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A name that may be part of a path."""


class Experiment(Strict):
    """A whole experiment: one or more pools, several arms, one evaluation, one report."""

    name: Name
    """Also the folder under runs/."""
    why: str = ""
    """The question, in a sentence or two; it opens the report."""
    cost: str = ""
    """What it takes to run, in words: hardware, time, money."""
    expected: str = ""
    """The expected result, written before the run."""
    pool: PoolSettings
    pools: dict[Name, PoolSettings] = {}
    """Further pools, which an arm names with ``pool``."""
    model: ModelSettings = ModelSettings()
    models: dict[Name, ModelSettings] = {}
    """Several base models instead of ``model``: every arm that names none is trained on each, and compared
    only with arms of the same base model.
    """
    train: TrainSettings = TrainSettings()
    arms: dict[Name, ArmSettings]
    candidate: str | None = None
    """The arm the question is about, on every base model; for an arm with sizes it is the largest, unless one
    is named, such as ``longest-300``. None: the first arm that is trained on a subset.
    """
    evaluate: EvaluateSettings = EvaluateSettings()

    @model_validator(mode="after")
    def _has_arms(self) -> Experiment:
        if not self.arms:
            raise ValueError("an experiment needs at least one arm")
        return self

    @property
    def candidate_arm(self) -> str:
        """The arm the question is about."""
        if self.candidate is not None:
            return self.candidate
        trained = [name for name, arm in self.arms.items() if arm.by not in ("none", "full")]
        return trained[0] if trained else next(iter(self.arms))
