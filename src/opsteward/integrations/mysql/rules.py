"""What the diagnosis of MariaDB and MySQL finds: the ten most useful rules, named as PostgreSQL's are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from opsteward.contracts.check import Finding, ProposedFix, Severity
from opsteward.core.json_types import JsonObject
from opsteward.integrations.mysql.diagnosis_limits import MysqlDiagnosisLimits
from opsteward.integrations.mysql.snapshot import READINGS, CouldNotLook, Snapshot

KILL: Final = "mysql.kill_connection"
MAX_CONNECTIONS: Final = 50
_LITERAL = re.compile(r"'(?:[^'\\]|\\.|'')*(?:'|$)|\"(?:[^\"\\]|\\.|\"\")*(?:\"|$)", re.DOTALL)
_LARGEST = {"tinyint": 2**7, "smallint": 2**15, "mediumint": 2**23, "int": 2**31, "bigint": 2**63}
_DEADLOCK = re.compile(r"LATEST DETECTED DEADLOCK\n-+\n(?P<at>[^\n]{1,40}).*?(?=\n-{12}\n|\Z)", re.DOTALL)
_DDL = re.compile(r"\s*(alter|drop|truncate|rename|create|optimize)\b", re.IGNORECASE)
_STATEMENT = re.compile(r"^((?:select|insert|update|delete|replace)\b.*)$", re.MULTILINE | re.IGNORECASE)
_FINDINGS_PER_RULE = 10
_SERVICES = ("system user", "event_scheduler", "replication applier")

Judge = Callable[[Snapshot, MysqlDiagnosisLimits], Iterator[Finding]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule; `risk`: what it finds harms nobody now."""

    id: str
    finds: str
    advice: str
    reads: tuple[str, ...]
    judge: Judge
    remedy: str = ""
    risk: bool = False


def mask_literals(query: str) -> str:
    """The statement without its quoted values, at most 300 characters."""
    return _LITERAL.sub("'?'", query)[:300]


def judge(shot: Snapshot, limits: MysqlDiagnosisLimits) -> tuple[list[Finding], list[Finding], list[str]]:
    """Faults, what should be better, and for each rule that could not look, why."""
    faults: list[Finding] = []
    advice: list[Finding] = []
    unseen: list[str] = []
    for rule in RULES:
        if rule.id in limits.ignore:
            continue
        try:
            found = list(islice(rule.judge(shot, limits), _FINDINGS_PER_RULE))
        except CouldNotLook as why:
            unseen.append(f"{rule.id}: {why}")
        else:
            (advice if rule.risk else faults).extend(_complete(rule, finding) for finding in found)
    faults.sort(key=lambda finding: (finding.cause_rank, finding.type, finding.component))
    return faults, advice, unseen


def _complete(rule: Rule, finding: Finding) -> Finding:
    queries = {name: " ".join(READINGS[name].split()) for name in rule.reads}
    evidence = {**finding.evidence, "advice": rule.advice, "queries": queries}
    return Finding(**{**vars(finding), "type": rule.id, "title": rule.finds, "evidence": evidence})


def _finding(
    component: str, says: str, evidence: Mapping[str, object], severity: Severity, rank: int,
    fixes: Sequence[ProposedFix] = (),
) -> Finding:  # fmt: skip
    return Finding(
        type="",
        severity=severity,
        title="",
        description=says,
        component=component,
        evidence=evidence,
        confidence=0.9,
        cause_rank=rank,
        fixes=fixes,
    )


def kill(transactions: Sequence[Mapping[str, Any]], reason: str) -> list[ProposedFix]:
    """The fix that ends the connections of these transactions, each only while it is in that transaction."""
    named = [{"id": int(one["id"]), "trx_id": str(one["trx_id"]), "started": one["started"]} for one in transactions]
    if not named:
        return []
    params = {"connections": named[:MAX_CONNECTIONS], "reason": reason}
    return [ProposedFix(action=KILL, params=params, reason=reason)]


def _session(shot: Snapshot, number: int) -> JsonObject:
    for row in shot.rows("processes"):
        if row["id"] == number:
            query = mask_literals(row["query"] or "")
            return {
                "id": int(row["id"]),
                "user": row["name"],
                "host": row["host"],
                "command": row["command"],
                "state": row["state"] or "",
                "seconds": int(row["seconds"] or 0),
                "query": query,
            }
    return {"id": number}


def _connections(shot: Snapshot, limits: MysqlDiagnosisLimits) -> Iterator[Finding]:
    used, allowed = shot.number("status", "threads_connected"), shot.number("variables", "max_connections")
    if used is None or not allowed or used / allowed < limits.connections_warn_share:
        return
    severity = Severity.HIGH if used / allowed >= limits.connections_fail_share else Severity.MEDIUM
    says = f"{used:.0f} of {allowed:.0f} connections are used"
    yield _finding("server", says, {"used": used, "max_connections": allowed}, severity, 4)


