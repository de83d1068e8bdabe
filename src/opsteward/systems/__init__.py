"""The registered systems: their inventory and credentials, connections to them, and their health over time.

`service` is the inventory, `registration` checks what may be registered, `own_database` refuses Opsteward's own;
`health_checks` runs the checks of a system once, `health_monitor` on its interval.
"""
