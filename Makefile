# StreamSpace: `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
OBSERVE := github.com/streamspace/streamspace/internal/observe
LDFLAGS := -s -w -X $(OBSERVE).version=$(VERSION) -X $(OBSERVE).commit=$(COMMIT)

# Where `make run` listens and what else it passes: make run ARGS="--listen 0.0.0.0:8443 --tls-self-signed"
ARGS ?=
# Which applications `make images` builds; empty: all, and every base.
IMAGES ?=
# Which Go packages `make test-go` tests, and with which further flags.
PKG ?= ./...
GOTEST ?=

WEB_SOURCES := $(shell find web/src web/embed web/public web/index.html web/package.json web/package-lock.json web/vite.config.ts web/vite.embed.config.ts web/tsconfig*.json -type f 2>/dev/null)
TOOLS := go tool -modfile=internal/tools/go.mod

##@ Use

.PHONY: help
help: ## Show this
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z][a-z0-9-]*:.*## / {printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: deps build ## Install what is missing, build, and start StreamSpace (ARGS="--listen …")
	@exec bin/streamspace up $(ARGS)

.PHONY: deps
deps: ## Install what running needs (Debian packages; asks for sudo when not root)
	@deploy/debian/install.sh run

##@ Build

.PHONY: build
build: web/dist/index.html ## Build the web UI and both binaries into bin/
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

web/dist/index.html: web/node_modules/.package-lock.json $(WEB_SOURCES)
	cd web && npm run --silent build
	@touch $@

.PHONY: images
images: build ## Build desktop images of the catalog into bin/images (IMAGES="gimp writer" ARCH=amd64,arm64 REGISTRY=… TAG=… PUSH=1)
	@deploy/debian/install.sh images
	images/build.sh $(IMAGES)

.PHONY: test-images
test-images: ## Boot the images that were built, and look at their pictures
	images/smoke.sh $(IMAGES)

.PHONY: gen
gen: web/node_modules/.package-lock.json ## Regenerate all generated files: SQL, OpenAPI, TypeScript
	cd controlplane/store && go tool -modfile=../../internal/tools/go.mod sqlc generate
	go generate ./...
	cd web && npm run --silent gen

##@ Verify

.PHONY: test
test: deps-test build test-go test-web test-e2e ## Run every test: Go with the race detector, web, end to end in a browser

.PHONY: deps-test
deps-test: ## Install what the tests need
	@deploy/debian/install.sh run test
	@internal/tools/kubernetes/build.sh >/dev/null
	@internal/tools/helm/build.sh >/dev/null

.PHONY: test-go
test-go: ## Run the Go tests (PKG=./rfb/... GOTEST='-run X')
	go test -race -timeout 20m $(GOTEST) $(PKG)

.PHONY: test-web
test-web: web/node_modules/.package-lock.json ## Run the web unit tests
	cd web && npm run --silent test

.PHONY: test-e2e
test-e2e: build ## Drive the real product in headless Chromium
	cd web && npm run --silent e2e

.PHONY: e2e-kube
e2e-kube: build ## Set up a cluster of one node here, install the chart, use desktops in it; as root
	@deploy/debian/install.sh run images kube
	TAG=e2e OUT=bin/images/e2e images/build.sh terminal server
	STREAMSPACE_E2E_KUBE=1 go test -count=1 -v -timeout 30m ./deploy/e2e

.PHONY: check
check: web/node_modules/.package-lock.json ## Lint everything and check the repository's own rules
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	$(TOOLS) staticcheck ./...
	go mod tidy -diff
	go mod verify
	go test ./internal/house
	cd controlplane/store && go tool -modfile=../../internal/tools/go.mod sqlc diff
	cd web && npm run --silent check

.PHONY: fuzz
fuzz: ## Fuzz every parser for FUZZTIME (30s each)
	@for target in $$(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
		for name in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]*' $$target/*_test.go | cut -c6-); do \
			echo "== $$target $$name"; go test $$target -run '^$$' -fuzz "^$$name$$" -fuzztime $${FUZZTIME:-30s}; \
		done; done

.PHONY: bench
bench: build ## Measure against the peers; results go to bench/results
	@deploy/debian/install.sh run bench
	bench/run.sh

.PHONY: clean
clean: ## Remove what was built (never data)
	rm -rf bin web/dist/assets web/dist/index.html web/node_modules
