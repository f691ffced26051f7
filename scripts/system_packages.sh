#!/usr/bin/env bash
# The programs the tests talk to. Installs the missing ones where it may (as root, with apt); elsewhere it
# says what to install and goes on: the tests that need them are skipped. With CI=true nothing may be missing.
set -euo pipefail

find_missing() {
    missing=()
    command -v redis-server >/dev/null || missing+=(redis-server)
    [ -n "$(ls -d /usr/lib/postgresql/*/bin/postgres 2>/dev/null)" ] || command -v postgres >/dev/null ||
        missing+=(postgresql)
    command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ] || missing+=(mariadb-server)
    command -v faketime >/dev/null || missing+=(faketime)
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
        command -v google-chrome >/dev/null || missing+=(chromium)
}

find_missing
if ((${#missing[@]} > 0)) && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null; } || true
    find_missing
fi

for package in "${missing[@]}"; do
    echo "$package is missing: install it (Debian, Ubuntu: apt-get install $package), or its tests are skipped"
done
((${#missing[@]} == 0)) || [ "${CI:-}" != true ]
