# libcugad.so and libcugad.a, both from the same objects; both export what include/cugad marks with CUGAD_API.
if(BUILD_SHARED_LIBS)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/exports.map.in ${PROJECT_BINARY_DIR}/exports.map @ONLY)
  add_library(cugad SHARED ${CUGAD_OBJECTS})
  target_link_options(cugad PRIVATE LINKER:--version-script=${PROJECT_BINARY_DIR}/exports.map)
  set_target_properties(cugad PROPERTIES VERSION ${CUGAD_ABI_VERSION}.${PROJECT_VERSION_MINOR}.${PROJECT_VERSION_PATCH} SOVERSION ${CUGAD_ABI_VERSION}
                                         LINK_DEPENDS ${PROJECT_BINARY_DIR}/exports.map)
  target_link_libraries(cugad PRIVATE ${CUGAD_DEPENDENCIES} ${CUGAD_LINK_DEPENDENCIES})
  target_include_directories(cugad PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
  target_compile_features(cugad PUBLIC cxx_std_20)
  add_library(cugad::cugad ALIAS cugad)
endif()

# The static library is one object. An archive of many would let the linker take a shared inline function from code
# built for AVX-512, whose object it may open first; and every internal name would be in the way of the program's own.
if(CUGAD_STATIC OR NOT BUILD_SHARED_LIBS)
  # By name: with Clang, CMake's own are those of LLVM.
  find_program(CUGAD_LD NAMES ld.bfd ld)
  find_program(CUGAD_OBJCOPY objcopy)
  mark_as_advanced(CUGAD_LD CUGAD_OBJCOPY)
  execute_process(COMMAND ${CUGAD_LD} --help OUTPUT_VARIABLE linker_help ERROR_QUIET)
  if(NOT linker_help MATCHES "force-group-allocation" OR NOT CUGAD_OBJCOPY)
    message(FATAL_ERROR "The static library needs GNU ld and objcopy (binutils 2.29 or later); -DCUGAD_STATIC=OFF goes without it")
  endif()
  if(CMAKE_INTERPROCEDURAL_OPTIMIZATION OR (CMAKE_CXX_FLAGS MATCHES "-flto" AND NOT CMAKE_CXX_FLAGS MATCHES "-ffat-lto-objects"))
    message(FATAL_ERROR "The static library needs machine code: link-time optimisation with -ffat-lto-objects, or -DCUGAD_STATIC=OFF")
  endif()
  set(object ${PROJECT_BINARY_DIR}/cugad-$<CONFIG>.o)
  set(objects ${PROJECT_BINARY_DIR}/cugad-$<CONFIG>.objects)
  file(GENERATE OUTPUT ${objects} CONTENT "\"$<JOIN:${CUGAD_OBJECTS},\"\n\">\"\n")
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${CUGAD_LD} -r --force-group-allocation -o ${object} @${objects}
    COMMAND ${CUGAD_OBJCOPY} --localize-hidden --remove-section=.gnu.lto_* --remove-section=.gnu.debuglto_* ${object}
    DEPENDS ${CUGAD_OBJECTS} ${objects}
    COMMENT "Joining the objects of libcugad.a" VERBATIM)
  add_library(cugad_static STATIC ${object})
  set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  set_target_properties(cugad_static PROPERTIES OUTPUT_NAME cugad LINKER_LANGUAGE CXX)
  target_include_directories(cugad_static PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
  target_compile_features(cugad_static PUBLIC cxx_std_20)
  # With the C++ library by name: the program may be written in C.
  target_link_libraries(cugad_static INTERFACE Threads::Threads ZLIB::ZLIB PkgConfig::LIBZIP fmt::fmt
                                               ${CUGAD_LINK_DEPENDENCIES} stdc++ m)
  if(NOT BUILD_SHARED_LIBS)
    add_library(cugad::cugad ALIAS cugad_static)
  endif()
endif()
