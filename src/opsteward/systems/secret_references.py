"""Credentials that are references: to the environment, a file or a command's output, read anew at each use.

A reference is followed only where the installation allows it: else whoever may register a system could have any file or
variable of this machine sent to an address of his own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import Invalid
from opsteward.systems.settings import SystemSettings

_LITERAL = "literal:"
_COMMAND = "command:"
#: In the place of what a command has not said yet: text, and base64 of enough bytes for any key.
_SAID_LATER = "A" * 44
_BYTES_LIMIT = 64 * 1024
_COMMAND_SECONDS = 10.0


class SecretReferences:
    """`env:NAME`, `file:/path` and `command:name`; `literal:` before a value that only looks like one."""

    def __init__(self, settings: SystemSettings) -> None:
        self._prefix = settings.secret_env_prefix
        self._folders = tuple(settings.secret_folders)
        self._commands = dict(settings.secret_commands)

    async def checked(self, credentials: Mapping[str, str]) -> dict[str, str]:
        """As `resolve`, inside of a transaction: no command is run, and what it would say is left to its use. Raises
        Invalid that names the field, never a value."""
        found = {}
        for name, value in credentials.items():
            if value.startswith(_COMMAND):
                self._command(f"credentials.{name}", value.removeprefix(_COMMAND))
                found[name] = _SAID_LATER
            else:
                found[name] = await self._value(f"credentials.{name}", value)
        return found

    async def resolve(self, credentials: Mapping[str, str]) -> dict[str, str]:
        """The credentials with each reference followed. Raises Invalid that names the field, never a value."""
        return {name: await self._value(f"credentials.{name}", value) for name, value in credentials.items()}

    async def _value(self, field: str, value: str) -> str:
        if value.startswith(_LITERAL):
            return value.removeprefix(_LITERAL)
        kind, separator, place = value.partition(":")
        if separator and kind == "env":
            return self._from_environment(field, place)
        if separator and kind == "file":
            return await in_thread(self._from_file, field, place)
        if separator and kind == "command":
            return await self._from_command(field, place)
        return value

    def _from_environment(self, field: str, name: str) -> str:
        if not name.startswith(self._prefix):
            remedy = f"name one that starts with {self._prefix}, see OPSTEWARD_SECRET_ENV_PREFIX"
            raise Invalid.field(field, "names a variable that may not be read", remedy)
        try:
            return os.environ[name]
        except KeyError:
            raise Invalid.field(field, f"the environment has no {name:.100}", "set it where Opsteward starts") from None

    def _from_file(self, field: str, place: str) -> str:
        try:
            path = Path(place).resolve()
        except (OSError, ValueError):
            raise Invalid.field(field, "names no usable path") from None
        if not any(path.is_relative_to(folder.resolve()) for folder in self._folders):
            raise Invalid.field(
                field, "names a file that may not be read", "put it into a folder of OPSTEWARD_SECRET_FOLDERS"
            )
        try:
            with path.open("rb") as stream:
                return self._text(field, stream.read(_BYTES_LIMIT + 1))
        except OSError as error:
            raise Invalid.field(field, f"its file can't be read: {error.strerror}") from None

    def _command(self, field: str, name: str) -> list[str]:
        command = self._commands.get(name)
        if not command:
            raise Invalid.field(field, "names a command that may not be run", "add it to OPSTEWARD_SECRET_COMMANDS")
        return command

    async def _from_command(self, field: str, name: str) -> str:
        command = self._command(field, name)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            raise Invalid.field(field, f"its command can't be run: {error.strerror}") from None
        try:
            async with asyncio.timeout(_COMMAND_SECONDS):
                found = await _read(process)
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise Invalid.field(field, f"its command did not end within {_COMMAND_SECONDS:g} s") from None
        if process.returncode and len(found) <= _BYTES_LIMIT:
            raise Invalid.field(field, f"its command failed with exit status {process.returncode}")
        return self._text(field, found)

    @staticmethod
    def _text(field: str, content: bytes) -> str:
        if len(content) > _BYTES_LIMIT:
            raise Invalid.field(field, f"what it refers to is larger than {_BYTES_LIMIT} bytes")
        try:
            return content.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise Invalid.field(field, "what it refers to is no UTF-8") from None


@dataclass(frozen=True, repr=False)
class StoredCredentials:
    """Credentials of a system as they were given, read in a transaction."""

    given: Mapping[str, str]
    references: SecretReferences | None

    async def followed(self) -> dict[str, str]:
        """With what they refer to, once the transaction is over: a command may take its time. Keep them out of logs and
        records. Raises Invalid that names the field, never a value."""
        return await self.references.resolve(self.given) if self.references else dict(self.given)


async def _read(process: asyncio.subprocess.Process) -> bytes:
    """What it says, and no more than a secret may be long; one that says more is ended."""
    assert process.stdout is not None
    found = b""
    while len(found) <= _BYTES_LIMIT and (more := await process.stdout.read(_BYTES_LIMIT + 1)):
        found += more
    if len(found) > _BYTES_LIMIT:
        process.kill()
    return found
