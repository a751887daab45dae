# The vocabulary of the project. `make demo` and `make test` need nothing but Python and a network.
.DEFAULT_GOAL := help
.PHONY: help setup metaworld metaworld-test libero libero-test rendering demo studio test lint types pytest browser rerun meshes vulkan cluster bench openpi lerobot \
  lerobot-policy smolvla build course site format docs constraints clean

PYTHON ?=
BIN := .venv/bin
STAMP := .venv/installed
CODE := src tests benchmarks scripts course plugins
POLICY ?=
# Whole suites are divided among as many processes as there are cores, four at most: each takes a gigabyte. Who is done
# takes tests from another's end, so that a file's tests stay together and what they share is made once or twice.
DIVIDED := -n logical --maxprocesses 4 --dist worksteal
# The longest one first, that nobody waits for it at the end.
METAWORLD_TESTS := 'tests/laws/test_pages.py::test_what_a_page_says_can_be_typed[docs/metaworld.md]' \
  tests/tasks/test_metaworld.py tests/tasks/test_metaworld_levels.py \
  tests/tasks/test_metaworld_shipped.py tests/tasks/test_sawyer.py \
  tests/contracts/test_world_contract.py tests/benchmarks/test_mt50_table.py

LIBERO_TESTS := tests/tasks/libero_world tests/sim/test_thinning.py 'tests/contracts/test_world_contract.py::TestEveryWorld'

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

# A .venv of another version than the PYTHON that was named is made anew.
ifneq ($(PYTHON),)
ifneq ($(shell $(PYTHON) -V 2>&1),$(shell $(BIN)/python -V 2>&1))
.PHONY: $(STAMP)
endif
endif

# $(call environment,FOLDER,VERSIONS) makes one with the first of these Pythons that runs, unless it is there.
environment = test -x $(1)/bin/pip || { python=$$(PYTHON="$(PYTHON)" scripts/python.sh $(2)) && \
  echo "making $(1) with $$($$python -V)" && $$python -m venv $(1); }

$(STAMP): pyproject.toml constraints.txt scripts/setup.sh
	@PYTHON="$(PYTHON)" scripts/setup.sh
	@touch $@

setup: $(STAMP) ## make .venv and install sayso into it (PYTHON=... chooses the interpreter)

metaworld: $(STAMP) ## add Meta-World's fifty tasks to .venv, with the version of MuJoCo they pin
	@grep -v '^mujoco==' constraints.txt | cat - constraints-metaworld.txt > .venv/with-metaworld
	$(BIN)/python -m pip install -qq --constraint .venv/with-metaworld --editable '.[dev,metaworld]'

# What renders here: egl or osmesa. Asked each time, as it takes a second and machines change under a clone.
rendering: $(STAMP)
	@$(BIN)/python scripts/check_rendering.py > .venv/rendering

demo: rendering ## drive the robot through three instructions, then take yours
	@MUJOCO_GL=$$(cat .venv/rendering) $(BIN)/sayso demo

studio: rendering ## open a live page: see the world, tell the robot what to do, make it harder
	@MUJOCO_GL=$$(cat .venv/rendering) $(BIN)/sayso studio

test: lint ## everything that must hold: style, types and tests
	@$(MAKE) --no-print-directory --jobs 2 types pytest

lint: $(STAMP) ## ruff: rules and format
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

metaworld-test: rendering ## run the tests that need Meta-World, in an environment of their own
	@test -e .venv-metaworld/installed || { PYTHON="$(PYTHON)" scripts/setup.sh metaworld && touch .venv-metaworld/installed; }
	.venv-metaworld/bin/python -m pytest $(DIVIDED) $(METAWORLD_TESTS)

libero: $(STAMP) ## make .venv-libero, an environment that has LIBERO's tasks as well (900 MB)
	@test -e .venv-libero/installed || { PYTHON="$(PYTHON)" scripts/setup.sh libero && touch .venv-libero/installed; }

libero-test: libero rendering ## run the tests that need LIBERO, in that environment
	MUJOCO_GL=$$(cat .venv/rendering) .venv-libero/bin/python -m pytest $(DIVIDED) $(LIBERO_TESTS) -k 'not TestEveryWorld or libero'

types: $(STAMP) ## mypy --strict on src/
	$(BIN)/mypy

pytest: rendering
	MUJOCO_GL=$$(cat .venv/rendering) $(BIN)/python -m pytest $(DIVIDED)

browser: rendering ## test the live page in headless Chromium, which apt-get installs if there is none
	@for name in chromium chromium-browser google-chrome; do command -v $$name && exit; done; \
	  apt-get update -qq && apt-get install -y -qq chromium || \
	  { echo "browser: no Chromium is there, and apt-get could not install it; install one, as root"; exit 1; }
	$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[browser]'
	MUJOCO_GL=$$(cat .venv/rendering) $(BIN)/python -m pytest -m browser

