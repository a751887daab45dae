#!/bin/sh
# Make .venv beside this folder and install sayso into it, at the versions of constraints.txt.
#
# PYTHON=/path/to/python chooses the interpreter. `setup.sh metaworld` makes .venv-metaworld instead, with Meta-World
# and the versions that constraints-metaworld.txt has otherwise; `setup.sh libero` does the same for LIBERO. PyTorch comes
# first and alone: asked for by its exact version it resolves to one build, while a range met later in the list could pull
# in a bigger one.
set -eu
cd "$(dirname "$0")/.."

extra=${1:-}
venv=.venv${extra:+-$extra}

versions="3.11 3.12 3.13"

suits() { # what is there is whole
    [ -x "$venv/bin/pip" ] && PYTHON="$venv/bin/python" scripts/python.sh $versions >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ] || ! suits; then
    python=$(scripts/python.sh $versions)
    if ! suits || [ "$("$python" -V)" != "$("$venv/bin/python" -V)" ]; then
        echo "setup: making $venv with $("$python" -V)"
        "$python" -m venv --clear "$venv"
    fi
fi

pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }

torch=$(grep '^torch==' constraints.txt)
# Some builds are gigabytes, so on a terminal pip shows how far it is.
quiet=-qq
[ -t 1 ] && quiet=
echo "setup: installing $torch (once; on Linux PyPI's is 3 GB with CUDA: CONTRIBUTING.md tells how to have the small one)"
pip install $quiet "$torch"
echo "setup: installing sayso and what it needs"
constraints=$venv/constraints
if [ -n "$extra" ]; then
    # All but the packages that the other list has as well.
    sed -n 's/==.*/==/p' "constraints-$extra.txt" | sed 's/^/^/' > "$constraints-otherwise"
    grep -v -f "$constraints-otherwise" constraints.txt | cat - "constraints-$extra.txt" > "$constraints"
else
    cp constraints.txt "$constraints"
fi
pip install -qq --constraint "$constraints" --editable ".[dev${extra:+,$extra}]"
echo "setup: done; \`source $venv/bin/activate\` puts sayso on your path"
