"""Emulators of Azure Blob Storage and Google Cloud Storage for tests: Azurite and fake-gcs-server, where they are at hand."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import re
import secrets
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree as ET

import msgspec
import requests

from conformance.ports import free_port
from conformance.tether import tied
from conformance.tools import ToolMissing, path_of
from registry.storage.cloud_segments import LENGTH, Description, sizes_of
from registry.storage_url import AzureLocation, GoogleLocation
from tests.gcs_gateway import PUBLIC_HOST

NAMES: Final = ("azurite-blob", "fake-gcs-server")
ACCOUNT: Final = "devstoreaccount1"  # Azurite's own, like its key
KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CREDENTIALS: Final = {"AZURE_STORAGE_ACCOUNT_KEY": KEY, "GOOGLE_BEARER_TOKEN": "a token that nobody looks at"}
_PREFIX: Final = "some/prefix/"
_READY_SECONDS: Final = 60.0

Location: TypeAlias = AzureLocation | GoogleLocation


class CloudServer(ABC):
    """A server that runs, looked at by requests that share nothing with the driver."""

    name: str

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    @abstractmethod
    def make_location(self) -> Location:
        """Return a place in a container or bucket of its own."""

    @abstractmethod
    def storage(self, location: Location) -> str:
        """Return what BLACKLAKE_STORAGE is for that place."""

    @abstractmethod
    def objects(self, location: Location) -> dict[str, int]:
        """Return the names of all objects, with the bytes of each."""

    @abstractmethod
    def content(self, location: Location, name: str) -> bytes:
        """Return an object's bytes."""

    def description(self, location: Location, name: str) -> Description:
        """Return what a blob's object says the blob is made of."""
        whole = self.content(location, name)
        (length,) = LENGTH.unpack(whole[: LENGTH.size])
        found = msgspec.msgpack.decode(whole[LENGTH.size :][:length], type=Description)
        assert len(whole) == LENGTH.size + length + found.end
        return found

    def contents(self, location: Location) -> list[int]:
        """Return the sizes of all blobs, and of all other objects that belong to none."""
        sizes, found = self.objects(location), []
        for name in [name for name in sizes if name.endswith("/blob")]:
            sizes.pop(name)
            description = self.description(location, name)
            for segment, size in sizes_of(description.runs).items():
                assert sizes.pop(f"{name.removesuffix('blob')}{segment}") == size
            found.append(description.size)
        return found + list(sizes.values())


class Azurite(CloudServer):
    name = "azurite-blob"

    def make_location(self) -> AzureLocation:
        container = f"test-{secrets.token_hex(6)}"
        self._request("PUT", container, restype="container")
        return AzureLocation(container, _PREFIX, account=ACCOUNT, endpoint=self.endpoint)

    def storage(self, location: Location) -> str:
        assert isinstance(location, AzureLocation)
        parameters = {"account": location.account, "endpoint": location.endpoint}
        return f"azure://{location.container}/{location.prefix}?{urlencode(parameters)}"

    def objects(self, location: Location) -> dict[str, int]:
        assert isinstance(location, AzureLocation)
        found: dict[str, int] = {}
        marker = ""
        while True:
            page = self._request("GET", location.container, restype="container", comp="list", marker=marker)
            root = ET.fromstring(page)
            for blob in root.iter("Blob"):
                found[blob.findtext("Name", "")] = int(blob.findtext("Properties/Content-Length", "-1"))
            marker = root.findtext("NextMarker") or ""
            if not marker:
                return found

    def content(self, location: Location, name: str) -> bytes:
        assert isinstance(location, AzureLocation)
        return self._request("GET", f"{location.container}/{name}")

    def _request(self, method: str, path: str, **parameters: str) -> bytes:
        url = f"{self.endpoint}/{path}"
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2023-11-03"}
        lines = [method, *[""] * 11, *(f"{name}:{value}" for name, value in sorted(headers.items()))]
        lines.append(f"/{ACCOUNT}{quote(urlsplit(url).path)}")
        lines += [f"{name}:{value}" for name, value in sorted(parameters.items())]
        signature = hmac.digest(base64.b64decode(KEY), "\n".join(lines).encode(), hashlib.sha256)
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}"
        answer = requests.request(method, url, params=parameters, headers=headers, timeout=60)
        assert answer.ok, answer.text
        return answer.content


class FakeGcsServer(CloudServer):
    name = "fake-gcs-server"

    def make_location(self) -> GoogleLocation:
        bucket = f"test-{secrets.token_hex(6)}"
        answer = requests.post(f"{self.endpoint}/storage/v1/b?project=test", json={"name": bucket}, timeout=60)
        assert answer.ok, answer.text
        return GoogleLocation(bucket, _PREFIX, endpoint=self.endpoint)

    def storage(self, location: Location) -> str:
        assert isinstance(location, GoogleLocation)
        return f"gs://{location.bucket}/{location.prefix}?{urlencode({'endpoint': location.endpoint})}"

    def objects(self, location: Location) -> dict[str, int]:
        assert isinstance(location, GoogleLocation)
        listed = requests.get(f"{self.endpoint}/storage/v1/b/{location.bucket}/o", timeout=60).json()
        assert "nextPageToken" not in listed
        return {item["name"]: int(item["size"]) for item in listed.get("items", [])}

    def content(self, location: Location, name: str) -> bytes:
        assert isinstance(location, GoogleLocation)
        answer = requests.get(f"{self.endpoint}/{location.bucket}/{name}", timeout=60)
        assert answer.ok, answer.text
        return answer.content


def missing(name: str) -> str | None:
    """Return how to get an emulator that isn't here; None where it is."""
    try:
        path_of(name)
    except ToolMissing as error:
        return str(error)
    return None


@contextlib.contextmanager
def running(name: str, directory: Path) -> Iterator[CloudServer]:
    """Run an emulator that keeps what it stores in `directory` or in memory."""
    with contextlib.ExitStack() as stack:
        if name == Azurite.name:
            listen = ("--blobHost", "127.0.0.1", "--blobPort", 0, "--location", directory, "--disableTelemetry")
            said = stack.enter_context(_program(directory / "log", path_of(name), *listen, "--silent"))
            port = said(r"listens on http://127.0.0.1:(\d+)")
            yield Azurite(f"http://127.0.0.1:{port}/{ACCOUNT}")
        else:
            behind = free_port()
            listen = ("-scheme", "http", "-host", "127.0.0.1", "-port", behind, "-public-host", PUBLIC_HOST)
            said = stack.enter_context(_program(directory / "log", path_of(name), *listen, "-backend", "memory"))
            said(r"server started at")
            gateway = Path(__file__).with_name("gcs_gateway.py")
            said = stack.enter_context(_program(directory / "gateway", sys.executable, gateway, behind))
            port = said(r"^(\d+)$")
            yield FakeGcsServer(f"http://127.0.0.1:{port}")


@contextlib.contextmanager
def _program(log: Path, *command: object) -> Iterator[Callable[[str], str]]:
    """Run a program; yield what waits until it says something, and returns the last group of that."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            tied([str(word) for word in command]),
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the tests, which then stop the program.
        )

    def said(pattern: str) -> str:
        until = time.monotonic() + _READY_SECONDS
        while (found := re.search(pattern, log.read_text(), re.MULTILINE)) is None:
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"{command[0]} did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.05)
        return found[found.lastindex or 0]

    try:
        yield said
    finally:
        process.terminate()
        process.wait(30)
