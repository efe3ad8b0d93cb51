"""Bundles that real services have made verify offline, and not with one letter changed."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sigstore.models import Bundle as LibraryBundle
from sigstore.models import TrustedRoot
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity as LibraryIdentity

from signing.authorities import Authority, Identity, KeyAuthority, KeylessAuthority
from signing.bundles import Bundle
from signing.certificates import identities
from signing.roots import TrustRoot
from signing.signers import Signer, signer_of
from signing.statements import Said
from signing.steps import Refused

RECORDED: Final = Path(__file__).parent / "recorded"
NOW: Final = datetime(2026, 11, 1, tzinfo=UTC)
GITHUB: Final = "https://github.com/login/oauth"
ACTIONS: Final = "https://token.actions.githubusercontent.com"
RELEASE: Final = "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main"
KEYLESS: Final = {
    "oci-attestation": ("cody@soyland.com", GITHUB),
    "dsse": ("brian@dehamer.com", GITHUB),
    "sigstore-js-provenance": (RELEASE, ACTIONS),
    "npm-provenance": (RELEASE, ACTIONS),
}
LETTERS: Final = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_. "{}[]:,'


def content(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


def people(name: str, root: TrustRoot | None = None) -> KeylessAuthority:
    identity, issuer = KEYLESS[name]
    return KeylessAuthority("people", (Identity(identity=identity, issuer=issuer),), root or TrustRoot.public_good())


def verified(bundle: bytes, authority: Authority, message: bytes = b"") -> Signer:
    read = Bundle.parse(bundle)
    if read.envelope:
        Said.parse(read.envelope.payload)
    signer = signer_of(read.material(message), authority, now=NOW)
    signer.identified_by(authority)
    return signer


@pytest.mark.parametrize("name", KEYLESS)
def test_signatures_of_the_public_instance_verify_offline(name: str) -> None:
    signer = verified(content(f"{name}.json"), people(name))
    assert signer.is_logged
    assert signer.identified_by(people(name)) == KEYLESS[name]


def test_a_signature_by_npms_key_is_in_the_log() -> None:
    authority = KeyAuthority("npm", (content("npm-publish.pem"),), TrustRoot.public_good(), needs_log=True)
    assert verified(content("npm-publish.json"), authority).is_logged


def test_a_message_signed_by_a_key_is_timestamped() -> None:
    root = TrustRoot.parse(content("message-root.json"))
    authority = KeyAuthority("key", (content("message.pem"),), root, needs_timestamp=True)
    signer = verified(content("message.json"), authority, b"test content")
    assert signer.signed_at == datetime(2026, 6, 4, 17, 43, 29, tzinfo=UTC)
    with pytest.raises(Refused, match=r"step 5 \(signature\)"):
        verified(content("message.json"), authority, b"other content")


def test_a_private_instance_certifies_an_other_name() -> None:
    root = TrustRoot.parse(content("othername-root.json"))
    bundle = content("othername.json")
    certificate = Bundle.parse(bundle).certificate
    assert certificate is not None
    assert identities(certificate) == ("foo!oidc.local",)
    wanted = Identity(identity="foo!oidc.local", issuer="http://oidc.local:8080")
    # The message is not recorded: the log holds its hash, and says that this is another.
    with pytest.raises(Refused, match=r"step 4 \(log\): the log entry is of another content"):
        verified(bundle, KeylessAuthority("people", (wanted,), root), b"another message")


def test_an_envelope_with_two_signatures_is_refused() -> None:
    with pytest.raises(Refused, match=r"step 1 \(read\): .* has 2 signatures"):
        Bundle.parse(content("dsse-2sigs.json"))


@pytest.mark.parametrize("name", KEYLESS)
def test_another_root_trusts_none_of_them(name: str) -> None:
    root = TrustRoot.parse(content("othername-root.json"))
    with pytest.raises(Refused, match=r"step 2 \(signer\)"):
        verified(content(f"{name}.json"), people(name, root))


def test_the_library_of_sigstore_says_the_same(tmp_path: Path) -> None:
    root = tmp_path / "root.json"
    root.write_bytes(TrustRoot.public_good().content)
    bundle = content("oci-attestation.json")
    identity, issuer = KEYLESS["oci-attestation"]
    verifier = Verifier(trusted_root=TrustedRoot.from_file(str(root)))
    kind, payload = verifier.verify_dsse(
        LibraryBundle.from_json(bundle), LibraryIdentity(identity=identity, issuer=issuer)
    )
    read = Bundle.parse(bundle)
    assert read.envelope is not None
    assert (kind, payload) == ("application/vnd.in-toto+json", read.envelope.payload)


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 1 << 30), letter=st.sampled_from(LETTERS))
def test_with_one_letter_changed_it_is_not_accepted(place: int, letter: str) -> None:
    original = content("oci-attestation.json").decode()
    place %= len(original)
    changed = original[:place] + letter + original[place + 1 :]
    with suppress(ValueError):
        assume(json.loads(changed) != json.loads(original))
    with pytest.raises(Refused):
        verified(changed.encode(), people("oci-attestation"))


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(KEYLESS)), at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_with_one_bit_of_the_certificate_turned_it_is_not_accepted(name: str, at: float, bit: int) -> None:
    document = json.loads(content(f"{name}.json"))
    material = document["verificationMaterial"]
    stated = material.get("certificate") or material["x509CertificateChain"]["certificates"][0]
    der = bytearray(base64.b64decode(stated["rawBytes"]))
    der[int(at * len(der))] ^= 1 << bit
    stated["rawBytes"] = base64.b64encode(bytes(der)).decode()
    with pytest.raises(Refused):
        verified(json.dumps(document).encode(), people(name))
