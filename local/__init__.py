"""One machine: the local Functions host and the command line that starts it."""
