"""Controls: what looks like trouble and is none, or ends by itself. Nothing is to be done about them."""

from __future__ import annotations

import signal
import time
from typing import Any

from opsteward.lab import jobs
from opsteward.lab.certificates import issue
from opsteward.lab.fault_kind import Kind, Make, Site
from opsteward.lab.folder import set_rate
from opsteward.lab.gateway import USUAL as USUAL_WAY
from opsteward.lab.gateway import set_way
from opsteward.lab.names import USUAL as USUAL_ZONE
from opsteward.lab.names import set_zone
from opsteward.lab.releases import FAULTY, deploy
from opsteward.lab.supervision import SHOP


def _control(name: str, description: str, make: Make, **more: Any) -> Kind:
    return Kind(name=name, area="control", description=description, cause_it=make, repairable=False, **more)


def _quiet(site: Site) -> None:
    set_rate(site.folder, 0.5)


def _blip(site: Site) -> None:
    site.send(signal.SIGSTOP)
    time.sleep(0.15)
    site.send(signal.SIGCONT)


def _some_disk(site: Site) -> None:
    (site.folder.disk / "cache" / "wanted.bin").write_bytes(bytes(5 * 1024 * 1024))


def _delay_for_a_moment(site: Site) -> None:
    set_way(site.folder, {**USUAL_WAY, "delay": 1.7})
    time.sleep(1.0)
    set_way(site.folder)


def _name_slow_for_a_moment(site: Site) -> None:
    set_zone(site.folder, {**USUAL_ZONE, "delay": 1.2})
    time.sleep(1.0)
    set_zone(site.folder)


def _log_noise(site: Site) -> None:
    site.ask_shop("/log?n=200")


def _waiting_jobs(site: Site) -> None:
    rows = jobs.queue(site.folder)
    rows.executemany("insert into jobs (kind, created) values ('mail', ?)", [(time.time(),)] * 300)
    rows.close()


CONTROLS = (
    _control("none", "more orders than usual for a while; nothing is wrong",
             lambda site: site.start_injector("none"), whole=False),
    _control("quiet", "hardly any customers for a while; nothing is wrong", _quiet),
    _control("idle_sessions", "an export keeps a few connections open that nobody misses",
             lambda site: site.start_injector("idle_sessions")),
    _control("long_report", "a long statement reads and hinders nobody",
             lambda site: site.start_injector("long_report"), held_out=True),
    _control("harmless_deploy", "the shop's page was changed on purpose",
             lambda site: deploy(site.folder, site=FAULTY["harmless"])),
    _control("log_noise", "the shop writes errors that mean nothing", _log_noise),
    _control("busy_neighbour", "another program takes a whole processor for a while",
             lambda site: site.start_injector("busy_neighbour"), held_out=True),
    _control("disk_in_use", "files that are wanted take two thirds of the disk", _some_disk, needs_disk=True),
    _control("short_stop", f"{SHOP} is stopped for a seventh of a second", _blip),
    _control("way_a_little_slow", "the way to the shop takes a third of a second, within what is allowed",
             lambda site: set_way(site.folder, {**USUAL_WAY, "delay": 0.3})),
    _control("new_certificate", "the certificate was renewed, with another key", lambda site: issue(site.folder)),
    _control("slow_for_a_moment", "the way to the shop was slow for a second, and is well again",
             _delay_for_a_moment, heals=True),
    _control("name_slow_for_a_moment", "the name server was slow for a second, and is well again",
             _name_slow_for_a_moment, heals=True, held_out=True),
    _control("burst_of_jobs", "three hundred jobs at once, which the worker does in time", _waiting_jobs),
    _control("no_insight", "we may not see the database's sessions any more, and nothing else is wrong",
             lambda site: site.start_injector("no_insight")),
)  # fmt: skip
