sg_fuzz_target(ctl_request SOURCES ${PROJECT_SOURCE_DIR}/fuzz/ctl_request.c ROOMS ctl)
