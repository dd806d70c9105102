# `make demo` and `make test` do their own set-up. Everything longer than a line is in scripts/.
.PHONY: help demo demo-scale test build wheels conformance lint fmt fuzz soak bench vectors docs clean install uninstall package sbom
.DEFAULT_GOAL := help

HOURS ?= 1
PYTHON ?= .venv/bin/python

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

demo: ## publisher, agent, broker and crawler on loopback, with a table of verdicts
	@scripts/demo.sh

demo-scale: ## the same with the broker as two processes on PostgreSQL and Redis, behind nginx
	@scripts/setup.sh tools nginx services && scripts/demo.sh --scale

test: ## everything that CI checks
	@scripts/test.sh

build: ## libimagxp (release), the command line and the Python extension
	@scripts/build.sh

wheels: ## Python wheels for manylinux2014 and musllinux, inspected, and the first one tried
	@scripts/wheels.sh

conformance: ## every vector set in every language, as one table
	@VERBOSE=1 scripts/test.sh conformance

install: ## library, header, command line, manual pages: make install PREFIX=/usr/local DESTDIR= LIBDIR=lib
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' LIBDIR='$(LIBDIR)' scripts/package.sh install

uninstall: ## removes what `make install` with the same PREFIX has installed
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' LIBDIR='$(LIBDIR)' scripts/package.sh uninstall

package: ## the Debian packages, in target/deb
	@scripts/package.sh setup && scripts/package.sh deb

sbom: ## a bill of materials (CycloneDX) of each artefact, in target/sbom
	@scripts/setup.sh rust crates && mkdir -p target/sbom && for crate in $$(packaging/sbom.py --list); do packaging/sbom.py $$crate >target/sbom/$$crate.cdx.json || exit 1; done; ls target/sbom

lint: ## format, lints and purity, changing nothing
	@scripts/test.sh lint compile

fmt: ## formats Rust and Python
	@scripts/setup.sh python && scripts/lint.sh fix

fuzz: ## fuzzes every target and binding, in rounds: make fuzz HOURS=8
	@scripts/fuzz.sh -h $(HOURS)

soak: ## the long versions of everything, with mutants and coverage: hours; figures in target/soak/report.json
	@scripts/soak.sh

bench: ## every bar by turns with its peers: a table, target/bench/report.json; one row alone: cargo bench -p imagxp-bench
	@scripts/bench.sh

vectors: ## rewrites what is generated: header, vectors, schema
	@scripts/generated.sh --update

docs: ## the core's documentation, in target/doc
	@cargo doc --locked --no-deps -p imagxp

clean: ## removes what was built; fuzz corpora stay, and inputs that crashed
	@rm -rf target .venv
