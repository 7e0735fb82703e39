#!/usr/bin/env python3
"""Confirms the CUDA backend on a GPU and writes one JSON and one Markdown summary. Start it as bench/gpu_check.sh.

Stages, each with its own limit; what fails is recorded, and the next stage runs: build for this GPU's architecture alone,
all test programs on the GPU, one after the other, compute-sanitizer (memcheck and racecheck) once per op, benchmarks, PyTorch
(where python3 has it and --compare or $COMPARE names the folder of the peer programs). It ends with what was predicted beside
what was measured. The GPU is the first that CUDA_VISIBLE_DEVICES shows. Exit status: 1 if the build, a test or a sanitizer run
failed, 2 where there is no GPU. What the machine lacks, or the time does not allow, is "not run".
"""
import argparse
import concurrent.futures
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import gpu_environment  # noqa: E402
import gpu_summary  # noqa: E402
import roofline  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOTAL_SECONDS = 530
LIMITS = {"build": 200, "tests": 150, "sanitizers": 110, "benchmarks": 170, "peers": 120}
PROGRAMS = ("ops_test", "training_test", "methods_test", "c_api_test", "backend_test")
NOT_RUN = {"ok": True, "not_run": True, "why": "out of time"}
# In order of importance: checks that do not fit into the time are missing at the end.
BENCHMARK_GROUPS = ("ceiling_|fma_peak|adam|latent_search|train_|reconstruction_score", "dense_forward|library_dense",
                    "convolution|image_",
                    "dense_backward|sigmoid|fill_|column|quantile|row|coverage|ranking|detector|content|combine|advance|"
                    "batch_norm|layer_norm|spectral|minibatch|split_channels|augment|cell_")


