"""The lab's own command line: `python -m opsteward.lab start|stop|inject|clear|describe --home FOLDER`.

`start` runs in the foreground until SIGTERM or SIGINT; the others act on a lab that runs. Answers are JSON.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from opsteward.core.errors import OpsError
from opsteward.lab.faults import FAULTS
from opsteward.lab.lab import DEFAULT_RATE, Lab


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 1 with the reason on stderr."""
    options = _parser().parse_args(arguments)
    lab = Lab(options.home)
    try:
        if options.command == "start":
            return _serve(Lab(options.home, rate=options.rate, whole=options.whole))
        if options.command == "stop":
            lab.take_down()
        elif options.command == "inject":
            _show(lab.inject(options.fault, rush_seconds=options.seconds).as_dict())
        elif options.command == "clear":
            lab.clear()
        else:
            _show(lab.describe())
    except OpsError as problem:
        print(f"{problem.detail}{f' ({problem.remedy})' if problem.remedy else ''}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m opsteward.lab", description="A small real shop to break.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, purpose in {
        "start": "run a lab in the foreground",
        "stop": "end the lab that runs in the folder",
        "inject": "cause a fault",
        "clear": "take back all faults",
        "describe": "print the lab's systems with their credentials",
    }.items():
        command = commands.add_parser(name, help=purpose)
        command.add_argument("--home", type=Path, required=True, help="the lab's folder")
        if name == "start":
            command.add_argument("--rate", type=float, default=DEFAULT_RATE, help="orders a second")
            command.add_argument("--whole", action="store_true", help="with all parts, for all faults")
        if name == "inject":
            command.add_argument("fault", choices=list(FAULTS))
            command.add_argument("--seconds", type=float, default=10.0, help="length of the rush of `none`")
    return parser


def _serve(lab: Lab) -> int:
    def end(_: int, __: FrameType | None) -> None:
        # once: what follows must not be interrupted
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        lab.start()
        _show({"ready": True, "home": str(lab.folder.home), "shop_url": lab.facts.shop_url})
        while lab.alive():
            time.sleep(1.0)
        print("the lab's supervisord is gone", file=sys.stderr)
        return 1
    finally:
        lab.stop()


def _show(value: Mapping[str, object]) -> None:
    print(json.dumps(value, indent=2), flush=True)


if __name__ == "__main__":
    sys.exit(main())
