"""Words of fixed sets that are kept and sent as they are, and said in the reader's language: kinds, states, choices.

What stands here is shown translated; every other word is shown as it is kept. Addresses and forms keep the English one.
"""

from __future__ import annotations

from opsteward.console.languages import N_, _

_SPOKEN = frozenset(
    {
        # events: categories, severities, and what was held possible
        N_("validation error"), N_("system error"), N_("security issue"), N_("ignorable"),
        N_("high"), N_("medium"), N_("low"), N_("severity"), N_("category"), N_("occurred at"),
        N_("supported"), N_("untested"), N_("refuted"),
        # the phases of troubleshooting, what began it, and how soon something runs out
        N_("initialise"), N_("assess"), N_("diagnose"), N_("prioritise"), N_("resolve"), N_("verify"), N_("report"),
        N_("operator"), N_("incident"), N_("schedule"), N_("soon"), N_("very soon"),
        # systems
        N_("database"), N_("file system"), N_("service"), N_("heartbeat"), N_("critical"), N_("standard"), N_("backup"),
        N_("healthy"), N_("degraded"), N_("down"), N_("unknown"), N_("pass"), N_("warn"), N_("fail"), N_("success"),
        N_("start"), N_("minutes"), N_("hours"), N_("days"), N_("worker"),
        # users and what they have; operators
        N_("active"), N_("pending"), N_("suspended"), N_("inactive"), N_("archived"), N_("permission"), N_("system"),
        # syncs
        N_("full"), N_("incremental"), N_("source"), N_("target"), N_("newest"), N_("manual"), N_("keep"), N_("create"),
        N_("update"), N_("disable"), N_("delete"), N_("same"), N_("separate"),
        # the crew
        N_("simple"), N_("moderate"), N_("complex"), N_("expert"), N_("direct"), N_("single agent"), N_("multi agent"),
        N_("crew"), N_("completed"), N_("failed"), N_("running"), N_("waiting"), N_("skipped"),
        # who did something, what is paused, what was told
        N_("standing order"), N_("agent"), N_("task type"), N_("action"), N_("running"), N_("answered"), N_("ended"),
        N_("escalation"), N_("test"), N_("override"),
        N_("name"), N_("state"), N_("refused"), N_("health"), N_("type"), N_("criticality"), N_("username"),
    }
)  # fmt: skip


#: The titles of errors. What an error says beneath is the API's, in English.
ERROR_TITLES = frozenset(
    {
        N_("Something went wrong"), N_("The input is not valid"), N_("The body can't be read"), N_("Not permitted"),
        N_("This takes too long to look at"), N_("The standing orders are not valid"), N_("The body is too large"),
        N_("Sign in or send a valid token"), N_("Not found"), N_("In conflict with the present state"),
        N_("Another process goes on with this import"), N_("Approval is needed first"), N_("A limit was reached"),
        N_("The database is away for a moment; try again"), N_("Too many requests at once; try again in a moment"),
        N_("An outside system failed"), N_("The outside system refused the credentials"),
        N_("The outside system limits our rate"), N_("The outside system did not answer in time"),
        N_("The outside system can't be reached"), N_("The outside system gave an unusable answer"),
        N_("A step of the work failed"), N_("The work could not be done by any strategy"),
        N_("A step of the task was refused"), N_("The database roles are missing"),
        N_("The database was made by another version"), N_("The headers are too large"),
        N_("The request did not come in time"), N_("Too many connections at once; try again in a moment"),
        N_("Not a SCIM request that can be taken"), N_("Changed in the meantime"), N_("The filter can't be used"),
        N_("A ceiling of the crew's models is reached"), N_("Too many calls of a model in a minute"),
        N_("A language model failed"),
    }
)  # fmt: skip


def spoken(word: str) -> str:
    """A word as it is kept (`very_soon`), in the reader's language."""
    said = word.replace("_", " ")
    return _(said) if said in _SPOKEN else said


def spoken_as_kept(word: str) -> str:
    """The same, where a word that is none of a fixed set keeps its underscores."""
    said = word.replace("_", " ") if isinstance(word, str) else ""
    return _(word) if word == said and word in _SPOKEN else word
