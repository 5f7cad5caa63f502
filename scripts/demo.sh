#!/usr/bin/env bash
# Set up, then learn a rope's dynamics and control it with MIP, MPPI, CEM and gradient shooting.
# Arguments go to `sparsectl demo`.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
bash "$root/scripts/setup.sh"
exec "${VENV:-$root/.venv}/bin/sparsectl" demo "$@"
