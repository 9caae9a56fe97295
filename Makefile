# Short names for .ci/run and the scripts. `make help` lists them.

.DEFAULT_GOAL := build
.PHONY: build test lint format docs api bench demo autobahn interop fuzz sanitize ci nightly clean help

build: ## Build the library, the command and the tests.
	swift build --build-tests

test: ## Run all tests that need only Swift.
	swift test

lint: ## Check the format, and that only the package's own lock is used.
	swift format lint --strict --recursive Sources Tests Package.swift \
	    Benchmarks/Sources Benchmarks/Package.swift Benchmarks/Micro/Benchmarks Benchmarks/Micro/Package.swift \
	    Fuzzing/Sources Fuzzing/Package.swift Examples/Sources Examples/Tests Examples/Package.swift
	scripts/check-locks

format: ## Format the sources in place.
	swift format format --in-place --recursive Sources Tests Package.swift \
	    Benchmarks/Sources Benchmarks/Package.swift Benchmarks/Micro/Benchmarks Benchmarks/Micro/Package.swift \
	    Fuzzing/Sources Fuzzing/Package.swift Examples/Sources Examples/Tests Examples/Package.swift

docs: build ## Compile the documentation into .build/docs; fail on a warning.
	scripts/check-docs

api: build ## Compare the public API with docs/api.
	scripts/check-api

bench: ## Measure servers side by side; ARGUMENTS are those of scripts/benchmark.
	scripts/benchmark $(ARGUMENTS)

demo: ## Draw a real connection, step by step.
	swift run lifeline demo

autobahn: ## Run Autobahn's testsuite against the server and the client.
	scripts/autobahn server
	scripts/autobahn server --face on-loop
	scripts/autobahn client

interop: ## Test against Python's websockets and Node's ws.
	scripts/interop

fuzz: ## Fuzz each target for a minute.
	scripts/fuzz

sanitize: ## Run the tests under ThreadSanitizer and AddressSanitizer.
	scripts/sanitize thread
	scripts/sanitize address

ci: ## Run everything that must pass.
	.ci/run

nightly: ## Run the tests that take hours.
	scripts/nightly

clean: ## Remove all builds.
	rm -rf .build .build-tsan .build-asan Fuzzing/.build Benchmarks/.build Benchmarks/Micro/.build

help: ## List the targets.
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12
