"""`python -m opsteward`."""

from opsteward.cli.main import main

main()
