"""A Service Bus that runs on one machine and speaks its AMQP 1.0 dialect to the real SDKs."""
