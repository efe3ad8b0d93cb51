"""Who gets a certificate of the private Fulcio: people by e-mail address, builds by workflow, machines by user name."""

from __future__ import annotations

from typing import Any, Final

from conformance.sigstore.issuer import AUDIENCE, Issuer

PEOPLE: Final = "people"
"""Tokens with an `email`: the certificate's subject alternative name is that address."""
BUILDS: Final = "builds"
"""Tokens with claims as those of GitHub Actions: it is the URI of the workflow."""
MACHINES: Final = "machines"
"""Tokens with a `sub`: it is Fulcio's other name, `SUB!127.0.0.1`."""

SERVER: Final = "https://github.example"
"""Where the repositories are that builds are of."""

_WORKFLOW: Final = {
    "GithubWorkflowTrigger": "event_name",
    "GithubWorkflowSHA": "sha",
    "GithubWorkflowRepository": "repository",
    "GithubWorkflowRef": "ref",
    "BuildSignerURI": "{{ .url }}/{{ .job_workflow_ref }}",
    "SourceRepositoryURI": "{{ .url }}/{{ .repository }}",
    "SourceRepositoryRef": "ref",
    "BuildTrigger": "event_name",
}


def configuration(issuer: Issuer) -> dict[str, Any]:
    """Return what Fulcio is told: whose tokens count, and what becomes of their claims (its `config-path`)."""
    alike = {"ClientID": AUDIENCE}
    issuers: dict[str, dict[str, Any]] = {
        PEOPLE: {"Type": "email"},
        BUILDS: {"Type": "ci-provider", "CIProvider": "workflow"},
        MACHINES: {"Type": "username", "SubjectDomain": "127.0.0.1"},
    }
    return {
        "OIDCIssuers": {
            url: {"IssuerURL": url, **alike, **how}
            for url, how in ((f"{issuer.url}/{path}", how) for path, how in issuers.items())
        },
        "CIIssuerMetadata": {
            "workflow": {
                "DefaultTemplateValues": {"url": SERVER},
                "ExtensionTemplates": _WORKFLOW,
                "SubjectAlternativeNameTemplate": "{{ .url }}/{{ .job_workflow_ref }}",
            }
        },
    }


def build_claims(repository: str, workflow: str, ref: str) -> dict[str, str]:
    """Return the claims of a build: `repository` as `owner/name`, `workflow` a file in it, `ref` as `refs/heads/main`."""
    return {
        "sub": f"repo:{repository}:ref:{ref}",
        "event_name": "push",
        "sha": "0" * 40,
        "repository": repository,
        "ref": ref,
        "job_workflow_ref": f"{repository}/{workflow}@{ref}",
    }
