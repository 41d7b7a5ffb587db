"""The test endpoints: any handler or job, at once, over HTTP, with no infrastructure behind it."""
