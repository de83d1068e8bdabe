"""Every page as a picture: at 1440, 768 and 390 px, light and dark, with a list of what is wider than its window."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser

SIZES = {1440: 900, 768: 1024, 390: 844}  # px
PHONE = 390
_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


async def take(browser: Browser, url: str, cookie: str, paths: Mapping[str, str], folder: Path) -> list[str]:
    """One file for each page, size and scheme in this folder; gives the pages that have to be moved sideways."""
    wide = []
    for width, height in SIZES.items():
        context = await browser.new_context(
            viewport={"width": width, "height": height}, is_mobile=width == PHONE, has_touch=width == PHONE
        )
        await context.add_cookies([{"name": "opsteward_session", "value": cookie, "url": url}])
        page = await context.new_page()
        for name, path in paths.items():
            await page.goto(url + path)
            if await page.evaluate("document.documentElement.scrollWidth") > width:
                wide.append(f"{name} at {width} px")
            for scheme in _SCHEMES:
                await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                file = f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-') or 'overview'}-{width}-{scheme}.png"
                await page.screenshot(path=folder / file, full_page=width == PHONE or scheme == "light")
        await context.close()
    return wide
