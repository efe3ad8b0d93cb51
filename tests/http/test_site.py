"""What pages say of themselves to browsers behind a proxy with TLS, with a path of its own, and by names that are anybody's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from registry import administration
from registry.config import load_settings
from registry.errors import AccessDenied, RequestInvalid
from registry.http.call import Call
from registry.http.pages.rendering import Rendering
from registry.http.pages.site import SESSION, Site
from registry.http.reply import Reply
from tests.http.browser import Browser
from tests.http.server import Registry, serving

PASSWORD = "correct horse battery staple"
EXTERNAL = "https://registry.example/models"


async def nothing() -> object:
    raise AssertionError("nobody reads the body")


def call(**headers: str) -> Call:
    given = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Call("POST", "/auth/login", b"", given, nothing)


@pytest.fixture(scope="module")
def behind_a_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("site"), auth="token", external_url=EXTERNAL) as running:
        administration.add_user(load_settings(data_dir=running.directory), "alice", password=PASSWORD, is_admin=False)
        yield running


def test_behind_a_proxy_everything_is_as_browsers_see_it(behind_a_proxy: Registry) -> None:
    browser = Browser(behind_a_proxy)
    answer = browser.get("/auth/login")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    name, _, rest = answer.headers["Set-Cookie"].partition("=")
    assert name == "__Host-blacklake-visitor"
    assert "; Secure" in rest
    assert 'href="/models/auth/static/' in answer.text
    assert "registry.example</b>" in answer.text
    fields = browser.page.form("/models/auth/login") | {"name": "alice", "password": PASSWORD}
    cookies = {"Cookie": f"{name}={rest.partition(';')[0]}"}
    options = {"timeout": 20, "allow_redirects": False}
    ours = {"Origin": "https://registry.example", "Sec-Fetch-Site": "same-origin"}
    entered = browser.session.post(f"{browser.url}/auth/login", fields, headers=cookies | ours, **options)  # type: ignore[arg-type]
    assert (entered.status_code, entered.headers["Location"]) == (303, "/models/auth/account")
    assert entered.headers["Set-Cookie"].startswith("__Host-blacklake=")
    for origin in (browser.url, "http://registry.example", "https://registry.example.evil.test"):
        refused = browser.session.post(
            f"{browser.url}/auth/login",
            fields,
            headers=cookies | ours | {"Origin": origin},
            **options,  # type: ignore[arg-type]
        )
        assert refused.status_code == 403
        assert "https://registry.example" in refused.text


def test_a_plain_cookie_counts_on_loopback_without_tls_only() -> None:
    """Who can set a cookie for a neighbouring host, or without TLS, can't set one with the prefix."""
    for site, host in (
        (Site(EXTERNAL), "localhost:5000"),
        (Site("http://registry.example"), "registry.example"),
        (Site(None), "registry.example"),
        (Site(None), "localhost.evil.test"),
    ):
        assert site.cookie(call(host=host, cookie="blacklake=planted"), SESSION) == ""
        assert site.cookie(call(host=host, cookie="__Host-blacklake=own"), SESSION) == "own"
    for host in ("localhost", "127.0.0.1:5000", "[::1]:5000"):
        assert Site(None).cookie(call(host=host, cookie="a=b; blacklake=own"), SESSION) == "own"


def test_a_registry_that_speaks_tls_itself_is_reached_by_https_only() -> None:
    site = Site(None, is_secure=True)
    assert site.is_https
    assert site.callback(call(host="localhost:5000")) == "https://localhost:5000/auth/callback"
    assert site.keep(call(host="localhost:5000"), SESSION, "x")[1].startswith("__Host-blacklake=x; Secure;")
    assert site.cookie(call(host="localhost:5000", cookie="blacklake=planted"), SESSION) == ""
    site.require_same_origin(call(host="registry.example", origin="https://registry.example"))
    with pytest.raises(AccessDenied):
        site.require_same_origin(call(host="registry.example", origin="http://registry.example"))
    reply = Reply(200)
    Rendering(site).protect(reply)
    assert ("Strict-Transport-Security", "max-age=31536000") in reply.headers
    assert not Site("http://registry.example", is_secure=True).is_https  # what is before us says how it is reached


def test_issuers_lead_back_to_the_external_url_and_to_nothing_that_a_request_says() -> None:
    assert Site(EXTERNAL).callback(call(host="evil.test")) == f"{EXTERNAL}/auth/callback"
    assert Site(None).callback(call(host="localhost:5000")) == "http://localhost:5000/auth/callback"
    for host in ("evil.test", "localhost.evil.test", "localhost@evil.test", ""):
        with pytest.raises(RequestInvalid):
            Site(None).callback(call(host=host))


@pytest.mark.parametrize("host", ["", "a b", "a/b", "a@b", 'a"b', "a<b>", "[::1"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(RequestInvalid):
        Site(None).host(call(host=host))


def test_cookies_in_several_headers_are_read_as_one() -> None:
    """HTTP/2 lets browsers split them (RFC 9113 §8.2.3)."""
    headers = [(b"host", b"localhost"), (b"cookie", b"a=b"), (b"cookie", b"blacklake=x")]
    made = Call("GET", "/", b"", headers, nothing)
    assert Site(None).cookie(made, SESSION) == "x"


def test_an_origin_without_an_external_url_is_the_host_itself() -> None:
    Site(None).require_same_origin(call(host="localhost:5000", origin="http://localhost:5000"))
    for origin in ("http://localhost:5001", "http://evil.test", "null", ""):
        with pytest.raises(AccessDenied):
            Site(None).require_same_origin(call(host="localhost:5000", origin=origin))
