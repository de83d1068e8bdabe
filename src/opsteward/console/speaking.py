"""Templates of one language: a message is put in when the template is compiled, so that a page in any language costs
what the words themselves would.

`{{ _("Remove %(name)s", name=one.name) }}` becomes what `Remove {{ one.name }}` would be. A template's messages are
HTML, as the rest of it.
"""

from __future__ import annotations

import re
from typing import Any

from jinja2 import Environment, nodes
from jinja2.exceptions import TemplateAssertionError
from jinja2.visitor import NodeTransformer

from opsteward.console.catalogues import Catalogue

#: How many of the arguments are the message's words: context, or a singular and a plural.
SAYING = {"_": 1, "pgettext": 2, "ngettext": 2}
_PLACEHOLDER = re.compile(r"%(?:\((\w+)\)s|%)")


class SpeakingEnvironment(Environment):
    """Jinja's, whose templates say their messages in the language of a catalogue."""

    def __init__(self, catalogue: Catalogue, **options: Any) -> None:
        super().__init__(**options)
        self._catalogue = catalogue
        self.globals |= {
            "language": catalogue.language,
            "form_of": catalogue.form_of,
            "script_words": catalogue.script_words(),
        }

    def _generate(self, source: nodes.Template, name: str | None, *rest: Any, **more: Any) -> str:
        """What Jinja makes of a template's tree; here its messages are put in first."""
        return super()._generate(_Sayings(self._catalogue, name).visit(source), name, *rest, **more)


class _Sayings(NodeTransformer):
    def __init__(self, catalogue: Catalogue, template: str | None) -> None:
        self._catalogue = catalogue
        self._template = template
        self._said: list[nodes.Node] = []

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802 -- its name is Jinja's
        """A message becomes its words."""
        self.generic_visit(node)
        name = node.node.name if isinstance(node.node, nodes.Name) else ""
        if name not in SAYING:
            return node
        words = [one.value for one in node.args[: SAYING[name]] if isinstance(one, nodes.Const)]
        if len(words) != SAYING[name] or len(node.args) != len(words) + (name == "ngettext"):
            raise TemplateAssertionError(f"{name}() takes its words as they stand", node.lineno, self._template)
        given = {one.key: one.value for one in node.kwargs}
        if name != "ngettext":
            context = words[0] if name == "pgettext" else ""
            return self._words(self._catalogue.forms((words[-1],), context)[0], given, node)
        number = node.args[2]
        forms = self._catalogue.forms((words[0], words[1]))
        *others, said = (self._words(form, {"num": number, **given}, node) for form in forms)
        for place, form in reversed(list(enumerate(others))):
            which = nodes.Call(nodes.Name("form_of", "load"), [number], [], None, None)
            said = nodes.CondExpr(nodes.Compare(which, [nodes.Operand("eq", nodes.Const(place))]), form, said)
        return said.set_lineno(node.lineno)

    def _words(self, words: str, given: dict[str, nodes.Expr], at: nodes.Call) -> nodes.Expr:
        """The words with what is given in its places. Without anything given a `%` is one."""
        if not given:
            return nodes.TemplateData(words, lineno=at.lineno)
        parts: list[nodes.Expr] = []
        end = 0
        for found in _PLACEHOLDER.finditer(words):
            if found[1] and found[1] not in given:
                raise TemplateAssertionError(f"nothing is given for {found[0]}", at.lineno, self._template)
            parts += [nodes.TemplateData(words[end : found.start()]), given[found[1]] if found[1] else _PERCENT]
            end = found.end()
        parts.append(nodes.TemplateData(words[end:]))
        said = nodes.Concat([part for part in parts if part != nodes.TemplateData("")], lineno=at.lineno)
        self._said.append(said)
        return said

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802 -- as above
        """What is put out at once needs no joining first."""
        self.generic_visit(node)
        node.nodes = [
            part
            for one in node.nodes
            for part in (one.nodes if isinstance(one, nodes.Concat) and any(one is s for s in self._said) else [one])
        ]
        return node


_PERCENT = nodes.TemplateData("%")
