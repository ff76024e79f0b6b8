#!/usr/bin/env bash
# Unpacks version 3 of oneDNN, which Debian has since release 13, and the C library that it needs into a folder, and
# prints a command that runs Node with them. For testing with version 3's C API on an older Debian:
#
#   command="$(tools/onednn3.sh /tmp/onednn3)" && $command dist/src/executors/onednn/onednn.test.js
#
# Beside it lies `both`, which runs Node with version 3 and the machine's own version 2, as where both are installed:
#
#   /tmp/onednn3/both bin/senet.js doctor
#
# Nothing is installed; the packages come from the archive that this machine already uses, checked with its keys.
set -euo pipefail
into="${1:?into which folder}"
release=trixie
packages=(libdnnl3.6 libc6 libgcc-s1 libgomp1 libstdc++6)

source="$(grep -ls '^Types: deb' /etc/apt/sources.list.d/*.sources | head -n 1)" || true
[ -n "$source" ] || { echo "this machine has no Debian archive to fetch from" >&2; exit 1; }
mkdir -p "$into/lists/partial" "$into/root"
cd "$into"
# The archive's first entry, changed to the other release.
awk -v release="$release" 'BEGIN { RS = ""; } NR == 1 { gsub(/Suites: [^\n]*/, "Suites: " release); print }' "$source" > other.sources
options=(-o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=/dev/null -o "Dir::Etc::SourceList=$PWD/other.sources"
  -o "Dir::State::Lists=$PWD/lists" -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache=" -o APT::Sandbox::User=root)
apt-get "${options[@]}" -qq update >&2
apt-get "${options[@]}" -qq download "${packages[@]}" >&2
for package in *.deb; do dpkg-deb -x "$package" root; done

loader="$(find "$PWD/root" -name 'ld-linux*.so*' | head -n 1)"
library="$(find "$PWD/root" -name 'libdnnl.so.3.*' | head -n 1)"
# Node starts child processes with its own path, which would be the loader's, so it gets a script as its path.
launch() {
  cat > "$1" << END
#!/bin/sh
export $2="$3"
exec "$loader" --library-path "$(dirname "$library"):$(dirname "$loader"):/usr/lib/$(uname -m)-linux-gnu" \\
  "$(command -v node)" --import "data:text/javascript,process.execPath='$PWD/$1'" "\$@"
END
  chmod +x "$1"
}
launch node SENET_ONEDNN "$library"
# A folder of its own, so that other programs do not find the other C library.
mkdir -p only && ln -sf "$library" only/
launch both LD_LIBRARY_PATH "$PWD/only"
echo "$PWD/node"
