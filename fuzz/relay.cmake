sg_fuzz_target(relay_state SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/relay_state.c ROOMS relay)
