# What nvcc compiles for: machine code for the chips of CUGAD_CUDA_ARCHITECTURES, or for every chip and PTX that the driver of a
# later one compiles, so that no user meets "no kernel image".
if(NOT CUGAD_CUDA_ARCHITECTURES)
  # PTX of 9.0, not of the newest: this has the kernels that need much shared memory, which chips of 12.x lack.
  add_compile_options("$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-gencode arch=compute_90,code=compute_90>")
  # Without 87 and 88, which are in machines of another processor. 90a also runs on a plain 9.0.
  set(wanted 80 86 89 90a 100 103 110 120 121)
  execute_process(COMMAND ${CMAKE_CUDA_COMPILER} --list-gpu-code OUTPUT_VARIABLE known COMMAND_ERROR_IS_FATAL ANY)
  set(CUGAD_CUDA_ARCHITECTURES)
  foreach(chip IN LISTS wanted)
    string(REGEX REPLACE "[a-z]$" "" plain ${chip})
    if(known MATCHES "sm_${plain}[ \n]")
      list(APPEND CUGAD_CUDA_ARCHITECTURES ${chip})
    endif()
  endforeach()
endif()

# The front end of the compiler runs once per virtual architecture, so chips share one if the sources are the same for
# them: they distinguish only 9.0 and 12.x (kernels/latent_search/resident_kernel.cuh).
foreach(chip IN LISTS CUGAD_CUDA_ARCHITECTURES)
  if(chip MATCHES "[a-z]$")
    set(virtual ${chip})
  elseif(chip LESS 90)
    set(virtual 80)
  elseif(chip LESS 120)
    set(virtual 90)
  else()
    set(virtual 120)
  endif()
  add_compile_options("$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-gencode arch=compute_${virtual},code=sm_${chip}>")
endforeach()
list(JOIN CUGAD_CUDA_ARCHITECTURES ", " chips)
message(STATUS "CUDA ${CMAKE_CUDA_COMPILER_VERSION}, machine code for ${chips}")
