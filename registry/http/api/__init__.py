"""The admin API, `/api/v1`."""
