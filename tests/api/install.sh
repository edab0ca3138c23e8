#!/bin/bash
# SPDX-License-Identifier: MIT
#
# install.sh BUILD CC...: what `make install` installs is enough. Installs into an empty folder, builds a
# program from outside with nothing but pkg-config's flags, once against the shared library and once
# against the static one, and runs it on an embedded world.
set -euo pipefail
build=$1
shift
dest=$(mktemp -d)
trap 'rm -rf "$dest"' EXIT
export PKG_CONFIG_LIBDIR PKG_CONFIG_PATH
meson install -C "$build" --no-rebuild --quiet --destdir "$dest/root"
pc=$(find "$dest/root" -name iofault.pc)
[ -n "$pc" ] || { echo "no iofault.pc was installed"; exit 1; }
system=$(pkg-config --variable pc_path pkg-config)
PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_LIBDIR=$system
prefix=$(sed -n 's/^prefix=//p' "$pc")
flags() {
	pkg-config --define-variable=prefix="$dest/root$prefix" "$@" iofault
}

for file in iofault.h iommufd.h vfio.h handler.h pager.h; do
	[ -n "$(find "$dest/root" -path "*/include/iofault/$file")" ] ||
		{ echo "no $file was installed"; exit 1; }
done
[ -n "$(find "$dest/root" -path '*/bin/iofault' -perm -100)" ] ||
	{ echo "no command was installed"; exit 1; }

rules=$(find "$dest/root" -path '*/lib/udev/rules.d/60-iofault.rules')
[ -n "$rules" ] || { echo "no udev rule was installed"; exit 1; }
[ "$(grep -c 'GROUP="[a-z]' "$rules")" = 2 ] || { echo "the udev rule names no group"; exit 1; }

cat >"$dest/program.c" <<'END'
#include <iofault/handler.h>
#include <iofault/iofault.h>
#include <iofault/iommufd.h>
#include <iofault/pager.h>
#include <stdio.h>

int main(void)
{
	struct iof_world_config config = { .kind = IOF_WORLD_EMBEDDED };
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct iof_world *world;
	int fd, rc;

	rc = iof_world_open(&config, &world);
	if (rc)
		return printf("world: %d\n", rc), 1;
	fd = iof_open(world, "/dev/iommu", 2 /* O_RDWR */);
	if (fd < 0)
		return printf("open: %d\n", fd), 1;
	rc = iof_ioctl(fd, IOMMU_IOAS_ALLOC, &alloc);
	if (rc || alloc.out_ioas_id != 1)
		return printf("alloc: %d, id %u\n", rc, alloc.out_ioas_id), 1;
	if (iof_close(fd) || iof_world_close(world))
		return 1;
	return 0;
}
END

# shellcheck disable=SC2046 # flags are words
"$@" -std=c11 "$dest/program.c" -o "$dest/shared" $(flags --cflags --libs)
LD_LIBRARY_PATH=$(flags --variable=libdir) "$dest/shared"
echo "the shared library serves"

archive=$(find "$dest/root" -name libiofault.a)
[ -n "$archive" ] || { echo "no static library was installed"; exit 1; }
# All that is static: the C library too.
# shellcheck disable=SC2046 # flags are words
"$@" -std=c11 -static "$dest/program.c" -o "$dest/static" $(flags --static --cflags --libs)
"$dest/static"
! ldd "$dest/static" >/dev/null 2>&1 || { echo "it is not static"; exit 1; }
# Shared libraries of others, our own one as an archive.
libs=$(flags --static --libs | sed "s,-liofault\\b,$archive,")
# shellcheck disable=SC2046,SC2086 # flags are words
"$@" -std=c11 "$dest/program.c" -o "$dest/mixed" $(flags --cflags) $libs
"$dest/mixed"
echo "the static library serves"
