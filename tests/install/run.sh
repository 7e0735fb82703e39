#!/usr/bin/env bash
# Installs a finished build into an empty folder, moves that folder, and uses it as others would: from CMake, from
# pkg-config, in C11 and in C++20, as a shared and as a static library, with the examples, and as a part of their build.
#   run.sh BUILD_FOLDER C_COMPILER CXX_COMPILER
set -euo pipefail
build=$(cd "$1" && pwd) cc=$2 cxx=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset CMAKE_PREFIX_PATH PKG_CONFIG_PATH LD_LIBRARY_PATH DESTDIR
export CC=$cc CXX=$cxx

# Runs a step quietly; shows its output if it fails.
step() {
  local title=$1
  shift
  if "$@" >"$work/log" 2>&1; then
    echo "ok: $title"
  else
    cat "$work/log" >&2
    echo "FAILED: $title" >&2
    exit 1
  fi
}

fails() { ! "$@"; }

step "install" cmake --install "$build" --prefix "$work/first"
step "install below DESTDIR" env DESTDIR="$work/staged" cmake --install "$build" --prefix /usr
step "both hold the same files" diff <(cd "$work/first" && find . | sort) <(cd "$work/staged/usr" && find . | sort)
step "nothing outside of /usr" test "$(ls "$work/staged")" = usr
mv "$work/first" "$work/moved"
prefix=$work/moved
library=$(dirname "$(find "$prefix" -name 'libcugad.so.*' -type l)")

names_a_folder() { grep -rlIe "$build" -e "$source" -e "$work/first" "$prefix"; }
step "no file names the folders of the build" fails names_a_folder
has_run_path() { readelf -d "$prefix/bin/cugad" "$library/libcugad.so" | grep -E 'R(UN)?PATH'; }
step "no run path in library and command" fails has_run_path
step "the command runs by itself" "$prefix/bin/cugad" info --ops

# ---- CMake. A program built in CMake's tree finds the library by the run path that CMake gives it.
use_cmake() {
  cmake -S "$here/consumer" -B "$work/$1" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DCONSUME="$2" -DCONSUME_COMPONENTS="$3" &&
    cmake --build "$work/$1" && "$work/$1/consumer_c" && "$work/$1/consumer_cpp" && "$work/$1/consumer_cpp17" &&
    "$work/$1/consumer_host" "$work/$1/libconsumer_plugin.so"
}
step "find_package: C and C++ with the shared library" use_cmake shared cugad::cugad ""
step "find_package: C and C++ with the static library" use_cmake static cugad::cugad_static static
needs_library() { readelf -d "$1" | grep 'libcugad'; }
step "the shared one is needed at run time" needs_library "$work/shared/consumer_c"
step "the static one is not" fails needs_library "$work/static/consumer_c"
exports_names() { nm -D --defined-only "$1" | grep cugad; }
step "a plugin exports nothing of its static library" fails exports_names "$work/static/libconsumer_plugin.so"
binds_to_library() { LD_DEBUG=bindings "$work/static/consumer_host" "$work/static/libconsumer_plugin.so" 2>&1 | grep 'consumer_plugin.so .*to .*libcugad\.so'; }
step "and uses its own copy beside the shared library" fails binds_to_library
no_standard() { ! grep -r cxx_std "$library/cmake/cugad"; }
step "no standard of C++ is asked for" no_standard
step "an unknown component is refused" fails cmake -S "$here/consumer" -B "$work/refused" -DCMAKE_PREFIX_PATH="$prefix" \
  -DCONSUME_COMPONENTS=quantum

# ---- pkg-config, by hand.
export PKG_CONFIG_PATH=$library/pkgconfig
use_pkg_config() ( # in a shell of its own: set -x
  local shared_flags static_flags warnings=(-Wall -Wextra -Wpedantic -Werror)
  read -ra shared_flags < <(pkg-config --cflags --libs cugad)
  read -ra static_flags < <(pkg-config --static --cflags --libs cugad | sed 's/-lcugad/-l:libcugad.a/')
  set -x
  "$cc" -std=c11 "${warnings[@]}" "$here/consumer/consumer.c" "${shared_flags[@]}" -o "$work/c_shared" &&
    "$cxx" -std=c++20 "${warnings[@]}" "$here/consumer/consumer.cpp" "${shared_flags[@]}" -o "$work/cpp_shared" &&
    "$cc" -std=c11 "${warnings[@]}" "$here/consumer/consumer.c" "${static_flags[@]}" -o "$work/c_static" &&
    LD_LIBRARY_PATH=$library "$work/c_shared" && LD_LIBRARY_PATH=$library "$work/cpp_shared" && "$work/c_static"
)
step "pkg-config: C and C++, shared and static" use_pkg_config

# ---- The examples, outside of the project.
use_examples() {
  cmake -S "$source/examples" -B "$work/examples" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" && cmake --build "$work/examples" &&
    ctest --test-dir "$work/examples" --output-on-failure --no-tests=error
}
step "the examples against the installed library" use_examples

# ---- Inside another project (configured only: the objects are the same as ours).
step "add_subdirectory" cmake -S "$here/subproject" -B "$work/outer" -G Ninja -DCUGAD_SOURCE="$source" -DCUGAD_CUDA=OFF
commands_of() { ninja -C "$1" -t commands "$2"; }
optimised() { ! commands_of "$work/outer" cugad | grep ' -c .*/kernels/[^/]*/[^/]*\.cpp$' | grep -v /contract.cpp | grep -v -e ' -O3 '; }
step "kernels are optimised where the outer project names no build type" optimised
builds_the_library() { commands_of "$1" cugad | tail -n 1 | grep 'libcugad\.so'; }
step "the target cugad is the library, inside another project" builds_the_library "$work/outer"
step "BUILD_TESTING=OFF" cmake -S "$source" -B "$work/untested" -G Ninja -DCUGAD_CUDA=OFF -DBUILD_TESTING=OFF
has_tests() { ninja -C "$work/untested" -t targets all | grep -E 'cli_test|GTest'; }
step "builds no tests" fails has_tests
step "the target cugad is the library, at the top" builds_the_library "$work/untested"
