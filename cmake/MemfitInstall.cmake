# What `cmake --install` puts where: libraries, headers, facts, program, manual, pkg-config and CMake packages.
include(CMakePackageConfigHelpers)

set(MF_DATA_DIR "${CMAKE_INSTALL_DATADIR}/memfit")
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/memfit")
install(TARGETS memfit_shared memfit_static EXPORT memfitTargets
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(DIRECTORY src/include/memfit DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
install(DIRECTORY hwdb modeldb DESTINATION "${MF_DATA_DIR}")
install(FILES LICENSE README.md CHANGELOG.md DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(TARGETS memfit RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(FILES src/cli/memfit.1 DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")

configure_file(cmake/memfit.pc.in memfit.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/memfit.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

install(EXPORT memfitTargets NAMESPACE memfit:: DESTINATION "${package_dir}")
configure_package_config_file(cmake/memfitConfig.cmake.in "${PROJECT_BINARY_DIR}/memfitConfig.cmake"
  INSTALL_DESTINATION "${package_dir}" PATH_VARS MF_DATA_DIR)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/memfitConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/memfitConfig.cmake" "${PROJECT_BINARY_DIR}/memfitConfigVersion.cmake"
  DESTINATION "${package_dir}")
