"""Every command and the Python of docs/audit.md, as written there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from handpicked.pool_audit.plan import plan_audit
from handpicked.pool_audit.rules import parse_rules

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "audit.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (handpicked .*)$", PAGE, re.MULTILINE)


@pytest.fixture
def folder(tmp_path):
    """A pool without faults, prompts, and rows that one has already."""
    rows = [{"instruction": f"Do {i}.", "input": "", "output": f"It is done, {i} times."} for i in range(50)]
    (tmp_path / "alpaca_data.json").write_text(json.dumps(rows))
    (tmp_path / "test_prompts.jsonl").write_text('{"prompt": "Do 3."}\n')
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "rows.json").write_text(json.dumps(rows[:5]))
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs_as_written(command, folder):
    words = shlex.split(command)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "handpicked", *words], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "50" in done.stdout


def test_the_commands_are_there():
    assert len(COMMANDS) == 5


def test_the_python_runs_as_written(folder):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("50 0 {")
    assert {one.name for one in (folder / "audited").iterdir()} == {"audit.html", "audit.json"}


def test_every_name_of_the_table_can_be_in_a_rule(folder):
    plan = plan_audit(against=[str(folder / "test_prompts.jsonl")], max_length=10)
    table = PAGE.split("| name | rows that")[1].split("\n\n")[0]
    first = [line.split("|")[1] for line in table.splitlines() if line.count("|") > 3]
    names = [name for cell in first for name in re.findall(r"`([\w-]+)`", cell)]
    assert len(names) > 15
    assert parse_rules([f"{name}>1" for name in names], plan)
