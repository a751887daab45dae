"""Server that speaks as much of the Hugging Face Hub's interface as sharing a folder needs."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import re
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager


class SmallHub:
    """Repositories in memory."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        """``models/ada/x`` -> what lies there."""
        self.tags: dict[str, set[str]] = {}
        self.private: set[str] = set()
        self.asked: list[str] = []
        self.url = ""

    def commit(self, repo: str) -> str:
        """Return the name of the newest commit."""
        content = b"".join(name.encode() + data for name, data in sorted(self.files[repo].items()))
        return hashlib.sha1(content).hexdigest()


@contextmanager
def serving() -> Iterator[SmallHub]:
    """Serve a hub on a free port."""
    hub = SmallHub()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
            hub.asked.append(f"{self.command} {path}")
            status, headers, content = respond(hub, self.command, path, body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815 (the names that http.server calls)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield hub
    server.shutdown()
    server.server_close()


def respond(hub: SmallHub, verb: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    if path == "/api/repos/create":
        asked = json.loads(body)
        name = f"{asked.get('organization') or 'ada'}/{asked['name']}"
        repo = f"{asked.get('type', 'model')}s/{name}"
        hub.files.setdefault(repo, {})
        hub.tags.setdefault(repo, set())
        if asked.get("private") or asked.get("visibility") == "private":
            hub.private.add(repo)
        prefix = "datasets/" if repo.startswith("datasets") else ""
        return told({"url": f"{hub.url}/{prefix}{name}", "name": name, "id": "1"})
    if path == "/api/validate-yaml":
        return told({"errors": [], "warnings": []})
    if match := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(.*))?", path):
        return about(hub, verb, f"{match[1]}/{match[2]}", match[3] or "", body)
    if match := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.*)", path):
        repo = f"{'datasets' if match[1] else 'models'}/{match[2]}"
        if repo not in hub.files or match[4] not in hub.files[repo]:
            return missing("RepoNotFound" if repo not in hub.files else "EntryNotFound")
        content = hub.files[repo][match[4]]
        headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": hub.commit(repo)}
        return 200, headers, content
    return 404, {}, b""


def about(hub: SmallHub, verb: str, repo: str, what: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    if repo not in hub.files:
        return missing("RepoNotFound")
    name = repo.partition("/")[2]
    if what.startswith("preupload"):
        paths = [file["path"] for file in json.loads(body)["files"]]
        return told({"files": [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in paths]})
    if what.startswith("commit"):
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                hub.files[repo][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        commit = hub.commit(repo)
        return told({"commitUrl": f"{hub.url}/{name}/commit/{commit}", "commitOid": commit, "success": True})
    if what == "refs":
        tags = [
            {"name": t, "ref": f"refs/tags/{t}", "targetCommit": hub.commit(repo)} for t in hub.tags[repo]
        ]
        return told({"branches": [], "converts": [], "tags": tags})
    if what.startswith("tag/"):
        if verb == "DELETE":
            hub.tags[repo].discard(what.removeprefix("tag/"))
        else:
            hub.tags[repo].add(json.loads(body)["tag"])
        return told({})
    revision = what.partition("/")[2]
    if what.startswith("revision") and revision not in {"main", hub.commit(repo), *hub.tags[repo]}:
        return missing("RevisionNotFound")
    if what.startswith("tree"):
        return told(
            [{"type": "file", "path": p, "size": len(c), "oid": "0"} for p, c in hub.files[repo].items()]
        )
    siblings = [{"rfilename": path} for path in hub.files[repo]]
    return told({"id": name, "sha": hub.commit(repo), "siblings": siblings, "private": repo in hub.private})


def told(value: object) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


def missing(code: str) -> tuple[int, dict[str, str], bytes]:
    return 404, {"X-Error-Code": code, "Content-Type": "application/json"}, b'{"error": "not found"}'
