"""Settings that lose data, have no effect yet, or can't be read; extensions and the release."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Final

from opsteward.contracts.check import Severity
from opsteward.integrations.postgresql.diagnosis.rule import SYMPTOM, Fault, Rules, Unseen
from opsteward.integrations.postgresql.diagnosis.snapshot import SETTINGS, Reading, Snapshot

RULES: Final = Rules("configuration", [])

#: The last day on which a major version gets corrections, as its makers have announced it.
_SUPPORTED_UNTIL = {
    10: date(2022, 11, 10),
    11: date(2023, 11, 9),
    12: date(2024, 11, 21),
    13: date(2025, 11, 13),
    14: date(2026, 11, 12),
    15: date(2027, 11, 11),
    16: date(2028, 11, 9),
    17: date(2029, 11, 8),
    18: date(2030, 11, 14),
}
_PLANNER = "enable_"

FILE_ERRORS: Final = Reading(
    name="configuration_file",
    sql="""
    select f.sourcefile, f.sourceline, f.name, f.error, s.context = 'postmaster' as waits_for_restart
    from pg_file_settings f left join pg_settings s on s.name = f.name where f.error is not null limit 20""",
)
HBA: Final = Reading(
    name="sign_in_rules",
    sql="""
    select line_number, type, array_to_string(database, ',') as databases, array_to_string(user_name, ',') as roles,
        address, auth_method, error from pg_hba_file_rules limit 500""",
)
EXTENSIONS: Final = Reading(
    name="extensions",
    sql="""
    select e.extname::text as name, e.extversion as installed, a.default_version as available
    from pg_extension e left join pg_available_extensions a on a.name = e.extname
    where e.extversion is distinct from a.default_version""",
)
PRELOADED: Final = Reading(
    name="preloaded_extensions",
    sql="""
    select e.extname::text as name, coalesce(current_setting('shared_preload_libraries', true), '') as loaded
    from pg_extension e where e.extname in ('pg_stat_statements', 'pg_cron', 'timescaledb', 'citus', 'pgaudit')""",
    needs="pg_monitor",
)
ROLE_SETTINGS: Final = Reading(
    name="settings_of_roles",
    sql="""
    select coalesce(r.rolname::text, '') as role, coalesce(d.datname::text, '') as database, one as setting
    from pg_db_role_setting s left join pg_roles r on r.oid = s.setrole left join pg_database d
        on d.oid = s.setdatabase, unnest(s.setconfig) one""",
)


@RULES.rule(
    "Committed data can be lost in a crash",
    SETTINGS,
    severity=Severity.HIGH,
    is_risk=True,
    cause="configuration",
    rank=SYMPTOM,
    advice="Set fsync and full_page_writes on and reload: without them a power cut destroys the database",
)
def _crash_safety_off(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for name in ("fsync", "full_page_writes"):
        if seen.setting(name) == "off":
            yield Fault(component=f"setting {name}", says=f"{name} is off", values={name: "off"})


@RULES.rule(
    "Damaged pages are passed over in silence",
    SETTINGS,
    severity=Severity.HIGH,
    is_risk=True,
    cause="configuration",
    rank=SYMPTOM,
    advice="Set it off again, and restore what is damaged from a backup",
)
def _damage_is_hidden(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for name in ("zero_damaged_pages", "ignore_checksum_failure"):
        if seen.setting(name) == "on":
            yield Fault(component=f"setting {name}", says=f"{name} is on", values={name: "on"})


@RULES.rule(
    "A way of planning is switched off for all",
    SETTINGS,
    ROLE_SETTINGS,
    cause="configuration",
    rank=1,
    advice="Switch it on again; mend the one statement that needed it otherwise",
)
def _planner_restricted(seen: Snapshot) -> Iterator[Fault | Unseen]:
    off = [row["name"] for row in seen.rows(SETTINGS) if row["name"].startswith(_PLANNER) and row["setting"] == "off"]
    for name in off:
        yield Fault(component=f"setting {name}", says=f"{name} is off for all sessions", values={name: "off"})
    for row in seen.rows(ROLE_SETTINGS):
        name, _, value = row["setting"].partition("=")
        if name.startswith(_PLANNER) and value == "off":
            who = " ".join(filter(None, (row["role"], row["database"] and f"in {row['database']}"))) or "all"
            yield Fault(component=f"setting {name} of {who}", says=f"{name} is off for {who}", values=dict(row))


@RULES.rule(
    "Statements of a role are cut off almost at once",
    ROLE_SETTINGS,
    cause="configuration",
    rank=1,
    advice="ALTER ROLE (or DATABASE) ... SET statement_timeout to some seconds at least",
)
def _statement_timeout_tiny(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(ROLE_SETTINGS):
        name, _, value = row["setting"].partition("=")
        short = value.removesuffix("ms").strip()
        if name == "statement_timeout" and short.isdigit() and 0 < int(short) < 100:
            who = row["role"] or row["database"]
            yield Fault(component=f"setting {name} of {who}", says=f"{name} of {who} is {value}", values=dict(row))


@RULES.rule(
    "Settings wait for a restart",
    SETTINGS,
    severity=Severity.LOW,
    cause="configuration",
    rank=SYMPTOM,
    advice="Restart the server in a maintenance window; until then the old values hold",
)
def _restart_pending(seen: Snapshot) -> Iterator[Fault | Unseen]:
    names = sorted(row["name"] for row in seen.rows(SETTINGS) if row["pending_restart"])
    if names:
        yield Fault(component="server", says=f"not in force yet: {', '.join(names)}", values={"settings": names})


@RULES.rule(
    "The configuration file has errors",
    FILE_ERRORS,
    is_risk=True,
    cause="configuration",
    advice="Mend the line: the server ignores the file when it reloads, and does not start again",
)
def _configuration_file_faulty(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(FILE_ERRORS):
        if row["error"] == "setting could not be applied" and row["waits_for_restart"]:
            continue  # another rule tells it
        yield Fault(
            component=f"setting {row['name']}",
            says=f"line {row['sourceline']} of {row['sourcefile']} ({row['name']}): {row['error']}",
            values=dict(row),
        )


@RULES.rule(
    "The rules for signing in have errors",
    HBA,
    is_risk=True,
    cause="configuration",
    advice="Mend the line of pg_hba.conf: the old rules hold until a restart, which will fail",
)
def _sign_in_rules_faulty(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(HBA):
        if row["error"]:
            yield Fault(
                component=f"pg_hba.conf line {row['line_number']}",
                says=f"line {row['line_number']} of pg_hba.conf: {row['error']}",
                values=dict(row),
            )


@RULES.rule(
    "Anybody on the network may sign in without a password",
    HBA,
    is_risk=True,
    cause="configuration",
    rank=SYMPTOM,
    advice="Use scram-sha-256 in place of trust for addresses of the network",
)
def _network_is_trusted(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(HBA):
        address = row["address"] or ""
        loopback = address.startswith("127.") or address in ("::1", "localhost", "samehost")
        if row["auth_method"] == "trust" and row["type"] != "local" and not loopback and not row["error"]:
            yield Fault(
                component=f"pg_hba.conf line {row['line_number']}",
                says=f"{row['roles']} from {address} are trusted without a password",
                values=dict(row),
            )


@RULES.rule(
    "An extension is older than its library",
    EXTENSIONS,
    severity=Severity.LOW,
    cause="maintenance",
    rank=SYMPTOM,
    advice="ALTER EXTENSION ... UPDATE",
)
def _extension_outdated(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(EXTENSIONS):
        if row["available"] is not None:
            yield Fault(
                component=f"extension {row['name']}",
                says=f"{row['name']} is {row['installed']}, and {row['available']} is there",
                values=dict(row),
            )


@RULES.rule(
    "The files of an extension are missing",
    EXTENSIONS,
    cause="maintenance",
    rank=1,
    advice="Install its package for this major version: what uses it fails, and so will a dump's restore",
)
def _extension_files_missing(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(EXTENSIONS):
        if row["available"] is None:
            yield Fault(
                component=f"extension {row['name']}",
                says=f"{row['name']} {row['installed']} is installed here, and its files are not",
                values=dict(row),
            )


@RULES.rule(
    "An extension is installed and not loaded",
    PRELOADED,
    severity=Severity.LOW,
    cause="configuration",
    rank=SYMPTOM,
    advice="Add it to shared_preload_libraries and restart: until then it fails or does nothing",
)
def _extension_not_loaded(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(PRELOADED):
        if row["name"] not in [name.strip() for name in row["loaded"].split(",")]:
            yield Fault(
                component=f"extension {row['name']}",
                says=f"{row['name']} is not in shared_preload_libraries ({row['loaded'] or 'empty'})",
                values=dict(row),
            )


@RULES.rule(
    "The release gets no corrections any more",
    severity=Severity.LOW,
    cause="maintenance",
    rank=SYMPTOM,
    advice="Upgrade to a supported major version",
)
def _release_unsupported(seen: Snapshot) -> Iterator[Fault | Unseen]:
    version, today = seen.facts["version"], datetime.fromtimestamp(seen.ours, UTC).date()
    until = _SUPPORTED_UNTIL.get(version, date.min if version < min(_SUPPORTED_UNTIL) else date.max)
    if (until - today).days < seen.limits.support_days:
        yield Fault(
            component="server",
            says=f"PostgreSQL {version} is supported until {until.isoformat()}",
            values={"release": seen.facts["release"], "supported_until": until.isoformat()},
        )


@RULES.rule(
    "The server's clock differs from ours",
    cause="environment",
    advice="Let both keep time by NTP: times of rows, tokens and certificates are judged by it",
)
def _clock_differs(seen: Snapshot) -> Iterator[Fault | Unseen]:
    seconds = abs(seen.facts["now"] - seen.ours)
    if seconds > seen.limits.clock_seconds:
        yield Fault(component="server", says=f"its clock is {seconds:.0f} s off ours", values={"seconds": seconds})
