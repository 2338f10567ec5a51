"""Make ``python -m spatialplan`` the same program as ``spatialplan``."""

import sys

from spatialplan.cli import main

if __name__ == "__main__":
    sys.exit(main())
