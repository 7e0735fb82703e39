#!/usr/bin/env python3
"""What a fleet file of millions of groups costs to open, and to take one group out of. One JSON line.

  bench/large_fleet.py --library build/cpu/libcugad.so --groups 10000000 FLEET

FLEET is a small fleet file of the current version. The script makes a file of its layout with so many groups, named machine-00000000, ...,
of which it writes 300 (the models of FLEET in turn) among holes that take no room on the disk, and prints

  file_gb, header_kb   of that file
  open_ms              cugad_fleet_load() of the C interface: processor time and wall clock, the least of several rounds, the names being in
                       the page cache; memory_mb: what the process then holds
  extract_ms           cugad_fleet_take_out() of groups that were not used before: processor time, on average over 100, the least round
  thresholds_ms        cugad_fleet_thresholds() of these 100 after cugad_fleet_set_contamination(), and the latter
"""
import argparse
import array
import ctypes
import json
import os
import resource
import struct
import sys
import tempfile
import time
import zlib

WIDTHS = {"F64": 8, "F32": 4, "U8": 1}
WRITTEN, ROUNDS = 300, 3


def read_header(path):
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        return json.loads(file.read(size)), 8 + size


def sized(name, entry, groups, models):
    """The shape of a tensor of so many groups."""
    shape = list(entry["shape"])
    if name.startswith("group.") and entry["joined"]:
        shape[0] = entry["joined"] * groups
    elif name.startswith("group.") or name == "group_checksums":
        shape[0] = groups
    elif name in ("groups.ends", "groups.rows"):
        shape = [groups]
    elif name == "groups.names":
        shape = [len("machine-00000000") * groups]
    return shape


