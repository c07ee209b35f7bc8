# tidegate: one non-recursive makefile. `make help` lists the targets.
#
#   make                     the program, ./tidegate
#   make test                installs what is missing, builds, runs unit and end-to-end tests
#   make demo                installs what is missing, builds, migrates a live database before your eyes
#   SAN=asan | SAN=tsan      the same with sanitizers    CC=clang    the other compiler    WERROR=1    as CI builds

CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
PREFIX  ?= /usr/local
VERSION := 0.1.0
SAN     ?=
BUILD   ?= build/$(notdir $(CC))$(if $(SAN),-$(SAN))

PKGS := libpq yaml-0.1 sqlite3 libmicrohttpd libcurl jansson libxxhash libcrypto
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
ifneq ($(findstring clang,$(notdir $(CC))),)
WARN += -Wmissing-variable-declarations -Wthread-safety -Wcomma -Wunreachable-code
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
OPT := -O2
endif

# Failpoints (agent/base/failpoint.h) are compiled out unless FAILPOINTS=1.
CPPFLAGS_ALL := -I. -D_GNU_SOURCE -DTIDEGATE_VERSION='"$(VERSION)"' -DHASH_NONFATAL_OOM=0 \
                $(if $(FAILPOINTS),-DTIDEGATE_FAILPOINTS) $(PKG_CFLAGS)
CFLAGS_ALL := -std=gnu17 $(OPT) -g $(WARN) $(HARDEN) $(SANFLAGS) $(if $(WERROR),-Werror) \
              -include agent/base/banned.h $(CFLAGS)
LDFLAGS_ALL := $(SANFLAGS) -Wl,-z,relro,-z,now $(LDFLAGS)
LIBS := $(PKG_LIBS) -lpthread -lm

# ONLY="agent/base agent/spool" builds and tests just these folders: for work on one floor.
SRC  := $(if $(ONLY),$(sort $(foreach d,$(ONLY),$(wildcard $(d)/*.c))),$(sort $(filter-out agent/main.c,$(wildcard agent/*.c agent/*/*.c decoders/*.c sinks/*.c sinks/*/*.c config/*.c))))
OBJ  := $(SRC:%.c=$(BUILD)/%.o)
LIB  := $(BUILD)/libtidegate.a
BIN  := $(BUILD)/tidegate
UNIT_SRC := $(if $(ONLY),$(sort $(foreach d,$(ONLY),$(wildcard tests/unit/$(d)/*_test.c))),$(sort $(shell find tests/unit -name '*_test.c' 2>/dev/null)))
UNIT_BIN := $(UNIT_SRC:%.c=$(BUILD)/%)
TESTLIB_SRC := $(sort $(wildcard tests/lib/*.c))
TESTLIB_OBJ := $(TESTLIB_SRC:%.c=$(BUILD)/%.o)
FORMAT_FILES := $(shell find agent decoders sinks config tests -name '*.[ch]' 2>/dev/null)

.PHONY: all
all: tidegate

tidegate: $(BIN)
	@ln -sf $(BIN) tidegate

$(BIN): $(BUILD)/agent/main.o $(LIB)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(LIB): $(OBJ)
	@rm -f $@
	@$(AR) rcs $@ $^

$(BUILD)/tests/%.o: tests/%.c | builddeps
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -Wno-conversion -Wno-sign-conversion -MMD -MP -c -o $@ $<

$(BUILD)/%.o: %.c | builddeps
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/tests/unit/%_test: $(BUILD)/tests/unit/%_test.o $(TESTLIB_OBJ) $(LIB)
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ -lcmocka $(LIBS)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.SECONDARY:

.PHONY: builddeps
builddeps:
	@pkg-config --exists $(PKGS) || { echo "missing build packages: run 'make deps' (Debian 12, root or sudo)" >&2; exit 1; }

.PHONY: test-unit
test-unit: $(UNIT_BIN)
	@tests/lib/run_unit.sh $(UNIT_BIN)
