"""The experiment file: every mistake at once, each with its line; overrides; the shipped experiments."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from handpicked.errors import ConfigError
from handpicked.experiment.file import load
from handpicked.experiment.places import shipped_experiments

GOOD = """\
name: mine
pool: {path: pool.jsonl, hold_out: 5}
arms:
  base: {by: none}
  longest: {by: longest, size: 10}
"""


def write(tmp_path, text):
    path = tmp_path / "experiment.yaml"
    path.write_text(textwrap.dedent(text))
    return path


def mistakes(tmp_path, text, *overrides):
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text), overrides)
    return [m.removeprefix(f"{tmp_path}/experiment.yaml") for m in caught.value.mistakes]


def test_a_good_file_loads_with_its_defaults(tmp_path):
    experiment = load(write(tmp_path, GOOD))
    assert experiment.candidate_arm == "longest"
    assert experiment.train.batch_size == 128 and experiment.evaluate.judges[0].name == "reference-similarity"


def test_all_mistakes_at_once_each_with_its_line(tmp_path):
    found = mistakes(
        tmp_path,
        """\
        name: x y
        pool: {pth: a, hold_out: -1}
        arms:
          a: {by: longest}
          b: {by: length-matched, of: aa, size: five}
        train: {learnin_rate: 1, method: lor}
        evaluate:
          prompts:
            - {name: v}
          judges: [{name: x, concurency: 3}]
        """,
    )
    assert len(found) == 11
    text = "\n".join(found)
    for expected in (
        r"line 1: 'name' is 'x y'",
        r"line 2: 'pool.pth' is not a field here. Did you mean 'path'\?",
        r"line 2: 'pool.path' is missing",
        r"line 4: arm 'a' needs exactly one of 'size' and 'fraction'",
        r"line 5: arm 'b': there is no arm 'aa'. Did you mean 'a'\?",
        r"line 5: 'arms.b.size' is 'five'",
        r"line 6: 'train.method' is 'lor', which is none of: lora, qlora or full",
        r"line 6: 'train.learnin_rate' is not a field here. Did you mean 'learning_rate'\?",
        r"line 9: test set 'v' needs 'path'",
        r"line 10: 'evaluate.judges.0.concurency' is not a field here. Did you mean 'concurrency'\?",
    ):
        assert re.search(expected, text), f"{expected}\nnot in\n{text}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "an experiment is a mapping"),
        ("- a\n- b\n", "an experiment is a mapping"),
        ("a: [1\nb: 2", "line 2: this is not YAML"),
        (GOOD + "name: other\n", "line 6: 'name' is given twice"),
        (GOOD.replace("pool.jsonl", "'${NOT_SET_ANYWHERE}/pool.jsonl'"), "NOT_SET_ANYWHERE is not set"),
        ("name: !!python/object/apply:os.system [ls]\n", "this is not YAML"),
    ],
)
def test_files_that_are_no_experiment(tmp_path, text, expected):
    assert expected in "\n".join(mistakes(tmp_path, text))


def test_a_missing_file_suggests_its_neighbour(tmp_path):
    write(tmp_path, GOOD)
    with pytest.raises(ConfigError, match=r"Did you mean 'experiment\.yaml'\?"):
        load(tmp_path / "experimnt.yaml")
    with pytest.raises(ConfigError, match="is a folder"):
        load(tmp_path)


def test_overrides_reach_into_mappings_and_lists(tmp_path):
    text = GOOD + "evaluate: {judges: [{name: scores}]}\n"
    experiment = load(
        write(tmp_path, text),
        [
            "pool=other.json",
            "train.learning_rate=2e-5",
            "evaluate.judges.0.model=gpt-4",
            "arms.longest.size=3",
        ],
    )
    assert experiment.pool.path == "other.json"
    assert experiment.train.learning_rate == 2e-5
    assert experiment.evaluate.judges[0].model == "gpt-4"
    assert experiment.arms["longest"].size == 3


def test_a_mistaken_override_is_named(tmp_path):
    assert mistakes(tmp_path, GOOD, "train.epochs=many")[0].startswith(
        "--set train.epochs=many: 'train.epochs'"
    )
    assert "key=value" in mistakes(tmp_path, GOOD, "train.epochs")[0]
    assert (
        "there is no '7'" in mistakes(tmp_path, GOOD + "evaluate: {judges: [{}]}\n", "evaluate.judges.7=x")[0]
    )


def test_an_override_of_an_arm_that_there_is_not_makes_none(tmp_path):
    assert mistakes(tmp_path, GOOD, "arms.longst.size=3") == [
        "--set arms.longst.size=3: there is no arm 'longst'. Did you mean 'longest'?"
    ]
    made = load(
        write(tmp_path, GOOD), ["arms.words.measure=words", "arms.words.by=longest", "arms.words.size=3"]
    )
    assert made.arms["words"].size == 3 and made.arms["words"].by == "longest"
    whole = load(write(tmp_path, GOOD), ["arms.few={by: longest, size: 3}", "arms.few.size=4"])
    assert whole.arms["few"].size == 4


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("pool.path=", "'pool.path' is null; it must be a text, or a list of texts."),
        ("pool.path={}", "'pool.path' is {}; it must be a text, or a list of texts."),
        ("model=3", "'model' is 3; it must be fields with values (name: value)."),
    ],
)
def test_a_value_of_another_type_is_one_plain_line(tmp_path, override, said):
    assert mistakes(tmp_path, GOOD, override)[0] == f"--set {override}: {said}"
    assert not [line for line in mistakes(tmp_path, GOOD, override) if "tuple" in line or "Settings" in line]


def test_environment_variables_with_a_default(tmp_path, monkeypatch):
    text = GOOD.replace("pool.jsonl", "'${POOLS:-here}/pool.jsonl'")
    assert load(write(tmp_path, text)).pool.path == "here/pool.jsonl"
    monkeypatch.setenv("POOLS", "/there")
    assert load(write(tmp_path, text)).pool.path == "/there/pool.jsonl"


def test_checks_of_the_stages_are_reported_with_the_rest(tmp_path):
    path = write(tmp_path, GOOD + "surplus: 1\n")
    with pytest.raises(ConfigError) as caught:
        load(path, also=lambda e: [(("arms", "longest", "by"), f"no selector '{e.arms['longest'].by}'.")])
    assert [m.split(": ", 1)[1] for m in caught.value.mistakes] == [
        "'surplus' is not a field here. Known: arms, candidate, cost, evaluate, expected, model, models, "
        "name, pool, pools, train, why.",
        "no selector 'longest'.",
    ]


SHIPPED = (
    "alpaca-small",
    "compare",
    "dolly-small",
    "domain",
    "llama2-7b-alpaca",
    "llama2-7b-dolly",
    "llama2-7b-wizardlm",
    "quickstart",
    "sizes",
)


def test_every_shipped_experiment_is_tested():
    assert shipped_experiments() == list(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_experiments_say_why_at_what_cost_and_what_is_expected(name):
    experiment = load(Path(name))
    assert experiment.name == name
    assert experiment.why and experiment.cost and experiment.expected


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{after}: &{after} [{','.join(['*' + before] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("a: 1\nb: &x [*x]\n", "line 2", "has no end"),
        ("a: &n {<<: *n}\n", "line 1", "has no end"),
        ("a:\n  " + "[" * 5000, "line 2", "nested more than 64 deep"),
        ("\n".join(" " * depth + "a:" for depth in range(300)), "line 65", "nested more than 64 deep"),
        (LAUGHS, "line 6", "more than 100,000 values"),
        (
            "name: a\npool: 2024-13-45\n",
            "line 2",
            "'2024-13-45' is not a valid value: month must be in 1..12",
        ),
        ("name: a\npool: " + "9" * 5000 + "\n", "line 2", "is not a valid value"),
        ("name: a\npool: !!int abc\n", "line 2", "'abc' is not a valid value"),
    ],
)
def test_yaml_that_recurses_multiplies_or_holds_what_is_no_value(tmp_path, text, place, says):
    path = tmp_path / "e.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    message = str(caught.value)
    assert f"{path}, {place}: " in message
    assert says in message
    assert "\n" not in message


def test_values_of_overrides_are_checked_alike(tmp_path):
    (tmp_path / "e.yaml").write_text("name: a\n")
    with pytest.raises(ConfigError):
        load(tmp_path / "e.yaml", ["pool=" + "[" * 5000, "name=2024-13-45"])
