"""Controllers around a controller: budget and fallbacks, proposals, noise after a stall."""
