"""Reads a judge's folder: judge.yaml says how to call the model and read its reply, prompt.txt is the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError

from handpicked import installed
from handpicked.config import BUNDLED_EMBEDDER, Strict
from handpicked.endpoint.template import fields as template_fields
from handpicked.errors import ConfigError, did_you_mean

GROUP = "handpicked.judges"
SHIPPED = Path(__file__).parent / "shipped"
Reads = Literal["scores", "verdict", "letters", "grade", "similarity"]
VERSIONS: Mapping[Reads, int] = {"scores": 2, "verdict": 2, "letters": 2, "grade": 2, "similarity": 2}
"""The version of each way of calling and reading a judge. Raise one when the same answers or replies would give
other verdicts, and only then; the judge's folder itself is hashed. 2: thoughts of answers are not judged.
"""
NEEDED = {
    "scores": ("prompt", "first", "second"),
    "verdict": ("prompt", "first", "second"),
    "letters": ("prompt", "first", "second"),
    "grade": ("prompt", "answer"),
    "similarity": (),
}


class Answers(Strict):
    """What the judge writes for each outcome."""

    first: str = "first"
    second: str = "second"
    tie: str | None = None


class JudgeFolder(Strict):
    """judge.yaml, and ``template``: the text of prompt.txt."""

    about: str
    """One sentence for ``handpicked methods``."""
    reads: Reads
    """How a verdict is read: two ``scores`` on a line; a marked ``verdict``; the probabilities of two
    ``letters``; one marked ``grade`` an answer; or ``similarity`` to the reference, which asks no model."""
    system: str = ""
    """System prompt; none is sent when empty."""
    criteria: str = ""
    """Replaces {criteria} in prompt.txt."""
    low: float = 1
    """Lowest valid score."""
    high: float = 10
    """Highest valid score. A score outside the range makes the reply unparsed; it is never clipped."""
    marker: str = ""
    """What precedes a verdict or a grade in the reply."""
    answers: Answers = Answers()
    tie_margin: Annotated[float, Field(ge=0)] = 0
    """Scores (grades, probabilities, cosines) that differ by at most this much are a tie."""
    max_tokens: Annotated[int, Field(gt=0)] = 512
    """Tokens a reply may have."""
    temperature: Annotated[float, Field(ge=0)] | None = 0
    """None leaves it to the endpoint."""
    top_logprobs: Annotated[int, Field(ge=0, le=20)] = 0
    """Alternatives requested at each position of the reply (``letters``)."""
    answer_chars: Annotated[int, Field(gt=0)] = 16000
    """When either answer is longer, both are cut to this many characters; the review says so."""
    embedder: str = BUNDLED_EMBEDDER
    """Embedding model of ``similarity``."""
    window_chars: Annotated[int, Field(gt=0)] = 600
    """Characters that are embedded at a time by ``similarity``."""
    name: str
    template: str = ""

    @property
    def asks(self) -> bool:
        """Whether it needs an endpoint or a local model."""
        return self.reads != "similarity"

    @property
    def version(self) -> int:
        """The version of its way of calling and reading."""
        return VERSIONS[self.reads]


def shipped_judges() -> list[str]:
    """The names of the judges that come with handpicked."""
    return sorted(folder.name for folder in SHIPPED.iterdir() if (folder / "judge.yaml").is_file())


def listed_judges() -> list[str]:
    """The names of all judges: those that come with handpicked, and those of installed packages."""
    shipped = shipped_judges()
    return [*shipped, *(name for name in installed.names(GROUP) if name not in shipped)]


def load_judge(name: str) -> JudgeFolder:
    """A shipped judge by name, one of an installed package, or a folder of the user's.

    A package adds a judge by an entry point of the group ``handpicked.judges``. It names a package that holds
    judge.yaml and prompt.txt, or in it the folder's path.

    Raises:
        ConfigError: every mistake in the folder, or the package cannot be loaded.
    """
    folder = _folder(name)
    if not (folder / "judge.yaml").is_file():
        raise ConfigError(
            f"There is no judge '{name}': it is neither shipped or installed nor a folder with a judge.yaml."
            f"{did_you_mean(name, listed_judges())}"
        )
    return _checked(folder)


def _folder(name: str) -> Path:
    if name in shipped_judges():
        return SHIPPED / name
    place: Any = installed.load(GROUP, name)
    if place is None:
        return Path(name).expanduser()
    return Path(place.__path__[0] if hasattr(place, "__path__") else place)


def _checked(folder: Path) -> JudgeFolder:
    settings, prompt = folder / "judge.yaml", folder / "prompt.txt"
    try:
        fields = yaml.safe_load(settings.read_text(encoding="utf-8"))
        template = prompt.read_text(encoding="utf-8") if prompt.is_file() else ""
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{settings} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(fields, dict):
        raise ConfigError(f"{settings} must hold fields, such as 'reads: scores'.")
    try:
        judge = JudgeFolder(**(fields | {"name": folder.resolve().name, "template": template}))
    except ValidationError as error:
        raise ConfigError(*(_mistake(settings, dict(e)) for e in error.errors())) from error
    found = template_fields(template)
    missing = [f"{{{name}}}" for name in NEEDED[judge.reads] if name not in found]
    if missing:
        raise ConfigError(
            f"{prompt} lacks {', '.join(missing)}: a judge that reads {judge.reads} must be shown them."
        )
    if judge.reads in ("verdict", "grade") and not judge.marker:
        raise ConfigError(
            f"{settings}: a judge that reads a {judge.reads} needs a marker, such as 'Verdict:'."
        )
    return judge


def _mistake(file: Path, error: dict[str, object]) -> str:
    place = error["loc"]
    field = ".".join(str(part) for part in place) if isinstance(place, tuple) else str(place)
    hint = did_you_mean(field, JudgeFolder.model_fields) if error["type"] == "extra_forbidden" else ""
    return f"{file}: {field}: {error['msg']}.{hint}"