def _lock_chain(shot: Snapshot, limits: MysqlDiagnosisLimits) -> Iterator[Finding]:
    transactions = {str(row["trx_id"]): row for row in shot.rows("transactions")}
    blocks: dict[str, list[str]] = {}
    waiting = set()
    for row in shot.rows("waits"):
        waiting.add(str(row["waiting"]))
        blocks.setdefault(str(row["blocking"]), []).append(str(row["waiting"]))
    for root in (one for one in blocks if one not in waiting):
        held_up = dict.fromkeys(blocks[root])  # and those behind them, each once
        queue = [*held_up]
        for one in queue:
            further = [each for each in blocks.get(one, ()) if each not in held_up]
            held_up.update(dict.fromkeys(further))
            queue += further
        held = [transactions[one] for one in held_up if one in transactions]
        longest = max((float(one["waited"] or 0) for one in held), default=0.0)
        if root not in transactions or longest < limits.lock_wait_seconds:
            continue
        session = _session(shot, int(transactions[root]["id"]))
        says = f"connection {session['id']} ({session.get('user', '')}) has held up {len(held)} for {longest:.0f} s"
        evidence = {"root": session, "waiting": [_session(shot, int(one["id"])) for one in held[:10]],
                    "held_up_seconds": longest}  # fmt: skip
        idle = session.get("command") == "Sleep"
        fixes = kill([transactions[root]], says) if idle else []
        yield _finding(f"connection {session['id']}", says, evidence, Severity.HIGH, 0, fixes)


def _idle_in_transaction(shot: Snapshot, limits: MysqlDiagnosisLimits) -> Iterator[Finding]:
    idle = {row["id"]: row for row in shot.rows("processes") if row["command"] == "Sleep"}
    old = [
        row
        for row in shot.rows("transactions")
        if row["id"] in idle and float(idle[row["id"]]["seconds"] or 0) >= limits.idle_in_transaction_seconds
    ]
    if old:
        says = f"{len(old)} connection(s) sit idle inside an open transaction"
        evidence = {"sessions": [_session(shot, int(row["id"])) for row in old[:10]]}
        yield _finding("server", says, evidence, Severity.MEDIUM, 2, kill(old, says))


def _metadata_locks(shot: Snapshot, limits: MysqlDiagnosisLimits) -> Iterator[Finding]:
    waiting = [
        row
        for row in shot.rows("processes")
        if "metadata lock" in (row["state"] or "").lower() and float(row["seconds"] or 0) >= limits.lock_wait_seconds
    ]
    ddl = [row for row in waiting if _DDL.match(row["query"] or "")]
    if not ddl:
        return
    others = [row for row in shot.rows("transactions") if row["id"] not in {one["id"] for one in waiting}]
    says = f"a change of a table waits for {float(ddl[0]['seconds']):.0f} s, and {len(waiting) - 1} queue behind it"
    evidence = {
        "change": _session(shot, int(ddl[0]["id"])),
        "queue": [_session(shot, int(row["id"])) for row in waiting if row is not ddl[0]][:10],
        "open_transactions": [_session(shot, int(row["id"])) for row in others[:10]],
    }
    yield _finding(f"connection {ddl[0]['id']}", says, evidence, Severity.HIGH, 0)


def _long_query(shot: Snapshot, limits: MysqlDiagnosisLimits) -> Iterator[Finding]:
    long = [
        row
        for row in shot.rows("processes")
        if row["command"] in ("Query", "Execute")
        and float(row["seconds"] or 0) >= limits.long_query_seconds
        and not str(row["name"]).startswith(_SERVICES)
    ]
    if long:
        longest = max(float(row["seconds"]) for row in long)
        says = f"{len(long)} statement(s) run for long, the longest for {longest:.0f} s"
        evidence = {"sessions": [_session(shot, int(row["id"])) for row in long[:10]]}
        yield _finding("server", says, evidence, Severity.MEDIUM, 5)


def _deadlocks(shot: Snapshot, limits: MysqlDiagnosisLimits) -> Iterator[Finding]:
    count, uptime = shot.number("status", "innodb_deadlocks"), shot.number("status", "uptime") or 0.0
    if count is None:
        raise CouldNotLook("this server does not count deadlocks (MariaDB does)")
    rate = count / max(uptime / 3600, 1.0)
    if count < limits.least_deadlocks or rate < limits.deadlocks_per_hour:
        return
    try:
        told = "\n".join(str(row.get("Status", "")) for row in shot.rows("deadlock"))
    except CouldNotLook:
        told = ""
    latest = _DEADLOCK.search(told)
    statements = _STATEMENT.findall(latest[0]) if latest else []
    evidence = {
        "deadlocks": count,
        "per_hour": round(rate, 2),
        "statements": [mask_literals(one) for one in dict.fromkeys(statements)][:4],
    }
    yield _finding("server", f"{count:.0f} deadlocks, {rate:.1f} an hour", evidence, Severity.MEDIUM, 1)


