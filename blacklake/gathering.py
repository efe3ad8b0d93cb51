"""What speaks of an artifact, gathered from any registry or layout into what `signing` judges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from blacklake.oci.contents import Absent, Content, Listed, OciFailed, Source, Unavailable, Unsound
from blacklake.oci.layout import Layout
from mediatypes.digest import Digest, InvalidDigest
from mediatypes.documents import objects, parsed
from signing.evidence import FIRST_TYPES, LARGEST_BLOB, LARGEST_EVIDENCE, MOST_ATTACHED, MOST_BLOBS, Attached, Evidence

_SUFFIXES: Final = ("sig", "att", "sbom")


class Gathered(NamedTuple):
    """What was gathered, and whether nothing was left out for want of an answer, or of room."""

    evidence: Evidence
    is_whole: bool


def gather(source: Source, reference: str) -> Gathered:
    """Return an artifact and what speaks of it: a tag is resolved once. Raise OciFailed where the artifact can't be read.

    Referrers, those of the fallback tag, and the tags `sha256-….sig`, `.att` and `.sbom` are read by the bounds of
    signing.evidence. A signature that is not what its digest says is left out and told; it never decides for an artifact.
    """
    return _Gathering(source, source.manifest(reference)).result()


class _Gathering:
    """One artifact, while what speaks of it is read."""

    def __init__(self, source: Source, subject: Content) -> None:
        self._source = source
        self._subject = subject
        self._attached: dict[Digest, Attached] = {}
        self._problems: list[str] = []
        self._is_whole = True
        self._size = 0

    def result(self) -> Gathered:
        for origin, one in self._found():
            digest = one if isinstance(one, Digest) else one.digest
            if digest in self._attached or digest == self._subject.digest:
                continue
            if len(self._attached) >= MOST_ATTACHED:
                self._missed(
                    Unavailable(f"more than {MOST_ATTACHED} manifests speak of it: the rest was not looked at")
                )
                break
            self._attach(origin, one)
        evidence = Evidence(
            digest=str(self._subject.digest),
            media_type=self._subject.media_type,
            content=self._subject.content,
            attached=tuple(self._attached.values()),
            problems=tuple(self._problems),
        )
        return Gathered(evidence, self._is_whole)

    def _found(self) -> Iterator[tuple[str, Digest | Content]]:
        """Yield what speaks of the artifact, in the order of signing.evidence."""
        yield from sorted(self._tagged(), key=lambda one: one[1].digest.to_bytes())
        for one in sorted(
            self._referrers(), key=lambda one: (one.artifact_type not in FIRST_TYPES, one.digest.to_bytes())
        ):
            yield "referrer", one.digest

    def _tagged(self) -> Iterator[tuple[str, Content]]:
        digest = self._subject.digest
        for suffix in _SUFFIXES if digest.algorithm == "sha256" else ():  # a tag has no room for another
            tag = f"{digest.algorithm}-{digest.encoded}.{suffix}"
            try:
                yield tag, self._source.manifest(tag)
            except Absent:
                continue
            except OciFailed as error:
                self._missed(error)
        if isinstance(self._source, Layout):
            for suffix, kept in self._source.kept_by_cosign():
                try:
                    yield f"{digest.algorithm}-{digest.encoded}.{suffix}", self._source.manifest(str(kept))
                except OciFailed as error:
                    self._missed(error)

    def _referrers(self) -> list[Listed]:
        found = []
        try:
            for one in self._source.referrers(self._subject.digest):
                found.append(one)
                if len(found) > 10 * MOST_ATTACHED:
                    raise Unavailable(
                        f"more than {10 * MOST_ATTACHED} manifests refer to it: the rest was not looked at"
                    )
        except OciFailed as error:
            self._missed(error)
        return found

    def _attach(self, origin: str, one: Digest | Content) -> None:
        try:
            found = one if isinstance(one, Content) else self._source.manifest(str(one))
        except OciFailed as error:
            self._missed(error)
            return
        if origin == "referrer" and found.manifest.subject != self._subject.digest:
            self._problems.append(f"{found.digest} is listed as a referrer and is none: it refers to something else")
            return
        blobs: dict[str, bytes] = {}
        missing: dict[str, str] = {}
        for number, (blob, size) in enumerate(_layers(found)):
            try:
                blobs[str(blob)] = self._blob(number, blob, size)
            except OciFailed as error:
                missing[str(blob)] = f"could not be read: {error}"
                if isinstance(error, Unavailable):
                    self._missed(error)
        digest = str(found.digest)
        self._attached[found.digest] = Attached(origin, digest, found.media_type, found.content, blobs, missing)

    def _blob(self, number: int, digest: Digest, size: int) -> bytes:
        if number >= MOST_BLOBS:
            raise Unsound(f"it is one of more than {MOST_BLOBS} layers")
        if size > LARGEST_BLOB:
            raise Unsound(f"it has more than {LARGEST_BLOB} bytes")
        if self._size + size > LARGEST_EVIDENCE:
            raise Unavailable(f"all that speaks of the artifact has more than {LARGEST_EVIDENCE} bytes")
        content = self._source.blob(digest, LARGEST_BLOB)
        if len(content) != size:
            raise Unsound(f"it has {len(content)} bytes and not {size} as its manifest says")
        self._size += size
        return content

    def _missed(self, error: OciFailed) -> None:
        """Note what could not be gathered. What is broken or gone is decided; what is not told is not."""
        self._problems.append(str(error))
        self._is_whole = self._is_whole and not isinstance(error, Unavailable)


def _layers(found: Content) -> Iterator[tuple[Digest, int]]:
    """Yield digests and sizes of a manifest's layers, each once."""
    document = parsed(found.content)
    seen = set()
    for layer in objects(document.get("layers")) if isinstance(document, dict) else []:
        try:
            digest = Digest.parse(str(layer.get("digest")))
        except InvalidDigest:
            continue
        size = layer.get("size")
        if digest not in seen and isinstance(size, int):
            seen.add(digest)
            yield digest, size
