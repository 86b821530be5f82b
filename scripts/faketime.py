"""Makes sure that the fault tests can set a process's clock: Debian's libfaketime."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("/usr/lib", "/usr/local/lib", "/usr/lib64")


def faketime_library() -> str | None:
    """The path of the library to preload, or None."""
    found = (
        path
        for folder in FOLDERS
        for pattern in ("faketime/libfaketimeMT.so.1", "*/faketime/libfaketimeMT.so.1")
        for path in Path(folder).glob(pattern)
    )
    return next(map(str, found), None)


def main() -> int:
    if faketime_library():
        return 0
    from scripts.debian import install

    if install("libfaketime", "the fault tests") and faketime_library():
        return 0
    print("No libfaketime: the tests that set the clock are skipped.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    raise SystemExit(main())
