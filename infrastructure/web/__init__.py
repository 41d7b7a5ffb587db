"""The HTTP API: routes over the machine's operations, one envelope for errors, a contract made from the models."""
