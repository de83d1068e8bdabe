"""How states and times are put into words, icons and tones, in the reader's language. Pure: no I/O, no page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opsteward.accounts.types import Actor
from opsteward.console.languages import _, ngettext, pgettext
from opsteward.console.vocabulary import spoken


@dataclass(frozen=True)
class Look:
    """`icon` is a name of Material's set; `tone` is good, warn, bad, info or calm."""

    icon: str
    english: str
    tone: str
    given: Mapping[str, object] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """In the reader's language."""
        return _(self.english, **self.given)


HEALTH = {
    "healthy": Look("check_circle", "healthy", "good"),
    "degraded": Look("warning", "degraded", "warn"),
    "down": Look("cancel", "down", "bad"),
}
INCIDENT = {
    "open": Look("error", "open", "bad"),
    "acknowledged": Look("visibility", "acknowledged", "warn"),
    "diagnosing": Look("search", "diagnosing", "info"),
    "remediating": Look("build", "remediating", "info"),
    "verifying": Look("fact_check", "verifying", "info"),
    "resolved": Look("check_circle", "resolved", "good"),
    "escalated": Look("campaign", "escalated", "bad"),
}
TREND = {
    "new": Look("add_circle", "new", "info"),
    "growing": Look("keyboard_double_arrow_up", "growing", "bad"),
    "steady": Look("drag_handle", "steady", "calm"),
    "falling": Look("keyboard_double_arrow_down", "falling", "good"),
    "quiet": Look("volume_off", "quiet now", "good"),
}
SEVERITY = {
    "high": Look("keyboard_double_arrow_up", "high", "bad"),
    "medium": Look("drag_handle", "medium", "warn"),
    "low": Look("keyboard_arrow_down", "low", "calm"),
}
RUN = {
    "requested": Look("schedule", "requested", "info"),
    "awaiting_approval": Look("pan_tool", "waits for approval", "warn"),
    "approved": Look("thumb_up", "approved", "info"),
    "executing": Look("play_circle", "running", "info"),
    "succeeded": Look("verified", "done and verified", "good"),
    "not_needed": Look("done_all", "not needed any more", "calm"),
    "failed": Look("cancel", "did not help", "bad"),
    "undone": Look("undo", "did not help, undone", "bad"),
    "denied": Look("block", "denied", "warn"),
    "refused": Look("thumb_down", "refused", "calm"),
    "expired": Look("timer_off", "expired", "calm"),
    "superseded": Look("published_with_changes", "changed after approval", "calm"),
}
OUTCOME = {
    "resolved": Look("verified", "repaired", "good"),
    "healthy": Look("check_circle", "nothing to repair", "good"),
    "inconclusive": Look("help", "inconclusive", "warn"),
    "escalated": Look("campaign", "escalated", "bad"),
}
RUNNING = Look("sync", "running", "info")
TASK = {
    "pending": Look("hourglass_empty", "waits", "calm"),
    "in_progress": Look("play_circle", "running", "info"),
    "completed": Look("check_circle", "completed", "good"),
    "failed": Look("cancel", "failed", "bad"),
    "cancelled": Look("block", "cancelled", "warn"),
    "dead_letter": Look("mark_email_unread", "dead letter", "bad"),
}
PRIORITY = {
    "critical": Look("keyboard_double_arrow_up", "critical", "bad"),
    "high": Look("keyboard_arrow_up", "high", "warn"),
    "normal": Look("drag_handle", "normal", "calm"),
    "low": Look("keyboard_arrow_down", "low", "calm"),
    "background": Look("keyboard_double_arrow_down", "background", "calm"),
}
AGENT = {
    "registered": Look("schedule", "registered", "calm"),
    "starting": Look("hourglass_empty", "starting", "info"),
    "running": Look("check_circle", "running", "good"),
    "degraded": Look("warning", "degraded", "warn"),
    "paused": Look("pause_circle", "paused", "warn"),
    "stopped": Look("stop_circle", "stopped", "calm"),
    "failed": Look("cancel", "failed", "bad"),
}
USER = {
    "active": Look("check_circle", "active", "good"),
    "pending": Look("hourglass_empty", "pending", "info"),
    "suspended": Look("pause_circle", "suspended", "warn"),
    "inactive": Look("person_off", "inactive", "calm"),
    "archived": Look("inventory_2", "archived", "calm"),
}
ENROLLMENT = {
    "pending_manual_review": Look("hourglass_empty", "waits", "info"),
    "approved": Look("check_circle", "approved", "good"),
    "rejected": Look("cancel", "rejected", "bad"),
    "expired": Look("timer_off", "expired", "calm"),
}
STAGE = {
    "approved": Look("check_circle", "approved", "good"),
    "rejected": Look("cancel", "rejected", "bad"),
    "waiting": Look("radio_button_unchecked", "to come", "calm"),
    "current": Look("hourglass_empty", "waits", "info"),
    "overdue": Look("alarm", "overdue", "bad"),
}
IMPORT = {
    "uploading": Look("upload", "uploading", "info"),
    "queued": Look("hourglass_empty", "waits", "info"),
    "running": Look("play_circle", "running", "info"),
    "completed": Look("check_circle", "completed", "good"),
    "failed": Look("cancel", "failed", "bad"),
}
PROBLEM = {
    "error": Look("cancel", "error", "bad"),
    "warning": Look("warning", "warning", "warn"),
}
REVIEW = {
    "open": Look("pending_actions", "open", "info"),
    "closed": Look("task_alt", "closed", "calm"),
}
SYNC = {
    "planning": Look("hourglass_empty", "reading both sides", "info"),
    "awaiting_approval": Look("pan_tool", "waits for approval", "warn"),
    "applying": Look("play_circle", "writing", "info"),
    "planned": Look("fact_check", "planned", "good"),
    "succeeded": Look("check_circle", "done", "good"),
    "incomplete": Look("warning", "not all was written", "warn"),
    "failed": Look("cancel", "failed", "bad"),
    "refused": Look("block", "stopped by its guard", "bad"),
    "cancelled": Look("thumb_down", "not approved", "calm"),
    "superseded": Look("published_with_changes", "a newer plan took its place", "calm"),
}
SYNC_CHANGE = {
    "waiting": Look("schedule", "not written", "calm"),
    "done": Look("check_circle", "written", "good"),
    "unchanged": Look("done_all", "as it should be already", "calm"),
    "adopted": Look("link", "was there already, adopted", "info"),
    "conflict": Look("warning", "changed since the plan", "warn"),
    "missing": Look("help", "gone from the system", "warn"),
    "refused": Look("block", "refused by the system", "bad"),
    "failed": Look("cancel", "failed", "bad"),
}
SAGA = {
    "awaiting_approval": Look("pan_tool", "waits for approval", "warn"),
    "running": Look("play_circle", "running", "info"),
    "compensating": Look("undo", "being taken back", "warn"),
    "succeeded": Look("check_circle", "done", "good"),
    "compensated": Look("undo", "taken back as a whole", "calm"),
    "stuck": Look("error", "not taken back as a whole", "bad"),
    "cancelled": Look("thumb_down", "not approved", "calm"),
}
SAGA_STEP = {
    "waiting": Look("schedule", "not made", "calm"),
    "sent": Look("help", "sent, no answer yet", "warn"),
    "done": Look("check_circle", "made", "good"),
    "unchanged": Look("done_all", "was so before", "calm"),
    "failed": Look("cancel", "failed", "bad"),
    "compensated": Look("undo", "taken back", "calm"),
    "stuck": Look("error", "could not be taken back", "bad"),
}
DECISION = {
    "keep": Look("check_circle", "kept", "good"),
    "revoke": Look("block", "revoked", "bad"),
}
HISTORY = {
    "registered": Look("person_add", "registered", "info"),
    "enrolled": Look("how_to_reg", "enrolled", "good"),
    "rejected": Look("cancel", "enrolment rejected", "bad"),
    "activated": Look("check_circle", "activated", "good"),
    "suspended": Look("pause_circle", "suspended", "warn"),
    "deactivated": Look("person_off", "deactivated", "calm"),
    "archived": Look("inventory_2", "archived", "calm"),
    "released": Look("person_remove", "names given back", "calm"),
    "moved": Look("swap_horiz", "moved", "info"),
    "updated": Look("edit", "changed", "calm"),
    "access_changed": Look("key", "access changed", "info"),
    "granted": Look("add_circle", "granted", "good"),
    "grant_revoked": Look("remove_circle", "grant revoked", "warn"),
    "grant_ended": Look("timer_off", "grant ended", "calm"),
    "reviewed": Look("fact_check", "access reviewed", "warn"),
}
PAUSED = Look("pause_circle", "paused", "warn")
MUTED = Look("volume_off", "kept quiet", "calm")
FLAPPING = Look("swap_horiz", "comes and goes", "warn")
SILENCE = {
    "active": Look("volume_off", "active", "info"),
    "pending": Look("schedule", "to come", "calm"),
    "expired": Look("timer_off", "over", "calm"),
}
NOTICE = {
    "collecting": Look("hourglass_empty", "collecting", "info"),
    "queued": Look("schedule", "waits", "info"),
    "sending": Look("send", "under way", "info"),
    "sent": Look("check_circle", "taken", "good"),
    "failed": Look("cancel", "not taken", "bad"),
    "interrupted": Look("help", "in doubt", "warn"),
    "skipped": Look("done_all", "not needed", "calm"),
}
_TIMELINE = {
    "detected": Look("sensors", "detected", "bad"),
    "decided": Look("gavel", "decided", "info"),
    "grouped": Look("merge", "grouped", "calm"),
    "sampled": Look("merge", "sampled", "calm"),
    "diagnosed": Look("troubleshoot", "diagnosed", "info"),
    "prioritised": Look("format_list_numbered", "prioritised", "info"),
    "action": Look("build", "action", "info"),
    "verified": Look("verified", "verified", "good"),
    "not_helped": Look("heart_broken", "not helped", "bad"),
    "reported": Look("summarize", "reported", "calm"),
    "reopened": Look("restart_alt", "reopened", "bad"),
    "assigned": Look("person_add", "assigned", "info"),
    "comment": Look("edit", "comment", "calm"),
    "muted": Look("volume_off", "kept quiet", "calm"),
    "unmuted": Look("campaign", "heard again", "warn"),
    "escalation": Look("campaign", "escalation", "warn"),
    "notified": Look("send", "told", "info"),
    "recovered": Look("check_circle", "recovered", "good"),
}


