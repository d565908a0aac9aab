"""The way in, for the console script and `python -m ingest`: quick, so that Ctrl-C never shows a traceback."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line. Ends the process."""
    try:
        from ingest.cli.main import main as run  # noqa: PLC0415 - loading it takes a moment, in which somebody may stop it

        run()
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)  # noqa: T201 - the command line's own word
        sys.exit(130)


if __name__ == "__main__":
    main()
