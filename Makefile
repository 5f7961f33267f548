# make, without a target, says what there is.
#
#   ARGS      what is handed to pgrpo demo, as in: make demo ARGS="--duration 10s"
#   BENCH     which benchmarks run (a regular expression)
#   SOAK      how many failovers with loss, and how many trials without, soak makes
#   SEED      the first seed of soak; the date by default
#   RULES     which rules mutate breaks (a regular expression on their words)
#   VERSIONS  the PostgreSQL versions of test-all

SHELL := /bin/sh
.DEFAULT_GOAL := help

ARGS ?=
BENCH ?= .
RULES ?= .
SOAK ?= 100
SEED ?= $(shell date +%j%H%M)
VERSIONS ?= 15 16 17 18
export TEST_TIMEOUT ?= 10m

# Only the race detector needs a C compiler.
export CGO_ENABLED := 0

# A clone that belongs to another user is a build like any other: the version
# control system is not asked for a stamp.
BUILD := -buildvcs=false

# A server's binaries are found, or installed, before they are needed; what is
# built and what is tested use the ones that were found.
SERVER = dir=$$(.ci/postgres ensure) || exit $$?; export PGRPO_PG_BINDIR="$$dir"

# The tests start a connection pooler before their servers.
POOLER = .ci/need pgbouncer || exit $$?

.PHONY: help build demo test test-all race lint bench mutate soak

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

build: ## bin/pgrpo
	@go build $(BUILD) -o bin/pgrpo ./cmd/pgrpo

demo: build ## a failover on this machine, and what it lost (PostgreSQL is installed if absent)
	@$(SERVER); status=0; ./bin/pgrpo demo $(ARGS) || status=$$?; \
	[ $$status -eq 1 ] || exit $$status # 1: a breach was proven, as it should be

test: ## all tests, on the PostgreSQL (and pgbouncer) that is found or else installed
	@$(SERVER); $(POOLER); go test $(BUILD) -timeout $(TEST_TIMEOUT) ./...

test-all: ## the tests that need servers, on each of PostgreSQL 15, 16, 17 and 18
	@.ci/postgres ensure >/dev/null || exit $$?; $(POOLER)
	@.ci/versions $(VERSIONS)

race: export CGO_ENABLED := 1
# The detector makes all several times slower.
race: TEST_TIMEOUT := 20m
race: ## all tests under the race detector (needs a C compiler)
	@$(SERVER); $(POOLER); go test $(BUILD) -race -timeout $(TEST_TIMEOUT) ./...

lint: ## gofmt, vet, staticcheck, and which package may import which
	@files=$$("$$(go env GOROOT)/bin/gofmt" -l .) || exit 1; \
	[ -z "$$files" ] || { echo "not as gofmt would have it:"; echo "$$files"; exit 1; }
	@go vet $(BUILD) -tags oldservers ./...
	@GOFLAGS="$$(go env GOFLAGS) $(BUILD)" go tool staticcheck -tags oldservers ./...
	@go test $(BUILD) ./internal/layout

bench: ## the benchmarks, without the tests
	@$(SERVER); go test $(BUILD) -run '^$$' -bench '$(BENCH)' -benchmem -timeout 30m ./...

mutate: ## break each rule of the judge, of the outcomes and of the branches: a test must fail
	@$(SERVER); $(POOLER); go run $(BUILD) ./internal/mutation -run '$(RULES)'

soak: ## failovers with loss, held against the dead primary, and others without, on 15 and 18
	@$(POOLER); .ci/soak $(SOAK) $(SEED) 15 18
