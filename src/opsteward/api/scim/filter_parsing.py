"""SCIM's filters and orders, parsed and checked by `scim2_models`, in the directory's own words."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from scim2_models import Extension, Mutability, Resource, SCIMException, ScimFilter, SearchRequest
from scim2_models.path import (
    AttributeBinding,
    Comparison,
    FilterVisitor,
    LogicalExpr,
    LogicalOperator,
    Present,
    ValuePath,
    coerce_value,
)
from scim2_models.path import Not as NotNode

from opsteward.api.scim.error_messages import scim_problem
from opsteward.core.error_words import said
from opsteward.core.json_types import Json
from opsteward.directory.scim import types
from opsteward.directory.scim.types import BadFilter, Operand

_Model = type[Resource[Any]]
_REMEDY = 'write it like userName eq "ada" and active eq true; see RFC 7644, 3.4.2.2'
#: Parsed conditions beyond this are refused: each becomes a part of one statement.
MAX_CONDITIONS = 200
#: Characters beyond this are refused before they are parsed, which takes its time.
MAX_TEXT = 16_000


def term_of(text: str, model: _Model, *, strict: bool) -> types.Term:
    """The condition that a filter is for resources of one type. Not `strict`: an attribute that these have not fits
    nothing, as where several types are searched. Raises BadFilter."""
    if len(text) > MAX_TEXT:
        raise BadFilter.field("filter", f"is longer than {MAX_TEXT} characters", "ask for less at once")
    if text.count("(") + text.count("[") > MAX_CONDITIONS:
        raise BadFilter.field("filter", f"has more than {MAX_CONDITIONS} brackets", "ask for less at once")
    try:
        bound: Any = ScimFilter[model]  # type: ignore[valid-type]
        parsed = bound(text)
        if strict:
            SearchRequest[model].model_validate({"filter": text})  # type: ignore[valid-type]
        return _Translated(parsed).visit(parsed.ast)
    except SCIMException as error:
        raise BadFilter.field("filter", scim_problem(error), _REMEDY) from None
    except ValidationError as error:
        raise BadFilter.field("filter", said(error.errors(include_url=False)[0])[0], _REMEDY) from None
    except RecursionError:
        raise BadFilter.field("filter", "is nested too deep", "flatten it") from None


class _Translated(FilterVisitor[types.Term]):
    def __init__(self, bound: Any) -> None:
        self._bound = bound
        self._conditions: list[Json] = []

    def _attribute(self, node: Any, *, comparing: bool) -> types.Attribute | None:
        self._conditions.append(node)
        if len(self._conditions) > MAX_CONDITIONS:
            raise BadFilter.field("filter", f"has more than {MAX_CONDITIONS} conditions", "ask for less at once")
        resolve = self._bound.resolve_comparison if comparing else self._bound.resolve
        binding = resolve(node, strict=False)
        return attribute_of(binding) if binding is not None else None

    def visit_comparison(self, node: Comparison) -> types.Term:
        attribute = self._attribute(node.attr_path, comparing=True)
        if attribute is None:
            return types.Never()
        if attribute.type == "complex" and node.value is not None:
            # a reference is compared by what it refers to: manager eq "id" is manager.value eq "id"
            by_value = replace(node, attr_path=replace(node.attr_path, sub_attr="value"))
            if node.attr_path.sub_attr is not None or self._bound.resolve(by_value.attr_path, strict=False) is None:
                raise BadFilter.field("filter", f"{node.attr_path} has parts", "compare one of them")
            return self.visit_comparison(by_value)
        binding = self._bound.resolve_comparison(node.attr_path, strict=False)
        value = coerce_value(binding, node.value, node.op)
        return types.Compare(attribute, node.op.value, _checked(value, attribute, node))

    def visit_present(self, node: Present) -> types.Term:
        attribute = self._attribute(node.attr_path, comparing=False)
        return types.Never() if attribute is None else types.Present(attribute)

    def visit_not(self, node: NotNode) -> types.Term:
        return types.Not(self.visit(node.expr))

    def visit_logical_expr(self, node: LogicalExpr) -> types.Term:
        terms = tuple(self.visit(term) for term in node.terms)
        return types.Both(terms) if node.op == LogicalOperator.and_ else types.Either(terms)

    def visit_value_path(self, node: ValuePath) -> types.Term:
        attribute = self._attribute(node.attr_path, comparing=False)
        if attribute is None:
            return types.Never()
        binding = self._bound.resolve(node.attr_path, strict=False)
        inner = _InEntry(binding, self._conditions)
        return types.Within(attribute, inner.visit(node.val_filter))


class _InEntry(_Translated):
    """The filter in brackets: its attributes are those of an entry of the list."""

    def __init__(self, binding: AttributeBinding, conditions: list[Json]) -> None:
        """`conditions`: those of the whole filter so far, which these are added to."""
        self._entry = binding.field_type
        self._bound = self
        self._conditions = conditions

    def resolve(self, path: Any, *, strict: bool) -> AttributeBinding | None:
        """The attribute of an entry; None where it has none of that name."""
        from scim2_models.path.resolution import _resolve_attr_path

        model: Any = self._entry
        return _resolve_attr_path(model, path, strict=strict)

    resolve_comparison = resolve


def attribute_of(binding: AttributeBinding) -> types.Attribute:
    """An attribute that the schema has, by its own spelling. Raises BadFilter for one that nobody may look at."""
    if Mutability.write_only in (
        binding.model.get_field_annotation(binding.field_name, Mutability),
        binding.get_annotation(Mutability),
    ):
        raise BadFilter.field("filter", "asks for an attribute that is never shown", "leave it out")
    names = [binding.model._scim_name(binding.field_name)]
    if binding.sub_field_name is not None:
        holder: Any = binding.field_type
        names.append(holder._scim_name(binding.sub_field_name))
    if isinstance(binding.model, type) and issubclass(binding.model, Extension):
        names.insert(0, str(binding.model.__schema__))
    return types.Attribute(
        path=tuple(names), type=_type(binding.target_type), exact=binding.case_exact, many=binding.is_multivalued
    )


def _type(python: Any) -> str:
    if not isinstance(python, type):
        return "string"
    for kind, name in ((bool, "boolean"), (datetime, "datetime"), (bytes, "binary"), (str, "string")):
        if issubclass(python, kind):
            return name
    return "complex" if hasattr(python, "model_fields") else "string"


def _checked(value: Operand, attribute: types.Attribute, node: Comparison) -> Operand:
    fits: Any = {"boolean": bool, "datetime": datetime, "binary": (bytes, str)}.get(attribute.type, str)
    # no attribute is a number: one would be taken for a truth or an instant
    number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
    if value is None or (isinstance(value, fits) and not number):
        return value
    raise BadFilter.field("filter", f"{value!r:.100} is no value of {node.attr_path}", f"compare a {attribute.type}")


def order_of(text: str, model: _Model, *, strict: bool) -> types.Attribute | None:
    """The attribute to sort by; None where resources of this type have it not. Raises BadFilter."""
    try:
        if len(text) > MAX_TEXT:
            raise ValueError(text)
        asked: Any = SearchRequest[model].model_validate({"sortBy": text}) if strict else SearchRequest(sort_by=text)  # type: ignore[valid-type]
        binding = asked.sort_binding(model)
    except (SCIMException, ValueError):
        raise BadFilter.field(
            "sortBy", f"{text!r:.100} can't be sorted by", "use an attribute with one value"
        ) from None
    if binding is None:
        return None
    found = attribute_of(binding)
    if found.path[0] in ("groups", "members", "schemas"):
        raise BadFilter.field("sortBy", f"{found.path[0]} can't be sorted by", "use another attribute")
    return found
