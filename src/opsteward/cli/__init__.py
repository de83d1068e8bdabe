"""The command line: reads arguments, speaks HTTP to a running instance, shows what it answers."""
