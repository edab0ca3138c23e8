#!/bin/bash
# SPDX-License-Identifier: MIT
#
# compatible.sh SOURCE LIBRARY: programs that were compiled for the last release run with this library. First the
# comparison itself is tried: it has to object to a removed function and to changed types, and not to a new function.
set -euo pipefail
source=$1 library=$2
command -v abidiff >/dev/null || {
	[ -z "${CI-}" ] || { echo 'there is no abidiff: scripts/deps check'; exit 1; }
	echo 'skipped: there is no abidiff (package abigail-tools)'
	exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# changed EXPRESSION: compares the library with the released interface after this change of sed's.
# differs EXPRESSION TEXT: then the library is said to break programs, and the text says where.
changed() {
	sed "$1" "$source/user/libiofault.abi" >"$work/changed.abi"
	! cmp -s "$work/changed.abi" "$source/user/libiofault.abi" || { echo "$1 changes nothing"; exit 1; }
	status=0
	"$source/scripts/abi-dump" --against "$work/changed.abi" "$library" >"$work/out" 2>&1 || status=$?
}
differs() {
	changed "$1"
	if [ $status -ne 1 ] || ! grep -q "$2" "$work/out"; then
		cat "$work/out"
		echo "$1: status $status, and no '$2'"
		exit 1
	fi
}
differs "s/elf-symbol name='iof_pager_pin'/elf-symbol name='iof_pager_nip'/" 'iof_pager_nip'
differs "s/\\(class-decl name='iof_fault_group' size-in-bits=\\)'[0-9]*'/\\1'1024'/" 'type size changed from 1024'
differs "s/layout-offset-in-bits='96'/layout-offset-in-bits='160'/" 'offset changed from 160 to 96'
differs "s/\\(enumerator name='IOF_WORLD_EMBEDDED' value=\\)'[0-9]*'/\\1'77'/" 'IOF_WORLD_EMBEDDED'
changed "/elf-symbol name='iof_pager_pin'/d"
[ $status -eq 0 ] || { cat "$work/out"; echo 'a new function is an objection'; exit 1; }

"$source/scripts/abi-dump" --check "$library"
