# For 64-bit ARM, compiled on another Debian or Ubuntu machine by g++-aarch64-linux-gnu, with the libraries' packages of the
# architecture arm64 and qemu-user-static for the tests (tests/arm64/run.sh installs what it needs).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig)
# Those that join the objects of the static library.
foreach(tool IN ITEMS ld objcopy nm as)
  string(TOUPPER ${tool} upper)
  find_program(CUGAD_${upper} aarch64-linux-gnu-${tool})
endforeach()