def begins_large(words: str) -> str:
    """With a large letter at the beginning, as a heading has it."""
    return words[:1].upper() + words[1:]


def decimal(words: str) -> str:
    """A number as the reader writes it: `1.25`, `1,25`."""
    return words.replace(".", pgettext("decimal point", "."))


def short_count(number: int) -> str:
    """`950`, `12 k`, `3.4 M`."""
    for size, unit, part in ((1_000_000, pgettext("unit", "M"), 1_000_000), (10_000, pgettext("unit", "k"), 1_000)):
        if number >= size:
            return decimal(f"{number / part:.1f}".removesuffix(".0")) + f" {unit}"
    return str(number)


def healthy_for(status: str) -> str:
    """Before a span: `healthy for`, `down for`."""
    return _("%(state)s for", state=look_of(HEALTH, status).word)


def each(number: int, unit: str) -> str:
    """How often a turn changes: `each week`, `each 2 days`."""
    if unit == "week":
        return ngettext("each week", "each %(num)s weeks", number)
    return ngettext("each day", "each %(num)s days", number)


def look_of(looks: dict[str, Look], word: str) -> Look:
    """The look of a state; a state that has none is shown by its word."""
    return looks.get(word, Look("help", word.replace("_", " "), "calm"))


def timeline_look(kind: str) -> Look:
    """The look of a line of an incident's story: its own kinds, and the statuses that it moves through."""
    if kind.startswith("assess"):
        return Look("monitor_heart", "assessed", "info")
    found = _TIMELINE.get(kind) or INCIDENT.get(kind)
    return found or Look("radio_button_unchecked", kind.replace("_", " "), "calm")


