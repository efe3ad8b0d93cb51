"""Settings: where they come from, what is refused and in which words, and that secrets are not shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.config import (
    PREFIX,
    Auth,
    Deletion,
    Foreign,
    HttpServer,
    InvalidSettings,
    JobsMode,
    Migrate,
    Redirect,
    Settings,
    Sparse,
    is_loopback,
    load_settings,
    masked,
    sources,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "blacklake.toml"


def refusal(config: Path | None = None, **overrides: object) -> str:
    with pytest.raises(InvalidSettings) as refused:
        load_settings(config, **overrides)
    return str(refused.value)


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    others = {name: value for name, value in os.environ.items() if not name.upper().startswith(PREFIX)}
    with mock.patch.dict(os.environ, others | variables, clear=True):
        yield


def test_the_command_line_comes_before_the_environment_before_the_file_before_the_default(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings().port == 5000
    file.write_text("port = 1\n")
    assert load_settings(file).port == 1
    monkeypatch.setenv("BLACKLAKE_PORT", "2")
    assert load_settings(file).port == 2
    assert load_settings(file, port=3).port == 3
    assert load_settings(file, port=None).port == 2


def test_each_setting_tells_where_it_comes_from(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('port = 1\nworkers = 2\nlog_level = "debug"\n')
    monkeypatch.setenv("BLACKLAKE_PORT", "2")
    monkeypatch.setenv("blacklake_host", "::1")
    found = sources(file, workers=3)
    assert found["port"] == "BLACKLAKE_PORT"
    assert found["host"] == "BLACKLAKE_HOST"
    assert found["workers"] == "command line"
    assert found["log_level"] == str(file)
    assert found["server"] == "default"
    assert set(found) == set(Settings.model_fields)


def test_an_empty_variable_counts_as_not_set(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLACKLAKE_PORT", "")
    monkeypatch.setenv("BLACKLAKE_DATABASE_URL", "")
    file.write_text("port = 1\n")
    assert load_settings(file).port == 1
    assert load_settings().database_url is None


def test_a_wrong_value_in_the_file_does_no_harm_where_the_environment_has_another(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('port = "wrong"\n')
    monkeypatch.setenv("BLACKLAKE_PORT", "2")
    assert load_settings(file).port == 2


def test_an_unknown_variable_is_refused_with_a_suggestion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLACKLAKE_DATABSE_URL", "postgresql://x")
    assert "BLACKLAKE_DATABSE_URL: there is no such setting; did you mean BLACKLAKE_DATABASE_URL?" in refusal()


def test_what_says_who_acts_by_a_server_s_api_is_no_setting_and_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLACKLAKE_API_KEY", "blk_secret")
    monkeypatch.setenv("BLACKLAKE_PASSWORD_FILE", "password")
    assert "blk_secret" not in str(load_settings().shown())
    assert "api_key" not in load_settings().to_environment()


def test_an_unknown_setting_in_the_file_is_refused_with_a_suggestion(file: Path) -> None:
    file.write_text("uplaod_ttl = 100\nqwertz = 1\n")
    message = refusal(file)
    assert "uplaod_ttl: there is no such setting; did you mean upload_ttl?" in message
    assert "qwertz: there is no such setting" in message


def test_everything_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLACKLAKE_PORT", "70000")
    monkeypatch.setenv("BLACKLAKE_SERVER", "apache")
    monkeypatch.setenv("BLACKLAKE_QWERTZ", "1")
    lines = refusal().splitlines()
    assert lines[0] == "settings that can't be used:"
    assert sorted(line.split(":")[0].strip() for line in lines[1:]) == ["BLACKLAKE_QWERTZ", "port", "server"]
    assert any("granian" in line and "hypercorn" in line and "'apache'" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", -1),
        ("port", 65536),
        ("workers", 0),
        ("workers", 65),
        ("database_pool_size", 1),
        ("database_timeout", 0),
        ("database_timeout", 0.0001),
        ("database_timeout", float("inf")),
        ("database_timeout", float("nan")),
        ("database_timeout", 1e9),
        ("upload_ttl", 59),
        ("upload_ttl", 1 << 40),
        ("digest_bytes_per_second", 999_999),
        ("cache_bytes", -1),
        ("drain_timeout", -1),
        ("sparse", "maybe"),
        ("delete", "maybe"),
        ("migrate", "maybe"),
        ("log_level", "loud"),
        ("log_level", "infoX"),
        ("auth", "none"),
        ("external_url", "registry.example.org"),
        ("redis_url", "http://host"),
        ("redis_url", "redis://host:port"),
        ("redis_url", "redis://host:70000/0"),
        ("redis_url", "redis://host/cache"),
        ("redis_url", "redis://host/0/1"),
        ("redis_url", "redis://:pass/word@host/0"),
        ("redis_url", "unix://redis.sock"),
        ("rate_limit", -1),
        ("rate_limit", 1_000_001),
        ("trusted_proxies", "10.0.0.1/8"),
        ("trusted_proxies", "10.0.0.0/8,localhost"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_its_name(name: str, value: object) -> None:
    assert f"\n  {name}: " in refusal(**{name: value})


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "registry.example.org", "localhost.evil"]
)
def test_open_access_is_refused_on_an_address_that_others_reach(host: str) -> None:
    assert f"auth=open on {host} would let everyone who reaches it write" in refusal(host=host)
    assert load_settings(host=host, insecure_open=True).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_open_access_is_accepted_on_loopback(host: str) -> None:
    assert is_loopback(host)
    assert load_settings(host=host).host == host


def test_a_file_that_can_not_be_used_is_named(tmp_path: Path, file: Path) -> None:
    assert refusal(file) == f"there is no configuration file {file}"
    assert refusal(tmp_path) == f"the configuration file {tmp_path} can't be read: Is a directory"
    file.write_text("port: 1")
    assert refusal(file).startswith(f"the configuration file {file} is not TOML: ")
    file.write_bytes(b"\xff")
    assert refusal(file).startswith(f"the configuration file {file} is not TOML: ")


def test_a_direct_url_without_that_of_a_pooler_is_refused() -> None:
    direct = "postgresql://host/database"
    assert "database_url, the pooler's, is missing" in refusal(database_direct_url=direct)
    assert load_settings(database_url="postgresql://pooler/database").session_url == "postgresql://pooler/database"
    assert load_settings(database_url="postgresql://pooler/database", database_direct_url=direct).session_url == direct
    assert "database_direct_url: " in refusal(database_url=direct, database_direct_url="mysql://host/database")


def test_replicas_are_listed_with_commas_and_need_a_primary(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two = ("postgresql://a:s3cret@one,other/d", "postgresql://b:s3cret@two/d")
    monkeypatch.setenv("BLACKLAKE_DATABASE_REPLICA_URLS", f" {two[0]}, {two[1]},")
    assert "database_url, the primary's, is missing" in refusal()
    settings = load_settings(database_url="postgresql://primary/d")
    assert settings.database_replica_urls == two
    assert settings.shown()["database_replica_urls"] == "postgresql://a:***@one,other/d, postgresql://b:***@two/d"
    monkeypatch.delenv("BLACKLAKE_DATABASE_REPLICA_URLS")
    file.write_text(f'database_url = "postgresql://primary/d"\ndatabase_replica_urls = {list(two)}\n')
    assert load_settings(file).database_replica_urls == two
    refused = refusal(database_url="postgresql://primary/d", database_replica_urls="postgresql://a/d,mysql://b/d")
    assert "database_replica_urls: " in refused


def test_passwords_are_masked_wherever_settings_are_shown() -> None:
    url = "postgresql://user:s3cret@host:5432/database?sslmode=require"
    settings = load_settings(database_url=url)
    assert settings.shown()["database_url"] == "postgresql://user:***@host:5432/database?sslmode=require"
    assert "s3cret" not in "".join(settings.shown().values())
    assert settings.database_url == url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:s3'cret@h", "redis://:***@h"),
        ("redis://:s3 cret@h", "redis://:***@h"),
        ('redis://u:s3"cret@h:1/2', "redis://u:***@h:1/2"),
        ("redis://u:s3\ncret@h", "redis://u:***@h"),
        ("redis://u:s3@'cret@h", "redis://u:***@h"),
        ("redis://h?password=s3 'cret&db=1", "redis://h?password=***&db=1"),
        ("redis://h?db=1&ssl_password=s3cret", "redis://h?db=1&ssl_password=***"),
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://u@h:6379/0", "redis://u@h:6379/0"),
    ],
)
def test_a_password_is_masked_whatever_it_holds(url: str, shown: str) -> None:
    assert load_settings(redis_url=url).shown()["redis_url"] == shown
    other = url.replace("redis://", "https://")
    hidden = shown.replace("redis://", "https://")
    assert refusal(redis_url=other).endswith(f"(given: {hidden!r})")
    one = url.replace("redis://", "postgresql://")
    refused = refusal(database_url="postgresql://h/d", database_replica_urls=f"postgresql://h/d,{one},mysql://h")
    assert "s3" not in refused
    assert "cret" not in refused


@pytest.mark.parametrize(
    "url",
    [
        "redis://host",
        "rediss://u:p@host:6380/3?ssl_cert_reqs=none",
        "redis://[::1]:1/",
        "unix://:p@/run/redis.sock?db=2",
    ],
)
def test_every_way_to_write_a_redis_is_accepted(url: str) -> None:
    assert load_settings(redis_url=url).redis_url == url


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:p@one:5432,two,[::1]:5433/d?sslmode=require",
        "postgresql:///d?host=/run/postgresql",
        "postgresql://u:p%2F%23@h:/d",
        "postgresql://[::1]/d",
    ],
)
def test_every_way_to_write_a_database_is_accepted(url: str) -> None:
    assert load_settings(database_url=url).database_url == url


@pytest.mark.parametrize("password", ["s3/cret", "s3#cret", "s3[/"])
def test_a_password_that_ends_the_host_is_refused_and_not_quoted(password: str) -> None:
    for name in ("database_url", "database_direct_url"):
        assert "s3" not in refusal(**{"database_url": "postgresql://h/d", name: f"postgresql://u:{password}@h/d"})


def test_a_password_that_makes_the_url_none_is_not_quoted() -> None:
    for name in ("redis_url", "database_url"):
        assert "s3" not in refusal(**{name: "redis://u:s3\u2100cret@h"})


@pytest.mark.parametrize(
    ("setting", "given"),
    [
        ("storage", "s3://bucket/?access_key=id&secret_key=hunter2"),
        ("storage", "s3://bucket/?endpoint=http://host&AWS_SESSION_TOKEN=hunter2"),
        ("database_url", "user:hunter2@host/database"),
        ("database_url", "host=host password='hun ter2' dbname=database"),
        ("redis_url", ":hunter2@host:6379"),
    ],
)
def test_a_secret_in_what_is_no_url_of_ours_is_not_shown(setting: str, given: str) -> None:
    refused = refusal(**{setting: given})
    assert ("ter2" in refused, "***" in refused) == (False, True)


def test_a_password_is_not_shown_by_a_refusal_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLACKLAKE_PORT", "postgresql://user:s3cret@host/database")
    assert "s3cret" not in refusal()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no url", "no url"),
        ("http://host:5000/path", "http://host:5000/path"),
        ("http://user@host", "http://user@host"),
        ("http://user:@host", "http://user:***@host"),
        ("http://user:pass:word@host:1/x", "http://user:***@host:1/x"),
        ("http://:password@host", "http://:***@host"),
        ("rediss://host?ssl_password=word", "rediss://host?ssl_password=***"),
        ("two: http://a:b@c and http://d:e@f", "two: http://a:***@c and http://d:***@f"),
    ],
)
def test_every_password_in_a_url_is_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40
)  # what an environment can hold

REPLICAS = ["postgresql://host/database", "postgresql://u:p,q@one:5432,two:5433/database?sslmode=require"]
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "secret_key_file": st.just(Path("/run/secrets/key")),
    "admin_password_file": st.just(Path("/run/secrets/admin")),
    "token_service": st.sampled_from(["blacklake", "registry.example"]),
    "token_algorithm": st.sampled_from(["ES256", "RS256", "EdDSA"]),
    "token_seconds": st.integers(60, 3600),
    "session_idle_seconds": st.integers(300, 86400),
    "session_seconds": st.integers(300, 86400),
    "host": st.one_of(st.just("::1"), TEXT),
    "port": st.integers(0, 65535),
    "data_dir": TEXT.map(Path),
    "workers": st.integers(1, 64),
    "server": st.sampled_from(HttpServer),
    "external_url": st.none() | st.just("https://registry.example.org/path"),
    "database_url": st.none() | TEXT.map("postgresql://host/{}".format),
    "database_direct_url": st.none() | TEXT.map("postgresql://host/{}".format),
    "database_replica_urls": st.lists(st.sampled_from(REPLICAS)).map(tuple),
    "database_pool_size": st.integers(2, 200),
    "database_timeout": st.floats(0.1, 3600),
    "migrate": st.sampled_from(Migrate),
    "storage": st.none() | TEXT.map("file:///{}".format),
    "redirect": st.sampled_from(Redirect),
    "redirect_except": TEXT,
    "sparse": st.sampled_from(Sparse),
    "delete": st.sampled_from(Deletion),
    "upload_ttl": st.integers(60, 315360000),
    "clamd": st.sampled_from(["unix:///run/clamav/clamd.ctl", "tcp://clamd:3310"]),
    "digest_bytes_per_second": st.integers(1_000_000),
    "cache_bytes": st.integers(0),
    "redis_url": st.none() | st.just("rediss://:p@host:6379/1"),
    "rate_limit": st.integers(0, 1_000_000),
    "rate_limit_read": st.integers(0, 1_000_000),
    "rate_limit_write": st.integers(0, 1_000_000),
    "rate_limit_login": st.integers(0, 1_000_000),
    "rate_limit_admin": st.integers(0, 1_000_000),
    "admin_listen": st.none() | st.sampled_from(["127.0.0.1:0", "[::1]:9090", "localhost:65535"]),
    "outgoing_allow": st.lists(st.sampled_from(["idp.internal", "10.0.0.0/8", "::1"])).map(tuple),
    "outgoing_ca_file": st.none() | st.just(Path("/etc/certificates.pem")),
    "admission_hosts": st.lists(st.sampled_from(["registry.example", "localhost:5000", "[::1]:5000"])).map(tuple),
    "admission_foreign": st.sampled_from(Foreign),
    "admission_networks": st.lists(st.sampled_from(["10.0.0.0/8", "::1/128"])).map(tuple),
    "admission_exempt_namespaces": st.lists(st.sampled_from(["kube-system", "ops"])).map(tuple),
    "trusted_proxies": st.lists(st.sampled_from(["10.0.0.0/8", "::1/128", "192.0.2.1"])).map(tuple),
    "jobs": st.sampled_from(JobsMode),
    "fast_lane": st.booleans(),
    "log_level": st.sampled_from(["debug", "info", "warning", "error"]),
    "drain_timeout": st.integers(0),
}


def has_a_database_if_need_be(values: dict[str, Any]) -> bool:
    needed = values.get("database_direct_url") is not None or values.get("database_replica_urls")
    return not needed or values.get("database_url") is not None


TOKEN_SERVER = {
    "external_token_issuer": "acme",
    "external_token_keys_url": "https://auth.example/keys",
    "external_token_realm": "https://auth.example/token",
    "external_token_kids": ("a", "b"),
}


# Settings that are given together or not at all.
CERTIFICATES = {
    "tls_cert_file": Path("/etc/tls.crt"),
    "tls_key_file": Path("/etc/tls.key"),
    "tls_client_ca_file": Path("/etc/clients.pem"),
}
PROXY = {"auth": Auth.TOKEN, "trusted_identity_header": "X-Client-Subject", "identity_proxies": ("192.0.2.1", "::1")}


@given(
    values=st.fixed_dictionaries({"insecure_open": st.just(True)}, optional=FIELDS).filter(has_a_database_if_need_be),
    together=st.sampled_from([{}, TOKEN_SERVER, CERTIFICATES, PROXY]),
)
def test_a_child_process_finds_the_very_settings_in_its_environment(
    values: dict[str, Any], together: dict[str, Any]
) -> None:
    with environment({}):
        settings = Settings(**values, **together)
    with environment(settings.to_environment()):
        assert load_settings() == settings


def test_the_property_of_the_environment_covers_every_setting() -> None:
    given = {*FIELDS, *TOKEN_SERVER, *CERTIFICATES, *PROXY, "insecure_open"}
    assert given == set(Settings.model_fields)


@pytest.mark.parametrize("address", ["9090", ":9090", "127.0.0.1", "127.0.0.1:", "::1:9090", "a b:1", "host:99999"])
def test_another_address_has_a_host_and_a_port(address: str) -> None:
    assert "admin_listen" in refusal(admin_listen=address)


def test_metrics_are_elsewhere_where_the_main_port_is_not_for_those_who_run_it() -> None:
    assert load_settings().admin_address is None
    assert load_settings(auth="token").admin_address == ("127.0.0.1", 0)
    assert load_settings(**CERTIFICATES).admin_address == ("127.0.0.1", 0)
    assert load_settings(admin_listen="[::1]:9090").admin_address == ("::1", 9090)


def test_what_belongs_together_is_given_together() -> None:
    for name in ("tls_cert_file", "tls_key_file"):
        assert "belong together" in refusal(**{name: "/etc/file"})
    assert "tls_cert_file is missing" in refusal(tls_client_ca_file="/etc/file")
    assert "both or none" in refusal(auth="token", trusted_identity_header="X-User")
    assert "both or none" in refusal(auth="token", identity_proxies="192.0.2.1")
    assert "auth=token does" in refusal(trusted_identity_header="X-User", identity_proxies="192.0.2.1")
    assert "identity_proxies" in refusal(**{**PROXY, "identity_proxies": "proxy.example"})


def test_a_cluster_names_this_registry_by_hosts() -> None:
    found = load_settings(admission_hosts="Registry.example,localhost:5000", admission_networks="10.0.0.0/8")
    assert found.admission_hosts == ("registry.example", "localhost:5000")
    for wrong in ("registry", "https://registry.example", "registry.example/team", "a b.example"):
        assert "admission_hosts" in refusal(admission_hosts=wrong)
    assert "admission_networks" in refusal(admission_networks="cluster.example")
    assert "trusted_identity_header" in refusal(**{**PROXY, "trusted_identity_header": "X User"})


def test_hosts_and_networks_that_may_be_called_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLACKLAKE_OUTGOING_ALLOW", "idp.internal, 10.0.0.0/8,fd00::/8,127.0.0.1")
    assert load_settings().outgoing_allow == ("idp.internal", "10.0.0.0/8", "fd00::/8", "127.0.0.1")


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "https://idp.internal", "host:443", "*.internal", "a b"])
def test_what_may_be_called_is_a_host_or_a_network(entry: str) -> None:
    assert "outgoing_allow" in refusal(outgoing_allow=entry)


def test_another_token_server_is_named_as_a_whole_or_not_at_all() -> None:
    server = {name: value for name, value in TOKEN_SERVER.items() if name != "external_token_kids"}
    assert load_settings(**TOKEN_SERVER).external_token_kids == ("a", "b")
    for missing in server:
        given = {name: value for name, value in server.items() if name != missing}
        assert "name one token server: all or none" in refusal(**given)
    assert "external_token_keys_url" in refusal(**{**server, "external_token_keys_url": "auth.example/keys"})
