"""The entry point: finds the command, and turns every error into one clear sentence and an exit code."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from importlib import import_module
from typing import Final

import click

from ingest import __version__
from ingest.config import ConfigurationFault
from ingest.failures import IngestError, StateBusy, StateUnusable, UsageFault

COMMANDS: Final = {
    "run": "ingest.cli.run:run",
    "migrate": "ingest.cli.run:migrate",
    "check": "ingest.cli.look:check",
    "status": "ingest.cli.look:status",
    "list": "ingest.cli.look:list_recordings",
    "show": "ingest.cli.show:show",
    "retry": "ingest.cli.act:retry",
    "resolve": "ingest.cli.act:resolve",
    "skip": "ingest.cli.act:skip",
    "rename-source": "ingest.cli.rename:rename_source",
    "send": "ingest.cli.send:send",
    "backup": "ingest.cli.keep:backup",
    "restore": "ingest.cli.keep:restore",
    "demo": "ingest.cli.trial:demo",
    "emulator": "ingest.cli.trial:emulator",
}
"""Each command and where it is; loaded when it is asked for, so that none pays for the others."""


class _Commands(click.Group):
    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ingest")
def ingest() -> None:
    """Uploads every recording that lands in a folder to Yandex SpeechSense."""


def main() -> None:
    """Runs the command line and ends the process with the contract's exit codes."""
    _prepare()
    try:
        code = ingest.main(prog_name="ingest", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = 2
    except click.ClickException as error:
        print(_usage_fault(error), file=sys.stderr)
        code = 2
    except (click.Abort, KeyboardInterrupt):
        print("Interrupted.", file=sys.stderr)
        code = 130
    except ConfigurationFault as fault:
        for problem in fault.problems:
            print(problem, file=sys.stderr)
        code = 2
    except IngestError as error:
        print(error, file=sys.stderr)
        code = _exit_code(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads any more: no second complaint
        code = 1
    except Exception as error:  # noqa: BLE001 - a traceback is for us, a sentence is for the administrator
        where = traceback.extract_tb(error.__traceback__)[-1]
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            print("The output cannot be written: its disk is full. Make room there.", file=sys.stderr)
            sys.exit(1)
        place = f"{type(error).__name__} at {os.path.basename(where.filename)}:{where.lineno}"
        print(f"The program did not expect this: {place}. Please report it.", file=sys.stderr)
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _prepare() -> None:
    # gRPC's core writes lines of its own to stderr; what matters in them reaches our sentences anyway.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a name shows its codes


def _usage_fault(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "ingest"
    return f"{error.format_message()} `{command} -h` shows how it is used."


def _exit_code(error: IngestError) -> int:
    if isinstance(error, StateUnusable):
        # A locked database or a full disk passes: the service manager is to start us again.
        return 1 if isinstance(error, StateBusy) else 3
    return 2 if isinstance(error, UsageFault) else 1
