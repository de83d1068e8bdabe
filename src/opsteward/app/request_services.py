"""What requests work with, of all that a process has: for the API's routes and for the console's pages.

A worker imports none of it: it takes no requests.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from opsteward.accounts.webhooks import Webhooks
from opsteward.api.rest.sources import parsed_body
from opsteward.api.services import ApiServices
from opsteward.app.services import Services
from opsteward.console.services import ConsoleServices
from opsteward.integrations.apprise.slack_replies import SlackReplies


def api_services_of(services: Services, readiness: Callable[[], dict[str, bool]]) -> ApiServices:
    """What the API's routes work with."""
    return ApiServices(
        settings=services.settings,
        db=services.web,
        registry=services.registry,
        inventory=services.inventory,
        action_service=services.action_service,
        approvals=services.approvals,
        incidents=services.incidents,
        intake=services.intake,
        intake_queue=services.intake_queue,
        own_sources=services.own_sources,
        source_tallies=services.source_tallies,
        source_intake=services.source_intake,
        muting=services.muting,
        oncall=services.oncall,
        help=services.help,
        direct_calls=services.direct_calls,
        orders=services.orders,
        back_tests=services.back_tests,
        sessions=services.sessions,
        task_types=services.task_types,
        submission=services.submission,
        schedules=services.schedules,
        syncs=services.syncs,
        sagas=services.sagas,
        excess_access=services.excess_access,
        agents=services.agents,
        users=services.users,
        enrollments=services.enrollments,
        imports=services.imports,
        webhooks=Webhooks(services.box),
        slack_replies=SlackReplies(services.settings.notify.slack_origins),
        password_sign_in=services.password_sign_in,
        openid_sign_in=services.openid_sign_in,
        audit_key=services.box.audit_key(),
        witnesses=services.witnesses,
        figures=services.figures,
        crew=services.crew,
        readiness=readiness,
    )


def console_services_of(services: Services, readiness: Callable[[], dict[str, bool]]) -> ConsoleServices:
    """What the console's pages work with."""
    return ConsoleServices(
        settings=services.settings.groups(),
        public_url=services.settings.api.public_url,
        development=services.settings.api.development,
        status_pages=services.settings.api.status_pages,
        oncall_is_told=bool(services.settings.notify.oncall),
        db=services.web,
        feed=services.feed,
        registry=services.registry,
        inventory=services.inventory,
        action_service=services.action_service,
        approvals=services.approvals,
        incidents=services.incidents,
        own_sources=services.own_sources,
        source_tallies=services.source_tallies,
        source_intake=services.source_intake,
        muting=services.muting,
        oncall=services.oncall,
        help=services.help,
        orders=services.orders,
        back_tests=services.back_tests,
        sessions=services.sessions,
        task_types=services.task_types,
        submission=services.submission,
        schedules=services.schedules,
        syncs=services.syncs,
        agents=services.agents,
        crew=services.crew,
        users=services.users,
        enrollments=services.enrollments,
        witnesses=services.witnesses,
        audit_key=services.box.audit_key(),
        read_body=partial(parsed_body, max_depth=services.settings.api.max_json_depth),
        events_limit=services.settings.api.max_events_per_request,
        readiness=readiness,
    )
