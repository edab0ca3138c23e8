# SPDX-License-Identifier: MIT
#
# The one door: everything that is done with this tree is a target here, and `make help` prints them.
# Meson and Ninja do the building; each target first sees to it that the packages that it needs are there
# (scripts/deps). Results go to build/ and nowhere else.
#
#   make BUILD=dir         builds somewhere else
#   make PREFIX=/usr       where `make install` puts things (with DESTDIR= in front, if given)
#   make MESON_ARGS=...    further arguments for `meson setup`, when the build folder is made
#   make fuzz RUNS=n       so many inputs, or SECS=n seconds; a minute otherwise
#   make vm-check KERNEL=7.2   on another of Debian's kernels (docs/kernels.md); vm-shell too
#   make JOBS=n            so many compilers and tests at a time; all processors otherwise

BUILD      ?= build/main
PREFIX     ?= /usr/local
JOBS       ?= $(shell nproc 2>/dev/null || echo 2)
MESON_ARGS ?=
ARGS       ?=
VM_KERNEL   = $(if $(KERNEL),--kernel $(KERNEL))

.DEFAULT_GOAL := all
.NOTPARALLEL:
.PHONY: all deps demo check check-full test tests audit format man bench kmod kmod-install kmod-uninstall kcheck vm-check \
	vm-shell vm-debug conformance vm-bench fuzz install uninstall clean distclean help

all: deps $(BUILD)/build.ninja  ## build the library, the command and examples; tests, if cmocka is there (the default)
	@ninja -C $(BUILD) -j $(JOBS)

$(BUILD)/build.ninja: | deps
	@meson setup $(BUILD) --prefix=$(PREFIX) $(MESON_ARGS)

deps:                           ## install the Debian packages that building needs (runs by itself)
	@scripts/deps build

# What the other targets need beside that: test, kmod, vm, check, full.
deps-%:
	@scripts/deps $*

# The build folder, with the tests in it. One that was made without cmocka looks again for it.
tests: deps-test $(BUILD)/build.ninja
	@[ -d $(BUILD)/tests ] || meson configure $(BUILD) -Dtests=enabled
	@ninja -C $(BUILD) -j $(JOBS)

demo: all                       ## a software DMA engine works through a file; each page is a fault
	@scripts/demo $(BUILD) $(ARGS)

check: deps-check               ## all tests: gcc, clang, ASan+UBSan, TSan; kmod, vm, conformance, audit
	@scripts/check --jobs $(JOBS) $(ARGS)

check-full: deps-full           ## what takes longer: other releases in chroots, other kernels, more seeds
	@scripts/check-full $(ARGS)

test: tests                     ## the tests in the ordinary build only: quick
	@scripts/check --jobs $(JOBS) --build $(BUILD) $(ARGS)

audit: deps-check               ## the rules of the house, counted by machine
	@scripts/audit $(ARGS)

format: deps-check              ## bring the C files of scripts/format's list into form, by clang-format 14
	@scripts/format $(ARGS)

man: deps-kmod                  ## render man/man3 from the kernel-doc of the public headers
	@scripts/man3

# With optimisation and without checks, whatever the other build folder has.
bench: deps                     ## measure, beside the peers, in a build of its own (build/bench)
	@[ -f build/bench/build.ninja ] || meson setup build/bench --buildtype=release -Dtests=disabled \
		-Dexamples=false
	@ninja -C build/bench -j $(JOBS)
	@scripts/bench build/bench $(ARGS)

kmod: deps-kmod                 ## build iofault.ko against stock kernel headers (build/kmod)
	@scripts/kmod $(ARGS)

kmod-install: deps-kmod         ## build it, and put it where modprobe finds it (DESTDIR)
	@DESTDIR=$(DESTDIR) scripts/kmod --install

kmod-uninstall:                 ## remove it from there
	@DESTDIR=$(DESTDIR) scripts/kmod --uninstall

kcheck: deps-kmod               ## the same, after a look whether its checks find what they should
	@scripts/kmod --selftest

vm-check: deps-vm tests         ## run module, programs and tests on a stock kernel, in QEMU
	@scripts/vm check $(VM_KERNEL) --build $(BUILD) $(ARGS)

vm-shell: deps-vm tests         ## a prompt in that machine, with the module loaded
	@scripts/vm shell $(VM_KERNEL) --build $(BUILD) $(ARGS)

vm-debug: deps-vm tests                 ## the same as vm-check on two debug kernels; building them takes hours
	@scripts/vm debug --build $(BUILD) $(ARGS)
	@scripts/conformance --kernel kasan --build $(BUILD)

vm-bench: deps-vm               ## what a fault costs in the kernel, counted in instructions, in that machine
	@[ -f build/bench/build.ninja ] || meson setup build/bench --buildtype=release -Dtests=disabled \
		-Dexamples=false
	@ninja -C build/bench -j $(JOBS)
	@scripts/vm bench --build build/bench $(ARGS)

conformance: deps-vm tests      ## Linux's own tests of iommufd, unmodified, on the module and under `iofault run`
	@scripts/conformance --build $(BUILD) $(ARGS)

fuzz: deps-check                ## misuse everything at once, on and on (build/fuzz); a finding ends it
	@scripts/fuzz $(if $(RUNS),--runs $(RUNS)) $(if $(SECS),--seconds $(SECS)) $(ARGS)

install: all                    ## install library, headers, command, man pages (PREFIX, DESTDIR)
	@DESTDIR=$(DESTDIR) scripts/install $(BUILD) $(PREFIX)

uninstall:                      ## remove what the last installation put in place (DESTDIR)
	@DESTDIR=$(DESTDIR) scripts/install $(BUILD) --uninstall

clean:                          ## remove what was compiled, keep the configuration
	@if [ -f $(BUILD)/build.ninja ]; then ninja -C $(BUILD) -t clean; fi

distclean:                      ## remove build/ as a whole
	@rm -rf build

help:                           ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@echo
	@sed -n 's/^#   make/  make/p' Makefile
