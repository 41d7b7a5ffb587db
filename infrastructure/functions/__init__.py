"""What Azure Functions calls: the triggers of queues and timers."""
