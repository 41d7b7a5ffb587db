"""The systems that a team could take instead, each doing the same jobs in a process of its own."""
