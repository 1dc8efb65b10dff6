"""`python -m vssm`."""

import sys

from vssm.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
