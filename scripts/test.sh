#!/usr/bin/env bash
# Set up, then lint, type-check and test. Arguments go to pytest: scripts/test.sh tests/task -x
# Nothing is left out: ray, the extras and the browser that tests ask for are set up first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh dev,ray,rl,continual,tensorboard,onnx
bin="${VENV:-.venv}/bin"
export MUJOCO_GL="${MUJOCO_GL:-egl}" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
"$bin/ruff" check .
"$bin/ruff" format --check .
"$bin/mypy"
exec "$bin/pytest" -n "${WORKERS:-2}" --dist worksteal "$@"