meshes: rendering ## add real things as meshes to .venv (340 MB) and test what is done with them
	$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[meshes]'
	MUJOCO_GL=$$(cat .venv/rendering) $(BIN)/python -m pytest tests/tasks/test_mesh_kinds.py

vulkan: rendering ## add a Vulkan driver that needs no graphics card, as root, and draw the workshop with it
	@apt-get update -qq && apt-get install -y -qq --no-install-recommends libvulkan1 mesa-vulkan-drivers || \
	  { echo "vulkan: apt-get could not install libvulkan1 and mesa-vulkan-drivers; install them, as root"; exit 1; }
	MUJOCO_GL=$$(cat .venv/rendering) $(BIN)/python -m pytest tests/sim/test_domains.py

rerun: rendering ## add Rerun to .venv (170 MB) and test what is shown in it
	$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[rerun]'
	MUJOCO_GL=$$(cat .venv/rendering) $(BIN)/python -m pytest tests/bridges/test_rerun.py

cluster: rendering ## add Ray to .venv (80 MB) and test episodes on a cluster of two nodes
	$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[cluster]'
	MUJOCO_GL=$$(cat .venv/rendering) $(BIN)/python -m pytest tests/work/test_cluster.py

bench: rendering ## measure speed on this machine (POLICY=folder of a checkpoint adds the policy's latency)
	MUJOCO_GL=$$(cat .venv/rendering) $(BIN)/python benchmarks/throughput.py sim
	$(if $(POLICY),$(BIN)/python benchmarks/latency.py $(POLICY))

openpi: $(STAMP) ## drive `sayso serve` with openpi's own client (POLICY=folder of another checkpoint)
	$(BIN)/python scripts/check_openpi.py $(POLICY)

# In an environment of its own, for LeRobot asks for an older PyTorch than constraints.txt. Python 3.12 has LeRobot 0.6,
# Python 3.11 has 0.4; both pass.
lerobot: ## test the adapter and edited datasets with LeRobot's own drivers and reader (PYTHON=... chooses the interpreter)
	@$(call environment,.venv-lerobot,3.12 3.11)
	.venv-lerobot/bin/python -m pip install -qq --constraint constraints-lerobot.txt --editable '.[lerobot]' \
	  'lerobot[dataset]' 'pytest>=8' 'pytest-timeout>=2.3'
	.venv-lerobot/bin/python -m pytest tests/runtime/test_lerobot_adapter.py tests/data/test_edit_in_lerobot.py tests/bridges/test_hub_in_lerobot.py \
	  tests/benchmarks/test_mock_recording.py

# Likewise, and with Python 3.12: LeRobot's newest, whose commands run our policies (plugins/lerobot_policy_sayso).
lerobot-policy: ## test the LeRobot plugin by LeRobot's own commands (PYTHON=... chooses the interpreter)
	@$(call environment,.venv-lerobot-policy,3.12)
	.venv-lerobot-policy/bin/python -m pip install -qq 'torch==2.11.0' --editable . \
	  --editable 'plugins/lerobot_policy_sayso[training,metaworld]' 'pytest>=8' 'pytest-timeout>=2.3'
	.venv-lerobot-policy/bin/python -m pytest plugins/lerobot_policy_sayso/tests

# Likewise, and with Python 3.12: LeRobot's newest. The build of PyTorch that PyPI has for it takes 5 GB.
smolvla: ## make .venv-smolvla, in which benchmarks/latency.py times LeRobot's own SmolVLA (PYTHON=... chooses)
	@$(call environment,.venv-smolvla,3.12)
	.venv-smolvla/bin/python -m pip install -qq 'lerobot[smolvla]==0.6.1' 'torch==2.11.0'

build: rendering ## build wheel and source archive into dist/, and run episodes from a clean environment
	MUJOCO_GL=$$(cat .venv/rendering) scripts/wheel_check.sh

course: rendering ## add Jupyter to .venv and run the course's ten notebooks, five minutes in all
	$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[course]'
	MUJOCO_GL=$$(cat .venv/rendering) $(BIN)/python -m pytest -m 'slow or not slow' tests/course

site: $(STAMP) ## build the site into site/: docs, every result with its command, an API reference; a broken link fails
	$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[site]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo "the site is in site/: open site/index.html, or $(BIN)/mkdocs serve"

format: $(STAMP) ## let ruff rewrite what it can
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

docs: $(STAMP) ## rewrite the list of files and every table that comes from benchmarks/results
	$(BIN)/python scripts/file_list.py --write
	$(BIN)/python scripts/axes_table.py --write
	$(BIN)/python benchmarks/tables.py --write

constraints: $(STAMP) ## write what is installed in .venv into constraints.txt
	@{ grep '^#' constraints.txt; \
	   $(BIN)/python -m pip freeze --all --exclude pip --exclude-editable | sed 's/+cpu$$//'; \
	} > .venv/constraints && mv .venv/constraints constraints.txt

clean: ## remove .venv and everything built or cached
	rm -rf .venv .venv-metaworld .venv-libero .venv-smolvla .venv-lerobot .venv-lerobot-policy dist build site
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
