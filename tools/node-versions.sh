#!/usr/bin/env bash
# Runs the fast tests, as they were last built, on other versions of Node: tools/node-versions.sh 20.19.0 26
# Each version is installed from npm's `node` package into a temporary folder. Exits with 3 if one is not available.
set -euo pipefail
cd "$(dirname "$0")/.."

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
package="node-$(node -p 'process.platform.replace("win32", "win") + "-" + process.arch')"
for version in "$@"; do
  npm install --silent --no-audit --no-fund --prefix "$folder/$version" "$package@$version" || exit 3
  bin="$folder/$version/node_modules/$package/bin"
  echo "Node $("$bin/node" --version)"
  PATH="$bin:$PATH" node tools/test.mjs fast > "$folder/log" || { cat "$folder/log"; exit 1; }
  tail -n 1 "$folder/log"
done
