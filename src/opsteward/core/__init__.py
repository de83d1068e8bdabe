"""The ground: settings, database, durable execution, errors, HTTP, crypto, logs, bus, clock, ids."""
