"""`opsteward users`: files of users in and out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

if TYPE_CHECKING:
    from opsteward.client import user_files
    from opsteward.client.types.users import ImportReport

app = typer.Typer(help="Users: one by one, and files of them in and out.", no_args_is_help=True)

_SHOWN = 20  # errors and warnings that a person is shown


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV, NDJSON, JSON, LDIF, XML or vCard.")],
    mode: Annotated[str, typer.Option(help="create, upsert, or full (who is absent leaves).")] = "create",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would become of it.")] = False,
    file_format: Annotated[
        str | None, typer.Option("--format", help="csv, ndjson, json, ldif, xml or vcard; else by name.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--map", help="COLUMN=FIELD, where FIELD may be profile_data.NAME, or - to leave it out."),
    ] = None,
    enrollment_type: Annotated[str | None, typer.Option(help="Rule for all rows; else by each one's role.")] = None,
    delimiter: Annotated[str, typer.Option(help="Between cells: a character, or tab; else found.")] = "",
    encoding: Annotated[str, typer.Option(help="utf-8, utf-16, latin-1 or cp1252; else found.")] = "",
    as_json: Json = False,
) -> None:
    """Import a file of users and follow it to its end; broken off and begun again, it goes on. Exit code 1 when a row
    was refused or the file could not be read to its end."""
    from opsteward.cli import show
    from opsteward.cli.user_files import send_and_follow
    from opsteward.client import user_files

    kind = _format_of(file, file_format)
    with file.open("rb"):  # a folder, or what is not there, is said before anything is sent
        pass
    call = user_files.bulk_import(
        kind,
        mode=mode,  # type: ignore[arg-type]  # what is none is refused by the instance
        dry_run=dry_run,
        enrollment_type=enrollment_type,
        mapping=_mapping(column or []),
        delimiter=delimiter or ("tab" if file.suffix.lower() == ".tsv" else ""),
        encoding=encoding,
    )
    report = send_and_follow(call, file, whole=as_json)
    if as_json:
        show.as_json(report)
    else:
        _say(report)
    raise typer.Exit(0 if report["status"] == "completed" and not report["failed_imports"] else 1)


@app.command("export")
def export_file(
    file: Annotated[Path, typer.Argument(help="Where to; its ending tells the format.")],
    file_format: Annotated[
        str | None, typer.Option("--format", help="csv, ndjson, json or ldif; else by name.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")] = False,
    as_json: Json = False,
) -> None:
    """Write all users into a file that can be imported again."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import users

    call = users.export_users(format=_export_format_of(file, file_format))
    size = Client().download(call, file, force=force)
    if as_json:
        show.as_json({"file": str(file), "bytes": size})
    else:
        show.say(f"{file}: {size} bytes")


@app.command("imports")
def list_imports(
    before: Annotated[str | None, typer.Option(help="Older than the import of this id.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """The newest imports."""
    from opsteward.cli.listing import show_pages
    from opsteward.client.operations import users

    show_pages(
        users.list_imports,
        ("id", "status", "mode", "created_at", "rows", "created", "changed", "left", "refused"),
        params={"before": before},
        empty="no imports",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("before", "job_id"),
        whole=("status", "created_at"),
        rows=lambda one: {
            **one,
            "id": one["job_id"],
            "mode": f"{one['mode']}{' (dry run)' if one['dry_run'] else ''}",
            "refused": one["failed_imports"],
        },
    )


def _format_of(file: Path, given: str | None) -> user_files.Format:
    from opsteward.cli.failures import Failure
    from opsteward.client import user_files

    try:
        return user_files.format_of(file, given)
    except ValueError as error:
        raise Failure(f"{error} with --format") from None


def _export_format_of(file: Path, given: str | None) -> user_files.ExportFormat:
    from opsteward.cli.failures import Failure
    from opsteward.client import user_files

    try:
        return user_files.export_format_of(file, given)
    except ValueError as error:
        raise Failure(f"{error} with --format") from None


def _mapping(given: list[str]) -> dict[str, str]:
    pairs = [one.rpartition("=") for one in given]
    if bad := next((field for column, equals, field in pairs if not equals or not column), None):
        raise typer.BadParameter(f"{bad!r} is not COLUMN=FIELD")
    return {column: field for column, _, field in pairs}


def _say(report: ImportReport) -> None:
    from opsteward.cli import show

    would = "would be " if report["dry_run"] else ""
    skipped = f", {report['skipped']} left out as no user" if report.get("skipped") else ""
    show.say(
        f"{report['rows']} rows: {report['created']} {would}created, {report['changed']} {would}changed, "
        f"{report['unchanged']} unchanged, {report['left']} {would}made to leave, {report['failed_imports']} refused"
        f"{skipped}"
    )
    for note in report["notes"]:
        show.say(f"note: {show.plain(note)}")
    if report["error"]:
        show.say(f"error: {show.plain(report['error'])}")
    errors = ("error", report["error_count"], report["errors"])
    for kind, count, problems in (errors, ("warning", report["warning_count"], report["warnings"])):
        found = problems[:_SHOWN]
        for one in found:
            value = f" {one['value']!r}" if one["value"] else ""
            show.say(f"{kind}: row {one['row']}, {show.plain(one['field'])} {show.plain(one['reason'])}{value}")
        if count > len(found):
            show.say(f"  and {count - len(found)} more {kind}s")
    for what, users in report["diff"].items():
        for user in users[:_SHOWN]:
            changes = user.get("fields")
            pairs = changes.items() if isinstance(changes, dict) else ()
            fields = "".join(f"; {name}: {pair[0]!r} -> {pair[1]!r}" for name, pair in pairs if isinstance(pair, list))
            show.say(f"  {what}: {show.plain(str(user['username']) + fields)}")
    show.say(f"import {report['job_id']}")