class Check:
    def __init__(self, arguments):
        self.arguments = arguments
        self.start = time.monotonic()
        self.device = "cpu" if arguments.rehearse else "cuda"
        self.build = os.path.join(ROOT, "build", "gpu_check")
        self.scratch = tempfile.mkdtemp(prefix="gpu_check_")
        self.environment = gpu_environment.with_prefix(dict(os.environ), arguments.prefix)
        self.environment.setdefault("CUDAHOSTCXX", gpu_environment.compiler())  # nvcc's own choice may be too old
        self.result = {"stages": {}}

    def remaining(self, stage):
        left = TOTAL_SECONDS * self.arguments.time_factor - (time.monotonic() - self.start)
        return max(5.0, min(LIMITS[stage] * self.arguments.time_factor, left))

    def run(self, command, limit):
        """(status, output); the status is None when the limit ended it."""
        with open(os.path.join(self.scratch, "log"), "a", encoding="utf-8") as log:
            log.write("$ " + " ".join(command) + "\n")
        try:
            done = subprocess.run(command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, errors="replace", timeout=limit, check=False)
            return done.returncode, done.stdout.replace(ROOT + os.sep, "")
        except subprocess.TimeoutExpired as error:
            output = error.stdout or b""
            return None, output.decode(errors="replace") if isinstance(output, bytes) else output
        except OSError as error:
            return 127, str(error)

    def stage(self, name, body):
        begin = time.monotonic()
        print(f"{name} ...", flush=True)
        try:
            entry = body()
        except Exception as error:  # a stage must not take the others with it
            entry = {"ok": False, "why": f"{type(error).__name__}: {error}"}
        entry["seconds"] = round(time.monotonic() - begin, 1)
        self.result["stages"][name] = entry
        print(f"{name}: {gpu_summary.verdict(entry)} in {entry['seconds']} s{'; ' + entry['why'] if entry.get('why') else ''}", flush=True)
        return entry["ok"]

    def build_all(self):
        architecture = self.arguments.architecture
        begin = time.monotonic()
        limit = self.remaining("build")
        configure = ["cmake", "-S", ROOT, "-B", self.build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DCUGAD_EMULATED=OFF",
                     "-DCUGAD_COMMAND=OFF", "-DCUGAD_STATIC=OFF",
                     f"-DCUGAD_CUDA={'ON' if architecture else 'OFF'}"]
        if architecture:
            configure.append(f"-DCUGAD_CUDA_ARCHITECTURES={architecture}")
        if self.arguments.prefix:
            configure.append(f"-DCMAKE_PREFIX_PATH={os.path.join(os.path.abspath(self.arguments.prefix), 'usr')}")
        if self.arguments.rehearse:
            configure.append("-DCUGAD_INSTRUCTION_SETS=baseline;avx2")
        for command in (configure, ["cmake", "--build", self.build, "--parallel", str(len(os.sched_getaffinity(0))), "--target", *self.targets(), "cugad_bench"]):
            status, output = self.run(command, max(5.0, limit - (time.monotonic() - begin)))
            if status != 0:
                return {"ok": False, "why": "out of time" if status is None else "failed", "output": output[-4000:]}
        return {"ok": True}

    def targets(self):
        return [name for name in PROGRAMS if self.arguments.architecture or name != "backend_test"]

    def program(self, name):
        return os.path.join(self.build, "tests", name)

    def test_program(self, name, limit):
        if self.arguments.rehearse and name == "backend_test":
            return {"ok": True, "why": "needs a GPU", "passed": 0, "failed": 0, "skipped": 0}
        path = self.program(name)
        if not os.path.exists(path):
            return {"ok": False, "why": "not built", "passed": 0, "failed": 0, "skipped": 0}
        report = os.path.join(self.scratch, name + ".json")
        status, output = self.run([path, "-b", self.device, f"--gtest_output=json:{report}", "--gtest_brief=1"], limit)
        counts = gpu_summary.count_tests(report, output)
        counts.update(ok=status == 0, status=status)
        if status is None and counts["failed"] == 0:
            return {**counts, **NOT_RUN, "why": f"out of time after {limit:.0f} s"}
        if status != 0:
            counts["output"] = output[-3000:]
        return counts

    def test_all(self):
        end, done = time.monotonic() + self.remaining("tests"), {}
        for name in PROGRAMS:
            left = end - time.monotonic()
            done[name] = self.test_program(name, left) if left > 5 else dict(NOT_RUN, passed=0, failed=0, skipped=0)
        return self.together(done.values(), programs=done)

    @staticmethod
    def together(entries, **more):
        """A stage of several runs: it has failed if one has; runs that were left out are listed."""
        left_out = sum(bool(entry.get("not_run")) for entry in entries)
        stage = {"ok": all(entry["ok"] for entry in entries), "not_run": bool(left_out), **more}
        return {**stage, "why": f"out of time for {left_out} of {len(entries)} runs"} if left_out else stage

    def sanitize_all(self):
        tool = shutil.which("compute-sanitizer", path=self.environment.get("PATH"))
        status, listing = self.run([self.program("ops_test"), "--gtest_list_tests"], 20)
        if status != 0:
            return {"ok": False, "why": "the cases could not be listed"}
        cases = gpu_summary.small_cases(listing, each=2 if self.arguments.quick else 4)
        if tool is None:
            return {**NOT_RUN, "why": "there is no compute-sanitizer", "cases": cases}
        if self.arguments.rehearse:
            return {"ok": True, "not_run": True, "why": "needs a GPU", "cases": cases}
        end = time.monotonic() + self.remaining("sanitizers")

        def one(work):
            kind, op = work
            left = end - time.monotonic()
            if left < 5:
                return {"tool": kind, "op": op, **NOT_RUN}
            command = [tool, "--tool", kind, "--error-exitcode", "9", self.program("ops_test"), "-b", self.device,
                       "--gtest_brief=1", "--gtest_filter=" + ":".join(cases[op])]
            found, output = self.run(command, min(60.0, left))
            if found is None:
                return {"tool": kind, "op": op, **NOT_RUN}
            ran = re.search(r"\[=+\] (\d+) tests? from .* ran", output)
            entry = {"tool": kind, "op": op, "ok": found == 0 and bool(ran) and int(ran[1]) > 0, "status": found}
            if not entry["ok"]:
                entry["output"] = output[-2000:]
            return entry

        work = [(kind, op) for kind in ("memcheck", "racecheck") for op in cases]
        with concurrent.futures.ThreadPoolExecutor(self.arguments.parallel) as pool:
            done = list(pool.map(one, work))
        return self.together(done, runs=done)

    def benchmark_all(self):
        end = time.monotonic() + self.remaining("benchmarks")
        found, unfinished = {}, []
        for number, pattern in enumerate(BENCHMARK_GROUPS):
            path = os.path.join(self.scratch, f"benchmarks_{number}.json")
            quick = self.arguments.quick
            command = [os.path.join(self.build, "bench", "cugad_bench"), "--device", self.device, f"--benchmark_filter={pattern}",
                       f"--benchmark_min_time={0.01 if quick else 0.05}", f"--benchmark_repetitions={1 if quick else 3}",
                       f"--benchmark_out={path}", "--benchmark_out_format=json"]
            left = end - time.monotonic()
            status, output = self.run(command, max(2.0, left)) if left > 2 else (None, "")
            if os.path.exists(path):
                found.update({**roofline.medians(roofline.read_runs(path)), **found})
            if status != 0:
                unfinished.append({"group": pattern, "why": "out of time" if status is None else f"status {status}", "output": output[-1000:]})
        self.result["benchmarks"] = roofline.shares(found)
        self.result["bars"] = roofline.bars(found)
        self.medians = found
        errors = [name for name, run in found.items() if "error" in run]
        return {"ok": not unfinished and not errors, "unfinished": unfinished, "errors": errors}

    def compare_with_peers(self):
        import peers_gpu
        rows, messages = peers_gpu.compare(self.medians, self.arguments.compare, sys.executable, self.remaining("peers"))
        self.result["peers"] = rows
        return {"ok": bool(rows), "messages": messages}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=os.path.join(ROOT, "bench", "results"), help="for the two summaries")
    parser.add_argument("--quick", action="store_true", help="one repetition of short benchmarks, two cases per op under the sanitizers")
    parser.add_argument("--rehearse", action="store_true", help="run what needs no GPU, on the CPU backend")
    parser.add_argument("--prefix", help="folder into which missing packages were unpacked (scripts/unpack_dependencies.sh)")
    parser.add_argument("--compare", default=os.environ.get("COMPARE"), help="folder of torch_gpu.py")
    parser.add_argument("--parallel", type=int, default=4, help="sanitizers at a time")
    parser.add_argument("--time-factor", type=float, default=1.0, help="multiplies all limits")
    return parser.parse_args()


