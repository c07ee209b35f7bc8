# tidegate: one non-recursive makefile. `make help` lists the targets.
#
#   make                     the program, ./tidegate
#   make test                installs what is missing, builds, runs unit and end-to-end tests
#   make demo                installs what is missing, builds, migrates a live database before your eyes
#   SAN=asan | SAN=tsan      the same with sanitizers    CC=clang    the other compiler    WERROR=1    as CI builds
#   LTO=                     the program is linked in a second instead of half a minute, and runs a tenth slower

CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
PREFIX  ?= /usr/local
VERSION := 0.1.0
SAN     ?=
BUILD   ?= build/$(notdir $(CC))$(if $(SAN),-$(SAN))

PKGS := libpq yaml-0.1 sqlite3 libmicrohttpd libcurl jansson libxxhash libssl libcrypto libzstd
# A fresh machine has no pkg-config yet: `make deps` must work before it is there.
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

WARN := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wcast-qual -Wcast-align \
        -Wpointer-arith -Wstrict-prototypes -Wold-style-definition -Wmissing-prototypes \
        -Wredundant-decls -Wwrite-strings -Wformat=2 -Wundef -Wvla -Wswitch-enum \
        -Wimplicit-fallthrough -Wnull-dereference -Wdouble-promotion \
        -Wno-missing-field-initializers
HARDEN := -fno-common -fno-strict-aliasing -fvisibility=hidden -fstack-protector-strong \
          -fstack-clash-protection -fcf-protection
# What only one of the compilers knows; `make lint` asks clang whichever compiler builds.
WARN_CLANG := $(WARN) -Wmissing-variable-declarations -Wthread-safety -Wcomma -Wunreachable-code
ifneq ($(findstring clang,$(notdir $(CC))),)
WARN := $(WARN_CLANG)
else
WARN += -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wjump-misses-init \
        -Wformat-signedness -Wformat-overflow=2 -Wstringop-overflow=4
endif
ifeq ($(SAN),asan)
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPT := -O1
else ifeq ($(SAN),tsan)
SANFLAGS := -fsanitize=thread -fno-omit-frame-pointer
OPT := -O1
else
SANFLAGS :=
HARDEN += -D_FORTIFY_SOURCE=2
OPT := -O3
endif

# A change goes through many small functions of many files, which are made one at the link. The objects
# are whole without it, too, so that tests are linked fast. Clang's way takes another linker.
LTO := $(if $(SAN)$(FAILPOINTS)$(findstring clang,$(notdir $(CC))),,1)
LTO_CFLAGS := $(if $(LTO),-flto -ffat-lto-objects)
LTO_LDFLAGS := $(if $(LTO),-flto=auto $(OPT))
# -fno-lto cannot be taken back further on in a command.
FAST_LDFLAGS := $(if $(LTO),-fno-lto)

# Failpoints (agent/base/failpoint.h) are compiled out unless FAILPOINTS=1.
CPPFLAGS_ALL := -I. -D_GNU_SOURCE -DTIDEGATE_VERSION='"$(VERSION)"' -DHASH_NONFATAL_OOM=0 \
                $(if $(FAILPOINTS),-DTIDEGATE_FAILPOINTS) $(PKG_CFLAGS)
CFLAGS_ALL := -std=gnu17 $(OPT) -g $(WARN) $(HARDEN) $(SANFLAGS) $(if $(WERROR),-Werror) \
              -include agent/base/banned.h $(CFLAGS)
LDFLAGS_ALL := $(SANFLAGS) -Wl,-z,relro,-z,now $(LDFLAGS)
LIBS := $(PKG_LIBS) -lpthread -lm

