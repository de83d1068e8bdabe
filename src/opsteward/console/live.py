"""A page that stays true: read once, shown, and read again when the feed says that something of it has changed.

No page asks on a timer, but for figures that change without a notice (`every`). A burst of changes is one reading, a
page is never read more often than twice a second, and one that is slow to read less often.
Each reading and each press of a button looks the session up again: one that is over shows nothing and does nothing
more, and rights that were taken away are gone at once.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import ClassVar, Generic, TypeVar

from nicegui import ui
from nicegui.element import Element
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from opsteward.accounts import sessions as browser_sessions
from opsteward.accounts.types import Identity
from opsteward.console import frame
from opsteward.console.badge import read_badge
from opsteward.console.gate import IDENTITY, identity_of, wait_page
from opsteward.console.keyed import KeyedList
from opsteward.console.pauses import PauseBanner, PauseRow, pause_button, read_pauses
from opsteward.console.services import ConsoleServices
from opsteward.core.errors import OpsError, Unauthenticated
from opsteward.core.feed import RECONNECTED, Notice
from opsteward.core.ids import uuid7
from opsteward.core.log import correlated, get_logger
from opsteward.core.pause import pause
from opsteward.directory.user_changes import PEOPLE
from opsteward.tasks.types import CONTROLS

log = get_logger(__name__)

_DEBOUNCE = 0.15  # seconds in which changes are gathered
_SHORTEST_REST = 0.5  # seconds between two readings of a page
_REST = 4.0  # a page rests this many times as long as its last reading took
_MAX_REST = 5.0
_RETRY = 1.0

T = TypeVar("T")
Work = Callable[[AsyncSession, Identity], Awaitable[object]]


class LivePage(ABC, Generic[T]):
    """One open page of one browser tab. `T` is all that is read for it."""

    needs: ClassVar[tuple[str, ...]]
    #: Seconds after which an open page is read again although nothing was told; None: never.
    every: ClassVar[float | None] = None

    def __init__(self, services: ConsoleServices, request: Request) -> None:
        self.services = services
        self.identity = identity_of(request.scope)
        self._path = request.url.path
        self._secret = request.cookies.get(browser_sessions.SESSION_COOKIE, "")
        self._client = ui.context.client
        self._wanted = asyncio.Event()
        self._whole = False  # whether more than the badge is to be read
        self._reading = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None
        self._stop_listening: Callable[[], None] | None = None
        self._stale: Element | None = None
        self._banner: PauseBanner | None = None
        self._badge: KeyedList[int] | None = None
        self._in_badge = 0
        self.pauses: list[PauseRow] = []

    @abstractmethod
    async def read(self, session: AsyncSession) -> T:
        """Everything that the page shows, in one unit of work of its tenant."""

    @abstractmethod
    def lay_out(self, data: T) -> None:
        """Draw what stays."""

    @abstractmethod
    def show(self, data: T) -> None:
        """Bring what is drawn up to date."""

    @abstractmethod
    def concerns(self, notice: Notice) -> bool:
        """Whether a change of this tenant has to do with this page."""

    async def open(self) -> Response | None:
        """Read, draw, and stay true while the browser is there. What can't be shown is said on the page."""
        try:
            data = await self._read()
        except OpsError as error:
            if error.retryable:
                return wait_page("The database is away for a moment; trying again.")
            self._client.status_code = error.http_status
            with frame.page(self.identity):
                frame.apologise(error)
            return None
        with frame.page(self.identity, self._path) as parts:
            self._stale, self._badge = parts.stale, parts.badge
            self._lay_out_controls(parts)
            self.lay_out(data)
            self._show(data)
        self._client.on_connect(self._connected)
        self._client.on_disconnect(self._disconnected)
        self._client.on_delete(self._leave)
        return None

    def _lay_out_controls(self, parts: frame.Parts) -> None:
        async def act(permission: str, work: Work, done: str) -> None:
            await self.act(permission, work, done=done)

        with parts.paused:
            self._banner = PauseBanner(self.services, act)
        with parts.controls:
            pause_button(self.services, self.identity, act)

    def _show(self, data: T) -> None:
        if self._banner is not None:
            self._banner.show(self.pauses)
        self._show_badge()
        self.show(data)

    def _show_badge(self) -> None:
        if self._badge is not None:
            self._badge.show([self._in_badge] if self._in_badge else [])

    async def act(self, permission: str, work: Work, *, done: str) -> None:
        """Do what a button says, in one unit of work with today's rights, and tell how it went."""
        try:
            with correlated(str(uuid7())):
                identity = await self._identify()
                identity.require(permission)
                async with self.services.db.unit_of_work(identity.tenant_id) as session:
                    await work(session, identity)
        except Unauthenticated:
            self._client.open("/sign-in")
        except OpsError as error:
            self._tell(frame.in_words(error), picture="error")
        else:
            self._tell(done, picture="check_circle")
        self._want()

    async def look_again(self) -> None:
        """Read and show at once, for what a person has just typed. What goes wrong is said by the page's following."""
        try:
            await self._refresh()
        except OpsError:
            self._want()

    def tell(self, words: str, *, picture: str) -> None:
        """A word to the person, for a while."""
        self._tell(words, picture=picture)

    def _tell(self, words: str, *, picture: str) -> None:
        if not self._client.is_deleted:
            with self._client:
                # colours of its own, so that Quasar's do not win over the style sheet
                ui.notify(
                    words,
                    icon=picture,
                    classes="notice",
                    textColor="notice",
                    timeout=6000,
                    actions=[{"label": "Close", "color": "notice", "noCaps": True}],
                )

    async def _identify(self) -> Identity:
        return await browser_sessions.identify(self.services.db, secret=self._secret)

    async def _read(self) -> T:
        self.identity = await self._identify()
        for permission in self.needs:
            self.identity.require(permission)
        async with self.services.db.unit_of_work(self.identity.tenant_id) as session:
            self.pauses = await read_pauses(session, self.identity)
            self._in_badge = await read_badge(session, self.identity)
            return await self.read(session)

    async def _read_badge(self) -> None:
        identity = await self._identify()
        async with self.services.db.unit_of_work(identity.tenant_id) as session:
            self._in_badge = await read_badge(session, identity)

    # -- while the browser is there ----------------------------------------------------------------------------

    def _connected(self) -> None:
        if not self._is_own_socket():
            log.warning("console.socket.foreign", operator_id=str(self.identity.operator_id))
            self._client.delete()
            return
        if self._following is None:
            self._stop_listening = self.services.feed.listen(self._hear)
            self._following = asyncio.create_task(self._follow())
        self._want()  # what changed between the page's making and now

    def _is_own_socket(self) -> bool:
        """A page belongs to the session that asked for it: no other may watch it, or press its buttons."""
        scope = (self._client.environ or {}).get("asgi.scope", {})
        return IDENTITY in scope and identity_of(scope).token_id == self.identity.token_id

    def _disconnected(self) -> None:
        if not self._client.has_socket_connection:
            self._leave()

    def _leave(self) -> None:
        if self._stop_listening is not None:
            self._stop_listening()
        if self._following is not None:
            self._following.cancel()
        self._stop_listening = self._following = None

    def _hear(self, notice: Notice) -> None:
        if notice.kind == "token" and notice.id == str(self.identity.token_id):
            self._client.open("/sign-in")
        elif notice.kind in (RECONNECTED, CONTROLS) or (
            notice.tenant_id == self.identity.tenant_id and self.concerns(notice)
        ):  # a pause of everything is nobody's tenant's
            self._want()
        elif notice.tenant_id == self.identity.tenant_id and notice.kind == PEOPLE:
            self._wanted.set()

    def _want(self) -> None:
        self._whole = True
        self._wanted.set()

    async def _follow(self) -> None:
        clock = asyncio.get_running_loop().time
        earliest = 0.0
        while True:
            if not await pause(self.every, until=self._wanted):
                self._whole = True
            await asyncio.sleep(max(_DEBOUNCE, earliest - clock()))
            self._wanted.clear()
            whole, self._whole = self._whole, False
            started = clock()
            try:
                await (self._refresh() if whole else self._refresh_badge())
            except Unauthenticated:
                self._client.open("/sign-in")
            except OpsError as error:
                if error.retryable:
                    self._show_stale(True)
                    self._want()
                    earliest = clock() + _RETRY
                else:
                    self._client.open(self._path)  # made anew, it says why
            except Exception:  # the page's boundary: one change that can't be shown must not silence it
                log.exception("console.page.crashed", path=self._path)
            else:
                earliest = clock() + min(max(_SHORTEST_REST, _REST * (clock() - started)), _MAX_REST)

    async def _refresh(self) -> None:
        async with self._reading:  # what was read first is shown first
            data = await self._read()
            if not self._client.is_deleted:
                with self._client:
                    self._show(data)
                self._show_stale(False)

    async def _refresh_badge(self) -> None:
        await self._read_badge()
        if not self._client.is_deleted:
            with self._client:
                self._show_badge()

    def _show_stale(self, stale: bool) -> None:
        if self._stale is not None and not self._client.is_deleted:
            self._stale.set_visibility(stale)
