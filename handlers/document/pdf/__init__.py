"""PDF: read through PDFium, and written as a searchable PDF.

Nothing is imported here: pypdfium2, pikepdf, fontTools and numpy are not everywhere where documents are named.
"""
