#!/usr/bin/env python3
"""Renders python/cugad/_parameters.py, the parameters of the estimators, from the options' records.

Takes the path of libcugad.so, whose cugad_option_list() has them. With --check it writes nothing, says whether the file
is current, and fails if not.
"""
import argparse
import ctypes
import json
import keyword
import pathlib
import sys
import textwrap

TARGET = pathlib.Path(__file__).resolve().parent.parent / "python/cugad/_parameters.py"

# `seed` is scikit-learn's random_state. `contamination` has the meaning that it has in scikit-learn and PyOD, which is
# not that of the option.
LEFT_OUT = {"seed", "contamination"}
RENAMED = {"score": "score_rule"}  # score() is a method of estimators
TYPES = {"integer": "int", "number": "float", "text": "str", "boolean": "bool", "list": "list"}

# Name, type, default, help.
FIRST = [
    ("preset", "str", None, "named settings, one of ``cugad.presets()``, which the other parameters change; "
     "with neither preset nor method: the recipe for tables"),
]
LAST = [
    ("random_state", "int or RandomState", None, "seed of everything random; None is 42, so that the same call gives "
     "the same bits"),
    ("n_jobs", "int", None, "threads on the CPU; None and -1 are all processors. No result depends on it"),
    ("device", "str", "auto", "'auto', 'cpu', 'cuda' or 'cuda:N'; 'auto' takes a GPU if there is one; 'cuda:0,cuda:1' "
     "or 'cuda:all' train on several"),
    ("precision", "str", "fp32", "matrix products in 'fp32' or 'bf16', or on a GPU in 'tf32'"),
    ("contamination", "float, 0 to 0.5", None, "share of the training rows that the threshold flags, as in "
     "scikit-learn and PyOD; None: the threshold that about 5 % of new normal rows pass, found on rows that the models "
     "did not see, or the one of `false_alarm_rate`"),
    ("categorical", "list of str", None, "of tables: columns of numbers that are categories"),
    ("exclude", "list of str", None, "of tables: columns that are no features"),
    ("include", "list of str", None, "of tables: columns that are features although they look like ids or dates"),
    ("max_categories", "int", 1000, "of tables: more distinct texts in a column are an error"),
    ("checkpoint_directory", "str", None, "where a fit that Ctrl-C cancels leaves a checkpoint"),
    ("resume", "bool", False, "continue from the checkpoint in that directory, if there is one"),
    ("verbose", "int", 0, "1: a progress bar of tqdm if it is installed, else lines of the logger 'cugad'"),
]
FLEET = [
    ("groups", "str", None, "of tables: the column that names each row's group; of arrays `fit` takes the groups"),
    ("minimum_rows", "int", 50, "groups with fewer training rows are scored by the pooled model"),
    ("pooled_rows", "int", 100000, "most training rows of the pooled model"),
    ("group_seed", "str", "name", "what a group's seed follows from: its 'name', or its 'position' among the groups, "
     "as in older versions"),
]


def number(value):
    text = f"{value:g}"
    return str(int(value)) if "e" in text and value == int(value) and abs(value) < 1e15 else text


def option(record):
    kind = TYPES[record["kind"]]
    if record["name"] == "method":
        kind = "str or list of str"
    elif record["choices"] and record["kind"] != "boolean":
        kind = "{" + ", ".join(f"'{choice}'" for choice in record["choices"]) + "}"
    elif "lowest" in record and record["kind"] != "list":
        kind += f", {number(record['lowest'])} to {number(record['highest'])}"
        automatic = record.get("automatic")
        if automatic is not None and not record["lowest"] <= automatic <= record["highest"]:
            kind += f", or {number(automatic)}"
    help_text = record["help"]
    if record["name"] == "method":
        help_text += ": " + ", ".join(record["choices"])
    default = record["default"]
    if default not in ("", []):
        shown = ",".join(map(str, default)) if isinstance(default, list) else default
        help_text += f". Of a named method: {shown}"
    name = RENAMED.get(record["name"], record["name"])
    return (name + "_" if keyword.iskeyword(name) else name, kind, None, help_text)


def wrapped(text, first, rest):
    return "\n".join(textwrap.wrap(text, 120, initial_indent=first, subsequent_indent=rest, break_long_words=False,
                                   break_on_hyphens=False))


def call(before, arguments, after, indent):
    """A call or a signature over several lines, broken between arguments."""
    lines, line = [], " " * indent + before
    for place, argument in enumerate(arguments):
        text = argument + (after if place + 1 == len(arguments) else ",")
        if len(line) + 1 + len(text) > 120:
            lines.append(line.rstrip())
            line = " " * (indent + len(before))
        line += text if line.endswith("(") or not line.strip() else " " + text
    return "\n".join([*lines, line])


def annotation(kind, default):
    """The type of a parameter: its documented kind without bounds."""
    if kind.startswith("{"):
        return "str | None"
    if kind.startswith("int or"):
        return "Any"
    names = {"str or list of str": "str | list[str]", "list of str": "list[str]", "list": "list[Any]"}
    kind = names.get(kind, kind.split(",")[0])
    return f"{kind} | None" if default is None else kind


def rendered_class(name, summary, parameters, inherited=()):
    """`inherited`: parameters of the base class, DetectorParameters, which documents them."""
    lines = [f"class {name}{'(DetectorParameters)' if inherited else ''}:", f'    """{summary}', "", "    Parameters",
             "    ----------"]
    for parameter, kind, default, text in parameters:
        lines.append(wrapped(f"{parameter} : {kind}, default {default!r}", "    ", "        "))
        lines.append(wrapped(text + ".", "        ", "        "))
    signature = [f"{name}: {annotation(kind, default)} = {default!r}"
                 for name, kind, default, _ in [*parameters, *inherited]]
    lines += ['    """', "", call("def __init__(", ["self", "*", *signature], ") -> None:", 4)]
    if inherited:
        lines.append(call("super().__init__(", [f"{name}={name}" for name, _, _, _ in inherited], ")", 8))
    lines += [f"        self.{parameter} = {parameter}" for parameter, _, _, _ in parameters]
    return "\n".join(lines) + "\n"


def render(records):
    options = [option(record) for record in records if record["name"] not in LEFT_OUT]
    names = {option(record)[0]: record["name"] for record in records if record["name"] not in LEFT_OUT}
    detector = options[:1] + FIRST + options[1:] + LAST
    table = "".join(f"    {name!r}: {option_name!r},\n" for name, option_name in names.items())
    common = "An option that is None has the value of the recipe, preset or method."
    return "\n".join([
        '"""Rendered by scripts/render_python.py from the records of the options: change those instead."""\n',
        "from __future__ import annotations\n\nfrom typing import Any\n",
        "# The option of the library behind each parameter.",
        f"OPTIONS = {{\n{table}}}\n\n",
        rendered_class("DetectorParameters", f"The parameters of a detector. {common}", detector), "",
        rendered_class("FleetParameters", "The parameters of a fleet, besides those of its detectors.", FLEET, detector)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the file is not current")
    parser.add_argument("library", help="path of libcugad.so")
    arguments = parser.parse_args()
    json_text = ctypes.c_char_p()
    if ctypes.CDLL(arguments.library).cugad_option_list(ctypes.byref(json_text)) != 0:
        raise SystemExit(f"{arguments.library}: cugad_option_list failed")
    text = render(json.loads(json_text.value))
    if TARGET.exists() and TARGET.read_text() == text:
        return
    if arguments.check:
        raise SystemExit("python/cugad/_parameters.py is not current, run scripts/render_python.py")
    TARGET.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
