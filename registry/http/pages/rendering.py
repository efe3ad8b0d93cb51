"""From what a page says to an answer: templates, in which every value is escaped, and headers by which browsers protect it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from registry.http.pages.site import Site
from registry.http.reply import Headers, Reply

_HERE: Final = Path(__file__).parent
_TYPES: Final = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

# No script at all, no style but ours, no frame around a page. `same-origin` and not `no-referrer`, with which browsers would
# say `Origin: null` of our own forms (Fetch, Origin header).
_PROTECTION: Final[Headers] = [
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
]
_HSTS: Final = ("Strict-Transport-Security", "max-age=31536000")
_NOT_KEPT: Final = ("Cache-Control", "no-store")


class Rendering:
    """Makes pages, and the files that they need."""

    def __init__(self, site: Site) -> None:
        self._protection: Headers = [*_PROTECTION, *([_HSTS] if site.is_https else [])]
        self._files = {path.name: path.read_bytes() for path in sorted((_HERE / "static").iterdir())}
        mark = hashlib.sha256(b"".join(self._files.values())).hexdigest()[:12]
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._templates.globals |= {"base": site.base, "mark": mark}
        self._templates.filters["day"] = _day
        self._templates.filters["moment"] = _moment

    @property
    def files(self) -> list[str]:
        """The names of the files."""
        return list(self._files)

    def page(self, template: str, status: int = 200, **values: object) -> Reply:
        """Return a page."""
        text = self._templates.get_template(template).render(values)
        return Reply(status, [("Content-Type", "text/html; charset=utf-8")], text.encode())

    def file(self, name: str) -> Reply:
        """Return a file, which its URL changes with."""
        headers = [
            ("Content-Type", _TYPES[Path(name).suffix]),
            ("Cache-Control", "public, max-age=31536000, immutable"),
        ]
        return Reply(200, headers, self._files[name])

    def protect(self, reply: Reply) -> None:
        """Add the headers that every answer has."""
        reply.headers += self._protection
        if all(name != "Cache-Control" for name, _ in reply.headers):
            reply.headers.append(_NOT_KEPT)


def _day(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d") if at is not None else "never"


def _moment(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if at is not None else "never"
