"""`python -m klayer`, the command line, from the folder whose code `PYTHONPATH` names."""

import os
import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # the working folder, where a user's file may have the name of a library
    os.environ["PYTHONSAFEPATH"] = "1"  # for workers

try:
    from klayer.cli import main
except ImportError as error:
    sys.exit(f"Error: {error}: use the project's environment, `source .venv/bin/activate`")

if __name__ == "__main__":
    main(prog_name="klayer")
