"""What a machine brings for bench/gpu_check.sh: GPU, toolkit, packages."""
import os
import re
import shutil
import subprocess
import tempfile

# Name for people -> a header that it brings.
LIBRARIES = {
    "GoogleTest": "gtest/gtest.h", "Google Benchmark": "benchmark/benchmark.h", "CLI11": "CLI/CLI.hpp", "fmt": "fmt/core.h",
    "nlohmann-json": "nlohmann/json.hpp", "toml++": "toml++/toml.h", "zlib": "zlib.h", "libzip": "zip.h",
    "fast_float": "fast_float/fast_float.h",
}


# Where the toolkit's installer puts it, which not every PATH has.
if shutil.which("nvcc") is None and os.path.exists("/usr/local/cuda/bin/nvcc"):
    os.environ["PATH"] += ":/usr/local/cuda/bin"


def output_of(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def facts(root):
    def ask(what):
        return (output_of(["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader"]).splitlines() or [""])[0].strip()

    nvcc = re.search(r"V([\d.]+)", output_of(["nvcc", "--version"]))
    return {"gpu": ask("name"), "driver": ask("driver_version"), "compute_capability": ask("compute_cap"),
            "memory": ask("memory.total"), "nvcc": nvcc[1] if nvcc else "",
            "compiler": output_of(["g++", "-dumpfullversion"]), "cores": len(os.sched_getaffinity(0)),
            "commit": output_of(["git", "-C", root, "rev-parse", "HEAD"]),
            "changed_files": len(output_of(["git", "-C", root, "status", "--porcelain"]).splitlines())}


def architecture(known):
    """What CUGAD_CUDA_ARCHITECTURES calls this GPU; 90a where there is only a compiler, and empty without one."""
    if not known["nvcc"]:
        return ""
    capability = known["compute_capability"].replace(".", "") or "90"
    return "90a" if capability == "90" else capability


def with_prefix(environment, prefix):
    """The environment in which programs and pkg-config find packages that were unpacked under `prefix`."""
    if prefix:
        base = os.path.abspath(prefix)
        triplet = output_of(["g++", "-print-multiarch"]) or "x86_64-linux-gnu"
        libraries = [os.path.join(base, "usr", "lib", triplet), os.path.join(base, "lib", triplet), os.path.join(base, "usr", "lib")]
        environment["PKG_CONFIG_SYSROOT_DIR"] = base
        environment["PKG_CONFIG_LIBDIR"] = ":".join([os.path.join(folder, "pkgconfig") for folder in libraries]
                                                    + [os.path.join(base, "usr", "share", "pkgconfig")])
        environment["LD_LIBRARY_PATH"] = ":".join(libraries + [environment.get("LD_LIBRARY_PATH", "")]).rstrip(":")
        # What the linker needs for libraries that the unpacked ones are linked with themselves.
        environment["LDFLAGS"] = " ".join(f"-Wl,-rpath-link,{folder}" for folder in libraries)
        environment["CPATH"] = os.path.join(base, "usr", "include") + ":" + os.path.join(base, "usr", "include", triplet)
        environment["PATH"] = os.path.join(base, "usr", "bin") + ":" + environment["PATH"]
    return environment


def missing(prefix):
    """What the build needs and this machine lacks, by names that people know."""
    environment = with_prefix(dict(os.environ), prefix)
    found = [name for program, name in (("cmake", "cmake"), ("ninja", "ninja"), ("g++", "g++ 12 or later"), ("pkg-config", "pkg-config"))
             if shutil.which(program, path=environment["PATH"]) is None]
    if "g++ 12 or later" in found:
        return found + ["its libraries (not looked for)"]
    if int((output_of(["g++", "-dumpversion"]) or "0").split(".")[0]) < 12:
        found.append("g++ 12 or later")
    with tempfile.TemporaryDirectory() as folder:
        for name, header in LIBRARIES.items():
            source = os.path.join(folder, "probe.cpp")
            with open(source, "w", encoding="utf-8") as file:
                file.write(f"#if !__has_include(<{header}>)\n#error missing\n#endif\n")
            if subprocess.run(["g++", "-std=c++20", "-E", source], env=environment, capture_output=True, check=False).returncode:
                found.append(name)
    return found
