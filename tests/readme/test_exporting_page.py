"""Every command and the Python of docs/exporting.md, as written there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from handpicked.catalogue import TRAINERS

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "exporting.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (handpicked .*)$", PAGE, re.MULTILINE)
TABLE = re.findall(r"^\| `([\w-]+)` \| (.*) \| `(.*)` \| .* \|$", PAGE, re.MULTILINE)


@pytest.fixture
def folder(tmp_path):
    rows = [{"instruction": f"Do {i}.", "input": "", "output": "done " * (i % 60 + 1)} for i in range(1200)]
    (tmp_path / "alpaca_data.json").write_text(json.dumps(rows))
    return tmp_path


def test_every_trainer_has_a_command_and_a_line_of_the_table():
    assert {name for name, _, _ in TABLE} == set(TRAINERS.shipped)
    assert all(any(f"--export {name}" in command for command in COMMANDS) for name in TRAINERS.shipped)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs_as_written(command, folder):
    words = shlex.split(command)
    done = subprocess.run([sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    out, name = words[words.index("-o") + 1], words[words.index("--export") + 1]
    (written, start), *_ = [(files, start) for one, files, start in TABLE if one == name]
    assert {path.name for path in (folder / out / name).iterdir()} == set(re.findall(r"`(.*?)`", written))
    assert f"cd {out}/{name} && {start}" in done.stdout


def test_the_python_runs_as_written(folder):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1000 ('data.jsonl', 'dataset_info.json', 'train.yaml') {}")
    assert (folder / "alpaca-1k/axolotl/train.yaml").exists()
