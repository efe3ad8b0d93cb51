"""Makes a policy of a document that has the form of one, and finds what its schema can't say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Final

from signing.authorities import Identity
from signing.patterns import InvalidPattern, fits_anything
from signing.policy import signers
from signing.policy.conditions import Condition, InvalidCondition
from signing.policy.licenses import is_expression
from signing.policy.policy import Policy
from signing.policy.predicates import SHORT
from signing.policy.problems import Problem, escaped
from signing.policy.requirements import (
    Aged,
    All,
    AnyOf,
    AtLeast,
    Attested,
    By,
    ByAll,
    ByAny,
    ByAtLeast,
    BySigner,
    Conforming,
    Inventoried,
    Licensed,
    Not,
    Recorded,
    Requirement,
    Scanned,
    Signed,
)
from signing.policy.signers import PUBLIC_GOOD, ChainSigner, KeylessSigner, KeySigner, Signer
from signing.policy.text import Text
from signing.policy.verdict import Mode
from signing.verified import SIGNED

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_KINDS: Final = {
    "keys": {"keys", "log", "timestamp", "root"},
    "identities": {"identities", "log", "root"},
    "certificates": {"certificates", "subjects", "identities", "timestampCertificates", "root"},
}
"""What may stand beside what says of which kind a signer is."""
_ARTIFACT: Final = frozenset({"artifact", "record"})
_STATEMENT: Final = frozenset({"artifact", "predicate", "record", "statement"})
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+", re.ASCII)


class Building:
    """Builds one policy. Its `problems` are to be looked at before it is used."""

    def __init__(self, text: Text) -> None:
        self.problems: list[Problem] = []
        self._text = text
        self._known: frozenset[str] = frozenset(text.document.get("signers", ()))

    def policy(self) -> Policy:
        """Return the policy."""
        document = self._text.document
        built = {
            name: self._signer(name, value, f"/signers/{escaped(name)}")
            for name, value in document.get("signers", {}).items()
        }
        requirement = self._requirement(document["require"], "/require")
        return Policy(document["name"], document.get("description", ""), Mode(document["mode"]), built, requirement)

    def _wrong(self, pointer: str, message: str) -> None:
        self.problems.append(self._text.problem(pointer, message))

    def _signer(self, name: str, value: dict[str, Any], at: str) -> Signer:
        kinds = [kind for kind in ("keys", "certificates", "identities") if kind in value]
        if not kinds or (kinds[0] == "keys" and len(kinds) > 1):
            self._wrong(at, "must have one of keys, identities and certificates (to which identities may be added)")
            return KeySigner(name, (), None, needs_log=False, needs_timestamp=False)
        kind = kinds[0]
        for other in value.keys() - _KINDS[kind]:
            self._wrong(f"{at}/{other}", f"has no meaning beside {kind}")
        identities = self._identities(value.get("identities", ()), f"{at}/identities", is_keyless=kind == "identities")
        if kind == "identities":
            return KeylessSigner(name, identities, value.get("root", PUBLIC_GOOD), value.get("log", True))
        if kind == "keys":
            keys = self._texts(value["keys"], f"{at}/keys", signers.what_is_wrong_with_key)
            needs_log, needs_timestamp = value.get("log", False), value.get("timestamp", False)
            root = value.get("root", PUBLIC_GOOD if needs_log or needs_timestamp else None)
            return KeySigner(name, keys, root, needs_log, needs_timestamp)
        certificates = self._texts(value["certificates"], f"{at}/certificates", signers.what_is_wrong_with_certificates)
        stamps = value.get("timestampCertificates", ())
        self._texts(value.get("subjects", ()), f"{at}/subjects", signers.what_is_wrong_with_subject)
        return ChainSigner(
            name,
            certificates,
            tuple(value.get("subjects", ())),
            identities,
            self._texts(stamps, f"{at}/timestampCertificates", signers.what_is_wrong_with_certificates),
            value.get("root"),
        )

    def _texts(self, values: Iterable[str], at: str, check: Callable[[str], str | None]) -> tuple[bytes, ...]:
        for position, value in enumerate(values):
            if wrong := check(value):
                self._wrong(f"{at}/{position}", wrong)
        return tuple(value.encode() for value in values)

    def _identities(self, values: Iterable[dict[str, str]], at: str, *, is_keyless: bool) -> tuple[Identity, ...]:
        return tuple(
            self._identity(value, f"{at}/{position}", is_keyless=is_keyless) for position, value in enumerate(values)
        )

    def _identity(self, value: dict[str, str], at: str, *, is_keyless: bool) -> Identity:
        for name in ("identity", "issuer"):
            if name in value and f"{name}RegExp" in value:
                self._wrong(at, f"has both {name} and {name}RegExp; one of them says who it is")
            if is_keyless and name not in value and f"{name}RegExp" not in value:
                why = {
                    "identity": "anybody's certificate would do",
                    "issuer": "any issuer could vouch for the identity",
                }
                self._wrong(at, f"lacks {name} or {name}RegExp: {why[name]}")
            pattern = value.get(f"{name}RegExp")
            try:
                if pattern is not None and fits_anything(pattern):
                    self._wrong(f"{at}/{name}RegExp", "fits any text")
            except InvalidPattern as error:
                self._wrong(f"{at}/{name}RegExp", f"is a pattern that {error}")
        return Identity(
            value.get("identity"), value.get("identityRegExp"), value.get("issuer"), value.get("issuerRegExp")
        )

    def _by(self, value: str | dict[str, Any], at: str) -> By:
        if isinstance(value, str):
            if value not in self._known:
                there = f"there are {', '.join(sorted(self._known))}" if self._known else "there are no signers"
                self._wrong(at, f"is “{value}”, which is no signer; {there}")
            return BySigner(value)
        ((kind, of),) = value.items()
        at = f"{at}/{kind}"
        if kind == "atLeast":
            self._check_count(of, at)
            known = [self._by(name, f"{at}/of/{position}") for position, name in enumerate(of["of"])]
            return ByAtLeast(of["count"], tuple(one for one in known if isinstance(one, BySigner)))
        parts = tuple(self._by(one, f"{at}/{position}") for position, one in enumerate(of))
        return ByAll(parts) if kind == "all" else ByAny(parts)

    def _requirement(self, value: dict[str, Any], at: str) -> Requirement:
        ((kind, of),) = value.items()
        at = f"{at}/{kind}"
        match kind:
            case "all":
                return All(self._requirements(of, at))
            case "any":
                return AnyOf(self._requirements(of, at))
            case "atLeast":
                self._check_count(of, at)
                return AtLeast(of["count"], self._requirements(of["of"], f"{at}/of"))
            case "not":
                return Not(self._requirement(of, at))
            case "signature":
                return Signed(self._by(of["by"], f"{at}/by"), covers_files=of.get("covers") == "files")
            case "attestation":
                return self._attestation(of, at)
            case "sbom":
                return Inventoried(self._by(of["by"], f"{at}/by") if "by" in of else None)
        return self._fact(kind, of, at)

    def _fact(self, kind: str, of: Any, at: str) -> Requirement:
        match kind:
            case "age":
                return self._age(of, at)
            case "license":
                return self._license(of, at)
            case "schemas":
                return Conforming()
            case "scan":
                down, pending = of.get("whenDown", "deny"), of.get("whenPending", "deny")
                if (of["most"], down, pending) == ("critical", "allow", "allow"):
                    self._wrong(at, "refuses nothing: whatever is found, and also where nothing was scanned, it is met")
                return Scanned(tuple(of["scanners"]), of["most"], down == "allow", pending == "allow")
        return Recorded(self._condition(of, at, _ARTIFACT))

    def _requirements(self, values: list[dict[str, Any]], at: str) -> tuple[Requirement, ...]:
        return tuple(self._requirement(value, f"{at}/{position}") for position, value in enumerate(values))

    def _check_count(self, value: dict[str, Any], at: str) -> None:
        if value["count"] > len(value["of"]):
            self._wrong(f"{at}/count", f"is {value['count']} of {len(value['of'])}, which nothing can meet")

    def _attestation(self, value: dict[str, Any], at: str) -> Requirement:
        predicate_type = SHORT.get(value["type"], value["type"])
        if predicate_type == SIGNED:
            self._wrong(f"{at}/type", "is the type of plain signatures: ask for signature")
        elif not _URI.fullmatch(predicate_type):
            known = ", ".join(sorted(SHORT))
            self._wrong(f"{at}/type", f"is “{predicate_type[:60]}”, which is neither a URI nor one of {known}")
        where = self._condition(value["where"], f"{at}/where", _STATEMENT) if "where" in value else None
        return Attested(predicate_type, self._by(value["by"], f"{at}/by"), where)

    def _condition(self, source: str, at: str, variables: frozenset[str]) -> Condition | Any:
        try:
            return Condition(source, variables)
        except InvalidCondition as error:
            self._wrong(at, str(error))
            return None

    def _age(self, value: dict[str, Any], at: str) -> Requirement:
        most, least = (_duration(value[name]) if name in value else None for name in ("most", "least"))
        if most is None and least is None:
            self._wrong(at, "must have most, least or both")
        if most is not None and least is not None and least >= most:
            self._wrong(at, f"asks for at least {value['least']} and at most {value['most']}, which nothing can meet")
        is_signed = value.get("since", "pushed") == "signed"
        if is_signed != ("by" in value):
            self._wrong(at, "needs by where since is signed" if is_signed else "has by, which needs since: signed")
        words = " and ".join(f"at {name} {value[name]}" for name in ("most", "least") if name in value)
        return Aged(most, least, self._by(value["by"], f"{at}/by") if "by" in value else None, words)

    def _license(self, value: dict[str, Any], at: str) -> Requirement:
        ((kind, names),) = value.items()
        for position, name in enumerate(names):
            if is_expression(name):
                self._wrong(f"{at}/{kind}/{position}", f"is “{name[:60]}”, which is several: list each by itself")
        return Licensed(tuple(names), are_allowed=kind == "in")


def _duration(text: str) -> timedelta:
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
