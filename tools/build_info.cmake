# Writes build_info.cpp with the commit of the source tree; the file is touched only when something changed.
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
  OUTPUT_VARIABLE COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(COMMIT unknown)
endif()
configure_file(${SOURCE}/tools/build_info.cpp.in ${OUTPUT} @ONLY)
