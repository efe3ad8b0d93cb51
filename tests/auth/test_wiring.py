"""What compose makes of the settings for calls to others."""

from __future__ import annotations

import pytest

from registry.auth.outgoing_errors import TargetRefused
from registry.compose.doors import create_external_tokens, create_outgoing
from registry.config import Settings
from tests.auth.issuer import Issuer


async def test_calls_go_where_the_setting_says(issuer: Issuer) -> None:
    with pytest.raises(TargetRefused):
        await create_outgoing(Settings()).get(f"{issuer.url}/keys")
    opened = create_outgoing(Settings(outgoing_allow=("127.0.0.1",)))
    assert (await opened.get(f"{issuer.url}/keys")).status == 200


async def test_another_token_server_s_tokens_are_for_the_service_that_the_setting_names(issuer: Issuer) -> None:
    settings = Settings(
        outgoing_allow=("127.0.0.1",),
        token_service="registry.test",
        external_token_issuer="acme",
        external_token_keys_url=f"{issuer.url}/keys",
        external_token_realm="https://auth.test/token",
        external_token_kids=("key-1",),
    )
    outgoing = create_outgoing(settings)
    tokens = create_external_tokens(settings, outgoing)
    assert tokens is not None
    assert (await tokens.verify(issuer.token(iss="acme", aud="registry.test", sub="ann", access=[]))).name == "ann"
    assert create_external_tokens(Settings(), outgoing) is None
