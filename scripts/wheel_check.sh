#!/bin/sh
# Build the wheel and the source archive, install the wheel into a clean environment, and run episodes from there.
#
# It finds what an editable install hides: a file the wheel forgot, a dependency nobody declared.
set -eu
cd "$(dirname "$0")/.."

rm -rf dist
.venv/bin/python -m build --outdir dist
wheel=$(ls dist/*.whl)

clean=$(mktemp -d)
trap 'rm -rf "$clean"' EXIT
.venv/bin/python -m venv "$clean/venv"
pip() { "$clean/venv/bin/python" -m pip --disable-pip-version-check "$@"; }
pip install -qq "$(grep '^torch==' constraints.txt)"
pip install -qq --constraint constraints.txt "$wheel"

# Away from the source tree, so that only the wheel can answer.
cd "$clean"
for policy in expert checkpoints/tabletop; do
    venv/bin/sayso eval $policy --world tabletop --families put --episodes 2 --out report.json
done
venv/bin/sayso demo --instructions 1 </dev/null
echo "build: $wheel runs episodes, and the policies in it, from a clean environment"
