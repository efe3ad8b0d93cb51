"""Helm charts (helm/helm: pkg/registry/constants.go, pkg/chart/v2/metadata.go): the config is Chart.yaml as JSON."""

from __future__ import annotations

from typing import Any, Final

from mediatypes.documents import objects, texts
from mediatypes.models.artifact import Artifact, Description, Role
from mediatypes.models.layers import layer, packing_of
from mediatypes.models.places import Place, extra, stated
from mediatypes.record import Kind

CONFIG: Final = "application/vnd.cncf.helm.config.v1+json"
CHART: Final = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
LEGACY_CHART: Final = "application/tar+gzip"
PROVENANCE: Final = "application/vnd.cncf.helm.chart.provenance.v1.prov"
ROLES: Final = {CHART: Role.CODE, LEGACY_CHART: Role.CODE, PROVENANCE: Role.OTHER}


def _names(maintainers: Any) -> list[str]:
    return [name for item in objects(maintainers) for name in texts(item.get("name"))]


def _first(sources: Any) -> str | None:
    return next(iter(texts(sources)), None)


PLACES: Final = (
    Place("/name", "name"),
    Place("/version", "version"),
    Place("/description", "description"),
    Place("/keywords", "tags"),
    Place("/maintainers", "authors", _names),
    Place("/sources", "source_url", _first),
    Place("/home", "documentation_url"),
    extra("/appVersion", "app_version"),
    extra("/kubeVersion", "kube_version"),
    extra("/type", "type"),
    extra("/deprecated", "deprecated"),
)


class Helm:
    """A Helm chart."""

    name = "helm"
    is_generic = False

    def recognises(self, artifact: Artifact) -> bool:
        """Say whether the config's type is Helm's."""
        return artifact.config is not None and artifact.config.media_type == CONFIG

    def describe(self, artifact: Artifact) -> Description:
        """Return a chart."""
        layers = [layer(item, packing_of(item.media_type), ROLES.get(item.media_type)) for item in artifact.layers]
        return Description(Kind.CHART, stated(artifact.config_document, PLACES, "config"), layers)


FORMAT: Final = Helm()
