"""Policies as they are written: what is taken, and what is refused where, with which words."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from signing.authorities import ChainAuthority, Identity, KeyAuthority, KeylessAuthority
from signing.limits import LARGEST_POLICY
from signing.policy.document import read_policy
from signing.policy.policy import roots_needed
from signing.policy.problems import InvalidPolicy
from signing.policy.requirements import Attested, BySigner
from signing.policy.signers import what_is_wrong_with_subject
from signing.policy.text import DEEPEST, read_yaml
from signing.policy.verdict import Mode
from signing.roots import TrustRoot
from tests.signing.policy.making import CI, KEY, PROVENANCE, policy, written

SIGNATURE: dict[str, Any] = {"signature": {"by": "release"}}


def pem_of(key: Any) -> str:
    text: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


def certificate() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name.from_rfc4514_string("CN=authority")
    made = x509.CertificateBuilder(name, name, key.public_key(), 7).not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    made = made.not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


CERTIFICATE = certificate()


def problems(text: bytes) -> list[tuple[str, str]]:
    with pytest.raises(InvalidPolicy) as raised:
        read_policy(text)
    return [(problem.pointer, problem.message) for problem in raised.value.problems]


def test_a_policy_is_read() -> None:
    text = f"""
version: 1
name: production
description: Only what our pipeline has signed.
mode: enforce
signers:
  release:
    keys:
      - |
{textwrap.indent(KEY, " " * 8)}
    log: true
  ci:
    identities:
      - issuer: https://token.actions.githubusercontent.com
        identityRegExp: https://github\\.com/acme/.*
    root: ours
require:
  attestation: {{type: slsaprovenance1, by: ci, where: 'predicate.runDetails.builder.id == "https://builder"'}}
