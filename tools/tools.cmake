# Programs: every tools/tts_x.cpp becomes tts-x; the other files are one library that they share.
file(GLOB TTS_TOOL_SOURCES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tools/*.cpp)
file(GLOB TTS_PROGRAMS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tools/tts_*.cpp)
list(REMOVE_ITEM TTS_TOOL_SOURCES ${TTS_PROGRAMS})

set(build_info ${CMAKE_BINARY_DIR}/build_info.cpp)
set(cuda_architectures none)
if(TTS_CUDA)
  set(cuda_architectures "${CMAKE_CUDA_ARCHITECTURES}")
endif()
string(REPLACE ";" "," cuda_architectures "${cuda_architectures}")
set(write_build_info ${CMAKE_COMMAND} -D SOURCE=${CMAKE_SOURCE_DIR} -D OUTPUT=${build_info} -D VERSION=${PROJECT_VERSION}
  "-DCOMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}" -D BUILD_TYPE=${CMAKE_BUILD_TYPE}
  "-DCUDA_ARCHITECTURES=${cuda_architectures}" -P ${CMAKE_SOURCE_DIR}/tools/build_info.cmake)
add_custom_target(tts_build_info COMMAND ${write_build_info} BYPRODUCTS ${build_info} VERBATIM)

# The benchmark's texts have one home, tests/data/bench; the program carries them.
set(bench_texts ${CMAKE_BINARY_DIR}/bench_texts.cpp)
set(bench_rows "")
foreach(label short medium long)
  set(file ${CMAKE_SOURCE_DIR}/tests/data/bench/${label}.txt)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} text)
  string(STRIP "${text}" text)
  string(APPEND bench_rows "    {\"${label}\", R\"text(${text})text\"},\n")
endforeach()
file(CONFIGURE OUTPUT ${bench_texts} CONTENT [[
#include "tools/bench_texts.h"
namespace tts {
const std::vector<BenchText>& bench_texts() {
  static const std::vector<BenchText> texts{
@bench_rows@  };
  return texts;
}
}  // namespace tts
]] @ONLY)

add_library(tts_tools STATIC ${TTS_TOOL_SOURCES} ${build_info} ${bench_texts})
target_link_libraries(tts_tools PUBLIC tts_engine)
add_dependencies(tts_tools tts_build_info)

foreach(source ${TTS_PROGRAMS})
  get_filename_component(name ${source} NAME_WE)
  string(REPLACE "_" "-" name ${name})
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE tts_tools)
  install(TARGETS ${name} RUNTIME)
endforeach()

# The performance journal replays its measurements with the programs beside it.
file(GLOB TTS_JOURNAL_SOURCES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/perf_journal/*.cpp)
add_executable(journal ${TTS_JOURNAL_SOURCES})
target_link_libraries(journal PRIVATE tts_tools)
add_dependencies(journal tts-bench tts-gen)

# Man page and completions are printed by the program itself, so they cannot differ from its parser.
set(pages ${CMAKE_BINARY_DIR}/pages)
add_custom_command(OUTPUT ${pages}/tts-gen.1
  COMMAND ${CMAKE_COMMAND} -E make_directory ${pages}
  COMMAND $<TARGET_FILE:tts-gen> --man > ${pages}/tts-gen.1
  COMMAND $<TARGET_FILE:tts-gen> --completion bash > ${pages}/tts-gen
  COMMAND $<TARGET_FILE:tts-gen> --completion zsh > ${pages}/_tts-gen
  COMMAND $<TARGET_FILE:tts-gen> --completion fish > ${pages}/tts-gen.fish
  DEPENDS tts-gen VERBATIM)
add_custom_target(tts_pages ALL DEPENDS ${pages}/tts-gen.1)
include(GNUInstallDirs)
install(FILES ${pages}/tts-gen.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${pages}/tts-gen DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${pages}/_tts-gen DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${pages}/tts-gen.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
