"""Whatever takes long is a run: held by one process, done once, and gone on with after a kill.

lock          one process at a time works in a folder
progress      where it stands, saved as a whole
fingerprint   what a result was made with, and what has changed since
rows          lines of results that survive a kill in the middle of a write
"""

from sparsectl.runs import rows
from sparsectl.runs.fingerprint import (
    arrays_digest,
    beyond_defaults,
    canonical,
    changes,
    digest,
    require_same,
)
from sparsectl.runs.lock import held
from sparsectl.runs.progress import Progress, Stopwatch, grouped, joined
