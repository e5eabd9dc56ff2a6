"""`python -m thinc_nb` is the command `thinc-nb`."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
