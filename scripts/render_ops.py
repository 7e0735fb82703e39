#!/usr/bin/env python3
"""Renders what follows from the op contracts in include/cugad/ops, so that there is one list of ops:

    include/cugad/cugad_ops.h      the ops in C
    host/c_api/op_fields.hpp       the fields of the structs, by name
    docs/op_reference.md           the contracts, and where code, tests and benchmarks of each op are

Without arguments it writes them; with --check it lists those that are not current, and fails.
"""
import argparse
import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Structs inside arguments, each after those that it holds.
SHARED = ["RandomKey", "Dropout", "LayerView", "NetworkView", "StepSchedule", "ImageShape", "Window"]
ENUMS = ["Activation", "Distance", "AdamForm", "Discrimination", "RandomPurpose"]
STACKS = {
    "float": ("stack", "float"),
    "const float": ("const_stack", "const float"),
    "double": ("double_stack", "double"),
    "const double": ("const_double_stack", "const double"),
    "std::int32_t": ("int32_stack", "int32_t"),
    "const std::int32_t": ("const_int32_stack", "const int32_t"),
    "const std::uint8_t": ("const_uint8_stack", "const uint8_t"),
}
PARTS = ("types", "training", "convolution", "images", "search", "rows", "scores", "normalisation", "masks")  # of include/cugad/ops, in the order of the reference
NOTICE = "Rendered from include/cugad/ops by scripts/render_ops.py: change it there, then run the script."


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class Struct:
    def __init__(self, name, comment, body):
        self.name, self.comment = name, comment
        self.constants = re.findall(r"static constexpr int (\w+) = (\d+);", body)
        self.fields = []  # (type, name, array length or "", default or "", note)
        body = re.sub(r"\n\s+constexpr .*?\n  }", "", body, flags=re.S)  # member functions
        body = re.sub(r";[ \t]*\n[ \t]*(///<)", r";  \1", body)
        for line in body.split("\n"):
            line = line.strip()
            if not line or line.startswith("static "):
                continue
            match = re.match(r"((?:const )?[\w:]+(?:<[\w: ]+>)?\*?) (.*?);(?:\s*///< (.*))?$", line)
            if not match:
                raise SystemExit(f"render_ops: cannot read '{line}' in struct {name}")
            kind, names, note = match.groups()
            for one in re.split(r",\s*(?![^{]*})", names):
                field, _, default = one.partition(" = ")
                field, _, length = field.rstrip("]").partition("[")
                self.fields.append((kind, field, length, default, note or ""))


def read_contracts():
    structs, enums = {}, {}
    for header in ("rng.hpp", *(f"ops/{part}.hpp" for part in PARTS), "ops.hpp"):
        text = (ROOT / "include/cugad" / header).read_text()
        # A note that a long line pushed to the next ones belongs to its field.
        text = re.sub(r"(///< [^\n]*)\n\s+///< ", r"\1 ", text)
        for comment, kind, name, line, block in re.findall(
                r"((?:^///[^\n]*\n)*)^(struct|enum class) (\w+)[^\n{]*\{(?: ([^\n]*) \};|\n(.*?)^\};)", text,
                flags=re.M | re.S):
            lines = [one[4:] for one in comment.splitlines()]
            if kind == "enum class":
                enums[name] = (lines, read_values(line or block))
            elif name != "Verdict":
                structs[name] = Struct(name, lines, block)
        ops = re.findall(r"X\((\w+), (\w+)\)", text)
    return structs, enums, ops


def read_values(body):
    values, number = [], 0
    for name, _, given, note in re.findall(r"(\w+)( = (\d+))?,?(?:[ \t]*///< ([^\n]*))?(?=\s|$)",
                                           body.strip()):
        number = int(given) if given else number
        values.append((name, number, note))
        number += 1
    return values


def c_type(kind):
    stack = re.match(r"StackView<(.*)>$", kind)
    if stack:
        return "cugad_" + STACKS[stack.group(1)][0]
    if kind in SHARED or kind in ENUMS:
        return "cugad_" + snake(kind)
    return {"bool": "int32_t"}.get(kind, kind.replace("std::", ""))


