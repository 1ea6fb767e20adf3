find_package(Catch2 REQUIRED)
include(Catch)

# tests/catch.h hides whether Catch2 is 2.13 or 3.x; catch_main.cpp is compiled once.
add_library(tts_test STATIC tests/catch_main.cpp)
target_link_libraries(tts_test PUBLIC tts_tools Catch2::Catch2)
target_include_directories(tts_test PUBLIC ${CMAKE_SOURCE_DIR}/tests)
set(TTS_TESTED_SOURCE ${CMAKE_SOURCE_DIR} CACHE STRING "Where the tests find their data; relative: to the working directory")
target_compile_definitions(tts_test PUBLIC TTS_SOURCE_DIR="${TTS_TESTED_SOURCE}" TTS_BIN_DIR="${CMAKE_BINARY_DIR}/bin"
  $<$<BOOL:${TTS_EMBED_VOICE}>:TTS_EMBED_VOICE>)
file(GLOB TTS_TEST_HELPERS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*.cpp)
list(FILTER TTS_TEST_HELPERS EXCLUDE REGEX "_test\\.cpp$|catch_main\\.cpp$|fuzz_.*\\.cpp$|golden.*\\.cpp$")
target_sources(tts_test PRIVATE ${TTS_TEST_HELPERS})

file(GLOB TTS_TESTS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*_test.cpp)
list(FILTER TTS_TESTS EXCLUDE REGEX "golden_test\\.cpp$")  # a program of its own, below
if(NOT TTS_EMULATOR)
  list(FILTER TTS_TESTS EXCLUDE REGEX "/emulator_test\\.cpp$")
endif()
foreach(source ${TTS_TESTS})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE tts_test)
  catch_discover_tests(${name} TEST_PREFIX "${name}: ")
endforeach()
add_dependencies(voice_test tts-gen)  # starts the program
add_dependencies(bench_test tts-gen tts-bench)
add_dependencies(journal_test journal)
add_test(NAME "journal: check" COMMAND journal --check --dir ${CMAKE_SOURCE_DIR}/perf_journal)

# Fuzz targets (tests/fuzz.h): every tests/fuzz_NAME.cpp. Here they are replayed over tests/data/corpus/NAME; with
# TTS_FUZZ, which tools/fuzz.sh sets, each becomes a libFuzzer program of its own.
option(TTS_FUZZ "Build the libFuzzer programs (clang)" OFF)
file(GLOB TTS_FUZZ_SOURCES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz_*.cpp)
add_executable(fuzz_replay ${TTS_FUZZ_SOURCES})
target_link_libraries(fuzz_replay PRIVATE tts_tools)
foreach(source ${TTS_FUZZ_SOURCES})
  get_filename_component(name ${source} NAME_WE)
  if(NOT name STREQUAL "fuzz_main")
    string(REGEX REPLACE "^fuzz_" "" target ${name})
    add_test(NAME "fuzz: ${target}" COMMAND fuzz_replay ${target} ${CMAKE_SOURCE_DIR}/tests/data/corpus/${target})
    if(TTS_FUZZ)
      add_executable(${name} ${source})
      target_compile_definitions(${name} PRIVATE TTS_LIBFUZZER)
      target_link_options(${name} PRIVATE -fsanitize=fuzzer)
      target_link_libraries(${name} PRIVATE tts_tools)
    endif()
  endif()
endforeach()

# golden_test is a program of its own: golden_test [--device NAME] [--only KIND,...] DIR
file(GLOB TTS_GOLDEN CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/golden*.cpp)
add_executable(golden_test ${TTS_GOLDEN})
target_link_libraries(golden_test PRIVATE tts_engine)
add_dependencies(changed_recording_test golden_test)  # runs it
target_include_directories(golden_test PRIVATE ${CMAKE_SOURCE_DIR}/tests)
foreach(device reference cpu)
  add_test(NAME "golden_test: ${device}" COMMAND golden_test --device ${device} ${CMAKE_SOURCE_DIR}/tests/goldens)
endforeach()
if(TTS_EMULATOR)  # what takes seconds there; without --model it compares everything and takes minutes
  set(models tiny-base-1b7)
  if(NOT TTS_SANITIZE)  # five times slower; the kernels are the same for all of them
    list(APPEND models tiny-voice-design tiny-custom-voice-1b7)
  endif()
  foreach(model ${models})
    add_test(NAME "golden_test: emulator ${model}"
      COMMAND golden_test --device emulator --model ${model} ${CMAKE_SOURCE_DIR}/tests/goldens)
  endforeach()
  add_test(NAME "golden_test: emulator without a model" COMMAND golden_test --device emulator
    --only ids,sampling.scores,sampling.choice,resample ${CMAKE_SOURCE_DIR}/tests/goldens)
endif()
# Every level of the CPU: exit code 4 says that this processor lacks it, and ctest reports it as not run; a level
# that does not exist is exit code 2, a failure.
foreach(level portable avx2 avx512 vnni)
  add_test(NAME "golden_test: cpu at level ${level}"
    COMMAND golden_test --device cpu:${level} ${CMAKE_SOURCE_DIR}/tests/goldens)
  if(NOT level STREQUAL "portable")  # every processor has that one
    set_tests_properties("golden_test: cpu at level ${level}" PROPERTIES SKIP_RETURN_CODE 4)
  endif()
endforeach()

# An excerpt of the book that tests/book.sh speaks: three kills, the same samples, flat memory.
set(book_kib 1024)
if(TTS_SANITIZE)  # the sanitizers keep freed memory and a stack for every place that allocates
  set(book_kib 65536)
endif()
add_test(NAME book COMMAND ${CMAKE_SOURCE_DIR}/tests/book.sh 60 ${CMAKE_BINARY_DIR}/bin/tts-gen
  ${CMAKE_SOURCE_DIR}/tests/goldens/models/tiny-custom-voice ${book_kib})

add_test(NAME floors COMMAND ${CMAKE_COMMAND} -D SOURCE=${CMAKE_SOURCE_DIR} -P ${CMAKE_SOURCE_DIR}/tests/floors.cmake)
add_test(NAME "floors: every rule finds its violation" COMMAND ${CMAKE_COMMAND} -D SELF_TEST=ON
  -D WORK=${CMAKE_BINARY_DIR}/floors -P ${CMAKE_SOURCE_DIR}/tests/floors.cmake)
