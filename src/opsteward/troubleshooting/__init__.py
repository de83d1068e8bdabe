"""Troubleshooting sessions: seven phases that diagnose systems, have fixes carried out as actions, and verify them.

Its public names are imported when they are first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opsteward.troubleshooting.error_patterns import ErrorPattern
    from opsteward.troubleshooting.metric_causes import Suspect, likely_causes
    from opsteward.troubleshooting.monitoring import Monitoring, Snapshot
    from opsteward.troubleshooting.recorded_metrics import Recording, read_recording
    from opsteward.troubleshooting.standalone import Target, assess, causes_among, diagnose_target, verify
    from opsteward.troubleshooting.types import (
        Cause,
        DiagnosticReport,
        FixAction,
        Issue,
        ResolutionReport,
        SystemDiagnosis,
        SystemFacts,
    )
    from opsteward.troubleshooting.types import SystemFacts as SystemInfo

__all__ = [
    "Cause",
    "DiagnosticReport",
    "ErrorPattern",
    "FixAction",
    "Issue",
    "Monitoring",
    "Recording",
    "ResolutionReport",
    "Snapshot",
    "Suspect",
    "SystemDiagnosis",
    "SystemFacts",
    "SystemInfo",
    "Target",
    "assess",
    "causes_among",
    "diagnose_target",
    "likely_causes",
    "read_recording",
    "verify",
]
_HOME = {
    "error_patterns": ("ErrorPattern",),
    "metric_causes": ("Suspect", "likely_causes"),
    "monitoring": ("Monitoring", "Snapshot"),
    "recorded_metrics": ("Recording", "read_recording"),
    "standalone": ("Target", "assess", "causes_among", "diagnose_target", "verify"),
    "types": ("Cause", "DiagnosticReport", "FixAction", "Issue", "ResolutionReport", "SystemDiagnosis", "SystemFacts"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "SystemInfo":  # as the API calls it
        name = "SystemFacts"
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
