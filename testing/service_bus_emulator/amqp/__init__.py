"""AMQP 1.0 on the wire: types, frames and performatives. No sockets, no Service Bus."""
