"""The programs of a private Sigstore: each in its own directory and on free ports, ready when it answers."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from conformance import tether
from conformance.ports import free_port
from conformance.sigstore import authorities, identities
from conformance.sigstore.authorities import CODE_SIGNING, TIME_STAMPING, Holder, written
from conformance.sigstore.issuer import Issuer, issuing
from conformance.tools import path_of

PROGRAMS: Final = ("tesseract", "fulcio", "rekor", "timestamp-server", "cosign")
"""The tools that it takes; cosign writes the files for clients."""

_LOOPBACK: Final = "127.0.0.1"
_METRICS_OF_TIMESTAMPS: Final = 2112
"""The port on which timestamp-server counts; no option changes it."""
_START: Final = 60.0  # seconds until a program answers
_OTHERS: Final = 300.0  # seconds that a port in use is waited for
_POLL: Final = 0.1  # seconds between two looks


class SigstoreFailed(Exception):
    """A program didn't start; the message ends with its log's end."""


@dataclass(frozen=True)
class Sigstore:
    """A private Sigstore that runs. URLs have no slash at the end.

    `directory` holds what clients need (`trusted_root.json`, `signing_config.json`, `timestamps.pem`, `fulcio.pem`) and a
    log of each program; what is trusted in it began to hold before it was made.
    """

    directory: Path
    issuer: Issuer
    fulcio: str
    rekor: str
    timestamps: str
    authority: Holder
    """Fulcio's intermediate authority."""
    stamper: Holder
    """Who stamps times."""

    @property
    def trusted_root(self) -> Path:
        """The file by which its signatures are verified."""
        return self.directory / "trusted_root.json"

    @property
    def signing_config(self) -> Path:
        """The file by which cosign 3 signs with all of it."""
        return self.directory / "signing_config.json"

    @property
    def timestamp_url(self) -> str:
        """Where timestamps are asked for (RFC 3161 over HTTP)."""
        return f"{self.timestamps}/api/v1/timestamp"

    def token(self, path: str = identities.PEOPLE, **claims: str) -> Path:
        """Write an identity token of the issuer at `path` into a new file and return its path, as cosign takes it."""
        with tempfile.NamedTemporaryFile("w", dir=self.directory, prefix="token-", delete=False) as file:
            file.write(self.issuer.token(path, **({"sub": claims.get("email", "someone")} | claims)))
        return Path(file.name)


@contextmanager
def running(directory: Path) -> Iterator[Sigstore]:
    """Run a private Sigstore that keeps all its files in `directory`. Raise ToolMissing or SigstoreFailed."""
    paths = {name: path_of(name) for name in PROGRAMS}
    with contextlib.ExitStack() as stack:
        issuer = stack.enter_context(issuing())
        authority = authorities.authority("Fulcio", CODE_SIGNING)
        written(directory, "fulcio.pem", authority.chain)
        log = stack.enter_context(_certificate_log(directory, paths["tesseract"], authority))
        fulcio = stack.enter_context(_fulcio(directory, paths["fulcio"], authority, issuer, log))
        rekor = stack.enter_context(_rekor(directory, paths["rekor"]))
        stamper = authorities.authority("Timestamps", TIME_STAMPING).issue("Timestamps", usage=TIME_STAMPING)
        timestamps = stack.enter_context(_timestamps(directory, paths["timestamp-server"], stamper))
        sigstore = Sigstore(directory, issuer, fulcio, rekor, timestamps, authority, stamper)
        _write_for_clients(sigstore, paths["cosign"], log)
        yield sigstore


@contextmanager
def _certificate_log(directory: Path, program: Path, authority: Holder) -> Iterator[str]:
    """Run TesseraCT, the log of the certificates that Fulcio issues."""
    key = ec.generate_private_key(ec.SECP256R1())  # the only curve it signs with
    written(directory, "certificates.pub", authorities.public_pem(key))
    host = f"{_LOOPBACK}:{free_port()}"
    options = {
        "origin": _LOOPBACK,  # The beginning of what it is asked for; it takes no port.
        "http_endpoint": host,
        "private_key": written(directory, "certificates.key", authorities.sec1_pem(key)),
        "roots_pem_file": written(directory, "certificates-roots.pem", authority.root),
        "storage_dir": _made(directory / "certificates"),
        "enable_publication_awaiter": "false",
    }
    with _started(directory, "tesseract", [program, *_flags(options)], f"http://{host}/ct/v1/get-roots"):
        yield f"http://{host}"


@contextmanager
def _fulcio(directory: Path, program: Path, authority: Holder, issuer: Issuer, log: str) -> Iterator[str]:
    """Run Fulcio, which gives certificates for ten minutes to whoever shows a token of an issuer it knows."""
    configuration = json.dumps(identities.configuration(issuer)).encode()
    port = free_port()
    options = {
        "host": _LOOPBACK,
        "port": port,
        "grpc-host": _LOOPBACK,
        "grpc-port": free_port(),
        "metrics-port": free_port(),
        "legacy-unix-domain-socket": f"@fulcio-{port}",
        "config-path": written(directory, "fulcio.json", configuration),
        "ca": "fileca",
        "fileca-cert": directory / "fulcio.pem",
        "fileca-key": written(directory, "fulcio.key", authorities.private_pem(authority.key)),
        "fileca-key-passwd": "none",
        "fileca-watch": "false",
        "ct-log-url": log,
        "ct-log-public-key-path": directory / "certificates.pub",
    }
    with _started(directory, "fulcio", [program, "serve", *_flags(options)], f"http://{_LOOPBACK}:{port}/healthz"):
        yield f"http://{_LOOPBACK}:{port}"


