"""The real command and its real server: the token, hostile requests, pages of rows,
notes that a kill cannot take.
"""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from made_explored import HOSTILE, alpaca, chat, run, selection, write

from handpicked.explore import Wanted, open_wanted, serve, site_of
from handpicked.pages.local_page import LocalServer
from made_folder import judged_folder

PAGE = Path(__file__).parents[2] / "src/handpicked/explore/page"


@contextmanager
def command(*words):
    """``handpicked explore`` as a process, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "handpicked", "explore", *map(str, words), "--no-open"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = ""
        while not (found := re.search(r"http://\S+", said)):
            line = process.stderr.readline()
            assert line, said
            said += line
        process.stderr.readline()
        yield process, found.group()
    finally:
        process.kill()
        process.communicate()


@contextmanager
def served(*what):
    """The page of these in this process, and its address."""
    with LocalServer(site_of(open_wanted(Wanted(tuple(map(str, what))))), 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.address
        server.shutdown()


def request(address, where="", body=None, kind="application/json", path=None, host=None):
    """Status, headers and text of one request below the address."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": kind} if body is not None else {}
    headers |= {"Host": host} if host else {}
    connection.request("GET" if body is None else "POST", path or parts.path + where, content, headers)
    reply = connection.getresponse()
    text = reply.read().decode()
    connection.close()
    return reply.status, dict(reply.headers), text


def ask(address, what, /, **body):
    status, _, text = request(address, what, body)
    assert status == 200, text
    return json.loads(text)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDPICKED_CACHE", str(folder / "cache"))
        with served(run(folder / "run")) as address:
            yield address


def test_it_listens_on_this_machine_only_and_asks_for_the_token(page):
    parts = urlsplit(page)
    assert parts.hostname == "127.0.0.1" and len(parts.path) > 30
    for path in (
        "/",
        "/app.js",
        "/about",
        "/rows",
        "//",
        "/wrong/",
        "/wrong/notes.jsonl",
        parts.path[:-2] + "/",
    ):
        status, _, text = request(page, path=path)
        assert status == 403 and "handpicked explore" in text and "Question" not in text, path
    for where in ("rows", "row", "note", "pairs"):
        assert request(page, path=f"/{where}", body={"row": 0})[0] == 403
    assert request(page, "about", host="attacker.example")[0] == 403
    assert request(page, "rows", {}, host="attacker.example")[0] == 403
    assert request(page, "about", host="localhost:1")[0] == 200


@pytest.mark.parametrize(
    ("where", "body", "status"),
    [
        ("nowhere", {}, 404),
        ("rows", b"{", 400),
        ("rows", b"[]", 400),
        ("rows", b"[" * 60_000, 400),
        ("rows", b" " * 70_000, 413),
        ("rows", {"offset": -1}, 400),
        ("rows", {"offset": 1.5}, 400),
        ("rows", {"limit": 201}, 400),
        ("rows", {"sort": "nothing"}, 400),
        ("rows", {"columns": ["nothing"]}, 400),
        ("rows", {"columns": ["tokens"] * 13}, 400),
        ("rows", {"where": [{"column": "tokens", "values": ["a"]}]}, 400),
        ("row", {}, 400),
        ("row", {"row": 40}, 400),
        ("row", {"row": -1}, 400),
        ("row", {"row": True}, 400),
        ("histogram", {"column": "state"}, 400),
        ("histogram", {}, 400),
        ("counts", {"column": "tokens"}, 400),
        ("spread", {"column": ["tokens"]}, 400),
        ("scatter", {"x": "tokens"}, 400),
        ("scatter", {"x": "tokens", "y": "tokens", "colour": "prompt"}, 400),
        ("pairs", {"limit": "many"}, 400),
        ("pair", {"id": 1}, 400),
        ("note", {"row": 0}, 400),
        ("note", {"row": 0, "annotator": "a", "text": "x" * 20_000}, 400),
    ],
)  # fmt: skip
def test_a_bad_request_is_a_sentence_and_the_next_is_answered(page, where, body, status):
    found, _, text = request(page, where, body)
    assert found == status and "Traceback" not in text
    if status == 400:
        assert json.loads(text)["error"][-1] in ".?'"
    assert ask(page, "rows", limit=1)["total"] == 40


