"""Help as other rooms use it: documents, search in them, questions and what was thought of the answers."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from uuid import UUID

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.core.blocking_calls import in_thread
from opsteward.core.clock import now
from opsteward.core.db import Database, tenant_of
from opsteward.core.errors import NotFound, OpsError
from opsteward.core.fair_share import FairShare, current_party
from opsteward.core.ids import uuid7
from opsteward.core.log import get_logger
from opsteward.core.storable_text import storable
from opsteward.help.answering import Quoted, confidence, in_words, quoted_of
from opsteward.help.cases import Cases
from opsteward.help.corpus import JoinedCorpora
from opsteward.help.documents import Documents
from opsteward.help.live.answering import LiveSources
from opsteward.help.live.answering import answer as live_answer
from opsteward.help.models import HelpAnswer
from opsteward.help.product_pages import product_corpus
from opsteward.help.search import Findings, search
from opsteward.help.settings import HelpSettings
from opsteward.help.tenant_corpus import TenantCorpora
from opsteward.help.types import Answer, Passage
from opsteward.help.writing import Writer, supported

log = get_logger(__name__)

QUESTION_LIMIT = 1_000  # characters
_KNOWN_FROM = 0.5  # confidence
_KEPT = TypeAdapter(Answer)
_SEARCHES_AT_ONCE = 2  # each takes a processor, and holds what it reads of the index
_PATIENCE = 30.0  # seconds that a question waits for its turn
_WRITINGS_AT_ONCE = 4
_PATIENCE_TO_WRITE = 10.0  # seconds, after which passages are quoted instead
_UNKNOWN = "I don't know: neither the documents that you may read nor the state of this instance say anything of it."


class Help:
    """One per process."""

    def __init__(self, settings: HelpSettings, sources: LiveSources, writer: Writer | None = None) -> None:
        """`writer`: what has answers written by a model; without it, passages are quoted."""
        self.documents = Documents(settings)
        self._writer = writer
        self._writings = FairShare(_WRITINGS_AT_ONCE)
        self._sources = sources
        self.cases = Cases(sources.incidents, sources.actions, sources.inventory)
        self._corpora = TenantCorpora()
        self._searches = FairShare(_SEARCHES_AT_ONCE)

    async def search(self, session: AsyncSession, *, question: str, by: Identity, limit: int = 10) -> list[Passage]:
        """The passages that fit best, of documents that this reader may open and the product's own pages.

        Raises Busy."""
        async with self._turn():
            hits = (await self._found(session, question, by, limit)).hits
        return [
            Passage(
                title=hit.chunk.title,
                heading=hit.chunk.heading,
                url=hit.chunk.url,
                text=hit.chunk.text,
                score=round(hit.score, 4),
                kind=hit.chunk.kind,
            )
            for hit in hits
        ]

    @property
    def asks_a_model(self) -> bool:
        """Whether an answer may take as long as a model takes."""
        return self._writer is not None

    async def ask(self, db: Database, *, question: str, by: Identity) -> Answer:
        """Answer a question with sources, under the asker's own permissions, and keep both. Raises Busy."""
        question = storable(" ".join(question.split()), limit=QUESTION_LIMIT)
        answer = Answer(id=uuid7(), question=question, answer=_UNKNOWN, known=False, engine="none", asked_at=now())
        quoted = Quoted([], [])
        async with db.unit_of_work(by.tenant_id) as session:
            live = await live_answer(session, question=question, by=by, sources=self._sources)
            if live is None:
                quoted = await self._quoted(session, question, by)
                if not quoted.citations:
                    live = await live_answer(session, question=question, by=by, sources=self._sources, at_last=True)
            if live is not None:
                answer = replace(answer, answer=live.text, known=live.known, engine="live", citations=live.citations)
        if quoted.citations:
            written = await self._written(question, quoted, by)
            answer = replace(
                answer,
                answer=written or in_words(quoted.citations),
                known=True,
                engine="written" if written else "passages",
                citations=quoted.citations,
            )
        async with db.unit_of_work(by.tenant_id) as session:
            await self._keep(session, answer, by)
        return answer

    async def rate(self, session: AsyncSession, *, answer_id: UUID, helpful: bool, comment: str, by: Identity) -> None:
        """Keep what the asker thinks of an answer of theirs. Raises NotFound."""
        done = await session.execute(
            sa.update(HelpAnswer)
            .where(
                HelpAnswer.tenant_id == tenant_of(session), HelpAnswer.id == answer_id, HelpAnswer.asked_by == by.actor
            )
            .values(helpful=helpful, comment=storable(comment, limit=2_000))
            .returning(HelpAnswer.id)
        )
        if done.first() is None:
            raise NotFound("no answer of this id was given to you", remedy="rate one that you asked for")

    async def recent(self, session: AsyncSession, *, by: Identity, limit: int = 10) -> list[Answer]:
        """What this operator asked last, oldest first."""
        rows = await session.scalars(
            sa.select(HelpAnswer)
            .where(HelpAnswer.tenant_id == tenant_of(session), HelpAnswer.asked_by == by.actor)
            .order_by(HelpAnswer.asked_at.desc())
            .limit(limit)
        )
        return [_KEPT.validate_python(row.answer) for row in reversed(list(rows))]

    def _turn(self) -> AbstractAsyncContextManager[None]:
        """One of those who search at this moment: no tenant has all."""
        return self._searches.of(current_party.get(), patience=_PATIENCE)

    async def _quoted(self, session: AsyncSession, question: str, by: Identity) -> Quoted:
        """What the best passages say; nothing where they hardly answer the question."""
        async with self._turn():
            found = await self._found(session, question, by, 10)
            if confidence(found) < _KNOWN_FROM:
                return Quoted([], [])
            return await in_thread(quoted_of, question, found)

    async def _written(self, question: str, quoted: Quoted, by: Identity) -> str:
        """What a model makes of the passages, as far as they bear it out; empty where none does."""
        if self._writer is None:
            return ""
        try:
            async with self._writings.of(current_party.get(), patience=_PATIENCE_TO_WRITE):
                written = await self._writer(by.tenant_id, question=question, passages=quoted.passages)
        except OpsError as error:
            log.warning("help.not_written", problem=error.detail)
            return ""
        return await in_thread(supported, written, quoted.passages)

    async def _found(self, session: AsyncSession, question: str, by: Identity, limit: int) -> Findings:
        corpora = JoinedCorpora([await self._corpora.open(session, by), await product_corpus()])
        return await search(corpora, question, limit=limit)

    async def _keep(self, session: AsyncSession, answer: Answer, by: Identity) -> None:
        session.add(
            HelpAnswer(
                id=answer.id,
                tenant_id=tenant_of(session),
                asked_by=by.actor,
                asked_at=answer.asked_at,
                question=answer.question,
                answer=_KEPT.dump_python(answer, mode="json"),
                helpful=None,
                comment="",
            )
        )
        await session.flush()
