"""`python -m klayer`, the command line, from the folder whose code `PYTHONPATH` names."""

from klayer.cli import main

if __name__ == "__main__":
    main(prog_name="klayer")
