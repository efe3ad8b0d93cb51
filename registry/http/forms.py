"""Forms (application/x-www-form-urlencoded), as far as they are read here: short ones, in which no field is given twice."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

from registry.errors import RequestInvalid
from registry.http.call import Call

_LONGEST_FORM: Final = 32 << 10  # bytes
_FIELDS: Final = 50


async def read_form(call: Call) -> dict[str, str]:
    """Return a form's fields. Raise RequestInvalid, also where a field is given twice (RFC 6749 §3.2)."""
    too_long = RequestInvalid(f"the form is longer than {_LONGEST_FORM} bytes")
    content = await call.body.whole(_LONGEST_FORM, too_long)
    try:
        fields = parse_qs(content.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS)
    except ValueError:
        raise RequestInvalid("the body is no form (application/x-www-form-urlencoded)") from None
    if any(len(values) > 1 for values in fields.values()):
        raise RequestInvalid("a field of the form is given twice")
    return {name: values[0] for name, values in fields.items()}
