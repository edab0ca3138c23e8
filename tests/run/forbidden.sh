#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Where the machine forbids a piece: 125, one sentence that names it and the way out, and the program is
# never started. `run --check` says the same sentence.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$SOURCE/tests/lib.sh"
needs_run

[ "$(id -u)" -eq 0 ] || { echo 'skipped: only root can forbid things'; exit 77; }

# forbidden WORDS COMMAND...
forbidden() {
	local words=$1

	shift
	rm -f started
	expect 125 "$@" run sh -c ': >started'
	[ ! -e started ] || die 'it was started all the same'
	says "$words"
	[ "$(wc -l <err)" -eq 1 ] || die 'not one line'
	sed 's/^iofault: run: //' err >sentence
	expect 125 "$@" run --check
	cmp -s out sentence || die "--check says another thing than: $(cat sentence)"
}

# shellcheck disable=SC2016
forbidden 'modprobe fuse' unshare --mount sh -c '
	mount -t tmpfs tmpfs /dev && mkdir /dev/shm && : >/dev/null && exec "$@"' sh "$IOFAULT"
# ThreadSanitizer has a thread in the process, which then gets no user namespace.
if user_can && ! grep -q __tsan_init "$IOFAULT"; then
	# shellcheck disable=SC2016
	forbidden 'chmod 666 /dev/fuse' unshare --mount sh -c '
		mount -t tmpfs -o mode=755 tmpfs /mnt && mknod -m 600 /mnt/fuse c 10 229 &&
		mount --bind /mnt/fuse /dev/fuse &&
		exec setpriv --reuid 65534 --clear-groups "$@"' sh "$IOFAULT"
	# shellcheck disable=SC2016
	forbidden 'user.max_user_namespaces' unshare --mount --user --map-root-user sh -c '
		echo 0 >/proc/sys/user/max_user_namespaces &&
		exec setpriv --bounding-set -all --inh-caps -all "$@"' sh "$IOFAULT"
fi
# Root that may do no more than an ordinary user, and may not even be mapped as root. (In a chroot there
# are no user namespaces.)
if unshare --user true 2>/dev/null && ! grep -q __tsan_init "$IOFAULT"; then
	forbidden 'CAP_SETFCAP' setpriv --bounding-set -sys_admin,-setfcap "$IOFAULT"
fi
# A chroot, whose root is no mount point: a folder in which each folder of / is bound.
mkdir top
# shellcheck disable=SC2016
forbidden 'mount --bind DIR DIR' unshare --mount sh -c '
	top=$(mktemp -d "$1/XXXXXX") && shift &&
	for name in /*; do
		if [ -L "$name" ]; then cp -P "$name" "$top"
		elif [ -d "$name" ]; then mkdir "$top$name" && mount --rbind "$name" "$top$name"
		fi
	done && here=$PWD && exec chroot "$top" sh -c "cd \"\$0\" && exec \"\$@\"" "$here" "$@"' \
	sh "$work/top" "$IOFAULT"
