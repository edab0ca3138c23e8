#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Proves that scripts/kernel-headers gives a tree that Kbuild can build a module in, that asking again
# needs no network, and that without network and cache it says so in one sentence and leaves nothing.
# Usage: fetch.sh SOURCE. Skips where the headers cannot be had.
set -euo pipefail
script=$1/scripts/kernel-headers

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

status=0
tree=$("$script") || status=$?
if [ "$status" -eq 2 ]; then
	echo "skipped: the headers of Debian's 6.12 kernel cannot be had here"
	exit 77
fi
[ "$status" -eq 0 ]

mkdir module
echo 'obj-m := empty.o' >module/Kbuild
cat >module/empty.c <<-END
	#include <linux/module.h>
	MODULE_DESCRIPTION("nothing");
	MODULE_LICENSE("Dual MIT/GPL");
END
make -C "$tree" M="$work/module" CONFIG_DEBUG_INFO_BTF_MODULES= modules >log 2>&1 || {
	cat log
	exit 1
}
[ -s module/empty.ko ]

# An apt that cannot download, update or wait.
mkdir bin
cat >bin/apt-get <<-'END'
	#!/bin/sh
	echo 'E: no network' >&2
	exit 100
END
chmod +x bin/apt-get
ln -s apt-get bin/sudo
export PATH=$work/bin:$PATH
[ "$("$script")" = "$tree" ]
case $tree in
/usr/src/*) exit 0 ;; # installed: there is nothing to fetch
esac

status=0
IOFAULT_CACHE=$work/cache "$script" >out 2>err || status=$?
if [ "$status" -ne 2 ] || [ -s out ] || [ "$(wc -l <err)" -ne 1 ] || ! grep -q network err; then
	echo "without a network: exit $status, and"
	cat out err
	exit 1
fi
[ "$(ls -A cache)" = lock ]
