"""The verbs of the registry, one class per noun. Knows no HTTP, no driver and no asyncpg."""
