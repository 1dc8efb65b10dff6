"""The door: `python main.py` opens the window."""

import sys

from app.application import main

if __name__ == "__main__":
    sys.exit(main())