def main():
    arguments = parse()
    facts = gpu_environment.facts(ROOT)
    missing = gpu_environment.missing(ROOT, arguments.prefix)
    if missing:
        sys.exit(f"gpu_check: missing: {', '.join(missing)} (see scripts/install_dependencies.sh, or --prefix)")
    if not arguments.rehearse and (not facts["gpu"] or not facts["nvcc"]):
        print(f"gpu_check: {'no GPU answers nvidia-smi' if not facts['gpu'] else 'there is no nvcc'}; --rehearse runs what needs none")
        return 2
    arguments.architecture = gpu_environment.architecture(facts)
    check = Check(arguments)
    check.result.update(facts=facts, rehearsal=arguments.rehearse, quick=arguments.quick, architecture=arguments.architecture,
                        date=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))
    ok = check.stage("build", check.build_all)
    if ok:
        ok = check.stage("tests", check.test_all)
        ok = check.stage("sanitizers", check.sanitize_all) and ok
        if not check.stage("benchmarks", check.benchmark_all):
            print("some benchmarks are missing; see the summary")
        if arguments.rehearse:
            print("peers: need a GPU")
        elif not arguments.compare or subprocess.run([sys.executable, "-c", "import torch"], capture_output=True, check=False).returncode:
            print("peers: skipped; they need PyTorch and --compare")
        else:
            check.stage("peers", check.compare_with_peers)
    check.result["seconds"] = round(time.monotonic() - check.start, 1)
    check.result["ok"] = ok
    check.result["predictions"] = roofline.beside_predictions(os.path.join(ROOT, "docs", "kernels.md"), check.result.get("bars", []),
                                                              check.result.get("peers", []))
    name = gpu_summary.write(arguments.folder, check.result)
    shutil.rmtree(check.scratch, ignore_errors=True)
    print(f"{gpu_summary.outcome(check.result)} in {check.result['seconds']} s: {name}.md, {name}.json\n\n{check.result['predictions']}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
