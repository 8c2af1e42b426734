# SPDX-License-Identifier: Apache-2.0
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# From Debian: what recording needs, and what the tests need besides. No kernel headers.
PACKAGES := python3-bpfcc python3-seccomp python3-venv
TEST_PACKAGES := strace gcc gcc-multilib libc6-dev musl-tools liburing-dev git tar \
	runc crun busybox-static openssl xz-utils zstd chromium nginx-light nodejs rsync rpm python3-rpm \
	buildah
KERNEL_PACKAGES := qemu-system-x86 qemu-system-arm ipxe-qemu cpio e2fsprogs
BIN := .venv/bin
READY := .venv/.ready
READY_FOR_DEVELOPMENT := .venv/.ready-for-development

# JupyterLab refuses to run as root unless told; it asks other machines for news unless told.
LAB_AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
LAB_OPTIONS ?=

.PHONY: help setup packages test-packages kernel-packages demo lab test test-kernels prove-slim check \
	clean

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: packages $(READY_FOR_DEVELOPMENT) ## install what recording, analysis and development need

packages: WANTED = $(PACKAGES)
test-packages: WANTED := $(PACKAGES) $(TEST_PACKAGES)
kernel-packages: WANTED := $(KERNEL_PACKAGES)
packages test-packages kernel-packages:
	@missing=(); \
	for package in $(WANTED); do \
	  [[ "$$(dpkg-query -W -f='$${db:Status-Status}' "$$package" 2>/dev/null)" == installed* ]] || \
	    missing+=("$$package"); \
	done; \
	if [ "$${#missing[@]}" = 0 ]; then exit 0; fi; \
	install="apt-get install -y --no-install-recommends $${missing[*]}"; \
	if [ "$$(id -u)" != 0 ]; then \
	  echo "make: packages are missing; install them with: sudo $$install" >&2; exit 1; fi; \
	echo "$$install"; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$install -qq >/dev/null

$(READY): pyproject.toml constraints.txt | packages
	/usr/bin/python3 -m venv --system-site-packages .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[capture,analysis]'
	touch $@

$(READY_FOR_DEVELOPMENT): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[capture,analysis,notebook,dev]'
	touch $@

demo: packages $(READY) ## record a real program, replay it, write demo/report.json
	$(BIN)/snoop-capture run -o demo/capture --force -- /usr/bin/python3 -c "import json, sqlite3"
	$(BIN)/snoop-analyze demo/capture --report demo/report.json

lab: PACKAGES := python3-venv
lab: setup ## open the notebooks in JupyterLab, on this machine alone; no root needed
	$(BIN)/jupyter lab --notebook-dir=notebooks --ServerApp.ip=127.0.0.1 \
	  --LabApp.app_settings_dir=$(CURDIR)/notebooks/lab $(LAB_AS_ROOT) $(LAB_OPTIONS)

test: test-packages setup ## run all tests; those that need BPF are skipped, with the reason, where it is not allowed
	@# What needs no ring to itself runs on two CPUs; the recorder's tests come last, and alone.
	@beside=$$(mktemp); trap 'rm -f "$$beside"' EXIT; failed=; \
	$(BIN)/python -m pytest tests/slim tests/look >"$$beside" 2>&1 & other=$$!; \
	$(BIN)/python -m pytest --ignore=tests/slim --ignore=tests/look --ignore=tests/capture \
	  || failed=1; \
	wait $$other || failed=1; \
	cat "$$beside"; \
	$(BIN)/python -m pytest tests/capture || failed=1; \
	[ -z "$$failed" ]

prove-slim: test-packages setup ## slim services for real and run them: sizes, and what breaks without a rule
	$(BIN)/python -m bench.prove_slim

test-kernels: kernel-packages setup ## run the recorder's tests on other kernels, in QEMU (KERNELS="bookworm testing", ARCH=arm64)
	$(BIN)/python tests/kernels/run.py $(if $(ARCH),--arch $(ARCH)) $(if $(KERNELS),--suites $(KERNELS)) \
	  $(if $(TESTS),--tests $(TESTS))

check: setup ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean: ## remove what the other targets made
	rm -rf .venv .kernels demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
