"""The servers that are compared: where their programs are found and how each is set up for a fair run.

Peers get the settings that their users would choose for speed: errors only in the log, no access log, the blob
descriptors cached in memory. Blacklake runs as it comes.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.errors import BenchmarkError
from bench.servers import Kind
from bench.wire import HOST
from conformance.s3 import ACCESS_KEY, CREDENTIALS, REGION, SECRET_KEY

BASE = "distribution v3"  # what ratios are relative to
OURS = "Blacklake"
LIMIT = "nginx, files"
HELP = "`python -m conformance tools peers` builds distribution v3 and olareg; zot must be on the PATH, apt brings the rest"

_DISTRIBUTION = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  {storage}
  delete: {{enabled: true}}
  cache: {{blobdescriptor: inmemory}}
  redirect: {{disable: {no_redirects}}}
http: {{addr: "{host}:{port}"}}
"""

# Enough of a registry to give the client something to push to: files under their paths, unhashed and not synced.
_NGINX = """\
daemon off; user root; worker_processes auto; pid {home}/pid; error_log stderr error;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=20000;
  client_max_body_size 0; client_body_temp_path {home}/body; default_type application/octet-stream;
  dav_methods PUT; create_full_put_path on;
  server {{
    listen {host}:{port}; root {home}/data;
    location = /v2/ {{ return 200; }}
    location ~ ^(?<repository>/v2/.+/blobs)/uploads/ {{
      if ($request_method = POST) {{ add_header Location $repository/uploads/$request_id always; return 202; }}
      rewrite ^ $repository/$arg_digest break;
    }}
  }}
}}
"""


def found() -> tuple[list[Kind], list[str]]:
    """Return the kinds of servers that can be run here and the names of those that are missing.

    Raises BenchmarkError when Blacklake itself is missing.
    """
    kinds, missing = [ours()], []
    for program, make in _PEERS.items():
        path = _search(program)
        if path:
            kinds.append(make(path))
        else:
            missing.append(program)
    return kinds, missing


def ours() -> Kind:
    """Return Blacklake as installed beside the running Python; raise BenchmarkError when it is not."""
    program = Path(sys.prefix, "bin", "blacklake")
    if not program.exists():
        raise BenchmarkError(f"There is no {program}; `make install` makes it.")

    def command(home: Path, port: int) -> list[str]:
        return [str(program), "serve", "--host", HOST, "--port", str(port), "--data-dir", str(home / "data")]

    return Kind(OURS, _output(program, "version"), command, ready="/ready")


def ours_on(storage: str, data: Path, *, redirects: bool) -> Kind:
    """Return Blacklake with its blobs in a bucket (what BLACKLAKE_STORAGE says) and all else in the directory `data`."""
    kind = ours()
    settings = {"BLACKLAKE_STORAGE": storage, "BLACKLAKE_REDIRECT": "always" if redirects else "never"}

    def command(_: Path, port: int) -> list[str]:
        return kind.command(data, port)

    return replace(kind, command=command, environment={**CREDENTIALS, **settings})


def distribution_on(endpoint: str, bucket: str, *, redirects: bool) -> Kind:
    """Return distribution v3 with all that it has in a bucket; raise BenchmarkError when it is missing."""
    path = _search("registry")
    if path is None:
        raise BenchmarkError(f"{BASE} is missing ({HELP}).")
    where = {"regionendpoint": endpoint, "region": REGION, "bucket": bucket, "forcepathstyle": True, "secure": False}
    s3 = json.dumps({"accesskey": ACCESS_KEY, "secretkey": SECRET_KEY, **where})
    return _distribution(BASE, path, storage=f"s3: {s3}", redirects=redirects)


def _distribution(name: str, path: Path, *, storage: str | None = None, redirects: bool = False) -> Kind:
    def command(home: Path, port: int) -> list[str]:
        file, place = home / "config.yml", storage or f"filesystem: {{rootdirectory: {home}/data}}"
        no_redirects = str(not redirects).lower()
        file.write_text(_DISTRIBUTION.format(storage=place, no_redirects=no_redirects, host=HOST, port=port))
        return [str(path), "serve", str(file)]

    # Without this v3 looks for a collector of traces on a port where there is none.
    version = _output(path, "--version").split()[-1].removesuffix("+unknown")  # what a build outside git adds
    return Kind(name, version, command, environment={"OTEL_TRACES_EXPORTER": "none"})


def _olareg(path: Path) -> Kind:
    def command(home: Path, port: int) -> list[str]:
        options = ["--addr", HOST, "--port", str(port), "--dir", str(home / "data"), "--verbosity", "error"]
        return [str(path), "serve", *options, "--api-delete", "--api-blob-delete"]

    release = path.parent.name.partition("@")[2]  # the program itself knows only that it was built
    return Kind("olareg", release or _output(path, "version"), command)


def _zot(path: Path) -> Kind:
    def command(home: Path, port: int) -> list[str]:
        storage, http = {"rootDirectory": str(home / "data")}, {"address": HOST, "port": str(port)}
        file = home / "config.json"
        file.write_text(json.dumps({"storage": storage, "http": http, "log": {"level": "error"}}))
        return [str(path), "serve", str(file)]

    return Kind("zot", _output(path, "--version"), command)


def _nginx(path: Path) -> Kind:
    def command(home: Path, port: int) -> list[str]:
        (home / "data").mkdir()
        file = home / "nginx.conf"
        file.write_text(_NGINX.format(home=home, host=HOST, port=port))
        return [str(path), "-p", str(home), "-e", "stderr", "-c", str(file)]

    return Kind(LIMIT, _output(path, "-v").rpartition("/")[2], command, registry=False)


_PEERS: dict[str, Callable[[Path], Kind]] = {
    "docker-registry": partial(_distribution, "Docker registry"),
    "registry": partial(_distribution, BASE),
    "olareg": _olareg,
    "zot": _zot,
    "nginx": _nginx,
}


def _search(program: str) -> Path | None:
    """Return the newest of those built into the cache, or the one that is installed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "blacklake", "tools")
    built = max(cache.glob(f"{program}@*/{program}"), key=lambda path: path.stat().st_mtime, default=None)
    installed = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    return built or (Path(installed) if installed else None)


def _output(program: Path, option: str) -> str:
    done = subprocess.run([program, option], capture_output=True, text=True, timeout=60, check=False)
    return (done.stdout or done.stderr).strip().splitlines()[0]
