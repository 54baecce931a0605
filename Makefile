# `make help` lists what can be made.
.DEFAULT_GOAL := help
SHELL := /bin/bash
GO ?= go
FUZZTIME ?= 10m
# A release is named by its tag; anything between is older than the first one.
VERSION ?= $(shell git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/^v//; s/-/+/' | grep . || git log -1 --date=format:%Y%m%d --format=0~%cd.%h)
BINARY := latchkey

# Tools run at these versions, wherever they run.
STATICCHECK := $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT := $(GO) run mvdan.cc/gofumpt@v0.12.0
DEADCODE := $(GO) run golang.org/x/tools/cmd/deadcode@v0.52.0
GOLANGCI := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build ./latchkey
	$(GO) build -o $(BINARY) ./cmd/latchkey

.PHONY: demo
demo: build ## Reset a password and log in with it, step by step; exit status 0 only if each step holds
	$(GO) run ./test/demo ./$(BINARY) examples/corp.yaml

.PHONY: run
run: build ## Serve examples/corp.yaml until ^C, keeping nothing, for any access key
	./$(BINARY) serve --dev --seed examples/corp.yaml

.PHONY: test
test: prepare ## Install what the tests need, and run them all
	$(GO) test -count=1 -timeout 40m ./...

.PHONY: race
race: prepare ## Run the packages' tests under the race detector
	$(GO) test -race -count=1 -timeout 40m ./internal/... ./cmd/...

.PHONY: prepare
prepare: ## Install the clients that the tests use (Debian; needs root or sudo)
	@.ci/prepare

.PHONY: bench
bench: ## Measure, and print the table
	$(GO) run ./test/bench

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZTIME (10m) each
	@.ci/fuzz $(FUZZTIME)

.PHONY: fuzz-smoke
fuzz-smoke: ## Fuzz every target for 10,000 runs each
	@.ci/fuzz 10000x

.PHONY: generate
generate: ## Make again what is made from the API models
	$(GO) generate ./...

.PHONY: fresh
fresh: ## Fail if a generated file is not what its source makes of it
	@.ci/fresh

.PHONY: lint
lint: ## Formatting, vet, staticcheck, dead code and a few more linters
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo 'gofmt: the files above' >&2; exit 1; }
	@test -z "$$($(GOFUMPT) -l . | tee /dev/stderr)" || { echo 'gofumpt: the files above' >&2; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) fix -diff ./...
	$(STATICCHECK) ./...
	@test -z "$$($(DEADCODE) -test ./... | tee /dev/stderr)" || { echo 'deadcode: the functions above' >&2; exit 1; }
	$(GOLANGCI) run ./...

.PHONY: deb
deb: ## Build the Debian package in dist/
	@GO=$(GO) deploy/debian/build "$(VERSION)" dist

.PHONY: clean
clean: ## Remove what was built
	rm -f $(BINARY)