def actor_in_words(actor: str, operators: Mapping[str, str]) -> str:
    """Who did something: an operator by name, a standing order, or a part of Opsteward."""
    kind, _colon, rest = actor.partition(":")
    if kind == "operator":
        return operators.get(rest) or _("an operator who is gone")
    if kind == "standing-order":
        return _("standing order %(name)s", name=rest)
    if kind == "schedule":
        return _("schedule %(name)s", name=rest)
    return f"Opsteward ({rest})" if kind == "system" else actor


def who(actor: Actor) -> str:
    """The same of an actor that is known by name."""
    if actor.kind in ("standing_order", "schedule", "agent", "webhook"):
        return f"{spoken(actor.kind)} {actor.name}"
    return actor.told


def pause_in_words(scope: str, target: str, *, tenant: str = "") -> str:
    """What a pause stops: `Everything`, `This tenant`, `Task type x`, `Action y`."""
    if scope == "everything":
        return _("Everything, all tenants") if tenant else _("Everything")
    if scope == "tenant":
        return _("This tenant (%(name)s)", name=tenant) if tenant else _("This tenant")
    return f"{begins_large(spoken(scope))} {target}"


def duration_in_words(seconds: float) -> str:
    """`0.31 s`, `12.0 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`."""
    if seconds < 10:
        return decimal(f"{seconds:.2f} s")
    if seconds < 60:
        return decimal(f"{seconds:.1f} s")
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"


def ago_in_words(seconds: float) -> str:
    """`just now`, `12 s ago`, `3 min ago`, `2 h ago`, `5 d ago`; the frame's script says the same in the browser."""
    return _("just now") if seconds < 5 else _("%(span)s ago", span=span_in_words(seconds))


def span_in_words(seconds: float) -> str:
    """In its largest unit: `12 s`, `3 min`, `2 h`, `5 d`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def response_time_in_words(seconds: float) -> str:
    """`12 ms`, `1.25 s`."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else decimal(f"{seconds:.2f} s")
