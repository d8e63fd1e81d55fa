"""A Hub on the loopback address: what pushing and loading a model ask of it, and no more."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_let_me_in"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """Repositories in memory: name, then file, then content."""

    repositories: dict[str, dict[str, bytes]]
    gated: set[str]

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", headers.get("Length", str(len(content))))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def tell(self, value: object) -> None:
        self.answer(200, json.dumps(value).encode(), Content_Type="application/json")

    def refuse(self, status: int, code: str) -> None:
        self.answer(status, b'{"error": "refused"}', X_Error_Code=code, X_Error_Message="refused")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if found := re.fullmatch(r"/(\w+/[\w-]+)/resolve/([\w-]+)/([\w.]+)", self.path):
            self.send_file(*found.groups())
        else:
            self.refuse(404, "RepoNotFound")

    def send_file(self, name: str, revision: str, file: str) -> None:
        if name in self.gated:
            self.refuse(403, "GatedRepo")
        elif name not in self.repositories:
            self.refuse(404, "RepoNotFound")
        elif revision not in ("main", COMMIT):
            self.refuse(404, "RevisionNotFound")
        elif file not in self.repositories[name]:
            self.refuse(404, "EntryNotFound")
        else:
            content = self.repositories[name][file]
            tag = hashlib.sha256(content).hexdigest()
            self.answer(200, content, ETag=f'"{tag}"', X_Repo_Commit=COMMIT)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
        here = f"http://{self.headers['Host']}"
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.refuse(401, "Unauthorized")
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(part for part in (asked.get("organization"), asked["name"]) if part)
            self.repositories.setdefault(name, {})
            self.tell({"url": f"{here}/{name}", "name": name})
        elif self.path == "/api/validate-yaml":
            self.tell({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            self.tell(
                {
                    "files": [
                        {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                        for file in files
                    ]
                }
            )
        elif found := re.fullmatch(r"/api/models/(.+)/commit/main", self.path):
            for line in body.splitlines():
                item = json.loads(line)
                if item["key"] == "file":
                    content = base64.b64decode(item["value"]["content"])
                    self.repositories[found[1]][item["value"]["path"]] = content
            self.tell({"commitUrl": f"{here}/{found[1]}/commit/{COMMIT}", "commitOid": COMMIT})
        else:
            self.refuse(404, "RepoNotFound")


@contextmanager
def hub() -> Iterator[tuple[str, type[Hub]]]:
    """Its address while it runs, and its content."""
    handler = type("Local", (Hub,), {"repositories": {}, "gated": set()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler
    finally:
        server.shutdown()
        server.server_close()
