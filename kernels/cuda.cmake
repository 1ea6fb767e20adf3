# The same .cu files as one of two targets: CUDA, or C++ against kernels/emulator/.
file(GLOB TTS_CUDA_KERNELS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/cuda/*.cu)
file(GLOB TTS_CUDA_HOST CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/cuda/*.cpp)
if(TTS_EMULATOR)
  file(GLOB TTS_EMULATOR_SOURCES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/emulator/*.cpp)
  set(TTS_KERNEL_OPTIONS -x c++ -Wno-unknown-pragmas)
  option(TTS_KERNEL_COVERAGE "Count the executed lines of the CUDA kernels (tools/emulator_coverage.sh)" OFF)
  if(TTS_KERNEL_COVERAGE)
    list(APPEND TTS_KERNEL_OPTIONS --coverage -O1)
    target_link_options(tts_kernels PUBLIC --coverage)
  endif()
  set_source_files_properties(${TTS_CUDA_KERNELS} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "${TTS_KERNEL_OPTIONS}")
  target_sources(tts_kernels PRIVATE ${TTS_CUDA_KERNELS} ${TTS_CUDA_HOST} ${TTS_EMULATOR_SOURCES})
elseif(TTS_CUDA)
  # Before the language is enabled: afterwards CMake's own default (one old architecture) stands there.
  set(CMAKE_CUDA_ARCHITECTURES "80;86;89;90;100;120" CACHE STRING "Compute capabilities that the programs hold code for")
  include(CheckLanguage)
  check_language(CUDA)
  if(NOT CMAKE_CUDA_COMPILER)
    message(FATAL_ERROR "TTS_CUDA: expected a CUDA compiler (nvcc 12.8 or newer), found none on PATH or in /usr/local/cuda; "
      "install the CUDA toolkit, name it with -D CMAKE_CUDA_COMPILER=/path/to/nvcc, or configure with -D TTS_CUDA=OFF")
  endif()
  enable_language(CUDA)
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.8)
    message(FATAL_ERROR "TTS_CUDA: expected nvcc 12.8 or newer, found ${CMAKE_CUDA_COMPILER_VERSION} (${CMAKE_CUDA_COMPILER})")
  endif()
  find_package(CUDAToolkit REQUIRED)
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake up to 3.25.1 does not know that nvcc has C++20
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    list(APPEND CMAKE_CUDA_COMPILE_FEATURES cuda_std_20)
  endif()
  set_target_properties(tts_kernels PROPERTIES  # which was made before the language was enabled
    CUDA_ARCHITECTURES "${CMAKE_CUDA_ARCHITECTURES}" CUDA_STANDARD 20 CUDA_EXTENSIONS OFF)
  # No contraction of a*b+c, as everywhere: variants of a kernel must give the same bits.
  target_compile_options(tts_flags INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:--fmad=false -Xcompiler=-Wall,-Wextra
    $<$<BOOL:${TTS_WERROR}>:-Werror=all-warnings -Xcompiler=-Werror>>)
  string(REPLACE ";" " " TTS_ARCHITECTURES "${CMAKE_CUDA_ARCHITECTURES}")
  set_source_files_properties(kernels/cuda/device.cpp PROPERTIES
    COMPILE_DEFINITIONS "TTS_CUDA_ARCHITECTURES=\"${TTS_ARCHITECTURES}\"")
  target_sources(tts_kernels PRIVATE ${TTS_CUDA_KERNELS} ${TTS_CUDA_HOST})
  target_link_libraries(tts_kernels PUBLIC CUDA::cudart_static)
endif()
