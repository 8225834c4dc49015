"""A real HTTP server on this machine that speaks OpenAI's files and batches API,
and fails where a test wants it to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from local_endpoint import Act
from local_http import JsonHandler, serving

Line = dict[str, Any]


def answered(row: Line, text: str | None = None) -> Line:
    """The output line of a request that went well."""
    body = json.loads(Act(text or f"re: {row['body']['messages'][-1]['content']}").content())
    return {"custom_id": row["custom_id"], "response": {"status_code": 200, "body": body}, "error": None}


def expired(row: Line) -> Line:
    error = {
        "code": "batch_expired",
        "message": "This request could not be executed before the completion window.",
    }
    return {"custom_id": row["custom_id"], "response": None, "error": error}


def refused(row: Line, status: int = 400) -> Line:
    body = {"error": {"message": "context too long"}}
    return {"custom_id": row["custom_id"], "response": {"status_code": status, "body": body}, "error": None}


@dataclass
class Batches:
    """The running server. ``line`` answers one input line; ``status`` is that of every batch;
    ``calls`` lists what came.
    """

    line: Callable[[Line], Line | None] = answered
    status: str = "in_progress"
    port: int = 0
    files: dict[str, str] = field(default_factory=dict)
    made: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def rows(self, batch: str) -> list[Line]:
        """What was sent in a batch."""
        made = next(made for made in self.made if made["id"] == batch)
        return [json.loads(line) for line in self.files[made["input_file_id"]].splitlines()]

    def batch(self, made: dict[str, Any]) -> dict[str, Any]:
        """A batch as the API tells it."""
        found = {
            **made,
            "object": "batch",
            "status": self.status,
            "created_at": 0,
            "completion_window": "24h",
        }
        if self.status in ("completed", "expired", "cancelled"):
            found |= {"output_file_id": f"out-{made['id']}", "error_file_id": f"err-{made['id']}"}
        if self.status == "failed":
            found["errors"] = {
                "object": "list",
                "data": [{"code": "x", "message": "Enqueued token limit reached"}],
            }
        done = len(self.rows(made["id"])) // 2
        return {**found, "request_counts": {"completed": done, "failed": 0, "total": 2 * done}}

    def output(self, name: str) -> str:
        """An output or error file, last line first."""
        kind, batch = name.split("-", 1)
        lines = [self.line(row) for row in reversed(self.rows(batch))]
        good = [line for line in lines if line and (line["response"] or {}).get("status_code") == 200]
        wanted = good if kind == "out" else [line for line in lines if line and line not in good]
        return "".join(json.dumps(line) + "\n" for line in wanted)


@contextmanager
def local_batches(line: Callable[[Line], Line | None] = answered) -> Iterator[Batches]:
    """Serve in a thread of its own for as long as the block lasts."""
    state = Batches(line)

    class Handler(JsonHandler):
        def do_POST(self) -> None:
            body = self.body()
            state.calls.append(f"POST {self.path}")
            if self.path.endswith("/files"):
                start = body.index(b'{"custom_id"')
                name = f"file-{len(state.files)}"
                state.files[name] = body[start : body.index(b"\r\n--", start)].decode()
                self.reply({"id": name, "object": "file"})
            elif self.path.endswith("/batches"):
                fields = json.loads(body)
                state.made.append({"id": f"batch-{len(state.made)}", **fields})
                self.reply(state.batch(state.made[-1]))
            else:
                self.send_error(404)

        def do_GET(self) -> None:
            state.calls.append(f"GET {self.path}")
            name = self.path.split("?")[0].rsplit("/", 1)[-1]
            if name == "batches":
                self.reply({"object": "list", "data": [state.batch(made) for made in reversed(state.made)]})
            elif "/batches/" in self.path:
                found = [made for made in state.made if made["id"] == name]
                self.reply(state.batch(found[0])) if found else self.send_error(404)
            else:
                self.reply_raw(state.output(self.path.split("/")[-2]).encode())

    with serving(Handler) as state.port:
        yield state
