"""Images as documents: what their headers say, and their pages as pixels."""
