"""The server, in layers: http → auth → core → db, storage. `compose` wires them."""
