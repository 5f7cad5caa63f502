#!/usr/bin/env bash
# Set up, then lint, type-check and test. Arguments go to pytest: scripts/test.sh tests/task -x
# Tests that start a cluster of several nodes are left out: scripts/test.sh -m slow runs them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh dev,ray,rl,continual
bin="${VENV:-.venv}/bin"
export MUJOCO_GL="${MUJOCO_GL:-egl}" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
"$bin/ruff" check .
"$bin/ruff" format --check .
"$bin/mypy"
exec "$bin/pytest" -n "${WORKERS:-2}" --dist worksteal "$@"
