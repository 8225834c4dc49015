"""A small Hugging Face hub on this machine: commits, listings, downloads with ranges, uploads, and faults.

It speaks what ``huggingface_hub`` asks for (revision info, tree, paths-info, resolve, create, preupload, LFS
batch, commit). Its repositories live in memory; each commit keeps all of its files.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from local_http import serving

LFS_FROM = 1 << 12
"""Bytes from which a file is uploaded by LFS."""
REPOSITORY = re.compile(r"/(?:api/)?(datasets/|models/|spaces/)?([\w.-]+/[\w.-]+?)(?:\.git)?(/.*)?$")


@dataclass
class Repository:
    """The commits of one repository, oldest first, each with its files; ``gated`` and
    ``private`` need a token.
    """

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: bool = False
    private: bool = False

    def at(self, revision: str) -> str | None:
        if revision == "main":
            return next(reversed(self.commits), None)
        return revision if revision in self.commits else None

    def commit(self, files: Mapping[str, bytes]) -> str:
        text = json.dumps(
            [len(self.commits), sorted((k, hashlib.sha1(v).hexdigest()) for k, v in files.items())]
        )
        sha = hashlib.sha1(text.encode()).hexdigest()
        self.commits[sha] = dict(files)
        return sha


@dataclass
class Hub:
    """What the server holds. ``faults`` gives for a word in a request's path the statuses to answer with, in
    turn, before it is answered well; ``cut`` drops the connection in the middle of so many downloads;
    ``after`` is called once, when a request of that path has been answered.
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    token: str = "hf_right"
    faults: dict[str, list[int]] = field(default_factory=dict)
    cut: int = 0
    after: dict[str, Callable[[], Any]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    lfs: dict[str, bytes] = field(default_factory=dict)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def put(self, name: str, files: Mapping[str, bytes | str], kind: str = "datasets", **about: bool) -> str:
        """A new commit of a repository with these files alone; its sha."""
        repository = self.repositories.setdefault(f"{kind}/{name}", Repository(**about))
        return repository.commit({k: v.encode() if isinstance(v, str) else v for k, v in files.items()})


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self.hub.lfs[self.path.rsplit("/", 1)[1]] = self._body()
        self._json({})

    def _answer(self) -> None:
        path, body = unquote(urlsplit(self.path).path), self._body()
        self.hub.asked[f"{self.command} {path}"] += 1
        fault = next((codes for word, codes in self.hub.faults.items() if word in path and codes), None)
        if fault is not None:
            self._refuse(fault.pop(0))
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif path == "/api/datasets":
            owner = parse_qs(urlsplit(self.path).query)["author"][0]
            names = [
                one.removeprefix("datasets/") for one in self.hub.repositories if one.startswith("datasets/")
            ]
            self._json([{"id": one} for one in names if one.startswith(f"{owner}/")])
        else:
            self._of_repository(path, body)
        for word in [word for word in self.hub.after if word in path]:
            self.hub.after.pop(word)()

    def _of_repository(self, path: str, body: bytes) -> None:
        found = REPOSITORY.match(path)
        name = f"{(found[1] or 'models/')}{found[2]}" if found else path
        repository = self.hub.repositories.get(name)
        known = self.headers.get("authorization") == f"Bearer {self.hub.token}"
        if found is None or repository is None or (repository.private and not known):
            self._refuse(404 if known else 401, "RepoNotFound")
        elif repository.gated and not known and "/resolve/" in path:
            self._refuse(403 if self.headers.get("authorization") else 401, "GatedRepo")
        else:
            self._in(repository, name.split("/", 1)[1], (found[3] or "").strip("/").split("/"), body)

    def _in(self, repository: Repository, name: str, path: list[str], body: bytes) -> None:
        what, revision = path[0], path[1] if len(path) > 1 else "main"
        commit = repository.at(revision)
        if path[:2] == ["info", "lfs"]:
            self._batch(json.loads(body))
        elif what == "preupload":
            sizes = {one["path"]: one["size"] for one in json.loads(body)["files"]}
            modes = [(p, "lfs" if size >= LFS_FROM else "regular") for p, size in sizes.items()]
            self._json({"files": [{"path": p, "uploadMode": m, "shouldIgnore": False} for p, m in modes]})
        elif what == "commit":
            self._commit(repository, commit, [json.loads(line) for line in body.splitlines()])
        elif what == "refs":
            tags = [
                {"name": f"version-{n}", "ref": f"refs/tags/version-{n}", "targetCommit": c}
                for n, c in enumerate(repository.commits)
            ]
            self._json({"branches": [], "tags": tags, "converts": []})
        elif commit is None:
            self._refuse(404, "RevisionNotFound")
        elif what in ("", "revision"):
            siblings = [{"rfilename": file} for file in repository.commits[commit]]
            self._json({"id": name, "sha": commit, "siblings": siblings, "private": repository.private})
        elif what == "tree":
            self._json(self._tree(repository.commits[commit], "/".join(path[2:])))
        elif what == "paths-info":
            wanted = parse_qs(body.decode()).get("paths", [])
            self._json([one for one in self._tree(repository.commits[commit], "") if one["path"] in wanted])
        elif what == "resolve":
            self._file(repository.commits[commit].get("/".join(path[2:])), commit)
        else:
            self._refuse(404)

    def _tree(self, files: Mapping[str, bytes], below: str) -> list[dict[str, Any]]:
        deep = "recursive=true" in self.path.lower() or "paths-info" in self.path
        listed: dict[str, dict[str, Any]] = {}
        for name, data in files.items():
            rest = name.removeprefix(f"{below}/") if below else name
            if below and rest == name:
                continue
            *folders, _ = rest.split("/")
            for depth in range(1, len(folders) + 1):
                if deep or depth == 1:
                    folder = "/".join([*([below] if below else []), *folders[:depth]])
                    listed.setdefault(folder, {"type": "directory", "path": folder, "oid": "0" * 40})
            if deep or not folders:
                oid = hashlib.sha1(data).hexdigest()
                listed[name] = {"type": "file", "path": name, "size": len(data), "oid": oid}
        return list(listed.values())

    def _file(self, data: bytes | None, commit: str) -> None:
        if data is None:
            self._refuse(404, "EntryNotFound")
            return
        asked = re.match(r"bytes=(\d+)-(\d*)$", self.headers.get("range", ""))
        begin, end = (int(asked[1]), int(asked[2] or len(data) - 1)) if asked else (0, len(data) - 1)
        part = data[begin : end + 1]
        self.send_response(206 if asked else 200)
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        if asked:
            self.send_header("Content-Range", f"bytes {begin}-{end}/{len(data)}")
        self.end_headers()
        if self.command == "GET" and self.hub.cut:
            self.hub.cut -= 1
            self.wfile.write(part[: len(part) // 2])
            self.close_connection = True
        elif self.command == "GET":
            self.wfile.write(part)

    def _create(self, asked: Mapping[str, Any]) -> None:
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        kind = f"{asked.get('type') or 'model'}s"
        if self.headers.get("authorization") != f"Bearer {self.hub.token}":
            self._refuse(401)
        else:
            private = asked.get("private") or asked.get("visibility") == "private"
            repository = self.hub.repositories.setdefault(f"{kind}/{name}", Repository(private=bool(private)))
            if not repository.commits:
                repository.commit({".gitattributes": b""})
            self._json({"url": f"{self.hub.url}/{'datasets/' if kind == 'datasets' else ''}{name}"})

    def _batch(self, asked: Mapping[str, Any]) -> None:
        def action(oid: str) -> dict[str, Any]:
            return {"upload": {"href": f"{self.hub.url}/upload/{oid}", "header": {}}}

        objects = [{**one, "actions": action(one["oid"])} for one in asked["objects"]]
        self._json({"transfer": "basic", "objects": objects})

    def _commit(self, repository: Repository, parent: str | None, operations: list[dict[str, Any]]) -> None:
        files = dict(repository.commits[parent]) if parent else {}
        for one in operations:
            value = one["value"]
            if one["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif one["key"] == "lfsFile":
                files[value["path"]] = self.hub.lfs[value["oid"]]
            elif one["key"] == "deletedFile":
                files.pop(value["path"], None)
        sha = repository.commit(files)
        self._json({"commitUrl": f"{self.hub.url}/me/x/commit/{sha}", "commitOid": sha, "success": True})

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def _json(self, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _refuse(self, status: int, code: str = "") -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code or ("GatedRepo" if status == 403 else ""))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def local_hub() -> Iterator[Hub]:
    """A hub for as long as a block lasts."""
    hub = Hub()
    with serving(type("Handler", (_Handler,), {"hub": hub})) as hub.port:
        yield hub
