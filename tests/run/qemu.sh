#!/bin/bash
# SPDX-License-Identifier: MIT
#
# qemu.sh: QEMU with `-device vfio-pci,host=NAME` opens the device through its VFIO group and maps the guest's
# memory by the type 1 commands; a guest does DMA with it (qemu_guest.c). Emulated: /dev/kvm is not needed.
set -euo pipefail

: "${IOFAULT:?}" "${SOURCE:?}"
skip() { echo "skipped: $*"; exit 77; }

missing=$("$IOFAULT" run --check) || skip "$missing"
command -v qemu-system-x86_64 > /dev/null || skip "qemu-system-x86_64 is not installed"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${CC:-cc}" -m32 -march=i686 -O1 -ffreestanding -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables -nostdlib \
	-static -Wl,--build-id=none -Wl,-Ttext=0x100000 -Wl,--section-start=.multiboot=0xff000 -Wl,-no-pie \
	-o "$folder/guest" "$SOURCE/tests/run/qemu_guest.c" 2> "$folder/cc" ||
	skip "no compiler for a 32-bit guest: $(head -n 1 "$folder/cc")"

status=0
timeout 150 "$IOFAULT" run --trace "$folder/trace" --device ats-test -- \
	qemu-system-x86_64 -machine q35,accel=tcg -m 64 -nodefaults -display none -no-reboot \
	-kernel "$folder/guest" -debugcon stdio -device isa-debug-exit,iobase=0xf4,iosize=4 \
	-device vfio-pci,host=f000:00:01.0 > "$folder/out" 2>&1 || status=$?
cat "$folder/out"
[ "$status" = 33 ] || { echo "status $status"; tail -n 20 "$folder/trace"; exit 1; }
grep -q '64 pages copied' "$folder/out"
# It went through the group, not through an iommufd.
grep -q 'GROUP_GET_DEVICE_FD.* = 0' "$folder/trace"
grep -q 'IOMMU_MAP_DMA.* = 0' "$folder/trace"
if grep -q BIND_IOMMUFD "$folder/trace"; then
	echo "QEMU has bound the device through its own node"
	exit 1
fi
