"""What Service Bus decides: queues, locks, sessions and dead letters, without AMQP, asyncio or a clock of its own."""
