"""OCR engines behind :class:`handlers.document.engine.OcrEngine`. Importing this package imports none of them."""
