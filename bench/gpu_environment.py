"""What a machine brings for bench/gpu_check.sh: GPU, toolkit, packages."""
import os
import re
import shutil
import subprocess
import tempfile

# Name for people -> a header that it brings. The command and its packages are not built here.
LIBRARIES = {
    "GoogleTest": "gtest/gtest.h", "Google Benchmark": "benchmark/benchmark.h", "fmt": "fmt/core.h",
    "nlohmann-json": "nlohmann/json.hpp", "zlib": "zlib.h", "libzip": "zip.h", "libpng": "png.h", "libjpeg": "jpeglib.h",
}
OLDEST_CMAKE, OLDEST_COMPILER = (3, 25), 12


# Where the toolkit's installer puts it, which not every PATH has.
if shutil.which("nvcc") is None and os.path.exists("/usr/local/cuda/bin/nvcc"):
    os.environ["PATH"] += ":/usr/local/cuda/bin"


def output_of(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


# nvidia-smi ignores CUDA_VISIBLE_DEVICES; its numbers are CUDA's in this order alone.
os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"


def first_visible():
    """The argument of nvidia-smi for the device that CUDA calls 0. None: CUDA shows no device."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return ["--id=0"]
    first = visible.split(",")[0].strip()
    if first.startswith("MIG-"):  # a part of some GPU, which nvidia-smi finds by the GPU's name alone
        return []
    return [f"--id={first}"] if first and first != "-1" else None


def compiler():
    return os.environ.get("CXX", "g++")


def version_of(command):
    match = re.search(r"\d+(?:\.\d+)+|^\d+$", output_of(command))
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def facts(root):
    device = first_visible()

    def ask(what):
        if device is None:
            return ""
        return (output_of(["nvidia-smi", *device, f"--query-gpu={what}", "--format=csv,noheader"]).splitlines() or [""])[0].strip()

    nvcc = re.search(r"V([\d.]+)", output_of(["nvcc", "--version"]))
    return {"gpu": ask("name"), "driver": ask("driver_version"), "compute_capability": ask("compute_cap"),
            "memory": ask("memory.total"), "nvcc": nvcc[1] if nvcc else "",
            "compiler": f"{compiler()} {output_of([compiler(), '-dumpfullversion'])}", "cores": len(os.sched_getaffinity(0)),
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
        triplet = output_of([compiler(), "-print-multiarch"]) or "x86_64-linux-gnu"
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


def missing(root, prefix):
    """What the build needs and this machine lacks, by names that people know."""
    environment = with_prefix(dict(os.environ), prefix)
    found = [name for name in ("ninja", "pkg-config") if shutil.which(name, path=environment["PATH"]) is None]
    # Ubuntu 22.04 has cmake 3.22 and g++ 11, and g++ 12 beside it.
    if (cmake := version_of(["cmake", "--version"])) < OLDEST_CMAKE:
        found.append(f"cmake {'.'.join(map(str, OLDEST_CMAKE))} or later (here: {'.'.join(map(str, cmake)) or 'none'}; pip install cmake)")
    if (gcc := version_of([compiler(), "-dumpfullversion"])) < (OLDEST_COMPILER,):
        found.append(f"g++ {OLDEST_COMPILER} or later (here: {'.'.join(map(str, gcc)) or 'none'}; apt-get install g++-12, then CXX=g++-12)")
    if not gcc:
        return found + ["its libraries (not looked for)"]
    if shutil.which("nvcc") and not has_header("curand_kernel.h", ["nvcc", "-x", "cu", "-E"], environment) and uses(root, "curand_kernel.h"):
        found.append("cuRAND's headers of the CUDA toolkit (libcurand-dev of its version)")
    found += [name for name, header in LIBRARIES.items() if not has_header(header, [compiler(), "-std=c++20", "-E"], environment)]
    return found


def uses(root, header):
    return subprocess.run(["grep", "-rqF", header, os.path.join(root, "kernels")], check=False).returncode == 0


def has_header(header, command, environment):
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "probe.cpp")
        with open(source, "w", encoding="utf-8") as file:
            file.write(f"#if !__has_include(<{header}>)\n#error missing\n#endif\n")
        return subprocess.run([*command, source], env=environment, capture_output=True, check=False).returncode == 0
