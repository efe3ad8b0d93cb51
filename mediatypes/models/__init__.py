"""The formats of models, datasets and other artifacts on OCI: recognise and describe them by manifest and config. Pure."""
