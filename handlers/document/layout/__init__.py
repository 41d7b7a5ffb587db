"""Where text stands on a page: lines in reading order, and what they make up.

Pure, in any unit of length, and without numpy.
"""

from handlers.document.layout.order import ordered

__all__ = ["ordered"]
