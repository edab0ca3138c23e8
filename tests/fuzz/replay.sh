#!/bin/sh
# SPDX-License-Identifier: MIT
#
# replay.sh FUZZ-REPLAY: replays the inputs of corpus.tar.gz, and each one in found/. Proves that
# none of them goes wrong any more.
set -eu

here=$(dirname "$0")
work=$(mktemp -d "${TMPDIR:-/tmp}/iofault-replay.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
tar -C "$work" -xzf "$here/corpus.tar.gz"
# An archive that unpacks to nothing must not pass.
[ "$(find "$work" -type f | wc -l)" -gt 100 ] || { echo "corpus.tar.gz has too few inputs"; exit 1; }
"$1" "$work" "$here/found"
