"""Azure Blob Storage: the one package that knows ``azure.storage.blob``."""
