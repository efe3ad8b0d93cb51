"""What looks at single files, in the sandbox: parsers and their libraries are imported there, and not by the server."""
