"""A cache that the disk has damaged is set aside and said; what is whole in it is neither
lost nor asked for again.
"""

from __future__ import annotations

import logging
import random
import sqlite3

import pytest

from handpicked.endpoint.cache import ReplyCache
from handpicked.endpoint.request import Reply
from handpicked.endpoint.salvage import salvaged
from handpicked.errors import StoreError

PAGE = 4096
KEYS = [f"{number * 7919:032x}" for number in range(300)]


def reply(key):
    """Every fifth reply is longer than a page."""
    return Reply(f"answer {key} é " * (400 if KEYS.index(key) % 5 == 0 else 3), prompt_tokens=7)


def filled(path):
    with ReplyCache(path) as cache:
        for key in random.Random(0).sample(KEYS, len(KEYS)):
            cache.put(key, reply(key))
    return path


def overwritten(path, page, junk):
    data = bytearray(path.read_bytes())
    data[(page - 1) * PAGE : page * PAGE] = junk
    path.write_bytes(data)


def texts(path):
    with ReplyCache(path) as cache:
        return {key: found.text for key, found in cache.get(KEYS).items()}


def test_every_row_is_found_without_sqlite(tmp_path):
    path = filled(tmp_path / "c.sqlite")
    with sqlite3.connect(path) as db:
        assert dict(salvaged(path)) == dict(db.execute("SELECT key, reply FROM replies"))


def test_rows_that_are_in_the_log_alone_are_found(tmp_path):
    cache = ReplyCache(tmp_path / "c.sqlite")
    for key in KEYS:
        cache.put(key, reply(key))
    assert set(dict(salvaged(tmp_path / "c.sqlite"))) == set(KEYS)


@pytest.mark.parametrize("page", [1, 2, 3, 4, 9, 40])
def test_a_page_of_junk_costs_what_lay_in_it_and_no_more(tmp_path, caplog, page):
    path = filled(tmp_path / "c.sqlite")
    before = texts(path)
    overwritten(path, page, random.Random(page).randbytes(PAGE))
    with caplog.at_level(logging.WARNING):
        after = texts(path)
    assert {key: before[key] for key in after} == after
    assert len(before) - len(after) <= 60, "a page holds at most so many short replies"
    if (tmp_path / "c.sqlite.damaged-1").exists():
        assert "set aside as c.sqlite.damaged-1" in caplog.text
        with sqlite3.connect(path) as db:
            assert db.execute("PRAGMA quick_check").fetchone() == ("ok",)
    with ReplyCache(path) as cache:
        for key in KEYS:
            cache.put(key, reply(key))
    assert set(texts(path)) >= set(after)


@pytest.mark.parametrize("page", [1, 2])
def test_a_damaged_header_or_root_page_costs_no_leaf(tmp_path, page):
    path = filled(tmp_path / "c.sqlite")
    before = texts(path)
    overwritten(path, page, b"\xaa" * PAGE)
    assert len(before) - len(texts(path)) <= 60
    assert (tmp_path / "c.sqlite.damaged-1").read_bytes()[(page - 1) * PAGE : page * PAGE] == b"\xaa" * PAGE


def test_what_is_no_database_is_set_aside_as_it_is(tmp_path, caplog):
    path = tmp_path / "c.sqlite"
    path.write_bytes(b"somebody's notes\n" * 1000)
    with caplog.at_level(logging.WARNING), ReplyCache(path) as cache:
        cache.put(KEYS[0], reply(KEYS[0]))
    assert texts(path) == {KEYS[0]: reply(KEYS[0]).text}
    assert (tmp_path / "c.sqlite.damaged-1").read_bytes() == b"somebody's notes\n" * 1000
    assert "0 replies that are whole" in caplog.text


def test_a_second_damage_keeps_the_first_file(tmp_path):
    path = tmp_path / "c.sqlite"
    for number in (1, 2):
        path.write_bytes(b"%d" % number * 5000)
        texts(path)
    assert (tmp_path / "c.sqlite.damaged-1").read_bytes() == b"1" * 5000
    assert (tmp_path / "c.sqlite.damaged-2").read_bytes() == b"2" * 5000


def test_a_reply_of_a_later_version_has_fields_that_are_passed_over(tmp_path):
    path = filled(tmp_path / "c.sqlite")
    with sqlite3.connect(path) as db:
        text = '{"text": "x", "a_new_field": [1], "finished": true}'
        db.execute("UPDATE replies SET reply = ? WHERE key = ?", (text, KEYS[3]))
    assert texts(path)[KEYS[3]] == "x"


@pytest.mark.parametrize("place", ["/proc/none/c.sqlite", "file/c.sqlite", "n" * 300 + "/c.sqlite"])
def test_a_cache_that_cannot_be_made_is_one_line(tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises((StoreError, OSError)) as found:
        ReplyCache(tmp_path / place)
    assert isinstance(found.value, StoreError) or found.value.filename
