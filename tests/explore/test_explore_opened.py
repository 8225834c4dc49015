"""What is opened adds up, belongs to its pool, and says what is wrong where it does not."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_explored import alpaca, run, selection, write

import handpicked as hp
from handpicked.config import SelectSettings
from handpicked.data import read
from handpicked.errors import ConfigError, PoolError
from handpicked.explore import Wanted, open_wanted
from handpicked.explore.index import Reading, index_of
from handpicked.explore.session import Session
from handpicked.selection import pick
from handpicked.selection.scoring import score_into
from made_folder import judged_folder


def opened(*what, **more):
    return open_wanted(Wanted(tuple(map(str, what)), **more))


def states(found, column="state"):
    shown = found.table.column(column).shown(np.arange(found.table.rows))
    return {state: [row for row, one in enumerate(shown) if one == state] for state in {*shown}}


def test_a_pool_without_scores(pool):
    found = opened(pool)
    assert (found.kind, found.accounts) == ("pool", {"readable": 39, "rejected": 1})
    assert states(found)["rejected"] == [7]
    assert found.shown == ("response characters",) and "score" not in found.groups.values()
    lengths = found.table.column("response characters")
    expected = [len(example.response) for example in hp.read(pool).examples()]
    assert lengths.shown(np.array([8]))[0] == 45.0, "one row alone"
    assert [one for one in lengths.values.tolist() if one == one] == expected, "and all of them"
    assert found.table.column("level").shown(np.array([10, 11])) == [1.0, None]
    assert found.table.column("checked").shown(np.array([10, 11, 7])) == ["true", "false", None]


def test_kept_and_dropped_and_rejected_are_the_pool(pool, tmp_path):
    folder = selection(pool, tmp_path / "out")
    found = opened(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert found.accounts == {"kept": 5, "dropped": 34, "rejected": 1}
    assert sum(found.accounts.values()) == found.table.rows == manifest["counts"]["pool"]
    of_state = states(found)
    scores = pq.read_table(folder / "scores.parquet").to_pylist()
    assert of_state["kept"] == [row["row"] for row in scores if row["kept"]]
    assert of_state["rejected"] == [7] and len(of_state["dropped"]) == 34
    rows = np.arange(40)
    assert found.table.column("tokens").shown(rows) == [row["tokens"] for row in scores]
    assert found.table.column("reason").shown(rows) == [row["reason"] for row in scores]
    assert found.shown == ("tokens",) and found.groups["tokens"] == "score"


@pytest.mark.parametrize("name", ["", "scores.parquet"])
def test_scores_alone_leave_rejected_rows_without_one(pool, tmp_path, name):
    score_into(hp.read(pool), ["tokens", "compression_ratio"], tmp_path / "out")
    found = opened(tmp_path / "out" / name)
    assert (found.kind, found.accounts) == ("scores", {"scored": 39, "rejected": 1})
    tokens = found.table.column("tokens").shown(np.arange(40))
    assert tokens[7] is None and None not in tokens[:7] + tokens[8:]
    assert found.groups["compression_ratio"] == "score"


def test_arms_of_a_run_and_how_they_overlap(tmp_path):
    found = opened(run(tmp_path / "run", ("longest", "random", "shortest")[:3], (5, 10, 5)))
    kept = {
        arm: {
            row["row"]
            for row in pq.read_table(tmp_path / "run/subset" / arm / "scores.parquet").to_pylist()
            if row["kept"]
        }
        for arm in ("longest", "random", "shortest")
    }
    in_any = set().union(*kept.values())
    assert found.accounts == {"in an arm": len(in_any), "in no arm": 39 - len(in_any), "rejected": 1}
    for arm, rows in kept.items():
        assert set(states(found, f"arm {arm}")["kept"]) == rows
    overlap = Session(found).overlap({})
    assert dict(zip(overlap["arms"], overlap["sizes"], strict=True)) == {
        arm: len(rows) for arm, rows in kept.items()
    }
    for inside, count in overlap["combinations"]:
        arms = [arm for arm, there in zip(overlap["arms"], inside, strict=True) if there]
        exact = set.intersection(*(kept[arm] for arm in arms)) - set().union(
            *(kept[arm] for arm in kept if arm not in arms)
        )
        assert count == len(exact) and set(states(found, "arms")[" + ".join(arms)]) == exact
    assert sum(count for _, count in overlap["combinations"]) + overlap["none"] + overlap["others"] == 40
    assert [name for name, group in found.groups.items() if group == "score"] == ["tokens"], "each score once"
    assert found.pairs is not None and len(found.pairs.cases) == 12


def test_an_arm_of_another_pool_is_named_and_left_out(tmp_path):
    folder = run(tmp_path / "run", ("longest", "random"))
    other = selection(write(tmp_path / "other.jsonl", alpaca(20)), folder / "subset" / "elsewhere")
    found = opened(folder)
    assert list(found.arms) == ["longest", "random"]
    assert found.remarks == (
        f"elsewhere: selected from another pool, so not on this page. See 'handpicked explore {other}'.",
    )


def test_a_run_that_was_moved_is_read_where_it_is(tmp_path):
    shutil.move(run(tmp_path / "run"), tmp_path / "moved")
    assert opened(tmp_path / "moved").table.rows == 40


def test_a_judged_folder_has_pairs_alone(tmp_path):
    found = opened(judged_folder(tmp_path / "judged"))
    assert (found.kind, found.table, len(found.pairs.cases)) == ("judged pairs", None, 4)
    with pytest.raises(ConfigError, match="no rows here"):
        Session(found).rows({})


def test_a_pool_that_is_gone_or_replaced(pool, tmp_path):
    folder = selection(pool, tmp_path / "out")
    moved = pool.rename(tmp_path / "moved.jsonl")
    with pytest.raises(ConfigError, match=r"pool\.jsonl is missing.* --pool"):
        opened(folder)
    assert opened(folder, pool=(str(moved),)).accounts["kept"] == 5


@pytest.mark.parametrize("change", ["another row", "another order", "fewer rows", "more rows"])
def test_scores_of_another_pool_are_refused(pool, tmp_path, change):
    folder = selection(pool, tmp_path / "out")
    rows = alpaca()
    rows[3]["output"] = "another answer" if change == "another row" else rows[3]["output"]
    rows = {"another order": rows[::-1], "fewer rows": rows[:30], "more rows": rows + alpaca()[:1]}.get(
        change, rows
    )
    write(pool, rows)
    with pytest.raises(PoolError, match="--pool"):
        opened(folder)


def test_scores_of_a_pool_that_was_read_otherwise_are_refused(tmp_path):
    rows = [
        {
            "messages": [
                {"role": role, "content": f"{role} {i} {n}"} for n in (1, 2) for role in ("user", "assistant")
            ]
        }
        for i in range(9)
    ]
    pool = write(tmp_path / "pool.jsonl", rows)
    folder = selection(pool, tmp_path / "out")
    assert opened(folder).table.rows == 9
    with pytest.raises(PoolError):
        opened(
            selection(write(tmp_path / "x.jsonl", alpaca()), tmp_path / "two"),
            reading=Reading(map={"prompt": "topic", "response": "output"}),
        )


def test_damaged_scores_are_a_sentence(pool, tmp_path):
    folder = selection(pool, tmp_path / "out")
    file = folder / "scores.parquet"
    whole = file.read_bytes()
    for damage in (b"", b"nonsense", whole[: len(whole) // 2], b"\0" * len(whole)):
        file.write_bytes(damage)
        with pytest.raises(PoolError, match=r"scores\.parquet is damaged"):
            opened(folder)
    pq.write_table(pa.table({"row": [0], "tokens": [1]}), file)
    with pytest.raises(PoolError, match="no column 'id'"):
        opened(folder)


def test_scores_that_contradict_their_manifest_are_refused(pool, tmp_path):
    folder = selection(pool, tmp_path / "out")
    table = pq.read_table(folder / "scores.parquet")
    all_kept = pa.array([True] * len(table))
    pq.write_table(
        table.set_column(table.schema.get_field_index("kept"), "kept", all_kept), folder / "scores.parquet"
    )
    with pytest.raises(PoolError, match="its manifest says 5"):
        opened(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(PoolError, match=r"manifest\.json is damaged"):
        opened(folder)


@pytest.mark.parametrize("made", ["empty", "pictures", "run"])
def test_a_folder_that_is_none_of_these(tmp_path, made):
    folder = tmp_path / "folder"
    folder.mkdir()
    if made == "pictures":
        (folder / "a.png").write_bytes(b"x")
    if made == "run":
        (folder / "experiment.json").write_text("{}")
    with pytest.raises(ConfigError, match="selected nothing yet" if made == "run" else "nothing to explore"):
        opened(folder)
    with pytest.raises(PoolError, match="no such file or folder"):
        opened(tmp_path / "nowhere")


def test_a_map_is_refused_where_there_are_no_embeddings(pool):
    with pytest.raises(ConfigError, match="--scorer embedding"):
        opened(pool, projection="umap")


def test_the_pool_of_a_subset_that_came_from_the_hub_is_fetched_again_at_its_commit(hub, tmp_path):
    rows = [{"prompt": f"p{number}", "response": "so " * number} for number in range(1, 9)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    hub.put("me/pool", {"train.jsonl": lines, "test.jsonl": lines})
    pick(read("me/pool"), SelectSettings(by="longest", size=2), tmp_path / "out")
    hub.put("me/pool", {"train.jsonl": lines * 2})
    opened = open_wanted(Wanted((str(tmp_path / "out"),)))
    assert opened.index is not None and opened.index.rows == 8
    assert index_of(["me/pool"], Reading(split="train")).rows == 16
