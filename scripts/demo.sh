#!/usr/bin/env bash
# Set up, then learn how a gate moves, and slip through it with MIP, MPPI and CEM.
# Arguments go to `sparsectl demo`.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
bash "$root/scripts/setup.sh"
exec "${VENV:-$root/.venv}/bin/sparsectl" demo "$@"
