"""docs/python.md: its blocks run one after the other, and say what they say they do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_readme import folder

__all__ = ["folder"]
REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs/python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def ran(code: str, folder: Path) -> list[str]:
    """The lines that it prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_blocks_run_in_their_order(folder):
    pool, subset, experiment, mistake = ran("\n".join(b for b in BLOCKS if "hp.judge" not in b), folder)
    assert pool == "3 alpaca [\"field 'output' is null\"]"
    assert subset.startswith("<Selection of 100 of 1,500 rows by longest: ")
    assert experiment.startswith("quickstart [")
    assert mistake == "by: there is no method 'longst'. Did you mean 'longest'?"
    assert len((folder / "alpaca-1k/selected.jsonl").read_text().splitlines()) == 1000
    assert (folder / "scores/scores.parquet").is_file()


@pytest.mark.slow
@pytest.mark.models
def test_the_judge_runs_too(folder):
    pytest.importorskip("sentence_transformers")
    (block,) = [block for block in BLOCKS if "hp.judge" in block]
    lines = ran(f"import handpicked as hp\n{block}", folder)
    assert lines[0].startswith("No winner is named between answers-a and answers-b: fewer than 20 pairs")
    assert "Judge reference-similarity" in lines
    assert (folder / "judged/verdicts.jsonl").is_file()


def test_the_two_calls_that_should_be_the_same_are(folder):
    (block,) = [block for block in BLOCKS if "# the same\n" in block]
    one, other = (line.split("  #")[0] for line in block.splitlines())
    code = f"import handpicked as hp; print(({one}).rows.tolist() == ({other}).rows.tolist())"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


def test_every_error_class_is_in_its_table():
    import handpicked as hp

    named = set(re.findall(r"^\| `hp\.(\w+)` \|", PAGE, re.MULTILINE))
    classes = {
        name
        for name in hp.__all__
        if isinstance(getattr(hp, name), type) and issubclass(getattr(hp, name), hp.HandpickedError)
    }
    assert named == classes - {"HandpickedError"}


def test_every_function_of_its_table_is_public():
    import handpicked as hp

    functions = set(re.findall(r"^\| `hp\.(\w+)\(", PAGE, re.MULTILINE))
    assert functions == {
        "audit", "calibrate", "compare_measures", "judge", "read", "render", "replay", "run", "score", "select",
    }  # fmt: skip
    assert functions <= set(hp.__all__)
