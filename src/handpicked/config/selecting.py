"""Which rows are kept, and how they are scored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field, field_validator, model_validator
from typing_extensions import Self

from handpicked.config.section import EXECUTION, Strict
from handpicked.records.response_parts import Part

Measure = Literal["tokens", "nltk", "words", "chars"]
LEAST_MEMORY = 500_000_000
"""Bytes that the program itself takes, with its libraries."""


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
