"""docs/extending.md as written: its files are saved as it says, then its commands and its Python are run."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests"))

from local_endpoint import Act, LocalEndpoint, local_endpoint  # noqa: E402

PAGE = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = re.findall(r"^    (handpicked .*)$", PAGE, re.MULTILINE)
JUDGING = [command for command in COMMANDS if command.startswith("handpicked judge")]
ROWS = 1300  # of which 1,000 are selected after 100 are held out, and some are too short


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's folder: the files of the page, an Alpaca file, answers of two models, and labelled pairs."""
    place = tmp_path_factory.mktemp("extending")
    for _, text in BLOCKS:
        if named := re.match(r"# (\S+\.\w+)\n", text):
            (place / named.group(1)).parent.mkdir(exist_ok=True)
            (place / named.group(1)).write_text(text)
    (prompt,) = [text for language, text in BLOCKS if language == "text"]
    (place / "kind" / "prompt.txt").write_text(prompt)
    draw = random.Random(0)
    pool = [
        {
            "instruction": f"Do {i}.",
            "input": "",
            "output": " ".join(draw.choices(WORDS, k=draw.randint(1, 80))),
        }
        for i in range(ROWS)
    ]
    (place / "alpaca_data.json").write_text(json.dumps(pool))
    for model in ("a", "b"):
        answers = [{"prompt": f"What is {i}?", "answer": f"{i}, says {model}."} for i in range(4)]
        (place / f"answers-{model}.json").write_text(json.dumps(answers))
    labelled = [
        {"prompt": f"What is {i}?", "answer_a": "Kind.", "answer_b": "Curt.", "preferred": "a"}
        for i in range(4)
    ]
    (place / "labelled.jsonl").write_text("\n".join(map(json.dumps, labelled)))
    return place


WORDS = ["kind", "stupid", "idiot", "word", "thing", "answer"]


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalEndpoint]:
    """An endpoint that finds the kind answer the kinder one."""

    def act(body: dict[str, object], _: int) -> Act:
        messages: list[dict[str, str]] = body["messages"]  # type: ignore[assignment]
        first = messages[-1]["content"].split("ANSWER A")[1].split("ANSWER B")[0]
        return Act(f"It is friendlier.\nVerdict: {'A' if 'Kind' in first or 'says a' in first else 'B'}")

    with local_endpoint(act) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-extending")
        yield server


def handpicked(command: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def outputs(folder: Path, out: str) -> list[str]:
    lines = (folder / out / "selected.jsonl").read_text().splitlines()
    return [json.loads(line)["output"] for line in lines]


def insults(text: str) -> float:
    words = text.split()
    return sum(word in ("stupid", "idiot") for word in words) / len(words)


def test_every_command_of_the_page_is_run_here():
    assert len(COMMANDS) == 8
    assert len(JUDGING) == 2


def test_the_scorer_gives_each_row_its_share(folder):
    (score, polite, rude) = [one for one in COMMANDS if "Toxicity" in one]
    handpicked(score, folder)
    table = pq.read_table(folder / "toxicity" / "scores.parquet")
    assert table.num_rows == ROWS
    rows = json.loads((folder / "alpaca_data.json").read_text())
    shares = [insults(row["output"]) for row in rows]
    assert table["toxicity"].to_pylist() == pytest.approx(shares)
    handpicked(polite, folder)
    assert sorted(map(insults, outputs(folder, "polite"))) == pytest.approx(sorted(shares)[:1000])
    handpicked(rude, folder)
    assert sorted(map(insults, outputs(folder, "rude"))) == pytest.approx(sorted(shares)[-100:])


def test_the_pool_scorer_ranks_rows_by_their_distance_from_the_mean(folder):
    (command,) = [one for one in COMMANDS if "Unusual" in one]
    handpicked(command, folder)
    lengths = [len(row["output"]) for row in json.loads((folder / "alpaca_data.json").read_text())]
    mean = sum(lengths) / len(lengths)
    usual = sorted(abs(length - mean) for length in lengths)[:1000]
    assert sorted(abs(len(one) - mean) for one in outputs(folder, "usual")) == pytest.approx(usual)


def test_the_selector_keeps_the_most_verbose(folder):
    (command,) = [one for one in COMMANDS if "Verbose" in one]
    handpicked(command, folder)
    words = sorted(
        len(row["output"].split()) for row in json.loads((folder / "alpaca_data.json").read_text())
    )
    assert sorted(len(one.split()) for one in outputs(folder, "verbose")) == words[-1000:]
    assert "least" in handpicked("handpicked methods ./mine.py:Verbose", folder)


def test_the_filter_drops_what_it_finds(folder):
    (command,) = [one for one in COMMANDS if "Shouting" in one]
    handpicked(command, folder)
    reasons = pq.read_table(folder / "calm" / "scores.parquet")["shouting"].to_pylist()
    assert reasons == [None] * ROWS  # nothing in this pool shouts
    assert len(outputs(folder, "calm")) == 1000


def test_the_python_of_the_page_runs(folder):
    (code,) = [text for language, text in BLOCKS if language == "python" and not text.startswith("# ")]
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(outputs(folder, "verbose-1k")) == 1000
    assert sorted(outputs(folder, "polite-1k")) == sorted(outputs(folder, "polite"))


def test_the_experiment_of_the_page_is_planned(folder):
    pytest.importorskip("transformers", reason="a dry run looks at the model")
    (block,) = [text for language, text in BLOCKS if language == "yaml" and "arms" in yaml.safe_load(text)]
    (folder / "own-selector.yaml").write_text(block)
    said = handpicked("handpicked run own-selector.yaml --dry-run", folder)
    for arm in ("verbose", "polite", "random"):
        assert re.search(rf"^\s*{arm}\s.*1,000", said, re.MULTILINE), said


@pytest.mark.parametrize("command", JUDGING)
def test_the_judge_of_the_page_judges(command, folder, endpoint):
    said = handpicked(command, folder)
    assert len(endpoint.asked) == 8  # four pairs in both orders
    assert all("Which answer is kinder to its reader?" in prompt for prompt in endpoint.asked)
    assert "100" in said


def test_the_package_of_the_page_adds_its_methods(folder, monkeypatch):
    (project,) = [text for language, text in BLOCKS if language == "toml"]
    info = folder / "site" / "my_package-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    points = re.sub(r'\[project\.entry-points\."(.*)"\]', r"[\1]", project).replace('"', "")
    (info / "entry_points.txt").write_text(points.partition("\n")[2])
    package = folder / "my_package"
    parts = [folder / "mine.py", folder / "shouting.py", package / "methods.py"]
    methods = "\n".join(part.read_text() for part in parts)
    home = folder / "site" / "my_package"
    home.mkdir()
    (home / "__init__.py").write_text("")
    (home / "methods.py").write_text(methods.replace("from __future__ import annotations\n", ""))
    (home / "kind").symlink_to(folder / "kind")
    path = [str(folder / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    handpicked("handpicked select alpaca_data.json --by verbose --size 10 -o by-name", folder)
    assert outputs(folder, "by-name") == [one for one in outputs(folder, "by-name") if len(one.split()) > 70]
    handpicked("handpicked select alpaca_data.json --by toxicity --size 10 -o polite-by-name", folder)
    quiz = folder / "quiz.jsonl"
    quiz.write_text("".join(json.dumps({"ask": f"{i}?", "reply": "yes " * i}) + "\n" for i in range(20)))
    found = handpicked("handpicked select quiz.jsonl --pool-format quiz --size 2 -o quizzes --json", folder)
    assert json.loads(found)["format"] == "quiz"
    assert "kinder" in handpicked("handpicked methods kind", folder)
