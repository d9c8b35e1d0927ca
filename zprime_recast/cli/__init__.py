"""The command line: parse options, call the library, print or write results. No physics is computed here.

The commands import numpy, pyhf and matplotlib only when they run, so that ``--help`` and ``--version`` stay fast.
"""

from __future__ import annotations

import atexit
import gc
import io
import os
import signal
import sys
from typing import Annotated, NoReturn

import typer

from .._version import __version__
from ..errors import ZprimeError
from . import (  # noqa: F401  (each registers its commands)
    about,
    analysis,
    contour,
    evaluate,
    events,
    exchange,
    explore,
    limits,
    models,
    pdf,
    summary,
    validate,
)
from ._shared import app
from .dark_matter import register as register_dark_matter

register_dark_matter(app)

#: Exit code that typer returns after Ctrl-C inside a command.
_INTERRUPTED = 130
#: Exit code after the reader of standard output has gone: 128 + SIGPIPE.
_CLOSED_PIPE = 141


def _pdf_backend(name: str | None) -> None:
    """Choose the reader of PDF sets for this process and its workers."""
    if name is not None:
        from ..partons.pdf import BACKEND_VARIABLE, chosen_backend

        os.environ[BACKEND_VARIABLE] = chosen_backend(name)


def _quiet_lhapdf() -> None:
    """Keep the message that LHAPDF prints as a process ends out of the output of a command that used it."""
    library = sys.modules.get("lhapdf")
    if hasattr(library, "setVerbosity") and os.environ.get("ZPRIME_RECAST_PDF_BACKEND") == "lhapdf":
        library.setVerbosity(0)  # type: ignore[union-attr]


def _version(value: bool) -> None:
    if value:
        typer.echo(f"zprime-recast {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    pdf_backend: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            callback=_pdf_backend,
            help="Reader of PDF sets: grid (this package's own) or lhapdf (slow). Default: grid, or "
            "ZPRIME_RECAST_PDF_BACKEND.",
        ),
    ] = None,
) -> None:
    pass


def main() -> None:
    """Run the command line; every error that a user can cause prints one line on stderr and exits with code 2."""
    gc.set_threshold(50_000)  # while libraries are imported, collections cost a tenth of a short command
    atexit.register(_quiet_lhapdf)
    atexit.register(gc.freeze)  # a collection at exit costs as much again, and the process ends anyway
    _end_as_after_ctrl_c()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names need not be text
    try:
        code = app(standalone_mode=False)
    except ZprimeError as err:
        _fail(str(err))
    except KeyboardInterrupt:
        _fail("interrupted")
    except BrokenPipeError:  # the reader has seen enough, such as head
        _quietly_closed()
    except OSError as err:
        _fail(f"{err.filename or 'input/output'}: {err.strerror or err}")
    except Exception as err:
        _usage_error(err)
    if code == _INTERRUPTED:
        _fail("interrupted")
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _quietly_closed()
    except OSError as err:
        _fail(f"standard output: {err.strerror or err}")
    sys.exit(code if isinstance(code, int) else 0)


def _end_as_after_ctrl_c() -> None:
    """Let SIGTERM (of a batch system) and a closed terminal end the command as Ctrl-C does, unless they are ignored."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        sys.unraisablehook = _raise_again


def _raise_again(unraisable: sys.UnraisableHookArgs) -> None:
    """Raise an interruption again, a little later, that fell into a destructor, where Python drops exceptions."""
    if unraisable.exc_type is KeyboardInterrupt:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
    else:
        sys.__unraisablehook__(unraisable)


def _quietly_closed() -> NoReturn:
    """End without a word, with the code of a program that wrote to a closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still in the buffer goes nowhere
    sys.exit(_CLOSED_PIPE)


def _usage_error(err: Exception) -> None:
    """Report a usage error of click, or of the copy of click in typer, without importing either; re-raise any other."""
    if type(err).__name__ == "NoArgsIsHelpError":  # a command group on its own: its message is the help
        typer.echo(err.format_message())  # type: ignore[attr-defined]
        sys.exit(0)
    if hasattr(err, "format_message"):
        command = getattr(getattr(err, "ctx", None), "command_path", "zprime-recast")
        _fail(f"{err.format_message()} Try '{command} --help'.")
    if type(err).__name__ == "Abort":
        _fail("interrupted")
    raise err


def _fail(message: str) -> None:
    print("zprime-recast: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(2)
