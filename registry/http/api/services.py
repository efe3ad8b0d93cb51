"""What the API does for those whom a registry knows, in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from registry.auth.identification import Identification
from registry.auth.keyring import Keyring
from registry.auth.passwords import Passwords
from registry.auth.scan_keys import ScanKeys
from registry.auth.sealing import SecretKey
from registry.auth.sessions import Sessions
from registry.auth.throttle import LoginThrottle
from registry.auth.trusted import Trusted
from registry.core.api_keys import ApiKeys
from registry.core.audit_log import AuditLog
from registry.core.audit_retention import Retention
from registry.core.audit_verification import Verification
from registry.core.conformance import Conformance
from registry.core.directory import Directory
from registry.core.explanations import Explanations
from registry.core.identities import Identities
from registry.core.policies import Policies
from registry.core.rescans import ScanRequests
from registry.core.roles import Roles
from registry.core.scan_rules import ScanRules
from registry.core.schemas import Schemas
from registry.core.service_keys import ServiceKeys
from registry.core.stages import Stages
from registry.core.switches import Switches
from registry.core.tag_rules import TagRules
from registry.core.teams import Teams
from registry.core.trials import Trials
from registry.core.trust_roots import TrustRoots
from registry.http.api.reader_services import ReaderServices


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminServices(ReaderServices):
    """One object per noun; `on_password_change` is told whose password is another one now."""

    api_keys: ApiKeys
    audit_log: AuditLog
    conformance: Conformance
    directory: Directory
    explanations: Explanations
    identification: Identification
    identities: Identities
    keyring: Keyring
    passwords: Passwords
    policies: Policies
    retention: Retention
    roles: Roles
    scan_keys: ScanKeys
    scan_requests: ScanRequests
    scan_rules: ScanRules
    schemas: Schemas
    secret_key: SecretKey
    service_keys: ServiceKeys
    sessions: Sessions
    stages: Stages
    switches: Switches
    tag_rules: TagRules
    teams: Teams
    throttle: LoginThrottle
    trials: Trials
    trust_roots: TrustRoots
    trusted: Trusted
    verification: Verification
    on_password_change: Callable[[str], None]
