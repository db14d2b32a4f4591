#!/usr/bin/env bash
# Makes a Debian handheld of this checkout: service, kiosk, browser policy, device rules. Safe to run
# again: what is already right is left alone, and /etc/karcis/handheld.env is never overwritten.
#   sudo ./install.sh              install, and start the handheld
#   ./install.sh --dry-run         say what would be done, and do nothing
#   --no-packages                  leave Debian's and Python's packages as they are
#   DESTDIR=DIR ./install.sh       put the files under DIR (an image); no users, nothing is started
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../.." && pwd)
root=${DESTDIR:-}
venv=$root/opt/karcis/venv
dry_run='' packages=yes changed=''

say() { printf 'karcis: %s\n' "$*" >&2; }
do_it() { # do_it COMMAND...: run it, or say it
  if [ -n "$dry_run" ]; then say "would run: $*"; else "$@"; fi
}

put() { # put MODE FILE PLACE
  if cmp -s "$here/$2" "$root$3"; then return; fi
  changed=yes
  say "$3"
  do_it install -D -m "$1" "$here/$2" "$root$3"
}

debian_packages() {
  local missing=() package
  for package in python3-venv libzbar0 chromium cage libpam-systemd fonts-liberation; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  do_it apt-get update -qq
  do_it env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

python_packages() {
  local lock project
  lock=$venv/.lock-$(sha256sum "$checkout/requirements.lock" | cut -c1-16)
  if [ ! -e "$lock" ]; then
    changed=yes
    do_it python3 -m venv --clear "$venv"
    do_it "$venv/bin/python" -m pip install -q --require-hashes -r "$checkout/requirements.lock"
    do_it touch "$lock"
  fi
  project=$venv/.project-$(cd "$checkout" && sources | sort | xargs -d '\n' sha256sum | sha256sum | cut -c1-16)
  if [ ! -e "$project" ]; then
    changed=yes
    do_it install_project
    do_it touch "$project"
  fi
}

sources() { # what the programs are made of, without what they left behind when run here
  find pyproject.toml README.md LICENSE qris domain printer server attendant_app -type f \
    ! -path '*/__pycache__/*' ! -name '*.mo'
}

install_project() {
  local copy
  copy=$(mktemp -d) # pip builds in the folder it is given: the checkout stays as it is
  (cd "$checkout" && sources | tar -cT - | tar -xC "$copy")
  "$venv/bin/pybabel" -q compile -d "$copy/server/locale" -D messages
  "$venv/bin/python" -m pip install -q --no-deps --no-build-isolation "$copy"
  rm -r "$copy"
}

files() {
  put 644 karcis-handheld.service /etc/systemd/system/karcis-handheld.service
  put 644 karcis-kiosk.service /etc/systemd/system/karcis-kiosk.service
  put 644 karcis.rules /etc/udev/rules.d/70-karcis.rules
  put 644 karcis.sysusers /etc/sysusers.d/karcis.conf
  put 644 chromium-policy.json /etc/chromium/policies/managed/karcis.json
  # Only root reads it: it may hold the enrolment code. systemd hands its values to the service.
  [ -e "$root/etc/karcis/handheld.env" ] || put 600 handheld.env /etc/karcis/handheld.env
}

start() {
  do_it systemd-sysusers karcis.conf
  do_it systemctl daemon-reload
  do_it udevadm control --reload
  do_it udevadm trigger --action=add
  do_it systemctl enable -q karcis-handheld.service karcis-kiosk.service
  do_it systemctl set-default -q graphical.target
  do_it systemctl "${changed:+re}start" karcis-handheld.service
  say "settings: /etc/karcis/handheld.env; then restart the device, and the kiosk comes up"
  say "setelan: /etc/karcis/handheld.env; lalu nyalakan ulang perangkat, layar Karcis akan muncul"
}

for argument in "$@"; do
  case $argument in
    --dry-run) dry_run=yes ;;
    --no-packages) packages='' ;;
    *)
      say "unknown: $argument (see the head of $0)"
      exit 2
      ;;
  esac
done
if [ "$(id -u)" != 0 ] && [ -z "$root$dry_run" ]; then
  say "pemasangan harus dijalankan sebagai root: sudo $0"
  say "this must be run as root: sudo $0"
  exit 1
fi
if [ -n "$packages" ]; then
  [ -n "$root" ] || debian_packages
  python_packages
fi
files
[ -n "$changed" ] || say "sudah terpasang, tidak ada yang berubah / already installed, nothing changed"
if [ -z "$root" ]; then start; fi
