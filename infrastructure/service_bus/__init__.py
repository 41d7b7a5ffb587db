"""Azure Service Bus: the one package that knows ``azure.servicebus``."""
