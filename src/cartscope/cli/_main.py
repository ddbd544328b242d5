"""The program: one line for an error, the traceback only on request."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cartscope import __version__
from cartscope._errors import CartscopeError
from cartscope.cli import _geo
from cartscope.cli._doctor import doctor
from cartscope.cli._list import list_app
from cartscope.cli._reproduce import claims, figure, report, reproduce, run
from cartscope.cli._simulate import simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(
    name="cartscope",
    help="Single-cell RNA-seq of CAR T-cell therapy, between patients and with honest statistics.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(reproduce)
app.command()(run)
app.command()(figure)
app.command()(claims)
app.command()(report)
app.add_typer(list_app, name="list")
app.add_typer(_geo.app, name="geo")
app.command()(simulate)
app.command()(doctor)


def _print_version(value: bool) -> None:
    if value:
        print(f"cartscope {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[  # noqa: ARG001  (handled by its callback)
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    context.obj = {"debug": debug}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        Arguments without the program's name; those of the process if None.

    Returns
    -------
    0 if all went well, 1 for an input that cannot be used, 2 for wrong usage.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in given
    arguments = [a for a in given if a != "--debug"]
    command = typer.main.get_command(app)
    try:
        status = command.main(args=arguments, prog_name="cartscope", standalone_mode=False)
    except KeyboardInterrupt:
        print("stopped; run the same command again to go on from here", file=sys.stderr)
        return 130
    except (CartscopeError, OSError, MemoryError) as error:
        if debug:
            raise
        print(f"error: {_one_line(error)}", file=sys.stderr)
        return 1
    except Exception as error:
        # typer brings its own copy of click or uses the installed one, depending on its version
        if not hasattr(error, "show") or not hasattr(error, "exit_code"):
            raise
        error.show()
        return int(error.exit_code)
    return int(status) if isinstance(status, int) else 0


def _one_line(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "not enough memory; use fewer --cells, or a machine with more memory."
    return " ".join(str(error).split()) or type(error).__name__
