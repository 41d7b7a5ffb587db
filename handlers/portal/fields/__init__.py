"""Text that was read, mapped to the fields of a portal's schema by rules: labels, patterns, checks, dates, choices."""

from handlers.portal.fields.mapping import map_fields, secrets_of
from handlers.portal.fields.redaction import redacted
from handlers.portal.fields.results import FieldResult

__all__ = ["FieldResult", "map_fields", "redacted", "secrets_of"]
