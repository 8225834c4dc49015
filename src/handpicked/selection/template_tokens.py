"""How many tokens a chat template adds to a row."""

from __future__ import annotations

from importlib.resources import files

import pyarrow as pa
from jinja2 import Environment

from handpicked.errors import ConfigError, did_you_mean
from handpicked.tokens.tokenizer import load_counter

FOLDER = files("handpicked.models") / "templates"


def overhead(template: str, tokenizer: str | None = None) -> int:
    """Tokens that the shipped chat template adds to one prompt and response, the end-of-text token included.

    Counted with ``tokenizer`` (None: the embedded one) on an empty prompt and response, so it is exact up to
    merges at their edges. Raises ConfigError for an unknown template.
    """
    known = sorted(
        file.name.removesuffix(".jinja") for file in FOLDER.iterdir() if file.name.endswith(".jinja")
    )
    if template not in known:
        raise ConfigError(
            f"--template: there is no chat template '{template}'.{did_you_mean(template, known)}"
        )
    source = (FOLDER / f"{template}.jinja").read_text(encoding="utf-8")
    turns = [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}]
    # The text is counted, never shown in a page: nothing is to be escaped.
    text = Environment(autoescape=False).from_string(source).render(messages=turns, eos_token="")
    return int(load_counter(tokenizer).count(pa.array([text], pa.large_string()))[0].as_py()) + 1
