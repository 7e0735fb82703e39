"""Instructions and loops of a kernel, from what `nvdisasm -c -hex` prints."""
import collections
import re

# name: with modifiers; stall: clocks that the scheduler waits after it before the warp's next instruction.
Instruction = collections.namedtuple("Instruction", "address guard name text stall")
Loop = collections.namedtuple("Loop", "header blocks inner")  # numbers of blocks; the loops directly inside

LOW = re.compile(r"^\s*/\*([0-9a-f]{4,})\*/\s+(?:(@!?U?P\S+)\s+)?(\S+)(.*?)\s*;\s*/\* 0x[0-9a-f]{16} \*/")
HIGH = re.compile(r"^\s*/\* 0x([0-9a-f]{16}) \*/")
ENDS = ("BRA", "BRX", "RET", "EXIT", "JMP")


def parse(text):
    """Mangled kernel name -> (its instructions, label -> number of the instruction that follows it)."""
    kernels, instructions, labels, low = {}, None, None, None
    for line in text.splitlines():
        if match := re.match(r"\s*\.section\s+\.text\.([^,\s]+)", line):
            instructions, labels = [], {}
            kernels[match[1]] = instructions, labels
        elif instructions is None:
            continue
        elif match := re.match(r"(\.L\S+):", line):
            labels[match[1]] = len(instructions)
        elif match := LOW.match(line):
            low = match
        elif low is not None and (match := HIGH.match(line)):
            # Bits 105 to 108 of the 128.
            instructions.append(Instruction(int(low[1], 16), low[2], low[3], low[4].strip(), int(match[1], 16) >> 41 & 15))
            low = None
    return kernels


def jump_of(instruction, labels):
    """Where a branch goes, as the number of an instruction; None where that is outside the kernel or not known."""
    target = re.search(r"`\((\.L\S+?)\)$", instruction.text)
    # A call that pushes no return address is a branch.
    return labels.get(target[1]) if target and re.match(r"BRA|CALL\.REL\.NOINC", instruction.name) else None


def basic_blocks(instructions, labels):
    """Blocks as (first, end), and the successors of each by number."""
    ends = [i for i, instruction in enumerate(instructions)
            if instruction.name.split(".")[0] in ENDS or jump_of(instruction, labels) is not None]
    starts = sorted(i for i in {0, *labels.values(), *(end + 1 for end in ends)} if i < len(instructions))
    number = {first: block for block, first in enumerate(starts)}
    blocks, ends = list(zip(starts, [*starts[1:], len(instructions)])), set(ends)
    successors = []
    for _, end in blocks:
        last, out = instructions[end - 1], set()
        if (target := jump_of(last, labels)) in number:
            out.add(number[target])
        # A branch that all lanes take has no guard, and no predicate or register before its target.
        always = end - 1 in ends and last.guard is None and (last.name[:3] != "BRA" or last.text.startswith("`("))
        if not always and end in number:
            out.add(number[end])
        successors.append(sorted(out))
    return blocks, successors


def dominators(successors):
    """For each block the set of blocks that every path from the entry to it passes (None: unreachable), as bits."""
    before = [[] for _ in successors]
    for block, out in enumerate(successors):
        for to in out:
            before[to].append(block)
    found = [None] * len(successors)
    found[0] = 1
    changed = True
    while changed:
        changed = False
        for block in range(1, len(successors)):
            meet = None
            for source in before[block]:
                if found[source] is not None:
                    meet = found[source] if meet is None else meet & found[source]
            if meet is not None and meet | 1 << block != found[block]:
                found[block], changed = meet | 1 << block, True
    return found, before


def find_loops(instructions, labels):
    """Blocks, successors and the outermost natural loops of a kernel."""
    blocks, successors = basic_blocks(instructions, labels)
    dominated_by, before = dominators(successors)
    bodies = collections.defaultdict(set)
    for block, out in enumerate(successors):
        for header in out:
            if dominated_by[block] is None or not dominated_by[block] >> header & 1:
                continue
            body, work = bodies[header], [block]
            body.add(header)
            while work:
                at = work.pop()
                if at not in body:
                    body.add(at)
                    work.extend(source for source in before[at] if dominated_by[source] is not None)
    loops = {header: Loop(header, frozenset(body), []) for header, body in bodies.items()}
    outermost = []
    for header, loop in sorted(loops.items()):
        around = [other for other in loops.values() if other is not loop and header in other.blocks]
        if around:
            min(around, key=lambda other: len(other.blocks)).inner.append(loop)
        else:
            outermost.append(loop)
    return blocks, successors, outermost
