"""Batch files: written, submitted to a real HTTP server that speaks OpenAI's batch API, collected into the cache."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from handpicked.config import JudgeSettings
from handpicked.endpoint import Request, collect_batch, complete, submit_batch, write_batch
from handpicked.errors import EndpointError
from handpicked.records import Message
from local_endpoint import Act


class BatchServer(BaseHTTPRequestHandler):
    """Keeps the uploaded file; answers every line of it but those that ask for trouble, last line first."""

    uploaded = ""
    status = "in_progress"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path.endswith("/files"):
            start = body.index(b'{"custom_id"')
            BatchServer.uploaded = body[start : body.index(b"\r\n--", start)].decode()
            self.reply({"id": "file-in", "object": "file"})
        else:
            assert json.loads(body)["input_file_id"] == "file-in"
            self.reply({"id": "batch-1", "object": "batch", "status": "validating"})

    def do_GET(self) -> None:
        if self.path.endswith("/batches/batch-1"):
            files = {"output_file_id": "out", "error_file_id": "err"} if self.status == "completed" else {}
            self.reply({"id": "batch-1", "object": "batch", "status": self.status, **files})
        elif "/files/" in self.path:
            good = "out" in self.path
            rows = [json.loads(line) for line in self.uploaded.splitlines()][::-1]
            rows = [row for row in rows if ("trouble" in json.dumps(row)) != good]
            self.reply_raw("\n".join(json.dumps(self.line(row, good)) for row in rows).encode())
        else:
            self.send_error(404)

    def line(self, row: dict, good: bool) -> dict:
        if not good:
            return {"custom_id": row["custom_id"], "response": None, "error": {"message": "expired"}}
        text = row["body"]["messages"][-1]["content"]
        body = json.loads(Act(f"re: {text}").content())
        return {"custom_id": row["custom_id"], "response": {"status_code": 200, "body": body}, "error": None}

    def reply(self, fields: dict) -> None:
        self.reply_raw(json.dumps(fields).encode())

    def reply_raw(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def settings() -> Iterator[JudgeSettings]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BatchServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield JudgeSettings(model="m", base_url=f"http://127.0.0.1:{server.server_port}/v1")
    server.shutdown()
    server.server_close()


def test_a_batch_fills_the_cache_and_only_its_failures_are_asked_again(tmp_path, settings):
    requests = [Request((Message("user", text),), 8) for text in ("one", "two", "trouble", "two")]
    cache, file = tmp_path / "c.sqlite", tmp_path / "batch.jsonl"
    assert write_batch(requests, settings, cache, file) == 3  # equal requests are one
    batch = submit_batch(file, settings)
    BatchServer.status = "in_progress"
    assert collect_batch(batch, settings, cache).waiting
    BatchServer.status = "completed"
    collected = collect_batch(batch, settings, cache)
    assert (collected.stored, list(collected.failed.values())) == (2, ["{'message': 'expired'}"])
    assert collect_batch(batch, settings, cache).stored == 2  # again: nothing changes
    assert write_batch(requests, settings, cache, file) == 1
    replies = complete([requests[0], requests[1], requests[3]], settings, cache)
    assert [r.text for r in replies] == ["re: one", "re: two", "re: two"]
    assert all(r.cached for r in replies)


def test_an_unknown_batch_is_one_clear_error(tmp_path, settings):
    with pytest.raises(EndpointError, match="batch-9 could not be collected"):
        collect_batch("batch-9", settings, tmp_path / "c.sqlite")
