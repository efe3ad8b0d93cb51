"""Settings: `BLACKLAKE_*` variables over a TOML file over defaults. This file is the one list of them."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from registry.storage_url import FileLocation, MemoryLocation, StorageLocation, parse_storage

PREFIX: Final = "BLACKLAKE_"
"""Every environment variable of Blacklake begins with it."""

# What says who acts by `blacklake admin --server`, and may be set where a server's settings are, too.
_OF_CLIENTS: Final = frozenset((PREFIX + "API_KEY", PREFIX + "PASSWORD_FILE", PREFIX + "KEY_PASSWORD"))
# In a URL up to its last `@`, since a password may hold what should have been escaped; or as a parameter of libpq's.
_PASSWORD: Final = re.compile(r"""(?<=://)([^:/?#@\s'"]*:)[^\s'"]*(?=@)|(\b(?:ssl_?)?password=)[^&\s'"]*""")
# Of a value that is a URL as a whole: no quote or space ends it, and what is refused may hold secrets by other names.
_PARAMETER: Final = re.compile(
    r"((?:^|[?&\s])[^?&=\s]*(?:password|secret|token)[^&=\s]*=)[^&]*", re.DOTALL | re.IGNORECASE
)
# Also of one that lacks its scheme.
_USERINFO: Final = re.compile(r"\A(\s*(?:[A-Za-z][A-Za-z0-9+.-]*://|(?![^:]*://))[^:/?#@]*:).*(?=@)", re.DOTALL)
_BRACKETS: Final = re.compile(r"\[[^\]]*\]")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\.?", re.ASCII)
_LISTEN: Final = re.compile(r"(?:[^:\[\]/\s]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", re.ASCII)
_EXTERNAL_URL: Final = re.compile(r"https?://[^/?#@\s]+(?:/[^?#\s]*)?")


class Auth(StrEnum):
    """How clients prove who they are."""

    OPEN = "open"
    TOKEN = "token"  # noqa: S105 - a setting's value


class Sparse(StrEnum):
    """Which manifests may name content that their repository doesn't hold."""

    REFUSE = "refuse"
    INDEX = "index"
    ALLOW = "allow"


class Deletion(StrEnum):
    """What DELETE does to content that is still used in its repository."""

    REFUSE = "refuse"
    FORCE = "force"
    OFF = "off"


class Redirect(StrEnum):
    """Whether pulls of blobs are answered by redirects to the storage, where it can be reached."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Migrate(StrEnum):
    """Whether a starting server brings the database's schema up to date."""

    AUTO = "auto"
    NEVER = "never"


class JobsMode(StrEnum):
    """Whether a server does the background work that follows pushes."""

    AUTO = "auto"
    OFF = "off"


class HttpServer(StrEnum):
    """The program that speaks HTTP."""

    GRANIAN = "granian"
    HYPERCORN = "hypercorn"


def _listed(separator: str) -> BeforeValidator:
    """Return what reads a list that is written with separators; a list stays as it is."""

    def items(value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(item for part in re.split(separator, value) if (item := part.strip(" ,")))

    return BeforeValidator(items)


_URLS_END: Final = r",(?=\s*[a-z]+://)"  # a comma inside of a URL may separate hosts
_Items = Annotated[tuple[str, ...], NoDecode, _listed(",")]
_Urls = Annotated[tuple[str, ...], NoDecode, _listed(_URLS_END)]


class InvalidSettings(ValueError):
    """Settings that can't be used; the message names each one and what it may be."""


class Settings(BaseSettings):
    """Everything that can be set. Each field's description is the text of the documentation's table."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(5000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    data_dir: Path = Field(Path("data"), description="Directory of the embedded PostgreSQL and of local blobs.")
    workers: int = Field(1, ge=1, le=64, description="Processes that answer requests.")
    server: HttpServer = Field(HttpServer.GRANIAN, description="Program that speaks HTTP: granian or hypercorn.")
    tls_cert_file: Path | None = Field(
        None,
        description="File with the server's certificate and those above it (PEM): clients then reach it by https only.",
    )
    tls_key_file: Path | None = Field(None, description="File with the key of that certificate (PEM, no password).")
    tls_client_ca_file: Path | None = Field(
        None,
        description="File with the certificates (PEM) that a client's must come from; without one nobody gets in then.",
    )
    admin_listen: str | None = Field(
        None,
        description=(
            "Address (HOST:PORT) for /metrics and for /ready with details, without TLS. With `auth=token` they are only there,"
            " by default at a free port of 127.0.0.1 that the log names; with `auth=open` at the main port, too."
        ),
    )
    external_url: str | None = Field(
        None, description="URL under which clients reach the registry; Locations are relative without it."
    )
    auth: Auth = Field(
        Auth.OPEN,
        description="open: whoever reaches the address may do everything; token: users, teams and their rights.",
    )
    secret_key_file: Path | None = Field(
        None,
        description=(
            "File with the key that seals what the database keeps secret, the same on every node (`openssl rand -base64 32`);"
            " made in the data directory where PostgreSQL is embedded."
        ),
    )
    admin_password_file: Path | None = Field(
        None,
        description=(
            "File with the password of `admin`, the user that a first start makes; without it, one is made and written into"
            " `initial-admin-password` in the data directory."
        ),
    )
    token_service: str = Field("blacklake", description="Name of the service that access tokens are for.")
    token_algorithm: str = Field(
        "ES256", pattern="^(ES256|RS256|EdDSA)$", description="How access tokens are signed: ES256, RS256 or EdDSA."
    )
    session_idle_seconds: int = Field(
        30 * 86400, ge=300, le=365 * 86400, description="Seconds after its last use until a refresh token ends."
    )
    session_seconds: int = Field(
        90 * 86400,
        ge=300,
        le=365 * 86400,
        description="Seconds after the login until its refresh tokens end in any case.",
    )
    token_seconds: int = Field(300, ge=60, le=3600, description="Seconds for which an access token is valid.")
    outgoing_allow: _Items = Field(
        (),
        description=(
            "Hosts and networks that the registry may call though they are not public, separated by commas (`idp.internal`,"
            " `10.0.0.0/8`); the hosts also without TLS. Others only by https, at public addresses."
        ),
    )
    outgoing_ca_file: Path | None = Field(
        None, description="File with certificates (PEM) that outgoing calls trust beside the public ones."
    )
    external_token_issuer: str | None = Field(
        None,
        description="Issuer (`iss`) of the tokens that another token server gives out for `token_service`; none without it.",
    )
    external_token_keys_url: str | None = Field(
        None, description="Where that token server publishes its keys, as a JWKS."
    )
    external_token_kids: _Items = Field(
        (), description="Names of the only keys of these that are trusted, separated by commas; all of them without it."
    )
    external_token_realm: str | None = Field(
        None, description="Where clients get tokens of that server, instead of here."
    )
    insecure_open: bool = Field(
        False, description="Accept `auth=open` on an address other than loopback: everyone there may write."
    )
    database_url: str | None = Field(
        None, description="PostgreSQL 15 or later, as postgresql://user:password@host/database; embedded without it."
    )
    database_direct_url: str | None = Field(
        None,
        description=(
            "The same database without the pooler (pgbouncer in transaction mode) that `database_url` then leads through;"
            " for migrations."
        ),
    )
    database_replica_urls: _Urls = Field(
        (),
        description=(
            "Replicas of that database, separated by commas: for manifests above 64 KiB, and for catalogs that may be stale"
            " (`Cache-Control: max-stale`)."
        ),
    )
    database_pool_size: int = Field(10, ge=2, le=200, description="Connections to PostgreSQL of each worker, at most.")
    database_timeout: float = Field(
        10.0, ge=0.1, le=3600, description="Seconds that a statement, or the wait for a connection, may take."
    )
    migrate: Migrate = Field(Migrate.AUTO, description="auto: a start brings the schema up to date; never: it must be.")
    storage: str | None = Field(
        None,
        description="Where blobs lie: file:///path, s3://bucket/prefix?endpoint=…&region=…&path_style=true,"
        " azure://container/prefix?account=…, gs://bucket/prefix, or memory: (lost at exit). `blobs` in the data directory"
        " without it.",
    )
    redirect: Redirect = Field(
        Redirect.AUTO,
        description="Pulls of blobs in S3: auto (redirect who can follow, from 1 MiB on), always, or never (send the bytes).",
    )
    redirect_except: str = Field(
        "Mozilla/,Wget/,Python-urllib/",
        description="Beginnings of User-Agents that `redirect=auto` leaves out, separated by commas.",
    )
    sparse: Sparse = Field(
        Sparse.REFUSE,
        description="Manifests that name absent content: refuse, index (absent children of one), allow.",
    )
    delete: Deletion = Field(
        Deletion.REFUSE, description="DELETE of content still in use: refuse, force; off refuses every DELETE."
    )
    upload_ttl: int = Field(
        86400,
        ge=60,
        le=10 * 365 * 86400,
        description="Seconds after its last byte until an unfinished upload is removed.",
    )
    jobs: JobsMode = Field(
        JobsMode.AUTO,
        description="auto: one worker of this server describes what is pushed; off: others do, and `blacklake work`.",
    )
    digest_bytes_per_second: int = Field(
        100_000_000,
        ge=1_000_000,
        description="Bytes a second that a node reads to digest tensors, at most, where repositories ask for that.",
    )
    cache_bytes: int = Field(64 << 20, ge=0, description="Memory of each worker for immutable bytes of manifests.")
    redis_url: str | None = Field(
        None,
        description=(
            "Redis that nodes share counts of requests and manifests above 64 KiB by, as redis://:password@host:6379/0, rediss://…"
            " or unix:///path. Nothing needs it."
        ),
    )
    rate_limit: int = Field(
        0, ge=0, le=1_000_000, description="Requests a minute that one client address may make; 0: as many as it likes."
    )
    rate_limit_read: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Reads a minute of one user, or of a client address where nobody is logged in; 0: any number.",
    )
    rate_limit_write: int = Field(
        0, ge=0, le=1_000_000, description="Requests a minute that change something, counted likewise; 0: any number."
    )
    rate_limit_login: int = Field(
        600, ge=0, le=1_000_000, description="Requests for tokens a minute of one client address; 0: any number."
    )
    rate_limit_admin: int = Field(
        0, ge=0, le=1_000_000, description="Requests a minute to the API of administrators, by user; 0: any number."
    )
    trusted_proxies: _Items = Field(
        (),
        description=(
            "Addresses of the proxies whose X-Forwarded-For says who the client is, separated by commas (`192.0.2.10,::1`);"
            " networks too, but whoever has one of these addresses can be any client."
        ),
    )
    trusted_identity_header: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9-]{1,64}$",
        description=(
            "Header in which a proxy names the user whom it has verified, by a client certificate say: his name, or a"
            " distinguished name with one CN. It counts from `identity_proxies` only."
        ),
    )
    identity_proxies: _Items = Field(
        (),
        description=(
            "Addresses of the proxies that set `trusted_identity_header`, separated by commas; networks too, but whoever has"
            " one of these addresses can be any user."
        ),
    )
    fast_lane: bool = Field(True, description="Answer plain reads before Quart; off sends every request through Quart.")
    log_level: str = Field(
        "info",
        pattern="^(debug|info|warning|error)$",
        description="debug, info, warning or error; debug logs every read too.",
    )
    drain_timeout: int = Field(30, ge=0, description="Seconds that running requests have to end after SIGTERM.")

    @field_validator("outgoing_allow")
    @classmethod
    def _refuse_neither_hosts_nor_networks(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for entry in entries:
            if _HOST.fullmatch(entry) is None:
                ipaddress.ip_network(entry)
        return entries

    @field_validator("external_url", "external_token_keys_url", "external_token_realm")
    @classmethod
    def _refuse_half_a_url(cls, url: str | None) -> str | None:
        if url is not None and _EXTERNAL_URL.fullmatch(url) is None:
            raise ValueError("this is not http://host or https://host, with a port and a path if need be")
        return url

    @field_validator("admin_listen")
    @classmethod
    def _refuse_no_address(cls, address: str | None) -> str | None:
        found = _LISTEN.fullmatch(address) if address is not None else None
        if address is not None and (found is None or int(found[1]) > 65535):
            raise ValueError("this is no HOST:PORT, such as 127.0.0.1:9090 or [::1]:9090")
        return address

    @field_validator("storage")
    @classmethod
    def _refuse_unknown_storage(cls, storage: str | None) -> str | None:
        if storage is not None:
            parse_storage(storage)
        return storage

    @field_validator("database_url", "database_direct_url", "database_replica_urls")
    @classmethod
    def _refuse_other_databases(cls, given: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for url in (given,) if isinstance(given, str) else given or ():
            if not _is_postgres(url):
                raise ValueError(
                    "this is not postgresql://user:password@host/database, with %2F for a `/` in the password, %23 for a `#`"
                )
        return given

    @field_validator("redis_url")
    @classmethod
    def _refuse_other_stores(cls, url: str | None) -> str | None:
        if url is not None and not _is_redis(url):
            raise ValueError("this is none of redis://host:port/number, rediss://host:port/number and unix:///path")
        return url

    @field_validator("trusted_proxies", "identity_proxies")
    @classmethod
    def _refuse_no_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            ipaddress.ip_network(network)
        return networks

    @property
    def storage_location(self) -> StorageLocation:
        """Where blobs lie."""
        return FileLocation(self.data_dir / "blobs") if self.storage is None else parse_storage(self.storage)

    @property
    def admin_address(self) -> tuple[str, int] | None:
        """Where else to listen for metrics and details; None where only the main port has them.

        Whoever starts us can't ask a main port that wants a client's certificate, so that there is another then.
        """
        if self.admin_listen is not None:
            host, _, port = self.admin_listen.rpartition(":")
            return host.strip("[]"), int(port)
        return None if self.auth is Auth.OPEN and self.tls_client_ca_file is None else ("127.0.0.1", 0)

    @property
    def session_url(self) -> str | None:
        """Where to find a session of PostgreSQL's own: the database without a pooler."""
        return self.database_direct_url or self.database_url

    @model_validator(mode="after")
    def _refuse_direct_url_alone(self) -> Settings:
        if self.database_direct_url is not None and self.database_url is None:
            raise ValueError(
                "database_direct_url names the database behind a pooler; database_url, the pooler's, is missing"
            )
        return self

    @model_validator(mode="after")
    def _refuse_half_a_token_server(self) -> Settings:
        given = (self.external_token_issuer, self.external_token_keys_url, self.external_token_realm)
        if any(given) and not all(given):
            raise ValueError(
                "external_token_issuer, external_token_keys_url and external_token_realm name one token server: all or none"
            )
        return self

    @model_validator(mode="after")
    def _refuse_half_a_certificate(self) -> Settings:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file belong together: both or none of them")
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("tls_client_ca_file asks clients for certificates by TLS; tls_cert_file is missing")
        return self

    @model_validator(mode="after")
    def _refuse_replicas_alone(self) -> Settings:
        if self.database_replica_urls and self.database_url is None:
            raise ValueError(
                "database_replica_urls names replicas of a database; database_url, the primary's, is missing"
            )
        return self

    @model_validator(mode="after")
    def _refuse_half_a_proxy(self) -> Settings:
        if (self.trusted_identity_header is None) != (not self.identity_proxies):
            raise ValueError(
                "trusted_identity_header is what the identity_proxies say, and nobody else: both or none of them"
            )
        if self.trusted_identity_header is not None and self.auth is Auth.OPEN:
            raise ValueError(
                "trusted_identity_header says who somebody is; auth=open doesn't ask that, auth=token does"
            )
        return self

    @model_validator(mode="after")
    def _refuse_memory_of_many(self) -> Settings:
        if self.workers > 1 and isinstance(self.storage_location, MemoryLocation):
            raise ValueError("storage memory: is of one process; it needs workers = 1")
        return self

    @model_validator(mode="after")
    def _refuse_open_to_the_world(self) -> Settings:
        if self.auth is Auth.OPEN and not self.insecure_open and not is_loopback(self.host):
            raise ValueError(
                f"auth=open on {self.host} would let everyone who reaches it write; listen on 127.0.0.1 or ::1,"
                " or pass --insecure-open where the network is trusted"
            )
        return self

    def to_environment(self) -> dict[str, str]:
        """Return the variables by which `load_settings` gives another process these very settings."""
        values = self.model_dump(mode="json", exclude_none=True)
        return {PREFIX + name.upper(): _text(value) for name, value in values.items()}

    def shown(self) -> dict[str, str]:
        """Return each setting as text for people; a password in a URL is masked."""
        values = self.model_dump(mode="json")
        return {name: _shown(value) for name, value in values.items()}


def masked(text: str) -> str:
    """Return `text` with the password of every URL and of every `password=` in it replaced by stars."""
    return _PASSWORD.sub(r"\1\2***", text)


def is_loopback(host: str) -> bool:
    """Say whether `host` is an address that only this machine reaches; of names only `localhost` is taken for one."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_settings(config: Path | None = None, **overrides: object) -> Settings:
    """Return the settings from `config` (TOML), the environment and `overrides`, the later ones first.

    Raise InvalidSettings with one line for each setting that can't be used.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    values: dict[str, Any] = {**_missing_in_environment(_read(config)), **given}
    problems = [
        f"{variable}: there is no such setting{_guess(variable.removeprefix(PREFIX).lower(), variable=True)}"
        for variable in _environment()
        if variable.removeprefix(PREFIX).lower() not in Settings.model_fields
    ]
    try:
        settings = Settings(**values)
    except ValidationError as error:
        problems += map(_told, error.errors())
    if problems:
        raise InvalidSettings("settings that can't be used:\n  " + "\n  ".join(problems))
    return settings


def sources(config: Path | None = None, **overrides: object) -> dict[str, str]:
    """Return where `load_settings` with the same arguments takes each setting from, for people."""
    file, variables = _read(config), _environment()
    found = {}
    for name in Settings.model_fields:
        if overrides.get(name) is not None:
            found[name] = "command line"
        elif PREFIX + name.upper() in variables:
            found[name] = PREFIX + name.upper()
        else:
            found[name] = str(config) if name in file else "default"
    return found


def documentation() -> str:
    """Return the table of all settings in Markdown; the page about configuration holds it word for word."""
    lines = ["| Variable | In the file | Default | Meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, ()) else f"`{_text(field.default)}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | `{name}` | {default} | {field.description} |")
    return "\n".join(lines)


def _is_postgres(url: str) -> bool:
    """Say whether this is a URL of PostgreSQL, whose hosts may be several, with numbers for their ports."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    # What is no number is the rest of a password; asyncpg's refusal would quote it.
    ports = [_BRACKETS.sub("", host).partition(":")[2] for host in parts.netloc.rpartition("@")[2].split(",")]
    return parts.scheme in ("postgresql", "postgres") and all(re.fullmatch("[0-9]*", port) for port in ports)


def _is_redis(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port  # which is none where it is no number, or where the password holds a `/`
    except ValueError:
        return False
    if parts.scheme == "unix":
        return port is None and parts.path not in ("", "/")
    return parts.scheme in ("redis", "rediss") and re.fullmatch(r"/?|/[0-9]+", parts.path) is not None


def _text(value: object) -> str:
    """Return a value as it is written in a variable: booleans as in TOML, lists with commas."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(value: object) -> str:
    """Return a value as people see it; each URL of a list is masked by itself."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_shown, value))
    if value is None:
        return ""
    return masked(_USERINFO.sub(r"\1***", _PARAMETER.sub(r"\1***", _text(value))))


def _environment() -> set[str]:
    """Return our variables that are set; an empty one counts as not set, and those of `admin --server` are no settings."""
    named = {name.upper() for name, value in os.environ.items() if name.upper().startswith(PREFIX) and value}
    return named - _OF_CLIENTS


def _missing_in_environment(values: dict[str, Any]) -> dict[str, Any]:
    variables = _environment()
    return {name: value for name, value in values.items() if PREFIX + name.upper() not in variables}


def _read(config: Path | None) -> dict[str, Any]:
    if config is None:
        return {}
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidSettings(f"there is no configuration file {config}") from None
    except OSError as error:
        raise InvalidSettings(f"the configuration file {config} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidSettings(f"the configuration file {config} is not TOML: {error}") from error


def _guess(name: str, *, variable: bool = False) -> str:
    near = difflib.get_close_matches(name, Settings.model_fields, n=1)
    return f"; did you mean {PREFIX + near[0].upper() if variable else near[0]}?" if near else ""


def _told(error: ErrorDetails) -> str:
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"{name}: there is no such setting{_guess(name)}"
    if not name:
        return error["msg"].removeprefix("Value error, ")
    given = error["input"]
    if isinstance(given, str) and name == "database_replica_urls":
        given = re.split(_URLS_END, given)
    return f"{name}: {masked(error['msg'])} (given: {_shown(given)!r})"
