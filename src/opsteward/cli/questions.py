"""`opsteward ask` and `opsteward docs add | list | access | remove`: questions, and documents to answer them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

if TYPE_CHECKING:
    from opsteward.cli.client import Client
    from opsteward.client.types import Added

docs = typer.Typer(help="Documents that questions are answered from.", no_args_is_help=True)

Access = Annotated[
    list[str] | None,
    typer.Option(help="A role or permission of which a reader needs one; repeatable. None: everybody."),
]
Document = Annotated[str, typer.Argument(metavar="DOCUMENT", help="Its name, its id, or an end of it.")]
_ARCHIVE_BYTES = 8 * 1024 * 1024
_ARCHIVE_FILES = 500
_ENDINGS = (".md", ".markdown", ".mdx", ".html", ".htm", ".xhtml", ".rst", ".txt", ".text", ".pdf", ".docx", ".adoc")


def ask(
    question: Annotated[str, typer.Argument(help='In your words, such as "which incidents are open?".')],
    as_json: Json = False,
) -> None:
    """Answer a question from live state, documents and Opsteward's own pages, with what it rests on."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import help as operations

    client = Client()
    found = client.send(operations.ask(question=question))
    if as_json:
        show.as_json(found)
        return
    for line in found["answer"].splitlines():
        show.say(line)
    for number, one in enumerate(found["citations"], 1):
        address = f"{client.url.rstrip('/')}{one['url']}" if one["url"].startswith("/") else one["url"]
        show.note(f"[{number}] {show.plain(one['title'])}  {show.plain(address)}")


@docs.command("add")
def add(
    path: Annotated[str, typer.Argument(help="A file, a folder, or the https address of a page.")],
    name: Annotated[
        str | None, typer.Option(help="What it is called; of a folder, what stands before its files.")
    ] = None,
    access: Access = None,
    as_json: Json = False,
) -> None:
    """Add documents: Markdown, HTML, PDF, DOCX, reStructuredText, text, or a ZIP of them. Those of a folder that are
    the same already are not sent again."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import help as operations

    client = Client(timeout=180.0)
    if path.lower().startswith(("https://", "http://")):
        answers = [client.send(operations.fetch_document(url=path, name=name, access=access))]
    elif Path(path).is_dir():
        answers = list(_add_folder(client, Path(path), name or Path(path).resolve().name, access))
    else:
        from opsteward.cli.input_files import read_bytes

        answers = [_send(client, name or Path(path).name, read_bytes(Path(path)), access)]
    documents = [document for answer in answers for document in answer["documents"]]
    unchanged = sum(answer["unchanged"] for answer in answers)
    if as_json:
        show.as_json({"documents": documents, "unchanged": unchanged})
        return
    refused = [one for one in documents if one["status"] == "refused"]
    for one in refused:
        show.note(f"refused: {show.plain(one['name'])}: {show.plain(one['note'])}")
    show.say(f"{len(documents) - len(refused)} documents are kept, {unchanged} were the same, {len(refused)} refused")


@docs.command("list")
def list_documents(
    search: Annotated[str | None, typer.Option(help="A part of the name or title.")] = None,
    after: Annotated[str | None, typer.Option(help="Behind the document of this id.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """Those that you may read, oldest first."""
    from opsteward.cli.listing import show_pages
    from opsteward.client.operations import help as operations

    show_pages(
        operations.list_documents,
        ("name", "title", "status", "version", "chunks", "access", "changed_at", "note", "id"),
        params={"search": search, "after": after},
        empty="There are no documents yet: opsteward docs add PATH",
        limit=limit,
        every=every,
        as_json=as_json,
        cursor=("after", "id"),
        whole=("status",),
    )


@docs.command("access")
def open_to(document: Document, access: Access = None, as_json: Json = False) -> None:
    """Say who may read a document: those with one of these roles or permissions; none: everybody."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import help as operations

    client = Client()
    found = client.send(operations.open_document(_id_of(client, document), access=access or []))
    who = ", ".join(found["access"]) or "everybody"
    show.done(found, f"{found['name']} is for {who}", json_wanted=as_json)


@docs.command("remove")
def remove(document: Document, as_json: Json = False) -> None:
    """Nobody finds it any more, and nothing of it is kept."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import help as operations

    client = Client()
    found = _id_of(client, document)
    client.send(operations.remove_document(found))
    show.done({"id": found}, "Removed", json_wanted=as_json)


def _id_of(client: Client, document: str) -> str:
    from opsteward.cli.listing import fetched
    from opsteward.cli.references import one_of
    from opsteward.client.operations import help as operations

    items = fetched(client, operations.list_documents, {}, most=None, cursor=("after", "id"))
    return str(one_of(items, document, what="document", command="docs list"))


def _send(client: Client, name: str, content: bytes, access: list[str] | None) -> Added:
    from opsteward.client.operations import help as operations

    return client.send(operations.add_document(name=name, access=access), content=[content])


def _add_folder(client: Client, folder: Path, name: str, access: list[str] | None) -> Iterator[Added]:
    """The folder's documents in archives of a few megabytes, without those that are known already."""
    import hashlib
    import io
    import zipfile

    from opsteward.cli.input_files import read_bytes
    from opsteward.client.operations import help as operations

    known = client.send(operations.document_digests())
    unchanged, buffer, archive, count = 0, io.BytesIO(), None, 0
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in _ENDINGS and f.is_file())
    for file in files:
        relative = file.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts):
            continue
        called, content = f"{name}/{relative.as_posix()}", read_bytes(file)
        if known.get(called) == hashlib.sha256(content).hexdigest():
            unchanged += 1
            continue
        archive = archive or zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED)
        archive.writestr(called, content)
        count += 1
        if buffer.tell() > _ARCHIVE_BYTES or count == _ARCHIVE_FILES:
            archive.close()
            yield _send(client, f"{name}.zip", buffer.getvalue(), access)
            buffer, archive, count = io.BytesIO(), None, 0
    if archive is not None:
        archive.close()
        yield _send(client, f"{name}.zip", buffer.getvalue(), access)
    yield {"documents": [], "unchanged": unchanged}
