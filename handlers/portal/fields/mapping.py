"""From the pages that were read to the fields of a schema. Pure: the same records give the same fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from handlers.document.records import PageRecord
from handlers.portal.fields.blocks import runs_on
from handlers.portal.fields.labels import LabelledSheet
from handlers.portal.fields.redaction import Secret, redacted
from handlers.portal.fields.results import FieldResult
from handlers.portal.fields.tokens import Sheet, Token, sheet_of
from handlers.portal.fields.values import Reading, is_likely, is_same, masked, readings
from handlers.portal.schema import FieldRule


@dataclass(frozen=True, slots=True)
class _Found:
    """What stands beside one label. ``readings`` are none where it breaks the rule, several where it is not clear."""

    sheet: Sheet
    tokens: tuple[Token, ...]
    likeness: float
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class _Valid:
    sheet: Sheet
    reading: Reading
    confidence: float


def map_fields(rules: Sequence[FieldRule], records: Iterable[PageRecord]) -> tuple[FieldResult, ...]:
    """A result for each of ``rules``, in their order. What is masked is in no other field either."""
    pages = list(records)
    labels = {number: rule.labels for number, rule in enumerate(rules)}
    sheets = [LabelledSheet(sheet_of(record), labels) for record in pages]
    results = (_result(rule, list(_found(rule, number, sheets))) for number, rule in enumerate(rules))
    secrets = secrets_of(rules, pages)
    return tuple(
        result if rule.mask is not None or result.value is None else _without(rules, result, secrets)
        for rule, result in zip(rules, results, strict=True)
    )


def _without(rules: Sequence[FieldRule], result: FieldResult, secrets: Sequence[Secret]) -> FieldResult:
    assert result.value is not None
    return result.model_copy(update={"value": redacted(rules, result.value, secrets)})


def secrets_of(rules: Sequence[FieldRule], records: Iterable[PageRecord]) -> tuple[Secret, ...]:
    """What is masked, as it was read: of a field that is not clear each value that it may have."""
    labels = {number: rule.labels for number, rule in enumerate(rules)}
    sheets = [LabelledSheet(sheet_of(record), labels) for record in records]
    found = (
        Secret(reading.value, rule.mask)
        for number, rule in enumerate(rules)
        if rule.mask is not None
        for one in _found(rule, number, sheets)
        for reading in one.readings
    )
    return tuple(dict.fromkeys(found))


def _found(rule: FieldRule, number: int, sheets: Sequence[LabelledSheet]) -> Iterator[_Found]:
    labelled = [found for sheet in sheets for found in _beside_labels(rule, number, sheet)]
    if labelled or rule.kind != "uid":
        yield from labelled
        return
    for sheet in sheets:
        for cell in sheet.sheet.cells:
            seen = readings(rule, cell.tokens)
            if seen:
                yield _Found(sheet.sheet, cell.tokens, 1.0, seen)


def _beside_labels(rule: FieldRule, number: int, sheet: LabelledSheet) -> Iterator[_Found]:
    """For each label the first of what stands around it that keeps the rule; else the first."""
    for hit in sheet.hits(number):
        around = [tokens for tokens in sheet.candidates(hit) if is_likely(rule, "".join(one.text for one in tokens))]
        if runs_on(rule):
            around = [tuple(chain(tokens, *sheet.continued(hit, tokens))) for tokens in around]
        tried = [_Found(sheet.sheet, tokens, hit.likeness, readings(rule, tokens)) for tokens in around]
        if tried:
            yield next((one for one in tried if one.readings), tried[0])


def _result(rule: FieldRule, found: Sequence[_Found]) -> FieldResult:
    if not found:
        return FieldResult(name=rule.name, status="missing", required=rule.required)
    valid = sorted(_told(rule, list(_valid(found))), key=lambda one: -one.confidence)
    if not valid:
        return _unclear(rule, "invalid", found[0].sheet, found[0].tokens)
    if len({one.reading.value for one in valid}) > 1:
        return _unclear(rule, "ambiguous", valid[0].sheet, valid[0].reading.tokens)
    best = valid[0]
    return FieldResult(
        name=rule.name,
        status="found",
        required=rule.required,
        value=masked(best.reading.value, rule.mask),
        confidence=best.confidence,
        page=best.sheet.page,
        polygon=best.sheet.polygon(best.reading.tokens),
        lines=[best.sheet.polygon(line) for line in best.sheet.lines(best.reading.tokens)],
    )


def _unclear(rule: FieldRule, status: str, sheet: Sheet, tokens: Sequence[Token]) -> FieldResult:
    return FieldResult.model_validate(
        {
            "name": rule.name,
            "status": status,
            "required": rule.required,
            "confidence": _confidence(tokens),
            "page": sheet.page,
            "polygon": sheet.polygon(tokens),
            "lines": [sheet.polygon(line) for line in sheet.lines(tokens)],
        }
    )


def _valid(found: Iterable[_Found]) -> Iterator[_Valid]:
    for one in found:
        for reading in one.readings:
            sure = _confidence(reading.tokens) * one.likeness * reading.certainty
            yield _Valid(one.sheet, reading, round(min(1.0, max(0.0, sure)), 4))


def _told(rule: FieldRule, valid: list[_Valid]) -> list[_Valid]:
    """Without the numbers that are printed masked and somewhere else in full."""
    if rule.kind != "uid":
        return valid
    values = [one.reading.value for one in valid]
    return [one for one in valid if not any(is_same(one.reading.value, value) for value in values if "X" not in value)]


def _confidence(tokens: Sequence[Token]) -> float:
    characters = sum(len(token.text) for token in tokens)
    return round(sum(token.confidence * len(token.text) for token in tokens) / characters, 4)
