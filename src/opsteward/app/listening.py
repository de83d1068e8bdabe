"""What each of our processes does before it works: a socket to be asked on, and an event loop that gets its turn."""

from __future__ import annotations

import socket
import sys

from opsteward.core.errors import Invalid

#: Seconds that a computing thread (an import's, say) may keep the event loop waiting at each of its steps.
_SWITCH_WITHIN = 0.001
#: The event loop (libuv's) takes one connection of a socket at each of its turns: of a crowd, so many at once.
_ACCEPTED_AT_ONCE = 32


def give_way_to_the_loop() -> None:
    """Have computing threads let the event loop in sooner than Python does by itself."""
    sys.setswitchinterval(_SWITCH_WITHIN)


def listen_on(host: str, port: int, *, setting: str) -> socket.socket:
    """A socket on the port of this setting. Raises Invalid that names it when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)  # from now on who connects waits for us instead of being refused
    except OSError as error:
        listener.close()
        raise Invalid.field(
            setting,
            f"can't listen on {host}:{port}: {error.strerror}",
            "choose another one, or 0 for a free one",
        ) from None
    return listener


def acceptors(listener: socket.socket) -> list[socket.socket]:
    """The socket several times over: who comes behind a crowd does not wait for as many turns of the loop as that has
    connections. All are to be closed."""
    return [listener, *(listener.dup() for _ in range(_ACCEPTED_AT_ONCE - 1))]
