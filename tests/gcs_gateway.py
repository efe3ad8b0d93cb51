"""What fake-gcs-server lacks of Google's XML API, which the driver's library speaks: a process of its own in front of it.

    PUT /bucket/name      becomes an upload of the JSON API, and x-goog-if-generation-match a parameter of that
    404                   gets the body that Google's has

Run as `python tests/gcs_gateway.py PORT`, with the port of fake-gcs-server; the own one is printed.
"""

from __future__ import annotations

import http.client
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import unquote, urlencode, urlsplit

HOST: Final = "127.0.0.1"
PUBLIC_HOST: Final = "public.test"  # as fake-gcs-server is told
HOP_BY_HOP: Final = {"connection", "transfer-encoding", "date", "host", "server"}
MISSING: Final = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{}</Code><Message>It is missing.</Message></Error>"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream: int

    def do_GET(self) -> None:
        self.forward()

    def do_PUT(self) -> None:
        self.forward()

    def do_DELETE(self) -> None:
        self.forward()

    def do_POST(self) -> None:
        self.forward()

    def forward(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # who sent it has gone; fake-gcs-server would wait for the rest, and all others for it
            self.close_connection = True
            return
        method, path = self.command, self.path
        if method == "PUT":
            method, path = "POST", self.upload_path()
        self.answer(*self.asked(method, path, body))

    def asked(self, method: str, path: str, body: bytes = b"") -> tuple[http.client.HTTPResponse, bytes]:
        upstream = http.client.HTTPConnection(HOST, self.upstream)
        try:
            dropped = HOP_BY_HOP if body else {*HOP_BY_HOP, "content-length"}
            kept = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
            kept["Host"] = PUBLIC_HOST
            upstream.request(method, path, body, kept)
            answer = upstream.getresponse()
            return answer, answer.read()
        finally:
            upstream.close()

    def bucket(self) -> str:
        return unquote(urlsplit(self.path).path).lstrip("/").partition("/")[0]

    def upload_path(self) -> str:
        name = unquote(urlsplit(self.path).path).lstrip("/").partition("/")[2]
        parameters = {"uploadType": "media", "name": name}
        generation = self.headers.get("x-goog-if-generation-match")
        if generation is not None:
            parameters["ifGenerationMatch"] = generation
        return f"/upload/storage/v1/b/{self.bucket()}/o?{urlencode(parameters)}"

    def answer(self, answer: http.client.HTTPResponse, body: bytes) -> None:
        headers: list[tuple[str, str]] = answer.getheaders()
        if answer.status == 404:
            is_there = self.asked("GET", f"/storage/v1/b/{self.bucket()}")[0].status == 200
            body = MISSING.format("NoSuchKey" if is_there else "NoSuchBucket").encode()
        if self.command == "PUT" and answer.status == 200:
            headers.append(("ETag", f'"{json.loads(body)["etag"]}"'))
            body = b""
        self.send_response(answer.status)
        for name, value in headers:
            if name.lower() not in {*HOP_BY_HOP, "content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Gateway(ThreadingHTTPServer):
    request_queue_size = 128


if __name__ == "__main__":
    Handler.upstream = int(sys.argv[1])
    with Gateway((HOST, 0), Handler) as gateway:
        sys.stdout.write(f"{gateway.server_port}\n")
        sys.stdout.flush()
        gateway.serve_forever()
