"""What tests of several rooms are made of: a real instance in this process, a live one beside it, no network."""
