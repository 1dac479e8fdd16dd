# What a newcomer, a developer and CI run. `make` alone lists it.
# Everything lands in this folder (.venv, .tools); no root, no system packages (but `make interop` uses apt when root).

PYTHON ?= python3
BIN := .venv/bin/python -m
PYTEST := $(BIN) pytest
# Compiled kernels: the same folder for every command (consumer/cli.py looks there too). A path with spaces is fine.
export NUMBA_CACHE_DIR := $(CURDIR)/.venv/var/vpcflow-kernels
# Somebody's own settings must not reach tests and demo.
unexport $(filter VPCFLOW_%,$(.VARIABLES))
# Where it is set (images, some CI), every start of Python compiles numba and botocore anew: 2 s of CPU a process.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint interop image bench soak lock docs clean

help: ## list these targets
	@echo "vpcflow: VPC Flow Logs in, named IPFIX out. Two commands show it: make demo, make test."
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

setup: ## everything needed, inside this folder; leaves .venv/bin/vpcflow ready (the second time: at once)
	@$(PYTHON) -m scripts.bootstrap

demo: setup ## the whole job on this machine, without AWS, until Ctrl-C; FOR=30 ends by itself and checks the balance
	@$(BIN) consumer.cli demo $(if $(FOR),--for $(FOR))

lint: setup ## format, lint, types, import rules, generated docs
	@$(BIN) scripts.check

# Two workers; tests with a JVM share one of them, so they run one at a time (tests/conftest.py). A skip is a failure.
test: lint ## lint and all tests, the real KCL daemon included (15 minutes on two cores)
	@$(PYTEST) -n 2 --dist loadgroup -m "not foreign and not soak"

interop: setup ## collectors nobody here wrote (tshark, nfdump, pmacct, goflow2, Telegraf …) read what we send
	@$(BIN) scripts.collectors
	@$(PYTEST) -m "foreign and not soak" --timeout 900

image: setup ## the container image, with docker, podman or buildah; TARGET=agent|parquet|demo, BASE=another base image
	@$(BIN) scripts.image $(if $(TARGET),--target $(TARGET)) $(if $(BASE),--base $(BASE))

bench: setup ## speed: stage by stage and whole job, beside its floor and a peer
	@$(BIN) benchmarks

soak: setup ## long runs: outages of minutes, every kill point, a million records into nfcapd, new examples for properties
	@$(BIN) scripts.collectors
	@$(PYTEST) -n 2 tests/property -m "not soak" --hypothesis-profile "new examples"
	@$(PYTEST) -m soak --timeout 3600

docs: setup ## write the generated pages of docs/ and the sample configuration anew
	@$(BIN) scripts.generate_docs

lock: setup ## renew requirements.lock within what pyproject.toml and constraints.in allow
	@$(BIN) uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header \
		--all-extras --group dev pyproject.toml -c constraints.in -o requirements.lock

clean: ## remove everything that set-up and tests made
	@rm -rf .venv .tools build dist var *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
