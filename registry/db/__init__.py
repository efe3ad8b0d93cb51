"""SQL beside the function that runs it, one module per noun. Knows PostgreSQL; knows no storage and no HTTP."""
