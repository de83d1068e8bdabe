"""What a refusal must look like."""

from __future__ import annotations

from typing import Any

import httpx

from support.foreign_words import foreign_words


def problem_of(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document of a refusal with this status; fails the test for anything else."""
    assert response.status_code == status, f"{response.status_code}: {response.text[:500]}"
    assert why_no_problem(response) is None, why_no_problem(response)
    document: dict[str, Any] = response.json()
    return document


def why_no_problem(response: httpx.Response) -> str | None:
    """Why this is no proper refusal (4xx, problem+json, whole), or None when it is one."""
    if not 400 <= response.status_code < 500:
        return f"answered {response.status_code}: {response.text[:200]}"
    if response.headers["content-type"] != "application/problem+json":
        return f"content-type {response.headers['content-type']}"
    document = response.json()
    if document.get("status") != response.status_code:
        return f"its status is {document.get('status')}"
    if foreign := foreign_words(response.text):
        return f"speaks in a library's words, {foreign}: {response.text[:300]}"
    missing = [name for name in ("type", "title", "detail", "code", "correlation_id") if not document.get(name)]
    return f"says no {missing}" if missing else None


def named_fields(response: httpx.Response) -> set[str]:
    """The fields that a refusal names."""
    return {error["field"] for error in response.json().get("errors", [])}
