"""The command line: verbs, terminal output, exit codes."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

import typer
import typer.exceptions

from alembook import __version__, errors
from alembook.cli import compare, demo, doctor, embedded, lab, look, people, run
from alembook.cli.terminal import error_console

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Audited Alembic migrations as Jupyter runbooks.",
    epilog="Exit codes: 0 done, 1 unexpected, 2 usage, 3 a check FAILED, 4 UNVERIFIED, 5 a step failed, "
    "6 target busy, 7 waiting, 130/143 stopped by a signal.",
)
app.command()(demo.demo)
app.command()(run.run)
app.command()(run.abandon)
app.command("continue")(people.release)
app.command()(people.rollback)
app.command()(look.runs)
app.command()(look.show)
app.command()(compare.compare)
app.command()(doctor.doctor)
app.command()(lab.lab)
app.add_typer(embedded.app, name="embedded", help="The embedded PostgreSQL of this folder: start, stop, status.")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"alembook {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Audited Alembic migrations as Jupyter runbooks."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and exits with the code of DESIGN.md 3.2.

    Raises:
        SystemExit: always.
    """
    sys.exit(execute(sys.argv[1:] if arguments is None else arguments))


def execute(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code; every error is shown here and nowhere else."""
    try:
        code = app(args=list(arguments), prog_name="alembook", standalone_mode=False)
    except errors.AlembookError as error:
        return _refuse(error)
    except typer.Exit as done:
        return done.exit_code
    except typer.exceptions.TyperException as mistake:
        return _mistaken(mistake.format_message())
    except (KeyboardInterrupt, typer.Abort):
        return errors.Stopped.exit_code
    except BrokenPipeError:
        return 0
    except Exception as error:  # noqa: BLE001 - the one place: anything not of our tree is a fault of ours, exit 1
        return _refuse(_fault(error))
    return int(code or 0)


def _mistaken(text: str) -> int:
    """Shows what is wrong with a command line; where there is no text, the help was shown already."""
    if not text.strip():
        return errors.UsageError.exit_code
    return _refuse(errors.UsageError(text, next="`alembook --help` lists what there is."))


def _refuse(error: errors.AlembookError) -> int:
    error_console().print("\n".join(error.lines()), style="red", markup=False, highlight=False, soft_wrap=True)
    return error.exit_code


def _fault(error: Exception) -> errors.AlembookError:
    return errors.AlembookError(
        f"Alembook itself failed: {type(error).__name__}.",
        why="this is a fault of the program, not of your project.",
        next="Report it with the lines below; `alembook show` says where a run under way stands.",
        evidence={"traceback": "".join(traceback.format_exception(error))},
    )
