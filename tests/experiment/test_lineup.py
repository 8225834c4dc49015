"""From the arms of the file to the models that are trained: names, who meets whom, and
every mistake with its line.
"""

from __future__ import annotations

import textwrap

import pytest

from handpicked.errors import ConfigError
from handpicked.experiment.file import load
from handpicked.experiment.lineup import lineup

PLAIN = """\
name: mine
pool: {path: pool.jsonl, hold_out: 5}
arms:
  base: {by: none}
  longest: {by: longest, size: 10}
  random: {by: random, size: 10, seed: 3}
  matched: {by: length-matched, of: longest, size: 10}
"""
RICH = """\
name: rich
pool: {path: pool.jsonl, hold_out: 5}
pools:
  medical: {path: med.jsonl, hold_out: 3}
models:
  small: {name: one}
  large: {name: two}
arms:
  base: {by: none}
  full: {by: full}
  longest: {by: longest, sizes: [100, 1000, 300]}
  random: {by: random, size: 1000, seeds: [1, 2, 3]}
  matched: {by: length-matched, of: longest, sizes: [100, 1000]}
  domain: {by: longest, pool: medical, fraction: 0.5, model: large}
candidate: longest
evaluate:
  prompts: [{name: held-out}, {name: medicine, pool: medical}]
"""


def expand(tmp_path, text, *overrides):
    path = tmp_path / "e.yaml"
    path.write_text(textwrap.dedent(text))
    return lineup(load(path, overrides))


def mistakes(tmp_path, text):
    with pytest.raises(ConfigError) as caught:
        expand(tmp_path, text)
    return [mistake.removeprefix(f"{tmp_path}/e.yaml, ") for mistake in caught.value.mistakes]


def test_an_experiment_without_any_of_it_stays_as_it_is(tmp_path):
    found = expand(tmp_path, PLAIN)
    assert found.experiment == found.written
    assert [arm.name for arm in found.arms] == ["base", "longest", "random", "matched"]
    assert all(arm.members == (arm.name,) for arm in found.arms)
    assert found.candidates == ("longest",)
    assert found.comparisons() == [("longest", "base"), ("longest", "random"), ("longest", "matched")]
    assert found.curves() == []


def test_sizes_models_and_seeds_make_arms_and_members_that_know_where_they_belong(tmp_path):
    found = expand(tmp_path, RICH)
    names = [arm.name for arm in found.arms if arm.base == "small"]
    assert names == [
        "base-small", "full-small", "longest-small-100", "longest-small-1000", "longest-small-300", "random-small",
        "matched-small-100", "matched-small-1000",
    ]  # fmt: skip
    random = found.arm("random-large-s2")
    assert (random.name, random.family, random.base) == ("random-large", "random", "large")
    assert random.members == ("random-large-s1", "random-large-s2", "random-large-s3")
    assert found.train("random-large-s2").seed == 2 and found.experiment.arms["random-large-s2"].seed == 2
    assert found.model("random-large-s2").name == "two" and found.model("longest-small-300").name == "one"
    assert found.experiment.arms["longest-small-300"].size == 300
    assert found.experiment.arms["matched-large-1000"].of == "longest-large-1000"
    assert [arm.name for arm in found.arms if arm.family == "domain"] == ["domain"]
    assert found.pool(found.experiment.arms["domain"].pool).path == "med.jsonl"


def test_the_candidate_of_a_family_is_its_largest_on_every_model_unless_one_is_named(tmp_path):
    assert expand(tmp_path, RICH).candidates == ("longest-small-1000", "longest-large-1000")
    named = RICH.replace("candidate: longest", "candidate: longest-large-300")
    assert expand(tmp_path, named).candidates == ("longest-small-300", "longest-large-300")


def test_arms_meet_within_their_base_like_meets_like_and_every_size_meets_the_untouched_model(tmp_path):
    found = expand(tmp_path, RICH)
    small = [pair for pair in found.arm_comparisons() if pair[0].split("-")[1] == "small"]
    assert small == [
        ("longest-small-1000", "base-small"),
        ("longest-small-1000", "full-small"),
        ("longest-small-1000", "random-small"),
        ("longest-small-1000", "matched-small-1000"),
        ("full-small", "base-small"),
        ("longest-small-100", "base-small"),
        ("longest-small-300", "base-small"),
        ("matched-small-100", "base-small"),
        ("matched-small-1000", "base-small"),
    ]
    bases = {member: arm.base for arm in found.arms for member in arm.members}
    assert all(bases[a] == bases[b] for a, b in found.comparisons())
    assert [arm.name for arm in found.curves()[0]] == [
        "longest-small-100", "longest-small-300", "longest-small-1000", "full-small",
    ]  # fmt: skip


