"""Licence files: which licence it is, by its text where that is one of the common ones, else by what its head says.

The common texts come with the library identify (those of choosealicense.com).
"""

from __future__ import annotations

import functools
import hashlib
import re
from typing import Final

from mediatypes.files.documents import text_of, whole
from mediatypes.files.paths import base_name
from mediatypes.files.reading import Limits, Reading, Source
from mediatypes.files.telling import Telling
from mediatypes.models.values import license_name
from mediatypes.record import Provenance

_FILE: Final = re.compile(r"(?:li[cs]en[cs]e|copying|unlicense)(?:[-_.][\w.+-]{1,60})?", re.IGNORECASE)
_NOT_TEXT: Final = (".py", ".json", ".yaml", ".yml", ".html", ".js", ".pdf")
_LONGEST: Final = 1 << 20
_COPYRIGHT: Final = re.compile(r"^[ \t]*(?:Copyright|\(C\)|©|All rights reserved).*$", re.IGNORECASE | re.MULTILINE)
_IDENTIFIER: Final = re.compile(r"SPDX-License-Identifier:[ \t]*([^\n]{1,200})")
_TITLES: Final = (
    (re.compile(r"apache license,? version 2\.0"), "Apache-2.0"),
    (re.compile(r"gnu affero general public license version 3"), "AGPL-3.0"),
    (re.compile(r"gnu lesser general public license version 3"), "LGPL-3.0"),
    (re.compile(r"gnu lesser general public license version 2\.1"), "LGPL-2.1"),
    (re.compile(r"gnu general public license version 3"), "GPL-3.0"),
    (re.compile(r"gnu general public license version 2"), "GPL-2.0"),
    (re.compile(r"mozilla public license,? version 2\.0"), "MPL-2.0"),
    (re.compile(r"(?:the )?mit license(?: \(mit\))? "), "MIT"),
    (re.compile(r"creative commons attribution-?noncommercial-?sharealike 4\.0"), "CC-BY-NC-SA-4.0"),
    (re.compile(r"(?:creative commons )?attribution-?noncommercial 4\.0"), "CC-BY-NC-4.0"),
    (re.compile(r"(?:creative commons )?attribution-?sharealike 4\.0"), "CC-BY-SA-4.0"),
    (re.compile(r"(?:creative commons )?attribution 4\.0"), "CC-BY-4.0"),
    # Those of models, by the Hub's words.
    (re.compile(r"llama 2 community license"), "llama2"),
    (re.compile(r"(?:meta )?llama 3 community license"), "llama3"),
    (re.compile(r"llama 3\.(?P<minor>\d) community license"), "llama3."),
    (re.compile(r"llama 4 community license"), "llama4"),
    (re.compile(r"gemma terms of use"), "gemma"),
    (re.compile(r"creativeml open rail-?m"), "creativeml-openrail-m"),
    (re.compile(r"creativeml open rail\+\+-?m"), "openrail++"),
    (re.compile(r"bigscience (?:open )?rail license"), "bigscience-bloom-rail-1.0"),
    (re.compile(r"bigcode open ?rail-?m"), "bigcode-openrail-m"),
    (re.compile(r"(?:tongyi )?qwen license agreement"), "qwen"),
    (re.compile(r"deepseek license agreement"), "deepseek"),
)
_TITLE: Final = 300  # characters at whose beginning a title stands


class License:
    """Reads LICENSE, COPYING and the like."""

    name = "license"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is named as a licence is, and is text."""
        name = base_name(path)
        return _FILE.fullmatch(name) is not None and not name.lower().endswith(_NOT_TEXT) and b"\0" not in head

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return which licence it is, where it is known. Raise Unreadable."""
        text = text_of(whole(source, limits, _LONGEST))
        telling = Telling(path, Provenance.HEADER)
        found = licence_of(text)
        if found:
            telling.tell("licenses", [found])
        title = next((line.strip()[:200] for line in text.splitlines() if line.strip()), "").replace("\0", "")
        return Reading(self.name, telling.facts, raw={"title": title, "license": found})


def licence_of(text: str) -> str | None:
    """Return a licence's SPDX identifier, or the Hub's word for it, by its text; None where it isn't known."""
    known = _texts().get(_fingerprint(text))
    if known:
        return known
    said = _IDENTIFIER.search(text[:4096])
    if said:
        return license_name(said[1].strip(" */#-\t\r"))
    head = " ".join(text[: 4 * _TITLE].lower().replace("*", " ").replace("#", " ").split())[:_TITLE]
    for title, name in _TITLES:
        found = title.match(head)
        if found:
            return name + found["minor"] if "minor" in title.groupindex else name
    return None


def _fingerprint(text: str) -> bytes:
    """Return what is the same for texts that differ in lines of copyright, white space and case only."""
    plain = " ".join(_COPYRIGHT.sub("", text).lower().split())
    return hashlib.sha256(plain.encode("utf-8", "replace")).digest()


@functools.cache
def _texts() -> dict[bytes, str]:
    from identify.vendor.licenses import LICENSES

    return {_fingerprint(text): name for name, text in LICENSES}
