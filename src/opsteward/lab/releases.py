"""What the shop and the jobs' API deploy: a working release, faulty ones made from it, and how one is put in place.

Faulty releases hold real mistakes: code that raises, sleeps or leads in a circle, a page that names a file which was
not shipped.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from opsteward.lab.folder import LabFolder

SITE = '''\
"""The shop's page."""
import asyncio, html

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
    "Strict-Transport-Security": "max-age=600",
    "Content-Security-Policy": "default-src 'self'",
}


async def page(products):
    rows = "".join(f"<li>{html.escape(name)}: {cents / 100:.2f}</li>" for name, cents in products)
    body = (
        "<!doctype html><title>Shop</title>"
        '<link rel="stylesheet" href="/assets/shop.css"><script src="/assets/shop.js" defer></script>'
        f"<h1>Shop</h1><ul>{rows}</ul>"
    )
    return 200, HEADERS, body
'''
JOBS = '''\
"""How the API shows a job."""


def shown(number, kind, state, created):
    return {"id": number, "kind": kind, "state": state, "created": created}
'''
ASSETS = {"shop.css": "h1 { color: teal }\n", "shop.js": "console.log('shop');\n"}
_RETURN = "    return 200, HEADERS, body\n"

FAULTY = {
    "missing_chunk": SITE.replace("/assets/shop.js", "/assets/shop.9f31c2.js"),
    "error_page_ok": SITE.replace(
        _RETURN,
        "    return 200, HEADERS, '<title>Error</title><h1>Internal Server Error</h1><pre>Traceback (most recent call"
        " last):</pre>'\n",
    ),
    "page_error": SITE.replace("html.escape(name)", "html.escape(nmae)"),
    "redirect_loop": SITE.replace(_RETURN, "    return 302, {'Location': '/'}, ''\n"),
    "page_slow": SITE.replace(_RETURN, "    await asyncio.sleep(1.3)\n" + _RETURN),
    "default_page": SITE.replace(
        _RETURN, "    return 200, HEADERS, '<title>Welcome to nginx!</title><h1>Welcome to nginx!</h1>'\n"
    ),
    "blank_page": SITE.replace(_RETURN, "    return 200, HEADERS, ''\n"),
    "mixed_content": SITE.replace('src="/assets/', 'src="http://127.0.0.1/assets/'),
    "deploy_crash": SITE.replace("async def page(products):", "async def page(products:"),
    "harmless": SITE.replace("<h1>Shop</h1>", "<h1>Shop</h1><p>Ten per cent off, this week only.</p>").replace(
        "<li>{html", "<li>New: {html"
    ),
}
FAULTY_JOBS = {
    "contract_field": JOBS.replace('"state": state', '"status": state'),
    "contract_type": JOBS.replace('"id": number', '"id": str(number)'),
}


def deploy(folder: LabFolder, *, site: str = SITE, jobs: str = JOBS) -> None:
    """Put a release in place; what runs takes it up with its next request, what starts at its start."""
    assets = folder.release / "assets"
    assets.mkdir(parents=True, exist_ok=True)
    for name, text in ASSETS.items():
        _replace(assets / name, text)
    _replace(folder.release / "site.py", site)
    _replace(folder.release / "jobs.py", jobs)


def remove(folder: LabFolder) -> None:
    shutil.rmtree(folder.release, ignore_errors=True)


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.replace(path)


class Release:
    """One module of the release, loaded anew when its file has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._names: dict[str, object] = {}

    def names(self) -> dict[str, object]:
        """What the module defines now. Raises SyntaxError for code that is none."""
        stat = self._path.stat()
        seen = (stat.st_mtime_ns, stat.st_ino)
        if seen != self._seen:
            names: dict[str, object] = {}
            exec(compile(self._path.read_text(), str(self._path), "exec"), names)  # noqa: S102 - the lab's own code
            self._names, self._seen = names, seen
        return self._names
