# Millrace: `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
STATE := $(CURDIR)/.millrace
UV := $(CURDIR)/.venvs/uv/bin/uv
AIRFLOW_PYTHON := $(CURDIR)/.venv/bin/python
IMAGES := data train serve

export UV_PYTHON_DOWNLOADS := never
export PYTHONPATH := $(CURDIR)/plugins

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

# --- environments: one for Airflow and the tests, one for each image, all hash-locked ---

$(UV):
	@echo "uv: into .venvs/uv"
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "Millrace needs Python 3.11 to 3.13; $(PYTHON) is $$($(PYTHON) -V). Say make PYTHON=python3.12 …"; exit 2; }
	@$(PYTHON) -m venv .venvs/uv
	@sed -n '/^uv==/,/^    # via/p' requirements.txt > .venvs/uv/requirements.txt
	@.venvs/uv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r .venvs/uv/requirements.txt

.venv/.synced: requirements.txt | $(UV)
	@echo "environment: Airflow and tests -> .venv"
	@[ -x .venv/bin/python ] || $(UV) venv -q --python $(PYTHON) .venv
	@$(UV) pip sync -q --require-hashes --python .venv/bin/python $<
	@# so that `.venv/bin/python -m millrace` works from any shell
	@.venv/bin/python -c 'import site; open(site.getsitepackages()[0] + "/millrace.pth", "w").write("$(CURDIR)/plugins\n")'
	@touch $@

.venvs/%/.synced: images/%/requirements.txt | $(UV)
	@echo "environment: images/$* -> .venvs/$*"
	@[ -x .venvs/$*/bin/python ] || $(UV) venv -q --python $(PYTHON) .venvs/$*
	@$(UV) pip sync -q --require-hashes --python .venvs/$*/bin/python $<
	@touch $@

.PHONY: setup
setup: .venv/.synced $(IMAGES:%=.venvs/%/.synced) ## install every environment (uv, hash-locked)

.PHONY: lock
lock: $(UV) ## compile every requirements.in into a lock with hashes
	@for lock in requirements .ci/requirements .ci/dashboards/requirements .ci/docs/requirements .ci/wheel/requirements tests/requirements tests/browser/requirements \
	  tests/access/requirements tests/lineage/requirements images/airflow/requirements $(IMAGES:%=images/%/requirements) images/spark/requirements \
	  images/train/requirements-cuda; do \
	  (cd $$(dirname $$lock) && $(UV) pip compile -q --universal --python-version 3.11 \
	  --generate-hashes --custom-compile-command "make lock" $$(basename $$lock).in -o $$(basename $$lock).txt); done

# --- container images ---

BASE_IMAGE ?= python:3.11-slim-bookworm
IMAGE_PREFIX ?= millrace
IMAGE_TAG ?= $(shell git describe --always --dirty)
DOCKER_BUILD ?= docker build

.PHONY: images stack-images sbom
images: $(IMAGES:%=image-%) image-airflow ## build every image as millrace/NAME:TAG (IMAGE_TAG, IMAGE_PREFIX, BASE_IMAGE)
image-%:
	@echo "$(IMAGE_PREFIX)/$*:$(IMAGE_TAG)"
	@$(DOCKER_BUILD) -q --build-arg BASE_IMAGE=$(BASE_IMAGE) --build-arg SOURCE_VERSION=$$(git rev-parse HEAD) \
	  -t $(IMAGE_PREFIX)/$*:$(IMAGE_TAG) -f images/$*/Dockerfile .
image-spark: ## validate on Spark, for clusters that have the Spark operator
image-train-cuda: ## the train image with CUDA libraries, as millrace/train:TAG-cuda
	@$(DOCKER_BUILD) -q --build-arg BASE_IMAGE=$(BASE_IMAGE) --build-arg SOURCE_VERSION=$$(git rev-parse HEAD) \
	  --build-arg VARIANT=cuda -t $(IMAGE_PREFIX)/train:$(IMAGE_TAG)-cuda -f images/train/Dockerfile .

