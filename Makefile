# `make demo` and `make test` do their own set-up. Everything longer than a line is in scripts/.
.PHONY: help demo test build lint fmt fuzz soak bench vectors docs clean
.DEFAULT_GOAL := help

HOURS ?= 1
PYTHON ?= .venv/bin/python

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile

demo: ## publisher, agent, broker and crawler on loopback, with a table of verdicts
	@scripts/demo.sh

test: ## everything that CI checks
	@scripts/test.sh

build: ## libimagxp (release), the command line and the Python extension
	@scripts/build.sh

lint: ## format, lints and purity, changing nothing
	@scripts/test.sh setup lint clippy

fmt: ## formats Rust, Python and JavaScript
	@scripts/setup.sh python && scripts/lint.sh fix && scripts/node.sh fmt

fuzz: ## fuzzes every target in rounds of ten minutes: make fuzz HOURS=8
	@scripts/fuzz.sh -h $(HOURS)

soak: ## the long versions: a million mutations, a million numbers, advisories, an hour of fuzzing
	@scripts/soak.sh

bench: ## criterion benchmarks of the core; what a verification costs in Node
	@cargo bench --locked -p imagxp && scripts/node.sh bench

vectors: ## rewrites what is generated: header, vectors, schema
	@scripts/generated.sh --update

docs: ## the core's documentation, in target/doc
	@cargo doc --locked --no-deps -p imagxp

clean: ## removes what was built; fuzz corpora stay
	@rm -rf target .venv fuzz/artifacts
