#!/usr/bin/env python3
"""Renders what follows from the options' records in host/options/option_records.cpp:

    docs/options.md                        the table
    tests/fuzz/dictionaries/options.dict   names and choices

and checks that docs/methods.md has a row for every method.

Takes the path of the cugad command, whose `info --options` prints the records. Writes the files; with --check it says
which of them are not current, and fails.
"""
import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def replaced(text, pattern, new):
    text, count = re.subn(pattern, lambda _: new, text, flags=re.M)
    if count != 1:
        raise SystemExit(f"render_options: {count} places for what is rendered, expected 1: {pattern}")
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is not current")
    parser.add_argument("command", help="path of the cugad command")
    arguments = parser.parse_args()
    table = subprocess.run([arguments.command, "info", "--options"], check=True, capture_output=True, text=True).stdout
    words = set()
    for name, values in re.findall(r"^\| `(\w+)` \| .*? \| (.*?) \| ", table, flags=re.M):
        words.add(name)
        words.update(re.findall(rf"^\| `{name}` .*\(once `(\w+)`\) \|$", table, flags=re.M))
        if "\\|" in values:
            words.update(values.split("\\|"))
    words -= {"true", "false"}  # which the dictionary has below
    rendered = {
        "docs/options.md": (r"^Without --method(.*\n)+?\n(^\|.*\n)+", table),
        "tests/fuzz/dictionaries/options.dict": (r'(?<=TOML\.\n)("[a-z]\w+"\n)+(?="true")',
                                                 "".join(f'"{word}"\n' for word in sorted(words))),
    }
    methods = re.search(r"^\| `method` \| .*? \| (.*?) \| ", table, flags=re.M)[1].split("\\|")
    text = (ROOT / "docs/methods.md").read_text()
    missing = [method for method in methods if f"| `{method}` |" not in text]
    if missing:
        raise SystemExit(f"docs/methods.md has no row for {', '.join(missing)}")
    stale = []
    for path, (pattern, new) in rendered.items():
        old = (ROOT / path).read_text()
        text = replaced(old, pattern, new)
        if text != old:
            stale.append(path)
            if not arguments.check:
                (ROOT / path).write_text(text)
    if arguments.check and stale:
        raise SystemExit(f"not current, run scripts/render_options.py: {', '.join(stale)}")


if __name__ == "__main__":
    sys.exit(main())
