"""The real command and its real server: the token, hostile requests, and votes that a kill -9 cannot take."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from handpicked.votes.open import inspection
from handpicked.votes.server import Handler, InspectServer
from made_folder import CANDIDATE, RIVAL, events, judged_folder, run_folder


@contextmanager
def served(folder, *options):
    """``handpicked inspect`` as a process, and its address."""
    command = [sys.executable, "-m", "handpicked", "inspect", str(folder), "--no-open", *map(str, options)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None and process.stdout is not None
    try:
        found = re.search(r"http://\S+", line := process.stderr.readline())
        assert found, line + process.stderr.read()
        process.stderr.readline()
        yield process, found.group()
    finally:
        process.kill()
        process.communicate()


def ask(address, where="", body=None, kind="application/json", method=None, path=None):
    """Status, headers and text of one request below the address."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {} if body is None else {"Content-Type": kind}
    connection.request(
        method or ("GET" if body is None else "POST"), path or parts.path + where, content, headers
    )
    reply = connection.getresponse()
    text = reply.read().decode()
    connection.close()
    return reply.status, dict(reply.headers), text


def cast(address, who, choice):
    pair = json.loads(ask(address, f"state?annotator={who}")[2])["pair"]
    status, _, text = ask(address, "vote", {"annotator": who, "case": pair["case"], "choice": choice})
    assert status == 200, text


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = run_folder(tmp_path_factory.mktemp("served") / "run")
    with served(folder) as (_, address):
        yield folder, address


def test_it_listens_on_this_machine_only_and_asks_for_the_token(page):
    folder, address = page
    parts = urlsplit(address)
    assert parts.hostname == "127.0.0.1" and len(parts.path) > 30
    for path in (
        "/",
        "/page.js",
        "/about",
        "/votes.json",
        "//",
        "/wrong/",
        "/wrong/votes.csv",
        parts.path[:-2] + "/",
    ):
        status, _, text = ask(address, path=path)
        assert status == 403 and CANDIDATE not in text, path
    for where in ("vote", "undo", "unveil"):
        assert ask(address, path=f"/{where}", body={"annotator": "eve"})[0] == 403
        assert ask(address, path=f"/wrong/{where}", body={"annotator": "eve"})[0] == 403
    assert not (folder / "votes.jsonl").exists() or "eve" not in (folder / "votes.jsonl").read_text()
    assert ask(address, path=parts.path.rstrip("/"))[0] == 308


@pytest.mark.parametrize(
    "path", [b"*", b"?", b"/\xc3\xa9/", b"http://[/", b"//", b"/%00/", b"/" + b"a" * 9000]
)
def test_a_strange_path_is_refused_as_any_other(page, path):
    parts = urlsplit(page[1])
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.makefile("rb").readline().split()[1] == b"403"


def raw(address, request):
    """The status line's code of whatever bytes are sent, or None where the connection is
    closed without an answer.
    """
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall(request.replace(b"TOKEN", parts.path.strip("/").encode()))
        line = connection.makefile("rb").readline()
        if line[:5] != b"HTTP/":  # as HTTP 0.9 has it: a page of words, without a status
            return 400 if b"<" in line else None
        return int(line.split()[1])


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"Host: 127.0.0.1", 200),
        (b"Host: localhost:9000", 200),
        (b"Host: [::1]:80", 200),
        (b"Host: attacker.example", 403),
        (b"Host: 127.0.0.1.attacker.example:8000", 403),
        (b"Host: attacker.example@127.0.0.1.example", 403),
        (b"Host: localhost\r\nHost: attacker.example", 403),
        (b"Host: localhost\r\nOrigin: http://attacker.example", 403),
        (b"Host: localhost\r\nOrigin: null", 403),
        (b"Host: [", 403),
        (b"Host: ", 403),
        (b"X: y", 403),
    ],
)
def test_a_name_that_is_made_to_lead_here_is_refused(page, host, status):
    assert raw(page[1], b"GET /TOKEN/about HTTP/1.1\r\n" + host + b"\r\n\r\n") == status


