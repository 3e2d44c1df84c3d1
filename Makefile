# A thin front for the CMake presets (CMakePresets.json). `make help` says what there is.
JOBS ?= $(shell nproc)
# most of their time tests wait
TESTS_AT_ONCE ?= $(shell echo $$(($(JOBS) * 3 / 2)))
COUNT ?= 300
PREFIX ?= /usr/local
DESTDIR ?=

WERROR = $(if $(SG_WERROR),-DSG_WERROR=$(SG_WERROR))
INSTALL_PACKAGES = packaging/install-packages.sh
# gcc 12's ThreadSanitizer cannot start where the kernel randomises addresses by more than 28 bits
STEADY = $(shell setarch -R true 2>/dev/null && echo setarch -R)

.PHONY: programs release debug asan tsan run check fuzz fuzz-corpus soak kill coverage bench install deb clean help
.SILENT: help

# What users need; the tests need more packages.
programs:
	cmake --preset release $(WERROR) --log-level=NOTICE
	cmake --build --preset release -j $(JOBS) --target smtpguardd smtpguardctl

release debug asan tsan: %: build-%

build-%:
	cmake --preset $* $(WERROR) --log-level=NOTICE
	cmake --build --preset $* -j $(JOBS)

help:
	echo "make                   build the two programs, below build/release"
	echo "make run               install what is missing, build, start the demo on 127.0.0.1:2525"
	echo "make check             install what is missing, build, run every test"
	echo "make fuzz TIME=60      each fuzz target for TIME seconds; make fuzz-corpus brings what it found into fuzz/corpus"
	echo "make soak TIME=1200    bad and broken clients, DNS and backends that fail, reloads; SANITIZE=asan or tsan: fewer"
	echo "make kill COUNT=300    kill -9 at random moments under load: nothing lost, nothing twice without a word"
	echo "make coverage          every test once more, and which lines and branches they reach"
	echo "make bench             SmtpGuard beside HAProxy and postscreen, on this machine; bench/stores: the stores"
	echo "make install           into PREFIX=/usr/local (below DESTDIR); settings to /etc/smtpguard"
	echo "make deb               a Debian package, in build/deb"
	echo "make release           build all, tests included; also: debug, asan, tsan"
	echo "make clean             remove build/"

run:
	$(INSTALL_PACKAGES) build run
	$(MAKE) --no-print-directory programs
	packaging/demo.sh

# release: all tests. asan: all but the house rules, the whole end to end too. tsan: what is labelled "threads", some
# themes end to end among it. fuzz: all is built by clang, each corpus is run.
check:
	$(INSTALL_PACKAGES) build test fuzz
	$(MAKE) --no-print-directory build-release
	ctest --preset release -j $(TESTS_AT_ONCE)
	$(MAKE) --no-print-directory build-asan
	ctest --preset asan -j $(TESTS_AT_ONCE)
	$(MAKE) --no-print-directory build-tsan
	$(STEADY) ctest --preset tsan -j $(TESTS_AT_ONCE)
	$(MAKE) --no-print-directory build-fuzz
	ctest --preset fuzz -j $(JOBS)

# A sanitized server is slower; its memory is not judged.
SANITIZE ?=
SOAK_OPTIONS = --rate 60 --sessions 400
ifneq ($(SANITIZE),)
SOAK_OPTIONS = --rate 15 --sessions 120 --sanitized
export SMTPGUARD_TEST_PATIENCE = 4
endif
SOAKED = $(or $(SANITIZE),release)
# the Python that has Debian's pytest
PYTHON = /usr/bin/python3
PROGRAMS_OF = SMTPGUARDD=$(CURDIR)/build/$(1)/server/smtpguardd SMTPGUARDCTL=$(CURDIR)/build/$(1)/tools/smtpguardctl

build-soaked:
	$(INSTALL_PACKAGES) build test
	cmake --preset $(SOAKED) $(WERROR) --log-level=NOTICE
	cmake --build --preset $(SOAKED) -j $(JOBS) --target smtpguardd smtpguardctl

soak: TIME ?= 1200
soak: build-soaked
	$(call PROGRAMS_OF,$(SOAKED)) $(STEADY) $(PYTHON) tests/soak/soak.py --time $(TIME) $(SOAK_OPTIONS)

kill: build-soaked
	$(call PROGRAMS_OF,$(SOAKED)) $(STEADY) $(PYTHON) tests/soak/kill.py --count $(COUNT)

# Fails when a test does, or below 90 % of the lines. What a killed process has reached is not counted.
coverage: build-coverage
	$(INSTALL_PACKAGES) build test
	find build/coverage -name '*.gcda' -delete
	ctest --preset coverage -j $(TESTS_AT_ONCE); tests=$$?; python3 cmake/coverage.py build/coverage --least 90 && exit $$tests

# What is newly found goes to build/fuzz/found and is merged there: the smallest inputs that reach as much. A crash
# stops the run and leaves its input there.
fuzz: TIME ?= 60
fuzz:
	$(INSTALL_PACKAGES) build fuzz
	$(MAKE) --no-print-directory build-fuzz
	set -e; for corpus in fuzz/corpus/*/; do \
		name=$$(basename $$corpus); found=build/fuzz/found/$$name; mkdir -p $$found; \
		dict=; [ ! -e fuzz/$$name.dict ] || dict=-dict=fuzz/$$name.dict; \
		echo "== $$name"; \
		build/fuzz/fuzz/fuzz_$$name -max_total_time=$(TIME) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
			$$dict -artifact_prefix=$$found- $$found $$corpus; \
		rm -rf $$found.small; mkdir $$found.small; \
		build/fuzz/fuzz/fuzz_$$name -merge=1 -timeout=10 $$found.small $$corpus $$found 2>&1 | tail -n 1; \
		rm -rf $$found; mv $$found.small $$found; \
	done

# Of what was found only inputs that reach a place that the corpus does not; they are for committing.
fuzz-corpus: build-fuzz
	set -e; for corpus in $(wildcard build/fuzz/found/*/); do \
		name=$$(basename $$corpus); corpus=fuzz/corpus/$$name; \
		build/fuzz/fuzz/fuzz_$$name -merge=1 -use_counters=0 -timeout=10 $$corpus build/fuzz/found/$$name 2>&1 | tail -n 1; \
	done

bench:
	$(INSTALL_PACKAGES) build bench
	$(MAKE) --no-print-directory programs
	bench/run --smtpguardd build/release/server/smtpguardd
	test $$(id -u) -ne 0 || bench/door --smtpguardd build/release/server/smtpguardd

install:
	test -e build/release/server/smtpguardd || $(MAKE) --no-print-directory programs
	DESTDIR=$(DESTDIR) cmake --install build/release --prefix $(PREFIX)

deb:
	$(INSTALL_PACKAGES) build deb
	$(MAKE) --no-print-directory programs
	cpack --config build/release/CPackConfig.cmake -B build/deb
	ls build/deb/*.deb

clean:
	rm -rf build
