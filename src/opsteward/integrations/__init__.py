"""One folder per outside system: its configuration, client, connector, checks and actions.

An integration sees `contracts` and `core` only, and its client is the only user of the system's library.
"""
