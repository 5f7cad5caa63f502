"""`python -m sparsectl.cli`, for where the console script is not on the path."""

import sys

from sparsectl.cli import main

sys.exit(main())
