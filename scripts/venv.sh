#!/bin/sh
# Makes the virtual environment $1 and installs the pinned requirements file $2 into it,
# each only when needed: a stamp in the environment holds the checksum of what was installed.
set -eu
venv=$1 requirements=$2

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        fits "$PYTHON" && echo "$PYTHON" && return
        echo "PYTHON=$PYTHON is not Python 3.11 or later; name another, or leave PYTHON out." >&2
        return 1
    fi
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        fits "$name" && echo "$name" && return
    done
    echo "Python 3.11 or later is needed (on Debian: apt install python3 python3-venv)." >&2
    return 1
}

if ! fits "$venv/bin/python"; then
    python=$(find_python) || exit 1
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        echo "Python's venv module is missing: apt install python$version-venv" >&2
        exit 1
    fi
    echo "Making $venv with Python $version ..."
    "$python" -m venv --clear "$venv"
fi

stamp=$venv/$(basename "$requirements").installed
sum=$(cksum < "$requirements")
[ "$(cat "$stamp" 2>/dev/null || true)" = "$sum" ] && exit 0
echo "Installing $requirements into $venv (once; about a minute) ..."
"$venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check --no-input \
    --require-hashes --requirement "$requirements"
echo "$sum" > "$stamp"
