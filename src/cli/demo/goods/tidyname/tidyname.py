"""Tidyname gives files names that sort and travel well: `Résumé (final).PDF` becomes `resume-final.pdf`."""

import argparse
import json
import pathlib
import re
import sys
import unicodedata
import urllib.request

__version__ = "2.0.1"


def tidy(name: str) -> str:
    """The name in small letters, without accents, with single hyphens between words."""
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    return (re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-") or "unnamed") + dot + suffix.lower()


def is_licensed(shop: str, key: str) -> bool:
    """Whether the shop knows the key as good."""
    question = json.dumps({"license_key": key}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{shop.rstrip('/')}/api/license/validate", question, headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer).get("valid") is True


def main() -> int:
    parser = argparse.ArgumentParser(prog="tidyname", description=__doc__)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    parser.add_argument("--apply", action="store_true", help="rename; else only say what would be done")
    parser.add_argument("--license", metavar="KEY", help="ask the shop whether this key is good")
    parser.add_argument("--shop", default="http://127.0.0.1:8080", help="where the shop is")
    parser.add_argument("--version", action="version", version=f"tidyname {__version__}")
    wanted = parser.parse_args()
    if wanted.license:
        good = is_licensed(wanted.shop, wanted.license)
        print("valid" if good else "not valid")
        return 0 if good else 1
    for file in wanted.files:
        target = file.with_name(tidy(file.name))
        if target == file:
            continue
        if target.exists():
            print(f"{file}: {target} is there already", file=sys.stderr)
            return 1
        print(f"{file} -> {target}")
        if wanted.apply:
            file.rename(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
