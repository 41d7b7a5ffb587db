"""What a document was read to, in the formats that others read.

Writers take the records of a document's pages one after the other, and write to a binary file; no more than one page is
in memory at a time. The same records give the same bytes.
"""

from handlers.document.output.alto import ALTO_TYPE, write_alto
from handlers.document.output.analyze_result import JSON_TYPE, write_analyze_result
from handlers.document.output.hocr import HOCR_TYPE, write_hocr
from handlers.document.output.markdown import MARKDOWN_TYPE, write_markdown
from handlers.document.output.pictures import PICTURE_TYPE, draw_overlay, thumbnail
from handlers.document.output.text import PAGE_BREAK, TEXT_TYPE, page_text, write_text

__all__ = [
    "ALTO_TYPE",
    "HOCR_TYPE",
    "JSON_TYPE",
    "MARKDOWN_TYPE",
    "PAGE_BREAK",
    "PICTURE_TYPE",
    "TEXT_TYPE",
    "draw_overlay",
    "page_text",
    "thumbnail",
    "write_alto",
    "write_analyze_result",
    "write_hocr",
    "write_markdown",
    "write_text",
]
