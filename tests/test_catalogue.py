"""Every method is found by its class, says what it does, and states settings that can be read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import handpicked as hp
from handpicked.catalogue import GUARDS, SCORERS, SELECTORS
from handpicked.config import SelectSettings
from handpicked.errors import ConfigError
from handpicked.experiment.checks import mistakes
from handpicked.experiment.file import load
from handpicked.experiment.methods import explained, listed
from handpicked.experiment.run import run
from handpicked.judges import shipped_judges
from handpicked.method import make, settings_of
from handpicked.scorers.pool_scorer import PoolScorer
from handpicked.selection.methods import measures

SELECTED = {
    "balanced", "best-response", "bottom", "car", "deita", "facility-location", "full", "k-center", "kmeans", "length-matched",
    "longest", "power-law", "qdit", "random", "semdedup", "shortest", "t-shirt", "top", "window",
}  # fmt: skip
BY_MODELS = {
    "deita-complexity", "deita-quality", "deita-score", "embedding", "ifd", "less", "llm-rating", "perplexity",
    "rds", "reward", "superfiltering", "t-shirt", "target-similarity",
}  # fmt: skip


def test_every_shipped_method_is_found_by_its_class():
    assert set(SELECTORS.shipped) == SELECTED
    assert {name for name, one in SCORERS.shipped.items() if issubclass(one, PoolScorer)} == BY_MODELS
    assert len(SCORERS.shipped) - len(BY_MODELS) == 28
    assert set(measures()) == set(SelectSettings.model_fields["measure"].annotation.__args__)


def test_everything_is_listed():
    kinds = {kind.partition(" (")[0]: {entry.name for entry in entries} for kind, entries in listed().items()}
    assert kinds["Selectors"] == {"none", *SELECTED}
    assert kinds["Scorers by a model, an endpoint or a target set"] == BY_MODELS
    assert kinds["Guards"] == set(GUARDS.names)
    assert kinds["Judges"] == set(shipped_judges())


def test_every_method_and_every_setting_says_what_it_is():
    for entries in listed().values():
        for entry in entries:
            assert entry.about and entry.cost, entry.name
            for one in entry.settings:
                assert one.about, f"{entry.name}: {one.name}"


def test_a_method_is_explained_with_its_settings():
    (kmeans,) = explained("kmeans")
    assert [one.name for one in kmeans.settings] == ["clusters", "take", "measure", "sample", "seed"]
    assert kmeans.settings[1].type == "nearest | random | longest"
    assert [entry.cost for entry in explained("deita-score")] == ["model forward"]
    with pytest.raises(ConfigError, match="Did you mean 'kmeans'"):
        explained("kmean")


def test_all_mistakes_in_the_settings_of_a_method_are_reported_at_once():
    with pytest.raises(ConfigError) as error:
        make(SELECTORS.shipped["kmeans"], "kmeans", {"clusters": 0, "takee": "x", "take": "random"})
    assert [one.partition(":")[0] for one in error.value.mistakes] == ["takee", "clusters"]
    made = make(SELECTORS.shipped["kmeans"], "kmeans", {"clusters": "3", "take": "random"})
    assert (made.clusters, made.take, made.seed) == (3, "random", 0)


def test_settings_of_a_group_are_flat():
    names = [one.name for one in settings_of(SCORERS.shipped["superfiltering"])]
    server = ["server", "server_python", "server_options", "server_wait"]
    assert names == ["model", "revision", "trust_remote_code", "max_length", "compile", "engine", *server]
    made = make(SCORERS.shipped["superfiltering"], "superfiltering", {"model": "m"})
    assert (made.lm.model, made.lm.template) == ("m", "plain")


def test_the_command_line_is_quick_because_it_loads_no_method():
    code = "import sys, handpicked.cli.commands; print([m for m in ('numpy', 'pyarrow', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_finding_methods_loads_no_model_library():
    code = (
        "import sys; from handpicked.catalogue import SCORERS, SELECTORS; SCORERS.names; SELECTORS.names;"
        "print([m for m in ('torch', 'transformers', 'aiohttp', 'daft', 'faiss') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


MINE = '''
from dataclasses import dataclass
from typing import ClassVar
import pyarrow as pa, pyarrow.compute as pc
import handpicked as hp

@dataclass(frozen=True)
class Shouts(hp.Scorer):
    """How many exclamation marks a response has."""

    least: int = 0
    """Marks that are free."""
    name: ClassVar[str] = "shouts"
    unit: ClassVar[str] = "marks"
    better: ClassVar[str] = "low"

    def __call__(self, batch):
        found = pc.count_substring(batch["response"], "!")
        return pc.cast(pc.max_element_wise(pc.subtract(found, self.least), 0), pa.float64())

@dataclass(frozen=True)
class Every(hp.Selector):
    """Every nth row."""

    step: int = 2
    """The distance of rows kept."""
    name: ClassVar[str] = "every"
    columns: ClassVar[tuple] = ()

    def select(self, scores, size):
        import numpy as np
        rows = np.concatenate([batch["row"].to_numpy() for batch in scores.batches(())])
        return rows[:: self.step][:size]
'''


def test_the_users_own_file_is_a_method(tmp_path: Path):
    (tmp_path / "mine.py").write_text(MINE)
    scorer = SCORERS.find(f"{tmp_path / 'mine.py'}:Shouts", "scorer")
    assert [(one.name, one.about) for one in settings_of(scorer)] == [("least", "Marks that are free.")]
    with pytest.raises(ConfigError, match=r"has no class 'Shoutz'.*Did you mean 'Shouts'"):
        SCORERS.find(f"{tmp_path / 'mine.py'}:Shoutz", "scorer")
    with pytest.raises(ConfigError, match="is not a scorer"):
        SCORERS.find(f"{tmp_path / 'mine.py'}:Every", "scorer")
    (tmp_path / "broken.py").write_text("1 / 0\n")
    with pytest.raises(ConfigError, match=r"broken\.py, line 1: ZeroDivisionError"):
        SCORERS.find(f"{tmp_path / 'broken.py'}:X", "scorer")
    with pytest.raises(ConfigError, match="There is no file"):
        SCORERS.find("nowhere.py:X", "scorer")


def rows(tmp_path: Path) -> Path:
    texts = ["fine", "great!", "wow!!!", "no", "yes!!", "calm"]
    (tmp_path / "mine.py").write_text(MINE)
    file = tmp_path / "pool.jsonl"
    file.write_text(
        "".join(json.dumps({"prompt": f"ask {n}", "response": text}) + "\n" for n, text in enumerate(texts))
    )
    return file


def handpicked(tmp_path: Path, *words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "handpicked", *map(str, words)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def kept(folder: Path) -> list[str]:
    return [json.loads(line)["response"] for line in (folder / "selected.jsonl").open()]


def test_a_file_of_the_users_own_selects_and_scores_from_the_command_line(tmp_path):
    pool = rows(tmp_path)
    handpicked(tmp_path, "select", pool, "--by", "./mine.py:Shouts", "--size", 3, "-o", "calm")
    assert kept(tmp_path / "calm") == ["fine", "no", "calm"]
    handpicked(
        tmp_path, "select", pool, "--by", "./mine.py:Every", "--set", "step=3", "--size", 2, "-o", "every"
    )
    assert kept(tmp_path / "every") == ["fine", "no"]
    by = ["--by", "top", "--field", "./mine.py:Shouts", "--set", "score.least=2"]
    handpicked(tmp_path, "select", pool, *by, "--size", 1, "-o", "loud")
    assert kept(tmp_path / "loud") == ["wow!!!"]
    handpicked(tmp_path, "score", pool, "--scorer", "./mine.py:Shouts", "--scorer", "words", "-o", "scores")
    table = pq.read_table(tmp_path / "scores" / "scores.parquet").to_pydict()
    assert table["shouts"] == [0, 1, 3, 0, 2, 0] and len(table["words"]) == 6


def test_methods_explains_a_file_of_the_users_own(tmp_path):
    rows(tmp_path)
    assert "step" in handpicked(tmp_path, "methods", "./mine.py:Every")
    assert "better" in handpicked(tmp_path, "methods", "./mine.py:Shouts", "--json")


def test_an_experiment_selects_by_a_file_of_the_users_own_and_again_when_it_changes(tmp_path):
    pool, arms = rows(tmp_path), ""
    mine = tmp_path / "mine.py"
    arms += f"  calm: {{by: {mine}:Shouts, size: 2}}\n"
    arms += f"  every: {{by: {{'{mine}:Every': {{step: 3}}}}, size: 1}}\n"
    (tmp_path / "e.yaml").write_text(f"name: mine\npool: {{path: {pool}, hold_out: 1}}\narms:\n{arms}")
    said: list[str] = []
    made = load(tmp_path / "e.yaml", also=mistakes)
    run(made, tmp_path / "run", until="select", say=said.append)
    first = kept(tmp_path / "run" / "subset" / "calm")
    assert not any("!" in text for text in first) and len(first) == 2
    run(made, tmp_path / "run", until="select", say=said.append)
    assert said == []
    mine.write_text(MINE.replace('"low"', '"high"'))
    run(load(tmp_path / "e.yaml", also=mistakes), tmp_path / "run", until="select", say=said.append)
    assert any("subset/calm: runs again because its input method" in line for line in said)
    assert all("!" in text for text in kept(tmp_path / "run" / "subset" / "calm"))


def test_a_method_by_name_from_python(tmp_path):
    pool = hp.read(rows(tmp_path))
    longest = hp.select(pool, hp.Longest(), size=2).rows.tolist()
    assert hp.select(pool, "longest", size=2).rows.tolist() == longest
    assert hp.select(pool, {"window": {"low": 0.5, "seed": 1}}, size=2).summary.kept == 2
    assert hp.select(pool, f"{tmp_path / 'mine.py'}:Shouts", size=1).summary.kept == 1
    with pytest.raises(ConfigError, match="Did you mean 'longest'"):
        hp.select(pool, "longst", size=2)
    from handpicked.selectors import KMeans, Longest  # every shipped one can be imported

    assert Longest().name == "longest" and KMeans(clusters=3).clusters == 3
    from handpicked.scorers import Ifd, LengthWords

    assert LengthWords().name == "words" and Ifd().name == "ifd"
