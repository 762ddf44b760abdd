# make run     the main job on embedded servers: needs only Go
# make test    everything, with real Nginx, Kafka and registry: sets them up first (test/components)
# make torture SEED=7 or SEEDS=1..500: random faults against the real binary (docs/faults.md); make torture-long: a thousand seeds
# make check   gofmt, vet, staticcheck, govulncheck, import lint, race tests
# make generate   the examples, JSON Schemas and reference of the configuration's keys; make man: man pages into dist/man
# make package deb and rpm in dist/, with the list of their parts; the same commit gives the same bytes (docs/service.md)
# make bench   figures, side by side with the floor and a textbook build (docs/benchmarks)

GO         ?= go
BIN        := bin/ngxtap
VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT     ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
# The time of all files in packages.
EPOCH      ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1750000000)
DIST       ?= dist
LDFLAGS    := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
PREFIX     ?= /usr/local
QUICK      := .quickstart
# What the compiler optimises for: a profile of shipping a million lines (make profile). It is worth about a tenth of the CPU.
PROFILE    := cmd/ngxtap/cpu.pgo
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
CYCLONEDX  := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

.PHONY: run build install package sbom test unit race e2e torture torture-long components check lint vuln fuzz bench profile generate man clean

run: PROFILE := off
run: build $(QUICK)/logs
	@$(BIN) run --embedded -c configs/quickstart/ngxtap.yaml

# (run builds without the profile, which takes twice as long.)
# A copy, so that you can append to it and see the new lines arrive.
$(QUICK)/logs:
	@mkdir -p $@ && cp testdata/quickstart/*.access.log $@/

build:
	@mkdir -p bin && CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -pgo=$(PROFILE) -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/ngxtap

install: build
	install -D -m 0755 $(BIN) $(DESTDIR)$(PREFIX)/bin/ngxtap

# What the binary is made of, read from the binary itself (CycloneDX).
sbom: build
	@mkdir -p $(DIST) && $(GO) run -trimpath $(CYCLONEDX) bin -json -std -noserial -notimestamp -version $(VERSION) -output $(DIST)/sbom.cdx.json $(BIN)

package: sbom
	@GO='$(GO)' BINARY='$(BIN)' DIST='$(DIST)' VERSION='$(VERSION)' EPOCH='$(EPOCH)' configs/packages/build.sh

# Components first: a test that needs one fails in CI if it is missing and says what is lacking elsewhere.
test: components lint unit e2e

components:
	@test/components/setup.sh

unit:
	$(GO) vet ./...
	$(GO) test -tags failpoint ./pkg/failpoint
	$(GO) test -timeout 30m ./cmd/... ./pkg/... ./test/lint/... ./test/gen/... ./test/bench/...

e2e: build
	$(GO) test -count=1 -timeout 30m ./nginx/... ./test/components/... ./test/e2e/... ./test/evolution/... ./test/oracle/... ./test/harness/... ./test/registry/... ./test/daemon/... ./test/proxy/... ./test/cluster/... ./test/quarantine/... ./test/canary/... ./test/metrics/... ./test/kafkasec/... ./test/page/... ./test/firsthour/...
	$(GO) test -count=1 -timeout 30m ./test/packages/... # alone: it makes the user ngxtap, whom check would become
	@$(MAKE) --no-print-directory torture

# Random faults, writers and configurations, each by its seed: SEED=7 or SEEDS=100..200; without, a hundred seeds and every failpoint.
# (From its folder, or go test would keep the report to itself.)
torture:
	cd test/torture && SEEDS='$(or $(SEED),$(SEEDS))' $(GO) test -count=1 -timeout 3h $(if $(or $(SEED),$(SEEDS)),-run TestTorture)

torture-long:
	@$(MAKE) --no-print-directory torture SEEDS=1..1000

race:
	$(GO) test -race -timeout 40m ./cmd/... ./pkg/...

lint:
	@test -z "$$(gofmt -l cmd pkg test)" || { echo "gofmt these files:"; gofmt -l cmd pkg test; exit 1; }
	@$(GO) run ./test/lint

# Exit code 3 is a finding; anything else but 0 means that its data can't be reached from here.
vuln:
	@GOBIN=$(CURDIR)/.cache/bin $(GO) install $(GOVULNCHECK)
	@.cache/bin/govulncheck ./... || { [ $$? -ne 3 ] || exit 1; echo "govulncheck can't reach its data: NOT CHECKED"; }

check: lint
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	@$(MAKE) --no-print-directory vuln race

# What is made of the comments and tags in pkg/config/config.go: keydocs.go, configs/, configs/schema/, docs/configuration.md.
generate:
	$(GO) generate ./pkg/config

# The man pages, of the commands and of the configuration's keys.
man: build
	@$(BIN) man --dir dist/man && ls dist/man

# Every fuzz target for FUZZTIME.
FUZZTIME ?= 20s
fuzz:
	@for p in $$($(GO) list ./pkg/...); do for f in $$($(GO) test -list '^Fuzz' $$p | grep ^Fuzz); do \
		echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p || exit 1; done; done

bench: build components
	@$(GO) run ./test/bench

# Make the profile anew: a million lines into the broker at BROKERS, which must be a real Kafka.
BROKERS ?= 127.0.0.1:9092
profile: build
	@test/bench/profile.sh $(BIN) $(BROKERS) $(PROFILE)

clean:
	rm -rf bin dist $(QUICK)