def comment_of(lines):
    return "".join(f"/// {line}".rstrip() + "\n" for line in lines)


def wrapped(head, parameters):
    """A declaration in lines of up to 120 characters."""
    if len(head + ", ".join(parameters)) <= 120:
        return head + ", ".join(parameters) + "\n"
    return head + (",\n" + " " * len(head)).join(parameters) + "\n"


def places_of(op, name):
    """Where an op is: its contract, its code, its tests and the benchmarks that run it, as links."""
    def files(pattern, expression, what=None):
        found = [path for path in sorted(ROOT.glob(pattern)) if re.search(expression, path.read_text(), re.M)]
        if what and len(found) != 1:
            sys.exit(f"render_ops: {len(found)} files hold the {what} of {op}, expected 1 of {pattern}")
        return [path.relative_to(ROOT).as_posix() for path in found]

    entry = rf"\b{op}_entry\(\) \{{"
    places = (("contract", files("include/cugad/ops/*.hpp", rf"^struct {name} \{{", "contract")),
              ("CPU", files("kernels/*/*.cpp", entry, "CPU code")),
              ("CUDA", files("kernels/*/*.cu", entry, "CUDA code")),
              ("tests", files("tests/ops/*.cpp", rf'register_op\("{op}"', "tests")),
              ("benchmarks", files("bench/*.cpp", rf"\b{name}\b")))
    links = {what: ", ".join(f"[{path.split('/', 1)[1]}](../{path})" for path in paths) for what, paths in places}
    text = "; ".join(f"{what} {link}" for what, link in links.items() if link)
    return textwrap.fill("Where: " + text + ".", 120, break_long_words=False, break_on_hyphens=False) + "\n\n"


def table_of(fields):
    text = "| field | type | default | |\n|---|---|---|---|\n"
    for kind, field, length, default, note in fields:
        shown = f"{kind}[{length}]" if length else kind
        text += f"| `{field}` | `{shown}` | {'`' + default + '`' if default else ''} | {cell(note)} |\n"
    return text


def cell(note):
    return note.replace("|", "\\|").replace("*", "\\*")


def c_struct(struct, name, first=""):
    constants = "".join(f"  CUGAD_{snake(struct.name).upper()}_{constant.upper()} = {value},\n"
                        for constant, value in struct.constants)
    text = f"enum {{\n{constants[:-2]}\n}};\n" if constants else ""
    text += comment_of(struct.comment) + f"typedef struct {name} {{\n{first}"
    for kind, field, length, _, note in struct.fields:
        if length:
            length = f"[CUGAD_{snake(struct.name).upper()}_{length.upper()}]"
        if kind == "bool":
            note = "0 or 1" + (": " + note if note else "")
        text += f"  {c_type(kind)} {field}{length};" + (f"  ///< {note}" if note else "") + "\n"
    return text + f"}} {name};\n"


def render_header(structs, enums, ops):
    text = (ROOT / "scripts/cugad_ops_head.h").read_text().replace("@NOTICE@", NOTICE)
    for name in ENUMS:
        lines, values = enums[name]
        kind = "uint32_t" if name == "RandomPurpose" else "int32_t"
        text += "\n" + comment_of(lines or ["For the ops that take one."])
        text += f"typedef {kind} cugad_{snake(name)};\nenum {{\n"
        rows = [f"  CUGAD_{snake(name).upper()}_{value.upper()} = {number}" for value, number, _ in values]
        notes = [f"  ///< {note}" if note else "" for _, _, note in values]
        text += "\n".join(row + ("," if i + 1 < len(rows) else "") + notes[i] for i, row in enumerate(rows)) + "\n};\n"
    text += "\n"
    for short, element in STACKS.values():
        text += (f"/// A stack of matrices of `{element}`, see above.\n"
                 f"typedef struct cugad_{short} {{\n  {element}* data;\n"
                 f"  int64_t models, rows, columns, model_stride, row_stride;\n}} cugad_{short};\n")
    for name in SHARED:
        text += "\n" + c_struct(structs[name], "cugad_" + snake(name))
    for op, name in ops:
        args = f"cugad_{op}_args"
        text += "\n" + c_struct(structs[name], args, "  size_t struct_size;  ///< sizeof of this struct\n")
        text += (f"/// Sets struct_size and the defaults; `struct_size` is sizeof({args}).\n"
                 + wrapped(f"CUGAD_API cugad_status cugad_{op}_init(", [f"{args}* args", "size_t struct_size);"]) +
                 "/// Runs the op.\n"
                 + wrapped(f"CUGAD_API cugad_status cugad_{op}(", ["cugad_device* device", f"const {args}* args);"]) +
                 "/// Checks the arguments as the op does, and returns the bytes of scratch memory that it needs.\n"
                 + wrapped(f"CUGAD_API cugad_status cugad_{op}_workspace(",
                           ["cugad_device* device", f"const {args}* args", "size_t* bytes);"]))
    return text + "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n"


