"""JSON Schemas of artifacts: what a schema may be, what fits it, and what becomes of documents of older versions. Pure."""
