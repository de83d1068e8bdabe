"""Where the URLs of a tenant's routes may lead: nowhere on this machine's desktop, and to no refused address."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

from opsteward.core.errors import ConnectorError
from opsteward.core.http_client import REGISTERED_SYSTEMS, failure_kind, resolve_host

#: Services of Apprise that act on the machine itself.
LOCAL_SCHEMES = frozenset({"blink1", "syslog", "windows", "qt", "kde", "dbus", "macosx", "gnome", "glib", "gio"})
#: Parameters by which a URL names another host than its own.
_HOST_PARAMETERS = ("smtp", "host", "url", "server")


async def allowed(urls: Sequence[str]) -> list[str]:
    """Those of the URLs whose hosts may be connected to. What is no host but a token goes its vendor's way."""
    return [url for url in urls if not await _is_refused(url)]


async def _is_refused(url: str) -> bool:
    try:
        parts = urlsplit(url)
        hosts = [parts.hostname, *(v for p in _HOST_PARAMETERS for v in parse_qs(parts.query).get(p, []))]
    except ValueError:
        return True
    if parts.scheme.lower() in LOCAL_SCHEMES:
        return True
    for host in filter(None, hosts):
        try:
            await resolve_host(urlsplit(host).hostname or host if "://" in host else host, 0, REGISTERED_SYSTEMS)
        except ConnectorError as error:
            if failure_kind(error) == "policy":
                return True
    return False
