"""HalfCheetah with other bodies."""
