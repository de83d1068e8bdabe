"""What follows on outside systems from changes of people: access and welcome messages."""
