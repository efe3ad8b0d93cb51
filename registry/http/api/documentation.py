"""The API's document (OpenAPI 3.1), made by quart-schema from the routes, and Swagger UI, which shows it.

Swagger UI's files are its distribution's own, in `static/`, with their licence.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from quart import Quart
from quart_schema import HttpSecurityScheme, Info, OpenAPIProvider, QuartSchema
from werkzeug.routing import Rule

from mediatypes.names import MAX_NAME_LENGTH, NAME_PATTERN, TAG_PATTERN
from registry.http.api.models import Problem
from registry.http.api.route import Route
from registry.http.reply import Headers, Reply

BASE: Final = "/api/v1"

ROUTE: Final = "_blacklake_route"
"""The attribute of a view that says which route it is of."""

_PARAMETER: Final = re.compile(r"<(?:[^:>]*:)?([^>]+)>")
_STATIC: Final = Path(__file__).parent / "static"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".html": "text/html"}
# Swagger UI sets styles by script and shows pictures that it holds itself; nothing comes from or goes to anywhere else.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS: Final[Headers] = [
    ("Content-Security-Policy", _POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
]
_NAMES: Final[dict[str, dict[str, Any]]] = {
    "name": {"pattern": f"^{NAME_PATTERN}$", "maxLength": MAX_NAME_LENGTH},
    "reference": {"pattern": f"^(?:{TAG_PATTERN}|sha256:[0-9a-f]{{64}}|sha512:[0-9a-f]{{128}})$"},
}
_SECURITY: Final[list[dict[str, list[str]]]] = [{"key": []}, {"basic": []}]
_PROBLEM: Final = {
    "description": "What went wrong.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


class Provider(OpenAPIProvider):
    """quart-schema's document, with what can go wrong, and answers without a body."""

    def schema(self) -> dict[str, Any]:
        """Return the document."""
        found: dict[str, Any] = super().schema()
        found["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        return found

    def build_paths(self, rule: Rule) -> tuple[dict[str, Any], dict[str, Any]]:
        """See quart-schema."""
        found, components = super().build_paths(rule)
        route: Route = getattr(self._app.view_functions[rule.endpoint], ROUTE)
        # quart-schema takes `<a>/<int:b>` for one parameter.
        paths = dict.fromkeys([_PARAMETER.sub(r"{\1}", rule.rule)], *found.values())
        for path in paths.values():
            for operation in path.values():
                operation["operationId"] = route.label.removeprefix("api.").replace(".", "_")
                operation["tags"] = [route.label.split(".")[1].replace("_", " ")]
                operation["responses"].setdefault(route.status, _answered(route))
                operation["responses"]["default"] = _PROBLEM
                for parameter in operation["parameters"]:
                    _mend(parameter, route)
                if route.is_for_readers:  # also for who is nobody in particular
                    operation["security"] = [*_SECURITY, {}]
        return paths, components


def _mend(parameter: dict[str, Any], route: Route) -> None:
    """Say of a parameter what quart-schema doesn't: whether it must be given, that a query has no null, and what paths take."""
    schema = parameter["schema"]
    if parameter["in"] == "path":
        if route.path.startswith("/repositories/"):
            parameter["schema"] = {**schema, **_NAMES[parameter["name"]]}
        elif schema["type"] == "number":
            parameter["schema"] = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
    elif route.query is not None:
        parameter["required"] = route.query.model_fields[parameter["name"]].is_required()
        for given in schema.pop("anyOf", ()):
            if given != {"type": "null"}:
                schema.update(given)
        if schema.get("default", "") is None:
            del schema["default"]


def _answered(route: Route) -> dict[str, Any]:
    """Return what is said of an answer that is no document of JSON."""
    if route.media_type is None:
        return {"description": "It is done."}
    return {
        "description": "The bytes, or with `Range` some of them (206).",
        "content": {route.media_type: {"schema": {"type": "string", "format": "binary"}}},
    }


class Documentation:
    """The document and the page, made once."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    @functools.cached_property
    def _document(self) -> bytes:
        return msgspec.json.encode(self._provider.schema())

    def _openapi(self) -> Reply:
        return Reply(200, [("Content-Type", "application/json"), ("Cache-Control", "no-store")], self._document)

    def pages(self) -> Iterator[tuple[str, Callable[[], Reply]]]:
        """Yield paths below BASE and what makes their replies."""
        yield "/openapi.json", self._openapi
        yield "/docs", lambda: _file("index.html")
        for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js"):
            yield f"/docs/{name}", functools.partial(_file, name)


def document(app: Quart) -> Documentation:
    """Let quart-schema validate and document an application's routes; what it would serve itself is ours to serve."""
    schema = QuartSchema(
        app,
        openapi_path=None,
        swagger_ui_path=None,
        redoc_ui_path=None,
        scalar_ui_path=None,
        info=Info(
            title="Blacklake",
            version="1",
            description="Artifacts, who one is, and, for administrators, users, rights, keys, schemas and the audit log.",
        ),
        security_schemes={
            "key": HttpSecurityScheme(scheme="bearer"),
            "basic": HttpSecurityScheme(scheme="basic"),
        },
        security=_SECURITY,
        conversion_preference="pydantic",
        openapi_provider_class=Provider,
    )
    provider = schema.openapi_provider
    assert isinstance(provider, Provider)
    return Documentation(provider)


@functools.cache
def _content(name: str) -> bytes:
    return (_STATIC / name).read_bytes()


def _file(name: str) -> Reply:
    headers = [
        ("Content-Type", f"{_TYPES[Path(name).suffix]}; charset=utf-8"),
        ("Cache-Control", "no-store"),
        *_PAGE_HEADERS,
    ]
    return Reply(200, headers, _content(name))
