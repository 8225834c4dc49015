"""Packages bring scorers, selectors and judges by entry points; one that is broken
is a line, not a traceback.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCORER = """
from dataclasses import dataclass
from typing import ClassVar
import pyarrow as pa, pyarrow.compute as pc
import handpicked as hp

@dataclass(frozen=True)
class Shouts(hp.Scorer):
    name: ClassVar[str] = "shouts"
    about: ClassVar[str] = "how many exclamation marks a response has"
    better: ClassVar[str] = "low"

    def __call__(self, batch):
        return pc.cast(pc.count_substring(batch["response"], "!"), pa.float64())

@dataclass(frozen=True)
class First(hp.Selector):
    name: ClassVar[str] = "first"
    about: ClassVar[str] = "the first rows"
    columns: ClassVar[tuple] = ()

    def select(self, scores, size):
        import numpy as np
        return np.concatenate([batch["row"].to_numpy() for batch in scores.batches(())])[:size]
"""
ENTRIES = """[handpicked.scorers]
shouts = acme_methods:Shouts
gone = acme_methods:Gone

[handpicked.selectors]
first = acme_methods:First

[handpicked.judges]
strict = acme_judge
"""
JUDGE = "about: a strict judge\nreads: scores\n"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder on the path that holds an installed distribution."""
    place = tmp_path / "site"
    (place / "acme-1.0.dist-info").mkdir(parents=True)
    (place / "acme-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n"
    )
    (place / "acme-1.0.dist-info" / "entry_points.txt").write_text(ENTRIES)
    (place / "acme_methods.py").write_text(SCORER)
    (place / "acme_judge").mkdir()
    (place / "acme_judge" / "__init__.py").write_text("")
    (place / "acme_judge" / "judge.yaml").write_text(JUDGE)
    (place / "acme_judge" / "prompt.txt").write_text("{prompt} {first} {second}")
    rows = [{"prompt": "ask", "response": text} for text in ("wow!!", "fine", "no!")]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


def run(package: Path, *code: str, words: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    start = ["-c", f"import sys; sys.path.insert(0, {str(package)!r}); {code[0]}"] if code else []
    command = "import sys; sys.path.insert(0, sys.argv.pop(1)); from handpicked.cli import main; main()"
    words = tuple(map(str, words))
    arguments = start or ["-c", command, str(package), *words]
    return subprocess.run(
        [sys.executable, *arguments], cwd=package.parent, capture_output=True, text=True, check=False
    )


def test_a_scorer_and_a_selector_of_a_package_are_named_like_any_other(package):
    done = run(package, words=("select", "pool.jsonl", "--by", "shouts", "--size", 1, "-o", "calm"))
    assert done.returncode == 0, done.stderr
    assert json.loads((package.parent / "calm" / "selected.jsonl").read_text())["response"] == "fine"
    done = run(package, words=("select", "pool.jsonl", "--by", "first", "--size", 2, "-o", "two"))
    assert done.returncode == 0 and (package.parent / "two" / "selected.jsonl").read_text().count("\n") == 2


def test_one_that_cannot_be_loaded_is_a_line(package):
    done = run(package, words=("select", "pool.jsonl", "--by", "gone", "--size", 1, "-o", "x"))
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert "acme_methods:Gone" in done.stderr


def test_a_judge_of_a_package_is_loaded_by_name(package):
    done = run(package, "from handpicked.judges import load_judge; print(load_judge('strict').about)")
    assert done.stdout == "a strict judge\n", done.stderr
