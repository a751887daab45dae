#!/bin/sh
# Make .venv beside this folder and install sayso into it, at the versions of constraints.txt.
#
# PYTHON=/path/to/python chooses the interpreter. `setup.sh metaworld` makes .venv-metaworld instead, with Meta-World
# and the versions that constraints-metaworld.txt has otherwise. PyTorch comes first and alone: asked for by its exact
# version it resolves to one build, while a range met later in the list could pull in a bigger one.
set -eu
cd "$(dirname "$0")/.."

extra=${1:-}
venv=.venv${extra:+-$extra}

suits() { # at least 3.11, below 3.14; a name that is only a shim for an absent version does not run at all
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1
}

python=""
for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
    if suits "$candidate"; then python=$candidate && break; fi
done
if [ -z "$python" ]; then
    echo "setup: found no Python from 3.11 to 3.13 among: ${PYTHON:-python3.11 python3.12 python3.13 python3}." >&2
    echo "setup: install one, or name it: make setup PYTHON=/path/to/python3.12" >&2
    exit 1
fi

if ! { [ -x "$venv/bin/pip" ] && suits "$venv/bin/python"; }; then
    echo "setup: making $venv with $("$python" --version)"
    if ! "$python" -m venv --clear "$venv"; then
        echo "setup: $python cannot make a virtual environment. On Debian or Ubuntu: apt-get install -y python3-venv" >&2
        exit 1
    fi
fi

pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }

torch=$(grep '^torch==' constraints.txt)
echo "setup: installing $torch (once; about half a minute on a fast line)"
pip install -qq "$torch"
echo "setup: installing sayso and what it needs"
constraints=$venv/constraints
if [ -n "$extra" ]; then
    grep -v '^mujoco==' constraints.txt | cat - "constraints-$extra.txt" > "$constraints"
else
    cp constraints.txt "$constraints"
fi
pip install -qq --constraint "$constraints" --editable ".[dev${extra:+,$extra}]"
echo "setup: done; \`source $venv/bin/activate\` puts sayso on your path"
