"""HTTP: one route table, one error table, two doors (Quart, and a lane for plain reads). No SQL, no driver."""
