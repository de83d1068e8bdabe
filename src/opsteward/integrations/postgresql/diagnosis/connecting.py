"""Why a connection was not made: told apart by what the server or the network said, for there is no code for it."""

from __future__ import annotations

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


REFUSALS: Final = (
    Refusal(
        id="role_connections_used_up",
        finds="The role has all the connections that it may have",
        cause="application",
        words=("too many connections for role",),
        advice="Find who of this role holds them; raise its CONNECTION LIMIT when it is too low",
    ),
    Refusal(
        id="database_connections_used_up",
        finds="The database has all the connections that it may have",
        cause="application",
        words=("too many connections for database",),
        advice="Find who holds them; raise its CONNECTION LIMIT when it is too low",
    ),
    Refusal(
        id="server_connections_used_up",
        finds="The server has all the connections that it may have",
        cause="application",
        words=("too many clients", "connection slots are reserved", "too many connections"),
        advice="Sign in as a superuser (some slots are reserved), end what is idle; make the pools smaller",
    ),
    Refusal(
        id="starting_up",
        finds="The database server is starting up",
        cause="environment",
        words=("starting up",),
        advice="Wait: after a crash it has to replay its log first; its own log tells how far it is",
    ),
    Refusal(
        id="shutting_down",
        finds="The database server is shutting down",
        cause="maintenance",
        words=("shutting down",),
        advice="Somebody stops or restarts it; a smart shutdown waits for all sessions to end",
    ),
    Refusal(
        id="in_recovery",
        finds="The database server is in recovery and takes no connections",
        cause="environment",
        words=("recovery mode", "not yet accepting connections", "not accepting connections"),
        advice="Wait for its recovery to end; a standby takes readers with hot_standby = on",
    ),
    Refusal(
        id="database_closed",
        finds="The database takes no connections at all",
        cause="configuration",
        words=("is not currently accepting connections",),
        advice="ALTER DATABASE ... ALLOW_CONNECTIONS true, when it was not closed on purpose",
    ),
    Refusal(
        id="no_such_database",
        finds="There is no such database on the server",
        cause="configuration",
        words=('database "', "does not exist"),
        advice="Look at the database's name in the endpoint; it may have been dropped or renamed",
    ),
    Refusal(
        id="connect_not_permitted",
        finds="The role may not connect to the database",
        cause="configuration",
        words=("permission denied for database",),
        advice="GRANT CONNECT ON DATABASE ... TO the role",
    ),
    Refusal(
        id="no_such_role",
        finds="There is no such role on the server",
        cause="configuration",
        words=('role "', "does not exist"),
        advice="CREATE ROLE ... LOGIN, or correct the username of the credentials",
    ),
    Refusal(
        id="role_may_not_log_in",
        finds="The role may not log in",
        cause="configuration",
        words=("is not permitted to log in",),
        advice="ALTER ROLE ... LOGIN",
    ),
    Refusal(
        id="sign_in_rules_refuse",
        finds="The server's rules for signing in refuse us",
        cause="configuration",
        words=("pg_hba.conf",),
        advice="Add a line for this role, database and address to pg_hba.conf, and reload",
    ),
    Refusal(
        id="password_missing",
        finds="The server asks for a password, and we have none",
        cause="configuration",
        words=("no password supplied",),
        advice="Put the password into the system's credentials",
    ),
    Refusal(
        id="wrong_password",
        finds="The password is wrong",
        cause="configuration",
        words=("password authentication failed",),
        advice="Rotate the system's credentials, or ALTER ROLE ... PASSWORD; a password past VALID UNTIL is wrong too",
    ),
    Refusal(
        id="other_authentication_failed",
        finds="The server does not accept who we are",
        cause="configuration",
        words=("authentication failed",),
        kinds=("auth",),
        advice="Its log tells why: peer and ident compare the account of the system, cert the certificate's name",
    ),
    Refusal(
        id="tls_not_offered",
        finds="The server offers no encryption, and we insist on it",
        cause="configuration",
        words=("does not support ssl",),
        advice="Set ssl = on at the server, or sslmode=prefer in the endpoint",
    ),
    Refusal(
        id="not_postgresql",
        finds="What answers there is no PostgreSQL",
        cause="configuration",
        words=("invalid response to ssl", "expected authentication request", "unsupported frontend protocol"),
        advice="Look at host and port of the endpoint",
    ),
    Refusal(
        id="tls_fails",
        finds="The encrypted connection can't be made",
        cause="configuration",
        words=("certificate", "ssl error", "ssl_error"),
        kinds=("tls",),
        advice="Look at the server's certificate: its name, its end, and the CA named by sslrootcert",
    ),
    Refusal(
        id="host_unknown",
        finds="The name of the server has no address",
        cause="environment",
        kinds=("dns",),
        advice="Look at the host of the endpoint, and at DNS",
    ),
    Refusal(
        id="nothing_listens",
        finds="Nothing listens where the server should be",
        cause="environment",
        words=("connection refused", "no such file or directory"),
        advice="Start the server, or look at listen_addresses and port",
    ),
    Refusal(
        id="closed_at_once",
        finds="The server closes the connection at once",
        cause="environment",
        words=("server closed the connection", "connection reset"),
        advice="Read its log: it may crash, or a proxy in between has no server behind it",
    ),
    Refusal(
        id="host_unreachable",
        finds="The network does not reach the server",
        cause="environment",
        words=("no route to host", "network is unreachable", "host is down"),
        advice="Look at the route and the firewall between us and it",
    ),
    Refusal(
        id="no_answer",
        finds="The server does not answer",
        cause="environment",
        kinds=("timeout",),
        advice="A firewall drops what we send, or the server hangs: look at its machine",
    ),
    Refusal(
        id="refused_otherwise",
        finds="The database can't be used",
        cause="environment",
        advice="Read the server's log",
    ),
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
