"""A hub on this machine: repositories of data, told as the real one's interface tells them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

Files = Mapping[str, bytes]
ASKED = re.compile(
    r"/(?:api/)?datasets/(?P<name>[^/]+/[^/]+)"
    r"(?:/(?P<verb>resolve|revision|tree|paths-info)/(?P<revision>[^/]+)(?:/(?P<file>.*))?)?"
)
LOADS = """
import json, sys
from calibrant.errors import CalibrantError
from calibrant.questions.source import load_questions
for name in sys.argv[1:]:
    try:
        found = load_questions(name)
        told = [len(found), sorted({q.source.revision for q in found})]
    except CalibrantError as error:
        told = str(error)
    print("told", json.dumps([name, told]))
"""


def parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A file of these rows."""
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), file)
    return file.getvalue()


class FakeHub:
    """Serves {name: {revision: {path: content}}} while it is entered."""

    def __init__(self, repositories: Mapping[str, Mapping[str, Files]], home: Path) -> None:
        self.at = repositories
        self.home = home
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    def __enter__(self) -> FakeHub:
        Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def load(self, *names: str, offline: bool = False) -> dict[str, Any]:
        """name -> [number of questions, revisions], or the error, by a process of its own."""
        environment = {
            **os.environ,
            "HF_ENDPOINT": f"http://127.0.0.1:{self.server.server_address[1]}",
            "HF_HOME": str(self.home),
            "HF_HUB_OFFLINE": "1" if offline else "0",
        }
        done = subprocess.run(
            [sys.executable, "-c", LOADS, *names],
            env=environment, check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        lines = [line for line in done.stdout.splitlines() if line.startswith("told ")]
        return dict(json.loads(line.removeprefix("told ")) for line in lines)


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            form = self.rfile.read(int(self.headers["content-length"] or 0)).decode()
            path = unquote(urlsplit(self.path).path)
            found = ASKED.fullmatch(path)
            if not found or found["name"] not in hub.at:
                return self._missing("RepoNotFound")
            if not found["verb"]:
                return self._tell({"id": found["name"]})
            commit, file = found["revision"] or "", found["file"] or ""
            files = hub.at[found["name"]].get(commit)
            if files is None:
                return self._missing("RevisionNotFound")
            if found["verb"] == "revision":
                return self._tell({"id": found["name"], "sha": commit, "siblings": []})
            if found["verb"] == "resolve":
                if file not in files:
                    return self._missing("EntryNotFound", {"x-repo-commit": commit})
                etag = hashlib.sha1(files[file]).hexdigest()
                return self._send(200, files[file], {"x-repo-commit": commit, "etag": f'"{etag}"'})
            entries = {entry["path"]: entry for entry in _tree(files)}
            if found["verb"] == "paths-info":
                wanted = json.loads(form)["paths"] if form[:1] == "{" else parse_qs(form)["paths"]
                return self._tell([entries[path] for path in wanted if path in entries])
            start = file and f"{file}/"
            deep = "recursive=true" in self.path.lower()
            below = [e for path, e in entries.items() if path.startswith(start)]
            if not below:
                return self._missing("EntryNotFound")
            self._tell([e for e in below if deep or "/" not in e["path"][len(start) :]])

        do_HEAD = do_POST = do_GET

        def _tell(self, value: Any) -> None:
            self._send(200, json.dumps(value).encode(), {"content-type": "application/json"})

        def _missing(self, what: str, more: Mapping[str, str] | None = None) -> None:
            self._send(404, b"", {"x-error-code": what, **(more or {})})

        def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler


def _oid(path: str) -> str:
    return hashlib.sha1(path.encode()).hexdigest()


def _tree(files: Files) -> list[dict[str, Any]]:
    """Every folder and file."""
    places = [path.split("/") for path in files]
    folders = dict.fromkeys("/".join(p[:n]) for p in places for n in range(1, len(p)))
    found: list[dict[str, Any]] = [
        {"type": "directory", "path": path, "oid": _oid(path)} for path in folders
    ]
    for path, content in files.items():
        found.append({"type": "file", "path": path, "size": len(content), "oid": _oid(path + "/")})
    return found