def enlarge(small, large, groups):
    header, values_at = read_header(small)
    metadata = header.pop("__metadata__")
    metadata.pop("checksum_outside")
    header.pop("groups.without_model", None)  # those of the small file: all groups of the large one have models
    models = header["group_checksums"]["shape"][0]
    with open(small, "rb") as file:

        def values(name):
            begin, end = header[name]["data_offsets"]
            file.seek(values_at + begin)
            return file.read(end - begin)

        parts = {name: values(name) for name in header}
    for name, entry in header.items():
        entry["joined"] = 0
        rows = "group.numbers." + name[len("group."):]
        if name.startswith("group.") and rows in header and name.split(".")[-2:][0] == "reference":
            counts = set(array.array("d", parts[rows]))
            if len(counts) > 1:
                raise SystemExit(f"{small}: its groups keep different numbers of reference rows, expected equal ones")
            entry["joined"] = int(counts.pop())
    position, shapes = 0, {name: sized(name, entry, groups, models) for name, entry in header.items()}
    laid_out = {}
    for width in (8, 4, 1):
        for name in sorted(header):
            if WIDTHS[header[name]["dtype"]] != width:
                continue
            size = width
            for extent in shapes[name]:
                size *= extent
            laid_out[name] = {"data_offsets": [position, position + size], "dtype": header[name]["dtype"], "shape": shapes[name]}
            position += size

    def text(with_sum):
        dumped = json.dumps({**laid_out, "__metadata__": {**metadata, **with_sum}}, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
        encoded = dumped.encode()
        return encoded + b" " * (-len(encoded) % 8)

    small_texts = {"groups.names": b"".join(b"machine-%08d" % g for g in range(groups)),
                   "groups.ends": array.array("d", range(16, 16 * groups + 1, 16)).tobytes(),
                   "groups.rows": array.array("d", [200.0]) .tobytes() * groups}
    checksum = zlib.crc32(text({}))
    checksums = bytearray(16 * groups)
    written = sorted({0, groups - 1, *(groups * i // WRITTEN for i in range(WRITTEN))})
    for number, g in enumerate(written):
        model = number % models
        checksums[16 * g:16 * g + 16] = parts["group_checksums"][16 * model:16 * model + 16]
    small_texts["group_checksums"] = bytes(checksums)
    for width in (8, 4, 1):
        for name in sorted(laid_out):
            if WIDTHS[laid_out[name]["dtype"]] == width and not name.startswith("group."):
                checksum = zlib.crc32(small_texts.get(name, parts[name]), checksum)
    head = text({"checksum_outside": f"group. {checksum:08x}"})
    with open(large, "wb") as file:
        file.truncate(8 + len(head) + position)
        file.write(struct.pack("<Q", len(head)) + head)
        for name, entry in laid_out.items():
            at = 8 + len(head) + entry["data_offsets"][0]
            if not name.startswith("group."):
                file.seek(at)
                file.write(small_texts.get(name, parts[name]))
                continue
            each, joined = len(parts[name]) // models, header[name]["joined"]
            if name.startswith("group.numbers.") and f"group.{name[len('group.numbers.'):]}" in laid_out:
                file.seek(at)
                file.write(parts[name][:8] * groups)  # rows of all: their positions follow from them
                continue
            for number, g in enumerate(written):
                model = number % models
                file.seek(at + g * each)
                file.write(parts[name][model * each:(model + 1) * each])
    return written, len(head)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fleet")
    parser.add_argument("--library", required=True)
    parser.add_argument("--groups", type=int, default=10_000_000)
    parser.add_argument("--folder", help="for the large file [a temporary one]")
    arguments = parser.parse_args()
    library = ctypes.CDLL(os.path.abspath(arguments.library))
    library.cugad_last_error.restype = ctypes.c_char_p

    def call(name, *given):
        if getattr(library, name)(*given) != 0:
            raise SystemExit(library.cugad_last_error().decode())

    device = ctypes.c_void_p()
    call("cugad_device_open_with_threads", b"cpu", ctypes.c_int32(1), ctypes.byref(device))
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = os.path.join(folder, "large.safetensors")
        if os.fork() == 0:  # what it needs to write is not what it takes to open
            written, header = enlarge(arguments.fleet, path, arguments.groups)
            with open(f"{path}.json", "w", encoding="utf-8") as file:
                json.dump([written, header], file)
            os._exit(0)
        if os.wait()[1] != 0:
            sys.exit(1)
        with open(f"{path}.json", encoding="utf-8") as file:
            written, header = json.load(file)
        opened, extracted, asked, changed = [], [], [], []
        for number in range(ROUNDS):
            fleet = ctypes.c_void_p()
            start = time.process_time(), time.perf_counter()
            call("cugad_fleet_load", device, path.encode(), ctypes.byref(fleet))
            opened.append((time.process_time() - start[0], time.perf_counter() - start[1]))
            held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            groups = [b"machine-%08d" % g for g in written[number::ROUNDS][:100]]
            detectors = [ctypes.c_void_p() for _ in groups]
            begin = time.process_time()
            for group, detector in zip(groups, detectors):
                call("cugad_fleet_take_out", fleet, group, ctypes.byref(detector))
            extracted.append((time.process_time() - begin) / len(groups))
            for detector in detectors:
                library.cugad_detector_destroy(detector)
            begin = time.process_time()
            call("cugad_fleet_set_contamination", fleet, ctypes.c_float(0.2))
            changed.append(time.process_time() - begin)
            begin = time.process_time()
            call("cugad_fleet_thresholds", fleet, (ctypes.c_char_p * len(groups))(*groups), ctypes.c_int64(len(groups)),
                 (ctypes.c_float * len(groups))())
            asked.append(time.process_time() - begin)
            library.cugad_fleet_destroy(fleet)
        print(json.dumps({"groups": arguments.groups, "file_gb": round(os.path.getsize(path) / 1e9, 3), "header_kb": round(header / 1e3, 1),
                          "open_ms": round(1e3 * min(opened)[0], 1), "open_wall_ms": round(1e3 * min(one[1] for one in opened), 1),
                          "memory_mb": round(held), "extract_ms": round(1e3 * min(extracted), 3),
                          "set_contamination_ms": round(1e3 * min(changed), 3), "thresholds_ms": round(1e3 * min(asked), 3)}))


if __name__ == "__main__":
    main()
