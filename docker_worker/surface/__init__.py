"""The worker over HTTP: whether it lives, what it does, and what operators may have it do."""
