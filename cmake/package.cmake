# cpack: one .tar.gz of everything, and Debian packages by component: libcugad0 (the library), libcugad-dev, cugad (the
# command, which does not need the library).
set(CPACK_GENERATOR TGZ DEB)
set(CPACK_PACKAGE_NAME cugad)
set(CPACK_PACKAGE_VENDOR "cugad")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_SOURCE_GENERATOR TGZ)
set(CPACK_SOURCE_IGNORE_FILES "/build[^/]*/" "/\\.git/")
string(TOLOWER "${CPACK_PACKAGE_NAME}-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR}" CPACK_PACKAGE_FILE_NAME)

set(CPACK_COMPONENTS_ALL library development command)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "Seed f632464f maintainers <maintainers@users.noreply.r-seed-f632464f.example>" CACHE STRING "Maintainer of the Debian packages")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
set(CPACK_DEBIAN_DEBUGINFO_PACKAGE OFF)

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libcugad${CUGAD_ABI_VERSION})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libcugad-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libcugad${CUGAD_ABI_VERSION} (= ${PROJECT_VERSION}), libfmt-dev, libjpeg-dev, libpng-dev, libzip-dev, zlib1g-dev")
set(CPACK_DEBIAN_COMMAND_PACKAGE_NAME cugad)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SECTION science)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION "Anomaly detection with generative adversarial networks: shared library
 Trains GANs on normal rows of a table and scores how badly what they learnt explains others.")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "Anomaly detection with generative adversarial networks: development files
 Headers for C and C++, the static library, and what CMake and pkg-config need to find them.")
set(CPACK_COMPONENT_COMMAND_DESCRIPTION "Anomaly detection with generative adversarial networks: command
 Trains, scores, evaluates and explains from a shell.")
# Each package holds the licence where Debian looks for it.
foreach(component IN LISTS CPACK_COMPONENTS_ALL)
  string(TOUPPER ${component} upper)
  install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/${CPACK_DEBIAN_${upper}_PACKAGE_NAME} RENAME copyright
          COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()
include(CPack)
