#!/bin/bash
# SPDX-License-Identifier: MIT
#
# dkms.sh SOURCE: kernel/dkms.conf names the modules that Kbuild makes, as a kernel's configuration says.
set -euo pipefail
cd "$1/kernel"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# modules LINE: what DKMS is told to build for a kernel with this line in its configuration.
modules() {
	echo "$1" >"$work/.config"
	# shellcheck disable=SC2016 # for the shell inside, as DKMS reads the file
	env -i kernel_source_dir="$work" kernelver=0.0-none bash -euc '. ./dkms.conf
		[ ${#BUILT_MODULE_NAME[@]} -eq ${#DEST_MODULE_LOCATION[@]} ]
		echo "${BUILT_MODULE_NAME[*]}"'
}
expect() {
	told=$(modules "$1")
	[ "$told" = "$2" ] || { echo "with '$1': $told, not $2"; exit 1; }
}
all=$(sed -n 's/^obj-m [:+]= \(.*\)\.o$/\1/p' Kbuild | xargs)
[ "$all" = 'iofault iofault-pci' ] || { echo "Kbuild makes $all"; exit 1; }
expect CONFIG_VFIO_PCI_CORE=m "$all"
expect CONFIG_VFIO_PCI_CORE=y "$all"
expect '# CONFIG_VFIO_PCI_CORE is not set' iofault
expect 'CONFIG_VFIO=m' iofault

# asked KERNEL OTHER: whether DKMS of Debian 12 installs for it; its function has a variable over that of the command
# line, empty or with a kernel that has the modules already.
asked() {
	# shellcheck disable=SC2016 # for the shell inside
	env -i kernelver="$1" other="$2" bash -euc 'ask() {
		local kernelver=$other
		read_it
		echo "${AUTOINSTALL-no} $kernelver"
	}
	read_it() (
		. ./dkms.conf
		echo "${AUTOINSTALL-no} $kernelver"
		exit 0
	)
	ask | head -n 1'
}
for other in '' 6.12.117-amd64 6.1.0-50-amd64; do
	for kernel in 6.12.0-1-amd64 7.3.4+deb13-amd64; do
		[ "$(asked "$kernel" "$other")" = "yes $other" ] || { echo "not installed for '$kernel'"; exit 1; }
	done
	for kernel in 6.1.0-50-amd64 6.11.2 7.4.0-rc1; do
		[ "$(asked "$kernel" "$other")" = "no $other" ] || { echo "installed for $kernel"; exit 1; }
	done
done
[ "$(asked '' '')" = 'yes ' ] || { echo 'not installed'; exit 1; }