# Airflow with the environments of its steps, and PostgreSQL, Ceph and Prometheus from Debian's packages
STACK := airflow postgres ceph prometheus
stack-images: images ## what docker-compose.yaml runs (IMAGE_TAG=latest by default there)
	@for target in $(STACK); do echo "$(IMAGE_PREFIX)/stack-$$target:$(IMAGE_TAG)"; \
	  $(DOCKER_BUILD) -q --target $$target --build-arg BASE_IMAGE=$(BASE_IMAGE) \
	  $(foreach image,AIRFLOW DATA TRAIN SERVE,--build-arg $(image)_IMAGE=$(IMAGE_PREFIX)/$(shell echo $(image) | tr A-Z a-z):$(IMAGE_TAG)) \
	  --build-arg SOURCE_VERSION=$$(git rev-parse HEAD) -t $(IMAGE_PREFIX)/stack-$$target:$(IMAGE_TAG) -f images/stack/Dockerfile . \
	  || exit; done

.venvs/sbom/.synced: .ci/requirements.txt | $(UV)
	@$(UV) venv -q --allow-existing --python $(PYTHON) .venvs/sbom
	@$(UV) pip sync -q --require-hashes --python .venvs/sbom/bin/python $<
	@touch $@

sbom: .venvs/sbom/.synced ## a CycloneDX bill of materials of each image, in .cache/sbom
	@mkdir -p .cache/sbom
	@for lock in $(IMAGES:%=images/%/requirements.txt) images/airflow/requirements.txt images/spark/requirements.txt \
	  images/train/requirements-cuda.txt; do \
	  name=$$(dirname $$lock); name=$${name#images/}; [ "$${lock##*-}" != cuda.txt ] || name=$$name-cuda; \
	  .venvs/sbom/bin/cyclonedx-py requirements --output-reproducible --of JSON -o .cache/sbom/$$name.cdx.json $$lock; \
	  echo ".cache/sbom/$$name.cdx.json"; done

.venvs/dashboards/.synced: .ci/dashboards/requirements.txt .venv/.synced
	@$(UV) pip install -q --require-hashes --python .venv/bin/python --target .venvs/dashboards -r $<
	@touch $@

.PHONY: dashboards
dashboards: .venvs/dashboards/.synced ## write Grafana's dashboards (images/stack/grafana) by .ci/dashboards/write.py
	@PYTHONPATH=.venvs/dashboards $(AIRFLOW_PYTHON) .ci/dashboards/write.py images/stack/grafana/dashboards

# --- documentation ---

.venvs/docs/.synced: .ci/docs/requirements.txt | $(UV)
	@$(UV) venv -q --allow-existing --python $(PYTHON) .venvs/docs
	@$(UV) pip sync -q --require-hashes --python .venvs/docs/bin/python $<
	@touch $@

.PHONY: docs docs-pages
docs: .venvs/docs/.synced ## build the documentation strictly, into .cache/site
	@NO_MKDOCS_2_WARNING=true .venvs/docs/bin/python -m mkdocs build --strict
docs-pages: .venv/.synced ## write the pages of docs/ that come from the code: settings, commands, metrics, layers
	@$(AIRFLOW_PYTHON) .ci/docs/write.py docs

# --- the package ---

WHEELS := .cache/wheel
.PHONY: wheel wheel-test
wheel: $(UV) ## the package that `pip install` takes, in .cache/wheel
	@rm -rf $(WHEELS)
	@$(UV) build -q --wheel --python $(PYTHON) --build-constraints .ci/wheel/requirements.txt --require-hashes -o $(WHEELS)
	@rm -f $(WHEELS)/.gitignore
	@ls $(WHEELS)/*.whl

wheel-test: setup wheel ## the wheel in a fresh environment beside stock Airflow: plugin, a run, and nothing left behind
	@env -u PYTHONPATH $(AIRFLOW_PYTHON) -m pytest -q tests/wheel

# --- running it ---

MILLRACE := $(AIRFLOW_PYTHON) -m millrace
ROWS ?= 4000
PORT ?= 8080
export PORT

.PHONY: demo
demo: setup ## real documents become a served BERT (ROWS=4000 training documents)
	@$(MILLRACE) demo --rows $(ROWS) --pip $(CURDIR)/.venvs/uv/bin/python

.PHONY: up down
up: setup ## Airflow with its UI on this machine (PORT=8080)
	@$(MILLRACE) up
down: .venv/.synced ## end Airflow, its steps and its model servers
	@$(MILLRACE) down

.PHONY: new-workload check
new-workload: .venv/.synced ## write dags/NAME.py, a workload to fill in (NAME=x; FROM=FILE: as its first rows suggest)
	@$(MILLRACE) new-workload $(if $(FROM),--from "$(FROM)") -- "$(NAME)"
check: .venv/.synced ## say what is wrong with dags/*.py, with line and remedy (FILES=…)
	@$(MILLRACE) check $(or $(FILES),dags)

# --- checking it ---

.venvs/pytest/.synced: tests/requirements.txt .venv/.synced
	@$(UV) pip install -q --require-hashes --python .venv/bin/python --target .venvs/pytest -r $<
	@touch $@

.PHONY: lint
lint: setup ## ruff, mypy, import-linter
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@PYTHONPATH=plugins:images/data:images/train:images/serve .venv/bin/lint-imports

.PHONY: test test-images test-units test-faults test-e2e
test: test-units test-images test-faults test-e2e ## everything that needs no cluster

.PHONY: spark-test
spark-test: setup .venvs/pytest/.synced .venvs/spark/.synced ## what runs on Spark, by Spark on this machine (needs Java 17)
	@MILLRACE_TEST_ENGINE=spark PYTHONPATH=plugins:images/data:.venvs/pytest .venvs/spark/bin/python -m pytest -q \
	  tests/images/data/test_unique.py tests/images/data/test_validate.py tests/images/data/test_spark_types.py \
	  tests/images/data/corpus/test_spark_engine.py tests/images/spark

test-units: setup .venvs/dashboards/.synced
	@$(AIRFLOW_PYTHON) -m pytest -q tests/unit tests/structure

test-images: setup .venvs/pytest/.synced
	@for image in $(IMAGES); do PYTHONPATH=plugins:images/$$image:.venvs/pytest \
	  .venvs/$$image/bin/python -m pytest -q tests/images/$$image || exit; done

# points of the kill matrix where a store is far: all, or the main ones and those in files that were changed (changed)
MILLRACE_TEST_POINTS ?= all

# of the kill matrix the main points and those in files that were changed
test-faults: setup
	@$(AIRFLOW_PYTHON) -m pytest -q tests/faults -m "not s3"

test-e2e: setup
	@$(AIRFLOW_PYTHON) -m pytest -q tests/e2e $(if $(ONLY),-m "$(ONLY)")

.PHONY: compose-test
compose-test: setup ## docker-compose.yaml brought up, the demonstration in it (MILLRACE_TEST_STACK=TAG of stack-images)
	@$(AIRFLOW_PYTHON) -m pytest -q tests/compose

.PHONY: fault-test
fault-test: setup ## every fault, and the kill matrix at every point (four minutes on two cores)
	@MILLRACE_TEST_POINTS=all $(AIRFLOW_PYTHON) -m pytest -q tests/faults -m "not s3"

.venvs/fab/.synced: tests/access/requirements.txt .venv/.synced
	@$(UV) pip install -q --require-hashes --python .venv/bin/python --target .venvs/fab -r $<
	@touch $@

.PHONY: access-test
access-test: setup .venvs/fab/.synced ## the pages under Airflow's FAB auth manager, as people with and without a DAG
	@PYTHONPATH=$(CURDIR)/plugins:$(CURDIR)/.venvs/fab $(AIRFLOW_PYTHON) -m pytest -q tests/access

.venvs/lineage/.synced: tests/lineage/requirements.txt .venv/.synced
	@$(UV) pip install -q --require-hashes --python .venv/bin/python --target .venvs/lineage -r $<
	@touch $@

.PHONY: lineage-test
lineage-test: setup .venvs/lineage/.synced ## a run's events of Airflow's OpenLineage provider
	@PYTHONPATH=$(CURDIR)/plugins:$(CURDIR)/.venvs/lineage $(AIRFLOW_PYTHON) -m pytest -q tests/lineage

.venvs/browser/.synced: tests/browser/requirements.txt .venv/.synced
	@$(UV) pip install -q --require-hashes --python .venv/bin/python --target .venvs/browser -r $<
	@touch $@

.PHONY: browser-test
browser-test: setup .venvs/browser/.synced ## the pages in a real Chromium (CHROMIUM=…) against a running Airflow; pictures in .cache/pages
	@PYTHONPATH=$(CURDIR)/plugins:$(CURDIR)/.venvs/browser $(AIRFLOW_PYTHON) -m pytest -q tests/browser

.PHONY: service-test cluster-test cluster-bench
service-test: setup .venvs/pytest/.synced ## with a real S3 (AWS_ENDPOINT_URL), HDFS (HDFS_URL), PostgreSQL and Prometheus; ONLY='not outage'
	@$(AIRFLOW_PYTHON) -m pytest -q tests/services $(if $(ONLY),-m "$(ONLY)")
	@PYTHONPATH=plugins:images/data:.venvs/pytest .venvs/data/bin/python -m pytest -q \
	  tests/services/test_conformance.py tests/services/test_publishes.py tests/images/data/test_table.py
	@MILLRACE_TEST_POINTS=$(MILLRACE_TEST_POINTS) $(AIRFLOW_PYTHON) -m pytest -q tests/faults -m s3

cluster-test: setup ## with a real cluster (KUBECONFIG, AWS_ENDPOINT_URL, MILLRACE_TEST_IMAGES; ONLY='not outage')
	@$(AIRFLOW_PYTHON) -m pytest -q tests/cluster $(if $(ONLY),-m "$(ONLY)")

cluster-bench: setup ## a no-op pod's seconds; 500 plans on simulated nodes (as cluster-test)
	@$(AIRFLOW_PYTHON) -m pytest -q tests/cluster/bench_pods.py tests/cluster/bench_bind.py

TIMES ?= 10
BUSY ?= 4
.PHONY: five-minutes
five-minutes: .venv/.synced ## the commands of docs/start/first-workload.md from TIMES=10 fresh clones, BUSY=4 processes keeping the machine busy
	@env -u PORT $(AIRFLOW_PYTHON) tests/bench/five_minutes.py --times $(TIMES) --busy $(BUSY)

.PHONY: accuracy
accuracy: setup ## predictions against measured runs, and sizes against traced models: a table
	@PYTHONPATH=plugins:images/train .venvs/train/bin/python tests/accuracy/models.py
	@PYTHONPATH=plugins:tests/accuracy $(AIRFLOW_PYTHON) tests/accuracy/throughput.py
	@PYTHONPATH=plugins:tests/accuracy $(AIRFLOW_PYTHON) tests/accuracy/power_limits.py
	@PYTHONPATH=plugins:tests/accuracy $(AIRFLOW_PYTHON) tests/accuracy/replay.py
	@PYTHONPATH=plugins:tests/accuracy $(AIRFLOW_PYTHON) tests/accuracy/cpu.py

.PHONY: bench
bench: setup ## speed as ratios, each measured in one run (about 35 minutes on 2 idle cores)
	@$(AIRFLOW_PYTHON) tests/bench/parse.py
	@$(AIRFLOW_PYTHON) tests/bench/handoff.py
	@$(AIRFLOW_PYTHON) tests/bench/pages.py
	@PYTHONPATH=plugins:images/data .venvs/data/bin/python tests/bench/ingest.py
	@PYTHONPATH=plugins:images/data .venvs/data/bin/python tests/bench/parts.py
	@PYTHONPATH=plugins:images/data:images/train .venvs/data/bin/python tests/bench/stores.py
	@PYTHONPATH=plugins:images/train .venvs/train/bin/python tests/bench/meter.py
	@$(MILLRACE) demo-material --pip $(CURDIR)/.venvs/uv/bin/python
	@PYTHONPATH=plugins:images/train .venvs/train/bin/python tests/bench/train.py \
	  --base-model $(STATE)/store/base-models/minilm-l6 --data $(STATE)/arrivals/news_topics
	@mkdir -p .cache/bench
	@PYTHONPATH=plugins:images/train .venvs/train/bin/python tests/bench/serve_model.py \
	  --base-model $(STATE)/store/base-models/minilm-l6 --into .cache/bench > .cache/bench/model.json
	@PYTHONPATH=plugins:images/serve .venvs/serve/bin/python tests/bench/serve.py \
	  --model .cache/bench/model.json --data $(STATE)/arrivals/news_topics
