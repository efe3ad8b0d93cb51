"""The audit log (registry.administration_audit), by the API."""
