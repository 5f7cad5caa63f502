"""The committed experiments, installed so that `--config rope` works everywhere."""
