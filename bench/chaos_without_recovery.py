"""`opsteward` as it would be if nobody took over from the dead: it shows that `make chaos` can fail.

This is no way to run it. The product has no such switch, so the one function is replaced here.
"""

from __future__ import annotations

import asyncio

from opsteward.cli.main import main
from opsteward.core.process_takeover import Membership


async def _look_away(_: Membership) -> None:
    await asyncio.Event().wait()


if __name__ == "__main__":
    Membership._look_after_others = _look_away  # type: ignore[method-assign]
    main()
