sg_fuzz_target(config_settings SOURCES ${CMAKE_CURRENT_LIST_DIR}/config_settings.c ROOMS config)