SRC  := $(sort $(filter-out agent/main.c,$(wildcard agent/*.c agent/*/*.c decoders/*.c sinks/*.c sinks/*/*.c config/*.c)))
OBJ  := $(SRC:%.c=$(BUILD)/%.o)
LIB  := $(BUILD)/libtidegate.a
BIN  := $(BUILD)/tidegate
# ONLY="agent/base agent/spool" tests just these folders.
UNIT_SRC := $(if $(ONLY),$(sort $(foreach d,$(ONLY),$(wildcard tests/unit/$(d)/*_test.c))),$(sort $(shell find tests/unit -name '*_test.c' 2>/dev/null)))
# SKIP="agent/spool/reader config/dsn" leaves tests out.
UNIT_SRC := $(filter-out $(SKIP:%=tests/unit/%_test.c),$(UNIT_SRC))
UNIT_BIN := $(UNIT_SRC:%.c=$(BUILD)/%)
TESTLIB_SRC := $(sort $(wildcard tests/lib/*.c))
TESTLIB_OBJ := $(TESTLIB_SRC:%.c=$(BUILD)/%.o)
FORMAT_FILES := $(shell find agent decoders sinks config tests -name '*.[ch]' 2>/dev/null)

# V=1 shows the commands themselves.
Q   := $(if $(V),,@)
say  = $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),,@echo '  $(1)')

.PHONY: all
all: tidegate

tidegate: $(BIN)
	@ln -sf $(BIN) tidegate

$(BIN): $(BUILD)/agent/main.o $(LIB)
	$(call say,LD $@)
	$(Q)$(CC) $(LDFLAGS_ALL) $(LTO_LDFLAGS) -o $@ $^ $(LIBS)

$(LIB): $(OBJ)
	@rm -f $@
	@$(AR) rcs $@ $^

# Tests are built more often than they run.
$(BUILD)/tests/unit/%.o: TEST_CFLAGS := -O1
$(BUILD)/tests/%.o: tests/%.c | builddeps
	@mkdir -p $(@D)
	$(call say,CC $<)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -Wno-conversion -Wno-sign-conversion $(TEST_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/agent/pipeline/ddl_capture.o: agent/pipeline/ddl_capture.sql
$(BUILD)/%.o: %.c | builddeps
	@mkdir -p $(@D)
	$(call say,CC $<)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LTO_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/unit/%_test: $(BUILD)/tests/unit/%_test.o $(TESTLIB_OBJ) $(LIB)
	@$(CC) $(LDFLAGS_ALL) $(FAST_LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

$(BUILD)/tests/bench/append: $(BUILD)/tests/bench/append.o $(LIB)
	@$(CC) $(LDFLAGS_ALL) $(LTO_LDFLAGS) -o $@ $^ $(LIBS)
$(BUILD)/tests/bench/slow_disk.so: tests/bench/slow_disk.c
	@mkdir -p $(@D)
	@$(CC) -O2 -fPIC -shared -o $@ $< -ldl
$(BUILD)/tests/bench/hotpath: $(BUILD)/tests/bench/hotpath.o $(BUILD)/tests/bench/feed.o $(LIB)
	@$(CC) $(LDFLAGS_ALL) $(LTO_LDFLAGS) -o $@ $^ $(LIBS)

# With other flags they are other objects.
$(OBJ) $(BUILD)/agent/main.o: Makefile
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.SECONDARY:

.PHONY: builddeps
builddeps:
	@pkg-config --exists $(PKGS) || { echo "missing build packages: run 'make deps' (Debian 12, root or sudo)" >&2; exit 1; }

# What the sink does with one connection to its server, it must do with several.
SINK_TESTS = $(filter %_server_test,$(filter $(BUILD)/tests/unit/sinks/postgres/%,$(UNIT_BIN)))

.PHONY: test-unit
test-unit: $(UNIT_BIN) ## the unit tests; ONLY="agent/base agent/spool" picks folders
	@tests/lib/run_unit.sh $(UNIT_BIN)
	$(if $(SINK_TESTS),@TIDEGATE_TEST_APPLY_JOBS=4 tests/lib/run_unit.sh $(SINK_TESTS))

# --- targets around the program ---------------------------------------------------------------------
# Packages are looked up when this file is read, so a target that installs some starts make once more.

AGAIN := $(MAKE) --no-print-directory
PYTHON := /usr/bin/python3

.PHONY: deps deps-build deps-test deps-lint deps-bench
deps: ## installs every Debian package that building, testing and linting need
	@tests/lib/deps.sh build test lint
deps-build:
	@tests/lib/deps.sh build
deps-test:
	@tests/lib/deps.sh test
deps-lint:
	@tests/lib/deps.sh lint
deps-bench:
	@tests/lib/deps.sh bench

.PHONY: test test-e2e test-long test-crash
test: ## installs what is missing, builds, runs unit and end-to-end tests
	@$(AGAIN) deps-build deps-test
	@$(AGAIN) -k test-unit test-e2e

E2E = TIDEGATE_BIN=$(abspath $(BIN)) TIDEGATE_SAN=$(SAN) tests/e2e/run.sh
test-e2e: tidegate ## end-to-end tests of every day; E2E_ARGS="-k sakila -x" picks some
	@$(E2E) -n $(or $(WORKERS),3) -m "not long" $(E2E_ARGS)
test-long: tidegate ## the end-to-end tests that take longer
	@$(E2E) -n $(or $(WORKERS),1) -m long $(E2E_ARGS)
test-crash: tidegate ## kill -9 at every named point, and KILLS=40 times at random (SEED=N repeats)
	@$(AGAIN) FAILPOINTS=1 BUILD=build/failpoints build/failpoints/tidegate
	@TIDEGATE_FAILPOINT_BIN=$(abspath build/failpoints/tidegate) TIDEGATE_KILLS=$(or $(KILLS),40) \
		$(if $(SEED),TIDEGATE_SEED=$(SEED)) $(E2E) -n $(or $(WORKERS),3) -m crash $(E2E_ARGS)

.PHONY: demo
demo: ## installs what is missing, builds, moves a live database before your eyes
	@$(AGAIN) deps-build deps-test
	@$(AGAIN) tidegate
	@tests/demo/demo.sh

.PHONY: lint format docs man
lint: ## includes, budgets, comments, format, generated pages, cppcheck, clang-tidy with clang's warnings
	@WARN_CLANG='$(WARN_CLANG)' tests/lint/run.sh
format: ## clang-format over all C files
	@clang-format -i $(FORMAT_FILES)
docs: tidegate ## writes the pages that are made from the option table
	@TIDEGATE_BIN=$(BIN) tests/lint/stale_docs.sh --write
MAN_SRC := $(sort $(wildcard agent/cli/*.[1-8].md config/*.[1-8].md))
man: $(foreach page,$(MAN_SRC),build/man/$(basename $(notdir $(page)))) ## manual pages, by pandoc
define man_rule
build/man/$(basename $(notdir $(1))): $(1)
	@mkdir -p build/man
	pandoc -s -f markdown -t man -o $$@ $$<
endef
$(foreach page,$(MAN_SRC),$(eval $(call man_rule,$(page))))

# Fuzzing: each tests/fuzz/fuzz_NAME.c is one target, its corpus is tests/fuzz/corpus/NAME.
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BIN := $(FUZZ_SRC:%.c=$(BUILD)/%)
FUZZ_BUILD := CC=clang SAN=asan BUILD=build/fuzz CFLAGS=-fsanitize=fuzzer-no-link
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(LIB)
	@$(CC) -fsanitize=fuzzer $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
.PHONY: fuzz-bins fuzz fuzz-short
fuzz-bins: $(FUZZ_BIN)
fuzz: ## fuzzes each target for TIME=60 seconds, finds are kept in build/fuzz
	@$(AGAIN) $(FUZZ_BUILD) fuzz-bins
	@tests/lib/run_fuzz.sh build/fuzz $(or $(TIME),60)
fuzz-short: ## replays the corpora and fuzzes each target for 5 seconds
	@$(AGAIN) $(FUZZ_BUILD) fuzz-bins
	@tests/lib/run_fuzz.sh build/fuzz 5

# Simulation: one program; functions that its mutations exchange are wrapped by the linker.
SIM_SRC := $(sort $(wildcard tests/sim/*.c))
SIM_OBJ := $(SIM_SRC:%.c=$(BUILD)/%.o) $(BUILD)/tests/lib/fake_fs.o
SIM_WRAP := spool_durable spool_append spool_retire spool_reader_open table_sync_filter schemas_next side_sync rewrite_tail
SIM := $(BUILD)/tests/sim/sim
$(SIM): $(SIM_OBJ) $(LIB)
	@$(CC) $(LDFLAGS_ALL) $(FAST_LDFLAGS) $(SIM_WRAP:%=-Wl,--wrap=%) -o $@ $^ $(LIBS)
.PHONY: sim sim-short sim-selftest
sim: $(SIM) sim-selftest ## simulates SEEDS=10000 histories with crashes and faults (FIRST=N), and that it finds bugs
	@$(SIM) --seeds $(or $(SEEDS),10000) $(if $(FIRST),--first $(FIRST)) --jobs 2
sim-short: $(SIM) ## the same with 2000 seeds, for every day
	@$(SIM) --seeds $(or $(SEEDS),2000) --jobs 2
sim-selftest: $(SIM)
	@$(SIM) --selftest

.PHONY: bench bench-short bench-readme bench-cpu
BENCH_TOOLS = $(BUILD)/tests/bench/append $(BUILD)/tests/bench/slow_disk.so
BENCH_RUN = TIDEGATE_BIN=$(abspath $(BIN)) TIDEGATE_APPEND=$(abspath $(BUILD)/tests/bench/append) \
	TIDEGATE_SLOW_DISK_SO=$(abspath $(BUILD)/tests/bench/slow_disk.so) tests/bench/bench.py
bench: ## every benchmark against its peers, 20 to 40 minutes on a quiet machine; BENCH="tpcb decode" picks some
	@$(AGAIN) deps-build deps-test deps-bench
	@$(AGAIN) tidegate $(BENCH_TOOLS)
	@$(BENCH_RUN) $(BENCH)
bench-short: ## the same with small sizes, five minutes
	@$(AGAIN) bench BENCH="--short $(BENCH)"
bench-cpu: ## instructions a row of the hot paths, to those of tests/bench/cpu_baseline.json; BENCH=--write keeps them
	@$(AGAIN) deps-build deps-test deps-bench
	@$(AGAIN) $(BUILD)/tests/bench/hotpath
	@TIDEGATE_HOTPATH=$(abspath $(BUILD)/tests/bench/hotpath) tests/bench/bench_cpu.py $(BENCH)
bench-readme: ## writes the README's figures from what the last full runs left in build/bench
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON) tests/bench/suite/readme.py build/bench README.md

.PHONY: install uninstall clean help
install: tidegate ## installs below PREFIX (/usr/local); manual pages when `make man` made them
	install -D -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/tidegate
	install -d $(DESTDIR)$(PREFIX)/share/doc/tidegate
	$(BIN) config example > $(DESTDIR)$(PREFIX)/share/doc/tidegate/tidegate.yaml.example
	for page in $(wildcard build/man/*.[1-8]); do \
		install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done
uninstall: ## removes what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/tidegate
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/tidegate
	rm -f $(DESTDIR)$(PREFIX)/share/man/man[1-8]/tidegate.[1-8] $(DESTDIR)$(PREFIX)/share/man/man[1-8]/tidegate.yaml.[1-8]
clean: ## removes what was built; fetched server binaries stay
	rm -rf tidegate $(filter-out build/pg,$(wildcard build/*))
help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | sort | awk -F'\t' '{ printf "  %-12s %s\n", $$1, $$2 }'
	@echo "  variables    SAN=asan|tsan  CC=clang  WERROR=1  V=1  LTO=  FAILPOINTS=1  PREFIX=  ONLY=\"agent/base ...\""