def test_a_server_thread_never_dies_of_a_request(tmp_path):
    """Malformed requests, huge bodies and early disconnects: nothing is printed, and the
    next request is answered.
    """
    folder = run_folder(tmp_path / "run")
    post = b"POST /TOKEN/vote HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    bodies = [
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"9" * 5000,
        b'{"seconds": ' + b"9" * 400 + b"}",
        b'"\\ud800"',
    ]
    with served(folder) as (process, address):
        for body in bodies:
            found = raw(address, post + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            assert found == 400, body[:20]
        for length in (b"9" * 5000, b"-1", b"0x10", b"\xb2", b"1" * 9, b""):
            assert raw(address, post + b"Content-Length: " + length + b"\r\n\r\n") == 413
        for junk in (b"\r\n", b"\0\0\0\0\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"A" * 70_000 + b"\r\n\r\n",
                     b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"\x16\x03\x01\x02\x00\x01\r\n\r\n"):  # fmt: skip
            assert raw(address, junk) in (400, 414, 431, 505, None)
        parts = urlsplit(address)
        for sent in (
            post,
            post + b"Content-Length: 50\r\n\r\n{",
            b"GET /TOKEN/votes.json HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ):
            for _ in range(10):
                connection = socket.create_connection((parts.hostname, parts.port))
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
                connection.sendall(sent.replace(b"TOKEN", parts.path.strip("/").encode()))
                connection.close()
        cast(address, "ann", "first")
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate()
    assert "Traceback" not in said and "Exception" not in said, said
    assert [event["annotator"] for event in events(folder)] == ["ann"]


def test_a_connection_that_stays_silent_ends_in_silence(tmp_path, monkeypatch, capfd):
    inspected = inspection(run_folder(tmp_path / "run"))
    monkeypatch.setattr(Handler, "timeout", 0.1)
    with InspectServer(inspected.session, 0, {}) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
            assert connection.recv(1) == b""
        server.shutdown()
    assert capfd.readouterr().err == ""


def test_the_page_loads_nothing_from_elsewhere_and_its_policy_forbids_it(page):
    _, address = page
    for where in ("", "page.css", "page.js"):
        status, headers, text = ask(address, where)
        assert status == 200 and not re.search(r"https?://|//[a-z]+\.|@import|url\(", text), where
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
        assert (headers["Referrer-Policy"], headers["Cache-Control"]) == ("no-referrer", "no-store")


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (404, {"where": "nowhere"}),
        (404, {"where": "../pyproject.toml"}),
        (404, {"where": "nowhere", "body": {}}),
        (415, {"where": "vote", "body": b"annotator=eve", "kind": "application/x-www-form-urlencoded"}),
        (415, {"where": "vote", "body": b"{}", "kind": "text/plain"}),
        (413, {"where": "vote", "body": b" " * 70_000}),
        (400, {"where": "vote", "body": b"{"}),
        (400, {"where": "vote", "body": b"\xff"}),
        (400, {"where": "vote", "body": b"[]"}),
        (400, {"where": "vote", "body": b"{}"}),
        (400, {"where": "undo", "body": {"annotator": "nobody"}}),
        (400, {"where": "state"}),
        (501, {"where": "vote", "body": b"", "method": "DELETE"}),
    ],
)
def test_what_is_no_request_is_refused(page, status, request_):
    assert ask(page[1], **request_)[0] == status


def test_votes_survive_kill_9_and_the_next_server_goes_on(tmp_path):
    folder = run_folder(tmp_path / "run")
    with served(folder, "--limit", 6) as (process, address):
        for choice in ("first", "tie", "second"):
            cast(address, "ann", choice)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with (folder / "votes.jsonl").open("a") as torn:
        torn.write('{"event": "vote", "annot')
    with served(folder, "--limit", 6) as (_, address):
        assert json.loads(ask(address, "state?annotator=ann")[2])["done"] == 3
        cast(address, "ann", "tie")
        assert json.loads(ask(address, "about")[2])["annotators"] == ["ann"]
    assert len(events(folder)) == 4


def test_ctrl_c_ends_it_with_what_was_found(tmp_path):
    folder = judged_folder(tmp_path / "judged")
    with served(folder, "--json") as (process, address):
        cast(address, "ann", "tie")
        cast(address, "bob", "tie")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        assert process.returncode == 0, err
        summary = json.loads(out)
        assert (summary["votes"], [who["name"] for who in summary["annotators"]]) == (2, ["ann", "bob"])
        assert summary["comparisons"][0]["a"] == CANDIDATE and summary["comparisons"][0]["b"] == RIVAL


def test_mistakes_are_one_line(tmp_path):
    def inspect(*words):
        done = subprocess.run(
            [sys.executable, "-m", "handpicked", "inspect", *map(str, words)], capture_output=True, text=True
        )
        assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, ""), done.stderr
        return done.stderr

    folder = run_folder(tmp_path / "run")
    assert "There is no folder" in inspect(tmp_path / "nowhere")
    assert "--limit 0" in inspect(folder, "--limit", 0)
    assert "must end in .json or .csv" in inspect(folder, "--export", tmp_path / "votes.txt")
    (folder / "votes.jsonl").write_text("nonsense\n")
    assert "line 1 is not a vote" in inspect(folder)
    (folder / "votes.jsonl").unlink()
    with served(folder) as (_, address):
        assert "cannot be used" in inspect(folder, "--no-open", "--port", urlsplit(address).port)


def test_the_command_exports_without_a_server(tmp_path):
    folder = run_folder(tmp_path / "run")
    done = subprocess.run(
        [sys.executable, "-m", "handpicked", "inspect", str(folder), "--export", str(tmp_path / "v.csv")],
        capture_output=True, text=True, env=os.environ,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "0 votes on 0 pairs by 0 annotators\n"), done.stderr
    assert (tmp_path / "v.csv").read_text().startswith("annotator,prompt_id,")
