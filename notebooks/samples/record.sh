#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Records both versions of the application anew, as root: notebooks/samples/record.sh
set -euo pipefail
cd "$(dirname "$0")"
app=/tmp/app
mkdir "$app"
trap 'rm -r "$app"' EXIT
cp app-*.py settings.* "$app"
for version in 1 2; do
  ../../.venv/bin/snoop-capture run -o "app-$version" --force -- \
    /usr/bin/python3 -I -S "$app/app-$version.py"
done
