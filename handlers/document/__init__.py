"""Documents in, text out: the pipeline's tasks and job, and the seam to an OCR engine.

Importing this package imports neither numpy nor an OCR engine.
"""

from handlers.document.engine import OcrEngine, Quality
from handlers.document.limits import DocumentLimits
from handlers.document.registration import document_handlers, document_jobs
from handlers.document.source import SourceReader

__all__ = ["DocumentLimits", "OcrEngine", "Quality", "SourceReader", "document_handlers", "document_jobs"]
