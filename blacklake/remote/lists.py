"""What there is (registry.administration_lists), by the API."""
