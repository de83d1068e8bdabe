"""Settings of documents and answers."""

from __future__ import annotations

from pydantic import Field

from opsteward.core.settings import SettingsGroup


class HelpSettings(SettingsGroup):
    """Documents and the questions that are answered from them."""

    help_max_document_bytes: int = Field(
        default=32 * 1024 * 1024, ge=1024, le=256 * 1024 * 1024, description="Largest document, or archive of some."
    )
    help_max_documents: int = Field(default=100_000, ge=1, description="Most documents of a tenant.")
    help_answers_retention: float = Field(
        default=90 * 86_400.0, gt=0, description="Questions and answers are kept for this long."
    )
    help_written: bool = Field(
        default=True,
        description="With OPSTEWARD_MODEL, answers from documents are written by it: it is sent question and passages.",
    )
