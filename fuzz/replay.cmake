sg_fuzz_target(replay_reader SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/replay_reader.c ROOMS replay)
