"""What answers clusters that ask what may run."""

from __future__ import annotations

from collections.abc import Mapping

from mediatypes.endpoints import Resource
from registry.auth.gate import Gate
from registry.config import Foreign, Settings
from registry.core.services import Services
from registry.http.limits import Networks
from registry.http.routes import OwnHandler


def create_webhooks(settings: Settings, services: Services, gate: Gate) -> Mapping[tuple[Resource, str], OwnHandler]:
    """Return the handlers of webhooks; none where no host is named by which clusters know this registry."""
    if not settings.admission_hosts:
        return {}
    from registry.core.deployments import DeploymentRule, Deployments  # they take their time and memory
    from registry.http.kubernetes import KubernetesWebhooks

    rule = DeploymentRule(
        hosts=frozenset(settings.admission_hosts),
        denies_foreign=settings.admission_foreign is Foreign.DENY,
        exempt_namespaces=frozenset(settings.admission_exempt_namespaces),
    )
    webhooks = KubernetesWebhooks(
        Deployments(services.manifests, services.admission, rule),
        gate,
        Networks(settings.trusted_proxies),
        clusters=settings.admission_networks,
    )
    return {
        (Resource.KUBERNETES_VALIDATE, "POST"): webhooks.validate,
        (Resource.KUBERNETES_MUTATE, "POST"): webhooks.mutate,
    }
