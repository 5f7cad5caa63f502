"""Mean-field theory of continual learning with binary weights."""
