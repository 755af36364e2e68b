# `make demo` and `make test` are all that a fresh machine needs: each makes the environment first.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# Without an NVIDIA driver the constraints choose the CPU build of torch and its torchvision.
CONSTRAINTS := $(shell command -v nvidia-smi >/dev/null 2>&1 || echo -c constraints-cpu.txt)

.PHONY: demo test check install clean

demo: install  ## two pictures and a mesh from words, on the embedded models
	$(BIN)/guide run text2image --prompt "a red heart" --prompt "a watermelon" --output outputs/demo
	$(BIN)/guide run text2mesh --prompt "a globe" --output outputs/demo
	@echo; echo "Look at contact.png and mesh.glb in the folders beneath outputs/demo."

test: install  ## the whole suite, on the CPU, without network
	$(BIN)/python -m pytest

check: install  ## what a change must pass: style, types, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints-cpu.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(CONSTRAINTS) -e '.[dev,diffusion,lpips]'
	@touch $@

clean:
	rm -rf $(VENV) outputs/*
