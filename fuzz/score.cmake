sg_fuzz_target(score_expr SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/score_expr.c ROOMS score)
sg_fuzz_target(score_list SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/score_list.c ROOMS score)
sg_fuzz_target(score_snapshot SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/score_snapshot.c ROOMS score)
