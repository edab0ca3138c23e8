# SPDX-License-Identifier: MIT
#
# Every task of this tree is a target here, and `make help` prints the targets. Meson and Ninja build the code.
# Each target first installs the packages that it needs, if they are missing (scripts/deps). All results go to
# build/.
#
#   make BUILD=dir         build in this folder instead of build/main
#   make PREFIX=/usr       install below this folder (and below DESTDIR, if given)
#   make MESON_ARGS=...    pass further arguments to `meson setup` of a new build folder
#   make fuzz RUNS=n       run n inputs, or SECS=n seconds; otherwise one minute
#   make vm-check KERNEL=7.2   use another Debian kernel (docs/kernels.md); also for vm-shell
#   make JOBS=n            run n compilers and tests at a time; otherwise one for each CPU

BUILD      ?= build/main
PREFIX     ?= /usr/local
JOBS       ?= $(shell nproc 2>/dev/null || echo 2)
MESON_ARGS ?=
ARGS       ?=
VM_KERNEL   = $(if $(KERNEL),--kernel $(KERNEL))

.DEFAULT_GOAL := all
.NOTPARALLEL:
.PHONY: all deps demo check check-full test tests audit format man bench kmod kmod-install kmod-uninstall kcheck vm-check \
	vm-shell vm-debug conformance vm-bench fuzz deb dist install uninstall clean distclean help

all: deps $(BUILD)/build.ninja  ## build the library, the command, the examples and, with cmocka, the tests (default)
	@ninja -C $(BUILD) -j $(JOBS)

$(BUILD)/build.ninja: | deps
	@meson setup $(BUILD) --prefix=$(PREFIX) $(MESON_ARGS)

deps:                           ## install the Debian packages that a build needs (other targets run this)
	@scripts/deps build

# The packages that other targets need besides: test, kmod, vm, check, deb, full.
deps-%:
	@scripts/deps $*

# The build folder with the tests. If it was configured without cmocka, Meson looks for it again.
tests: deps-test $(BUILD)/build.ninja
	@[ -d $(BUILD)/tests ] || meson configure $(BUILD) -Dtests=enabled
	@ninja -C $(BUILD) -j $(JOBS)

demo: all                       ## run a software DMA engine over a file; each page is a fault
	@scripts/demo $(BUILD) $(ARGS)

check: deps-check               ## run all tests: gcc, clang, ASan+UBSan, TSan; kmod, vm, conformance, deb, audit
	@scripts/check --jobs $(JOBS) $(ARGS)

check-full: deps-full           ## run longer checks: other releases in chroots, other kernels, more seeds
	@scripts/check-full $(ARGS)

test: tests                     ## run the tests of the ordinary build only, which is quick
	@scripts/check --jobs $(JOBS) --build $(BUILD) $(ARGS)

audit: deps-check               ## check the rules of this project
	@scripts/audit $(ARGS)

format: deps-check              ## format the C files of scripts/format's list by clang-format 14
	@scripts/format $(ARGS)

man: deps-kmod                  ## render man/man3 from the kernel-doc of the public headers
	@scripts/man3

# With optimisation and without checks, whatever the other build folder has.
bench: deps                     ## run the benchmarks and their peers, in a build of their own (build/bench)
	@[ -f build/bench/build.ninja ] || meson setup build/bench --buildtype=release -Dtests=disabled \
		-Dexamples=false
	@ninja -C build/bench -j $(JOBS)
	@scripts/bench build/bench $(ARGS)

kmod: deps-kmod                 ## build iofault.ko against stock kernel headers (build/kmod)
	@scripts/kmod $(ARGS)

kmod-install: deps-kmod         ## build iofault.ko and install it for modprobe (DESTDIR)
	@DESTDIR=$(DESTDIR) scripts/kmod --install

kmod-uninstall:                 ## remove the installed iofault.ko
	@DESTDIR=$(DESTDIR) scripts/kmod --uninstall

kcheck: deps-kmod               ## build iofault.ko with all checks, after a self-test of these checks
	@scripts/kmod --selftest

vm-check: deps-vm tests         ## run the module, programs and tests on a stock kernel, in QEMU
	@scripts/vm check $(VM_KERNEL) --build $(BUILD) $(ARGS)

vm-shell: deps-vm tests         ## open a shell in that machine, with the module loaded
	@scripts/vm shell $(VM_KERNEL) --build $(BUILD) $(ARGS)

vm-debug: deps-vm tests                 ## run vm-check on two debug kernels; building them takes hours
	@scripts/vm debug --build $(BUILD) $(ARGS)
	@scripts/conformance --kernel kasan --build $(BUILD)

vm-bench: deps-vm tests         ## measure the cost of a fault in the kernel, in instructions, in that machine
	@[ -f build/bench/build.ninja ] || meson setup build/bench --buildtype=release -Dtests=disabled \
		-Dexamples=false
	@ninja -C build/bench -j $(JOBS)
	@scripts/vm bench --build build/bench --tests $(BUILD) $(ARGS)

conformance: deps-vm tests      ## run Linux's own tests of iommufd, unmodified, on the module and under `iofault run`
	@scripts/conformance --build $(BUILD) $(ARGS)

fuzz: deps-check                ## run the fuzzer (build/fuzz); the first bug ends it
	@scripts/fuzz $(if $(RUNS),--runs $(RUNS)) $(if $(SECS),--seconds $(SECS)) $(ARGS)

deb: deps-deb                   ## build the Debian packages, in build/deb
	@scripts/deb $(ARGS)

dist:                           ## write the release of the sources, in build/dist
	@scripts/dist

install: all                    ## install library, headers, command, man pages (PREFIX, DESTDIR)
	@DESTDIR=$(DESTDIR) scripts/install $(BUILD) $(PREFIX)

uninstall:                      ## remove the files of the last installation (DESTDIR)
	@DESTDIR=$(DESTDIR) scripts/install $(BUILD) --uninstall

clean:                          ## remove the compiled files, keep the configuration
	@if [ -f $(BUILD)/build.ninja ]; then ninja -C $(BUILD) -t clean; fi

distclean:                      ## remove build/ as a whole
	@rm -rf build

help:                           ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@echo
	@sed -n 's/^#   make/  make/p' Makefile
