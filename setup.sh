#!/usr/bin/env bash
# Everything Karcis needs on a fresh Debian machine: a virtualenv from the lock file and the system
# libraries its wheels cannot carry. Safe to run again: it does nothing when nothing changed.
#   ./setup.sh          what `make run` needs
#   ./setup.sh test     also Chromium, for the browser tests
#   ./setup.sh extras   also Java, SoftHSM, PySpark and a PKCS#11 library, for `make test-extras`
set -euo pipefail
cd "$(dirname "$0")"

say() { printf '%s\n' "$*" >&2; }

apt_install() { # apt_install PACKAGE...
  say "karcis: installing system packages: $*"
  local apt=()
  if [ "$(id -u)" = 0 ]; then apt=(env DEBIAN_FRONTEND=noninteractive apt-get)
  elif sudo -n true 2>/dev/null; then apt=(sudo -n env DEBIAN_FRONTEND=noninteractive apt-get)
  else
    say "karcis: these system packages are missing and this user may not install them: $*"
    say "karcis: paket sistem berikut belum ada dan pengguna ini tidak berhak memasangnya: $*"
    say "        sudo apt-get install -y --no-install-recommends $*"
    exit 1
  fi
  if ! { "${apt[@]}" update -qq && "${apt[@]}" install -y -qq --no-install-recommends "$@"; } >/tmp/karcis-apt.$$.log 2>&1; then
    cat /tmp/karcis-apt.$$.log >&2
    say "karcis: apt-get could not install: $* (the reason is above)"
    exit 1
  fi
  rm -f /tmp/karcis-apt.$$.log
}

python=""
for candidate in python3 python3.13 python3.12 python3.11; do
  if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  say "karcis: Python 3.11 or newer is needed (Debian 12: apt-get install python3)"
  exit 1
fi

missing=()
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
"$python" -c 'import ctypes.util, sys; sys.exit(ctypes.util.find_library("zbar") is None)' || missing+=(libzbar0)
if [ "${1:-}" = test ] && ! command -v chromium >/dev/null; then missing+=(chromium fonts-liberation); fi
if [ "${1:-}" = extras ]; then
  command -v java >/dev/null || missing+=(default-jre-headless)
  command -v softhsm2-util >/dev/null || missing+=(softhsm2)
fi
[ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"

fingerprint() { sha256sum "$1" | cut -c1-16; }
packages=.venv/.packages-$(fingerprint requirements.lock)
project=.venv/.project-$(fingerprint pyproject.toml)
if [ ! -e "$packages" ]; then
  say "karcis: installing Python packages into .venv (about a minute)"
  "$python" -m venv --clear .venv
  .venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
  touch "$packages"
fi
if [ ! -e "$project" ]; then
  .venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
  touch "$project"
fi

extras=.venv/.extras-$(fingerprint requirements-extras.lock)
if [ "${1:-}" = extras ] && [ ! -e "$extras" ]; then
  .venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-extras.lock
  touch "$extras"
fi

# What pages use from npm, by the system's Node or else one from a wheel. Without it the office's map
# is a drawing, so an installation does not depend on it.
from_npm=server/static/npm
installed=$from_npm/.installed-$(fingerprint package-lock.json)
if [ ! -e "$installed" ]; then
  say "karcis: installing what pages use from npm"
  if ! command -v npm >/dev/null; then
    .venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-node.lock || true
    PATH=$PWD/.venv/bin:$PATH
  fi
  if npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --fetch-retries=1 --fetch-timeout=20000 >&2; then
    rm -rf "$from_npm"
    mkdir -p "$from_npm/leaflet"
    cp node_modules/leaflet/dist/leaflet-src.esm.js node_modules/leaflet/dist/leaflet.css node_modules/leaflet/LICENSE "$from_npm/leaflet/"
    touch "$installed"
  else
    say "karcis: npm did not answer; maps are drawn without Leaflet until set-up runs again"
  fi
fi

for catalogue in server/locale attendant_app/locale; do
  [ -d "$catalogue" ] && .venv/bin/pybabel --quiet compile --directory "$catalogue" --domain messages
done
true
