"""Why Opsteward and `scim2-server` answer some requests differently, by the RFCs. docs/guides/scim.md says the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """A pattern for the steps' labels, one for where they differ, and why that is so."""

    label: str
    where: str
    why: str
    #: Whether there is such a difference in every run; what has no order may be in the same one by chance.
    always: bool = True

    def fits(self, label: str, found: Sequence[str]) -> bool:
        """Whether this explains each of the differences that were found."""
        return re.fullmatch(self.label, label) is not None and all(re.match(self.where, one) for one in found)


_WHOLE = r"\.(status|body)"
_PAGE = r"\.body\.(Resources|itemsPerPage|totalResults)"
KNOWN = (
    Known(
        r'filter (name eq "x"|meta\.created co "2020")', _WHOLE,
        "RFC 7644, 3.4.2.2: complex attributes are compared by their sub-attributes, and an operator that does not fit"
        " the type of an attribute is refused with invalidFilter. The peer finds nothing.",
    ),
    Known(
        r'filter password eq "x"', _WHOLE,
        "RFC 7643, 4.1.1: a password is never returned; a filter would tell it piece by piece. Refused, where the peer"
        " finds nothing.",
    ),
    Known(
        r"filter active eq 1", _WHOLE,
        "RFC 7644, 3.4.2.2: the value is no boolean. The peer takes 1 for true.",
    ),
    Known(
        r"filter groups(\.|\[| pr).*|filter groups members[.\[].*type eq .*", _PAGE,
        "RFC 7643, 4.1.2 and 4.2: `groups` of a user and `type` of a member are known to the server, which fills them"
        " in and finds by them. The peer keeps only what it was sent.",
    ),
    Known(
        r"list (startIndex|count)=.*|search (/Users)?/\.search [15] .*", r"\.body\.Resources\[",
        "RFC 7644, 3.4.2.3: without sortBy there is no order. Ours is that of the names, the peer's that of its ids,"
        " so a page of some has others in it.",
        always=False,
    ),
    Known(
        r"list sortBy=(externalId|urn:.*:employeeNumber)", r"\.body\.Resources\[[234]\]",
        "RFC 7644, 3.4.2.3: those without a value come last, and among them there is no order.", always=False,
    ),
    Known(
        r"list sortBy=externalId sortOrder=descending", r"\.body\.Resources\[[012]\]",
        "RFC 7644, 3.4.2.3: those without a value come first when descending, in no order.", always=False,
    ),
    Known(
        r"list sortBy=groups", _WHOLE,
        "RFC 7644, 3.4.2.3: of a list the primary entry counts, or the first. Groups have neither: refused.",
    ),
    Known(
        r"search .* without schema", _WHOLE,
        "RFC 7644, 3.4.3: a search identifies itself by its schema. The peer does without.",
    ),
    Known(
        r"a taken address", r"\.(status|body)",
        "RFC 7643, 4.1.2 leaves `emails` to the server. An address belongs to one user of ours: 409 uniqueness.",
    ),
    Known(
        r"(after )?patch .*type eq \"nobody\"\]\.value.*", _WHOLE,
        "RFC 7644, 3.5.2.3 has noTarget for a replace whose filter matches nothing. Entra ID sends just that for a"
        " value that is not there yet, so ours adds the entry.",
    ),
    Known(
        r"(after )?patch .*'path': 'nothing'.*|create with an unknown attribute", _WHOLE,
        "RFC 7644, 3.3: a server is free in what it makes of content; identity providers send attributes that no schema"
        " has. Ours keeps them, the peer refuses.",
    ),
    Known(
        r"(after )?patch group .*'(nobody|displayName)'.*|the deleted in groups|groups after it", r"\.(status|body)",
        "RFC 7643, 4.2: a member is a user or a group that exists. The peer keeps any text, also of who was deleted.",
    ),
    Known(
        r"bulk: (no bulkId|a GET|failOnErrors 0|nothing)|users after bulk", r"\.(status|body)",
        "RFC 7644, 3.7: a POST has a bulkId, a method is one of four, failOnErrors counts errors. Ours refuses such a"
        " request as a whole, before anything is done; the peer refuses the one operation, or does it. A request of no"
        " operations is done at once.",
    ),
    Known(
        r"bulk: a path to nothing", r"\.body\.Operations\[0\]\.response\.scimType",
        "RFC 7644, 3.12: scimType is told where there is a fitting one; ours says invalidPath beside the 404.",
    ),
    Known(
        r"create with (an empty name|no address)", r"\.(status|body)",
        "RFC 7643, 4.1.1: userName must not be empty, and 4.1.2: an address should be one. The peer takes both.",
    ),
)  # fmt: skip


def known(label: str, found: Sequence[str]) -> Known | None:
    """What explains all the differences of a step, if one does."""
    return next((one for one in KNOWN if one.fits(label, found)), None)
