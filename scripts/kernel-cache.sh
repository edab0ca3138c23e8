# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154 # variables are shared with the scripts that read this
#
# scripts/kernel-cache.sh: functions for scripts/kernel-headers, kernel-image and kernel-source, which read it
# with `.` after they set $me (the name in messages) and $what (the wanted files, in words). apt downloads and
# checks Debian's kernel packages. Each set is unpacked in ${IOFAULT_CACHE:-~/.cache/iofault}, in a folder with
# the layout of /; no package is installed. A cached set needs no network. Runs may overlap.
#
# The caller defines
#   look_up   sets $package, the name of the set's first package, from apt's lists; empty if they lack it
#   others    prints the packages that belong to it, one per line (may print nothing); false: lists incomplete
#   show DIR  prints the wanted path in a folder with the layout of /; false if it does not exist
#   finish DIR  completes a folder that was just unpacked (may do nothing)
# and calls fetch, which ends the script if it succeeds. If fetch returns, the download failed, $reason has
# the cause, and the caller can try an older package. Exit 2: the files are not available here.
LC_ALL=C
export LC_ALL

fail() {
	echo "$me: $*" >&2
	exit 2
}

for tool in apt-get apt-cache dpkg dpkg-deb flock; do
	command -v "$tool" >/dev/null 2>&1 ||
		fail "there is no $tool here: name a kernel tree in IOF_KERNEL instead"
done
arch=$(dpkg --print-architecture)
# The kernel that everything is tested on, and those that the module supports, as a pattern of sed.
series=6.12
supported='\(6\.1[2-9]\|7\.[0-3]\)'

if [ -n "${IOFAULT_CACHE-}" ]; then
	cache=$IOFAULT_CACHE
elif [ -n "${XDG_CACHE_HOME-}" ]; then
	cache=$XDG_CACHE_HOME/iofault
elif [ -n "${HOME-}" ]; then
	cache=$HOME/.cache/iofault
else
	fail "there is no home directory to keep $what in: name one in IOFAULT_CACHE"
fi
if ! mkdir -p "$cache" 2>/dev/null || [ ! -w "$cache" ]; then
	fail "cannot write to $cache: name another folder in IOFAULT_CACHE"
fi
cache=$(cd "$cache" && pwd)

# The one package of a dependency list whose name has a given form.
dependency() {
	apt-cache depends "$1" 2>/dev/null |
		sed -n "/^[ |]*Depends: $2\$/{s/.*: //;p;q}"
}

download() {
	[ -n "$package" ] || return 1
	more=$(others) || return 1
	# shellcheck disable=SC2086 # a list of names
	(cd "$new" && rm -f ./*.deb &&
		apt-get -q -o APT::Sandbox::User=root download "$package" $more >log 2>&1)
}

# The lists of a fresh machine may be absent or old: fetch them once if the first try fails.
update() {
	if [ "$(id -u)" -eq 0 ]; then
		apt-get update -q
	elif command -v sudo >/dev/null 2>&1; then
		sudo -n apt-get update -q
	else
		return 1
	fi >"$new/log" 2>&1 </dev/null
}

here() {
	[ -n "$package" ] && show "$cache/$package"
}

fetch() {
	look_up
	here && exit 0
	# One run at a time from here on; a run that waited may find the set complete. Files of a killed run are deleted.
	exec 9>"$cache/lock"
	flock 9
	here && exit 0
	rm -rf "$cache"/unpack.*
	new=$(mktemp -d "$cache/unpack.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM

	if ! download; then
		update || true
		look_up
		here && exit 0
		if ! download; then
			reason=$(sed -n 's/^E: //p' "$new/log" 2>/dev/null | tail -n 1)
			return 0
		fi
	fi
	for deb in "$new"/*.deb; do
		dpkg-deb -x "$deb" "$new/root" || fail "cannot unpack $deb"
		rm "$deb"
	done
	finish "$new/root"
	# Rename the complete folder in one step, so that no other run reads a partial one.
	rm -rf "$cache/$package.old"
	[ ! -e "$cache/$package" ] || mv -T "$cache/$package" "$cache/$package.old"
	mv -T "$new/root" "$cache/$package"
	rm -rf "$cache/$package.old"
	show "$cache/$package" || fail "the package $package is not laid out as expected"
	exit 0
}