"""
    read = read_policy(text.encode())
    assert (read.name, read.mode, read.description) == (
        "production",
        Mode.ENFORCE,
        "Only what our pipeline has signed.",
    )
    assert isinstance(read.requirement, Attested)
    assert read.requirement.type == PROVENANCE
    assert read.requirement.by == BySigner("ci")
    roots = {name: TrustRoot.public_good() for name in ("ours", "public-good")}
    key, keyless = (read.signers[name].authority(roots) for name in ("release", "ci"))
    assert key == KeyAuthority("release", (KEY.encode(),), roots["public-good"], needs_log=True)
    identity = Identity(None, "https://github\\.com/acme/.*", "https://token.actions.githubusercontent.com")
    assert keyless == KeylessAuthority("ci", (identity,), roots["ours"])


def test_own_certificate_authorities_are_read() -> None:
    pki = {
        "certificates": [CERTIFICATE],
        "subjects": ["CN=release,O=Acme"],
        "identities": [{"identity": "release@acme.example"}],
        "timestampCertificates": [CERTIFICATE],
    }
    read = policy({"signature": {"by": "pki"}}, signers={"pki": pki})
    pem = CERTIFICATE.encode()
    identities = (Identity("release@acme.example"),)
    assert read.signers["pki"].authority({}) == ChainAuthority(
        "pki", (pem,), ("CN=release,O=Acme",), identities, None, (pem,)
    )


@pytest.mark.parametrize(
    ("require", "pointer", "words"),
    [
        ({}, "/require", "must have exactly one of all, any"),
        ({"all": []}, "/require/all", "is empty"),
        ({"any": []}, "/require/any", "is empty"),
        ({"signature": {"by": "release"}, "sbom": {}}, "/require", "and has signature, sbom"),
        ({"signed": {}}, "/require/signed", "is not known here; there are all, any"),
        ([], "/require", "must be an object, and is an empty list"),
        ({"signature": {}}, "/require/signature", "lacks by"),
        (
            {"signature": {"by": "nobody"}},
            "/require/signature/by",
            "is “nobody”, which is no signer; there are ci, qa, release",
        ),
        ({"signature": {"by": {"any": []}}}, "/require/signature/by/any", "is empty"),
        (
            {"signature": {"by": {"any": ["release", "who"]}}},
            "/require/signature/by/any/1",
            "is “who”, which is no signer",
        ),
        (
            {"signature": {"by": {"atLeast": {"count": 3, "of": ["ci", "release"]}}}},
            "/require/signature/by/atLeast/count",
            "is 3 of 2, which nothing can meet",
        ),
        (
            {"signature": {"by": {"atLeast": {"count": 2, "of": ["ci", "ci"]}}}},
            "/require/signature/by/atLeast/of",
            "has an entry twice",
        ),
        ({"atLeast": {"count": 0, "of": [SIGNATURE]}}, "/require/atLeast/count", "must be at least 1, and is 0"),
        ({"atLeast": {"count": 2, "of": [SIGNATURE]}}, "/require/atLeast/count", "is 2 of 1, which nothing can meet"),
        (
            {"attestation": {"type": "slsa", "by": "ci"}},
            "/require/attestation/type",
            "is “slsa”, which is neither a URI nor",
        ),
        (
            {"attestation": {"type": "https://sigstore.dev/cosign/sign/v1", "by": "ci"}},
            "/require/attestation/type",
            "is the type of plain signatures: ask for signature",
        ),
        (
            {"attestation": {"type": "vuln", "by": "ci", "where": "predicate."}},
            "/require/attestation/where",
            "is not CEL: ",
        ),
        ({"attestation": {"type": "vuln"}}, "/require/attestation", "lacks by"),
        ({"record": "true"}, "/require/record", "asks about none of artifact, record: it says the same of everything"),
        ({"record": "predicate.x == 1"}, "/require/record", "names predicate, which is not there; there are artifact"),
        ({"record": 7}, "/require/record", "must be a text, and is 7"),
        ({"record": 'record.x.matches("(a")'}, "/require/record", 'has the pattern "(a", which '),
        (
            {"record": "record.x.matches(record.y)"},
            "/require/record",
            "calls matches with a pattern that doesn't stand",
        ),
        ({"age": {}}, "/require/age", "must have most, least or both"),
        (
            {"age": {"most": "90"}},
            "/require/age/most",
            "must be a whole number and a unit, s, m, h, d or w: 90d, and is “90”",
        ),
        (
            {"age": {"most": "1h", "least": "1h"}},
            "/require/age",
            "asks for at least 1h and at most 1h, which nothing can",
        ),
        ({"age": {"most": "1h", "since": "signed"}}, "/require/age", "needs by where since is signed"),
        ({"age": {"most": "1h", "by": "ci"}}, "/require/age", "has by, which needs since: signed"),
        ({"license": {"in": []}}, "/require/license/in", "is empty"),
        ({"license": {}}, "/require/license", "must have exactly one of in, notIn, and has none"),
        ({"license": {"in": ["MIT OR Apache-2.0"]}}, "/require/license/in/0", "which is several: list each by itself"),
        ({"schemas": "maybe"}, "/require/schemas", 'must be "conform", and is “maybe”'),
        ({"scan": {"scanners": [], "most": "low"}}, "/require/scan/scanners", "is empty"),
        ({"scan": {"scanners": ["a"], "most": "bad"}}, "/require/scan/most", "must be one of none, low, medium"),
        (
            {"scan": {"scanners": ["a"], "most": "critical", "whenDown": "allow", "whenPending": "allow"}},
            "/require/scan",
            "refuses nothing",
        ),
        ({"not": {"not": {"sbom": []}}}, "/require/not/not/sbom", "must be an object, and is an empty list"),
    ],
)
def test_a_requirement_is_refused(require: Any, pointer: str, words: str) -> None:
    told = problems(written(require))
    assert [at for at, _ in told] == [pointer]
    assert words in told[0][1]


@pytest.mark.parametrize(
    ("signer", "pointer", "words"),
    [
        ({}, "", "must have one of keys, identities and certificates"),
        ({"keys": []}, "/keys", "is empty"),
        ({"keys": ["nonsense"]}, "/keys/0", "is no PEM of a public key"),
        ({"keys": [CERTIFICATE]}, "/keys/0", "is no PEM of a public key"),
        (
            {"keys": [pem_of(rsa.generate_private_key(65537, 1024))]},
            "/keys/0",
            "is an RSA key of 1024 bits; 2048 to 8192 are taken",
        ),
        (
            {"keys": [pem_of(ec.generate_private_key(ec.SECP256K1()))]},
            "/keys/0",
            "is a key of the curve secp256k1",
        ),
        ({"keys": [pem_of(dsa.generate_private_key(1024))]}, "/keys/0", "is a key of a kind that is not taken"),
        ({"keys": [KEY], "subjects": ["CN=a"]}, "/subjects", "has no meaning beside keys"),
        ({"keys": [KEY], "certificates": [CERTIFICATE]}, "", "must have one of keys, identities and certificates"),
        (CI | {"timestamp": True}, "/timestamp", "has no meaning beside identities"),
        ({"identities": [{"identity": "a"}]}, "/identities/0", "lacks issuer or issuerRegExp: any issuer could vouch"),
        ({"identities": [{"issuer": "a"}]}, "/identities/0", "lacks identity or identityRegExp: anybody's certificate"),
        (
            {"identities": [{"issuer": "a", "issuerRegExp": "a", "identity": "b"}]},
            "/identities/0",
            "has both issuer and",
        ),
        ({"identities": [{"issuer": "a", "identityRegExp": ".*"}]}, "/identities/0/identityRegExp", "fits any text"),
        (
            {"identities": [{"issuer": "a", "identityRegExp": "(?s).+"}]},
            "/identities/0/identityRegExp",
            "fits any text",
        ),
        (
            {"identities": [{"issuer": "a", "identityRegExp": "(?=b)"}]},
            "/identities/0/identityRegExp",
            "can't be read by",
        ),
        (
            {"identities": [{"issuer": "a", "identityRegExp": "(a{9}){999}"}]},
            "/identities/0/identityRegExp",
            "is a pattern",
        ),
        ({"certificates": [KEY]}, "/certificates/0", "is no PEM of certificates"),
        ({"certificates": [CERTIFICATE], "subjects": ["Acme"]}, "/subjects/0", "is no distinguished name of RFC 4514"),
        ({"certificates": [CERTIFICATE], "log": True}, "/log", "has no meaning beside certificates"),
        ({"keys": [KEY], "pem": ""}, "/pem", "is not known here; there are keys, identities, certificates"),
    ],
)
def test_a_signer_is_refused(signer: Any, pointer: str, words: str) -> None:
    told = problems(written(SIGNATURE, signers={"release": signer}))
    assert [at for at, _ in told] == [f"/signers/release{pointer}"]
    assert words in told[0][1]


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ],
)
def test_keys_of_these_kinds_are_taken(key: Any) -> None:
    policy(SIGNATURE, signers={"release": {"keys": [pem_of(key)]}})


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (b"", None, "is empty"),
        (b"# nothing\n", None, "is empty"),
        (b"- a\n", 1, "must be an object"),
        (b"\xff", None, "is not UTF-8"),
        (b"version: 1\nname: a\nname: b\n", 3, "has “name” twice"),
        (b"version: 1\n'version': 1\n", 2, "has “version” twice"),
        (b"a: &x 1\nb: *x\n", 1, "has the anchor &x"),
        (b"a: 1\nb: *x\n", 2, "has the alias *x"),
        (
            b"a: !!python/object/apply:os.system [id]\n",
            1,
            "has the tag tag:yaml.org,2002:python/object/apply:os.system",
        ),
        (b"a: !!binary aGk=\n", 1, "has the tag"),
        (b"? [a]\n: 1\n", 1, "has a key that is no text"),
        (b"a: 1\n---\nb: 1\n", 2, "holds more than one document"),
        (b"a: 1\nb: [\n", 3, "is not YAML"),
        (b'a: "\\UFFFFFFFF"\n', None, "is not YAML"),
        (b'a: "\\ud800"\n', 1, "holds half a surrogate pair"),
        (b"a: \x01\n", None, "is not YAML"),
        (b"[" * 60, 1, f"is nested deeper than {DEEPEST} levels"),
        (b" " * (LARGEST_POLICY + 1), None, f"has {LARGEST_POLICY + 1} bytes; {LARGEST_POLICY} are the most"),
    ],
)
def test_a_text_is_refused(text: bytes, line: int | None, words: str) -> None:
    with pytest.raises(InvalidPolicy) as raised:
        read_policy(text)
    (problem,) = raised.value.problems
    assert words in problem.message
    assert problem.line == line


def test_problems_have_lines_and_come_together() -> None:
    text = b"version: 1\nname: a b\nmode: enforce\nrequire:\n  all:\n    - sbom: {}\n    - schemas: yes\n"
    with pytest.raises(InvalidPolicy) as raised:
        read_policy(text)
    assert str(raised.value).splitlines() == [
        "line 2: /name must be a name of up to 100 letters, digits, dots, dashes and underscores, and is “a b”",
        'line 7: /require/all/1/schemas must be "conform", and is “yes”',
    ]


def test_words_are_texts_as_in_json() -> None:
    text = b"a: no\nb: 2026-01-01\nc: 1:30\nd: 0x10\ne: 7\nf: true\ng: ~\nh: 1.5\ni: 'true'\nj:\n<<: x\n"
    found = read_yaml(text).document
    assert found == {
        "a": "no",
        "b": "2026-01-01",
        "c": "1:30",
        "d": "0x10",
        "e": 7,
        "f": True,
        "g": None,
        "h": 1.5,
        "i": "true",
        "j": None,
        "<<": "x",
    }


@given(st.binary() | st.text().map(str.encode) | st.text("abc:-[]{}&*!|>'\"%@`#,?\n \\Uux0").map(str.encode))
def test_no_text_makes_it_fail(text: bytes) -> None:
    with pytest.raises(InvalidPolicy):
        read_policy(text)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_no_document_makes_it_fail(value: Any) -> None:
    with pytest.raises(InvalidPolicy):
        read_policy(written(value))


def test_which_roots_a_policy_needs() -> None:
    by_both = {"signature": {"by": {"any": ["release", "ci"]}}}
    assert roots_needed(policy({"not": {"any": [by_both, {"age": {"most": "1d"}}]}})) == {"public-good"}
    assert roots_needed(policy({"signature": {"by": "release"}})) == frozenset()


def test_durations_are_told_by_their_units() -> None:
    bounds = [("30s", timedelta(seconds=30)), ("5m", timedelta(minutes=5)), ("2h", timedelta(hours=2))]
    for text, wanted in [*bounds, ("90d", timedelta(days=90)), ("2w", timedelta(days=14))]:
        read: Any = policy({"age": {"most": text}}).requirement
        assert read.most == wanted


def test_subjects_are_written_as_trust_policies_of_notation_have_them() -> None:
    assert what_is_wrong_with_subject("C=US, S=WA, O=Acme, CN=release") is None
    assert what_is_wrong_with_subject("release") is not None
    assert what_is_wrong_with_subject(" ") is not None