def test_every_two_arms_of_a_base_meet_when_all_pairs_are_asked_for(tmp_path):
    found = expand(tmp_path, RICH + "  pairs: all\n")
    assert len(found.arm_comparisons()) == 8 * 7 // 2 + 9 * 8 // 2


def test_seeds_meet_seed_by_seed_and_an_arm_of_one_model_meets_each(tmp_path):
    text = PLAIN.replace("size: 10, seed: 3", "size: 10, seeds: [1, 2]").replace(
        "by: longest, size: 10", "by: longest, size: 10, seeds: [1, 2]"
    )
    assert expand(tmp_path, text).comparisons() == [
        ("longest-s1", "base"), ("longest-s2", "base"), ("longest-s1", "random-s1"), ("longest-s2", "random-s2"),
        ("longest-s1", "matched"), ("longest-s2", "matched"),
    ]  # fmt: skip


def test_a_length_matched_arm_matches_its_own_seed(tmp_path):
    text = """\
        name: mine
        pool: {path: pool.jsonl, hold_out: 5}
        arms:
          random: {by: random, size: 10, seeds: [1, 2]}
          matched: {by: length-matched, of: random, size: 10, seeds: [2, 1]}
    """
    arms = expand(tmp_path, text).experiment.arms
    assert (arms["matched-s2"].of, arms["matched-s1"].of) == ("random-s2", "random-s1")


def test_fractions_are_named_by_their_percentage(tmp_path):
    text = PLAIN.replace("{by: longest, size: 10}", "{by: longest, fractions: [0.06, 0.5, 0.005]}")
    text = text.replace("of: longest,", "of: longest-50pct,")
    assert [arm.name for arm in expand(tmp_path, text).arms][1:4] == [
        "longest-6pct",
        "longest-50pct",
        "longest-0.5pct",
    ]


def test_all_mistakes_of_arms_are_reported_at_once_each_with_its_line(tmp_path):
    found = mistakes(
        tmp_path,
        """\
        name: mine
        model: {name: x}
        models:
          small: {name: one}
        pool: {path: pool.jsonl}
        pools:
          medical: {path: med.jsonl}
        arms:
          base: {by: none, seeds: [1]}
          a: {by: longest, sizes: [10, 20], size: 5}
          b: {by: random, size: 10, seed: 1, seeds: [1, 2]}
          c: {by: random, sizes: [10, 10], model: smal}
          d: {by: longest, size: 10, pool: medcal}
          e: {by: longest, sizes: [1, 2]}
          e-1: {by: longest, size: 10}
          f: {by: length-matched, of: e, size: 3}
          g: {by: full, size: 3}
        candidate: longst
        evaluate:
          prompts: [{name: x, pool: medical}, {name: y, pool: nowhere}, {name: z, pool: medical, path: z}]
        """,
    )
    expected = [
        "line 2: 'model' and 'models' are both given; keep one of them.",
        "line 9: arm 'base' is not trained: 'seeds' have no effect there.",
        "line 10: arm 'a' needs exactly one of 'size' and 'fraction', or several as 'sizes' or 'fractions'.",
        "line 11: arm 'b' has both 'seed' and 'seeds'; keep one of them.",
        "line 12: arm 'c' has a value twice in 'sizes'.",
        "line 12: arm 'c' names a model 'smal' that is not in 'models'. Did you mean 'small'?",
        "line 13: arm 'd' names a pool 'medcal' that is not in 'pools'. Did you mean 'medical'?",
        "line 15: arm 'e-1' would be named 'e-1', which arm 'e' is named; rename one.",
        "line 16: arm 'f': 'e' is several arms; name one of e-1, e-2.",
        "line 17: arm 'g' is the whole pool: 'size' has no effect there.",
        "line 18: there is no arm 'longst'. Known: ",
        "line 20: test set 'x' needs 'pools.medical.hold_out', the number of rows to hold out.",
        "line 20: test set 'y' names a pool 'nowhere' that is not in 'pools'. Known: medical.",
        "line 20: test set 'z' has both 'path' and 'pool'; keep one.",
    ]
    for line in expected:
        assert any(mistake.startswith(line) for mistake in found), f"{line}\nnot in\n" + "\n".join(found)
    assert len(found) == len(expected), found
