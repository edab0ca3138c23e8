#!/bin/bash
# SPDX-License-Identifier: MIT
#
# bind and unbind from outside: wrong addresses, functions that do not exist, and users other than root are refused
# with one line. What a machine's functions carry is the subject of tests/tools/bind_refusals.c.
# shellcheck source=tests/lib.sh
. "$SOURCE/tests/lib.sh"

long=$(printf '%065536d' 0)
for command in bind unbind; do
	expect 2 "$IOFAULT" $command
	complains 'which function?'
	for address in '' 03 0000:03:00 0000:03:00.8 ../0000:03:00.0 $'0000:03:00.0\n' "$long"; do
		expect 2 "$IOFAULT" $command "$address"
		complains 'is no address of a PCI function'
	done
	expect 2 "$IOFAULT" $command 0000:03:00.0 moon
	complains "'moon'"
	# shellcheck disable=SC2046
	expect 2 "$IOFAULT" $command $(printf '%x:00.0 ' {0..64})
	complains 'more than 64'
	if [ "$(id -u)" -eq 0 ]; then
		# No machine has this domain. A tmpfs keeps the command from the machine's /run.
		expect 1 unshare --mount sh -c "mount -t tmpfs tmpfs /run && exec \"\$@\"" sh \
			"$IOFAULT" $command ffff0000:ff:1f.7
		complains 'there is no such PCI function'
		expect 1 setpriv --reuid 65534 --regid 65534 --clear-groups "$IOFAULT" $command 0000:03:00.0
	else
		expect 1 "$IOFAULT" $command 0000:03:00.0
	fi
	complains 'only root' "sudo iofault $command"
done
