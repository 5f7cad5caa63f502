#!/usr/bin/env bash
# Set up sparsectl in .venv; a second run takes seconds.
#
#   bash scripts/setup.sh              what is needed to use it
#   bash scripts/setup.sh dev,ray      with these extras
#
# PYTHON=python3.12             interpreter to use (3.11 or newer)
# VENV=.venv                    where the virtual environment goes
# TORCH_INDEX=https://download.pytorch.org/whl/cpu   where torch comes from (default: PyPI)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

extras="${1:-}"
venv="${VENV:-.venv}"
say() { printf '[set-up] %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  if [ -n "${PYTHON:-}" ]; then
    new_enough "$PYTHON" || fail "PYTHON=$PYTHON is not Python 3.11 or newer"
    echo "$PYTHON"
    return
  fi
  for name in python3.11 python3 python3.12 python3.13 python3.14 python; do
    if command -v "$name" >/dev/null && new_enough "$name"; then
      echo "$name"
      return
    fi
  done
  fail "Python 3.11 or newer is needed and was not found (python3 is: $(python3 --version 2>&1 || echo missing)); install it, or name it: PYTHON=/path/to/python3.11 bash scripts/setup.sh"
}

# apt NAME...: install system packages if this user may, otherwise say what to type.
apt() {
  local sudo=""
  [ "$(id -u)" = 0 ] || sudo="sudo -n"
  if command -v apt-get >/dev/null && $sudo true 2>/dev/null; then
    say "apt-get install $*"
    { $sudo apt-get install -y -qq --no-install-recommends "$@" ||
      { $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends "$@"; }
    } >/dev/null 2>&1 && return
  fi
  return 1
}

has_egl() {
  { ldconfig -p 2>/dev/null || /sbin/ldconfig -p 2>/dev/null; } | grep -q 'libEGL\.so\.1'
}

if ! has_egl; then
  apt libegl1 libegl-mesa0 libgl1-mesa-dri libgl1 ||
    say "clips need EGL; everything else works without: sudo apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri libgl1"
fi

if [[ ",$extras," == *,dev,* ]] && ! command -v chromium chromium-browser >/dev/null; then
  apt chromium || say "a test opens the report in a browser and is skipped without: sudo apt-get install chromium"
fi

python="$(find_python)"
if ! { [ -x "$venv/bin/python" ] && new_enough "$venv/bin/python" && "$venv/bin/python" -m pip --version; } >/dev/null 2>&1; then
  say "virtual environment $venv with $("$python" --version)"
  rm -rf "$venv"
  if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
    apt "python3-venv" || true
    "$python" -m venv "$venv" >&2 || fail "cannot make a virtual environment: sudo apt-get install python3-venv"
  fi
fi

# Every extra that was ever asked for stays, so that the demo does not undo the tests' set-up.
stamp="$venv/.sparsectl"
wanted="$(printf '%s,%s' "$extras" "$(sed -n 2p "$stamp" 2>/dev/null || true)" | tr ',' '\n' | sed '/^$/d' | sort -u | paste -sd, -)"
hash="$(cat pyproject.toml constraints.txt scripts/setup.sh | "$venv/bin/python" -c 'import hashlib, os, sys; print(hashlib.sha256(sys.stdin.buffer.read() + os.getcwd().encode() + sys.version.encode()).hexdigest())')"
if [ "$(sed -n 1p "$stamp" 2>/dev/null || true)" = "$hash" ] && [ "$(sed -n 2p "$stamp")" = "$wanted" ]; then
  say "ready ($venv)"
  exit 0
fi

rm -f "$stamp"
pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt)
say "installing torch (the largest part; some minutes the first time)"
torch="$(grep '^torch==' constraints.txt)"
if [ -n "${TORCH_INDEX:-}" ]; then
  "${pip[@]}" --index-url "$TORCH_INDEX" "$torch"
else
  "${pip[@]}" "$torch"
fi
say "installing sparsectl${wanted:+ with $wanted}"
"${pip[@]}" -e ".${wanted:+[$wanted]}"
printf '%s\n%s\n' "$hash" "$wanted" >"$stamp.tmp"
mv "$stamp.tmp" "$stamp"
say "ready ($venv)"
