# Consent Gate. Needs the packages that `./gate build` would install.
#
#   make              build/ngx_http_consent_gate_module.so, build/consentctl
#   make run          the demo, in the foreground
#   make test         every test;  make unit: those of plain C alone
#   make fuzz         each fuzz target for FUZZ_TIME seconds (clang)
#   make static       nginx itself with the gate built in: build/static/nginx
#   make asan         the same with the sanitizers: build/asan/nginx
#   make asan-test    every test on that one
#   make valgrind     a run with reloads under valgrind
#   make territory    the table of docs/territory.md
#   make bench        the table of CPU time per request; BENCH=OPTIONS
#   make install      into DESTDIR
#
# Everything that is made is under build/.

BUILD     ?= build
NGX_SRC   ?= /usr/share/nginx/src
CC        ?= cc
CLANG     ?= clang
CFLAGS    ?= -g -O2 -fstack-protector-strong -D_FORTIFY_SOURCE=2
LDFLAGS   ?= -Wl,-z,relro -Wl,-z,now
FUZZ_TIME ?= 10

prefix     ?= /usr
modulesdir ?= $(prefix)/lib/nginx/modules
datadir    ?= $(prefix)/share/consent-gate

MODULE  := ngx_http_consent_gate_module
WARN    := -std=gnu11 -Wall -Wextra -Werror
SAN     := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
           -fno-omit-frame-pointer
HIREDIS  = $(shell $(CC) -print-file-name=libhiredis.a)
out     := $(abspath $(BUILD))

