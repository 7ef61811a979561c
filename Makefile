# make demo: the main job on the embedded model.   make test: all tests.
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A machine with an NVIDIA driver gets the usual CUDA build of PyTorch, any other the CPU build.
ACCEL ?= $(shell nvidia-smi -L >/dev/null 2>&1 && echo cuda || echo cpu)
ifeq ($(ACCEL),cpu)
TORCH_INDEX ?= --index-url https://download.pytorch.org/whl/cpu
endif
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install -q -c constraints.txt

.PHONY: demo test test-all lint clean

demo: $(VENV)/.models
	$(BIN)/calibrant run --model almanac-small-chat --questions almanac --out runs/demo

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-all: $(VENV)/.dev lint
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.dev
	$(BIN)/ruff check src tests tools benchmarks examples
	$(BIN)/ruff format --check src tests tools benchmarks examples
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.torch: constraints.txt
	$(PY) -m venv $(VENV)
	$(PIP) install -q --no-deps --retries 1 $(TORCH_INDEX) $$(grep '^torch==' constraints.txt)
	touch $@

$(VENV)/.models: $(VENV)/.torch pyproject.toml constraints.txt
	$(INSTALL) -e '.[models]'
	touch $@

$(VENV)/.dev: $(VENV)/.torch pyproject.toml constraints.txt
	$(INSTALL) -e '.[dev]'
	$(PIP) check
	touch $@ $(VENV)/.models

clean:
	rm -rf $(VENV) runs