def test_only_json_is_taken(page):
    assert request(page, "note", b"row=0", kind="application/x-www-form-urlencoded")[0] == 415
    assert request(page, "rows", b"{}", kind="text/plain")[0] == 415


def test_the_page_loads_nothing_from_elsewhere_and_its_policy_forbids_it(page):
    for file in sorted(PAGE.iterdir()):
        status, headers, text = request(page, "" if file.name == "page.html" else file.name)
        assert status == 200 and not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|url\(", text), (
            file.name
        )
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
        assert (headers["Referrer-Policy"], headers["Cache-Control"]) == ("no-referrer", "no-store")
    for where in ("page.py", "../session.py", "page.css/", "..%2fsession.py", "__init__.py", "nothing.js"):
        assert request(page, where)[0] == 404, where


def test_no_script_makes_markup_of_text():
    for file in PAGE.glob("*.js"):
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser|srcdoc",
            file.read_text(),
        )
        assert not found, file.name
    assert not re.search(
        r"<script(?! type=\"module\" src=\"app\.js\")|\son\w+=|style=", (PAGE / "page.html").read_text()
    )


def test_pages_of_rows_join_to_all_rows_in_order(page):
    pages = [
        ask(page, "rows", offset=at, limit=7, sort="tokens", descending=True)["rows"]
        for at in range(0, 49, 7)
    ]
    rows = [row for one in pages for row in one]
    assert sorted(row["row"] for row in rows) == list(range(40)) and len(rows) == 40
    tokens = [row["tokens"] for row in rows]
    known = [one for one in tokens if one is not None]
    assert known == sorted(known, reverse=True) and tokens[-1] is None


def test_kept_dropped_and_rejected_are_the_pool(page):
    about = json.loads(request(page, "about")[2])
    assert sum(about["accounts"].values()) == about["rows"] == 40

    def total(**condition):
        return ask(page, "rows", where=[{"column": "state", **condition}], limit=0)["total"]

    counts = {value: rows for value, rows, _ in ask(page, "counts", column="state")["values"]}
    assert {state: total(values=[state]) for state in counts} == counts
    assert total(values=["kept"]) + total(values=["kept"], exclude=True) == 40
    assert (counts["kept"], counts["dropped"], counts["rejected"]) == tuple(about["accounts"].values())


def test_hostile_text_travels_as_text(page):
    found = ask(page, "row", row=9)
    assert found["messages"][1]["content"] == HOSTILE.encode("utf-16", "surrogatepass").decode(
        "utf-16", "replace"
    )
    status, headers, _ = request(page, "row", {"row": 9})
    assert status == 200 and headers["Content-Type"].startswith("application/json")
    assert headers["X-Content-Type-Options"] == "nosniff"
    pair = ask(page, "pair", id=ask(page, "pairs")["pairs"][0]["id"])
    assert HOSTILE in pair["answer_a"]


def test_a_rejected_row_is_shown_with_its_place_and_reason(page):
    found = ask(page, "row", row=7)
    assert found["messages"] == [] and found["rejected"]["place"] == "line 8"
    assert found["values"]["state"] == "rejected" and "empty" in found["values"]["reason longest"]


def test_a_conversation_keeps_reasoning_calls_and_results(tmp_path):
    with served(write(tmp_path / "chat.jsonl", chat())) as address:
        turns = ask(address, "row", row=0)["messages"]
    assert turns[2]["calls"] == [{"name": "weather", "arguments": '{"city": "Oslo"}', "id": "c1"}]
    assert (turns[4]["reasoning"], turns[4]["content"][:13]) == ("It says rain.", "It **rains**.")
    assert turns[3]["call_id"] == "c1" and not turns[4]["cut"]


def test_a_very_long_text_is_cut_and_says_so(tmp_path):
    rows = alpaca()
    rows[0]["output"] = "x" * 1_500_000
    with served(write(tmp_path / "pool.jsonl", rows)) as address:
        turn = ask(address, "row", row=0)["messages"][1]
        assert (len(turn["content"]), turn["cut"]) == (1_000_000, True)
        assert len(ask(address, "rows", limit=1)["rows"][0]["response"]) == 300
        assert ask(address, "rows", search="x" * 900)["total"] == 1


