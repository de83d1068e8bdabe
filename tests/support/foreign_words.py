"""Sentences of libraries, which people must never read: pydantic's list of them, other parsers', class names."""

from __future__ import annotations

import builtins
import inspect
import re
import sys
from functools import cache

from pydantic_core._pydantic_core import list_all_errors

_SHORTEST = 9  # characters of a sentence's fixed part that are telling
_OTHERS = (
    *("pydantic", "validation error", "jsonschema", "json-schema.org", "scim2_models", "psycopg", "sqlalchemy"),
    *("httpx", "aiohttp", "ldap3", "jmespath.org", "Traceback", "site-packages", "[type=", "input_value="),
    *("Expecting value", "Expecting property name", "Expecting ',' delimiter", "Expecting ':' delimiter", "Extra data"),
    *("Unterminated string", "Invalid control character", "Invalid \\escape", "(char ", "Exceeds the limit ("),
    *("while parsing a", "while scanning", "could not find expected", "did not find expected", "mapping values are"),
    *("Additional properties are not allowed", "is not valid under any of", "is not of type", "is a required property"),
    *("is not one of ", "(at line ", "at end of document", "unexpected end of data", "Invalid isoformat"),
    *("invalid literal for", "could not convert string", "NoneType", "object has no attribute", "unhashable"),
)  # fmt: skip
_TWO_HUMPS = re.compile(r"\b(?:[A-Z][a-z0-9]+){2,}\b")


@cache
def _sentences() -> tuple[str, ...]:
    fixed = set()
    for error in list_all_errors():
        for template in (error["message_template_python"], error.get("message_template_json", "")):
            longest = max(re.split(r"\{[^}]*\}", template), key=len)
            if len(longest.strip()) >= _SHORTEST:
                fixed.add(longest.strip() if longest.strip() != "Value error," else "Value error, ")
    return (*sorted(fixed), *_OTHERS)


@cache
def _class_names() -> frozenset[str]:
    own = {
        name
        for module_name, module in list(sys.modules.items())
        if module_name.partition(".")[0] in ("opsteward", "pydantic", "psycopg", "httpx", "json", "ldap3")
        for name, _ in inspect.getmembers(module, inspect.isclass)
    }
    return frozenset(own | {name for name in dir(builtins) if name.endswith(("Error", "Exception"))})


def foreign_words(text: str) -> list[str]:
    """What of it is a library's, or the name of a class of ours."""
    found = [sentence for sentence in _sentences() if sentence in text]
    return found + sorted({word for word in _TWO_HUMPS.findall(text) if word in _class_names()})
