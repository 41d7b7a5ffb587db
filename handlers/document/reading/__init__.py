"""From a page's pixels and an engine to its text: upright, straight, with honest confidence and a measure of quality.

Importing this package imports no numpy; :func:`handlers.document.reading.whole.read_whole` needs it, and cv2.
"""

from handlers.document.reading.records import PageQuality, PageReading, ReadingOptions

__all__ = ["PageQuality", "PageReading", "ReadingOptions"]