def test_one_arm_of_a_run_and_judged_pairs_alone(tmp_path):
    folder = run(tmp_path / "run")
    with served(folder / "subset" / "longest") as address:
        assert json.loads(request(address, "about")[2])["accounts"]["kept"] == 5
        assert request(address, "overlap", {})[0] == 400
    with served(judged_folder(tmp_path / "judged")) as address:
        about = json.loads(request(address, "about")[2])
        assert about["rows"] == 0 and ask(address, "pairs")["total"] == 4
        assert request(address, "rows", {})[0] == 400


def test_notes_survive_kill_9_and_are_exported(pool, tmp_path):
    folder = selection(pool, tmp_path / "out")
    with command(folder) as (process, address):
        ask(address, "note", row=3, annotator="ann", text="odd")
        ask(address, "note", row=3, annotator="bob", flag=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with (folder / "notes.jsonl").open("a") as torn:
        torn.write('{"annotator": "ann", "abo')
    with command(folder) as (_, address):
        assert [note["annotator"] for note in ask(address, "row", row=3)["notes"]] == ["ann", "bob"]
        lines = request(address, "notes.jsonl")[2].splitlines()
        assert [json.loads(line)["text"] for line in lines] == ["odd", ""]
    done = explore(folder, "--export", tmp_path / "notes.jsonl")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'notes.jsonl'}: 2 notes\n"), done.stderr
    assert [json.loads(line)["row"] for line in (tmp_path / "notes.jsonl").read_text().splitlines()] == [3, 3]


def explore(*words):
    return subprocess.run(
        [sys.executable, "-m", "handpicked", "explore", *map(str, words)], capture_output=True, text=True
    )


def test_mistakes_are_one_line(pool, tmp_path):
    def line(*words):
        done = explore(*words)
        *before, mistake = done.stderr.splitlines()
        assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (2, "", False), done.stderr
        assert mistake.startswith("handpicked: ") and all("indexed once" in line for line in before)
        return mistake

    folder = selection(pool, tmp_path / "out")
    (tmp_path / "empty").mkdir()
    assert "nothing to explore" in line(tmp_path / "empty")
    assert "no such file" in line(tmp_path / "nowhere.jsonl")
    (folder / "notes.jsonl").write_text("nonsense\n")
    assert "line 1 is not a note" in line(folder, "--no-open")
    (folder / "notes.jsonl").unlink()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "cannot be used" in line(folder, "--no-open", "--port", taken.getsockname()[1])
    (folder / "scores.parquet").write_bytes(b"PAR1")
    assert "scores.parquet is damaged" in line(folder)


def test_ctrl_c_ends_it(pool):
    with command(pool) as (process, _):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        assert (process.returncode, out) == (0, "") and "Traceback" not in err, err


def test_ctrl_c_is_no_failure_while_the_address_is_printed(pool):
    """A program that waits for the address may end the page before it serves its first request."""
    printed = []

    def say(line):
        printed.append(line)
        if line.startswith("Ctrl-C stops it"):
            raise KeyboardInterrupt

    serve(open_wanted(Wanted((str(pool),))), 0, False, say)
    assert "http://" in printed[0] and printed[-1] == ""


def test_a_connection_that_ends_early_is_no_news(pool):
    with command(pool) as (process, address):
        parts = urlsplit(address)
        for sent in (
            b"POST ",
            f"POST {parts.path}rows HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{{".encode(),
        ):
            for _ in range(5):
                with socket.create_connection((parts.hostname, parts.port)) as connection:
                    connection.sendall(sent)
        assert ask(address, "rows")["total"] == 40
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in process.communicate()[1]


@pytest.mark.slow
def test_the_wheel_holds_the_page(tmp_path):
    root = Path(__file__).parents[2]
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(tmp_path), str(root)],
        capture_output=True,
        text=True,
    )
    if built.returncode:
        pytest.skip(f"no wheel can be built here: {built.stderr[-200:]}")
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    assert {f"handpicked/explore/page/{file.name}" for file in PAGE.iterdir()} <= set(names)
