"""Faults of what is deployed, of certificates and of the way to the shop."""

from __future__ import annotations

from typing import Any

from opsteward.lab.certificates import issue
from opsteward.lab.fault_kind import Kind, Make, Site, Truth
from opsteward.lab.gateway import USUAL, set_way
from opsteward.lab.releases import FAULTY, deploy

_PAGE, _SHOP = "shop-page", "shop-web"


def _of_page(
    name: str, cause: str, description: str, make: Make, *, area: str = "web", system: str = _PAGE, **more: Any
) -> Kind:
    truth = Truth(system=system, component="", cause=cause)
    return Kind(name=name, area=area, description=description, cause_it=make, truths=(truth,), **more)


def _release(name: str, cause: str, description: str, **more: Any) -> Kind:
    def make(site: Site) -> None:
        deploy(site.folder, site=FAULTY[name])

    # over plain HTTP it is the same release, but for what only a secure page does wrong
    system = _PAGE if name == "mixed_content" else _SHOP
    return _of_page(name, cause, description, make, system=system, **more)


def _certificate(name: str, cause: str, description: str, *, held_out: bool = False, **how: Any) -> Kind:
    def make(site: Site) -> None:
        issue(site.folder, **how)

    return _of_page(name, cause, description, make, area="tls", held_out=held_out)


def _way(name: str, cause: str, description: str, *, held_out: bool = False, **how: object) -> Kind:
    def make(site: Site) -> None:
        set_way(site.folder, {**USUAL, **how})  # type: ignore[typeddict-item]

    return _of_page(name, cause, description, make, area="network", held_out=held_out)


WEB_FAULTS = (
    _release("missing_chunk", "asset_missing", "the page that was deployed names a script that was not"),
    _release("error_page_ok", "error_page", "the page shows an error, with status 200"),
    _release("page_error", "http_error", "the code of the page that was deployed raises an error"),
    _release("redirect_loop", "redirect_loop", "the page leads to itself, for ever"),
    _release("page_slow", "page_slow", "the page that was deployed takes more than a second", held_out=True),
    _release("default_page", "default_page", "the page of a server that nobody has configured is shown", held_out=True),
    _release("blank_page", "blank_page", "the page is empty, with status 200"),
    _release("mixed_content", "mixed_content", "the secure page loads its script over plain HTTP", held_out=True),
    _certificate("certificate_expired", "certificate_expired", "the gateway's certificate has ended", days=-2),
    _certificate("certificate_ends", "certificate_ends", "the gateway's certificate ends in two days", days=2),
    _certificate(
        "certificate_name", "certificate_name", "the certificate is for another name", names=("other.example",)
    ),
    _certificate("certificate_untrusted", "certificate_untrusted", "the certificate is self-signed", self_signed=True),
    _certificate(
        "certificate_chain", "certificate_chain", "the intermediate certificate is not sent along", with_chain=False,
        held_out=True,
    ),
    _way("tls_missing", "tls_not_spoken", "the gateway speaks plain HTTP where TLS is expected", plain=True),
    _way("gateway_latency", "network_slow", "the way through the gateway takes more than a second", delay=1.3),
    _way("gateway_resets", "connection_broken", "the gateway breaks connections off in the middle of an answer",
         reset_after=20),
)  # fmt: skip
