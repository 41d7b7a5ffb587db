"""Documents from other hosts, where the operator listed these."""
