"""The test kit: the same engine in memory, with faults on demand, and the contract suites of its ports."""
