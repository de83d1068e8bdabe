"""Why a connection was not made: told apart by what the server or the network said, for there is no code for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from opsteward.core.errors import ConnectorError, Timeout
from opsteward.core.http_client import failure_kind
from opsteward.integrations.postgresql.diagnosis.rule import Cause


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """One reason; the first whose words stand in the error, or whose kind it is, holds."""

    id: str
    finds: str
    advice: str
    cause: Cause
    words: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


#: Id, whose matter it is, what is found, what to do, and the words or kinds by which it is known.
_REASONS: Final[Sequence[tuple[str, Cause, str, str, tuple[str, ...], tuple[str, ...]]]] = (
    ("role_connections_used_up", "application", "The role has all the connections that it may have",
     "Find who of this role holds them; raise its CONNECTION LIMIT when it is too low",
     ("too many connections for role",), ()),
    ("database_connections_used_up", "application", "The database has all the connections that it may have",
     "Find who holds them; raise its CONNECTION LIMIT when it is too low",
     ("too many connections for database",), ()),
    ("server_connections_used_up", "application", "The server has all the connections that it may have",
     "Sign in as a superuser (some slots are reserved), end what is idle; make the pools smaller",
     ("too many clients", "connection slots are reserved", "too many connections"), ()),
    ("starting_up", "environment", "The database server is starting up",
     "Wait: after a crash it has to replay its log first; its own log tells how far it is",
     ("starting up",), ()),
    ("shutting_down", "maintenance", "The database server is shutting down",
     "Somebody stops or restarts it; a smart shutdown waits for all sessions to end",
     ("shutting down",), ()),
    ("in_recovery", "environment", "The database server is in recovery and takes no connections",
     "Wait for its recovery to end; a standby takes readers with hot_standby = on",
     ("recovery mode", "not yet accepting connections", "not accepting connections"), ()),
    ("database_closed", "configuration", "The database takes no connections at all",
     "ALTER DATABASE ... ALLOW_CONNECTIONS true, when it was not closed on purpose",
     ("is not currently accepting connections",), ()),
    ("no_such_database", "configuration", "There is no such database on the server",
     "Look at the database's name in the endpoint; it may have been dropped or renamed",
     ('database "', "does not exist"), ()),
    ("connect_not_permitted", "configuration", "The role may not connect to the database",
     "GRANT CONNECT ON DATABASE ... TO the role",
     ("permission denied for database",), ()),
    ("no_such_role", "configuration", "There is no such role on the server",
     "CREATE ROLE ... LOGIN, or correct the username of the credentials",
     ('role "', "does not exist"), ()),
    ("role_may_not_log_in", "configuration", "The role may not log in",
     "ALTER ROLE ... LOGIN",
     ("is not permitted to log in",), ()),
    ("sign_in_rules_refuse", "configuration", "The server's rules for signing in refuse us",
     "Add a line for this role, database and address to pg_hba.conf, and reload",
     ("pg_hba.conf",), ()),
    ("password_missing", "configuration", "The server asks for a password, and we have none",
     "Put the password into the system's credentials",
     ("no password supplied",), ()),
    ("wrong_password", "configuration", "The password is wrong",
     "Rotate the system's credentials, or ALTER ROLE ... PASSWORD; a password past VALID UNTIL is wrong too",
     ("password authentication failed",), ()),
    ("other_authentication_failed", "configuration", "The server does not accept who we are",
     "Its log tells why: peer and ident compare the account of the system, cert the certificate's name",
     ("authentication failed",), ("auth",)),
    ("tls_not_offered", "configuration", "The server offers no encryption, and we insist on it",
     "Set ssl = on at the server, or sslmode=prefer in the endpoint",
     ("does not support ssl",), ()),
    ("not_postgresql", "configuration", "What answers there is no PostgreSQL",
     "Look at host and port of the endpoint",
     ("invalid response to ssl", "expected authentication request", "unsupported frontend protocol"), ()),
    ("tls_fails", "configuration", "The encrypted connection can't be made",
     "Look at the server's certificate: its name, its end, and the CA named by sslrootcert",
     ("certificate", "ssl error", "ssl_error"), ("tls",)),
    ("host_unknown", "environment", "The name of the server has no address",
     "Look at the host of the endpoint, and at DNS",
     (), ("dns",)),
    ("nothing_listens", "environment", "Nothing listens where the server should be",
     "Start the server, or look at listen_addresses and port",
     ("connection refused", "no such file or directory"), ()),
    ("closed_at_once", "environment", "The server closes the connection at once",
     "Read its log: it may crash, or a proxy in between has no server behind it",
     ("server closed the connection", "connection reset"), ()),
    ("host_unreachable", "environment", "The network does not reach the server",
     "Look at the route and the firewall between us and it",
     ("no route to host", "network is unreachable", "host is down"), ()),
    ("no_answer", "environment", "The server does not answer",
     "A firewall drops what we send, or the server hangs: look at its machine",
     (), ("timeout",)),
    ("refused_otherwise", "environment", "The database can't be used",
     "Read the server's log",
     (), ()),
)  # fmt: skip
REFUSALS: Final = tuple(
    Refusal(id=id_, cause=cause, finds=finds, advice=advice, words=words, kinds=kinds)
    for id_, cause, finds, advice, words, kinds in _REASONS
)
_BOTH_WORDS = frozenset({"no_such_database", "no_such_role"})


def explain(error: ConnectorError) -> Refusal:
    """The reason for which a connection was not made."""
    text, kind = error.detail.lower(), "timeout" if isinstance(error, Timeout) else failure_kind(error)
    for refusal in REFUSALS:
        matches = all if refusal.id in _BOTH_WORDS else any
        if refusal.words and matches(word in text for word in refusal.words):
            return refusal
        if kind in refusal.kinds:
            return refusal
    return REFUSALS[-1]
