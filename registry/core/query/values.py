"""Values of facets that are numbers or moments: read into intervals.

A number with a unit, alone, means what rounds to it: `7B` has from 6.5 to 7.5 milliards, `7.0B` from 6.95 to 7.05; `32k`
tokens are so many of 1000 or of 1024. In comparisons and ranges a number is exactly itself, and ranges have their ends. A day,
a month or a year is all of it; an age counts back from now.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from registry.core.query.facets import FacetType
from registry.core.query.terms import Bound, Interval

_COUNTS: Final = {"k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9, "t": 10**12}
_BYTES: Final = {"b": 1} | {
    f"{letter}{unit}": base**power
    for power, letter in enumerate("kmgtp", 1)
    for unit, base in (("b", 1000), ("ib", 1024), ("", 1000))
}
_UNITS: Final[dict[FacetType, Mapping[str, int]]] = {
    FacetType.NUMBER: _COUNTS,
    FacetType.CONTEXT: {"k": 10**3, "m": 10**6},
    FacetType.SIZE: _BYTES,
    FacetType.METRIC: {},
}
_NUMBER: Final = re.compile(r"(-?[0-9]{1,20}(?:\.([0-9]{1,20}))?(?:[eE][+-]?[0-9]{1,2})?)([A-Za-z]*)", re.ASCII)
_DATE: Final = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?", re.ASCII)
_AGE: Final = re.compile(r"([0-9]{1,5})([hdwy])", re.ASCII)
_HOURS: Final = {"h": 1, "d": 24, "w": 24 * 7, "y": 24 * 365}


class NoValue(ValueError):
    """A text that is no value of its facet; the message says why, where that isn't plain."""


def interval(facet_type: FacetType, sign: str, text: str, now: datetime) -> Interval:
    """Return what a value says behind `sign`, a comparison or "". Raise NoValue."""
    if facet_type is FacetType.MOMENT:
        return _moments(sign, text, now)
    point, around = _number(facet_type, text)
    return _compared(sign, point, point) if sign else around


def between(facet_type: FacetType, first: str, last: str, now: datetime) -> Interval:
    """Return what a range says, of which one end may be "". Raise NoValue."""
    if not first and not last:
        raise NoValue("has no end")
    if facet_type is not FacetType.MOMENT:
        low, high = (_number(facet_type, end)[0] if end else None for end in (first, last))
        return Interval(low, high)
    if _AGE.fullmatch(first or last):
        return Interval(_before(now, last) if last else None, _before(now, first) if first else None)
    return Interval(_span(first)[0] if first else None, _span(last)[1] if last else None, has_high=False)


def _number(facet_type: FacetType, text: str) -> tuple[Decimal, Interval]:
    """Return a number, and the interval of what is called so."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise NoValue
    digits, decimals, unit = match.groups()
    units = _UNITS[facet_type]
    if unit and unit.lower() not in units:
        raise NoValue(
            f"has a unit that is none of {', '.join(_shown(facet_type))}" if units else "has a unit, and needs none"
        )
    number, factor = Decimal(digits), units.get(unit.lower(), 1)
    if not unit or factor == 1:
        return number * factor, Interval(number, number)
    half = Decimal(5).scaleb(-len(decimals or "") - 1)
    larger = 1024 if facet_type is FacetType.CONTEXT and factor == 1000 else factor
    return number * factor, Interval((number - half) * factor, (number + half) * larger, has_high=False)


def _shown(facet_type: FacetType) -> list[str]:
    if facet_type is FacetType.SIZE:
        return ["B", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"]
    return ["k", "M", "B", "T"] if facet_type is FacetType.NUMBER else ["k", "M"]


def _moments(sign: str, text: str, now: datetime) -> Interval:
    if _AGE.fullmatch(text):
        moment = _before(now, text)
        if not sign:
            raise NoValue(f"is an age, which is compared: <{text} is younger, >{text} is older")
        return _compared(sign.translate(str.maketrans("<>", "><")), moment, moment)
    return _compared(sign, *_span(text)) if sign else Interval(*_span(text), has_high=False)


def _compared(sign: str, begin: Bound, end: Bound) -> Interval:
    """Return what lies on a side of what reaches from `begin` to before `end`, or is both."""
    is_point = begin == end
    match sign:
        case "<":
            return Interval(None, begin, has_high=False)
        case "<=":
            return Interval(None, end, has_high=is_point)
        case ">":
            return Interval(end, None, has_low=not is_point)
        case _:
            return Interval(begin, None)


def _before(now: datetime, text: str) -> datetime:
    match = _AGE.fullmatch(text)
    if match is None:
        raise NoValue("is no age")
    try:
        return now - timedelta(hours=int(match[1]) * _HOURS[match[2]])
    except OverflowError:
        raise NoValue("is too long ago") from None


def _span(text: str) -> tuple[datetime, datetime]:
    """Return when a day, a month or a year begins, and when the next one does, in UTC."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise NoValue
    year, month, day = (int(part) if part else None for part in match.groups())
    assert year is not None
    try:
        begin = datetime(year, month or 1, day or 1, tzinfo=UTC)
        days = 1 if day else calendar.monthrange(year, month)[1] if month else 365 + calendar.isleap(year)
        return begin, begin + timedelta(days=days)
    except (ValueError, OverflowError):
        raise NoValue("is no day that there is") from None
