#!/usr/bin/env python3
"""Checks the order of the rooms: nothing includes what is above it or beside it, nothing below the command prints, reads the
environment or ends the process, and what trains knows no method by name.

  tests/rooms.py [SOURCE_FOLDER]
"""

import pathlib
import re
import sys

# From the bottom up. A room may include the rooms of the levels below its own.
LEVELS = [
    {"kernels", "host/text"},
    {"host/backend", "host/model_file"},
    {"host/network"},
    {"host/training"},
    {"host/methods"},
    {"host/scores"},
    {"host/options"},
    {"host/detector"},
    {"host/fleet", "host/table", "host/image", "host/metrics"},
    {"host/onnx", "host/report"},
    {"host/c_api", "host/cli"},
    {"host/cli/reproduce"},
]
COMMAND = ("host/cli", "host/cli/reproduce")
NAMELESS = ("host/backend", "host/network", "host/training")  # they name no method
METHODS = "include/cugad/detector_options.hpp", r"enum class Method \{(.*?)\};"
LEVEL = {room: number for number, rooms in enumerate(LEVELS) for room in rooms}
FORBIDDEN = re.compile(r"\bstd::(?:cout|cerr|clog)\b|\bfmt::print\b|(?<!\w)(?:v?f?printf|f?puts|putchar|perror)\s*\("
                       r"|(?<!\w)(?:secure_)?getenv\s*\(|(?<![\w.>])(?:_?[Ee]xit|quick_exit|abort)\s*\(")


def room_of(path):
    parts = path.split("/")
    if parts[0] == "kernels":
        return "kernels"
    folder = "/".join(parts[:-1])
    return folder if parts[0] == "host" and len(parts) > 2 else None


def faults_of(path, text, methods):
    room = room_of(path)
    if room is None:
        return
    if room not in LEVEL:
        yield f"{path}: '{room}' is not one of the rooms in tests/rooms.py"
        return
    for name in re.findall(r'#include "([^"]+)"', text):
        other = room_of(name)
        if other not in (None, room) and LEVEL.get(other, len(LEVELS)) >= LEVEL[room]:
            yield f"{path}: {room} includes {name}, which is not below it"
    code = re.sub(r"//.*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"", lambda match: match[0] if match[0][0] == '"' else "", text)
    if room.startswith("host/") and room not in COMMAND:
        for found in FORBIDDEN.findall(re.sub(r"\"(?:\\.|[^\"\\\n])*\"", '""', code)):
            yield f"{path}: '{found}' is for the command alone"
    if room in NAMELESS:
        for found in re.findall(rf"\b(?:{'|'.join(methods)})\b", code):
            yield f"{path}: names the method '{found}'"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1])
    header, pattern = METHODS
    methods = re.findall(r"^\s*(\w+),", re.search(pattern, (root / header).read_text(), re.S)[1], re.M)
    files = [path for folder in ("host", "kernels") for path in sorted((root / folder).rglob("*"))
             if path.suffix in (".cpp", ".hpp", ".h", ".cu", ".cuh")]
    faults = [fault for path in files
              for fault in faults_of(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"), methods)]
    print("\n".join(faults) or f"{len(files)} files of {len(LEVEL)} rooms, no arrow upwards, {len(methods)} methods")
    return 1 if faults or len(files) < 100 or not methods else 0


if __name__ == "__main__":
    sys.exit(main())