def render_fields(structs, enums, ops):
    text = (f"#pragma once\n\n// {NOTICE}\n// clang-format off\n\n"
            "/// The structs that the C and the C++ interface share, with their fields.\n\n")
    text += "#define CUGAD_SHARED_STRUCTS(X)" + "".join(f" X({snake(n)}, {n})" for n in SHARED) + "\n"
    text += "#define CUGAD_STACKS(X)" + "".join(f" X({s}, {e})" for s, e in STACKS.values()) + "\n"
    text += "#define CUGAD_ENUM_VALUES(X)"
    for name in ENUMS:
        for value, _, _ in enums[name][1]:
            text += f" X(CUGAD_{snake(name).upper()}_{value.upper()}, {name}::{value})"
    text += "\n#define CUGAD_CONSTANTS(X)"
    for name in SHARED + [args for _, args in ops]:
        for constant, _ in structs[name].constants:
            text += f" X(CUGAD_{snake(name).upper()}_{constant.upper()}, {name}::{constant})"
    text += "\n\n"
    for short, struct in [(snake(n), n) for n in SHARED] + ops:
        text += f"#define CUGAD_FIELDS_{short}(F)" + "".join(f" F({f[1]})" for f in structs[struct].fields) + "\n"
    return text


def render_reference(structs, enums, ops):
    text = (f"# Op reference\n\n<!-- {NOTICE} -->\n\n"
            "The contract of every op, from [`include/cugad/ops.hpp`](../include/cugad/ops.hpp), whose head has the rules "
            "of all of\nthem. `cugad::run(context, Args)` in C++ is `cugad_<op>(device, args)` in C "
            "(`cugad/cugad_ops.h`). [ops.md](ops.md) has\na line for each.\n")
    for op, name in ops:
        struct = structs[name]
        text += f"\n## {op}\n\n```\n" + "\n".join(struct.comment).rstrip() + "\n```\n\n"
        text += places_of(op, name)
        text += f"C++ `cugad::{name}`, C `cugad_{op}_args`:\n\n" + table_of(struct.fields)
    text += "\n## Structs inside arguments\n"
    for name in SHARED:
        text += f"\n### {name}\n\n```\n" + "\n".join(structs[name].comment).rstrip() + "\n```\n\n"
        text += f"C `cugad_{snake(name)}`:\n\n" + table_of(structs[name].fields)
    text += "\n## Enums\n\n| C++ | C | value | |\n|---|---|---|---|\n"
    for name in ENUMS:
        for value, number, note in enums[name][1]:
            text += f"| `{name}::{value}` | `CUGAD_{snake(name).upper()}_{value.upper()}` | {number} | {cell(note)} |\n"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    contracts = read_contracts()
    stale = []
    for path, render in (("include/cugad/cugad_ops.h", render_header), ("host/c_api/op_fields.hpp", render_fields),
                         ("docs/op_reference.md", render_reference)):
        text, target = render(*contracts), ROOT / path
        if check and (not target.exists() or target.read_text() != text):
            stale.append(path)
        elif not check:
            target.write_text(text)
    table = (ROOT / "docs/ops.md").read_text()
    missing = [op for op, _ in contracts[2] if f"| `{op}` |" not in table]
    if missing:
        sys.exit("docs/ops.md has no row for " + ", ".join(missing))
    if stale:
        sys.exit("not current: " + ", ".join(stale) + "; run scripts/render_ops.py")


if __name__ == "__main__":
    main()
