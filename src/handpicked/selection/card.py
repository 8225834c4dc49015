"""The card of a written subset: README.md, with which ``datasets.load_dataset(FOLDER)`` gives its rows alone."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from handpicked._version import __version__
from handpicked.data.layout import CARD

LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]*")
"""What the hub takes as the name of a licence, in small letters."""
SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
)
"""The hub's words for a number of rows below each bound."""
ON_HUB = re.compile(r"hf://datasets/([^@/]+/[^@/]+)@")


def write_card(folder: Path, written: str, manifest: Mapping[str, Any]) -> None:
    """Write the card into ``folder``, where ``written`` is the file of the subset (or the folder that
    ``datasets`` saved), from what the manifest says.
    """
    (folder / CARD).write_text(card(written, manifest), encoding="utf-8", errors="replace")


def card(written: str, manifest: Mapping[str, Any]) -> str:
    """The text of the card."""
    counts, selector, inputs = manifest["counts"], manifest["selector"], manifest["pool"]["inputs"]
    path = f"{written}/*.arrow" if "." not in written else written
    by, named = selector["name"], ", ".join(dict.fromkeys(_name(one["path"]) for one in inputs))
    lines = [
        *_front(path, counts["kept"], inputs),
        f"# {counts['kept']:,} rows of {named}, selected by {by}",
        "",
        f"Selected by handpicked {__version__} from {counts['pool']:,} rows. These are the rows to train on:",
        "",
        "```python",
        "from datasets import load_dataset",
        "",
        'rows = load_dataset("PATH_OR_NAME", split="train")',
        "```",
        "",
        "## How they were selected",
        "",
        *_table(["", ""], _facts(manifest)),
        *_command(manifest.get("command", ())),
        "",
        "## Where they come from",
        "",
        *_table(["file", "rows", "licence", "version", "sha256"], map(source, inputs)),
        "",
        "`scores.parquet` holds every row of the pool with its scores and the reason why it was not kept,",
        "`rejected.jsonl` the rows that could not be read, `manifest.json` all "
        "settings, versions and hashes.",
    ]
    return "\n".join(lines) + "\n"


def _front(path: str, rows: int, inputs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    stated = [str(one["licence"]).lower() for one in inputs if one.get("licence")]
    licences = list(
        dict.fromkeys(part for one in stated for part in one.split(", ") if LICENCE.fullmatch(part))
    )
    sources = list(dict.fromkeys(found[1] for one in inputs if (found := ON_HUB.match(one["path"]))))
    size = next((word for bound, word in SIZES if rows < bound), "10M<n<100M")
    yield "---"
    if licences:
        yield f"license: {licences[0] if len(licences) == 1 else json.dumps(licences)}"
    if sources:
        yield f"source_datasets: {json.dumps(sources)}"
    yield f"size_categories: ['{size}']"
    yield from (
        "tags: [handpicked, sft, data-selection]",
        "configs:",
        "- config_name: default",
        "  data_files:",
    )
    yield from ("  - split: train", f"    path: {json.dumps(path)}", "---", "")


def _facts(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What was done and what came out, each with its name."""
    counts = manifest["counts"]
    for name, said in how(manifest):
        code = name.partition(" ")
        yield (f"{code[0]} `{code[2]}`" if code[2] else name), said
    yield "rows of the pool", f"{counts['pool']:,}"
    yield "rows kept", f"{counts['kept']:,}"
    if counts["rejected"]:
        yield "rows that could not be read", f"{counts['rejected']:,}"
    for reason, rows in counts["dropped"].items():
        yield f"not kept: {reason}", f"{rows:,}"
    tokens = manifest["audit"].get("response_tokens")
    if tokens and counts["kept"]:
        yield (
            "tokens a response",
            f"{tokens['least']:,} to {tokens['most']:,}, median "
            f"{tokens['median']:,g}, mean {tokens['mean']:,.1f}",
        )


def how(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What was done: the method, each score and each filter, with their settings."""
    selector = manifest["selector"]
    settings = ", ".join(
        f"{key} = {value}" for key, value in selector.items() if key != "name" and value is not None
    )
    yield "method", f"{selector['name']}{f' ({settings})' if settings else ''}"
    for score in manifest["scores"]:
        counted = (score.get("tokenizer") or {}).get("name")
        part = f", of the {score['part']}" if score.get("part") else ""
        yield (
            f"score {score['name']}",
            f"in {score['unit']}{part}{f', tokenizer {counted}' if counted else ''}",
        )
    for guard in manifest["guards"]:
        yield f"filter {guard['name']}", f"drops a row where {guard['rule']}"


def _command(words: Sequence[str]) -> Iterator[str]:
    if words:
        yield from ("", "```sh", shlex.join(words), "```")


def source(one: Mapping[str, Any]) -> tuple[str, ...]:
    """An input file of a manifest: its name, rows, licence, version and hash."""
    pinned = {"commit": str(one.get("commit", ""))[:12], "etag": str(one.get("etag", ""))}
    version = next((f"{kind} {value}" for kind, value in pinned.items() if value), "")
    sha256 = f"`{one['sha256'][:16]}`" if "sha256" in one else ""
    return _name(one["path"]), f"{one['rows']:,}", str(one.get("licence") or "not stated"), version, sha256


def _name(path: str) -> str:
    """A file as a stranger may see it: a URL as it is, without what its commit repeats; of a file of this
    machine the name alone.
    """
    if "://" in path:
        return re.sub(r"@[0-9a-f]{40}", "", path)
    return path if path.startswith("named:") else Path(path).name


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]] | map[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for cells in rows:
        yield f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
