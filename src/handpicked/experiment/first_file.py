"""``handpicked init``: copies a shipped experiment and the schema that editors check it by."""

from __future__ import annotations

import json
from pathlib import Path

from handpicked.errors import ConfigError, did_you_mean
from handpicked.experiment.places import SHIPPED, shipped_experiments
from handpicked.experiment.reference import experiment_schema
from handpicked.store import write_text, writing

SCHEMA = "experiment.schema.json"
"""The name of the schema beside the experiment file."""
SCHEMA_LINE = f"# yaml-language-server: $schema={SCHEMA}\n"
"""What editors with a YAML language server look for."""


def write_first(name: str, file: Path) -> list[Path]:
    """Write the shipped experiment ``name`` to ``file`` and beside it the schema and the data that it names;
    returns the files written, the experiment first. An existing schema is replaced, because it may be of
    another version.

    Raises:
        ConfigError: there is no such experiment, or one of the files exists already; nothing is written.
        StoreError: the folder cannot be written to.
    """
    names = shipped_experiments()
    if name not in names:
        raise ConfigError(f"There is no experiment '{name}' to begin with.{did_you_mean(name, names)}")
    text = (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8")
    texts = {file: SCHEMA_LINE + text}
    for data in sorted(SHIPPED.glob("*.jsonl")):
        if data.name in text:
            texts[file.parent / data.name] = data.read_text(encoding="utf-8")
    there = [path for path in texts if path.exists() or path.is_symlink()]
    if there:
        raise ConfigError(
            f"{' and '.join(map(str, there))} exist{'s' if len(there) == 1 else ''} already, and nothing was "
            "written. Choose another name with -o, or delete it first."
        )
    with writing(file.parent):
        for path, content in texts.items():
            write_text(path, content)
        schema = file.parent / SCHEMA
        write_text(schema, json.dumps(experiment_schema(), indent=1) + "\n")
    return [*texts, schema]