dirs   := core geo store cache http
srcs   := $(sort $(wildcard $(dirs:%=src/%/*.c)))
hdrs   := $(sort $(wildcard $(dirs:%=src/%/*.h)))
plain  := $(sort $(wildcard src/core/*.c src/geo/cg_*.c src/cache/cg_*.c))
alone  := $(plain) src/store/ngx_consent_reply.c src/store/ngx_consent_slots.c
ctl    := $(sort $(wildcard src/ctl/*.c))
units  := $(patsubst t/unit/%.c,%,$(sort $(wildcard t/unit/test_*.c)))
fuzzes := $(patsubst t/fuzz/%.c,%,$(sort $(wildcard t/fuzz/fuzz_*.c)))

.DELETE_ON_ERROR:
.SECONDARY:

.PHONY: all
all: $(BUILD)/$(MODULE).so $(if $(ctl),$(BUILD)/consentctl)


# A file that comes or goes, other flags, or a checkout that has moved: nginx's
# makefile for us is made anew.

settings := $(CURDIR) $(srcs) $(hdrs) : $(CC) $(CFLAGS) $(LDFLAGS)

ifneq ($(MAKECMDGOALS),clean)
ifneq ($(settings),$(file <$(BUILD)/settings))
$(shell mkdir -p $(BUILD))
$(file >$(BUILD)/settings,$(settings))
endif
endif


# The module, the way Debian builds modules: configured in the sources of
# nginx-dev, with the flags of the installed nginx, and made elsewhere.

$(BUILD)/nginx/Makefile: config $(BUILD)/settings $(NGX_SRC)/conf_flags
	@mkdir -p $(@D)
	@echo "configuring: $(BUILD)/configure.log"
	@cd $(NGX_SRC) && flock $(out)/settings bash -c '. ./conf_flags; \
	    ./configure --with-cc="$(CC)" \
	    --with-cc-opt="$(CFLAGS) -fPIC -std=gnu11" \
	    --with-ld-opt="$(LDFLAGS) -fPIC" "$${NGX_CONF_FLAGS[@]}" \
	    --builddir="$(out)/nginx" --add-dynamic-module="$(CURDIR)"' \
	    > $(out)/configure.log

$(BUILD)/$(MODULE).so: $(BUILD)/nginx/Makefile $(srcs) $(hdrs)
	flock $(out)/settings $(MAKE) -C $(NGX_SRC) -f $(out)/nginx/Makefile \
	    --no-print-directory modules
	@cp $(BUILD)/nginx/$(MODULE).so $@.new && mv $@.new $@

$(NGX_SRC)/conf_flags:
	@echo "$@ is missing: apt-get install nginx-dev" >&2; exit 1


# nginx with the gate built in, from the source of Debian's package: as it would
# be installed; with the sanitizers; and for valgrind. In the latter two each
# allocation from a pool is one of its own, whose bounds they see.

kinds := static asan valgrind

single := -O1 -U_FORTIFY_SOURCE -DNGX_DEBUG_PALLOC=1

$(BUILD)/asan/%: EXTRA := $(SAN) -fsanitize-recover=undefined $(single)
$(BUILD)/valgrind/%: EXTRA := $(single)

.PHONY: static asan
static asan: %: $(BUILD)/%/nginx

.PHONY: asan-test valgrind
asan-test:
	./gate asan

valgrind:
	./gate valgrind

$(BUILD)/source/nginx.tar.gz:
	./gate source

$(kinds:%=$(BUILD)/%/src/configure): $(BUILD)/source/nginx.tar.gz
	@rm -rf $(@D)
	@mkdir -p $(@D)
	tar -xzf $< -C $(@D) --strip-components 1
	@touch $@

$(BUILD)/%/src/objs/Makefile: config $(BUILD)/settings \
    $(BUILD)/%/src/configure
	@echo "configuring: $(BUILD)/$*/configure.log"
	@cd $(BUILD)/$*/src && bash -c '. $(NGX_SRC)/conf_flags; ./configure \
	    --with-cc="$(CC)" --with-cc-opt="$(CFLAGS) $(EXTRA) -std=gnu11" \
	    --with-ld-opt="$(LDFLAGS) $(filter -fsanitize=%,$(EXTRA))" \
	    "$${NGX_CONF_FLAGS[@]}" --add-module="$(CURDIR)"' \
	    > $(out)/$*/configure.log

$(kinds:%=$(BUILD)/%/nginx): $(BUILD)/%/nginx: $(BUILD)/%/src/objs/Makefile \
    $(srcs) $(hdrs)
	$(MAKE) -C $(BUILD)/$*/src -f objs/Makefile --no-print-directory binary
	@cp $(BUILD)/$*/src/objs/nginx $@.new && mv $@.new $@


# consentctl.

ctl_objs := $(patsubst src/%.c,$(BUILD)/obj/%.o,$(ctl) $(plain))

$(BUILD)/consentctl: $(ctl_objs)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(HIREDIS) -lmaxminddb -ljansson \
	    -lssl -lcrypto

$(BUILD)/obj/ctl/%.o: WARN += -D_GNU_SOURCE

$(BUILD)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(WARN) $(CFLAGS) -MMD -MP -c -o $@ $<


# Unit tests: plain C under cmocka and the sanitizers.

.PHONY: unit unit-programs
unit-programs: $(units:%=$(BUILD)/unit/%)

unit: unit-programs
	@for unit in $(units); do $(BUILD)/unit/$$unit || exit 1; done

$(BUILD)/unit/%: $(BUILD)/unit/obj/%.o $(BUILD)/unit/libplain.a
	$(CC) $(SAN) -o $@ $(filter %.o,$^) \
	    -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(HIREDIS) \
	    -lcmocka -Wl,--as-needed -lmaxminddb -ljansson -lssl -lcrypto -lm

# consentctl, but for its main().

$(BUILD)/unit/test_ctl: $(BUILD)/unit/libctl.a

$(BUILD)/unit/libctl.a: $(patsubst src/%.c,$(BUILD)/unit/obj/%.o,\
    $(filter-out %/ctl_main.c,$(ctl)))
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/unit/obj/ctl/%.o: WARN += -D_GNU_SOURCE

$(BUILD)/unit/libplain.a: $(alone:src/%.c=$(BUILD)/unit/obj/%.o)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/unit/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(WARN) $(SAN) -g -O1 -MMD -MP -c -o $@ $<

$(BUILD)/unit/obj/%.o: t/unit/%.c
	@mkdir -p $(@D)
	$(CC) $(WARN) $(SAN) -g -O1 \
	    -Isrc/core -Isrc/geo -Isrc/cache -Isrc/store -Isrc/ctl -MMD -MP \
	    -c -o $@ $<


# TC strings by the reference library of the framework, and our reading.

.PHONY: tcf
tcf: $(BUILD)/tcf/decode $(BUILD)/tcf/node_modules/.package-lock.json

$(BUILD)/tcf/decode: t/tcf/decode.c $(BUILD)/unit/libplain.a
	@mkdir -p $(@D)
	$(CC) $(WARN) $(SAN) -g -O1 -Isrc/core -o $@ $^

$(BUILD)/tcf/node_modules/.package-lock.json: t/tcf/package.json \
    t/tcf/package-lock.json
	@mkdir -p $(BUILD)/tcf
	@cp $^ $(BUILD)/tcf/
	cd $(BUILD)/tcf && npm ci --loglevel=error --no-audit --no-fund \
	    --no-progress --ignore-scripts > npm.log 2>&1 \
	    || { cat npm.log; exit 1; }
	@touch $@


# Fuzz targets. What a run finds new stays in build/fuzz/corpus/.

.PHONY: fuzz fuzz-programs
fuzz-programs: $(fuzzes:%=$(BUILD)/fuzz/%)

fuzz: fuzz-programs
	@for fuzz in $(fuzzes); do \
	    mkdir -p $(BUILD)/fuzz/corpus/$$fuzz || exit 1; \
	    set -- $(BUILD)/fuzz/corpus/$$fuzz; \
	    test ! -d t/fuzz/corpus/$$fuzz || set -- "$$@" t/fuzz/corpus/$$fuzz; \
	    $(BUILD)/fuzz/$$fuzz -max_total_time=$(FUZZ_TIME) \
	        -artifact_prefix=$(BUILD)/fuzz/$$fuzz- "$$@" \
	        > $(BUILD)/fuzz/$$fuzz.log 2>&1 \
	        || { cat $(BUILD)/fuzz/$$fuzz.log; exit 1; }; \
	    echo "$$fuzz: $$(tail -n 1 $(BUILD)/fuzz/$$fuzz.log)"; \
	done

$(BUILD)/fuzz/%: $(BUILD)/fuzz/obj/%.o $(BUILD)/fuzz/libctl.a \
    $(BUILD)/fuzz/libplain.a
	$(CLANG) $(SAN) -fsanitize=fuzzer -o $@ $^ $(HIREDIS) \
	    -Wl,--as-needed -lmaxminddb -ljansson -lssl -lcrypto -lm

# consentctl, but for its main().

$(BUILD)/fuzz/libctl.a: $(patsubst src/%.c,$(BUILD)/fuzz/obj/%.o,\
    $(filter-out %/ctl_main.c,$(ctl)))
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/fuzz/obj/ctl/%.o: WARN += -D_GNU_SOURCE

$(BUILD)/fuzz/libplain.a: $(alone:src/%.c=$(BUILD)/fuzz/obj/%.o)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/fuzz/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(CLANG) $(WARN) $(SAN) -fsanitize=fuzzer-no-link -g -O1 -MMD -MP -c -o $@ $<

$(BUILD)/fuzz/obj/%.o: t/fuzz/%.c
	@mkdir -p $(@D)
	$(CLANG) $(WARN) $(SAN) -fsanitize=fuzzer-no-link -g -O1 \
	    -Isrc/core -Isrc/geo -Isrc/cache -Isrc/store -Isrc/ctl -MMD -MP \
	    -c -o $@ $<


# The country database of the demo and the tests.

.PHONY: geoip
geoip: $(BUILD)/geo/country.mmdb

$(BUILD)/geo/country.mmdb: conf/demo/make-geoip \
    $(wildcard /usr/share/tor/geoip /usr/share/tor/geoip6)
	@mkdir -p $(@D)
	conf/demo/make-geoip $@


# The table of docs/territory.md, from what is installed.

.PHONY: territory
territory:
	conf/demo/territory-table --update docs/territory.md


.PHONY: run test bench
run:
	./gate run

test:
	./gate test

bench:
	./gate bench $(BENCH)

.PHONY: bench-programs
bench-programs: $(BUILD)/bench/visitors

$(BUILD)/bench/visitors: t/bench/visitors.c $(plain:src/%.c=$(BUILD)/obj/%.o)
	@mkdir -p $(@D)
	$(CC) $(WARN) $(CFLAGS) $(LDFLAGS) -Isrc/core -Isrc/geo -o $@ $^ \
	    -Wl,--as-needed -lmaxminddb -ljansson -lcrypto


.PHONY: install
install: all
	install -d $(DESTDIR)$(modulesdir) $(DESTDIR)$(datadir)/pages \
	    $(DESTDIR)$(datadir)/snippets $(DESTDIR)$(datadir)/redis
	install -m 644 $(BUILD)/$(MODULE).so $(DESTDIR)$(modulesdir)/
	install -m 644 $(wildcard conf/pages/*) $(DESTDIR)$(datadir)/pages/
	install -m 644 $(wildcard conf/snippets/*) $(DESTDIR)$(datadir)/snippets/
	install -m 644 $(wildcard conf/redis/*) $(DESTDIR)$(datadir)/redis/
	install -m 644 conf/nginx.conf $(DESTDIR)$(datadir)/
	install -m 755 conf/demo/robots-geo conf/demo/make-geoip \
	    $(DESTDIR)$(datadir)/
	install -D $(BUILD)/consentctl $(DESTDIR)$(prefix)/bin/consentctl
	install -D -m 644 docs/consentctl.1 \
	    $(DESTDIR)$(prefix)/share/man/man1/consentctl.1
	install -D -m 644 conf/completion/consentctl \
	    $(DESTDIR)$(prefix)/share/bash-completion/completions/consentctl

.PHONY: clean
clean:
	rm -rf $(BUILD)


-include $(wildcard $(BUILD)/obj/*/*.d $(BUILD)/unit/obj/*.d \
    $(BUILD)/unit/obj/*/*.d $(BUILD)/fuzz/obj/*.d $(BUILD)/fuzz/obj/*/*.d)