def _auto_increment(shot: Snapshot, limits: MysqlDiagnosisLimits) -> Iterator[Finding]:
    for row in shot.rows("columns"):
        largest = _LARGEST.get(str(row["type"]).lower())
        if largest is None:
            continue
        largest = largest * 2 - 1 if row["is_unsigned"] else largest - 1
        used = int(row["next_value"]) / largest
        if used >= limits.sequence_share:
            name = f"{row['schema_name']}.{row['table_name']}.{row['column_name']}"
            evidence = {"next_value": int(row["next_value"]), "largest": largest, "type": str(row["type"])}
            severity = Severity.HIGH if used >= 0.95 else Severity.MEDIUM
            yield _finding(f"column {name}", f"{used:.1%} of the numbers of {name} are used", evidence, severity, 1)


def _keyless(shot: Snapshot, limits: MysqlDiagnosisLimits) -> Iterator[Finding]:
    for row in shot.rows("keyless"):
        if int(row["row_count"] or 0) >= limits.least_rows:
            name = f"{row['schema_name']}.{row['table_name']}"
            says = f"{name} has about {row['row_count']} rows and no primary or unique key"
            yield _finding(f"table {name}", says, {"rows": int(row["row_count"])}, Severity.LOW, 6)


def _temp_tables(shot: Snapshot, limits: MysqlDiagnosisLimits) -> Iterator[Finding]:
    made, on_disk = shot.number("status", "created_tmp_tables"), shot.number("status", "created_tmp_disk_tables")
    hours = max((shot.number("status", "uptime") or 0.0) / 3600, 1.0)
    if not made or on_disk is None:
        return
    if on_disk / made >= limits.temp_tables_on_disk_share and on_disk / hours >= limits.temp_tables_on_disk_per_hour:
        says = f"{on_disk / made:.0%} of the temporary tables go to disk, {on_disk / hours:.0f} an hour"
        yield _finding("server", says, {"made": made, "on_disk": on_disk}, Severity.LOW, 6)


def _purge(shot: Snapshot, limits: MysqlDiagnosisLimits) -> Iterator[Finding]:
    length = shot.number("status", "innodb_history_list_length")
    if length is None:
        told = "\n".join(str(row.get("Status", "")) for row in shot.rows("deadlock"))
        found = re.search(r"History list length (\d+)", told)
        length = float(found[1]) if found else 0.0
    if length < limits.purge_backlog:
        return
    oldest = sorted(shot.rows("transactions"), key=lambda row: -float(row["seconds"] or 0))[:1]
    evidence = {"history_list_length": length, "oldest": [_session(shot, int(row["id"])) for row in oldest]}
    says = f"{length:.0f} old versions of rows wait to be removed"
    if oldest:
        says += f"; connection {oldest[0]['id']} is in one transaction for {float(oldest[0]['seconds']):.0f} s"
    yield _finding("server", says, evidence, Severity.MEDIUM, 1)


RULES: Final = (
    Rule(id="connection_saturation", finds="The connections of the server are used up", judge=_connections,
         reads=("status", "variables"), advice="Find who holds them; make the pools smaller, or raise max_connections"),
    Rule(id="lock_chain", finds="One connection holds up others with its locks", judge=_lock_chain, remedy=KILL,
         reads=("transactions", "waits", "processes"), advice="End it, or let it finish"),
    Rule(id="idle_in_transaction", finds="Connections sit idle inside open transactions", judge=_idle_in_transaction,
         remedy=KILL, reads=("transactions", "processes"), advice="The application has to end its transactions"),
    Rule(id="ddl_blocks_others", finds="A change of a table's structure waits, and all others queue behind it",
         judge=_metadata_locks, reads=("processes", "transactions"),
         advice="KILL QUERY the change, end what is open before it, and try again with a short lock_wait_timeout"),
    Rule(id="long_query", finds="Statements run for very long", judge=_long_query, reads=("processes",),
         advice="KILL QUERY when nobody wants it; look at its plan with EXPLAIN"),
    Rule(id="deadlocks_often", finds="Deadlocks come again and again", judge=_deadlocks, reads=("status", "deadlock"),
         advice="Let all transactions take their rows in the same order"),
    Rule(id="column_near_end", finds="A column that counts up comes near its end", judge=_auto_increment,
         reads=("columns",), risk=True, advice="ALTER TABLE ... MODIFY it to BIGINT UNSIGNED in good time"),
    Rule(id="table_without_key", finds="A table has no primary key", judge=_keyless, reads=("keyless",), risk=True,
         advice="Give it a primary key: replication by row reads the whole table for each change"),
    Rule(id="temp_tables_on_disk", finds="Most temporary tables go to disk", judge=_temp_tables, reads=("status",),
         risk=True, advice="Raise tmp_table_size and max_heap_table_size, or sort and group less"),
    Rule(id="purge_held_back", finds="Old versions of rows are not removed", judge=_purge,
         reads=("status", "transactions"), advice="End the oldest transaction: it keeps all versions since it began"),
)  # fmt: skip
