# How every folder of src/ and tests/ is built: one OBJECT library a layer, so that a dependency cycle stops configure.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Our own objects: the strict set. Tests use less, since Criterion's macros don't pass -Wconversion.
add_library(mf_warnings INTERFACE)
target_compile_options(mf_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wdouble-promotion -Wfloat-equal -Wformat=2
  -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wnull-dereference
  $<$<BOOL:${MF_WERROR}>:-Werror>)

add_library(mf_options INTERFACE)
target_compile_definitions(mf_options INTERFACE _POSIX_C_SOURCE=200809L)
target_include_directories(mf_options INTERFACE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/src/include")
if(MF_SANITIZE)
  target_compile_options(mf_options INTERFACE -fsanitize=${MF_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(mf_options INTERFACE -fsanitize=${MF_SANITIZE})
endif()
if(MF_FUZZ)
  # Without it in the library's objects libFuzzer finds no coverage.
  target_compile_options(mf_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# mf_layer(NAME SOURCES file... [DEPENDS layer...] [LIBRARIES target...])
# A layer may include the headers of the layers it depends on and of theirs; tests/lint checks the #include lines.
function(mf_layer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  add_library(memfit_${name} OBJECT ${ARG_SOURCES})
  target_link_libraries(memfit_${name} PUBLIC mf_options ${ARG_LIBRARIES} PRIVATE mf_warnings)
  foreach(layer IN LISTS ARG_DEPENDS)
    target_link_libraries(memfit_${name} PUBLIC memfit_${layer})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY MF_LAYERS memfit_${name})
  set_property(GLOBAL APPEND PROPERTY MF_LIBRARIES ${ARG_LIBRARIES})
endfunction()

# mf_test(NAME SOURCES file... LAYERS layer...): a Criterion program as one ctest.
# Criterion passes a test that leaks, so the sanitizers' words turn it red.
function(mf_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LAYERS;DEFINES" ${ARGN})
  add_executable(test_${name} ${ARG_SOURCES})
  target_compile_options(test_${name} PRIVATE -Wall -Wextra)
  target_compile_definitions(test_${name} PRIVATE MF_SOURCE_DIR="${PROJECT_SOURCE_DIR}" ${ARG_DEFINES})
  target_link_libraries(test_${name} PRIVATE mf_options PkgConfig::CRITERION)
  foreach(layer IN LISTS ARG_LAYERS)
    # Objects do not travel through other object libraries: name every layer that is linked.
    target_link_libraries(test_${name} PRIVATE memfit_${layer})
  endforeach()
  add_test(NAME ${name} COMMAND test_${name} --jobs 1)
  set_tests_properties(${name} PROPERTIES
    FAIL_REGULAR_EXPRESSION "(Address|Leak|Memory|Thread)Sanitizer|runtime error:"
    ENVIRONMENT "LC_ALL=C;TZ=UTC" TIMEOUT 300 LABELS unit)
endfunction()
