"""Where text stands on a page: lines in reading order, and what they make up.

Pure, in any unit of length, and without numpy.
"""

from handlers.document.layout.block import Block, BlockKind, Cell, flowing, goes_on
from handlers.document.layout.blocks import blocks
from handlers.document.layout.order import ordered

__all__ = ["Block", "BlockKind", "Cell", "blocks", "flowing", "goes_on", "ordered"]
