"""How a function starts a task on the worker: a signed call, over the same claim as a message from the queue."""
