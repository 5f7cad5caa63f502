"""Studies: every table and figure of `scripts/results` has its command here.

`python -m scripts.mip.bench`, from the repository's root; `--help` lists the options.
"""

import os

# Before numpy is imported: studies share a machine by units of work, one thread each.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
