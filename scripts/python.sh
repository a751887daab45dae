#!/bin/sh
# Print the path of a Python that runs here, of one of the versions given, the most wished for first.
#
#     scripts/python.sh 3.12 3.11
#
# PYTHON=/path/to/python is taken or refused instead. A name on the path need not run: pyenv's shim of a version that is
# not in use only complains. So each is asked, and so are those that pyenv and uv keep off the path. One that cannot
# make an environment, as Debian's without python3-venv, is none.
set -u

find_python() { # $1: a version; the rest: where it might be. Prints where it is.
    version=$1 && shift
    for candidate in "$@"; do
        "$candidate" -c "import ensurepip, sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version' or print(sys.executable))" \
            2>/dev/null && return 0
    done
    return 1
}

for version in "$@"; do
    if [ -n "${PYTHON:-}" ]; then
        find_python "$version" "$PYTHON" && exit 0
    else
        find_python "$version" "python$version" python3 \
            "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python3 \
            "${UV_PYTHON_INSTALL_DIR:-$HOME/.local/share/uv/python}/cpython-$version".*/bin/python3 && exit 0
    fi
done

wanted=$(echo "$*" | sed 's/ /, /g; s/\(.*\), /\1 or /')
if [ -z "${PYTHON:-}" ]; then
    echo "setup: found no Python $wanted that can make an environment; install one (on Debian and Ubuntu with" \
        "\`apt-get install python3-venv\`), or name it: PYTHON=/path/to/python$1" >&2
elif is=$("$PYTHON" -V 2>/dev/null); then
    echo "setup: PYTHON=$PYTHON is $is; needed is Python $wanted with its module ensurepip (on Debian and Ubuntu:" \
        "\`apt-get install python3-venv\`). Name such a one, or leave PYTHON out." >&2
else
    echo "setup: PYTHON=$PYTHON does not run; name the file of a Python $wanted, or leave PYTHON out." >&2
fi
exit 1
