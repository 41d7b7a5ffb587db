"""The single-instance worker for long tasks, and the OCR engine it carries."""