@contextmanager
def _rekor(directory: Path, program: Path) -> Iterator[str]:
    """Run Rekor 2, the log of signatures, on files."""
    key = ed25519.Ed25519PrivateKey.generate()
    written(directory, "rekor.pub", authorities.public_pem(key))
    port = free_port()
    options = {
        "http-address": _LOOPBACK,
        "http-port": port,
        "grpc-address": _LOOPBACK,
        "grpc-port": free_port(),
        "http-metrics-port": free_port(),
        "hostname": _LOOPBACK,  # The log's origin: clients take it from the host of its URL.
        "storage-dir": _made(directory / "rekor"),
        "signer-filepath": written(directory, "rekor.key", authorities.private_pem(key)),
        "batch-max-age": "50ms",
        "checkpoint-interval": "100ms",
    }
    with _started(directory, "rekor", [program, "serve", *_flags(options)], f"http://{_LOOPBACK}:{port}/healthz"):
        yield f"http://{_LOOPBACK}:{port}"


@contextmanager
def _timestamps(directory: Path, program: Path, stamper: Holder) -> Iterator[str]:
    """Run the timestamp authority."""
    port = free_port()
    options = {
        "host": _LOOPBACK,
        "port": port,
        "disable-ntp-monitoring": "true",
        "timestamp-signer": "file",
        "file-signer-key-path": written(directory, "timestamps.key", authorities.private_pem(stamper.key)),
        "certificate-chain-path": written(directory, "timestamps.pem", stamper.chain),
        "include-chain-in-response": "true",
    }
    command: list[str | Path] = [program, "serve", *_flags(options)]
    _await_metrics_port()
    with _started(directory, "timestamp-server", command, f"http://{_LOOPBACK}:{port}/ping"):
        yield f"http://{_LOOPBACK}:{port}"


def _await_metrics_port() -> None:
    """Wait for another timestamp-server on this machine to end: two can't run at once, and nobody holds one for long."""
    deadline = time.monotonic() + _OTHERS
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", _METRICS_OF_TIMESTAMPS))
            except OSError as error:
                if time.monotonic() > deadline:
                    raise SigstoreFailed(
                        f"timestamp-server counts on port {_METRICS_OF_TIMESTAMPS}, which is in use; end what holds it"
                    ) from error
            else:
                return
        time.sleep(_POLL)


def _write_for_clients(sigstore: Sigstore, cosign: Path, log: str) -> None:
    """Write the trusted root and the signing configuration, as cosign makes them."""
    directory = sigstore.directory
    since = f"start-time={sigstore.stamper.certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
    root = {
        "fulcio": f"url={sigstore.fulcio},certificate-chain={directory / 'fulcio.pem'},{since}",
        "ctfe": f"url={log},public-key={directory / 'certificates.pub'},{since}",
        "rekor": f"url={sigstore.rekor},public-key={directory / 'rekor.pub'},{since},origin={_LOOPBACK}",
        "tsa": f"url={sigstore.timestamp_url},certificate-chain={directory / 'timestamps.pem'},{since}",
        "out": sigstore.trusted_root,
    }
    ours = f"{since},operator=loopback"
    services = {
        "fulcio": f"url={sigstore.fulcio},api-version=1,{ours}",
        "rekor": f"url={sigstore.rekor},api-version=2,{ours}",
        "rekor-config": "ANY",
        "oidc-provider": f"url={sigstore.issuer.url}/{identities.PEOPLE},api-version=1,{ours}",
        "tsa": f"url={sigstore.timestamp_url},api-version=1,{ours}",
        "tsa-config": "ANY",
        "out": sigstore.signing_config,
    }
    for command, options in (("trusted-root", root), ("signing-config", services)):
        done = subprocess.run(
            [cosign, command, "create", *_flags(options)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise SigstoreFailed(f"cosign {command} create failed: {done.stderr.strip()[-2000:]}")


def _flags(options: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


@contextmanager
def _started(directory: Path, name: str, command: Sequence[str | Path], ready: str) -> Iterator[None]:
    """Run a program with a log of its own until the block ends; the block begins when it answers at the URL `ready`."""
    log = directory / f"{name}.log"
    with tether.running(command, log, cwd=directory) as process:
        deadline = time.monotonic() + _START
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace")[-3000:]
                raise SigstoreFailed(f"{name} did not start. Its log ends:\n{said}")
            time.sleep(_POLL)
        yield


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=_START) as answer:  # noqa: S310 - it is on the loopback address
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False
