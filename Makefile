# SPDX-License-Identifier: MIT
#
# The one door: everything that is done with this tree is a target here, and `make help` prints them.
# Meson and Ninja do the building; each target first sees to it that the packages are there. Results go
# to build/ and nowhere else.
#
#   make BUILD=dir         builds somewhere else
#   make PREFIX=/usr       where `make install` puts things (with DESTDIR= in front, if given)
#   make MESON_ARGS=...    further arguments for `meson setup`, when the build folder is made
#   make fuzz RUNS=n       so many inputs, or SECS=n seconds; a minute otherwise
#   make JOBS=n            so many compilers and tests at a time; all processors otherwise

BUILD      ?= build/main
PREFIX     ?= /usr/local
JOBS       ?= $(shell nproc 2>/dev/null || echo 2)
MESON_ARGS ?=
ARGS       ?=

.DEFAULT_GOAL := all
.NOTPARALLEL:
.PHONY: all deps demo check test audit bench kmod kmod-install kcheck vm-check vm-shell vm-debug conformance vm-bench fuzz install clean distclean help

all: deps $(BUILD)/build.ninja  ## build the library, the command, examples and tests (the default)
	@ninja -C $(BUILD) -j $(JOBS)

$(BUILD)/build.ninja: | deps
	@meson setup $(BUILD) --prefix=$(PREFIX) $(MESON_ARGS)

deps:                           ## install the Debian packages that are missing (runs by itself)
	@scripts/deps

demo: all                       ## a software DMA engine works through a file; each page is a fault
	@scripts/demo $(BUILD) $(ARGS)

check: deps                     ## all tests: gcc, clang, ASan+UBSan, TSan; kmod, vm, conformance, audit
	@scripts/check --jobs $(JOBS) $(ARGS)

test: all                       ## the tests in the ordinary build only: quick
	@scripts/check --jobs $(JOBS) --build $(BUILD) $(ARGS)

audit: deps                     ## the rules of the house, counted by machine
	@scripts/audit $(ARGS)

# With optimisation and without checks, whatever the other build folder has.
bench: deps                     ## measure, beside the peers, in a build of its own (build/bench)
	@[ -f build/bench/build.ninja ] || meson setup build/bench --buildtype=release -Dtests=false \
		-Dexamples=false
	@ninja -C build/bench -j $(JOBS)
	@scripts/bench build/bench $(ARGS)

kmod: deps                      ## build iofault.ko against stock kernel headers (build/kmod)
	@scripts/kmod $(ARGS)

kmod-install: deps              ## build it, and put it where modprobe finds it (DESTDIR)
	@DESTDIR=$(DESTDIR) scripts/kmod --install

kcheck: deps                    ## the same, after a look whether its checks find what they should
	@scripts/kmod --selftest

vm-check: all                   ## run module, programs and tests on a stock kernel, in QEMU
	@scripts/vm check --build $(BUILD) $(ARGS)

vm-shell: all                   ## a prompt in that machine, with the module loaded
	@scripts/vm shell --build $(BUILD) $(ARGS)

vm-debug: all                   ## the same as vm-check on two debug kernels; building them takes hours
	@scripts/vm debug --build $(BUILD) $(ARGS)
	@scripts/conformance --kernel kasan --build $(BUILD)

vm-bench: deps                  ## what a fault costs in the kernel, counted in instructions, in that machine
	@[ -f build/bench/build.ninja ] || meson setup build/bench --buildtype=release -Dtests=false \
		-Dexamples=false
	@ninja -C build/bench -j $(JOBS)
	@scripts/vm bench --build build/bench $(ARGS)

conformance: all                ## Linux's own tests of iommufd, unmodified, on the module and under `iofault run`
	@scripts/conformance --build $(BUILD) $(ARGS)

fuzz: deps                      ## misuse everything at once, on and on (build/fuzz); a finding ends it
	@scripts/fuzz $(if $(RUNS),--runs $(RUNS)) $(if $(SECS),--seconds $(SECS)) $(ARGS)

install: all                    ## install library, headers, command, man page (PREFIX, DESTDIR)
	@meson configure $(BUILD) -Dprefix=$(PREFIX) >/dev/null
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD)
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" -eq 0 ]; then ldconfig; fi

clean:                          ## remove what was compiled, keep the configuration
	@if [ -f $(BUILD)/build.ninja ]; then ninja -C $(BUILD) -t clean; fi

distclean:                      ## remove build/ as a whole
	@rm -rf build

help:                           ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@echo
	@sed -n 's/^#   make/  make/p' Makefile
