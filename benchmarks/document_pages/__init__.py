"""Made-up pages of the kinds that users send, with what they say and where: ``python -m benchmarks.document_pages``."""
