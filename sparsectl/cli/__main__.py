"""`python -m sparsectl.cli`, for where the console script is not on the path."""

from sparsectl.cli.console import console

console()
