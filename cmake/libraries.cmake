# libcugad.so and libcugad.a, both from the same objects; both export the symbols that include/cugad marks with
# CUGAD_API. Neither requires a standard of C++ of its consumers: the C interface needs none, and the headers for C++
# check for C++20 themselves.
if(BUILD_SHARED_LIBS)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/exports.map.in ${PROJECT_BINARY_DIR}/exports.map @ONLY)
  add_library(cugad SHARED ${CUGAD_OBJECTS})
  target_link_options(cugad PRIVATE LINKER:--version-script=${PROJECT_BINARY_DIR}/exports.map)
  set_target_properties(cugad PROPERTIES VERSION ${CUGAD_ABI_VERSION}.${PROJECT_VERSION_MINOR}.${PROJECT_VERSION_PATCH} SOVERSION ${CUGAD_ABI_VERSION}
                                         LINK_DEPENDS ${PROJECT_BINARY_DIR}/exports.map)
  target_link_libraries(cugad PRIVATE ${CUGAD_DEPENDENCIES} ${CUGAD_LINK_DEPENDENCIES})
  target_include_directories(cugad PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
  add_library(cugad::cugad ALIAS cugad)
endif()

# The static library is one object. An archive of many would let the linker take a shared inline function from code
# built for AVX-512, whose object it may open first; and every internal name would be in the way of the program's own.
if(CUGAD_STATIC OR NOT BUILD_SHARED_LIBS)
  # By name: with Clang, CMake's own are those of LLVM.
  find_program(CUGAD_LD NAMES ld.bfd ld)
  find_program(CUGAD_OBJCOPY objcopy)
  find_program(CUGAD_NM nm)
  find_program(CUGAD_AS as)
  mark_as_advanced(CUGAD_LD CUGAD_OBJCOPY CUGAD_NM CUGAD_AS)
  execute_process(COMMAND ${CUGAD_LD} --help OUTPUT_VARIABLE linker_help ERROR_QUIET)
  if(NOT linker_help MATCHES "force-group-allocation" OR NOT CUGAD_OBJCOPY OR NOT CUGAD_NM OR NOT CUGAD_AS)
    message(FATAL_ERROR "The static library needs GNU ld, objcopy, nm and as (binutils 2.29 or later); -DCUGAD_STATIC=OFF goes without it")
  endif()
  if(CMAKE_INTERPROCEDURAL_OPTIMIZATION OR (CMAKE_CXX_FLAGS MATCHES "-flto" AND NOT CMAKE_CXX_FLAGS MATCHES "-ffat-lto-objects"))
    message(FATAL_ERROR "The static library needs machine code: link-time optimisation with -ffat-lto-objects, or -DCUGAD_STATIC=OFF")
  endif()
  set(object ${PROJECT_BINARY_DIR}/cugad-$<CONFIG>.o)
  set(objects ${PROJECT_BINARY_DIR}/cugad-$<CONFIG>.objects)
  file(GENERATE OUTPUT ${objects} CONTENT "\"$<JOIN:${CUGAD_OBJECTS},\"\n\">\"\n")
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${CMAKE_CURRENT_LIST_DIR}/join_objects.sh ${object} ${objects} ${CUGAD_LD} ${CUGAD_OBJCOPY} ${CUGAD_NM} ${CUGAD_AS}
    DEPENDS ${CUGAD_OBJECTS} ${objects} ${CMAKE_CURRENT_LIST_DIR}/join_objects.sh
    COMMENT "Joining the objects of libcugad.a" VERBATIM)
  add_library(cugad_static STATIC ${object})
  set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  set_target_properties(cugad_static PROPERTIES OUTPUT_NAME cugad LINKER_LANGUAGE CXX)
  target_include_directories(cugad_static PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
  # With the C++ library by name: the program may be written in C.
  target_link_libraries(cugad_static INTERFACE Threads::Threads ZLIB::ZLIB PNG::PNG JPEG::JPEG PkgConfig::LIBZIP fmt::fmt
                                               ${CUGAD_LINK_DEPENDENCIES} stdc++ m)
  if(NOT BUILD_SHARED_LIBS)
    add_library(cugad::cugad ALIAS cugad_static)
  endif()
endif()
