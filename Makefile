# BunBase. `make up` builds what is missing and runs it; `make test` passes every test.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help up build package test check fmt bench soak clean-data npm web

export CARGO_TARGET_DIR ?= $(CURDIR)/target
DATA_DIR ?= .bunbase/data
LISTEN ?= 127.0.0.1:3001
BUNBASE := $(CARGO_TARGET_DIR)/release/bunbase
BUN := tools/bun

help: ## What there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-8s %s\n", $$1, $$2}'

npm: node_modules/.package-lock.json

# npm writes this file last, so it stands for a finished installation. The packages of Bun are bare: they have no names of
# programs, which the README's PATH finds.
node_modules/.package-lock.json: package.json package-lock.json
	@echo "==> npm packages (Bun comes with them)"
	npm ci --no-audit --no-fund --loglevel=error
	@bun=$$($(BUN) -e 'console.log(process.execPath)') && ln -sf "$$bun" node_modules/.bin/bun && ln -sf bun node_modules/.bin/bunx
	@touch $@

# Built again only where a source changed: the Rust build embeds them and looks at their times.
WEB := packages/worker/dist/worker.js packages/bunbase-js/dist/index.js packages/bunbase/dist/index.js
WEB_SOURCES := $(shell find packages \( -name node_modules -o -name dist \) -prune -o -type f -name '*.ts' -print -o -type f -name '*.json' -print)

web: npm $(WEB) ## The SDK and the worker's code

$(WEB) &: node_modules/.package-lock.json $(WEB_SOURCES)
	@echo "==> SDK and worker"
	npm run --silent build
	@touch $(WEB)

build: web ## The release binary with everything embedded
	@echo "==> bunbase (release)"
	cargo build --release -p bunbase
	@ls -lh $(BUNBASE) | awk '{print "    " $$9 "  " $$5}'

package: build ## The npm package, with the binary for this platform
	@$(BUN) tools/package.ts $(BUNBASE) $(dir $(BUNBASE))

up: build ## Build what is missing, start everything, load the demo once
	@BUNBASE_DATA_DIR=$(DATA_DIR) BUNBASE_LISTEN=$(LISTEN) exec $(BUN) tools/up.ts $(BUNBASE)

test: web ## Every test
	tools/test

check: web ## Format, lints, types, dependencies
	tools/check

fmt: npm ## Format everything
	cargo fmt --all
	npx --no-install biome check --write .

bench: build ## Benchmarks against their peers (bench/README.md)
	bench/run all

soak: web ## The long forms: crashes, power loss, failing disks, transactions, fuzzing (hours)
	BUNBASE_CRASH_ROUNDS=200 BUNBASE_CRASH_STORE_MB=1024 tools/test crash
	BUNBASE_FAULT_STATES=20000 BUNBASE_FAULT_CALLS=all tools/test --test faults
	BUNBASE_HISTORY_TRANSACTIONS=50000 tools/test serializab
	tools/fuzz 600

clean-data: ## Remove the data of `make up`
	rm -rf $(DATA_DIR)
