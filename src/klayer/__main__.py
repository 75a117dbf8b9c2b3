"""`python -m klayer`, the command line, from the folder whose code `PYTHONPATH` names."""

import signal
import sys

if sys.version_info < (3, 11):  # noqa: UP036 (an older one, which ignores pyproject.toml, may try)
    sys.exit(f"Error: {sys.executable} is too old, Python 3.11 to 3.14 is needed: `make shell`")
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # quiet, until the command line can answer
if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # the working folder: a file of the user there may have a library's name

from klayer.errors import unusable

try:
    from klayer.cli import main
except ImportError as error:
    sys.exit(f"Error: {unusable(error)}")

if __name__ == "__main__":
    main(prog_name="klayer")
