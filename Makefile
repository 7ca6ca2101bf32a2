# faildrill. `make` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
GO ?= go
FAILDRILL := $(GO) run ./harness/cmd/faildrill

# Property tests draw the same cases in every run; `make fuzz` looks for new ones.
export RAPID_SEED ?= 1

.PHONY: translate help drill build image test test-race e2e kill-kind differential kill-list fuzz bench bench-envoy tools update verify clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

drill: ## predict the external-failover recipe, then rehearse it with the fix
	@hack/drill.sh

# Static, because some of them go into images that have nothing else.
build: ## build the programs into bin/
	CGO_ENABLED=0 $(GO) build -o bin/ ./harness/cmd/... ./mockupstreams/cmd/mockupstream

IMAGE ?= faildrill/faildrill:latest
image: build ## the image of what drills run in your own cluster, as IMAGE; docker push is yours
	@hack/image.sh "$(IMAGE)"

# Packages that keep time run one by one: beside others two cores are too few.
test: ## everything hermetic; needs Go alone
	$(GO) test -p 1 ./...

# Properties of code that runs in one goroutine race no better for being drawn a hundred times.
test-race: ## the same under the race detector; needs a C compiler
	$(GO) test -race -run '^$$' ./... >/dev/null
	RAPID_CHECKS=$${RAPID_CHECKS:-20} $(GO) test -race -p 1 ./...

e2e: ## every scenario on every backend that this machine can run
	@hack/e2e.sh

KILLS ?= 30
KILLS_FROM ?= 0
kill-kind: ## kill KILLS runs on the kind cluster at random moments; clean, look for what is left, and play each again
	E2E_TIMEOUT=3h hack/e2e.sh -test.run TestKilledOnKind -test.v -kills $(KILLS) -kill-from $(KILLS_FROM)

N ?= 2000
SEED ?= 1
ENVOY ?= 1.40
FROM ?= 0
TIME ?= 0
SHRINK ?= 3
AGAIN ?= 0
differential: ## N random small drills of a SEED (0: a new one) on a real ENVOY (or all) against the engine, within TIME (3m); or one again, REPLAY=SEED-NUMBER
	$(GO) build -o bin/ ./harness/cmd/faildrill-live
	FAILDRILL_LIVE=$(CURDIR)/bin/faildrill-live $(GO) run ./hack/differential -envoy $(ENVOY) $(if $(REPLAY),-replay $(REPLAY),-n $(N) -from $(FROM) -seed $(SEED) -time $(TIME) -shrink $(SHRINK) -again $(AGAIN))

kill-list: ## break every rule once; a test that is named for it has to fail
	$(GO) run ./hack/killlist

translate: ## N random configurations (default 1000) through real istiod and through the translation, by SEED (default a new one)
	$(GO) run ./hack/translate -n $(or $(N),1000) -seed $(or $(SEED),0)

fuzz: ## fuzz the reader, the translation and judge, FUZZTIME each (default 20s), and draw new cases for properties
	@hack/fuzz.sh

bench: ## measure what the README promises
	@hack/bench.sh

bench-envoy: ## the prober beside fortio, at 1000/s through one Envoy 1.40 in turn
	@hack/bench.sh -only envoy

tools: ## build istiod and istioctl into the cache; about 5 minutes the first time
	$(GO) run ./hack/maketools

update: ## regenerate goldens, schema and documents
	@hack/update.sh

verify: ## vet, staticcheck, the import rule, stale documents, shellcheck
	@hack/verify.sh

clean: ## remove what the targets made
	rm -rf bin out .faildrill
