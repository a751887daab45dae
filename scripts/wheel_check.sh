#!/bin/sh
# Build the wheel, install it into a clean environment, and run one episode from there.
#
# It finds what an editable install hides: a file the wheel forgot, a dependency nobody declared.
set -eu
cd "$(dirname "$0")/.."

rm -rf dist
.venv/bin/python -m build --wheel --outdir dist
wheel=$(ls dist/*.whl)

clean=$(mktemp -d)
trap 'rm -rf "$clean"' EXIT
.venv/bin/python -m venv "$clean/venv"
pip() { "$clean/venv/bin/python" -m pip --disable-pip-version-check "$@"; }
pip install -qq "$(grep '^torch==' constraints.txt)"
pip install -qq --constraint constraints.txt "$wheel"

# Away from the source tree, so that only the wheel can answer.
cd "$clean"
venv/bin/sayso eval expert --world tabletop --families put --episodes 1
echo "build: $wheel runs an episode from a clean environment"
