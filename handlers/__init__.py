"""What the work is: handlers and job definitions. Imports core, and nothing of queues or databases."""
