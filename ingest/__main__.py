"""`python -m ingest`: the same as the console script."""

from ingest.cli.main import main

main()
