# On a fresh machine, `make demo` and `make test` create the environment first.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# Without an NVIDIA driver, the constraints select the CPU build of torch.
CONSTRAINTS := $(shell command -v nvidia-smi >/dev/null 2>&1 || echo -c constraints-cpu.txt)

# One process per core, each with one thread: twice as fast as one process with all threads.
PARALLEL ?= -n auto --dist worksteal

.PHONY: demo test check install clean

demo: install  ## two images and a mesh from prompts, with the embedded models
	$(BIN)/guide run text2image --prompt "a green heart" --prompt "a balloon" --output outputs/demo
	$(BIN)/guide run text2mesh --mode generate --prompt "a pear" --output outputs/demo
	@echo; echo "Look at contact.png and mesh.glb in the folders beneath outputs/demo."

test: install  ## the whole test suite, on the CPU, without network access
	$(BIN)/python -m pytest $(PARALLEL)

check: install  ## everything that a change must pass: style, types, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(PARALLEL)

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints-cpu.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(CONSTRAINTS) -e '.[dev,lpips,usearch,qdrant]'
	$(BIN)/python -m guidance.rendering.warm_up
	@touch $@

clean:
	rm -rf $(VENV) outputs/*
