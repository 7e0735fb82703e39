# cmake --install: libraries, headers, the CMake package, cugad.pc and the command. Nothing in it names the prefix or
# the build folder, so the tree may be moved afterwards. Components correspond to Debian packages.
include(CMakePackageConfigHelpers)
set(CUGAD_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/cugad)

if(TARGET cugad)
  install(TARGETS cugad EXPORT cugad-shared-targets
          LIBRARY COMPONENT library NAMELINK_COMPONENT development
          INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT cugad-shared-targets NAMESPACE cugad:: DESTINATION ${CUGAD_PACKAGE_DIR} COMPONENT development)
endif()
if(TARGET cugad_static)
  install(TARGETS cugad_static EXPORT cugad-static-targets
          ARCHIVE COMPONENT development
          INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT cugad-static-targets NAMESPACE cugad:: DESTINATION ${CUGAD_PACKAGE_DIR} COMPONENT development)
endif()
install(DIRECTORY include/cugad TYPE INCLUDE COMPONENT development FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")

configure_package_config_file(cmake/cugad-config.cmake.in ${PROJECT_BINARY_DIR}/cugad-config.cmake
                              INSTALL_DESTINATION ${CUGAD_PACKAGE_DIR} NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cugad-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cugad-config.cmake ${PROJECT_BINARY_DIR}/cugad-config-version.cmake
        DESTINATION ${CUGAD_PACKAGE_DIR} COMPONENT development)

# cugad.pc finds the prefix from its own location, unless the library's folder was given as an absolute path.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(CUGAD_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
  set(CUGAD_PC_LIBDIR "${CMAKE_INSTALL_FULL_LIBDIR}")
  set(CUGAD_PC_INCLUDEDIR "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
  file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  string(REGEX REPLACE "/$" "" up "${up}")
  set(CUGAD_PC_PREFIX "\${pcfiledir}/${up}")
  set(CUGAD_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  set(CUGAD_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
# The dependencies of the static library are in the private fields (pkg-config --static) if there is a shared one, too.
if(TARGET cugad_static)
  set(CUGAD_PC_REQUIRES "zlib, libzip, libpng, libjpeg, fmt")
  set(CUGAD_PC_DEPENDENCIES "-pthread -lstdc++ -lm")
  if(CUGAD_CUBLASLT AND CUGAD_HAS_CUDA)
    string(APPEND CUGAD_PC_DEPENDENCIES " -L${CUDAToolkit_LIBRARY_DIR} -lcublasLt")
  endif()
  if(CUGAD_HAS_CUDA)
    string(APPEND CUGAD_PC_DEPENDENCIES " -L${CUDAToolkit_LIBRARY_DIR} -lcudart_static -ldl -lrt")
  endif()
endif()
if(TARGET cugad AND TARGET cugad_static)
  set(CUGAD_PC_NEEDS "Requires.private: ${CUGAD_PC_REQUIRES}\nLibs: -L\${libdir} -lcugad\nLibs.private: ${CUGAD_PC_DEPENDENCIES}")
elseif(TARGET cugad)
  set(CUGAD_PC_NEEDS "Libs: -L\${libdir} -lcugad")
else()
  set(CUGAD_PC_NEEDS "Requires: ${CUGAD_PC_REQUIRES}\nLibs: -L\${libdir} -lcugad ${CUGAD_PC_DEPENDENCIES}")
endif()
configure_file(cmake/cugad.pc.in ${PROJECT_BINARY_DIR}/cugad.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cugad.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

if(TARGET cugad_command)
  install(TARGETS cugad_command RUNTIME COMPONENT command)
  if(CUGAD_MPI STREQUAL "ON")
    install(TARGETS cugad_mpi RUNTIME COMPONENT command)
  endif()
endif()
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT development)
